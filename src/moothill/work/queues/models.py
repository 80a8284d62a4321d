"""What goes in and out of queues."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from ...kernel.events import EventPayload


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)


class Queue(_Frozen):
    """A queue."""

    name: str = Field(description="Its name.")
    paused_at: datetime | None = Field(description="Since when nothing is handed out of it.")
    pause_reason: str | None = Field(description="Why.")


class QueueGroup(_Frozen):
    """A group of tasks in a queue, with its share and its limits."""

    queue: str = Field(description="The queue.")
    group: str = Field(description="The group; empty: tasks without one.")
    weight: int = Field(description="Its share beside the other groups of the queue; others have 1.")
    max_running: int | None = Field(description="How many of its tasks may be held at once.")
    rate_limit: int | None = Field(description="How many of its tasks may be begun in `rate_seconds`.")
    rate_seconds: int | None = Field(description="The seconds of the rate.")
    running: int = Field(description="How many places are taken now, where there is a limit.")


class QueuePaused(EventPayload, kind="queues.paused"):
    """A queue was paused."""

    queue: str = Field(description="Its name.")
    reason: str = Field(description="Why.")


class QueueResumed(EventPayload, kind="queues.resumed"):
    """A queue that was paused is open."""

    queue: str = Field(description="Its name.")


class QueueConfigured(EventPayload, kind="queues.configured"):
    """Share or limits of a group were set."""

    queue: str = Field(description="The queue.")
    group: str = Field(description="The group.")
    weight: int = Field(description="Its share.")
    max_running: int | None = Field(description="How many may be held at once.")
    rate_limit: int | None = Field(description="How many may be begun in `rate_seconds`.")
    rate_seconds: int | None = Field(description="The seconds of the rate.")
