"""Handing tasks out, and keeping those that are worked on."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID, uuid4

from pydantic import BaseModel, Field

from ...database.queries import Many, Maybe, One, Queries
from ...kernel.context import context
from ...kernel.errors import Conflict, Forbidden
from ...kernel.operation import operation
from ...kernel.service import Service
from ...kernel.texts import AgentReference, JsonObject, Label, id_of
from ...registry.agents.errors import AgentIsDeactivated
from ...registry.agents.lookup import unknown_agent
from .errors import AttemptStale
from .events import TasksBegun, TasksClaimed
from .lookup import Standing, standing_of
from .models import (
    MOST_ATTEMPTS,
    ClaimedTask,
    NextDue,
    ParentResult,
    Status,
    Token,
)

__all__ = ["begin", "claim", "stale_because", "why_stale"]

LEASE_SECONDS = 60.0

Queues = Annotated[
    list[Annotated[Label, Field(max_length=100)]] | None,
    Field(min_length=1, max_length=100, description="Only from these queues; default: all."),
]
Lease = Annotated[
    float, Field(ge=1, le=86_400, description="After how long a silence the tasks are given to others, seconds.")
]
WorkerId = Annotated[
    UUID | None,
    Field(description="Id that a worker gave itself when it began: one heartbeat then keeps all that it holds."),
]
ForWhom = Annotated[AgentReference | None, Field(description="For whom; default: the agent that asks, if one does.")]
Most = Annotated[int, Field(ge=1, le=MOST_ATTEMPTS, description="At most so many.")]
Begins = Annotated[bool, Field(description="Whether work begins at once; otherwise say `tasks.begin`.")]
WorkerName = Annotated[Label | None, Field(description="The worker's name, for people.")]


class _Agent(BaseModel):
    id: UUID
    agent_id: str
    status: str
    deactivated_at: datetime | None


class _Claimed(ClaimedTask):
    """A row as it comes, and as it goes out: doors show what `ClaimedTask` declares."""

    # They were checked on their way in.
    payload: dict[str, Any]
    constraints: dict[str, Any]
    has_parents: bool = Field(exclude=True, repr=False)
    has_answers: bool = Field(exclude=True, repr=False)


class _Parent(BaseModel):
    child: UUID
    id: UUID
    task_id: str | None
    status: Status
    result: JsonObject | None


class _Answer(BaseModel):
    task_id: UUID
    id: UUID
    answer: JsonObject


class _Begun(BaseModel):
    id: UUID
    attempt: int


class Sql(Queries):
    """Statements that hand tasks out."""

    file = "claiming.sql"
    fragments = ("columns.sql",)

    agent: Maybe[_Agent]
    claim: Many[_Claimed]
    parents: Many[_Parent]
    answers: Many[_Answer]
    next_due: One[NextDue]
    begin: Maybe[_Begun]


sql = Sql()


class AgentIsSuspended(Conflict):
    """The agent is suspended and is given no tasks; an operator ends that with `agents.set_status`."""


@operation(effect="write", scope="tasks:work", audience="agent", example={"agent": "cartwright", "limit": 2})
async def claim(
    self: Service,
    *,
    agent: ForWhom = None,
    queues: Queues = None,
    limit: Most = 1,
    lease_seconds: Lease = LEASE_SECONDS,
    begin: Begins = True,
    worker: WorkerId = None,
    worker_name: WorkerName = None,
) -> Sequence[ClaimedTask]:
    """Take tasks to work on: those that the agent may take, the most urgent first; none when there are none.

    A task is held until it is reported, or until nobody kept it for the time of its lease: then another gets it, and
    what this attempt still says is refused. Groups of a queue get their shares by weight.

    Raises:
        AgentNotFound, AgentIsDeactivated, AgentIsSuspended: of the agent.
        Forbidden: an agent claims for itself alone.
    """
    who = await _claimer(agent)
    rows = await sql.claim(
        queues=queues,
        agent=who,
        actor=context().actor.id,
        worker=worker,
        worker_name=worker_name,
        most=limit,
        seed=uuid4(),
        lease=lease_seconds,
        begins=begin,
    )
    if not rows:
        # Others who wait for tasks would look in vain too, and wake us by that.
        context().hush()
        return []
    ids = [row.id for row in rows]
    context().record(
        TasksClaimed(count=len(rows), agent=who, worker=worker),
        subject=ids[0] if len(ids) == 1 else None,
        subjects=ids if len(ids) > 1 else (),
    )
    if any(row.has_parents or row.has_answers for row in rows):
        return await _with_what_was_left(rows)
    return rows


async def _with_what_was_left(rows: Sequence[_Claimed]) -> list[ClaimedTask]:
    """The tasks with what those that they waited for left, and what was answered."""
    parents: dict[UUID, list[ParentResult]] = {}
    if waited := [row.id for row in rows if row.has_parents]:
        for left in await sql.parents(ids=waited):
            parents.setdefault(left.child, []).append(
                ParentResult(id=left.id, task_id=left.task_id, status=left.status, result=left.result)
            )
    answers: dict[UUID, list[JsonObject]] = {}
    if answered := [row.id for row in rows if row.has_answers]:
        for each in await sql.answers(ids=answered):
            answers.setdefault(each.task_id, []).append(each.answer)
    return [
        row.model_copy(update={"parents": parents.get(row.id, []), "answers": answers.get(row.id, [])}) for row in rows
    ]


async def _claimer(reference: str | None) -> UUID | None:
    call = context()
    own = call.actor.id if call.actor.kind == "agent" else None
    if reference is None and own is None:
        return None
    found = await sql.agent(reference=reference or "", id=own if reference is None else id_of(reference))
    if found is None:
        raise await unknown_agent(reference or str(own))
    if own is not None and found.id != own and not call.principal.may("tasks:write"):
        raise Forbidden(f"This key speaks for its own agent alone, not for {reference!r}.", agent=reference)
    if found.deactivated_at is not None:
        raise AgentIsDeactivated(
            f"Agent {found.agent_id} was deactivated; `agents.reactivate` brings it back.", agent=found.agent_id
        )
    if found.status == "suspended":
        raise AgentIsSuspended(agent=found.agent_id)
    return found.id


@operation(
    effect="write",
    scope="tasks:work",
    example={"task": "018f0000-0000-7000-8000-000000000000", "token": "018f0000-0000-7000-8000-000000000001"},
)
async def begin(self: Service, *, task: Annotated[UUID, Field(description="Id of the task.")], token: Token) -> int:
    """Begin a task that was handed out with `begin` false; the number of the attempt.

    Raises:
        AttemptStale: the attempt does not hold the task, or has begun.
    """
    begun = await sql.begin(id=task, token=token)
    if begun is None:
        raise AttemptStale(await why_stale(task), task=str(task))
    context().record(TasksBegun(attempt=begun.attempt), subject=task)
    return begun.attempt


async def why_stale(task: UUID) -> str:
    """Why an attempt does not hold its task, for an error."""
    return stale_because(task, (await standing_of([task])).get(task))


def stale_because(task: UUID, standing: Standing | None) -> str:
    """Why an attempt does not hold its task, given where that stands now."""
    if standing is None:
        return f"There is no task {task} in this tenant."
    if standing.token is not None:
        holder = f"agent {standing.agent}" if standing.agent else "a worker"
        return (
            f"Attempt {standing.attempt} of task {task} holds it now, in the hands of {holder}; this token is of "
            "another one. Stop working on it: its result is not wanted."
        )
    return (
        f"Nobody holds task {task}: it is {standing.status}, after attempt {standing.attempt}. Stop working on it; "
        "`tasks.claim` gives you another."
    )
