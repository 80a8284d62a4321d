"""The limits of untrusted SQL: time, cost, size, connections; and what a process that is not set up says."""

import asyncio
from datetime import timedelta

import psycopg
import pytest
from pydantic import SecretStr

from moothill.database.embedded import EmbeddedServer
from moothill.database.untrusted import (
    SqlBusy,
    SqlNotConfigured,
    SqlTooCostly,
    SqlTooLarge,
    SqlTooSlow,
    WrongSqlRole,
)
from moothill.kernel.errors import Unavailable
from moothill.moot import Moot
from tests.conftest import DATABASE
from tests.integration.untrusted.conftest import WithSettings

TEN = "(values (0), (1), (2), (3), (4), (5), (6), (7), (8), (9))"
# A thousand million rows, by no series and no relation.
CROWD = "select count(*) from " + ", ".join(f"{TEN} as t{n}" for n in range(9))


async def test_what_costs_too_much_is_not_begun(society: Moot) -> None:
    with pytest.raises(SqlTooCostly, match="every join needs a condition") as caught:
        await society.sql.query(text=CROWD)
    assert caught.value.context["cost"] > caught.value.context["limit"]


async def test_the_price_is_that_of_any_value(society: Moot) -> None:
    """A value under which there is nothing to do buys no cheap price for the next."""
    for value in (False, True):
        with pytest.raises(SqlTooCostly):
            await society.sql.query(text=f"{CROWD} where :go", parameters={"go": value})


async def test_what_takes_too_long_is_ended(with_settings: WithSettings) -> None:
    moot = await with_settings(sql_timeout=timedelta(milliseconds=100), sql_cost=1e12)
    with pytest.raises(SqlTooSlow, match=r"0\.1 s"):
        await moot.sql.query(text=CROWD)
    assert (await moot.sql.query(text="select 1")).rows == [[1]]


async def test_a_deadline_of_the_caller_counts_too(with_settings: WithSettings) -> None:
    moot = await with_settings(sql_cost=1e12)
    with pytest.raises((SqlTooSlow, Unavailable)):
        await moot.sql.query.options(deadline=timedelta(milliseconds=100))(text=CROWD)
    assert (await moot.sql.query(text="select 1")).rows == [[1]]


async def test_who_gives_up_leaves_no_connection_behind(with_settings: WithSettings) -> None:
    """Ten callers that are cancelled in the middle, on two connections, and then one that is not."""
    moot = await with_settings(sql_cost=1e12, sql_pool_max=2, sql_timeout=timedelta(seconds=1))
    for _ in range(5):
        running = [asyncio.create_task(moot.sql.query(text=CROWD)) for _ in range(2)]
        await asyncio.wait(running, timeout=0.05)
        for task in running:
            task.cancel()
        ended = await asyncio.gather(*running, return_exceptions=True)
        # Before Python 3.12 a cancellation that comes together with an answer is lost; then the time limit ends it.
        assert all(isinstance(each, asyncio.CancelledError | SqlTooSlow) for each in ended), ended
    assert (await moot.sql.query(text="select 1")).rows == [[1]]


@pytest.mark.parametrize(
    "text",
    [
        # One value of a megabyte, made of a kilobyte.
        "select string_agg(x, '') from (select '" + "x" * 1000 + f"' as x from {TEN} a, {TEN} b, {TEN} c) t",
        # Many rows that are large together.
        "select '" + "x" * 1000 + f"' from {TEN} a, {TEN} b, {TEN} c",
        "select array_agg(a.column1) from " + ", ".join(f"{TEN} as {name}" for name in "abcdef"),
    ],
)
async def test_an_answer_that_is_too_large_is_not_given(with_settings: WithSettings, text: str) -> None:
    moot = await with_settings(sql_bytes=100_000)
    with pytest.raises(SqlTooLarge, match="100,000 bytes"):
        await moot.sql.query(text=text, limit=10_000)
    assert (
        len(
            (
                await moot.sql.query(text=text, limit=1) if "agg" not in text else await moot.sql.query(text="select 1")
            ).rows
        )
        == 1
    )


async def test_a_value_that_grows_without_end_meets_the_server_s_own_limit(with_settings: WithSettings) -> None:
    """What the count of pieces lets through ends at a gigabyte, or with the time."""
    moot = await with_settings(sql_cost=1e12, sql_timeout=timedelta(seconds=2))
    crowd = ", ".join(f"{TEN} as {name}" for name in "abcdefg")
    with pytest.raises((SqlTooLarge, SqlTooSlow)):
        await moot.sql.query(text=f"select length(string_agg('{'x' * 1000}', '')) from {crowd}")
    assert (await moot.sql.query(text="select 1")).rows == [[1]]


async def test_a_tenant_holds_no_more_than_its_share(with_settings: WithSettings, other: Moot) -> None:
    moot = await with_settings(
        sql_cost=1e12, sql_pool_max=2, tenant_share=0.5, connect_timeout=timedelta(milliseconds=300)
    )
    slow = asyncio.create_task(moot.sql.query(text=CROWD))
    try:
        with pytest.raises(SqlBusy):
            while True:
                await moot.sql.query(text="select 1")
        slug = (await other.keys.current()).tenant_slug
        assert (await moot.tenant(slug).sql.query(text="select 1")).rows == [[1]]
    finally:
        slow.cancel()
        await asyncio.gather(slow, return_exceptions=True)


async def test_many_different_statements_leave_little_on_a_connection(with_settings: WithSettings) -> None:
    moot = await with_settings(sql_pool_max=1)
    for number in range(150):
        assert (await moot.sql.query(text=f"select {number}")).rows == [[number]]
    assert (await moot.sql.query(text="select 7")).rows == [[7]]


async def test_without_a_dsn_the_answer_is_how_to_set_it(with_settings: WithSettings) -> None:
    moot = await with_settings(sql_dsn=None)
    with pytest.raises(SqlNotConfigured, match="MOOTHILL_SQL_DSN"):
        await moot.sql.query(text="select 1")
    # What may be asked can be seen all the same.
    assert await moot.sql.schema()


@pytest.mark.parametrize("role", ["app", "admin"])
async def test_no_other_role_runs_what_agents_wrote(
    with_settings: WithSettings, server: EmbeddedServer, role: str
) -> None:
    """A21: a DSN that was copied from the wrong line would hand over everything."""
    moot = await with_settings(sql_dsn=SecretStr(server.dsn(role, DATABASE)))  # type: ignore[arg-type]
    with pytest.raises(WrongSqlRole, match="moothill_sql"):
        await moot.sql.query(text="select 1")


async def test_a_key_that_the_database_forgot_is_replaced(society: Moot, server: EmbeddedServer) -> None:
    """After a restore, say. The statement is asked once more, with a new key."""
    assert (await society.sql.query(text="select count(*) from agents")).rows == [[3]]
    async with await psycopg.AsyncConnection.connect(server.dsn("admin", DATABASE), autocommit=True) as admin:
        await admin.execute("delete from moothill.context_keys")
    assert (await society.sql.query(text="select count(*) from agents")).rows == [[3]]


async def test_connections_that_were_cut_are_replaced(with_settings: WithSettings, server: EmbeddedServer) -> None:
    moot = await with_settings(sql_pool_max=3)
    await asyncio.gather(*(moot.sql.query(text="select 1") for _ in range(3)))
    async with await psycopg.AsyncConnection.connect(server.dsn("admin"), autocommit=True) as admin:
        await admin.execute("select pg_terminate_backend(pid) from pg_stat_activity where usename = 'moothill_sql'")
    for _ in range(3):
        assert (await moot.sql.query(text="select count(*) from agents")).rows == [[3]]
