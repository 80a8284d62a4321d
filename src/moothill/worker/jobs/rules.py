"""The states of a job."""

from collections.abc import Mapping
from typing import Literal

__all__ = ["ENDS", "TRANSITIONS", "JobState", "may_move"]

JobState = Literal["waiting", "running", "completed", "failed", "cancelled"]

# waiting again: the last try failed, or its runner stopped, and a runner will take it up.
TRANSITIONS: Mapping[JobState, frozenset[JobState]] = {
    "waiting": frozenset({"running", "failed", "cancelled"}),
    "running": frozenset({"waiting", "completed", "failed", "cancelled"}),
    "completed": frozenset(),
    "failed": frozenset(),
    "cancelled": frozenset(),
}
ENDS = frozenset(state for state, following in TRANSITIONS.items() if not following)


def may_move(old: JobState, new: JobState) -> bool:
    """Whether a job may go from one state to another."""
    return new in TRANSITIONS[old]
