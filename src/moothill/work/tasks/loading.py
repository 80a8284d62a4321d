"""Taking tasks over from another system, with what became of them there."""

from typing import Annotated, Any
from uuid import UUID, uuid4

from pydantic import Field

from ...database.queries import Queries, Run
from ...kernel.context import context
from ...kernel.errors import Invalid
from ...kernel.events import dumps
from ...kernel.operation import operation
from ...kernel.service import Service
from . import rules
from .adding import add_tasks, agents_of
from .adding import sql as adding
from .events import TasksLoaded
from .models import EnqueueReport, TaskRecord

__all__ = ["load"]

_FOLLOWS = ("pending", "blocked", "scheduled")


class Sql(Queries):
    """Statements that load tasks."""

    file = "loading.sql"

    place: Run


sql = Sql()


@operation(
    effect="write",
    scope="tasks:write",
    audience="operator",
    example={
        "tasks": [
            {
                "task_id": "old-1042",
                "title": "Move the archive",
                "status": "completed",
                "agent": "everard",
                "attempts": 1,
                "started_at": "2026-03-02T09:00:00Z",
                "ended_at": "2026-03-02T11:30:00Z",
                "quality": "0.9",
            }
        ]
    },
)
async def load(
    self: Service,
    *,
    tasks: Annotated[list[TaskRecord], Field(min_length=1, max_length=10_000, description="The tasks.")],
) -> EnqueueReport:
    """Take tasks over from another system, with what became of each there: all of them or none.

    One that was held there is held here too, by its agent and without a lease: `tasks.revoke` frees it. Numbers of
    agents are not changed.

    Raises:
        TaskExists: there is one with the same `task_id`.
        DependencyCycle, DependencyNotFound, AgentNotFound: as `tasks.enqueue_many`.
        Invalid: a state does not fit the rest.
    """
    for place, task in enumerate(tasks):
        _check(task, place)
    agents = await agents_of([each.agent for each in tasks if each.agent])
    report = await add_tasks(tasks)
    rows = [_row(task, id, agents) for task, id in zip(tasks, report.ids, strict=True) if _is_moved(task)]
    if rows:
        await sql.place(rows=dumps(rows), seed=uuid4())
        ended = [row["id"] for row in rows if row["status"] in rules.ENDED]
        if ended:
            await adding.settle(ids=ended)
    context().record(TasksLoaded(count=report.created))
    return report


def _is_moved(task: TaskRecord) -> bool:
    return task.status not in _FOLLOWS or task.created_at is not None


def _row(task: TaskRecord, id: UUID, agents: dict[str, UUID]) -> dict[str, Any]:
    return {
        "id": id,
        "status": task.status,
        "agent_id": agents[task.agent] if task.agent else None,
        "attempts": max(task.attempts, int(task.status in (*rules.HELD, "completed", "archived"))),
        "created_at": task.created_at,
        "started_at": task.started_at,
        "ended_at": task.ended_at,
        "result": task.result,
        "quality": task.quality,
        "note": task.note,
    }


def _check(task: TaskRecord, place: int) -> None:
    ended = task.status in rules.ENDED
    if not ended and (task.ended_at is not None or task.result is not None or task.quality is not None):
        raise Invalid(
            f"Task {place} is {task.status}, so it has neither end nor result nor quality.",
            field=f"tasks.{place}.status",
            rule="fits",
        )
    if task.ended_at is not None and task.started_at is not None and task.ended_at < task.started_at:
        raise Invalid(f"Task {place} ended before it began.", field=f"tasks.{place}.ended_at", rule="order")
