"""Operations on tenants. They look from above all tenants, so they need a platform scope."""

import time
from typing import Annotated

from pydantic import Field

from ...database.guards import described_guards, self_check
from ...database.pool import Database
from ...database.queries import Many, Maybe, One, Queries
from ...kernel import Page, Service, context, operation
from ...kernel.errors import Conflict, Internal, NotFound
from ...kernel.identifiers import uuid7
from ...kernel.local import LocalExecutor
from ...kernel.operation import Plan
from ...kernel.paging import Cursor, PageSize, decode_cursor
from . import rules
from .isolation import told
from .models import IsolationCheck, Slug, Tenant, TenantCreated, TenantReference, TenantStatus, TenantStatusChanged

Reason = Annotated[str | None, Field(max_length=1000, description="Why, for the record.")]


class TenantNotFound(NotFound):
    """There is no tenant with this slug or id."""


class TenantExists(Conflict):
    """A tenant with this slug, or with this name in this project, exists already; choose another."""


class TenantStatusConflict(Conflict):
    """The tenant is in that status already."""


class Sql(Queries):
    """Statements of this subsystem."""

    match: Maybe[Tenant]
    page: Many[Tenant]
    create: One[Tenant]
    move: Maybe[Tenant]


sql = Sql()


class Tenants(Service, group="tenants"):
    """Societies: make, find, suspend and resume them, and whether they are kept apart."""

    @operation(
        effect="write",
        scope="platform:tenants",
        audience="operator",
        example={"slug": "globex", "name": "Globex Corporation"},
    )
    async def create(
        self,
        *,
        slug: Slug,
        name: Annotated[str, Field(min_length=1, max_length=255, description="Name for people.")],
        project: Annotated[
            str,
            Field(min_length=1, max_length=255, description="Groups tenants; names are unique within it."),
        ] = "default-project",
    ) -> Tenant:
        """Make a tenant."""
        tenant = await sql.create(id=uuid7(), slug=slug, project=project, name=name)
        context().record(TenantCreated(slug=tenant.slug, name=tenant.name), subject=tenant.id, after=tenant)
        return tenant

    @operation(effect="read", scope="platform:tenants", audience="operator", example={"tenant": "default"})
    async def get(self, *, tenant: TenantReference) -> Tenant:
        """One tenant by slug or id."""
        return await self._find(tenant)

    @operation(effect="read", scope="platform:tenants", audience="operator", example={"limit": 10})
    async def list(
        self,
        *,
        status: Annotated[TenantStatus | None, Field(description="Only those in this status.")] = None,
        limit: PageSize = 50,
        cursor: Cursor = None,
    ) -> Page[Tenant]:
        """Tenants in the order of their slugs."""
        query = ["tenants.list", status]
        place = decode_cursor(query, cursor, parts=(str,))
        rows = await sql.page(after=place[0] if place else None, status=status, size=limit + 1)
        return Page.cut(rows, limit=limit, query=query, key=lambda row: [row.slug])

    @operation(
        effect="destroy",
        scope="platform:tenants",
        audience="operator",
        example={"tenant": "acme", "reason": "contract ended"},
    )
    async def suspend(self, *, tenant: TenantReference, reason: Reason = None) -> Tenant:
        """Suspend a tenant: its keys are refused from now on; nothing of it is lost."""
        return await self._move(tenant, "suspended", reason)

    @suspend.plan
    async def _plan_suspend(self, *, tenant: str, reason: str | None = None) -> Plan:
        found = await self._find(tenant)
        return Plan(
            summary=f"{found.slug} would be suspended: its keys would be refused; no row would go.",
            counts={"tenants": int(found.status == "active")},
        )

    @operation(effect="write", scope="platform:tenants", audience="operator", example={"tenant": "acme"})
    async def resume(self, *, tenant: TenantReference) -> Tenant:
        """Resume a suspended tenant."""
        return await self._move(tenant, "active", None)

    @operation(effect="read", scope="platform:tenants", audience="operator", mode="none", example={})
    async def check_isolation(self) -> IsolationCheck:
        """Ask every guard of the isolation whether it stands, as each process does before it serves."""
        assert isinstance(self.executor, LocalExecutor), "a body runs on a local executor"
        database = self.executor.runtime.database
        if not isinstance(database, Database):
            raise Internal("The database of this process has no guards to ask.")
        began = time.perf_counter()
        found = await self_check(database)
        took = (time.perf_counter() - began) * 1000
        return told(found, described_guards(), strict=database.settings.strict, took_ms=took)

    async def _move(self, reference: str, new: TenantStatus, reason: str | None) -> Tenant:
        found = await self._find(reference)
        moved = await sql.move(id=found.id, old=rules.before(new), new=new, reason=reason)
        if moved is None:
            raise TenantStatusConflict(f"Tenant {found.slug} is {found.status}, so it cannot become {new}.")
        was = moved.model_copy(update={"status": rules.before(new), "status_reason": found.status_reason})
        context().record(TenantStatusChanged(slug=moved.slug, status=new), subject=moved.id, before=was, after=moved)
        return moved

    async def _find(self, reference: str) -> Tenant:
        found = await sql.match(reference=reference)
        if found is None:
            raise TenantNotFound(f"There is no tenant {reference!r}; `tenants.list` shows those that exist.")
        return found
