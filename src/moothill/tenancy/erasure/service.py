"""Operations of erasure. Both are jobs: they may take long, and go on where they were when a worker dies."""

from uuid import UUID

import orjson

from ...kernel import Page, Service, Step, context, job, operation
from ...kernel.errors import NotFound
from ...kernel.identifiers import uuid7
from ...kernel.operation import Plan
from ...kernel.paging import Cursor, PageSize, decode_cursor
from ...kernel.texts import AgentReference
from ...registry.agents.lookup import find_agent
from ...registry.agents.models import Agent
from ..tenants.models import TenantReference
from . import reports
from .errors import ErasesItself, ReportNotFound, TargetUnknown
from .models import ErasureBegun, ErasureReason, PublicKey, ReportNumber, ReportSummary, SignedReport, Target
from .work import go_on, refuse_held, sql

__all__ = ["Erasure"]

_LAST = 2**63 - 1


class Erasure(Service, group="erasure"):
    """Erasure: remove an agent or a tenant for good, with a signed report of what went."""

    @job(
        effect="destroy",
        scope="erasure:agents",
        example={"agent": "alderman", "reason": "Asked for by its owner"},
    )
    async def erase_agent(self, *, agent: AgentReference, reason: ErasureReason) -> Step:
        """Remove everything of an agent: what it is, what it can, its keys, its vectors, and what the log says of it.

        Its events stay as empty places in the log; its id stays as the id of nobody known. It cannot be undone.

        Raises:
            UnderLegalHold: a hold stands in the way.
            NoSigningKey: the report could not be signed.
        """
        call = context()
        if call.cursor:
            return await go_on(self.executor, call.cursor)
        found = await self._agent(agent)
        return await self._begin(call.tenant, found.id, reason)

    @erase_agent.plan
    async def _plan_agent(self, *, agent: str, reason: str) -> Plan:
        found = await self._agent(agent)
        await refuse_held(context().tenant, found.id)
        counts = {each.relation: each.rows for each in await sql.count(owner=context().tenant, agent=found.id)}
        return Plan(
            summary=f"{sum(counts.values())} rows of agent {found.agent_id} would be removed or emptied for good.",
            counts={name: rows for name, rows in sorted(counts.items()) if rows},
        )

    @job(
        effect="destroy",
        scope="platform:tenants",
        example={"tenant": "acme", "reason": "Contract ended"},
    )
    async def erase_tenant(self, *, tenant: TenantReference, reason: ErasureReason) -> Step:
        """Remove everything of a tenant, in every table, archive and log; ask from another tenant than that.

        What is left is the report. It cannot be undone.

        Raises:
            UnderLegalHold: a hold on it, or on an agent of it, stands in the way.
            ErasesItself: it was asked for in the tenant that would go.
            NoSigningKey: the report could not be signed.
        """
        call = context()
        if call.cursor:
            return await go_on(self.executor, call.cursor)
        return await self._begin((await self._target(tenant)).id, None, reason)

    @erase_tenant.plan
    async def _plan_tenant(self, *, tenant: str, reason: str) -> Plan:
        target = await self._target(tenant)
        await refuse_held(target.id, None)
        counts = {each.relation: each.rows for each in await sql.count(owner=target.id, agent=None)}
        return Plan(
            summary=f"{sum(counts.values())} rows of tenant {target.slug}, and its archives, would go for good.",
            counts={name: rows for name, rows in sorted(counts.items()) if rows},
        )

    @operation(effect="read", scope="erasure:read", audience="operator", example={"limit": 10})
    async def reports(self, *, limit: PageSize = 50, cursor: Cursor = None) -> Page[ReportSummary]:
        """Reports of erasures that were asked for in this tenant, newest first."""
        return await self._page("erasure.reports", limit, cursor, everywhere=False)

    @operation(effect="read", scope="platform:tenants", audience="operator", example={"limit": 10})
    async def all_reports(self, *, limit: PageSize = 50, cursor: Cursor = None) -> Page[ReportSummary]:
        """Reports of all erasures, newest first; those of tenants that are gone too."""
        return await self._page("erasure.all_reports", limit, cursor, everywhere=True)

    @operation(effect="read", scope="erasure:read", audience="operator", mode="single", example={"number": 1})
    async def report(self, *, number: ReportNumber) -> SignedReport:
        """One report with its signature; keep it, and check it with `moothill retention verify FILE`."""
        return await self._report(number, everywhere=context().principal.may("platform:tenants"))

    @operation(effect="read", scope="erasure:read", audience="operator", mode="none", example={})
    async def public_key(self) -> PublicKey:
        """The public key that this server's reports are verified with.

        Raises:
            NoSigningKey: the settings name none.
        """
        return PublicKey(public_key=reports.public_text(reports.key_of(self.executor)))

    async def _begin(self, owner: UUID, agent: UUID | None, reason: str) -> Step:
        call = context()
        await refuse_held(owner, agent)
        real = call.principal.real_actor or call.actor
        id = await sql.begin(
            id=uuid7(), owner=owner, agent=agent, asked_by=f"{real.kind} {real.name} ({real.id})", reason=reason
        )
        if id is None:
            raise TargetUnknown()
        total = sum(each.rows for each in await sql.count(owner=owner, agent=agent))
        call.record(ErasureBegun(erasure=id))
        place = {"erasure": str(id), "stage": "rows", "done": 0, "total": total}
        return Step(done=0, total=total, cursor=place, message="It begins.")

    async def _agent(self, reference: str) -> Agent:
        reports.key_of(self.executor)
        found = await find_agent(reference)
        call = context()
        if found.id in (call.actor.id, call.principal.real_actor and call.principal.real_actor.id):
            raise ErasesItself("An agent does not erase itself; let an operator do it.")
        return found

    async def _target(self, reference: str) -> Target:
        reports.key_of(self.executor)
        found = await sql.target(reference=reference)
        if found is None:
            raise NotFound(f"There is no tenant {reference!r}; `tenants.list` shows those that exist.")
        if found.id == context().tenant:
            raise ErasesItself(f"{found.slug} is the tenant that you are in; ask from another one.")
        return found

    async def _page(self, name: str, limit: int, cursor: str | None, *, everywhere: bool) -> Page[ReportSummary]:
        query = [name, context().tenant]
        (before,) = decode_cursor(query, cursor, parts=(int,)) or [_LAST]
        rows = await sql.reports(everywhere=everywhere, before=before, size=limit + 1)
        shown = [ReportSummary(**row.model_dump(exclude={"document"})) for row in rows]
        return Page.cut(shown, limit=limit, query=query, key=lambda row: [row.number])

    async def _report(self, number: int, *, everywhere: bool) -> SignedReport:
        rows = await sql.reports(everywhere=everywhere, before=number + 1, size=1)
        if not rows or rows[0].number != number:
            raise ReportNotFound(
                f"There is no report {number} here; `erasure.reports` shows those that exist.", number=number
            )
        return SignedReport.model_validate(orjson.loads(rows[0].document))
