"""Databases of the tests of encryption: several processes' Moots on one, a worker, and a look at the raw tables."""

import asyncio
import base64
import contextlib
import os
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import psycopg

from moothill.database.pool import Database
from moothill.kernel.operation import Job
from moothill.kernel.settings import Settings
from moothill.moot import Moot
from moothill.session import open_database
from moothill.worker import Worker
from tests.integration.worker.world import BRISK, ROOT, eventually

__all__ = ["KEKS", "World", "database_of", "keks"]

KEKS = f"first:{base64.b64encode(bytes(range(32))).decode()}"
CONTENT = (
    *("agents", "agent_cards", "capabilities", "capability_evidence", "jobs", "idempotency_keys", "events"),
    *("access_log", "tenant_keys", "search_items", "sharing_grants"),
)


def keks(*names: str) -> str:
    """Key-encryption keys of these names; the same name always has the same key."""
    return ",".join(
        f"{name}:{base64.b64encode(name.encode().ljust(32, b'.')).decode()}" if name != "first" else KEKS
        for name in names
    )


def database_of(moot: Moot) -> Database:
    session = moot.session
    assert session is not None
    assert session.database is not None
    return session.database


@dataclass(slots=True)
class World:
    """One database, and what stands on it."""

    dsn: str
    admin: psycopg.AsyncConnection[tuple[Any, ...]]
    platform: Moot
    stack: contextlib.AsyncExitStack
    _number: int = 0
    _processes: list[asyncio.subprocess.Process] = field(default_factory=list)

    async def open(self, tenant: str = "default", **settings: Any) -> Moot:
        """A Moot with a pool and a key ring of its own, as another process has them."""
        given = {"keks": KEKS, "pool_min": 1, "pool_max": 12, "worker": False, **settings}
        moot = await open_database(self.dsn, Settings.load({}, **given), tenant)
        self.stack.push_async_callback(moot.close)
        return moot

    async def tenant(self) -> Moot:
        """A new tenant, in the platform's own process."""
        slug = f"t-{os.urandom(8).hex()}"
        await self.platform.tenants.create(slug=slug, name=slug)
        return self.platform.tenant(slug)

    async def ask(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """Ask the database behind everybody's back."""
        cursor = await self.admin.execute(statement.encode(), values)
        return await cursor.fetchall() if cursor.description else []

    async def beside(self) -> psycopg.AsyncConnection[tuple[Any, ...]]:
        """Another connection that sees everything, to hold a transaction open."""
        made = await psycopg.AsyncConnection.connect(
            self.admin.info.dsn, password=self.admin.info.password, autocommit=True
        )
        return await self.stack.enter_async_context(made)

    async def raw(self, tenant: UUID) -> str:
        """Everything that the database has of a tenant, as text; bytes as the characters that they stand for."""
        parts: list[str] = []
        for table in CONTENT:
            rows = await self.ask(f"select to_jsonb(t)::text from moothill.{table} t where t.tenant_id = %s", tenant)
            parts += [row[0] for row in rows]
        cards = await self.ask("select content from moothill.agent_cards where tenant_id = %s", tenant)
        return "\n".join(parts) + "\n".join(bytes(row[0]).decode("latin-1") for row in cards)

    async def done(self, moot: Moot, job: Job, state: str = "completed") -> Any:
        """The job, once a worker brought it to its end."""
        async with self.worker(moot):
            return await self.ended(moot, job, state)

    async def ended(self, moot: Moot, job: Job, state: str = "completed") -> Any:
        """The job, at its end."""

        async def look() -> Any:
            found = await moot.jobs.get(job=job.id)
            assert found.state not in {"completed", "failed", "cancelled"} - {state}, found
            return found if found.state == state else None

        return await eventually(look, within=60)

    @contextlib.asynccontextmanager
    async def worker(self, moot: Moot) -> AsyncIterator[Worker]:
        """A worker in the process of a Moot."""
        session = moot.session
        assert session is not None
        assert session.runtime is not None
        worker = Worker(session.runtime, database_of(moot), session.settings, pace=BRISK)
        running = asyncio.create_task(worker.run())
        try:
            yield worker
        finally:
            await worker.stop()
            await running

    async def spawn(self) -> asyncio.subprocess.Process:
        """A worker in a process of its own."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.integration.encryption.process",
            self.dsn,
            cwd=ROOT,
            env={**os.environ, "MOOTHILL_KEKS": KEKS},
        )
        self._processes.append(process)
        return process

    async def close(self) -> None:
        for process in self._processes:
            if process.returncode is None:
                process.kill()
                await process.wait()
