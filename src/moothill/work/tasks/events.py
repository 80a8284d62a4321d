"""What happened to tasks. A call that touches several writes one event that names them all.

What ends work is written although the quota of events is used up: it was done, and would be done again.
"""

from uuid import UUID

from pydantic import Field

from ...kernel.events import EventPayload


class TasksEnqueued(EventPayload, kind="tasks.enqueued"):
    """Tasks were added."""

    count: int = Field(description="How many.")
    queues: list[str] = Field(description="To which queues.")


class TasksLoaded(EventPayload, kind="tasks.loaded"):
    """Tasks were taken over from another system."""

    count: int = Field(description="How many.")


class TasksClaimed(EventPayload, kind="tasks.claimed"):
    """Tasks were handed out."""

    count: int = Field(description="How many.")
    agent: UUID | None = Field(description="To which agent.")
    worker: UUID | None = Field(description="To which worker.")


class TasksBegun(EventPayload, kind="tasks.begun"):
    """A task that had been handed out was begun."""

    attempt: int = Field(description="Number of the attempt.")


class TaskStepRecorded(EventPayload, kind="tasks.step_recorded", beyond_quota=True):
    """The holder of a task did a step of it for good."""

    name: str = Field(description="What was done.")
    attempt: int = Field(description="Number of the attempt that did it.")


class TasksProgressed(EventPayload, kind="tasks.progressed"):
    """Holders said how far they are."""

    count: int = Field(description="How many reports.")


class TasksCompleted(EventPayload, kind="tasks.completed", beyond_quota=True):
    """Tasks were completed."""

    count: int = Field(description="How many.")


class TasksFailed(EventPayload, kind="tasks.failed", beyond_quota=True):
    """Attempts failed; some of their tasks with them."""

    count: int = Field(description="How many attempts.")
    dead_letters: list[UUID] = Field(description="Tasks that failed for good.")


class TasksLost(EventPayload, kind="tasks.lost"):
    """Time took tasks from their holders, or failed them."""

    lost: int = Field(description="Workers that fell silent.")
    timed_out: int = Field(description="Time limits that passed.")
    overdue: int = Field(description="Deadlines that passed.")


class TasksReleased(EventPayload, kind="tasks.released", beyond_quota=True):
    """Tasks were handed back."""

    count: int = Field(description="How many.")


class TaskRevoked(EventPayload, kind="tasks.revoked"):
    """A task was taken from its holder."""

    attempt: int = Field(description="Number of the attempt that lost it.")
    agent: UUID | None = Field(description="The agent that held it.")


class TaskWaits(EventPayload, kind="tasks.waits", beyond_quota=True):
    """A task waits for an answer or a signal."""

    signal: str | None = Field(description="The signal; null: an answer to the task itself.")


class TaskAnswered(EventPayload, kind="tasks.answered"):
    """A task that waited was answered."""

    signal: str | None = Field(description="The signal; null: the task itself was answered.")
    count: int = Field(description="How many tasks went on.")


class TasksCancelled(EventPayload, kind="tasks.cancelled"):
    """Tasks were cancelled."""

    count: int = Field(description="How many ended.")
    asked: int = Field(description="How many holders were asked to stop.")


class TaskPaused(EventPayload, kind="tasks.paused"):
    """A task was put on hold."""

    was: str = Field(description="Where it stood.")


class TaskResumed(EventPayload, kind="tasks.resumed"):
    """A task that was on hold goes on."""

    now: str = Field(description="Where it stands.")


class TasksRedriven(EventPayload, kind="tasks.redriven"):
    """Tasks that had ended were put back in their queue."""

    count: int = Field(description="How many.")


class TaskAssigned(EventPayload, kind="tasks.assigned"):
    """A task was given to one agent, or to nobody in particular."""

    agent: UUID | None = Field(description="The agent; null: whoever may take it.")


class TaskUpdated(EventPayload, kind="tasks.updated"):
    """What a task says changed."""

    fields: list[str] = Field(description="What was given.")
    record_version: int = Field(description="Its version from now on.")


class TaskRemoved(EventPayload, kind="tasks.removed"):
    """A task was removed from sight."""

    status: str = Field(description="Where it stood.")


class TaskDepends(EventPayload, kind="tasks.depends"):
    """A task waits for another from now on."""

    depends_on: UUID = Field(description="The task that it waits for.")
    type: str = Field(description="How it waits.")


class TasksArchived(EventPayload, kind="tasks.archived"):
    """Tasks that ended long ago were put away."""

    count: int = Field(description="How many.")
