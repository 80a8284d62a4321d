"""What the tests of the worker stand on: a database of their own, workers here and in other processes."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg

from moothill.kernel.events import Event
from moothill.kernel.service import Service
from moothill.moot import Moot
from moothill.worker import Pace, Worker

_WAITING = (
    "select 1 from pg_locks where locktype = 'advisory' and not granted "
    "and database = (select oid from pg_database where datname = current_database())"
)
ROOT = Path(__file__).resolve().parents[3]
# A second takes long on a busy machine; leases that are too short change hands for nothing.
BRISK = Pace(
    lease=timedelta(seconds=2),
    claim=timedelta(seconds=2),
    poll=timedelta(milliseconds=100),
    glance=timedelta(milliseconds=20),
    save=timedelta(milliseconds=100),
    drain=timedelta(seconds=5),
    first_retry=timedelta(milliseconds=20),
    longest_retry=timedelta(milliseconds=50),
    handler_attempts=3,
    job_attempts=3,
    window=50,
)


async def eventually(question: Callable[[], Awaitable[Any]], *, within: float = 20.0) -> Any:
    """Ask until the answer is true; it fails with the last answer after the bound."""
    answer: Any = None
    try:
        async with asyncio.timeout(within):
            # What is waited for is in the database, often written by another process.
            while not (answer := await question()):  # noqa: ASYNC110
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(f"not within {within:g} s; the last answer was {answer!r}") from None
    return answer


async def shown(moot: Moot, count: int, **wanted: Any) -> list[Event]:
    """Events of a tenant, once so many lie below the horizon, which transactions of other tests hold back."""

    async def look() -> list[Event] | None:
        items = (await moot.events.list(limit=1000, **wanted)).items
        return items if len(items) >= count else None

    found = await eventually(look)
    assert isinstance(found, list)
    return found


@dataclass(slots=True)
class World:
    """A database with the probe's tables.

    Attributes:
        moot: in the tenant `default`, which exists from the start.
        dsn: of the application role.
        admin: a connection that sees everything.
    """

    moot: Moot
    probe: type[Service]
    dsn: str
    admin: psycopg.AsyncConnection[tuple[Any, ...]]
    _processes: list[asyncio.subprocess.Process] = field(default_factory=list)

    def of(self, moot: Moot) -> Any:
        """The probe of a Moot."""
        return moot.service(self.probe)

    async def tenant(self, slug: str) -> Moot:
        """A new tenant."""
        await self.moot.tenants.create(slug=slug, name=slug)
        return self.moot.tenant(slug)

    async def ask(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """Ask the database behind everybody's back."""
        cursor = await self.admin.execute(statement.encode(), values)
        return await cursor.fetchall() if cursor.description else []

    async def order(self, what: str, moot: Moot | None = None) -> None:
        """Tell the probe of a tenant (None: above all) what to do."""
        tenant = UUID(int=0) if moot is None else (await moot.keys.current()).tenant
        await self.ask("insert into moothill.probe_orders values (%s, %s)", tenant, what)

    async def withdraw(self, what: str) -> None:
        """Take an order back."""
        await self.ask("delete from moothill.probe_orders where name = %s", what)

    async def marks(self, mark: str) -> list[int]:
        """Numbers of the marks of one kind, in the order in which they were left."""
        rows = await self.ask("select number from moothill.probe_marks where mark = %s order by place", mark)
        return [row[0] for row in rows]

    async def has_marks(self, mark: str, numbers: Sequence[int]) -> bool:
        """Whether exactly these marks have been left, in whatever order."""
        return sorted(await self.marks(mark)) == sorted(numbers)

    @contextlib.asynccontextmanager
    async def worker(self, pace: Pace = BRISK) -> AsyncIterator[Worker]:
        """A worker in this process."""
        session = self.moot.session
        assert session is not None
        assert session.runtime is not None
        assert session.database is not None
        worker = Worker(session.runtime, session.database, session.settings, pace=pace)
        running = asyncio.create_task(worker.run())
        try:
            yield worker
        finally:
            await worker.stop()
            await running

    async def spawn(self) -> asyncio.subprocess.Process:
        """A worker in a process of its own."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.integration.worker.process", self.dsn, cwd=ROOT, env={**os.environ}
        )
        self._processes.append(process)
        return process

    async def kill(self, process: asyncio.subprocess.Process) -> None:
        """End a process as a crash does."""
        process.send_signal(signal.SIGKILL)
        await process.wait()

    async def waits_for_lock(self) -> bool:
        """Whether some backend waits for the probe's lock."""
        return bool(await self.ask(_WAITING))

    async def close(self) -> None:
        """Leave no process behind."""
        for process in self._processes:
            if process.returncode is None:
                await self.kill(process)
