"""Fixtures of the tests of the worker: each takes a database of its own, since workers see all tenants."""

from collections.abc import AsyncIterator, Iterator

import psycopg
import pytest
import pytest_asyncio

from moothill.database.embedded import EmbeddedServer
from moothill.kernel.service import Service
from moothill.kernel.settings import Settings
from moothill.session import open_database
from tests.conftest import DatabaseFactory
from tests.integration.worker.probe import make_tables, registered
from tests.integration.worker.world import World


@pytest.fixture
def probe() -> Iterator[type[Service]]:
    """The probe, known as long as the test runs."""
    with registered() as service:
        yield service


@pytest_asyncio.fixture
async def world(
    server: EmbeddedServer, settings: Settings, fresh_database: DatabaseFactory, probe: type[Service]
) -> AsyncIterator[World]:
    """A database with the probe's tables and the tenant `default`."""
    name = await fresh_database()
    make_tables(server.dsn("migrator", name))
    dsn = server.dsn("app", name)
    moot = await open_database(dsn, settings, "default", create=True)
    async with await psycopg.AsyncConnection.connect(server.dsn("admin", name), autocommit=True) as admin:
        found = World(moot, probe, dsn, admin)
        yield found
        await found.close()
    await moot.close()
