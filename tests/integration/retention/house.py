"""What the tests of retention and erasure stand on: a database of their own, with an archive and a key."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg

from moothill.kernel.context import Principal
from moothill.kernel.local import LocalExecutor, Runtime
from moothill.kernel.operation import Job
from moothill.kernel.settings import Settings
from moothill.moot import Moot
from moothill.tenancy.retention import Retention
from moothill.worker import Worker
from moothill.worker.acting import acting, system
from tests.integration.worker.world import BRISK, eventually

__all__ = ["House"]

# A log's row as of some days ago; only the owner of the server can put one in.
_OLD_EVENT = """
insert into moothill.events (tenant_id, id, kind, actor, actor_kind, operation, payload, occurred_at)
select %(tenant)s, (left(mt.uuid7_floor(now() - make_interval(days => %(days)s))::text, 24)
                    || right(gen_random_uuid()::text, 12))::uuid,
       'test.old', coalesce(%(actor)s::uuid, gen_random_uuid()), %(kind)s, 'test', jsonb_build_object('n', n),
       now() - make_interval(days => %(days)s)
from generate_series(1, %(count)s) n
"""
_OLD_ACCESS = """
insert into moothill.access_log (tenant_id, id, accessor, kind, data_class, operation, actor, actor_kind, actor_name)
select %(tenant)s, (left(mt.uuid7_floor(now() - make_interval(days => %(days)s))::text, 24)
                    || right(gen_random_uuid()::text, 12))::uuid,
       gen_random_uuid(), 'read', 'agents', 'test', gen_random_uuid(), 'operator', 'somebody'
from generate_series(1, %(count)s) n
"""


@dataclass(slots=True)
class House:
    """A database with a tenant `default`.

    Attributes:
        archive: folder of archives.
        dsn: of the application role.
        admin: a connection that sees everything.
    """

    moot: Moot
    settings: Settings
    archive: Path
    dsn: str
    admin: psycopg.AsyncConnection[tuple[Any, ...]]

    @property
    def runtime(self) -> Runtime:
        assert self.moot.session is not None
        assert self.moot.session.runtime is not None
        return self.moot.session.runtime

    async def ask(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """Ask the database behind everybody's back."""
        cursor = await self.admin.execute(statement.encode(), values or None)
        return await cursor.fetchall() if cursor.description else []

    async def count(self, table: str, tenant: UUID, condition: str = "true") -> int:
        """Rows of a tenant in a table."""
        rows = await self.ask(f"select count(*) from moothill.{table} where tenant_id = %s and {condition}", tenant)
        return int(rows[0][0])

    async def tenant(self, slug: str) -> tuple[Moot, UUID]:
        """A new tenant."""
        made = await self.moot.tenants.create(slug=slug, name=slug)
        return self.moot.tenant(slug), made.id

    async def old_events(
        self, tenant: UUID, days: int, count: int = 3, *, actor: UUID | None = None, kind: str = "operator"
    ) -> None:
        """Events of some days ago."""
        told = {"tenant": tenant, "days": days, "count": count, "actor": actor, "kind": kind}
        await self.admin.execute(_OLD_EVENT, told)

    async def old_accesses(self, tenant: UUID, days: int, count: int = 3) -> None:
        """Entries of the access log of some days ago."""
        await self.admin.execute(_OLD_ACCESS, {"tenant": tenant, "days": days, "count": count})

    async def remove(self, tenant: UUID, *, steps: int = 1_000) -> int:
        """Let retention work in a tenant, at most so many steps; how many were taken."""
        principal: Principal = system(tenant)
        cursor = None
        for step in range(steps):
            async with acting(self.runtime, principal, "retention.remove", cursor=cursor):
                cursor = (await Retention(LocalExecutor(self.runtime, principal, door="worker")).remove()).cursor
            if cursor is None:
                return step + 1
        return steps

    @contextlib.asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """A worker beside the block."""
        session = self.moot.session
        assert session is not None
        assert session.database is not None
        import asyncio

        worker = Worker(self.runtime, session.database, session.settings, pace=BRISK)
        running = asyncio.create_task(worker.run())
        try:
            yield
        finally:
            await worker.stop()
            await running

    async def done(self, moot: Moot, job: Job) -> Any:
        """A job at its end, after a worker has seen to it."""
        async with self.working():

            async def ended() -> Any:
                found = await moot.jobs.get(job=job.id)
                return found if found.state in ("completed", "failed") else None

            return await eventually(ended, within=60)
