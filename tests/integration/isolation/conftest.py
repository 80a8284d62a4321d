"""The ground on which isolation is attacked: a database with two societies, made once for each process."""

from collections.abc import AsyncIterator

import psycopg
import pytest_asyncio

from moothill.database.embedded import EmbeddedServer
from moothill.kernel.settings import Settings
from moothill.registry.search.sessions.recorder import recorder_of
from moothill.session import open_database
from tests.conftest import cloned
from tests.integration.isolation.catalog import read_catalog
from tests.integration.isolation.intruder import Ground
from tests.integration.isolation.societies import copy_as_twin, fill_up, settle


@pytest_asyncio.fixture(scope="session")
async def ground(server: EmbeddedServer, settings: Settings) -> AsyncIterator[Ground]:
    """Two societies and a twin of the first, with rows in every table."""
    async with cloned(server, "isolation") as name:
        dsn, admin_dsn = server.dsn("app", name), server.dsn("admin", name)
        generous = settings.model_copy(update={"rate_limit": 1_000_000})
        platform = await open_database(dsn, generous, "default", sql_dsn=server.dsn("sql", name), create=True)
        try:
            async with await psycopg.AsyncConnection.connect(admin_dsn, autocommit=True) as admin:
                ours = await settle(platform, "amber")
                theirs = await settle(platform, "basalt")
                # Searches are written some moments later: all that were made are there, and no more will be.
                await recorder_of(platform.executor.runtime).close()  # type: ignore[attr-defined]
                await fill_up(admin, ours, theirs)
                catalog = await read_catalog(admin)
                twin = await copy_as_twin(admin, catalog, ours, "cobalt")
                await admin.execute("analyze")
                yield Ground(catalog, ours, theirs, twin, dsn, admin_dsn, admin)
        finally:
            await platform.close()
