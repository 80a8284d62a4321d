"""Operations on agents: who is registered, how they are, and who can take work now."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field

from ...database.queries import Many, Maybe, One, Queries, Run
from ...kernel import Page, Service, context, operation
from ...kernel.errors import Forbidden, Invalid
from ...kernel.events import dumps
from ...kernel.identifiers import NOBODY, uuid7
from ...kernel.operation import Plan
from ...kernel.paging import Cursor, PageSize, decode_cursor
from ...kernel.texts import Label, Line, LongName, Prose, canonical
from ..capabilities import store
from ..capabilities.models import NewCapability
from . import cards, choosing, heartbeats, history, loading, rules, skillset
from .errors import (
    AgentChanged,
    AgentExists,
    AgentIsActive,
    AgentIsDeactivated,
    AgentStatusConflict,
)
from .events import (
    AgentDeactivated,
    AgentReactivated,
    AgentRegistered,
    AgentStatusChanged,
    AgentUpdated,
    AgentViewedAs,
)
from .lookup import find_agent, find_live_agent
from .models import (
    ActiveAgent,
    Agent,
    AgentDetails,
    AgentFilter,
    AgentOrder,
    AgentPatch,
    AgentRecord,
    AgentReference,
    AgentStatistics,
    AgentStatus,
    AgentSummary,
    AgentType,
    StatusCount,
    StatusReason,
)

__all__ = ["Agents"]

_COUNTED = 100_000
_LAST = UUID(int=2**128 - 1)


class _Moved(Agent):
    old_status: AgentStatus


class Sql(Queries):
    """Statements of this subsystem."""

    fragments = ("columns.sql",)

    page_by_name: Many[AgentSummary]
    page_by_registration: Many[AgentSummary]
    page_by_activity: Many[AgentSummary]
    active: Many[ActiveAgent]
    counts: Many[StatusCount]
    register: One[Agent]
    tag: Run
    update: Maybe[Agent]
    move: Maybe[_Moved]
    deactivate: Maybe[Agent]
    reactivate: Maybe[Agent]


sql = Sql()


class Agents(Service, group="agents"):
    """Agents: register, find, watch, and choose them."""

    @operation(
        effect="write",
        scope="agents:write",
        example={"name": "Ada", "type": "specialist", "capabilities": ["Reviewing contracts"], "tags": ["law"]},
    )
    async def register(
        self,
        *,
        name: Annotated[Line, Field(description="Name for people; need not be unique.")],
        agent_id: Annotated[
            Line | None,
            Field(description="Your own key for it, unique in the tenant; default: made from the name."),
        ] = None,
        type: Annotated[AgentType, Field(description="Its part in the society.")] = "specialist",
        description: Annotated[Prose, Field(description="What it is, in prose.")] = "",
        capabilities: Annotated[
            list[LongName] | None,
            Field(max_length=200, description="Names of what it can do; `capabilities.add` says more of each."),
        ] = None,
        tags: Annotated[list[Label] | None, Field(max_length=100, description="Labels.")] = None,
        model_family: Annotated[Line, Field(max_length=50, description="Family of the model behind it.")] = "unknown",
        details: Annotated[AgentDetails | None, Field(description="What is seldom said.")] = None,
    ) -> Agent:
        """Register an agent, with what it can do.

        Raises:
            AgentExists: there is one with this `agent_id`, possibly deactivated.
        """
        more = details or AgentDetails()
        key = agent_id or rules.key_from_name(name)
        if not key:
            raise Invalid("This name gives no key; give an `agent_id`.", field="agent_id")
        if more.record is not None and context().actor.kind == "agent":
            raise store.RecordNotYours(field="details.record")
        try:
            agent = await sql.register(
                id=uuid7(),
                agent_id=key,
                name=name,
                description=description,
                type=type,
                tags=_once(tags or []),
                model_family=model_family,
                **_detailed(more),
            )
        except AgentExists:
            raise AgentExists(
                f"Agent {key!r} exists already; give another `agent_id`, or change it with `agents.update`.",
                agent=key,
            ) from None
        if agent.tags or agent.specialisations:
            await sql.tag(id=agent.id, tags=agent.tags, specialisations=agent.specialisations)
        await skillset.put_skills([(agent.id, skill) for skill in more.skills])
        added = await store.add(agent, [NewCapability(name=each) for each in capabilities or []])
        context().record(
            AgentRegistered(agent_id=key, name=name, type=type, capabilities=len(added)),
            subject=agent.id,
            subjects=[each.id for each in added],
        )
        return agent

    @operation(effect="read", scope="agents:read", audience="agent", mode="single", example={"agent": "alderman"})
    async def get(self, *, agent: AgentReference) -> Agent:
        """One agent, by its own key or its id, whatever its status."""
        return await find_agent(agent)

    @operation(
        effect="read",
        scope="agents:read",
        audience="agent",
        mode="single",
        example={"filter": {"status": "idle"}, "limit": 10},
    )
    async def list(
        self,
        *,
        filter: Annotated[AgentFilter | None, Field(description="Which; none: all that are not deactivated.")] = None,
        order: Annotated[
            AgentOrder,
            Field(description="name; registered: oldest first; last_active: those last seen at work first."),
        ] = "name",
        limit: PageSize = 50,
        cursor: Cursor = None,
    ) -> Page[AgentSummary]:
        """Agents, filtered and in one of three orders; pages stay stable while agents come and go."""
        chosen = filter or AgentFilter()
        query = ["agents.list", context().tenant, order, chosen.model_dump(mode="json")]
        wanted: dict[str, Any] = chosen.model_dump(exclude={"name_prefix", "include_deactivated"})
        wanted["capability"] = canonical(chosen.capability) if chosen.capability else None
        wanted |= {"prefix": chosen.name_prefix or "", "with_deactivated": chosen.include_deactivated}
        if order == "registered":
            (after,) = decode_cursor(query, cursor, parts=1) or [str(NOBODY)]
            rows = await sql.page_by_registration(**wanted, after_id=UUID(after), size=limit + 1)
            return Page.cut(rows, limit=limit, query=query, key=lambda row: [row.id])
        if order == "last_active":
            before, before_id = decode_cursor(query, cursor, parts=2) or ["infinity", str(_LAST)]
            rows = await sql.page_by_activity(**wanted, before=before, before_id=UUID(before_id), size=limit + 1)
            return Page.cut(rows, limit=limit, query=query, key=lambda row: [row.last_active_at, row.id])
        name, after = decode_cursor(query, cursor, parts=2) or ["", str(NOBODY)]
        rows = await sql.page_by_name(**wanted, after_name=name, after_id=UUID(after), size=limit + 1)
        return Page.cut(rows, limit=limit, query=query, key=lambda row: [row.name, row.id])

    @operation(
        effect="write",
        scope="agents:write",
        example={"agent": "alderman", "version": 1, "changes": {"tags": ["lead", "planning"]}},
    )
    async def update(
        self,
        *,
        agent: AgentReference,
        version: Annotated[int, Field(ge=1, description="The version that was read.")],
        changes: Annotated[AgentPatch, Field(description="What to change; what is not given stays.")],
    ) -> Agent:
        """Change an agent's record, if nobody else changed it since it was read.

        Raises:
            AgentChanged: somebody did; the error has the current version.
        """
        found = await find_live_agent(agent)
        given = changes.model_dump(exclude_none=True)
        clears_url = "url" in changes.model_fields_set and changes.url is None
        if not given and not clears_url:
            raise Invalid("Give at least one field to change.", field="changes")
        values: dict[str, Any] = {name: given.get(name) for name in AgentPatch.model_fields}
        for name in ("config", "metadata"):
            values[name] = dumps(given[name]) if name in given else None
        for name in ("tags", "specialisations"):
            values[name] = _once(given[name]) if name in given else None
        changed = await sql.update(
            id=found.id, version=version, sets_url="url" in changes.model_fields_set, **values
        )
        if changed is None:
            current = await find_live_agent(str(found.id))
            raise AgentChanged(
                f"Agent {current.agent_id} has version {current.version}, not {version}; read it again and "
                f"repeat the change on that version.",
                version=current.version,
                given=version,
            )
        if "tags" in given or "specialisations" in given:
            await sql.tag(id=changed.id, tags=changed.tags, specialisations=changed.specialisations)
        context().record(
            AgentUpdated(agent_id=changed.agent_id, fields=sorted(changes.model_fields_set), version=changed.version),
            subject=changed.id,
        )
        return changed

    @operation(
        effect="write",
        scope="agents:write",
        audience="agent",
        example={"agent": "alderman", "status": "maintenance", "reason": "new model"},
    )
    async def set_status(
        self,
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
        if context().actor.kind == "agent" and ("suspended" in (status, found.status) or found.status in rules.HELD):
            raise Forbidden(
                f"Agent {found.agent_id} is {found.status}; only an operator may make it {status}.",
                agent=found.agent_id,
            )
        moved = await sql.move(id=found.id, status=status, reason=reason, origins=rules.origins(status))
        if moved is None:
            current = await find_live_agent(str(found.id))
            if current.status == status:
                return current
            possible = ", ".join(rules.TRANSITIONS[current.status])
            raise AgentStatusConflict(
                f"Agent {current.agent_id} is {current.status}, so it cannot become {status}; possible: {possible}.",
                status=current.status,
            )
        context().record(
            AgentStatusChanged(agent_id=moved.agent_id, old=moved.old_status, new=status, reason=reason),
            subject=moved.id,
        )
        return Agent(**moved.model_dump(exclude={"old_status"}))

    @operation(
        effect="destroy",
        scope="agents:write",
        audience="operator",
        example={"agent": "alderman", "reason": "replaced"},
    )
    async def deactivate(self, *, agent: AgentReference, reason: StatusReason = None) -> Agent:
        """Deactivate an agent: it is found and chosen no more; nothing of it is lost, and it may come back."""
        found = await find_live_agent(agent)
        gone = await sql.deactivate(id=found.id, reason=reason)
        if gone is None:
            raise AgentIsDeactivated(f"Agent {found.agent_id} was just deactivated.", agent=found.agent_id)
        context().record(AgentDeactivated(agent_id=gone.agent_id), subject=gone.id)
        if found.status != gone.status:
            context().record(
                AgentStatusChanged(agent_id=gone.agent_id, old=found.status, new=gone.status, reason=reason),
                subject=gone.id,
            )
        return gone

    @deactivate.plan
    async def _plan_deactivate(self, *, agent: str, reason: str | None = None) -> Plan:
        found = await find_live_agent(agent)
        able = await store.capabilities_of([found.id])
        return Plan(
            summary=f"{found.agent_id} would be deactivated: found and chosen no more; no row would go.",
            counts={"agents": 1, "capabilities no longer found": len(able)},
        )

    @operation(effect="write", scope="agents:write", audience="operator", example={"agent": "alderman"})
    async def reactivate(self, *, agent: AgentReference) -> Agent:
        """Bring a deactivated agent back; it is offline until it says otherwise."""
        found = await find_agent(agent)
        back = await sql.reactivate(id=found.id)
        if back is None:
            raise AgentIsActive(f"Agent {found.agent_id} was not deactivated.", agent=found.agent_id)
        context().record(AgentReactivated(agent_id=back.agent_id), subject=back.id)
        return back

    @operation(effect="write", scope="agents:view_as", audience="operator", example={"agent": "alderman"})
    async def view_as(self, *, agent: AgentReference) -> Agent:
        """Begin to act as an agent; recorded, as is everything that is then done, under both names."""
        found = await find_live_agent(agent)
        call = context()
        operator = (call.principal.real_actor or call.actor).id
        call.record(AgentViewedAs(agent_id=found.agent_id, name=found.name, operator=operator), subject=found.id)
        return found

    @operation(effect="read", scope="agents:read", example={"limit": 10})
    async def active(self, *, limit: PageSize = 50, cursor: Cursor = None) -> Page[ActiveAgent]:
        """Agents neither deactivated nor suspended, with load and standing, oldest first."""
        query = ["agents.active", context().tenant]
        (after,) = decode_cursor(query, cursor, parts=1) or [str(NOBODY)]
        rows = await sql.active(after_id=UUID(after), size=limit + 1)
        return Page.cut(rows, limit=limit, query=query, key=lambda row: [row.id])

    @operation(effect="read", scope="agents:read", mode="single", example={})
    async def statistics(self) -> AgentStatistics:
        """How many agents there are by status and type; counting stops at 100,000."""
        counts = await sql.counts(bound=_COUNTED + 1)
        total = sum(count.agents for count in counts)
        return AgentStatistics(counts=counts, total=min(total, _COUNTED), capped=total > _COUNTED)

    activity = history.activity
    card = cards.card
    choose = choosing.choose
    heartbeat = heartbeats.heartbeat
    load = loading.load
    practise = skillset.practise
    remove_skill = skillset.remove_skill
    set_skill = skillset.set_skill
    skills = skillset.skills
    status_history = history.status_history


def _once(texts: list[str]) -> list[str]:
    return [*dict.fromkeys(texts)]


def _detailed(more: AgentDetails) -> dict[str, Any]:
    """The columns of the details, what another system knew among them; sums stand for its means."""
    record = more.record or AgentRecord()
    rated = record.tasks_completed if record.average_quality is not None else 0
    times: dict[str, datetime | None] = {
        "registered_at": record.registered_at,
        "last_active_at": record.last_active_at,
    }
    return {
        "status": more.status,
        "model_version": more.model_version,
        "specialisations": _once(more.specialisations),
        "provider": more.provider,
        "url": more.url,
        "config": dumps(more.config),
        "metadata": dumps(more.metadata),
        "tasks_attempted": max(record.tasks_attempted, record.tasks_completed + record.tasks_failed),
        "tasks_completed": record.tasks_completed,
        "tasks_failed": record.tasks_failed,
        "quality_total": (record.average_quality or Decimal(0)) * rated,
        "quality_count": rated,
        "task_time_total_ms": (record.average_task_time_ms or 300_000) * record.tasks_completed,
        "total_points": record.total_points,
        "tier": record.tier,
        "rating": record.rating,
        "trust": record.trust,
        "consecutive_active_days": record.consecutive_active_days,
        "total_active_days": record.total_active_days,
        **times,
    }
