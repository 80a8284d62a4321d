"""Finding the task that a reference names, and saying where one stands."""

from datetime import datetime
from typing import NoReturn
from uuid import UUID

from pydantic import BaseModel

from ...database.queries import Many, Maybe, Queries
from ...kernel.context import context
from ...kernel.errors import near_match
from ...kernel.texts import id_of
from .errors import TaskNotFound, TaskStateConflict
from .models import Status, Task

__all__ = ["Standing", "find_task", "refuse_state", "standing_of", "unknown_task"]


class Standing(BaseModel):
    """Where a task stands."""

    id: UUID
    status: Status
    attempt: int
    token: UUID | None
    expires_at: datetime | None
    cancel_asked_at: datetime | None
    note: str | None
    agent: str | None
    worker_id: UUID | None


class _Beside(BaseModel):
    task_id: str


class Sql(Queries):
    """Statements that find tasks."""

    file = "lookup.sql"
    fragments = ("columns.sql",)

    by_key: Maybe[Task]
    by_id: Maybe[Task]
    near: Many[_Beside]
    standing: Many[Standing]


sql = Sql()


async def find_task(reference: str) -> Task:
    """The task of an id or of a key of the caller's own; what has the form of an id is one.

    Raises:
        TaskNotFound: there is none in this tenant; the message has a near match.
    """
    identifier = id_of(reference)
    found = await sql.by_key(key=reference) if identifier is None else await sql.by_id(id=identifier)
    if found is None:
        raise await unknown_task(reference)
    return found


async def unknown_task(reference: str) -> TaskNotFound:
    """The error for a reference that names nothing, with the nearest key that exists."""
    call = context()
    if call.transaction is not None:
        call.transaction.follow_up()
    hint = near_match(reference, [each.task_id for each in await sql.near(key=reference)])
    return TaskNotFound(
        f"There is no task {reference!r} in this tenant.{hint or ' `tasks.list` shows those that exist.'}",
        task=reference,
    )


async def standing_of(ids: list[UUID]) -> dict[UUID, Standing]:
    """Where tasks stand; those that do not exist are left out."""
    return {row.id: row for row in await sql.standing(ids=ids)}


def refuse_state(task: Task, done: str, way_out: str) -> NoReturn:
    """Say that a task is not where it would have to be.

    Raises:
        TaskStateConflict: always.
    """
    raise TaskStateConflict(
        f"Task {task.task_id or task.id} is {task.status}, so it cannot be {done}; {way_out}",
        task=str(task.id),
        status=task.status,
    )
