"""What upkeep has to say, from what it found."""

from collections.abc import Sequence
from datetime import timedelta

from .models import LongTransaction

__all__ = ["LONG_TRANSACTION", "held_back", "months_made", "outside_of_months"]

# A transaction with writes that runs for longer stops the feed for everybody; see the horizon in worker.events.
LONG_TRANSACTION = timedelta(minutes=5)


def months_made(names: Sequence[str]) -> str:
    """Which partitions were missing."""
    return f"made {', '.join(names)}" if names else "all there"


def held_back(found: Sequence[LongTransaction]) -> str:
    """Which transactions hold the feed back, and for how long."""
    return "; ".join(f"{each.who} holds the feed back for {each.minutes:.0f} min" for each in found)


def outside_of_months(tables: Sequence[str]) -> str:
    """Which histories have rows in their default partition."""
    return f"rows outside of every month: {', '.join(tables)}" if tables else ""
