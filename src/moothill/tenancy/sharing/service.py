"""Operations on sharing: the owner of the data decides who reads it, and sees who did."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field

from ...kernel import Page, Service, context, operation
from ...kernel.context import CallOptions, Principal
from ...kernel.errors import NotFound
from ...kernel.identifiers import NOBODY, uuid7
from ...kernel.local import LocalExecutor
from ...kernel.operation import Plan
from ...kernel.paging import Cursor, PageSize, decode_cursor
from ...kernel.service import REGISTRY
from ...kernel.texts import AgentReference, Label
from ...kernel.visits import counted
from ...registry.agents.models import Agent, AgentSummary
from ...registry.capabilities.models import Capability
from ...registry.search.models import QueryText, SearchResults
from . import rules
from .accesses import Accesses, Visit
from .errors import GranteeUnknown, GrantNotFound, GrantToOneself, NotShared, TenantIsStrict
from .models import (
    Access,
    AccessKind,
    AccessSummary,
    DataClass,
    Grant,
    GrantId,
    GrantInForce,
    GrantReceived,
    GrantRevoked,
    IsolationLevel,
    Level,
    LevelChanged,
    OwnerReference,
    SharingGranted,
    TenantId,
    TenantStatistics,
)
from .statements import Own, sql

__all__ = ["Sharing"]

_LAST = UUID(int=2**128 - 1)
_MOST_ACCESSORS = 1_000
_NOBODY_ELSE = "018f0000-0000-7000-8000-000000000000"
_READS = frozenset({"agents:read", "capabilities:read", "search:read"})
AnyTenant = Annotated[UUID | None, Field(description="Only from this tenant.")]


class Sharing(Service, group="sharing"):
    """Sharing: how far a tenant opens itself, what it lets others read, and who came from outside."""

    @operation(effect="read", scope="sharing:read", audience="operator", mode="single", example={})
    async def level(self) -> IsolationLevel:
        """How far this tenant opens itself, and its id, which others need to share with it."""
        return _level(await sql.own())

    @operation(effect="write", scope="sharing:write", audience="operator", example={"level": "shared"})
    async def set_level(
        self, *, level: Annotated[Level, Field(description="strict, shared or federated.")]
    ) -> IsolationLevel:
        """Open this tenant or close it; it counts from the commit on, for open sessions too."""
        old = await sql.own()
        new = await sql.set_level(level=level)
        if new is None:
            return _level(await sql.own())
        changed = LevelChanged(old=old.level, new=new.level)
        context().record(changed, subject=new.tenant, before={"level": old.level}, after={"level": new.level})
        return _level(new)

    @operation(
        effect="write",
        scope="sharing:write",
        audience="operator",
        example={"tenant": _NOBODY_ELSE, "data_class": "agents", "tag": "public", "expires_in": "P30D"},
    )
    async def grant(
        self,
        *,
        tenant: TenantId,
        data_class: Annotated[DataClass, Field(description="What it may read.")],
        tag: Annotated[Label | None, Field(description="Only of agents with this tag; none: the whole class.")] = None,
        expires_in: Annotated[
            timedelta | None,
            Field(gt=timedelta(0), le=timedelta(days=3650), description="How long it holds; none: until revoked."),
        ] = None,
        reason: Annotated[str | None, Field(max_length=1000, description="Why, for the record.")] = None,
    ) -> Grant:
        """Let another tenant read a class of this tenant's data.

        Raises:
            GrantToOneself: it is this tenant.
            TenantIsStrict: nothing leaves a strict tenant.
            GranteeUnknown: no tenant has that id.
            GrantExists: that tenant may read the class already.
        """
        call = context()
        if tenant == call.tenant:
            raise GrantToOneself(field="tenant")
        if (await sql.own()).level == "strict":
            raise TenantIsStrict()
        if not await sql.known(wanted=tenant):
            raise GranteeUnknown(f"There is no tenant with the id {tenant}.", field="tenant")
        await sql.retire(grantee=tenant, data_class=data_class, actor=call.actor.id)
        made = await sql.grant(
            id=uuid7(),
            grantee=tenant,
            data_class=data_class,
            tag=tag,
            reason=reason,
            actor=call.actor.id,
            expires_in=expires_in,
        )
        call.record(
            SharingGranted(grantee=tenant, data_class=data_class, tag=tag, expires_at=made.expires_at),
            subject=made.id,
            after=made,
        )
        return made

    @operation(effect="destroy", scope="sharing:write", audience="operator", example={"grant": _NOBODY_ELSE})
    async def revoke(self, *, grant: GrantId) -> Grant:
        """End a grant: the other tenant reads nothing by it from the commit on."""
        ended = await sql.revoke(id=grant, actor=context().actor.id)
        if ended is None:
            return await _grant(grant)
        was = ended.model_copy(update={"revoked_at": None})
        event = GrantRevoked(grantee=ended.grantee, data_class=ended.data_class)
        context().record(event, subject=ended.id, before=was, after=ended)
        return ended

    @revoke.plan
    async def _plan_revoke(self, *, grant: UUID) -> Plan:
        found = await _grant(grant)
        live = int(await sql.holds(id=grant))
        return Plan(
            summary=f"Tenant {found.grantee} would read {found.data_class} no more."
            if live
            else "It has ended already.",
            counts={"grants": live},
        )

    @operation(effect="read", scope="sharing:read", audience="operator", example={"limit": 10})
    async def grants(
        self,
        *,
        ended: Annotated[bool, Field(description="Also those that expired or were revoked.")] = False,
        limit: PageSize = 50,
        cursor: Cursor = None,
    ) -> Page[Grant]:
        """What this tenant lets others read, oldest first."""
        query = ["sharing.grants", context().tenant, ended]
        (after,) = decode_cursor(query, cursor, parts=(UUID,)) or [NOBODY]
        rows = await sql.page(after=after, ended=ended, size=limit + 1)
        return Page.cut(rows, limit=limit, query=query, key=lambda row: [row.id])

    @operation(effect="read", scope="sharing:read", example={"limit": 10})
    async def received(self, *, limit: PageSize = 50, cursor: Cursor = None) -> Page[GrantReceived]:
        """What others let this tenant read right now, oldest first."""
        query = ["sharing.received", context().tenant]
        (after,) = decode_cursor(query, cursor, parts=(UUID,)) or [NOBODY]
        rows = await sql.received(after=after, size=limit + 1)
        return Page.cut(rows, limit=limit, query=query, key=lambda row: [row.id])

    # Reading what others share: first the grant, then the read itself as the owner's tenant sees it.

    @operation(effect="read", scope="sharing:read", mode="none", example={"owner": "globex", "limit": 10})
    async def agents(self, *, owner: OwnerReference, limit: PageSize = 50, cursor: Cursor = None) -> Page[AgentSummary]:
        """Agents of another tenant that shares them, in the order of their names."""
        grant = await self._in_force(owner, "agents")
        arguments = {"filter": {"tag": grant.tag} if grant.tag else None, "limit": limit, "cursor": cursor}
        found: Page[AgentSummary] = await self._read(grant, "agents.list", arguments)
        return found

    @operation(
        effect="read",
        scope="sharing:read",
        audience="agent",
        mode="none",
        example={"owner": "globex", "agent": "alderman"},
    )
    async def agent(self, *, owner: OwnerReference, agent: AgentReference) -> AgentSummary:
        """One agent of another tenant that shares it; its configuration stays with its owner."""
        grant = await self._in_force(owner, "agents")
        found = await self._agent(grant, agent)
        return AgentSummary(**found.model_dump(include=set(AgentSummary.model_fields)))

    @operation(
        effect="read",
        scope="sharing:read",
        audience="agent",
        mode="none",
        example={"owner": "globex", "text": "send a message to a Slack channel"},
    )
    async def find(
        self,
        *,
        owner: OwnerReference,
        text: QueryText,
        limit: Annotated[int, Field(ge=1, le=100, description="Most hits.")] = 10,
    ) -> SearchResults:
        """Agents of another tenant that fit a description, best first."""
        grant = await self._in_force(owner, "agents")
        arguments = {
            "text": text,
            "kinds": ["agent"],
            "filters": {"tags": [grant.tag]} if grant.tag else None,
            "limit": limit,
            "through": await self._shows_abilities(owner, grant),
        }
        found: SearchResults = await self._read(grant, "search.find", arguments)
        return rules.without_traces(found)

    @operation(
        effect="read",
        scope="sharing:read",
        mode="none",
        example={"owner": "globex", "agent": "alderman"},
    )
    async def capabilities(
        self, *, owner: OwnerReference, agent: AgentReference, limit: PageSize = 50, cursor: Cursor = None
    ) -> Page[Capability]:
        """What an agent of another tenant can do, where that is shared."""
        grant = await self._in_force(owner, "capabilities")
        of = await self._agent(grant, agent)
        arguments = {"filter": {"agent": str(of.id)}, "limit": limit, "cursor": cursor}
        found: Page[Capability] = await self._read(grant, "capabilities.list", arguments)
        return found.model_copy(update={"items": [each.model_copy(update={"metadata": {}}) for each in found.items]})

    @operation(effect="read", scope="sharing:read", mode="single", example={"owner": "globex", "data_class": "agents"})
    async def in_force(
        self, *, owner: OwnerReference, data_class: Annotated[DataClass, Field(description="What is to be read.")]
    ) -> GrantInForce:
        """The grant by which this tenant may read a class of another one's data right now.

        Raises:
            NotShared: there is none; whether there is such a tenant is not told.
        """
        found = await sql.in_force(owner=owner, data_class=data_class)
        if found is None:
            raise NotShared(
                f"Nobody called {owner!r} shares {data_class} with you; `sharing.received` shows what others share."
            )
        return found

    # Who came from outside.

    @operation(effect="read", scope="audit:read", audience="operator", example={"limit": 10})
    async def accesses(
        self,
        *,
        accessor: AnyTenant = None,
        kind: Annotated[AccessKind | None, Field(description="Only of this kind.")] = None,
        limit: PageSize = 50,
        cursor: Cursor = None,
    ) -> Page[Access]:
        """Who of other tenants read or wrote here, newest first."""
        query = ["sharing.accesses", context().tenant, accessor, kind]
        (before,) = decode_cursor(query, cursor, parts=(UUID,)) or [_LAST]
        rows = await sql.accesses(before=before, accessor=accessor, kind=kind, size=limit + 1)
        return Page.cut(rows, limit=limit, query=query, key=lambda row: [row.id])

    @operation(effect="read", scope="audit:read", audience="operator", example={})
    async def access_summary(self) -> list[AccessSummary]:
        """Who of other tenants came, how often, and how many rows went out; the last 1,000 by time."""
        return list(await sql.summary(size=_MOST_ACCESSORS))

    @operation(effect="read", scope="sharing:read", mode="single", example={})
    async def statistics(self) -> TenantStatistics:
        """How large this tenant is."""
        return await sql.statistics()

    async def _in_force(self, owner: str, data_class: DataClass) -> GrantInForce:
        found: GrantInForce = await self.executor.run(
            REGISTRY["sharing.in_force"], {"owner": owner, "data_class": data_class}, CallOptions()
        )
        return found

    async def _shows_abilities(self, owner: str, grant: GrantInForce) -> bool:
        """Whether the capabilities of every agent that a grant shows are shared as well."""
        try:
            other = await self._in_force(owner, "capabilities")
        except NotShared:
            return False
        return other.tag in (None, grant.tag)

    async def _agent(self, grant: GrantInForce, agent: str) -> Agent:
        """A shared agent; one that is not shared and one that does not exist are told apart by nothing."""

        def shown(found: Agent) -> Agent | None:
            return found if found.deactivated_at is None and rules.passes(grant.tag, found.tags) else None

        found: Agent | None = await self._read(grant, "agents.get", {"agent": agent}, shown)
        if found is None:
            raise NotShared(f"{grant.owner_slug} shares no agent {agent!r} with you.")
        return found

    async def _read(
        self, grant: GrantInForce, name: str, arguments: Mapping[str, Any], shown: Callable[[Any], Any] | None = None
    ) -> Any:
        """Run a read as the owner's tenant sees it, and log it there before anything is given out.

        Returns:
            What was read, as far as `shown` lets it through; None when there is no such thing.

        Raises:
            NotShared: the grant ended meanwhile; its entry in the log is what tells.
        """
        call = context()
        assert isinstance(self.executor, LocalExecutor)
        runtime = self.executor.runtime
        principal = Principal(
            tenant=grant.owner_id,
            tenant_slug=grant.owner_slug,
            actor=call.actor,
            real_actor=call.principal.real_actor,
            scopes=_READS,
            key=call.principal.key,
        )
        given = {key: value for key, value in arguments.items() if value is not None}
        owners = LocalExecutor(runtime, principal, door=call.door, address=call.address)
        read = REGISTRY[name]
        try:
            result = await owners.run(read, given, CallOptions())
        except NotFound:
            result = None
        if shown is not None and result is not None:
            result = shown(result)
        visit = Visit(
            accessor=call.principal.home or call.tenant,
            kind="read",
            data_class=grant.data_class,
            operation=read,
            arguments=given,
            rows=counted(result),
        )
        if not await Accesses(runtime.database).log_shared(replace(call, principal=principal), visit, grant.id):
            raise NotShared(f"{grant.owner_slug} shares {grant.data_class} with you no more.")
        return result


def _level(own: Own) -> IsolationLevel:
    return IsolationLevel(**own.model_dump(), meaning=rules.LEVELS[own.level])


async def _grant(wanted: UUID) -> Grant:
    found = await sql.one(id=wanted)
    if found is None:
        raise GrantNotFound(f"There is no grant {wanted} here.", grant=str(wanted))
    return found
