"""What the name of a limit says."""

from .models import Limit, LimitRow, Unit

__all__ = ["QUOTAS", "is_rate", "shown"]

# What is counted exactly, in the transaction that stores it.
QUOTAS = frozenset({"agents", "capabilities", "events"})


def is_rate(name: str) -> bool:
    """Whether a limit is one of calls a minute."""
    return name.startswith("calls")


def _unit(name: str) -> Unit:
    if is_rate(name):
        return "a minute"
    return "a day" if name == "events" else "stored"


def shown(row: LimitRow) -> Limit:
    """A limit as its tenant sees it."""
    used = row.used or 0
    return Limit(
        name=row.name,
        unit=_unit(row.name),
        amount=row.amount,
        used=used,
        remaining=max(0, row.amount - used),
        set_by=row.set_by,
        set_at=row.set_at,
    )
