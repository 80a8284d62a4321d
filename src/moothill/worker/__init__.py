"""The worker: what runs by itself. Scheduled jobs, long jobs step by step, and reactions to events."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .nudge import Nudge
    from .pace import Pace
    from .worker import Worker

__all__ = ["Nudge", "Pace", "Worker"]


def __getattr__(name: str) -> Any:
    # The services under this package are imported by the facade; the machinery only by what runs it.
    if name == "Worker":
        from .worker import Worker

        return Worker
    if name == "Nudge":
        from .nudge import Nudge

        return Nudge
    if name == "Pace":
        from .pace import Pace

        return Pace
    raise AttributeError(f"module 'moothill.worker' has no attribute {name!r}")
