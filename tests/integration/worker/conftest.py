"""Fixtures of the tests of the worker: a database of their own, since workers see all tenants."""

from collections.abc import AsyncIterator, Iterator

import psycopg
import pytest
import pytest_asyncio

from moothill.database.embedded import EmbeddedServer
from moothill.kernel.service import Service
from moothill.kernel.settings import Settings
from moothill.session import open_database
from tests.conftest import cloned
from tests.integration.worker.probe import make_tables, registered
from tests.integration.worker.world import World

# Emptying is ten times faster than a new database for each test. Logs refuse it to whoever keeps triggers on.
_EMPTY = (
    "set session_replication_role = replica",
    "truncate moothill.leases, moothill.schedule_runs, moothill.jobs, moothill.job_queue, moothill.handler_cursors, "
    "moothill.parked_events, moothill.events, moothill.idempotency_keys, moothill.api_keys, moothill.probe_marks, "
    "moothill.probe_orders",
    "reset session_replication_role",
    "delete from moothill.tenants where slug <> 'default'",
)


@pytest.fixture
def probe() -> Iterator[type[Service]]:
    """The probe, known as long as the test runs."""
    with registered() as service:
        yield service


@pytest_asyncio.fixture(scope="session")
async def worker_database(server: EmbeddedServer) -> AsyncIterator[str]:
    """A database with the probe's tables, for one process of the tests."""
    async with cloned(server, "worker") as name:
        make_tables(server.dsn("migrator", name))
        yield name


@pytest_asyncio.fixture
async def world(
    server: EmbeddedServer, settings: Settings, worker_database: str, probe: type[Service]
) -> AsyncIterator[World]:
    """The database of the worker's tests, as nobody has used it yet, with the tenant `default`."""
    dsn = server.dsn("app", worker_database)
    moot = await open_database(dsn, settings, "default", create=True)
    admin_dsn = server.dsn("admin", worker_database)
    async with await psycopg.AsyncConnection.connect(admin_dsn, autocommit=True) as admin:
        for statement in _EMPTY:
            await admin.execute(statement.encode())
        found = World(moot, probe, dsn, admin)
        yield found
        await found.close()
    await moot.close()
