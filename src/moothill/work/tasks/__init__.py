"""Tasks: add them, hand them out, and know what became of each."""

from .models import AttemptReference, ClaimedTask, Completion, Failure, NewTask, Requirements, Task, TaskDetails
from .service import Tasks

__all__ = [
    "AttemptReference",
    "ClaimedTask",
    "Completion",
    "Failure",
    "NewTask",
    "Requirements",
    "Task",
    "TaskDetails",
    "Tasks",
]
