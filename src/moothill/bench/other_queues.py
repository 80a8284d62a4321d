"""PgQueuer and Procrastinate beside our tasks: the same server, the same durability, each by its own worker.

Neither is a dependency; a benchmark on a machine without them says how to install them. Rates are taken from the time
at which their worker starts to that at which it has drained the queue, as they are for ours.
"""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from importlib import import_module, util
from typing import Any

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

__all__ = ["PEERS", "Drained", "Peer", "Yard"]


@dataclass(frozen=True, slots=True)
class Drained:
    """What draining a queue took."""

    jobs: int
    seconds: float
    wal_bytes: int
    commits: int

    @property
    def rate(self) -> float:
        """Jobs a second."""
        return self.jobs / self.seconds


class Yard:
    """A server on which queues are drained, each in a database of its own."""

    def __init__(self, admin_dsn: str) -> None:
        self.admin_dsn = admin_dsn

    def dsn(self, database: str) -> str:
        """Of a database on the same server."""
        return make_conninfo(self.admin_dsn, dbname=database)

    async def make(self, database: str) -> None:
        """An empty database."""
        async with await psycopg.AsyncConnection.connect(self.admin_dsn, autocommit=True) as admin:
            await admin.execute(sql.SQL("create database {}").format(sql.Identifier(database)))

    async def measured(self, database: str, jobs: int, work: Callable[[], Awaitable[Any]]) -> Drained:
        """Do some work, and what it wrote and committed meanwhile."""
        async with await psycopg.AsyncConnection.connect(self.dsn(database), autocommit=True) as watch:
            before = await _counters(watch, database)
            started = time.perf_counter()
            await work()
            seconds = time.perf_counter() - started
            # What a backend counted reaches the view a moment later.
            await watch.execute("select pg_stat_force_next_flush()")
            after = await _counters(watch, database)
        return Drained(jobs, seconds, after[0] - before[0], after[1] - before[1])


async def _counters(watch: psycopg.AsyncConnection[Any], database: str) -> tuple[int, int]:
    await watch.execute("select pg_stat_clear_snapshot()")
    cursor = await watch.execute(
        "select pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint, xact_commit "
        "from pg_stat_database where datname = %s",
        [database],
    )
    row = await cursor.fetchone()
    assert row is not None
    return int(row[0]), int(row[1])


async def _asyncpg(yard: Yard) -> Any:
    """The faster of PgQueuer's drivers."""
    said = conninfo_to_dict(yard.dsn("pgqueuer"))
    return await import_module("asyncpg").connect(
        host=str(said["host"]),
        port=int(said.get("port") or 5432),
        user=str(said["user"]),
        password=str(said["password"]) if said.get("password") else None,
        database="pgqueuer",
    )


async def _pgqueuer(yard: Yard, jobs: int, batch: int) -> Drained:
    connection = await _asyncpg(yard)
    try:
        queue = import_module("pgqueuer").PgQueuer.from_asyncpg_connection(connection)

        async def work(job: Any) -> None:
            pass

        queue.entrypoint("work")(work)
        drains = import_module("pgqueuer.types").QueueExecutionMode.drain
        for start in range(0, jobs, 1000):
            count = min(1000, jobs - start)
            await queue.qm.queries.enqueue(["work"] * count, [b'{"n": 1}'] * count, [0] * count)
        return await yard.measured("pgqueuer", jobs, lambda: queue.run(batch_size=batch, mode=drains))
    finally:
        await connection.close()


async def _install_pgqueuer(yard: Yard) -> None:
    connection = await _asyncpg(yard)
    try:
        driver = import_module("pgqueuer.db").AsyncpgDriver(connection)
        await import_module("pgqueuer.queries").Queries(driver).install()
    finally:
        await connection.close()


def _procrastinate_app(yard: Yard) -> Any:
    theirs = import_module("procrastinate")
    app = theirs.App(connector=theirs.PsycopgConnector(conninfo=yard.dsn("procrastinate")))

    async def work(n: int) -> None:
        pass

    app.task(name="work")(work)
    return app


async def _procrastinate(yard: Yard, jobs: int, batch: int) -> Drained:
    app = _procrastinate_app(yard)
    async with app.open_async():
        for start in range(0, jobs, 1000):
            await app.tasks["work"].batch_defer_async(*({"n": 1} for _ in range(min(1000, jobs - start))))
        return await yard.measured(
            "procrastinate",
            jobs,
            lambda: app.run_worker_async(
                concurrency=batch, wait=False, install_signal_handlers=False, delete_jobs="never"
            ),
        )


async def _install_procrastinate(yard: Yard) -> None:
    app = _procrastinate_app(yard)
    async with app.open_async():
        await app.schema_manager.apply_schema_async()


@dataclass(frozen=True, slots=True)
class Peer:
    """Another queue.

    Attributes:
        name: as PyPI has it, and as its database is called.
        modules: what has to be installed.
        install: makes its tables.
        drain: adds jobs and drains them, so many at a time.
    """

    name: str
    modules: tuple[str, ...]
    install: Callable[[Yard], Awaitable[None]]
    drain: Callable[[Yard, int, int], Awaitable[Drained]]

    @property
    def is_there(self) -> bool:
        """Whether it can be measured here."""
        return all(util.find_spec(module) is not None for module in self.modules)


PEERS = (
    Peer("pgqueuer", ("pgqueuer", "asyncpg"), _install_pgqueuer, _pgqueuer),
    Peer("procrastinate", ("procrastinate",), _install_procrastinate, _procrastinate),
)
