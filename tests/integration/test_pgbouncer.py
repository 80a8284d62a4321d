"""Behind PgBouncer in transaction mode: many tenants share one backend, and none sees another."""

import asyncio
import os
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
import pytest_asyncio

from moothill.database.embedded import EmbeddedServer
from moothill.database.embedded.account import choose_account
from moothill.database.notices import can_hear
from moothill.database.pool import Database, run_plain
from moothill.kernel.settings import Settings
from moothill.moot import Moot
from moothill.session import open_database
from moothill.tenancy.tenants import Tenant
from tests.conftest import DATABASE

BINARY = shutil.which("pgbouncer") or shutil.which("/usr/sbin/pgbouncer")
OPERATIONS = 10_000 if os.environ.get("MOOTHILL_SOAK") else 1_000
AT_ONCE = 8
UNTRUSTED = f"{DATABASE}_untrusted"

pytestmark = pytest.mark.skipif(BINARY is None, reason="no pgbouncer here; Debian and Ubuntu have it as a package")

CONFIGURATION = """
[databases]
{database} = {target}
{untrusted_database} = {untrusted}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 1
max_client_conn = 100
logfile = {folder}/log
pidfile = {folder}/pid
"""


def quoted(dsn: str) -> str:
    """A DSN as the value of a database in the configuration: the server's own words, in quotes."""
    parts = psycopg.conninfo.conninfo_to_dict(dsn)
    return " ".join(
        f"{name}='{str(value).replace(chr(39), chr(39) * 2)}'"
        for name, value in parts.items()
        if name in ("host", "port", "dbname", "user", "password")
    )


@pytest_asyncio.fixture(scope="module")
async def pooled(
    server: EmbeddedServer, platform: Moot, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[str]:
    """The DSN of a PgBouncer with exactly one connection to the server."""
    assert BINARY is not None
    # Beside the server's own files: it runs as another user than root and must be able to enter.
    folder = Path(str(psycopg.conninfo.conninfo_to_dict(server.dsn("app"))["host"])) / f"bouncer-{uuid4().hex[:8]}"
    folder.mkdir(mode=0o700)
    account = choose_account(folder.parent)
    account.give(folder)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    file = folder / "ini"
    target = quoted(server.dsn("app", DATABASE))
    configuration = CONFIGURATION.format(
        database=DATABASE,
        target=target,
        untrusted_database=UNTRUSTED,
        untrusted=quoted(server.dsn("sql", DATABASE)),
        port=port,
        folder=folder,
    )
    file.write_text(configuration)
    file.chmod(0o600)
    account.give(file)
    process = subprocess.Popen(
        [BINARY, "-q", str(file)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        **account.process_arguments(),
    )
    dsn = f"host=127.0.0.1 port={port} dbname={DATABASE} user=moothill_app sslmode=disable"
    try:
        async with asyncio.timeout(10):
            while True:
                try:
                    await (await psycopg.AsyncConnection.connect(dsn)).close()
                    break
                except psycopg.OperationalError:
                    assert process.poll() is None, (folder / "log").read_text()
                    await asyncio.sleep(0.02)
        yield dsn
    finally:
        process.terminate()
        process.wait(10)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.soak
async def test_two_tenants_on_one_backend_never_see_each_other(pooled: str, settings: Settings, platform: Moot) -> None:
    """A39, C24, A10: a thousand operations of two tenants, interleaved on one connection; ten thousand in the soak."""
    through = await open_database(pooled, settings.model_copy(update={"pool_max": AT_ONCE}), "default")
    try:
        slugs = [f"t-{uuid4().hex}" for _ in range(2)]
        for slug in slugs:
            await platform.tenants.create(slug=slug, name=slug)
        tenants = [(slug, through.tenant(slug)) for slug in slugs]
        issued = [await moot.keys.create(name=slug, scopes=["agents:read"]) for slug, moot in tenants]
        left = iter(range(OPERATIONS))

        async def work(seat: int) -> None:
            for number in left:
                slug, moot = tenants[(seat + number) % 2]
                if number % 25 == 0:
                    await moot.keys.create(name=slug, scopes=["agents:read"])
                elif number % 2:
                    assert (await moot.keys.current()).tenant_slug == slug
                else:
                    page = await moot.keys.list(limit=1000)
                    assert {key.name for key in page.items} == {slug}

        async with asyncio.TaskGroup() as group:
            for seat in range(AT_ONCE):
                group.create_task(work(seat))
        names = [{key.name for key in (await moot.keys.list(limit=1000)).items} for _, moot in tenants]
        assert names == [{slug} for slug in slugs]
        assert len(issued) == 2
    finally:
        await through.close()


async def test_every_operation_really_went_through_one_backend(pooled: str, settings: Settings) -> None:
    database = Database(pooled, settings)
    await database.open()
    try:
        pids: set[int] = set()

        async def ask() -> None:
            async with database.connection(uuid4()) as connection:
                (row,) = await run_plain(
                    connection, "select pg_backend_pid() as pid, current_setting('app.current_tenant', true) as tenant"
                )
                pids.add(row["pid"])
                assert not row["tenant"], "nobody's tenant stays on the connection"

        await asyncio.gather(*(ask() for _ in range(40)))
        assert len(pids) == 1
    finally:
        await database.close()


async def test_a_pooler_is_noticed_and_nothing_is_prepared_behind_it(pooled: str, settings: Settings) -> None:
    database = Database(pooled, settings)
    await database.open()
    try:
        assert database.is_pooled_outside
        assert can_hear(database) is None, "without a direct DSN, listeners poll"
        async with database.connection() as connection:
            assert connection.wire is not None
            assert not connection.wire.prepares
            (row,) = await run_plain(connection, "select count(*) as n from pg_prepared_statements")
            assert row["n"] == 0
    finally:
        await database.close()


async def test_a_transaction_keeps_the_backend_for_itself(pooled: str, settings: Settings) -> None:
    through = await open_database(pooled, settings, "default")
    try:
        slug = f"t-{uuid4().hex}"
        await through.tenants.create(slug=slug, name=slug)
        moot = through.tenant(slug)
        begun = asyncio.Event()

        async def wait() -> Tenant:
            await begun.wait()
            return await through.tenants.get(tenant=slug)

        # Made before the transaction: what is made inside of one belongs to it.
        waiting = asyncio.create_task(wait())
        async with moot.transaction():
            for number in range(3):
                await moot.keys.create(name=f"k{number}", scopes=["agents:read"])
                begun.set()
            assert len((await moot.keys.list()).items) == 3
            assert not waiting.done()
        assert (await waiting).slug == slug
    finally:
        await through.close()


async def test_untrusted_sql_of_two_tenants_shares_one_backend(pooled: str, settings: Settings, platform: Moot) -> None:
    """A39, C24: a token is of one transaction, so whoever gets the backend next has nothing of it."""
    behind = psycopg.conninfo.make_conninfo(pooled, dbname=UNTRUSTED, user="moothill_sql")
    through = await open_database(pooled, settings, "default", sql_dsn=behind)
    try:
        slugs = [f"t-{uuid4().hex}" for _ in range(2)]
        for slug in slugs:
            await platform.tenants.create(slug=slug, name=slug)
            await platform.tenant(slug).agents.register(agent_id="ada", name=slug)
        moots = [through.tenant(slug) for slug in slugs]

        async def ask(number: int) -> None:
            which = number % 2
            answer = await moots[which].sql.query(
                text="select name, :n from agents where agent_id = :a", parameters={"n": number, "a": "ada"}
            )
            assert answer.rows == [[slugs[which], number]]

        await asyncio.gather(*(ask(number) for number in range(100)))
    finally:
        await through.close()
