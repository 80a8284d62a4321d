"""`moothill bench events`: writers of one tenant at once, against a counter that orders their events.

Sixteen connections write events of one tenant as fast as the server takes them, each in a transaction
of its own; the loop runs in the server, so that no client is in the way. The peer is the same write with
a number from its tenant's counter row, which every writer holds until its commit is on disk. Both run in
turn, in the same run: on this machine's disk, and with a flush that takes two milliseconds more.
"""

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable, Iterable
from datetime import timedelta
from importlib import resources
from uuid import UUID

import psycopg

from ..database.pool import Database, run_plain
from ..database.queries import parse_queries
from ..kernel.settings import Settings
from ..session import open_database
from .report import Row
from .telling import counted, tell

__all__ = ["run"]

# Rounds, and writes of each writer in a round.
_SCALES = {"quick": (3, 40), "full": (7, 500)}
WRITERS = 16
TARGET = 4.0
_SLOW_FLUSH = "-c commit_delay=2000 -c commit_siblings=0"
_PEER = "a counter row of the tenant"
_SETUP = (
    "schema",
    "counters",
    "start",
    "beneath_the_horizon",
    "by_a_counter",
    "grant_schema",
    "grant_table",
    "grant_procedures",
)


async def run(scale: str, admin_dsn: str) -> list[Row]:
    """Measure on a throw-away database with the tenant `default`.

    Args:
        scale: quick or full.
        admin_dsn: of a superuser, who makes the peer's table and becomes the application's role.
    """
    rounds, writes = _SCALES[scale]
    statements = _statements()
    admin = Database(admin_dsn, Settings.load({}, pool_min=1, pool_max=2))
    await admin.open()
    try:
        async with admin.connection() as connection:
            for name in _SETUP:
                await run_plain(connection, statements[name])
    finally:
        await admin.close()
    tenant = await _tenant(admin_dsn)
    rows: list[Row] = []
    for case, options in (("this disk", ""), ("a flush of 2 ms more", _SLOW_FLUSH)):
        ours, theirs = await _compare(
            _as_application(admin_dsn, options),
            tenant,
            statements,
            counted(range(rounds), f"{WRITERS} writers, {case}"),
            writes,
        )
        rows += [
            Row(f"{WRITERS} writers, {case}", "rate", ours, "writes/s", peer=_PEER, peer_value=theirs),
            Row(f"{WRITERS} writers, {case}", "against it", ours / theirs, "x", TARGET, "at least", _PEER, 1.0),
        ]
    tell(f"{WRITERS} callers, whole operations")
    return [*rows, await _through_the_sdk(_as_application(admin_dsn, ""), writes)]


def _statements() -> dict[str, str]:
    text = (resources.files("moothill.bench") / "events.sql").read_text(encoding="utf-8")
    return {statement.name: statement.sql for statement in parse_queries(text, "bench/events.sql")}


def _as_application(admin_dsn: str, options: str) -> str:
    """The superuser's DSN with the application's rights, and with settings that only a superuser may change."""
    return psycopg.conninfo.make_conninfo(
        admin_dsn, options=f"{options} -c search_path=moothill,public -c role=moothill_app".strip()
    )


async def _tenant(admin_dsn: str) -> UUID:
    moot = await open_database(_as_application(admin_dsn, ""), Settings.load({}, pool_min=1), "default")
    try:
        return (await moot.keys.current()).tenant
    finally:
        await moot.close()


async def _compare(
    dsn: str, tenant: UUID, statements: dict[str, str], rounds: Iterable[int], writes: int
) -> tuple[float, float]:
    """Writes a second beneath the horizon and by a counter: the medians of rounds that alternate."""
    settings = Settings.load({}, pool_min=WRITERS, pool_max=WRITERS, tenant_share=1.0)
    database = Database(dsn, settings)
    await database.open()

    async def write(name: str, barrier: asyncio.Barrier) -> None:
        async with database.connection(tenant) as connection:
            await barrier.wait()
            # Not over our wire: in a pipeline a procedure may not commit.
            await connection.execute(statements[name].encode(), {"tenant": tenant, "writes": writes})

    async def rate(name: str) -> float:
        barrier = asyncio.Barrier(WRITERS + 1)
        writers = [asyncio.create_task(write(name, barrier)) for _ in range(WRITERS)]
        await barrier.wait()
        return await _rate(lambda: asyncio.gather(*writers), WRITERS * writes)

    try:
        found: dict[str, list[float]] = {"write_beneath_the_horizon": [], "write_by_a_counter": []}
        for _ in rounds:
            for name, rates in found.items():
                rates.append(await rate(name))
    finally:
        await database.close()
    ours, theirs = (statistics.median(rates) for rates in found.values())
    return ours, theirs


async def _rate(work: Callable[[], Awaitable[object]], done: int) -> float:
    before = time.perf_counter()
    await work()
    return done / (time.perf_counter() - before)


async def _through_the_sdk(dsn: str, writes: int) -> Row:
    """Whole operations from this process: what one Python process gets through."""
    settings = Settings.load({}, pool_min=WRITERS, pool_max=WRITERS, tenant_share=1.0)
    moot = await open_database(dsn, settings, "default")

    async def call() -> None:
        for _ in range(writes):
            await moot.keys.create(name="bench", scopes=["agents:read"], expires_in=timedelta(days=1))

    try:
        rate = await _rate(lambda: asyncio.gather(*(call() for _ in range(WRITERS))), WRITERS * writes)
    finally:
        await moot.close()
    return Row(f"{WRITERS} callers of keys.create, one process", "rate", rate, "writes/s")
