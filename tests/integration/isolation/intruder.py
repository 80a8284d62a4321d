"""Somebody who speaks SQL: any role, in any tenant or in none, and nothing of it is kept.

Each attempt runs in a savepoint of a transaction that is rolled back, so that thousands of them, and
the loss of a guard, cost nothing and leave nothing.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

import psycopg
from psycopg import sql

from tests.integration.isolation.catalog import Catalog, Relation, read_catalog
from tests.integration.isolation.societies import Society

__all__ = ["REFUSED", "Ground", "Outcome"]

# insufficient_privilege: the server's word for a missing grant and for row security's refusal of a row.
REFUSED = "42501"
Connection = psycopg.AsyncConnection[Any]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of an attempt.

    Attributes:
        state: SQLSTATE of the refusal; None when it went through.
        count: rows that it touched.
        text: everything that the server said, for finding other people's words in it.
    """

    rows: Sequence[tuple[Any, ...]] = ()
    count: int = 0
    state: str | None = None
    message: str = ""
    detail: str = ""

    @property
    def text(self) -> str:
        return f"{self.rows} {self.message} {self.detail}"

    def __str__(self) -> str:
        return f"{self.state} {self.message}" if self.state else f"{self.count} rows {list(self.rows)[:3]}"


@dataclass(slots=True)
class Ground:
    """Two societies and a twin of the first, and a way into them.

    Attributes:
        ours: the society that attacks, or is attacked by mistake.
        theirs: the other; `twin` has the ids of ours.
        dsn: of the application role.
        admin: a connection of the superuser.
    """

    catalog: Catalog
    ours: Society
    theirs: Society
    twin: Society
    dsn: str
    admin_dsn: str
    admin: Connection
    secrets_of: dict[UUID, frozenset[str]] = field(default_factory=dict)

    @property
    def others(self) -> tuple[Society, Society]:
        """Whose rows must not be seen in ours."""
        return self.theirs, self.twin

    @asynccontextmanager
    async def rolled_back(self, *changes: str, focus: Sequence[str] = ()) -> AsyncIterator["Ground"]:
        """A transaction of the superuser that ends as if nothing had been.

        Yields:
            The ground as the changes leave it; with a focus, only these relations are attacked there.
        """
        async with self.admin.transaction(force_rollback=True):
            for change in changes:
                await self.admin.execute(change)
            if changes:
                changed = await read_catalog(self.admin)
                yield replace(self, catalog=changed.focused(*focus) if focus else changed)
            else:
                yield self

    async def attempt(
        self, statement: str, values: Any = None, *, role: str = "moothill_app", tenant: Society | None
    ) -> Outcome:
        """One statement of a role in a tenant's context, or in none; undone at once."""
        async with self.admin.transaction(force_rollback=True):
            return await self.attempt_and_keep(statement, values, role=role, tenant=tenant)

    async def attempt_and_keep(
        self, statement: str, values: Any = None, *, role: str = "moothill_app", tenant: Society | None
    ) -> Outcome:
        """An attempt whose effects stay until the transaction around it ends; its role does not."""
        try:
            async with self.admin.transaction():
                await self.enter(role, tenant)
                outcome = await self._run(statement, values)
                await self.admin.execute("reset role; set local app.current_tenant = ''")
        except psycopg.Error as error:
            told = error.diag
            return Outcome(
                state=error.sqlstate or "?",
                message=told.message_primary or str(error),
                detail=f"{told.message_detail} {told.message_hint} {told.context}",
            )
        return outcome

    async def enter(self, role: str, tenant: Society | None) -> None:
        """Become a role in a tenant until the transaction at hand ends."""
        await self.admin.execute(sql.SQL("set local role {}").format(sql.Identifier(role)))
        if tenant is not None:
            await self.admin.execute("select mt.set_context(%s, %s, 'operator', 30000)", [tenant.id, tenant.agent])

    async def _run(self, statement: str, values: Any) -> Outcome:
        cursor = await self.admin.execute(statement, values)
        rows = await cursor.fetchall() if cursor.description else []
        return Outcome(rows=rows, count=cursor.rowcount)

    async def truth(self, relation: Relation) -> dict[UUID, int]:
        """How many rows each tenant has in a table, by the superuser's eyes."""
        cursor = await self.admin.execute(
            f"select {relation.tenant}, count(*) from moothill.{relation.name} group by 1"
        )
        return dict(await cursor.fetchall())

    async def rows(self, relation: Relation, society: Society) -> list[str]:
        """Rows of a society as JSON, by the superuser's eyes."""
        cursor = await self.admin.execute(
            f"select to_jsonb(t)::text from moothill.{relation.name} t where {relation.tenant} = %s order by 1",
            [society.id],
        )
        return [row[0] for row in await cursor.fetchall()]

    async def fingerprint(self, *societies: Society) -> dict[str, str]:
        """A digest of everything that societies have, table by table."""
        parts = " union all ".join(
            f"select '{table.name}', md5(coalesce(string_agg(md5(t::text), '' order by md5(t::text)), '')) "
            f"from moothill.{table.name} t where {table.tenant} = any(%(tenants)s)"
            for table in self.catalog.tables
        )
        cursor = await self.admin.execute(parts, {"tenants": [each.id for each in societies]})
        return dict(await cursor.fetchall())

    async def secrets(self, *societies: Society) -> frozenset[str]:
        """Markers and ids of societies that are not also those of ours: no answer to ours may hold one."""
        found: set[str] = set()
        for society in societies:
            if society.id not in self.secrets_of:
                self.secrets_of[society.id] = await self._ids(society) - await self._ids(self.ours)
            found |= self.secrets_of[society.id] | {society.marker}
        return frozenset(found)

    async def _ids(self, society: Society) -> frozenset[str]:
        found: set[str] = set()
        for table in self.catalog.tables:
            cursor = await self.admin.execute(
                f"select distinct v.value #>> '{{}}' from moothill.{table.name} t, "
                f"jsonb_each(to_jsonb(t)) as v where t.{table.tenant} = %s and jsonb_typeof(v.value) = 'string' "
                f"and v.value #>> '{{}}' ~ '^[0-9a-f]{{8}}-[0-9a-f-]{{27}}$'",
                [society.id],
            )
            found.update(row[0] for row in await cursor.fetchall())
        return frozenset(found - {"00000000-0000-0000-0000-000000000000"})
