"""An agent's life: its status, its going, its coming back."""

from typing import Annotated

from pydantic import Field

from ...database.queries import Maybe, Queries
from ...kernel.context import context
from ...kernel.errors import Forbidden
from ...kernel.operation import Plan, operation
from ...kernel.service import Service
from ...kernel.texts import AgentReference
from ..capabilities.indexing import capability_entry
from ..capabilities.store import capabilities_of
from ..search import Search, SearchTouch
from . import rules
from .errors import AgentIsDeactivated, AgentStatusConflict
from .events import AgentDeactivated, AgentReactivated, AgentStatusChanged
from .indexing import agent_entry
from .lookup import find_agent, find_live_agent
from .models import Agent, AgentStatus, StatusReason

__all__ = ["deactivate", "reactivate", "set_status"]


class _Moved(Agent):
    old_status: AgentStatus


class Sql(Queries):
    """Statements of an agent's life."""

    file = "lifecycle.sql"
    fragments = ("columns.sql",)

    move: Maybe[_Moved]
    deactivate: Maybe[Agent]
    reactivate: Maybe[Agent]


sql = Sql()


@operation(
    effect="write",
    scope="agents:write",
    audience="agent",
    example={"agent": "alderman", "status": "maintenance", "reason": "new model"},
)
async def set_status(
    self: Service,
    *,
    agent: AgentReference,
    status: Annotated[AgentStatus, Field(description="How it is from now on.")],
    reason: StatusReason = None,
) -> Agent:
    """Say how an agent is; the change and its reason stay in its history.

    Raises:
        AgentStatusConflict: it cannot come there from where it is: a suspended agent comes back idle.
        Forbidden: only an operator suspends, or ends a suspension or a maintenance.
    """
    found = await find_live_agent(agent)
    if found.status == status:
        return found
    if context().actor.kind == "agent" and (status == "suspended" or found.status in rules.HELD):
        raise Forbidden(
            f"Agent {found.agent_id} is {found.status}; only an operator may make it {status}.", agent=found.agent_id
        )
    moved = await sql.move(id=found.id, status=status, reason=reason, origins=rules.origins(status))
    if moved is None:
        possible = ", ".join(rules.TRANSITIONS[found.status])
        raise AgentStatusConflict(
            f"Agent {found.agent_id} is {found.status}, so it cannot become {status}; possible: {possible}.",
            status=found.status,
        )
    await Search(self.executor).touch([SearchTouch(id=moved.id, status=moved.status)])
    after = Agent(**moved.model_dump(exclude={"old_status"}))
    context().record(
        AgentStatusChanged(agent_id=moved.agent_id, old=moved.old_status, new=status, reason=reason),
        subject=moved.id,
        before={"status": moved.old_status},
        after={"status": moved.status, "status_reason": reason},
    )
    return after


@operation(
    effect="destroy",
    scope="agents:write",
    audience="operator",
    example={"agent": "alderman", "reason": "replaced"},
)
async def deactivate(self: Service, *, agent: AgentReference, reason: StatusReason = None) -> Agent:
    """Deactivate an agent: it is found and chosen no more; nothing of it is lost, and it may come back."""
    found = await find_live_agent(agent)
    gone = await sql.deactivate(id=found.id, reason=reason)
    if gone is None:
        raise AgentIsDeactivated(f"Agent {found.agent_id} was just deactivated.", agent=found.agent_id)
    able = await capabilities_of([gone.id])
    await Search(self.executor).remove([gone.id, *(each.id for each in able)])
    context().record(
        AgentDeactivated(agent_id=gone.agent_id), subject=gone.id, after={"deactivated_at": gone.deactivated_at}
    )
    if found.status != gone.status:
        context().record(
            AgentStatusChanged(agent_id=gone.agent_id, old=found.status, new=gone.status, reason=reason),
            subject=gone.id,
        )
    return gone


@deactivate.plan
async def _plan_deactivate(self: Service, *, agent: str, reason: str | None = None) -> Plan:
    found = await find_live_agent(agent)
    able = await capabilities_of([found.id])
    return Plan(
        summary=f"{found.agent_id} would be deactivated: found and chosen no more; no row would go.",
        counts={"agents": 1, "capabilities no longer found": len(able)},
    )


@operation(effect="write", scope="agents:write", audience="operator", example={"agent": "alderman"})
async def reactivate(self: Service, *, agent: AgentReference) -> Agent:
    """Bring a deactivated agent back, offline until it says otherwise; one that is not gone stays as it is."""
    found = await find_agent(agent)
    back = await sql.reactivate(id=found.id)
    if back is None:
        return await find_agent(str(found.id))
    search = Search(self.executor)
    entries = [agent_entry(back), *map(capability_entry, await capabilities_of([back.id]))]
    await search.put(entries, await search.vectors_of(entries))
    context().record(
        AgentReactivated(agent_id=back.agent_id), subject=back.id, before={"deactivated_at": found.deactivated_at}
    )
    return back


@reactivate.prepare
async def _prepare_reactivate(self: Service, *, agent: str) -> None:
    await Search(self.executor).vectors([])
