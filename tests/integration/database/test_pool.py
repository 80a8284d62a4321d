"""The pool: who may have a connection, what refuses to open, and what it says of itself."""

import asyncio
import logging
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from moothill.database import health, pool
from moothill.database.address import BadDsn, DatabaseUnreachable
from moothill.database.embedded import EmbeddedServer
from moothill.database.guards import GuardMissing
from moothill.database.health import HealthChecks, pool_health
from moothill.database.pool import ClockSkew, Database, PoolExhausted, TenantShareExhausted, run_plain
from moothill.database.sqlstate import LockTimeout
from moothill.kernel.errors import Forbidden, Unavailable
from moothill.kernel.settings import Settings
from tests.conftest import DATABASE
from tests.integration.database.conftest import OpenPool, administrator, call_in, scalar


@contextmanager
def impatient(database: Database) -> Iterator[None]:
    """Whoever waits for a connection in this block does not wait long."""
    patient = database.settings
    database.settings = patient.model_copy(update={"connect_timeout": timedelta(milliseconds=20)})
    yield
    database.settings = patient


def with_password(server: EmbeddedServer, password: str) -> str:
    """The app's DSN with another password."""
    return f"{server.dsn('app', DATABASE)} password='{password}'"


# --- who may have a connection


async def test_a_tenant_holds_no_more_than_its_share(open_pool: OpenPool) -> None:
    database = await open_pool(pool_max=4, tenant_share=0.5)
    greedy, modest = uuid4(), uuid4()
    async with AsyncExitStack() as held:
        for _ in range(2):
            await held.enter_async_context(database.connection(greedy))
        with impatient(database), pytest.raises(TenantShareExhausted) as told:
            await held.enter_async_context(database.connection(greedy))
        assert (told.value.status, told.value.retry_after, told.value.retryable) == (503, 1, True)
        await held.enter_async_context(database.connection(modest))
    async with database.connection(greedy):
        pass


async def test_whoever_waits_for_the_share_gets_it_when_it_is_free(open_pool: OpenPool) -> None:
    database = await open_pool(pool_max=2, tenant_share=0.5)
    tenant, entered, leave = uuid4(), asyncio.Event(), asyncio.Event()

    async def first() -> None:
        async with database.connection(tenant):
            entered.set()
            await leave.wait()

    async def second() -> list[dict[str, Any]]:
        async with database.connection(tenant) as connection:
            return await run_plain(connection, "select 1 as n")

    async with asyncio.TaskGroup() as group:
        group.create_task(first())
        await entered.wait()
        waiting = group.create_task(second())
        await asyncio.sleep(0)
        assert not waiting.done()
        leave.set()
    assert waiting.result() == [{"n": 1}]


async def test_a_full_pool_says_so(open_pool: OpenPool) -> None:
    database = await open_pool(pool_min=1, pool_max=1, tenant_share=1.0)
    async with database.connection(uuid4()):
        with impatient(database), pytest.raises(PoolExhausted) as told:
            async with database.connection(uuid4()):
                pass
    assert (told.value.status, told.value.retry_after) == (503, 1)
    async with database.connection(uuid4()):
        pass


async def test_many_tenants_leave_no_trace_behind(open_pool: OpenPool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "MOST_GATES", 3)
    database = await open_pool(pool_max=2, tenant_share=0.5)
    busy = uuid4()
    async with database.connection(busy):
        for _ in range(10):
            async with database.connection(uuid4()):
                pass
        assert len(database._gates) <= 5
        # The gate of whoever is inside is kept.
        with impatient(database), pytest.raises(TenantShareExhausted):
            async with database.connection(busy):
                pass


async def test_a_closed_pool_says_so(open_pool: OpenPool) -> None:
    database = await open_pool()
    await database.close()
    await database.close()
    assert database.statistics() == {}
    with pytest.raises(Unavailable, match="closed"):
        async with database.connection():
            pass


# --- what refuses to open


async def test_nobody_at_the_address(settings: Settings) -> None:
    database = Database("host=127.0.0.1 port=1 dbname=x user=y password=hunter2", settings)
    with pytest.raises(DatabaseUnreachable, match=r"127\.0\.0\.1.*port 1 .*Check the DSN") as told:
        await database.open()
    assert "hunter2" not in told.value.message


async def test_a_wrong_password_or_role_or_database(server: EmbeddedServer, settings: Settings) -> None:
    """C26: what was given as a password is repeated nowhere."""
    for dsn, cause in (
        (with_password(server, "hunter2"), "password authentication failed"),
        (f"{server.dsn('app', DATABASE)} user=nobody_here", "nobody_here"),
        (server.dsn("app", "nothing_here"), "nothing_here"),
    ):
        with pytest.raises(DatabaseUnreachable, match=cause) as told:
            await Database(dsn, settings).open()
        assert "hunter2" not in told.value.message


async def test_a_dsn_that_is_none(settings: Settings) -> None:
    for dsn in ("host", "colour=red", "postgresql://[::1", "postgresql://u:hunter2 x@h/d"):
        with pytest.raises(BadDsn) as told:
            await Database(dsn, settings).open()
        assert "hunter2" not in told.value.message


async def test_a_clock_that_is_off(server: EmbeddedServer, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ids carry this machine's time: one that is far off would land in another month."""
    monkeypatch.setattr(pool, "_LARGEST_SKEW", -1.0)
    with pytest.raises(ClockSkew) as told:
        await Database(server.dsn("app", DATABASE), settings).open()
    assert told.value.seconds == 0


async def test_a_server_without_room_for_the_smallest_pool(
    server: EmbeddedServer, settings: Settings, fresh_database: Any
) -> None:
    name = await fresh_database()
    async with administrator(server) as admin:
        await admin.execute(f'alter database "{name}" connection limit 2'.encode())
    small = settings.model_copy(update={"pool_min": 5, "connect_timeout": timedelta(milliseconds=300)})
    database = Database(server.dsn("app", name), small)
    with pytest.raises(PoolExhausted):
        await database.open()
    assert database.statistics() == {}


async def test_no_word_is_said_to_a_distant_server_without_tls(settings: Settings) -> None:
    """A37, C26: neither the role nor its password goes over an unencrypted line."""
    heard: list[bytes] = []
    left = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.read(8))
        writer.write(b"N")  # no TLS here
        heard.append(await reader.read(1000))
        writer.close()
        left.set()

    listener = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    async with listener:
        # To us an address like any other; the kernel takes it to this machine.
        dsn = f"host=0.0.0.0 port={port} user=u password=hunter2"
        with pytest.raises(DatabaseUnreachable, match="SSL"):
            await Database(dsn, settings).open()
        await asyncio.wait_for(left.wait(), 5)
    assert heard == [bytes.fromhex("0000000804d2162f"), b""]  # asks for TLS, hears no, leaves


# --- what it writes by itself


async def test_a_refusal_that_cannot_be_recorded_is_logged(
    open_pool: OpenPool, caplog: pytest.LogCaptureFixture
) -> None:
    database = await open_pool()
    await database.close()
    with caplog.at_level(logging.WARNING, "moothill.database"):
        await database.log_denial(call_in(uuid4(), operation="tests.denied"), Forbidden())
    (record,) = [each for each in caplog.records if each.message == "denial_not_recorded"]
    assert record.__dict__["operation"] == "tests.denied"


async def test_the_system_works_in_a_tenant_of_its_choice(open_pool: OpenPool) -> None:
    database = await open_pool()
    tenant = uuid4()
    async with database.system(tenant, "slug") as (unit, call):
        (row,) = await unit.fetch("select mt.tenant() as tenant", {})
        assert (row["tenant"], call.tenant, call.actor.kind) == (tenant, tenant, "system")
        await unit.finish(call)


# --- what it says of itself


@pytest.mark.parametrize(
    ("active", "status"), [(0, "healthy"), (75, "healthy"), (76, "degraded"), (90, "degraded"), (91, "unhealthy")]
)
def test_the_thresholds_of_document_a3(settings: Settings, active: int, status: str) -> None:
    class Busy(Database):
        def statistics(self) -> dict[str, int]:
            return {"pool_size": active + 3, "pool_available": 3, "pool_max": 100, "requests_waiting": 7}

    found = pool_health(Busy("", settings))
    assert (found.total, found.idle, found.active, found.waiting, found.largest) == (active + 3, 3, active, 7, 100)
    assert found.status == status


async def test_the_numbers_are_those_of_the_pool(open_pool: OpenPool) -> None:
    database = await open_pool(pool_min=2, pool_max=4)
    async with database.connection(), database.connection(uuid4()):
        found = pool_health(database)
        assert (found.total, found.active, found.largest, found.status) == (2, 2, 4, "healthy")
    async with asyncio.timeout(5):
        # A worker of the pool takes connections back, and sets no event when it has.
        while pool_health(database).active:  # noqa: ASYNC110
            await asyncio.sleep(0)
    await database.close()
    assert (pool_health(database).total, pool_health(database).status) == (0, "healthy")


async def test_probes_are_told_apart_and_ask_seldom(
    open_pool: OpenPool, server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = await open_pool(application_name="probed")
    checks = HealthChecks(database)
    assert await checks.answers() is None
    assert await checks.servable() is None
    monkeypatch.setattr(health, "AsyncConnection", None)  # nothing more is asked of the server
    for _ in range(5):
        assert await checks.answers() is None
        assert await checks.servable() is None
    async with administrator(server) as admin:
        assert not await scalar(admin, "select count(*) from pg_stat_activity where application_name = 'probed health'")


async def test_a_probe_tells_what_is_wrong(settings: Settings) -> None:
    checks = HealthChecks(Database("host=127.0.0.1 port=1", settings))
    found = await checks.answers()
    assert isinstance(found, DatabaseUnreachable)
    assert "127" not in found.message, "a probe from outside learns no address"
    assert await checks.servable() is not None


async def test_a_busy_pool_says_nothing_about_the_guards(open_pool: OpenPool, monkeypatch: pytest.MonkeyPatch) -> None:
    checks = HealthChecks(await open_pool())
    answers: list[Any] = [GuardMissing("one is missing"), PoolExhausted(), None]

    async def check(_: Database) -> None:
        if (error := answers.pop(0)) is not None:
            raise error

    monkeypatch.setattr(health, "check_guards", check)
    monkeypatch.setattr(health, "_GUARDS_FRESH_SECONDS", 0.0)
    checks = HealthChecks(checks.database)
    for _ in range(2):
        found = await checks.servable()
        assert isinstance(found, GuardMissing), "the last answer stands"
    assert await checks.servable() is None


async def test_no_connection_because_the_server_is_gone_is_no_exhausted_pool(
    open_pool: OpenPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = await open_pool(pool_min=1, pool_max=1, tenant_share=1.0)
    async with database.connection(uuid4()):
        monkeypatch.setattr(database, "_dsn", "host=127.0.0.1 port=1 dbname=nothing")
        with impatient(database), pytest.raises(DatabaseUnreachable):
            async with database.connection(uuid4()):
                pass


async def test_a_lock_is_waited_for_as_long_as_the_setting_says(open_pool: OpenPool) -> None:
    database = await open_pool(lock_timeout=timedelta(milliseconds=20))
    async with database.connection(uuid4()) as one, database.connection(uuid4()) as two:
        await one.execute("select pg_advisory_lock(hashtext('held'))")
        with pytest.raises(LockTimeout):
            await run_plain(two, "select pg_advisory_lock(hashtext('held'))")
        await one.execute("select pg_advisory_unlock_all()")


async def test_one_lost_connection_has_all_others_looked_at(open_pool: OpenPool, server: EmbeddedServer) -> None:
    """After a restart of the server every connection of the pool is dead; callers meet one of them, not each."""
    database = await open_pool(pool_min=4, pool_max=4, tenant_share=1.0)
    async with AsyncExitStack() as held:
        taken = [await held.enter_async_context(database.connection(uuid4())) for _ in range(4)]
        pids = [each.info.backend_pid for each in taken]
    async with administrator(server) as admin:
        for pid in pids:
            await scalar(admin, "select pg_terminate_backend(%s, 5000)", pid)
    with pytest.raises(Unavailable):
        async with database.connection(uuid4()) as connection:
            await run_plain(connection, "select 1 as n")
    assert database._sweeping is not None
    await database._sweeping
    for _ in range(8):
        async with database.connection(uuid4()) as connection:
            assert connection.info.backend_pid not in pids
            assert await run_plain(connection, "select 1 as n") == [{"n": 1}]
