"""Shared fixtures: one embedded server for the whole run, a fresh tenant for each test.

The processes of pytest-xdist share the server; the last one stops it. Only tests of global objects
take a database of their own (`fresh_database`), cloned from a migrated template.
"""

import os
import shutil
import tempfile
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import psycopg
import pytest
import pytest_asyncio
from psycopg import sql

from moothill.database.embedded import EmbeddedServer
from moothill.database.migrate import Migrator
from moothill.database.roles import bootstrap
from moothill.kernel.settings import Settings
from moothill.moot import Moot
from moothill.session import open_database

DATABASE = "moothill"
TEMPLATE = "moothill_template"

MootFactory = Callable[[], Awaitable[Moot]]
DatabaseFactory = Callable[[], Awaitable[str]]


@pytest.fixture(scope="session")
def settings() -> Settings:
    """Settings of the tests: nothing from the environment."""
    return Settings.load({}, pool_min=1, pool_max=20, worker=False)


@pytest_asyncio.fixture(scope="session")
async def server() -> AsyncIterator[EmbeddedServer]:
    """The embedded server of this run."""
    major = int(os.environ.get("MOOTHILL_TEST_MAJOR", "18"))
    # Not under pytest's own folder: PostgreSQL runs as another user than root and must be able to enter.
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID", uuid.uuid4().hex)
    folder = Path(tempfile.gettempdir()) / f"moothill-test-{run[:12]}"
    running = EmbeddedServer(folder, major=major, settings={"max_connections": "300"})

    async def first_start(started: EmbeddedServer) -> None:
        for name in (DATABASE, TEMPLATE):
            await bootstrap(
                started.dsn("admin"),
                name,
                app_password=started.password("app"),
                migrator_password=started.password("migrator"),
            )
            await Migrator(started.dsn("migrator", name)).migrate()

    await running.start(bootstrap=first_start)
    yield running
    if await running.stop():
        shutil.rmtree(folder, ignore_errors=True)


@pytest_asyncio.fixture(scope="session")
async def platform(server: EmbeddedServer, settings: Settings) -> AsyncIterator[Moot]:
    """A Moot above all tenants, on the shared database."""
    moot = await open_database(
        server.dsn("app", DATABASE),
        settings,
        "default",
        migrator_dsn=server.dsn("migrator", DATABASE),
        create=True,
    )
    yield moot
    await moot.close()


@pytest_asyncio.fixture
async def moot_factory(platform: Moot) -> MootFactory:
    """Makes a Moot in a fresh tenant."""

    async def make() -> Moot:
        slug = f"t-{uuid.uuid4().hex}"
        await platform.tenants.create(slug=slug, name=slug)
        return platform.tenant(slug)

    return make


@pytest_asyncio.fixture
async def moot(moot_factory: MootFactory) -> Moot:
    """A Moot in a fresh tenant."""
    return await moot_factory()


@pytest_asyncio.fixture
async def other(moot_factory: MootFactory) -> Moot:
    """A Moot in a second fresh tenant: the stranger."""
    return await moot_factory()


@pytest_asyncio.fixture
async def fresh_database(server: EmbeddedServer) -> AsyncIterator[DatabaseFactory]:
    """Makes a migrated database of its own; gives its name."""
    made: list[str] = []

    async def make() -> str:
        name = f"clone_{uuid.uuid4().hex[:16]}"
        async with await psycopg.AsyncConnection.connect(server.dsn("admin"), autocommit=True) as admin:
            await admin.execute(
                sql.SQL("create database {} template {}").format(sql.Identifier(name), sql.Identifier(TEMPLATE))
            )
        await bootstrap(
            server.dsn("admin"),
            name,
            app_password=server.password("app"),
            migrator_password=server.password("migrator"),
        )
        made.append(name)
        return name

    yield make
    async with await psycopg.AsyncConnection.connect(server.dsn("admin"), autocommit=True) as admin:
        for name in made:
            await admin.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name)))


@pytest.fixture
def shared_data() -> Path:
    """The folder of real data, outside of the repository; tests that need it skip without it."""
    folder = Path(os.environ.get("MOOTHILL_SHARED_DATA", str(Path(__file__).parents[2] / "shared" / "data")))
    if not folder.is_dir():
        pytest.skip("no folder of real data here; MOOTHILL_SHARED_DATA names one")
    return folder
