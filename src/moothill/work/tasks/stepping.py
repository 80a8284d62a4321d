"""Durable steps: what the holder of a task has done for good, so that the next attempt goes on behind it.

A step is recorded once, by whoever holds the task: the first result of a name counts, and whoever says the name again
is told that one. What happens between doing something and recording it is done again after a crash; only what is
itself safe to repeat, or recorded in the same transaction, happens once.
"""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, Field

from ...database.queries import Many, Maybe, Queries
from ...kernel.context import context
from ...kernel.errors import Internal
from ...kernel.events import dumps
from ...kernel.operation import operation
from ...kernel.paging import Cursor, Page, PageSize, decode_cursor
from ...kernel.service import Service
from ...kernel.texts import JsonObject, Label
from .claiming import why_stale
from .errors import AttemptStale, TaskStepsFull
from .events import TaskStepRecorded
from .lookup import find_task
from .models import RecordedStep, TaskReference, TaskStep, Token

__all__ = ["record_step", "steps"]

MOST_STEPS = 1_000


class _Recorded(BaseModel):
    attempt: int
    steps: int
    recorded_at: datetime | None


class _Step(TaskStep):
    task_id: UUID


class Sql(Queries):
    """Statements about steps."""

    file = "stepping.sql"

    record: Maybe[_Recorded]
    step: Maybe[_Step]
    page: Many[_Step]


sql = Sql()


@operation(
    effect="write",
    scope="tasks:work",
    example={
        "task": "018f0000-0000-7000-8000-000000000000",
        "token": "018f0000-0000-7000-8000-000000000001",
        "name": "charge",
        "result": {"receipt": "r-17"},
    },
)
async def record_step(
    self: Service,
    *,
    task: Annotated[UUID, Field(description="Id of the task.")],
    token: Token,
    name: Annotated[Label, Field(description="What was done; unique in the task.")],
    result: Annotated[JsonObject | None, Field(description="What came out of it, at most 64 KiB of JSON.")] = None,
) -> RecordedStep:
    """Record something as done for good. If it was recorded before, by any attempt, that first result is given.

    Raises:
        AttemptStale: the attempt does not hold the task any more; nothing was recorded.
        TaskStepsFull: the task has 1,000 steps.
    """
    given = result or {}
    held = await sql.record(task_id=task, token=token, name=name, result=dumps(given), most=MOST_STEPS)
    if held is None:
        raise AttemptStale(await why_stale(task), task=str(task))
    if held.recorded_at is not None:
        context().record(TaskStepRecorded(name=name, attempt=held.attempt), subject=task)
        return RecordedStep(name=name, result=given, attempt=held.attempt, recorded_at=held.recorded_at, created=True)
    known = await sql.step(task_id=task, name=name)
    if known is not None:
        return RecordedStep(**known.model_dump(exclude={"task_id"}), created=False)
    if held.steps >= MOST_STEPS:
        raise TaskStepsFull(f"Task {task} has {held.steps:,} steps, as many as a task may have.", task=str(task))
    raise Internal(f"Step {name!r} of task {task} was neither recorded nor found.")


@operation(effect="read", scope="tasks:read", example={"task": "billing-rewrite-plan"})
async def steps(self: Service, *, task: TaskReference, limit: PageSize = 50, cursor: Cursor = None) -> Page[TaskStep]:
    """What the holders of a task have done for good, by name."""
    found = await find_task(task)
    query = ["tasks.steps", context().tenant, found.id]
    (after,) = decode_cursor(query, cursor, parts=(str,)) or [""]
    rows = await sql.page(task_id=found.id, after=after, size=limit + 1)
    page = Page[_Step].cut(rows, limit=limit, query=query, key=lambda row: [row.name])
    items = [TaskStep(**row.model_dump(exclude={"task_id"})) for row in page.items]
    return Page[TaskStep](items=items, next=page.next)
