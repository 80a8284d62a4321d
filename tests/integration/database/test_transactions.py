"""Transactions: who is in one, what it leaves behind, and what cannot join it."""

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from typing import Annotated, Any
from uuid import UUID, uuid4

import pytest
from psycopg.pq import TransactionStatus
from pydantic import BaseModel, Field

from moothill.database.embedded import EmbeddedServer
from moothill.database.pool import Database
from moothill.database.sqlstate import (
    ConnectionLost,
    RuleBroken,
    SqlFailure,
    StatementTimeout,
    TransactionFailed,
    translate,
)
from moothill.database.transaction import TransactionOver
from moothill.kernel import REGISTRY, SERVICES, Service, context, operation
from moothill.kernel.errors import Conflict, Internal, Invalid, MoothillError, OutcomeUnknown
from moothill.kernel.local import ForeignTransaction, LocalExecutor
from moothill.moot import Moot
from moothill.tenancy.tenants.models import TenantCreated
from tests.integration.database.conftest import OpenPool, administrator, call_in, scalar, until

Key = Annotated[str, Field(description="A key.")]
PUT = (
    "insert into idempotency_keys (tenant_id, actor, operation, key, digest) "
    "values (%(tenant)s, %(tenant)s, 'rows', %(key)s, 'x')"
)
COUNT = "select count(*) as n from idempotency_keys where tenant_id = %(tenant)s and operation = 'rows'"


class Rows(BaseModel):
    """A number of rows."""

    n: int


async def run(sql: str, **values: Any) -> list[Any]:
    """A statement in the transaction of the call that is running."""
    call = context()
    assert call.transaction is not None
    try:
        return [dict(row) for row in await call.transaction.fetch(sql, {"tenant": call.tenant, **values})]
    except SqlFailure as failure:
        raise translate(failure, "tests") from None


class Ledgers(Service, group="ledgers"):
    """Rows of a tenant."""

    @operation(effect="write", scope="ledgers:write", example={"key": "a"})
    async def put(self, *, key: Key) -> Rows:
        """Write a row."""
        await run(PUT, key=key)
        return Rows(n=(await run(COUNT))[0]["n"])

    @operation(effect="write", scope="ledgers:write", example={"key": "a"})
    async def put_and_look(self, *, key: Key) -> Rows:
        """Write a row through a nested call, and count before and after it."""
        await self.count()
        await self.put(key=key)
        return await self.count()

    @operation(effect="read", scope="ledgers:read", mode="single")
    async def count(self) -> Rows:
        """Count the rows."""
        return Rows(n=(await run(COUNT))[0]["n"])

    @operation(effect="write", scope="ledgers:write", example={"key": "a"})
    async def pass_over(self, *, key: Key, again: Annotated[bool, Field(description="Go on.")] = False) -> Rows:
        """Write a row, then pass over a failure."""
        await run(PUT, key=key)
        try:
            await run("select 1/0")
        except MoothillError:
            if again:
                await run("select 1")
        return Rows(n=1)

    @operation(effect="write", scope="ledgers:write", example={"key": "a"})
    async def put_hostile(self, *, key: Key) -> Rows:
        """Write an event that the log refuses."""
        await run(PUT, key=key)
        context().record(TenantCreated(slug="x", name="\x00"))
        return Rows(n=0)

    @operation(effect="write", scope="ledgers:write", mode="single", example={"key": "a"})
    async def put_single(self, *, key: Key) -> Rows:
        """Write a row in one statement, and an event beside it."""
        await run(PUT, key=key)
        context().record(TenantCreated(slug="x", name="x"))
        return Rows(n=0)

    @operation(effect="write", scope="ledgers:write")
    async def backend(self) -> Rows:
        """Tell which process serves."""
        return Rows(n=(await run("select pg_backend_pid() as n"))[0]["n"])

    @operation(effect="write", scope="ledgers:write")
    async def idle(self) -> Rows:
        """Do nothing."""
        return Rows(n=0)

    @operation(effect="read", scope="ledgers:read", mode="single")
    async def ask_twice(self) -> Rows:
        """Count, and once more with leave."""
        transaction = context().transaction
        assert transaction is not None
        first = (await run(COUNT))[0]["n"]
        transaction.follow_up()
        return Rows(n=first + (await run(COUNT))[0]["n"])


OURS = {name: REGISTRY.pop(name) for name in list(REGISTRY) if name.startswith("ledgers.")}
SERVICES.pop("ledgers")


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setitem(SERVICES, "ledgers", Ledgers)
    for name, found in OURS.items():
        monkeypatch.setitem(REGISTRY, name, found)
    yield


def database_of(moot: Moot) -> Database:
    assert moot.session is not None
    assert moot.session.database is not None
    return moot.session.database


# --- a failure is never passed over in silence


@pytest.mark.parametrize("again", [False, True])
async def test_a_body_that_passes_over_a_failed_statement_keeps_nothing_and_says_so(moot: Moot, again: bool) -> None:
    """The server answers COMMIT of a failed transaction with ROLLBACK, and no error."""
    with pytest.raises(TransactionFailed):
        await Ledgers(moot.executor).pass_over(key="a", again=again)
    assert (await Ledgers(moot.executor).count()).n == 0


async def test_a_block_goes_on_after_a_failed_call_that_left_nothing(moot: Moot) -> None:
    ledgers = Ledgers(moot.executor)
    async with moot.transaction():
        await ledgers.put(key="a")
        for _ in range(2):
            with pytest.raises(Conflict):
                await ledgers.put(key="a")
        await ledgers.put(key="b")
    assert (await ledgers.count()).n == 2


async def test_an_event_that_the_log_refuses_takes_the_rows_with_it(moot: Moot) -> None:
    with pytest.raises(RuleBroken):
        await Ledgers(moot.executor).put_hostile(key="a")
    assert (await Ledgers(moot.executor).count()).n == 0


async def test_a_single_write_cannot_leave_an_event_behind(moot: Moot) -> None:
    with pytest.raises(Internal, match=r"must write tenants\.created itself"):
        await Ledgers(moot.executor).put_single(key="a")


async def test_a_read_may_ask_once_more_with_leave(moot: Moot) -> None:
    await Ledgers(moot.executor).put(key="a")
    assert (await Ledgers(moot.executor).ask_twice()).n == 2


async def test_a_call_that_runs_no_statement_opens_no_transaction(moot: Moot) -> None:
    database = database_of(moot)
    written: list[UUID] = []
    before, database.written = database.written, written.append
    try:
        assert (await Ledgers(moot.executor).idle()).n == 0
        assert written == []
        await Ledgers(moot.executor).count()
        assert written == []
        await Ledgers(moot.executor).put(key="a")
        assert len(written) == 1
    finally:
        database.written = before


# --- who is in a transaction


async def test_a_task_that_outlives_its_transaction_works_in_one_of_its_own(moot: Moot, other: Moot) -> None:
    """A39: never on a connection that serves another tenant by now."""
    ledgers, ended = Ledgers(moot.executor), asyncio.Event()

    async def late() -> int:
        await ended.wait()
        return (await ledgers.put(key="late")).n

    with pytest.raises(RuntimeError):
        async with moot.transaction():
            await ledgers.put(key="early")
            task = asyncio.create_task(late())
            raise RuntimeError
    async with other.transaction():
        await Ledgers(other.executor).put(key="theirs")
        ended.set()
        assert await task == 1
    assert (await Ledgers(other.executor).count()).n == 1


async def test_nothing_runs_in_a_transaction_that_is_over(open_pool: OpenPool) -> None:
    database = await open_pool()
    call = call_in(uuid4())
    async with database.begin(call, single=False) as unit:
        await unit.fetch("select 1", {})
    with pytest.raises(TransactionOver):
        await unit.fetch("select 1", {})
    async with database.begin(call, single=False) as unit:
        await unit.fetch("select 1", {})
        await unit.finish(call)
        with pytest.raises(TransactionOver):
            await unit.fetch_many("select 1", [{}])
        await unit.finish(call)


async def test_another_tenant_does_not_slip_into_an_open_transaction(moot: Moot, other: Moot) -> None:
    """A39: the call would run in the tenant that opened it."""
    async with moot.transaction():
        await Ledgers(moot.executor).put(key="a")
        with pytest.raises(ForeignTransaction):
            await Ledgers(other.executor).put(key="b")
        with pytest.raises(ForeignTransaction):
            await other.keys.current()
    assert (await Ledgers(moot.executor).count()).n == 1
    assert (await Ledgers(other.executor).count()).n == 0


async def test_another_actor_does_not_borrow_the_rights_of_an_open_transaction(moot: Moot) -> None:
    issued = await moot.keys.create(name="narrow", scopes=["keys:read"])
    narrow = moot.with_key(issued.secret)
    async with moot.transaction():
        await Ledgers(moot.executor).put(key="a")
        with pytest.raises(ForeignTransaction):
            await narrow.keys.current()
    assert (await narrow.keys.current()).actor_name == "narrow"


async def test_the_same_actor_may_come_by_another_way(moot: Moot) -> None:
    slug = (await moot.keys.current()).tenant_slug
    async with moot.transaction():
        await Ledgers(moot.executor).put(key="a")
        assert (await Ledgers(moot.tenant(slug).executor).put(key="b")).n == 2


async def test_calls_at_once_in_one_transaction_take_turns(moot: Moot) -> None:
    ledgers = Ledgers(moot.executor)
    async with moot.transaction():
        await asyncio.gather(*(ledgers.put(key=f"k{number}") for number in range(20)))
    assert (await ledgers.count()).n == 20


async def test_of_calls_at_once_in_one_transaction_only_those_that_fail_are_undone(moot: Moot) -> None:
    ledgers = Ledgers(moot.executor)
    async with moot.transaction():
        await ledgers.put(key="taken")
        keys = ["a", "taken", "b", "c", "taken", "d", "e", "taken", "f"]
        done = await asyncio.gather(*(ledgers.put_and_look(key=key) for key in keys), return_exceptions=True)
        assert [isinstance(each, Conflict) for each in done] == [key == "taken" for key in keys]
    assert (await ledgers.count()).n == 1 + 6


# --- what the server breaks


async def test_a_transaction_whose_server_died_gives_its_connection_up(
    server: EmbeddedServer, open_pool: OpenPool
) -> None:
    database = await open_pool(pool_min=1, pool_max=1)
    call = call_in(uuid4())
    async with administrator(server) as admin:
        with pytest.raises(RuntimeError):
            async with database.begin(call, single=False) as unit:
                (row,) = await unit.fetch("select pg_backend_pid() as pid", {})
                await scalar(admin, "select pg_terminate_backend(%s)", row["pid"])
                await until(admin, "select count(*) = 0 from pg_stat_activity where pid = %s", row["pid"])
                raise RuntimeError
    async with database.connection() as connection:
        assert connection.pgconn.transaction_status == TransactionStatus.IDLE


async def kill(server: EmbeddedServer, pid: int) -> None:
    """End a server process, and wait until it is gone."""
    async with administrator(server) as admin:
        await scalar(admin, "select pg_terminate_backend(%s)", pid)
        await until(admin, "select count(*) = 0 from pg_stat_activity where pid = %s", pid)


async def test_a_server_that_dies_before_the_commit_leaves_the_outcome_unknown(
    server: EmbeddedServer, moot: Moot
) -> None:
    """The COMMIT may have arrived: to say "nothing was changed" would be a guess."""
    ledgers = Ledgers(moot.executor)
    with pytest.raises(OutcomeUnknown):
        async with moot.transaction():
            await ledgers.put(key="a")
            await kill(server, (await ledgers.backend()).n)
    assert (await ledgers.put(key="a")).n == 1


async def test_a_server_that_dies_in_a_nested_call_takes_the_whole_transaction(
    server: EmbeddedServer, moot: Moot
) -> None:
    ledgers = Ledgers(moot.executor)
    with pytest.raises(MoothillError):
        async with moot.transaction():
            await ledgers.put(key="a")
            await kill(server, (await ledgers.backend()).n)
            with pytest.raises(ConnectionLost):
                await ledgers.put(key="b")
    assert (await ledgers.count()).n == 0


async def test_whoever_waits_for_an_idempotency_key_waits_no_longer_than_a_statement_may(open_pool: OpenPool) -> None:
    database = await open_pool(statement_timeout=timedelta(milliseconds=100))
    first, second = call_in(uuid4()), None
    second = call_in(first.tenant)
    async with database.begin(first, single=False) as unit:
        assert await unit.remember("k", "digest") is None
        async with database.begin(second, single=False) as waiting:
            with pytest.raises(StatementTimeout):
                await waiting.remember("k", "digest")
        await unit.store_result("k", {"n": 1})
        await unit.finish(first)
    async with database.begin(second, single=False) as replay:
        found = await replay.remember("k", "other")
        assert found is not None
        assert (found.digest, found.result) == ("digest", {"n": 1})


# --- call options are checked like arguments


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"idempotency_key": ""}, "idempotency_key"),
        ({"idempotency_key": "x" * 201}, "idempotency_key"),
        ({"idempotency_key": "a\x00b"}, "idempotency_key"),
        ({"reason": ""}, "reason"),
        ({"reason": "x" * 1001}, "reason"),
        ({"reason": "\ud800"}, "reason"),
    ],
)
async def test_a_bad_call_option_is_named(moot: Moot, options: dict[str, Any], field: str) -> None:
    with pytest.raises(Invalid) as told:
        await Ledgers(moot.executor).put.options(**options)(key="a")
    assert told.value.field == field


async def test_a_tenant_of_no_text_that_the_server_holds_is_not_found(platform: Moot) -> None:
    """The wire sends text up to its first NUL: what follows must not be cut off in silence."""
    slug = (await platform.keys.current()).tenant_slug
    for reference in (f"{slug}\x00x", "\ud800"):
        with pytest.raises(Invalid):
            await platform.tenant(reference).keys.current()


def test_the_executor_of_a_moot_is_local(platform: Moot) -> None:
    assert isinstance(platform.executor, LocalExecutor)
