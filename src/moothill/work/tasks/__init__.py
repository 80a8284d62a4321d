"""Tasks: add them, hand them out, and know what became of each."""

from .models import (
    AttemptReference,
    AttemptReport,
    ClaimedTask,
    Completion,
    Failure,
    KeptAttempt,
    NewTask,
    Requirements,
    Task,
    TaskDetails,
)
from .progressing import NewProgress
from .service import Tasks

__all__ = [
    "AttemptReference",
    "AttemptReport",
    "ClaimedTask",
    "Completion",
    "Failure",
    "KeptAttempt",
    "NewProgress",
    "NewTask",
    "Requirements",
    "Task",
    "TaskDetails",
    "Tasks",
]
