"""Which tasks wait for which."""

from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, Field

from ...database.queries import Many, One, Queries
from ...kernel.context import context
from ...kernel.identifiers import NOBODY
from ...kernel.operation import operation
from ...kernel.paging import Cursor, Page, PageSize, decode_cursor
from ...kernel.service import Service
from .errors import DependencyCycle
from .events import TaskDepends
from .lookup import find_task, refuse_state
from .models import DependencyType, Task, TaskDependency, TaskReference, TaskSummary

__all__ = ["depend", "dependencies", "dependents", "graph"]


class TaskEdge(BaseModel):
    """One task waits for another."""

    task_id: UUID = Field(description="Id of the task that waits.")
    depends_on: UUID = Field(description="Id of the task that it waits for.")
    type: DependencyType = Field(description="How it waits.")
    met: bool = Field(description="Whether it holds nobody up.")


class TaskGraph(BaseModel):
    """Tasks and who of them waits for whom."""

    tasks: list[TaskSummary] = Field(description="The tasks, the nearest first.")
    edges: list[TaskEdge] = Field(description="Dependencies among them.")
    complete: bool = Field(description="Whether these are all that are so near.")


class _Id(BaseModel):
    id: UUID


class Sql(Queries):
    """Statements about dependencies."""

    file = "linking.sql"
    fragments = ("columns.sql",)

    depend: One[str]
    dependencies: Many[TaskDependency]
    beside: Many[_Id]
    these: Many[TaskSummary]
    edges: Many[TaskEdge]


sql = Sql()


@operation(effect="write", scope="tasks:write", example={"task": "licence-audit", "on": "portal-invoices"})
async def depend(
    self: Service,
    *,
    task: TaskReference,
    on: Annotated[TaskReference, Field(description="The task that it waits for from now on.")],
    type: Annotated[DependencyType, Field(description="How it waits.")] = "blocks",
) -> Task:
    """Have a task that nobody holds wait for another; one that waits for it already stays as it is.

    Raises:
        DependencyCycle: the other one waits for it, directly or not.
        TaskStateConflict: somebody holds it, or it has ended.
    """
    child, parent = await find_task(task), await find_task(on)
    went = await sql.depend(child=child.id, parent=parent.id, type=type)
    if went == "cycle":
        raise DependencyCycle(
            f"{parent.task_id or parent.id} waits for {child.task_id or child.id} already, directly or not: "
            "neither could ever begin. Nothing was changed.",
            tasks=[str(child.id), str(parent.id)],
        )
    if went not in ("added", "known"):
        refuse_state(child, "made to wait", "only one that nobody holds can be.")
    if went == "added":
        context().record(TaskDepends(depends_on=parent.id, type=type), subject=child.id)
    return await find_task(str(child.id))


@operation(effect="read", scope="tasks:read", example={"task": "refund-endpoint-review"})
async def dependencies(
    self: Service, *, task: TaskReference, limit: PageSize = 50, cursor: Cursor = None
) -> Page[TaskDependency]:
    """The tasks that one waits for, in the order in which they were added."""
    return await _page(task, "tasks.dependencies", limit, cursor, below=False)


@operation(effect="read", scope="tasks:read", example={"task": "refund-endpoint"})
async def dependents(
    self: Service, *, task: TaskReference, limit: PageSize = 50, cursor: Cursor = None
) -> Page[TaskDependency]:
    """The tasks that wait for one, in the order in which they were added."""
    return await _page(task, "tasks.dependents", limit, cursor, below=True)


async def _page(task: str, name: str, limit: int, cursor: str | None, *, below: bool) -> Page[TaskDependency]:
    found = await find_task(task)
    query = [name, context().tenant, found.id]
    (after,) = decode_cursor(query, cursor, parts=(UUID,)) or [NOBODY]
    rows = await sql.dependencies(id=found.id, below=below, after=after, size=limit + 1)
    return Page.cut(rows, limit=limit, query=query, key=lambda row: [row.id])


@operation(effect="read", scope="tasks:read", example={"task": "refund-endpoint", "steps": 2})
async def graph(
    self: Service,
    *,
    task: TaskReference,
    steps: Annotated[int, Field(ge=1, le=20, description="How far around it, along dependencies both ways.")] = 3,
    limit: Annotated[int, Field(ge=1, le=500, description="At most so many tasks.")] = 100,
) -> TaskGraph:
    """The tasks around one: what it waits for, what waits for it, and so on."""
    found = await find_task(task)
    known = frontier = [found.id]
    for _ in range(steps):
        # Each task once, whatever the number of ways to it.
        frontier = [each.id for each in await sql.beside(ids=frontier, known=known, most=limit + 1 - len(known))]
        known = [*known, *frontier]
        if not frontier or len(known) > limit:
            break
    kept = known[:limit]
    tasks = await sql.these(ids=kept)
    return TaskGraph(tasks=tasks, edges=await sql.edges(ids=kept), complete=len(known) <= limit)
