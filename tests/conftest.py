"""Shared fixtures: one embedded server for the whole run, a database for each of its processes, a fresh tenant
for each test.

The processes of pytest-xdist share the server; the last one stops it. They do not share a database: its feed of
events shows nothing that a transaction may still precede, so one process would wait for the other's. Tests of
global objects take a database of their own (`fresh_database`), cloned from the migrated template.
"""

import contextlib
import gc
import os
import shutil
import signal
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import hypothesis
import psycopg
import pytest
import pytest_asyncio
from psycopg import sql

from moothill.database.embedded import EmbeddedServer
from moothill.database.migrate import Migrator
from moothill.database.roles import bootstrap, role_statements
from moothill.kernel.errors import MoothillError
from moothill.kernel.settings import Settings
from moothill.moot import Moot
from moothill.session import open_database

DATABASE = f"moothill_{os.environ.get('PYTEST_XDIST_WORKER', 'alone')}"
TEMPLATE = "moothill_template"
# Nobody takes the power away from this server. Those that are killed have folders and settings of their own.
PASSING = {
    "max_connections": "300",
    "fsync": "off",
    "full_page_writes": "off",
    "wal_compression": "off",
    "max_wal_size": "512MB",
}
# A run that begins has made its folder, and may not be known as its server's user yet.
ABANDONED_SECONDS = 600

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # Whoever starts us in the background of a script has it ignored, and what we start would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)

# What a property takes says how busy the machine is, and nothing about us.
hypothesis.settings.register_profile("moothill", deadline=None)
hypothesis.settings.load_profile("moothill")


def pytest_collection_finish() -> None:
    """Let the collector pass over modules and tests, which last: a full collection is then ten times quicker."""
    gc.collect()
    gc.freeze()


MootFactory = Callable[[], Awaitable[Moot]]
DatabaseFactory = Callable[[], Awaitable[str]]


@pytest.fixture(scope="session")
def settings() -> Settings:
    """Settings of the tests: nothing from the environment."""
    # What signs reports of erasures here vouches for nothing.
    return Settings.load({}, pool_min=1, pool_max=20, worker=False, signing_key="A" * 43 + "=")


def scratch() -> Path:
    """Where the data of servers lie that live as long as the tests: memory, where there is enough of it."""
    memory = Path("/dev/shm")
    is_roomy = memory.is_dir() and shutil.disk_usage(memory).free > 2**32
    return memory if is_roomy else Path(tempfile.gettempdir())


@pytest_asyncio.fixture(scope="session")
async def server() -> AsyncIterator[EmbeddedServer]:
    """The embedded server of this run."""
    major = int(os.environ.get("MOOTHILL_TEST_MAJOR", "18"))
    # Not under pytest's own folder: PostgreSQL runs as another user than root and must be able to enter.
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID", uuid.uuid4().hex)
    folder = scratch() / f"moothill-suite-{run[:12]}"
    await sweep(folder)
    running = EmbeddedServer(folder, major=major, settings=PASSING)

    async def first_start(started: EmbeddedServer) -> None:
        await bootstrap_as(started, TEMPLATE)
        await Migrator(started.dsn("migrator", TEMPLATE)).migrate()

    try:
        await running.start(bootstrap=first_start)
        await clone(running, DATABASE)
        yield running
    finally:
        if await running.stop():
            shutil.rmtree(folder, ignore_errors=True)


async def sweep(own: Path) -> None:
    """Stop and remove what earlier runs left that were killed: it would fill the memory."""
    for folder in own.parent.glob("moothill-suite-*"):
        # The other processes of this run sweep too.
        with contextlib.suppress(OSError, MoothillError):
            is_old = time.time() - folder.stat().st_mtime > ABANDONED_SECONDS
            if folder != own and is_old and await EmbeddedServer(folder).stop():
                shutil.rmtree(folder, ignore_errors=True)


async def bootstrap_as(server: EmbeddedServer, name: str) -> None:
    """Roles and extension for a database of the embedded server, which it makes if there is none."""
    await bootstrap(
        server.dsn("admin"),
        name,
        app_password=server.password("app"),
        migrator_password=server.password("migrator"),
        sql_password=server.password("sql"),
    )


async def clone(server: EmbeddedServer, name: str, template: str = TEMPLATE) -> None:
    """A new database like another one, open to the roles."""
    new, like = sql.Identifier(name), sql.Identifier(template)
    async with await psycopg.AsyncConnection.connect(server.dsn("admin"), autocommit=True) as admin:
        # Copying files is ten times quicker than writing every page to the log, as long as nothing is flushed.
        await admin.execute(sql.SQL("create database {} template {} strategy file_copy").format(new, like))
        # Roles, passwords and the extension are there; what is said of a database is not copied.
        opening = [each for each in role_statements(name) if new.as_string() in each]
        await admin.execute(";".join(opening).encode())


@asynccontextmanager
async def cloned(server: EmbeddedServer, purpose: str, template: str = TEMPLATE) -> AsyncIterator[str]:
    """The name of a new database that lasts as long as the block; no other process has that name."""
    name = f"{purpose}_{uuid.uuid4().hex[:16]}"
    await clone(server, name, template)
    try:
        yield name
    finally:
        async with await psycopg.AsyncConnection.connect(server.dsn("admin"), autocommit=True) as admin:
            await admin.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name)))


@pytest_asyncio.fixture(scope="session")
async def platform(server: EmbeddedServer, settings: Settings) -> AsyncIterator[Moot]:
    """A Moot above all tenants, on the shared database."""
    moot = await open_database(
        server.dsn("app", DATABASE),
        settings,
        "default",
        migrator_dsn=server.dsn("migrator", DATABASE),
        sql_dsn=server.dsn("sql", DATABASE),
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
    async with AsyncExitStack() as stack:

        async def make() -> str:
            return await stack.enter_async_context(cloned(server, "clone"))

        yield make


@pytest.fixture
def shared_data() -> Path:
    """The folder of real data, outside of the repository; tests that need it skip without it."""
    folder = Path(os.environ.get("MOOTHILL_SHARED_DATA", str(Path(__file__).parents[2] / "shared" / "data")))
    if not folder.is_dir():
        pytest.skip("no folder of real data here; MOOTHILL_SHARED_DATA names one")
    return folder
