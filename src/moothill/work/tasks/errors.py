"""What can go wrong with tasks."""

from ...kernel.errors import Conflict, Invalid, NotFound


class TaskNotFound(NotFound):
    """There is no such task in this tenant; `tasks.list` shows those that exist."""


class TaskExists(Conflict):
    """A task with this key of yours (`task_id`) exists already; choose another or leave it out."""


class TaskChanged(Conflict):
    """The task changed since you read it; read it again and repeat the change on that version."""


class TaskStateConflict(Conflict):
    """The task is not in a state from which this is possible."""


class AttemptStale(Conflict):
    """This attempt does not hold the task any more; stop working on it, as its result is not wanted."""


class TaskStepsFull(Conflict):
    """The task has as many steps as a task may have; record what follows in one of them."""


class ProgressWentBack(Conflict):
    """The phase was further already, and within an attempt none goes back; name another phase for other work."""


class DependencyCycle(Invalid):
    """These tasks would wait for each other in a circle, so that none of them could ever begin."""


class DependencyNotFound(NotFound):
    """A task that another depends on does not exist in this tenant."""


class RequirementUnmet(Conflict):
    """The agent does not have what the task requires."""
