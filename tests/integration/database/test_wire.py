"""The short way to the server: several statements in one trip, and what breaks in the middle of one."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from pgvector import HalfVector
from psycopg.pq import TransactionStatus

from moothill.database.embedded import EmbeddedServer
from moothill.database.pool import run_plain
from moothill.database.sqlstate import ConnectionLost, SchemaChanged, StatementTimeout
from moothill.database.wire import Wire, WireConnection, compile_statement
from moothill.kernel.errors import Invalid, MoothillError
from tests.integration.database.conftest import ASLEEP, OpenPool, administrator, call_in, scalar, until

MakeDatabase = Callable[[], Any]


def statement(sql: str, **values: Any) -> tuple[Any, dict[str, Any]]:
    return compile_statement(sql), values


def wire_of(connection: WireConnection) -> Wire:
    assert connection.wire is not None
    return connection.wire


async def prepared(connection: WireConnection) -> list[str]:
    rows = await run_plain(connection, "select statement from pg_prepared_statements order by prepare_time, name")
    return [row["statement"] for row in rows]


@pytest_asyncio.fixture
async def connection(open_pool: OpenPool) -> AsyncIterator[WireConnection]:
    """A connection as operations have it."""
    async with (await open_pool()).connection() as one:
        yield one


def test_placeholders_become_numbers_and_a_name_twice_is_one() -> None:
    compiled = compile_statement("select %(a)s, %(b)s, %(a)s, 5 %% 2, 'a%%'")
    assert compiled.text == b"select $1, $2, $1, 5 % 2, 'a%'"
    assert compiled.names == ("a", "b")
    assert compile_statement("select 1").names == ()


async def test_one_trip_gives_the_rows_and_counts_of_each_statement(connection: WireConnection) -> None:
    answers = await wire_of(connection).trip(
        [
            statement("select %(a)s::int as a, 'x' as b", a=1),
            statement("select n from generate_series(1, %(last)s) n", last=3),
            statement("set local application_name = 'x'"),
            statement(""),
        ]
    )
    assert answers == [([{"a": 1, "b": "x"}], 1), ([{"n": 1}, {"n": 2}, {"n": 3}], 3), ([], 0), ([], 0)]


async def test_a_trip_may_be_larger_than_the_buffers_between(connection: WireConnection) -> None:
    """Both sides write at once: neither waits for the other to read."""
    text = "x" * 100_000
    trip = [statement("select %(text)s::text as text", text=text)] * 100
    answers = await wire_of(connection).trip(trip)
    assert {answer[0][0]["text"] for answer in answers} == {text}


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("é'; drop table x; --", "text"),
        (5, "bigint"),
        (2**62, "bigint"),
        (True, "boolean"),
        (None, "text"),
        (UUID(int=3), "uuid"),
        (Decimal("0.1"), "numeric"),
        (1.5, "float8"),
        (b"\x00\xff", "bytea"),
        (datetime(2026, 1, 1, tzinfo=UTC), "timestamptz"),
        (timedelta(seconds=90), "interval"),
        (["a", None, 'b"{},'], "text[]"),
        ([], "text[]"),
        ([UUID(int=1)], "uuid[]"),
        ({"a": [1, {"b": None}]}, "jsonb"),
    ],
)
async def test_a_value_comes_back_as_it_went(connection: WireConnection, value: Any, kind: str) -> None:
    ((rows, _),) = await wire_of(connection).trip([statement(f"select %(v)s::{kind} as v", v=value)])
    assert rows == [{"v": value}]


async def test_a_document_may_hold_ids_and_moments(connection: WireConnection) -> None:
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    document = {"id": UUID(int=3), "at": moment, "share": Decimal("0.5")}
    kept = {"id": str(UUID(int=3)), "at": "2026-01-01T00:00:00+00:00", "share": "0.5"}
    ((rows, _),) = await wire_of(connection).trip(
        [statement("select %(one)s::jsonb as one, %(all)s::jsonb[] as all", one=document, all=[document, {}])]
    )
    assert rows == [{"one": kept, "all": [kept, {}]}]


async def test_a_vector_travels_in_binary(connection: WireConnection) -> None:
    vector = HalfVector([1, 2.5, -3])
    ((rows, _),) = await wire_of(connection).trip(
        [statement("select (%(v)s::halfvec)::text as v, vector_dims(%(v)s::halfvec) as n", v=vector)]
    )
    assert rows == [{"v": "[1,2.5,-3]", "n": 3}]


@examples(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    text=st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"])),
    number=st.integers(-(2**63), 2**63 - 1),
    value=st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-(2**53), 2**53)
        | st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"])),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from("abc"), inner),
        max_leaves=8,
    ).map(lambda value: {"value": value}),
)
async def test_any_text_number_and_document_comes_back(
    connection: WireConnection, text: str, number: int, value: Any
) -> None:
    ((rows, _),) = await wire_of(connection).trip(
        [statement("select %(t)s::text as t, %(n)s::bigint as n, %(j)s::jsonb as j", t=text, n=number, j=value)]
    )
    assert rows == [{"t": text, "n": number, "j": value}]


@pytest.mark.parametrize("text", ["a\x00b", "\ud800"])
async def test_text_that_cannot_be_sent_whole_is_not_sent(connection: WireConnection, text: str) -> None:
    with pytest.raises(Invalid):
        await run_plain(connection, "select %(v)s::text as v", {"v": text})
    with pytest.raises((Invalid, UnicodeEncodeError)):
        await run_plain(connection, "select %(v)s::text[] as v", {"v": [text]})


async def test_a_missing_value_is_named_and_nothing_is_sent(connection: WireConnection) -> None:
    with pytest.raises(psycopg.ProgrammingError, match="no value for parameter a"):
        await wire_of(connection).trip([statement("select 1"), statement("select %(a)s::int")])
    assert connection.pgconn.transaction_status == TransactionStatus.IDLE


async def test_a_statement_is_prepared_once(connection: WireConnection) -> None:
    for _ in range(3):
        await wire_of(connection).trip([statement("select 41 + 1"), statement("select 41 + 1")])
    assert (await prepared(connection)).count("select 41 + 1") == 1


async def test_without_preparation_nothing_stays_on_the_server(connection: WireConnection) -> None:
    bare = Wire(connection, prepares=False)
    assert await bare.trip([statement("select %(a)s::int as a", a=5)]) == [([{"a": 5}], 1)]
    assert not [text for text in await prepared(connection) if "$1" in text]


async def test_an_error_in_the_middle_of_a_trip_leaves_the_connection_usable(connection: WireConnection) -> None:
    wire = wire_of(connection)
    pid = connection.info.backend_pid
    for bad in ("select 1/0", "select nonsense", "not a statement"):
        with pytest.raises(psycopg.Error):
            await wire.trip([statement("select 1"), statement(bad), statement("select 2")])
        assert connection.pgconn.transaction_status == TransactionStatus.IDLE
        assert await wire.trip([statement("select 3 as n")]) == [([{"n": 3}], 1)]
    assert connection.info.backend_pid == pid
    # What was prepared before the error counts; what came behind it was never run.
    assert (await prepared(connection)).count("select 1") == 1
    assert "select 2" not in await prepared(connection)


async def test_an_error_in_a_transaction_is_rolled_back_and_the_connection_goes_on(connection: WireConnection) -> None:
    wire = wire_of(connection)
    await wire.trip([statement("begin"), statement("select 1")])
    with pytest.raises(psycopg.errors.DivisionByZero):
        await wire.trip([statement("select 1/0"), statement("commit")])
    assert connection.pgconn.transaction_status == TransactionStatus.INERROR
    await wire.trip([statement("rollback")])
    assert connection.pgconn.transaction_status == TransactionStatus.IDLE


async def test_a_cancelled_trip_ends_at_the_server_and_leaves_the_connection_usable(
    server: EmbeddedServer, connection: WireConnection
) -> None:
    pid = connection.info.backend_pid
    wire = wire_of(connection)
    async with administrator(server) as admin:
        for _ in range(3):
            trip = [statement("begin"), statement("select pg_sleep(60)"), statement("commit")]
            task = asyncio.create_task(wire.trip(trip))
            await until(admin, ASLEEP, pid)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert not await scalar(admin, ASLEEP, pid)
            await wire.trip([statement("rollback")])
            assert await wire.trip([statement("select 3 as n")]) == [([{"n": 3}], 1)]
    assert connection.info.backend_pid == pid


async def test_a_lost_server_is_told_and_the_pool_makes_another_connection(
    server: EmbeddedServer, open_pool: OpenPool
) -> None:
    database = await open_pool(pool_min=1, pool_max=1)
    async with administrator(server) as admin:
        with pytest.raises(ConnectionLost):
            async with database.connection() as one:
                task = asyncio.create_task(run_plain(one, "select pg_sleep(60)"))
                await until(admin, ASLEEP, one.info.backend_pid)
                await scalar(admin, "select pg_terminate_backend(%s)", one.info.backend_pid)
                await task
    async with database.connection() as another:
        assert await run_plain(another, "select 1 as n") == [{"n": 1}]


async def test_the_statement_timeout_is_told(open_pool: OpenPool) -> None:
    database = await open_pool(statement_timeout=timedelta(milliseconds=30))
    with pytest.raises(StatementTimeout):
        async with database.begin(call_in(uuid4()), single=False) as unit:
            await unit.fetch("select pg_sleep(60)", {})


# --- a migration changes what prepared statements return


@pytest_asyncio.fixture
async def changing(server: EmbeddedServer, fresh_database: MakeDatabase) -> str:
    """A database with a table that the tests alter."""
    name: str = await fresh_database()
    async with administrator(server, name) as admin:
        await admin.execute("create table public.changing (n int)")
        await admin.execute("insert into public.changing values (5)")
        await admin.execute("grant select on public.changing to moothill_app")
    return name


READ = "select * from public.changing"


async def alter(server: EmbeddedServer, name: str) -> None:
    async with administrator(server, name) as admin:
        await admin.execute(f"alter table public.changing add column c{uuid4().hex[:8]} int".encode())


async def test_a_plain_statement_is_prepared_anew_after_a_migration(
    server: EmbeddedServer, open_pool: OpenPool, changing: str
) -> None:
    database = await open_pool(changing)
    async with database.connection() as one:
        for columns in (1, 2, 3):
            (row,) = await run_plain(one, READ)
            assert len(row) == columns
            await alter(server, changing)


async def test_one_stale_plan_refreshes_every_connection_of_the_pool(
    server: EmbeddedServer, open_pool: OpenPool, changing: str
) -> None:
    database = await open_pool(changing, pool_min=5, pool_max=5, tenant_share=1.0)
    tenant = uuid4()

    async def read() -> int:
        async with database.begin(call_in(tenant), single=False) as unit:
            return len((await unit.fetch(READ, {}))[0])

    async def all_at_once() -> list[Any]:
        barrier = asyncio.Barrier(5)

        async def one() -> int:
            async with database.begin(call_in(tenant), single=False) as unit:
                await barrier.wait()
                return len((await unit.fetch(READ, {}))[0])

        return await asyncio.gather(*(one() for _ in range(5)))

    assert await all_at_once() == [1] * 5
    await alter(server, changing)
    with pytest.raises(SchemaChanged) as told:
        await read()
    assert told.value.retry is True
    assert await all_at_once() == [2] * 5


async def test_a_discarded_statement_is_prepared_anew(connection: WireConnection) -> None:
    """A pooler between us and the server, or a DISCARD, took what was prepared."""
    assert await run_plain(connection, "select 7 as n") == [{"n": 7}]
    await Wire(connection, prepares=False).trip([statement("deallocate all")])
    assert await run_plain(connection, "select 7 as n") == [{"n": 7}]


async def test_other_refusals_of_a_plain_statement_are_translated(connection: WireConnection) -> None:
    with pytest.raises(MoothillError) as told:
        await run_plain(connection, "select * from nothing_of_that_name")
    assert told.value.kind == "internal"
    assert "nothing_of_that_name" not in told.value.message
