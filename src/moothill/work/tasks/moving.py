"""Moves that people and coordinators make: cancel, pause, take away, redrive, assign, change, remove."""

from collections.abc import Sequence
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, Field

from ...database.queries import Many, Maybe, One, Queries
from ...kernel.context import context
from ...kernel.errors import Invalid
from ...kernel.events import dumps
from ...kernel.operation import Plan, operation
from ...kernel.service import Service
from ...kernel.texts import AgentReference, Label, canonical
from ...registry.agents.lookup import find_live_agent
from . import rules, workers
from .adding import lane_row
from .errors import TaskChanged
from .events import (
    TaskAssigned,
    TaskPaused,
    TaskRemoved,
    TaskResumed,
    TaskRevoked,
    TasksCancelled,
    TasksRedriven,
    TaskUpdated,
)
from .lookup import find_task, refuse_state
from .models import (
    MOST_ATTEMPTS,
    QueueName,
    Reason,
    Requirements,
    Status,
    Task,
    TaskChanges,
    TaskReference,
)

__all__ = ["assign", "cancel", "pause", "redrive", "remove", "resume", "revoke", "update"]

_MOST_CANCELLED = 10_000


class _Id(BaseModel):
    id: UUID


class _Left(BaseModel):
    tasks: list[UUID]
    states: list[Status]


class Sql(Queries):
    """Statements that move tasks."""

    file = "moving.sql"

    dependents: Many[_Id]
    end: One[list[UUID]]
    ask: Many[_Id]
    take_away: One[_Left]
    pause: Maybe[Status]
    resume: Maybe[Status]
    parents_of: Many[_Id]
    hold_parents: Many[_Id]
    redrive: Many[_Id]
    hold: Many[_Id]
    dead_letters: Many[_Id]
    assign: Maybe[UUID]
    update: Maybe[int]
    remove: Maybe[UUID]
    close_lanes: Many[_Id]
    archive: Many[_Id]


sql = Sql()


class CancelReport(BaseModel):
    """What became of tasks that were to be cancelled."""

    cancelled: list[UUID] = Field(description="Tasks that ended.")
    asked: list[UUID] = Field(description="Tasks whose holders were asked to stop; they end when these report.")
    complete: bool = Field(True, description="Whether that is all; else call again: one call goes over 10,000 tasks.")


@operation(effect="write", scope="tasks:write", example={"task": "licence-audit", "reason": "not wanted any more"})
async def cancel(
    self: Service,
    *,
    task: TaskReference,
    reason: Reason,
    cascade: Annotated[bool, Field(description="Also those that wait for it, directly or not.")] = False,
    force: Annotated[
        bool, Field(description="Take it from its holder at once instead of asking; what that one reports is refused.")
    ] = False,
) -> CancelReport:
    """Cancel a task. Its holder, if it has one, is asked to stop and learns so with its next heartbeat.

    Raises:
        TaskStateConflict: it has ended.
    """
    found = await find_task(task)
    ids = [found.id]
    if cascade:
        ids = [each.id for each in await sql.dependents(id=found.id, most=_MOST_CANCELLED)] or ids
    done = list(await sql.end(ids=ids, how="cancelled", said=reason))
    if force:
        taken = await sql.take_away(ids=ids, how="cancelled", said=reason)
        done += taken.tasks
        asked: list[UUID] = []
    else:
        asked = [each.id for each in await sql.ask(ids=ids, reason=reason)]
    if not done and not asked:
        refuse_state(found, "cancelled", "`tasks.redrive` puts one that failed or was cancelled back.")
    touched = [*done, *asked]
    context().record(
        TasksCancelled(count=len(done), asked=len(asked)),
        subject=touched[0] if len(touched) == 1 else None,
        subjects=touched if len(touched) > 1 else (),
    )
    return CancelReport(cancelled=done, asked=asked, complete=len(ids) < _MOST_CANCELLED)


@operation(effect="write", scope="tasks:write", example={"task": "licence-audit", "reason": "wait for the new rules"})
async def pause(self: Service, *, task: TaskReference, reason: Reason) -> Task:
    """Put a task on hold that nobody holds: it is handed out to nobody until `tasks.resume`.

    Raises:
        TaskStateConflict: somebody holds it, it waits for an answer, or it has ended.
    """
    found = await find_task(task)
    was = await sql.pause(id=found.id, reason=reason)
    if was is None:
        refuse_state(found, "paused", "`tasks.revoke` takes one from its holder.")
    context().record(TaskPaused(was=was), subject=found.id)
    return await find_task(str(found.id))


@operation(effect="write", scope="tasks:write", example={"task": "parser-profile"})
async def resume(self: Service, *, task: TaskReference) -> Task:
    """Let a task go on that was on hold.

    Raises:
        TaskStateConflict: it is not paused.
    """
    found = await find_task(task)
    now = await sql.resume(id=found.id)
    if now is None:
        refuse_state(found, "resumed", "only one that is paused can be.")
    context().record(TaskResumed(now=now), subject=found.id)
    return await find_task(str(found.id))


@operation(effect="write", scope="tasks:write", example={"task": "refund-endpoint", "reason": "its holder is stuck"})
async def revoke(self: Service, *, task: TaskReference, reason: Reason) -> Task:
    """Take a task from its holder and put it back in its queue; whatever that holder still reports is refused.

    Raises:
        TaskStateConflict: nobody holds it.
    """
    found = await find_task(task)
    taken = await sql.take_away(ids=[found.id], how="released", said=reason)
    if not taken.tasks:
        refuse_state(found, "taken from its holder", "it has none.")
    context().record(TaskRevoked(attempt=found.attempt, agent=found.agent_id), subject=found.id)
    return await find_task(str(found.id))


@operation(effect="write", scope="tasks:write", example={"tasks": ["supplier-table-cleaning"]})
async def redrive(
    self: Service,
    *,
    tasks: Annotated[
        list[TaskReference], Field(max_length=MOST_ATTEMPTS, description="Which; none: dead letters, the oldest first.")
    ] = [],  # noqa: B006  # never changed
    queue: QueueName | None = None,
    kind: Annotated[Label | None, Field(description="Dead letters of this kind only.")] = None,
    limit: Annotated[int, Field(ge=1, le=MOST_ATTEMPTS, description="At most so many dead letters.")] = 100,
) -> Sequence[UUID]:
    """Put tasks that failed or were cancelled back in their queue, as if nothing had failed yet; which these are.

    Their attempts stay in their history, and the next one has the next number. A deadline that has passed is dropped.

    Raises:
        TaskStateConflict: one of those named has not ended so; nothing was changed.
    """
    if tasks and (queue is not None or kind is not None):
        raise Invalid("Name tasks, or say which dead letters; not both.", field="tasks", rule="alone")
    if tasks:
        found = [await find_task(each) for each in tasks]
        for each in found:
            if each.status not in ("failed", "cancelled"):
                refuse_state(each, "redriven", "only one that failed or was cancelled can be. Nothing was changed.")
        ids = [each.id for each in found]
    else:
        ids = [each.id for each in await sql.dead_letters(queue=queue, kind=kind, most=limit)]
    if not ids:
        return []
    parents = [each.id for each in await sql.parents_of(ids=ids)]
    await sql.hold(ids=[*ids, *parents])
    if parents:
        # A statement of its own: what is counted next is what holds as long as they are held.
        await sql.hold_parents(ids=parents)
    driven = [each.id for each in await sql.redrive(ids=ids)]
    if driven:
        # A tenant that had nothing to do may be unknown to workers of every tenant.
        await workers.sql.hint()
        context().record(
            TasksRedriven(count=len(driven)),
            subject=driven[0] if len(driven) == 1 else None,
            subjects=driven if len(driven) > 1 else (),
        )
    return driven


@operation(effect="write", scope="tasks:write", example={"task": "licence-audit", "agent": "cartwright"})
async def assign(
    self: Service,
    *,
    task: TaskReference,
    agent: Annotated[AgentReference | None, Field(description="To whom; default: to whoever may take it.")] = None,
) -> Task:
    """Give a task to one agent: from now on nobody else can take it. It starts when that agent claims it.

    Raises:
        TaskStateConflict: somebody holds it, or it has ended.
    """
    found = await find_task(task)
    chosen = await find_live_agent(agent) if agent is not None else None
    needs = Requirements.model_validate(found.requirements).model_copy(
        update={"agent": chosen.agent_id if chosen else None}
    )
    lane = lane_row(found.queue, found.group, needs, {chosen.agent_id: chosen.id} if chosen else {})
    moved = await sql.assign(
        id=found.id,
        lane=dumps(lane),
        lane_id=lane["id"],
        requirements=dumps(needs.model_dump(mode="json", exclude_defaults=True)),
        assigned_by=context().actor.id if chosen else None,
    )
    if moved is None:
        refuse_state(found, "given to another", "`tasks.revoke` takes one from its holder.")
    context().record(TaskAssigned(agent=chosen.id if chosen else None), subject=found.id)
    return await find_task(str(found.id))


@operation(
    effect="write",
    scope="tasks:write",
    example={"task": "licence-audit", "version": 1, "changes": {"priority": "critical"}},
)
async def update(
    self: Service,
    *,
    task: TaskReference,
    version: Annotated[int, Field(ge=1, description="The version that was read.")],
    changes: Annotated[TaskChanges, Field(description="What changes.")],
) -> Task:
    """Change what a task says. Who holds it sees the change at the next attempt.

    Raises:
        TaskChanged: it changed since it was read.
    """
    found = await find_task(task)
    given = changes.model_fields_set
    values: dict[str, Any] = {name: getattr(changes, name) for name in TaskChanges.model_fields}
    for name in ("payload", "constraints", "metadata"):
        values[name] = dumps(values[name]) if values[name] is not None else None
    if changes.priority is not None:
        values["priority"] = rules.priority_number(changes.priority)
    labels = None if changes.tags is None else sorted({canonical(tag) for tag in changes.tags})
    now = await sql.update(id=found.id, version=version, labels=labels, **values)
    if now is None:
        raise TaskChanged(
            f"Task {found.task_id or found.id} is at version {found.version}, not {version}; read it again and "
            "repeat the change on that version.",
            task=str(found.id),
            version=found.version,
        )
    context().record(TaskUpdated(fields=sorted(given), record_version=now), subject=found.id)
    return await find_task(str(found.id))


@operation(effect="destroy", scope="tasks:write", audience="operator", example={"task": "backup-drill"})
async def remove(self: Service, *, task: TaskReference) -> Task:
    """Remove a task that has ended from sight; its rows stay until retention takes them.

    Raises:
        TaskStateConflict: it has not ended.
    """
    found = await find_task(task)
    gone = await sql.remove(id=found.id)
    if gone is None:
        refuse_state(found, "removed", "cancel it first.")
    context().record(TaskRemoved(status=found.status), subject=found.id)
    return found


@remove.plan
async def _plan_remove(self: Service, *, task: str) -> Plan:
    found = await find_task(task)
    return Plan(summary=f"{found.task_id or found.id} would be seen no more; no row would go.", counts={"tasks": 1})
