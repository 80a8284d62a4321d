"""Upkeep: partitions ahead, old keys forgotten, what holds the feed back."""

from datetime import timedelta
from uuid import UUID

import psycopg
import pytest

from moothill.kernel.identifiers import NOBODY, uuid7
from moothill.worker.acting import acting, system
from moothill.worker.upkeep.service import sql
from tests.integration.worker.test_leases import runtime_of
from tests.integration.worker.test_schedules import has, state
from tests.integration.worker.world import World, eventually


async def months(world: World) -> list[str]:
    rows = await world.ask(
        "select inhrelid::regclass::text from pg_inherits where inhparent = 'moothill.events'::regclass order by 1"
    )
    return [row[0] for row in rows]


async def test_missing_months_are_made_and_a_second_run_makes_nothing(world: World) -> None:
    """B2, B3: the current month and the next always exist, whoever asks how often."""
    whole = await months(world)
    assert len(whole) == 3
    for month in whole[:2]:
        await world.ask(f"drop table {month}")
    async with acting(runtime_of(world), system(), "test"):
        made = await sql.months_ahead()
    assert sorted(made) == sorted(name.removeprefix("moothill.") for name in whole[:2])
    assert await months(world) == whole
    async with acting(runtime_of(world), system(), "test"):
        assert await sql.months_ahead() == []
    rows = await world.ask(
        "select count(*) from pg_class where relname like 'events_2%%' and relkind = 'r' "
        "and relrowsecurity and relforcerowsecurity"
    )
    assert rows == [(2,)], "new partitions are guarded like the others"


async def test_nobody_but_the_worker_s_role_makes_months(world: World) -> None:
    async with await psycopg.AsyncConnection.connect(world.dsn, autocommit=True) as app:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            await app.execute("select mt.months_ahead()")


async def test_old_idempotency_keys_go_and_young_ones_stay(world: World) -> None:
    acme = await world.tenant("acme")
    for moot in (world.moot, acme):
        for key in ("old", "young"):
            await moot.keys.create.options(idempotency_key=key)(name=key, scopes=["agents:read"])
    await world.ask("update moothill.idempotency_keys set claimed_at = now() - interval '25 hours' where key = 'old'")
    async with world.worker():
        await eventually(lambda: has(world, "completed", 1, "retention.remove"))
    assert await world.ask("select key, count(*) from moothill.idempotency_keys group by key") == [("young", 2)]


async def test_old_keys_go_in_portions(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("moothill.tenancy.retention.removing._ROWS", 2)
    for number in range(5):
        await world.moot.keys.create.options(idempotency_key=f"k{number}")(name="k", scopes=["agents:read"])
    await world.ask("update moothill.idempotency_keys set claimed_at = now() - interval '25 hours'")
    async with world.worker():
        await eventually(lambda: has(world, "completed", 1, "retention.remove"))
    assert await world.ask("select * from moothill.idempotency_keys") == []


async def test_a_long_transaction_is_named(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("moothill.worker.upkeep.rules.LONG_TRANSACTION", timedelta(0))
    tenant = (await world.moot.keys.current()).tenant
    async with await psycopg.AsyncConnection.connect(world.dsn, application_name="sleeper") as late:
        await late.execute("select mt.set_context(%s, %s, 'operator', 10000)", [tenant, tenant])
        await late.execute("select pg_current_xact_id()")
        async with world.worker():
            await eventually(lambda: has(world, "completed", 1, "upkeep.watch_horizon"))
    found = await state(world, "upkeep.watch_horizon")
    assert found is not None
    assert "sleeper" in found.message
    assert "holds the feed back" in found.message


async def test_a_row_in_the_net_under_the_months_is_reported(world: World) -> None:
    tenant = (await world.moot.keys.current()).tenant
    long_ago = UUID(int=uuid7().int & ((1 << 80) - 1))
    await world.ask(
        "insert into moothill.events (tenant_id, id, kind, actor, actor_kind, operation) "
        "values (%s, %s, 'keys.issued', %s, 'operator', 'test')",
        tenant,
        long_ago,
        tenant,
    )
    async with world.worker():
        await eventually(lambda: has(world, "completed", 1, "upkeep.watch_default_partitions"))
    found = await state(world, "upkeep.watch_default_partitions")
    assert found is not None
    assert "events" in found.message
    # Above all tenants nobody could read an entry of a log, and nothing would ever remove it.
    assert await world.ask("select kind from moothill.events where tenant_id = %s", NOBODY) == []
