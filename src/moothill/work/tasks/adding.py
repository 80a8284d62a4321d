"""Adding tasks: one, many, or a whole graph of them, in the caller's own transaction."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, Field

from ...database.queries import Many, One, Queries, Run
from ...kernel.context import context
from ...kernel.errors import Invalid
from ...kernel.events import dumps
from ...kernel.identifiers import uuid7
from ...kernel.operation import operation
from ...kernel.service import Service
from ...kernel.texts import JsonObject, Label, LongName, canonical, id_of
from ...registry.agents.errors import AgentIsDeactivated
from ...registry.agents.lookup import unknown_agent
from ...registry.agents.rules import canonical_skill
from . import rules
from .errors import DependencyCycle, DependencyNotFound
from .events import TasksEnqueued
from .lookup import find_task
from .models import (
    MOST_TASKS,
    EnqueueReport,
    NewTask,
    OwnKey,
    Priority,
    QueueName,
    Requirements,
    Task,
    TaskDetails,
    Waits,
)

__all__ = ["add_tasks", "agents_of", "enqueue", "enqueue_many", "lane_row"]

_CHUNK = 2_000
_SUBJECTS = 1_000
_STORED = set(NewTask.model_fields) - {
    "name",
    "depends_on",
    "dependencies",
    "group",
    "unique_key",
    "unique_seconds",
    "parent",
    "priority",
}


class _Key(BaseModel):
    key: str
    id: UUID
    until: datetime | None


class _Spent(BaseModel):
    key: str


class _Found(BaseModel):
    reference: str
    id: UUID
    task_id: str | None
    deleted_at: datetime | None


class _Agent(BaseModel):
    reference: str
    id: UUID
    deactivated_at: datetime | None


class _Count(BaseModel):
    state: str
    tasks: int


class Sql(Queries):
    """Statements that add tasks."""

    file = "adding.sql"

    hold_keys: Many[_Key]
    spent_keys: Many[_Spent]
    retake_keys: Run
    add: Many[_Count]
    link: Run
    hold_parents: Run
    settle: One[int]
    hint: Run
    find: Many[_Found]
    agents: Many[_Agent]


sql = Sql()


@operation(
    effect="write",
    scope="tasks:write",
    audience="agent",
    example={
        "title": "Write the release notes",
        "kind": "writing",
        "payload": {"version": "2.1"},
        "priority": "high",
        "details": {"requirements": {"skills": [{"name": "technical writing", "minimum": 5}]}, "max_attempts": 5},
    },
)
async def enqueue(
    self: Service,
    *,
    title: Annotated[LongName, Field(description="What it is about, in a line.")],
    kind: Annotated[Label, Field(description="What sort of work it is; a worker's handlers go by it.")] = "task",
    payload: Annotated[JsonObject | None, Field(description="What its holder works on.")] = None,
    priority: Annotated[Priority, Field(description="How urgent it is.")] = "normal",
    queue: QueueName = "default",
    task_id: Annotated[OwnKey | None, Field(description="Your own key for it, unique in the tenant.")] = None,
    depends_on: Waits | None = None,
    details: Annotated[TaskDetails | None, Field(description="What else there is to say.")] = None,
) -> Task:
    """Add a task; in your own transaction it is there when that commits, and never was when it does not.

    Raises:
        TaskExists: another has this `task_id`.
        DependencyNotFound, AgentNotFound: it names a task or an agent that does not exist in this tenant.
    """
    new = NewTask(
        title=title,
        kind=kind,
        payload=payload or {},
        priority=priority,
        queue=queue,
        task_id=task_id,
        depends_on=depends_on or [],
        **(details or TaskDetails()).model_dump(),
    )
    added = await add_tasks([new])
    return await find_task(str(added.ids[0]))


@operation(
    effect="write",
    scope="tasks:write",
    example={
        "tasks": [
            {"name": "draft", "title": "Draft the announcement"},
            {"name": "review", "title": "Review the announcement", "depends_on": ["draft"]},
        ]
    },
)
async def enqueue_many(
    self: Service,
    *,
    tasks: Annotated[list[NewTask], Field(min_length=1, max_length=MOST_TASKS, description="The tasks.")],
    chain: Annotated[bool, Field(description="Whether each waits for the one before it.")] = False,
) -> EnqueueReport:
    """Add up to 100,000 tasks at once: all of them or none; a whole graph of tasks that wait for each other.

    Raises:
        TaskExists: there is one with the same `task_id`.
        DependencyCycle: some would wait for each other in a circle.
        DependencyNotFound, AgentNotFound: one names a task or an agent that does not exist in this tenant.
    """
    return await add_tasks(tasks, chain=chain)


class _Graph:
    """Who waits for whom among new tasks and those that are there."""

    def __init__(self, tasks: Sequence[NewTask], *, chain: bool) -> None:
        self.names: dict[str, int] = {}
        for place, task in enumerate(tasks):
            for name in {task.name, task.task_id} - {None}:
                if self.names.setdefault(str(name), place) != place:
                    raise Invalid(
                        f"Two of the tasks are called {name!r}; a name or task_id stands for one of them.",
                        field=f"tasks.{place}",
                        rule="unique",
                    )
        self.inside: dict[int, dict[int, str]] = {}
        self.outside: dict[int, dict[str, str]] = {}
        for place, task in enumerate(tasks):
            if chain and place:
                self.inside.setdefault(place, {})[place - 1] = "blocks"
            asked = [*((each, "blocks") for each in task.depends_on), *((d.task, d.type) for d in task.dependencies)]
            for reference, type in asked:
                there = self.names.get(reference)
                if there is None:
                    self.outside.setdefault(place, {})[reference] = type
                else:
                    self.inside.setdefault(place, {})[there] = type
        circle = rules.cycle(self.inside, len(tasks))
        if circle:
            names = [tasks[place].name or tasks[place].task_id or tasks[place].title for place in circle]
            raise DependencyCycle(
                f"{' waits for '.join(repr(name) for name in [*names[:10], names[0]])}: "
                "none of them could ever begin; leave one of these dependencies out. Nothing was added.",
                tasks=names[:100],
            )


async def add_tasks(tasks: Sequence[NewTask], *, chain: bool = False) -> EnqueueReport:
    """Add tasks, each where it stands at first; see `enqueue_many`."""
    graph = _Graph(tasks, chain=chain)
    others = await _others(
        [*(reference for each in graph.outside.values() for reference in each), *(t.parent for t in tasks if t.parent)]
    )
    agents = await agents_of([t.requirements.agent for t in tasks if t.requirements.agent])
    ids = [uuid7() for _ in tasks]
    known = await _known(tasks, ids)
    ids = [known.get(place, own) for place, own in enumerate(ids)]
    edges = [
        *((ids[place], ids[there], type) for place, found in graph.inside.items() for there, type in found.items()),
        *((ids[place], others[name], type) for place, found in graph.outside.items() for name, type in found.items()),
    ]
    fresh = [place for place in range(len(tasks)) if place not in known]
    edges = [edge for edge in edges if edge[0] not in set(known.values())] if known else edges
    rows, lanes = _rows(tasks, ids, fresh, edges, others, agents)
    counts: dict[str, int] = {}
    for start in range(0, len(rows), _CHUNK):
        part = rows[start : start + _CHUNK]
        for row in await sql.add(rows=dumps(part), lanes=dumps(lanes if start == 0 else []), actor=context().actor.id):
            counts[row.state] = counts.get(row.state, 0) + row.tasks
    if edges:
        await _link(edges, {ids[place] for place in fresh})
    if fresh:
        queues = sorted({tasks[place].queue for place in fresh})
        await sql.hint(queues=queues)
        _record([ids[place] for place in fresh], queues)
    return EnqueueReport(
        created=len(fresh),
        known=len(known),
        blocked=counts.get("blocked", 0),
        scheduled=counts.get("scheduled", 0),
        ids=ids,
    )


def _rows(
    tasks: Sequence[NewTask],
    ids: Sequence[UUID],
    fresh: Iterable[int],
    edges: Sequence[tuple[UUID, UUID, str]],
    others: Mapping[str, UUID],
    agents: Mapping[str, UUID],
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The rows of new tasks, with what is not the default alone, and the lanes that they go to."""
    waits: dict[UUID, int] = {}
    has_parents = {child for child, _, _ in edges}
    has_dependents = {parent for _, parent, _ in edges}
    for child, _, type in edges:
        waits[child] = waits.get(child, 0) + (type != "soft")
    lanes: dict[UUID, dict[str, Any]] = {}
    plain: dict[tuple[str, str], dict[str, Any]] = {}
    rows = []
    caller = context().actor
    for place in fresh:
        task, id = tasks[place], ids[place]
        lane = None if task.requirements.model_fields_set else plain.get((task.queue, task.group))
        if lane is None:
            lane = lane_row(task.queue, task.group, task.requirements, agents)
            lanes.setdefault(lane["id"], lane)
            if not task.requirements.model_fields_set:
                plain[task.queue, task.group] = lane
        row = task.model_dump(mode="json", exclude_defaults=True, include=_STORED)
        row |= {
            "id": id,
            "title": task.title,
            "kind": task.kind,
            "queue": task.queue,
            "lane_id": lane["id"],
            "priority": rules.priority_number(task.priority),
            "place": place,
        }
        if task.group:
            row["group_name"] = task.group
        if task.tags:
            row["labels"] = sorted({canonical(tag) for tag in task.tags})
        if task.parent:
            row["parent_id"] = others[task.parent]
        if task.requirements.agent:
            row["assigned_by"] = caller.id
        if id in has_parents:
            row |= {"blockers": waits[id], "has_parents": True}
        if id in has_dependents:
            row["has_dependents"] = True
        rows.append(row)
    return rows, list(lanes.values())


def lane_row(queue: str, group: str, needs: Requirements, agents: Mapping[str, UUID]) -> dict[str, Any]:
    """The lane of tasks with these requirements, as it is stored."""
    skills = {canonical_skill(each.name): each.minimum for each in needs.skills}
    capability = canonical(needs.capability) if needs.capability else None
    agent = agents[needs.agent] if needs.agent else None
    return {
        "id": rules.lane_of(queue, group, skills, capability, needs.agent_type, agent),
        "queue": queue,
        "group_name": group,
        "skills": [{"skill": skill, "minimum": minimum} for skill, minimum in sorted(skills.items())] or None,
        "capability": capability,
        "agent_type": needs.agent_type,
        "agent_id": agent,
    }


async def _link(edges: Sequence[tuple[UUID, UUID, str]], fresh: set[UUID]) -> None:
    for start in range(0, len(edges), 5 * _CHUNK):
        part = edges[start : start + 5 * _CHUNK]
        await sql.link(tasks=[e[0] for e in part], others=[e[1] for e in part], types=[e[2] for e in part])
    there = sorted({parent for _, parent, _ in edges} - fresh)
    if there:
        # Each a statement of its own: the second sees what ended while the first waited for it.
        await sql.hold_parents(ids=there)
        await sql.settle(ids=there)


async def _others(references: Sequence[str]) -> dict[str, UUID]:
    wanted = list(dict.fromkeys(references))
    if not wanted:
        return {}
    ids = {each: id for each in wanted if (id := id_of(each)) is not None}
    rows = await sql.find(references=wanted, named=list(ids), ids=list(ids.values()))
    # An id goes before a key that is written alike.
    found = {row.reference: row.id for row in rows if row.deleted_at is None}
    missing = [each for each in wanted if each not in found]
    if missing:
        raise DependencyNotFound(
            f"There is no task {rules.shown(missing)} in this tenant, nor one of this name in the call; "
            "nothing was added.",
            tasks=missing[:100],
        )
    return found


async def agents_of(references: Sequence[str]) -> dict[str, UUID]:
    """The live agents of references, one statement for all.

    Raises:
        AgentNotFound, AgentIsDeactivated: one names nobody, or one who is gone.
    """
    wanted = list(dict.fromkeys(references))
    if not wanted:
        return {}
    ids = {each: id for each in wanted if (id := id_of(each)) is not None}
    rows = await sql.agents(references=wanted, named=list(ids), ids=list(ids.values()))
    found = {row.reference: row for row in reversed(rows)}
    for each in wanted:
        if each not in found:
            raise await unknown_agent(each)
        if found[each].deactivated_at is not None:
            raise AgentIsDeactivated(f"Agent {each} was deactivated; `agents.reactivate` brings it back.", agent=each)
    return {reference: row.id for reference, row in found.items()}


async def _known(tasks: Sequence[NewTask], ids: Sequence[UUID]) -> dict[int, UUID]:
    """Places whose unique key another task holds, and that task; the other keys are theirs from here on."""
    asked: dict[str, int] = {}
    doubles: dict[int, int] = {}
    for place, task in enumerate(tasks):
        if task.unique_key is not None:
            first = asked.setdefault(task.unique_key, place)
            if first != place:
                doubles[place] = first
    if not asked:
        return {}
    own = {ids[place] for place in asked.values()}
    held = await sql.hold_keys(**_keys(tasks, ids, asked))
    taken = {row.key: row.id for row in held if row.id not in own}
    if taken:
        spent = [row.key for row in await sql.spent_keys(keys=sorted(taken))]
        if spent:
            await sql.retake_keys(**_keys(tasks, ids, {key: asked[key] for key in spent}))
        for key in spent:
            del taken[key]
    known = {asked[key]: id for key, id in taken.items()}
    return known | {place: known.get(first, ids[first]) for place, first in doubles.items()}


def _keys(tasks: Sequence[NewTask], ids: Sequence[UUID], places: Mapping[str, int]) -> dict[str, Any]:
    return {
        "keys": list(places),
        "ids": [ids[place] for place in places.values()],
        "seconds": [tasks[place].unique_seconds for place in places.values()],
    }


def _record(ids: Sequence[UUID], queues: list[str]) -> None:
    for start in range(0, len(ids), _SUBJECTS):
        part = ids[start : start + _SUBJECTS]
        context().record(
            TasksEnqueued(count=len(part), queues=queues[:100]),
            subject=part[0] if len(part) == 1 else None,
            subjects=part if len(part) > 1 else (),
        )
