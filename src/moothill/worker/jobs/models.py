"""What goes in and out of jobs and schedules."""

from datetime import datetime, timedelta
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from ...kernel.context import ActorKind
from ...kernel.events import EventPayload
from ...kernel.operation import Job

JobId = Annotated[UUID, Field(description="Id of a job.")]
ScheduleName = Annotated[
    str,
    Field(
        min_length=1,
        max_length=100,
        description="Name of a scheduled job: `group.method`.",
        examples=["upkeep.make_months"],
    ),
]


class JobDetail(Job):
    """A job with its history."""

    attempts: int = Field(description="Tries since the last step that was done.")
    actor_name: str = Field(description="Who asked for it; it runs with that actor's rights.")
    request: UUID = Field(description="Request id of the call that asked.")
    reason: str | None = Field(None, description="Why, where the caller said so.")
    created_at: datetime = Field(description="When it was asked for.")
    started_at: datetime | None = Field(None, description="When its first step began.")
    ended_at: datetime | None = Field(None, description="When it was completed, failed or cancelled.")


class ScheduleState(BaseModel):
    """A scheduled job and its last run."""

    model_config = ConfigDict(frozen=True)

    name: str = Field(description="Its name, `group.method`.")
    every: timedelta = Field(description="Time from one start to the next.")
    per_tenant: bool = Field(description="Whether it runs once for each active tenant.")
    paused: bool = Field(description="Whether it rests; it still runs when asked.")
    asked: bool = Field(description="Whether somebody asked for a run now.")
    next_due_at: datetime = Field(description="When it starts next.")
    started_at: datetime | None = Field(None, description="When its last run started.")
    ended_at: datetime | None = Field(None, description="When its last run ended.")
    duration: timedelta | None = Field(None, description="How long the last run took.")
    outcome: Literal["running", "completed", "failed"] | None = Field(None, description="How the last run went.")
    message: str = Field("", description="What the last run says of itself, or why it failed.")
    runs: int = Field(description="How often it was started.")
    failures: int = Field(description="How often it failed.")


class TakenJob(BaseModel):
    """A job that a runner has claimed, with all that running it takes.

    Attributes:
        waited: seconds between its asking and its first beginning, told at that moment only.
    """

    id: UUID
    operation: str
    arguments: dict[str, Any]
    state: Literal["waiting", "running", "completed", "failed", "cancelled"]
    cursor: dict[str, Any] | None
    actor: UUID
    actor_kind: ActorKind
    actor_name: str
    real_actor: UUID | None
    real_actor_name: str | None
    scopes: list[str]
    request: UUID
    reason: str | None
    waited: float | None = None


class JobQueued(EventPayload, kind="jobs.queued", beyond_quota=True):
    """Long work was asked for."""

    operation: str = Field(description="What is to be done.")


class JobCompleted(EventPayload, kind="jobs.completed", beyond_quota=True):
    """Long work came to its end."""

    operation: str = Field(description="What was done.")
    done: int = Field(description="Units done.")


class JobFailed(EventPayload, kind="jobs.failed", beyond_quota=True):
    """Long work was given up; the steps that were done stay."""

    operation: str = Field(description="What was to be done.")
    message: str = Field(description="Why it failed.")


class JobCancelled(EventPayload, kind="jobs.cancelled", beyond_quota=True):
    """Long work was cancelled; the steps that were done stay."""

    operation: str = Field(description="What was to be done.")


class ScheduleChanged(EventPayload, kind="jobs.schedule_changed"):
    """An operator asked for a run of a scheduled job, or let it rest or go on."""

    schedule: str = Field(description="The scheduled job.")
    change: Literal["asked", "paused", "resumed"] = Field(description="What was changed.")
