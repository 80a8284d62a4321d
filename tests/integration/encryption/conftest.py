"""Fixtures of the tests of encryption: a database of their own, since their workers see all tenants."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import psycopg
import pytest_asyncio

from moothill.database.embedded import EmbeddedServer
from moothill.kernel.settings import Settings
from moothill.moot import Moot
from moothill.session import open_database
from tests.conftest import cloned
from tests.integration.encryption.world import KEKS, World


@pytest_asyncio.fixture(scope="session")
async def encryption_database(server: EmbeddedServer) -> AsyncIterator[str]:
    """A database for one process of the tests."""
    async with cloned(server, "encryption") as name:
        yield name


@pytest_asyncio.fixture
async def world(server: EmbeddedServer, encryption_database: str) -> AsyncIterator[World]:
    """That database, without the jobs that other tests left."""
    dsn = server.dsn("app", encryption_database)
    async with AsyncExitStack() as stack:
        admin = await stack.enter_async_context(
            await psycopg.AsyncConnection.connect(server.dsn("admin", encryption_database), autocommit=True)
        )
        await admin.execute("delete from moothill.job_queue")
        settings = Settings.load({}, pool_min=1, pool_max=12, worker=False, keks=KEKS)
        platform = await open_database(dsn, settings, "default", create=True)
        stack.push_async_callback(platform.close)
        found = World(dsn, admin, platform, stack)
        stack.push_async_callback(found.close)
        yield found


@pytest_asyncio.fixture
async def moot(world: World) -> Moot:
    """A fresh tenant of it."""
    return await world.tenant()
