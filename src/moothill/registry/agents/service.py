"""Operations on agents: who is registered, how they are, and who can take work now."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field

from ...database.queries import Many, Queries
from ...kernel import Page, Service, context, operation
from ...kernel.events import Event
from ...kernel.identifiers import NOBODY
from ...kernel.paging import Cursor, PageSize, decode_cursor
from ...kernel.service import handles
from ...kernel.texts import AgentReference, canonical
from ..search import Search, SearchTouch
from . import cards, choosing, heartbeats, history, lifecycle, loading, records, skillset
from .events import AgentStatusChanged, AgentViewedAs
from .lookup import find_agent, find_live_agent
from .models import (
    ActiveAgent,
    Agent,
    AgentFilter,
    AgentOrder,
    AgentStatistics,
    AgentSummary,
    StatusCount,
)

__all__ = ["Agents"]

_COUNTED = 100_000
_LAST = UUID(int=2**128 - 1)


class Sql(Queries):
    """Statements of this subsystem; what changes agents stands beside the operations that do."""

    fragments = ("columns.sql",)

    by_name: Many[AgentSummary]
    by_registration: Many[AgentSummary]
    by_activity: Many[AgentSummary]
    labelled_by_name: Many[AgentSummary]
    labelled_by_registration: Many[AgentSummary]
    labelled_by_activity: Many[AgentSummary]
    active: Many[ActiveAgent]
    counts: Many[StatusCount]


sql = Sql()


class Agents(Service, group="agents"):
    """Agents: register, find, watch, and choose them."""

    register = records.register
    update = records.update
    load = loading.load
    set_status = lifecycle.set_status
    deactivate = lifecycle.deactivate
    reactivate = lifecycle.reactivate
    heartbeat = heartbeats.heartbeat
    choose = choosing.choose
    skills = skillset.skills
    set_skill = skillset.set_skill
    practise = skillset.practise
    remove_skill = skillset.remove_skill
    activity = history.activity
    status_history = history.status_history
    card = cards.card

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
        wanted = _wanted(chosen, limit + 1)
        labelled = "labels" in wanted
        if order == "registered":
            (after,) = decode_cursor(query, cursor, parts=(UUID,)) or [NOBODY]
            by_registration = sql.labelled_by_registration if labelled else sql.by_registration
            rows = await by_registration(**wanted, after_id=after)
            return Page.cut(rows, limit=limit, query=query, key=lambda row: [row.id])
        if order == "last_active":
            before, before_id = decode_cursor(query, cursor, parts=(datetime, UUID)) or ["infinity", _LAST]
            by_activity = sql.labelled_by_activity if labelled else sql.by_activity
            rows = await by_activity(**wanted, before=before, before_id=before_id)
            return Page.cut(rows, limit=limit, query=query, key=lambda row: [row.last_active_at, row.id])
        # What begins with the prefix comes right after the prefix itself.
        name, after = decode_cursor(query, cursor, parts=(str, UUID)) or [wanted["prefix"], NOBODY]
        by_name = sql.labelled_by_name if labelled else sql.by_name
        rows = await by_name(**wanted, after_name=name, after_id=after)
        return Page.cut(rows, limit=limit, query=query, key=lambda row: [row.name, row.id])

    @operation(effect="read", scope="agents:read", example={"limit": 10})
    async def active(self, *, limit: PageSize = 50, cursor: Cursor = None) -> Page[ActiveAgent]:
        """Agents neither deactivated nor suspended, with load and standing, oldest first."""
        query = ["agents.active", context().tenant]
        (after,) = decode_cursor(query, cursor, parts=(UUID,)) or [NOBODY]
        rows = await sql.active(after_id=after, size=limit + 1)
        return Page.cut(rows, limit=limit, query=query, key=lambda row: [row.id])

    @operation(effect="read", scope="agents:read", mode="single", example={})
    async def statistics(self) -> AgentStatistics:
        """How many agents there are by status and type; counting stops at 100,000."""
        counts = await sql.counts(bound=_COUNTED + 1)
        total = sum(count.agents for count in counts)
        return AgentStatistics(counts=counts, total=min(total, _COUNTED), capped=total > _COUNTED)

    @operation(effect="write", scope="agents:view_as", audience="operator", example={"agent": "alderman"})
    async def view_as(self, *, agent: AgentReference) -> Agent:
        """Begin to act as an agent; recorded, as is everything that is then done, under both names."""
        found = await find_live_agent(agent)
        call = context()
        operator = (call.principal.real_actor or call.actor).id
        call.record(AgentViewedAs(agent_id=found.agent_id, name=found.name, operator=operator), subject=found.id)
        return found

    @handles(AgentStatusChanged)
    async def follow_heartbeats(self, event: Event) -> None:
        """Tell search of a status that a heartbeat changed; a heartbeat itself is one statement and tells nobody."""
        if event.operation == "agents.heartbeat" and event.subject is not None:
            # Its status now: what the event says may have been overtaken.
            agent = await find_agent(str(event.subject))
            await Search(self.executor).touch([SearchTouch(id=agent.id, status=agent.status)])


def _wanted(chosen: AgentFilter, size: int) -> dict[str, Any]:
    """A filter as parameters; `labels` counts those of its conditions that concern labels."""
    wanted: dict[str, Any] = chosen.model_dump(include={"type", "status", "model_family", "tier", "inactive_for"})
    labels = {
        "tag": chosen.tag,
        "specialisation": chosen.specialisation,
        "capability": canonical(chosen.capability) if chosen.capability else None,
    }
    given = sum(label is not None for label in labels.values())
    wanted |= {"prefix": chosen.name_prefix or "", "with_deactivated": chosen.include_deactivated, "size": size}
    return wanted | labels | {"labels": given} if given else wanted
