"""The ground on which isolation is attacked: a database with two societies, made once for each process."""

from collections.abc import AsyncIterator
from uuid import uuid4

import psycopg
import pytest_asyncio
from psycopg import sql

from moothill.database.embedded import EmbeddedServer
from moothill.database.roles import bootstrap
from moothill.kernel.settings import Settings
from moothill.session import open_database
from tests.conftest import TEMPLATE
from tests.integration.isolation.catalog import read_catalog
from tests.integration.isolation.intruder import Ground
from tests.integration.isolation.societies import copy_as_twin, fill_up, settle


@pytest_asyncio.fixture(scope="session")
async def ground(server: EmbeddedServer, settings: Settings) -> AsyncIterator[Ground]:
    """Two societies and a twin of the first, with rows in every table."""
    name = f"isolation_{uuid4().hex[:16]}"
    named = sql.Identifier(name)
    async with await psycopg.AsyncConnection.connect(server.dsn("admin"), autocommit=True) as maker:
        await maker.execute(sql.SQL("create database {} template {}").format(named, sql.Identifier(TEMPLATE)))
        await bootstrap(
            server.dsn("admin"),
            name,
            app_password=server.password("app"),
            migrator_password=server.password("migrator"),
        )
        dsn, admin_dsn = server.dsn("app", name), server.dsn("admin", name)
        try:
            generous = settings.model_copy(update={"rate_limit": 1_000_000})
            platform = await open_database(dsn, generous, "default", create=True)
            try:
                async with await psycopg.AsyncConnection.connect(admin_dsn, autocommit=True) as admin:
                    ours = await settle(platform, "amber")
                    theirs = await settle(platform, "basalt")
                    await fill_up(admin, ours, theirs)
                    catalog = await read_catalog(admin)
                    twin = await copy_as_twin(admin, catalog, ours, "cobalt")
                    await admin.execute("analyze")
                    yield Ground(catalog, ours, theirs, twin, dsn, admin_dsn, admin)
            finally:
                await platform.close()
        finally:
            await maker.execute(sql.SQL("drop database if exists {} with (force)").format(named))
