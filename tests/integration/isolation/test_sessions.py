"""Isolation on connections that several tenants share: plans that are kept, settings that are left behind."""

import asyncio
import os
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psycopg
import pytest

from moothill.database.pool import Database, run_plain
from moothill.kernel.settings import Settings
from moothill.moot import Moot
from moothill.session import open_database
from tests.integration.isolation.intruder import Ground
from tests.integration.isolation.societies import Society

# Each round is six calls of each of eight callers.
ROUNDS = 210 if os.environ.get("MOOTHILL_SOAK") else 5
COUNT = "select count(*) from moothill.agents"


@asynccontextmanager
async def narrow(ground: Ground, settings: Settings, connections: int) -> AsyncIterator[tuple[Moot, Moot, Database]]:
    """Both societies over a pool of a few connections, whose plans are never made for one tenant's values."""
    sized = settings.model_copy(update={"pool_min": connections, "pool_max": connections, "tenant_share": 1.0})
    dsn = psycopg.conninfo.make_conninfo(ground.dsn, options="-c plan_cache_mode=force_generic_plan")
    moot = await open_database(dsn, sized, ground.ours.slug)
    assert moot.session is not None
    assert moot.session.database is not None
    try:
        yield moot, moot.tenant(ground.theirs.slug), moot.session.database
    finally:
        await moot.close()


async def seen(moot: Moot, society: Society) -> set[str]:
    """What a society's agents are called, by several paths that have to agree."""
    listed = {agent.agent_id for agent in (await moot.agents.list()).items}
    assert listed == {agent.agent_id for agent in (await moot.agents.active()).items}
    assert (await moot.agents.get(agent="ada")).name.endswith(society.marker)
    capability = await moot.capabilities.get(capability="Reviewing contracts", agent="ada")
    assert capability.agent_name.endswith(society.marker)
    found = await moot.search.find(text="reviewing contracts", limit=100)
    assert found.hits
    assert {hit.agent.agent_id for hit in found.hits if hit.agent} <= listed
    assert all(society.marker in event.model_dump_json() for event in (await moot.events.list(kind="keys.")).items)
    return listed


async def test_kept_plans_serve_each_tenant_its_own_rows_on_one_connection(ground: Ground, settings: Settings) -> None:
    """A39: a plan that was made for one tenant and kept would show its rows to the next."""
    async with narrow(ground, settings, 1) as (ours, theirs, _):
        for _ in range(6):
            assert f"{ground.ours.marker}-alone" in await seen(ours, ground.ours)
            assert f"{ground.theirs.marker}-alone" in await seen(theirs, ground.theirs)


@pytest.mark.soak
async def test_calls_of_two_tenants_may_be_interleaved_at_will(ground: Ground, settings: Settings) -> None:
    """A39, C24: eight callers on two connections, forced generic plans; ten thousand calls in the soak."""
    async with narrow(ground, settings, 2) as (ours, theirs, _):
        pairs = [(ours, ground.ours), (theirs, ground.theirs)] * 4
        random.shuffle(pairs)

        async def call(moot: Moot, society: Society) -> None:
            for _ in range(ROUNDS):
                assert f"{society.marker}-alone" in await seen(moot, society)
                assert (await moot.agents.get(agent=society.agent_key)).id == society.agent

        await asyncio.gather(*(call(*pair) for pair in pairs))


async def test_a_tenant_left_by_a_session_level_set_reaches_no_transaction(ground: Ground, settings: Settings) -> None:
    """A10, C24: SET instead of SET LOCAL, on a connection that the next caller gets."""
    async with narrow(ground, settings, 1) as (ours, _, database):
        for left in (str(ground.theirs.id), "no id at all"):
            async with database.connection() as connection:
                await connection.execute("select set_config('app.current_tenant', %s, false)", [left])
            assert f"{ground.ours.marker}-alone" in await seen(ours, ground.ours)
            async with database.connection() as connection:
                await connection.execute("select set_config('app.current_tenant', %s, false)", [left])
                assert (await run_plain(connection, COUNT))[0]["count"] == 0
                # What it left is gone for those who come after it, too.
                cursor = await connection.execute(COUNT)
                assert await cursor.fetchone() == {"count": 0}


async def test_the_context_ends_with_its_transaction(ground: Ground) -> None:
    """A9, A10: before the first transaction the setting is missing, after it it is empty; both are no tenant."""
    async with await psycopg.AsyncConnection.connect(ground.dsn, autocommit=True) as connection:
        await connection.execute("set plan_cache_mode = force_generic_plan")
        counted = []
        for _ in range(3):
            counted.append((await (await connection.execute(COUNT)).fetchall())[0][0])
            async with connection.transaction():
                await connection.execute(
                    "select mt.set_context(%s, %s, 'operator', 5000)", [ground.ours.id, ground.ours.agent]
                )
                counted.append((await (await connection.execute(COUNT, prepare=True)).fetchall())[0][0])
        truth = await ground.truth(ground.catalog["agents"])
        assert counted == [0, truth[ground.ours.id]] * 3


async def test_a_tenant_that_is_no_id_is_an_error_and_no_rows(ground: Ground) -> None:
    async with await psycopg.AsyncConnection.connect(ground.dsn) as connection:
        for value in ("x", "*", "null", f"{ground.ours.id},{ground.theirs.id}"):
            await connection.execute("select set_config('app.current_tenant', %s, true)", [value])
            with pytest.raises(psycopg.errors.InvalidTextRepresentation):
                await connection.execute(COUNT)
            await connection.rollback()


async def test_copying_shows_the_own_rows_and_brings_in_none(ground: Ground) -> None:
    async with await psycopg.AsyncConnection.connect(ground.dsn) as connection:
        for table in ground.catalog.tables:
            if not table.allows("moothill_app", "select"):
                continue
            await connection.execute(
                "select mt.set_context(%s, %s, 'operator', 5000)", [ground.ours.id, ground.ours.agent]
            )
            async with connection.cursor().copy(f"copy moothill.{table.name} ({table.tenant}) to stdout") as copy:
                rows = [bytes(line).decode().strip() async for line in copy]
            # Of a partitioned table under row security the server copies the parent's own rows, which are none.
            assert set(rows) == ({str(ground.ours.id)} if table.kind == "r" else set()), table.name
            with pytest.raises((psycopg.errors.FeatureNotSupported, psycopg.errors.InsufficientPrivilege)):
                async with connection.cursor().copy(f"copy moothill.{table.name} from stdin"):
                    pass
            await connection.rollback()


async def test_statistics_of_columns_tell_nothing(ground: Ground) -> None:
    """Most common values of a table under row security are everybody's (guard 20)."""
    kept = await (await ground.admin.execute("select count(*) from pg_stats where schemaname = 'moothill'")).fetchone()
    assert kept is not None
    assert kept[0] > 50
    async with await psycopg.AsyncConnection.connect(ground.dsn) as connection:
        await connection.execute("select mt.set_context(%s, %s, 'operator', 5000)", [ground.ours.id, ground.ours.agent])
        cursor = await connection.execute("select tablename from pg_stats where schemaname = 'moothill'")
        assert {row[0] for row in await cursor.fetchall()} <= {table.name for table in ground.catalog.tenantless}
