"""The log of writes as a feed: an order that readers resume, with nothing lost and nothing twice."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from uuid import UUID, uuid4

import psycopg
import pytest

from moothill.database.embedded import EmbeddedServer
from moothill.kernel.context import context
from moothill.kernel.errors import Forbidden, Invalid, NotFound
from moothill.kernel.events import Event
from moothill.kernel.local import Runtime
from moothill.kernel.service import Service
from moothill.moot import Moot
from moothill.worker.events import relay, rules, service
from tests.conftest import DATABASE, MootFactory
from tests.integration.worker import world as worlds
from tests.integration.worker.world import World, eventually


def runtime_of(moot: Moot) -> Runtime:
    assert moot.session is not None
    assert moot.session.runtime is not None
    return moot.session.runtime


@pytest.fixture
def happen(probe: type[Service], moot: Moot) -> Any:
    """Records events in the tenant of the test."""
    return moot.service(probe).happen  # type: ignore[attr-defined]  # the probe is known to these tests only


def numbers(events: list[Event]) -> list[int]:
    return [event.payload["number"] for event in events]


async def shown(moot: Moot, count: int, **wanted: Any) -> list[Event]:
    """The probe's events of the tenant, once so many lie below the horizon."""
    return await worlds.shown(moot, count, kind="probe.", **wanted)


async def test_events_come_in_the_order_of_the_log_and_in_reverse(moot: Moot, happen: Any) -> None:
    for number in range(6):
        await happen(numbers=[number])
    assert numbers(await shown(moot, 6)) == [0, 1, 2, 3, 4, 5]
    assert numbers(await shown(moot, 6, order="newest")) == [5, 4, 3, 2, 1, 0]


@pytest.mark.parametrize("order", ["oldest", "newest"])
async def test_pages_show_each_event_once(moot: Moot, happen: Any, order: Any) -> None:
    for start in range(0, 21, 7):
        await happen(numbers=list(range(start, start + 7)))
    whole = numbers(await shown(moot, 21, order=order))
    seen: list[int] = []
    cursor = None
    while True:
        page = await moot.events.list(kind="probe.", order=order, limit=4, cursor=cursor)
        seen += numbers(page.items)
        cursor = page.next
        if cursor is None:
            break
    assert seen == whole
    assert sorted(seen) == list(range(21))


async def test_filters_narrow_and_the_cursor_of_an_event_serves_them_all(moot: Moot, happen: Any) -> None:
    one, two, three = uuid4(), uuid4(), uuid4()
    await happen(numbers=[1], subject=one)
    await happen(numbers=[2], subjects=[one, two])
    await happen(numbers=[3], subject=two)
    await happen(numbers=[4], subject=three)
    events = await shown(moot, 4)
    assert events[1].subjects == [one, two]
    for subject, expected in ((one, [1, 2]), (two, [2, 3]), (three, [4]), (uuid4(), [])):
        assert numbers((await moot.events.list(subject=subject)).items) == expected
        newest = await moot.events.list(subject=subject, order="newest")
        assert numbers(newest.items) == expected[::-1]
    assert numbers((await moot.events.list(subject=two, cursor=events[1].cursor)).items) == [3]
    assert numbers((await moot.events.list(kind="probe.", cursor=events[1].cursor)).items) == [3, 4]
    assert (await moot.events.list(kind="probe.happened.else")).items == []
    actor = (await moot.keys.current()).actor_id
    assert len((await moot.events.list(actor=actor, kind="probe.")).items) == 4
    assert (await moot.events.list(actor=uuid4())).items == []
    assert len((await moot.events.list(since=events[0].occurred_at, kind="probe.")).items) == 4
    assert (await moot.events.list(since=datetime.now(UTC) + timedelta(hours=1))).items == []
    for long_ago in (datetime.min.replace(tzinfo=UTC), datetime(1969, 12, 31, tzinfo=UTC)):
        assert len((await moot.events.list(since=long_ago, kind="probe.")).items) == 4
    assert (await moot.events.list(since=datetime.max.replace(tzinfo=UTC))).items == []


async def test_one_event_is_found_by_its_id_in_its_own_tenant_only(moot: Moot, other: Moot, happen: Any) -> None:
    await happen(numbers=[7])
    (event,) = await shown(moot, 1)
    assert await moot.events.get(event=event.id) == event
    with pytest.raises(NotFound):
        await other.events.get(event=event.id)
    assert (await other.events.list(kind="probe.")).items == []


async def test_a_cursor_of_another_tenant_or_list_or_a_forged_one_is_refused(
    moot: Moot, other: Moot, happen: Any
) -> None:
    await happen(numbers=[1])
    (event,) = await shown(moot, 1)
    with pytest.raises(Invalid, match="cursor"):
        await other.events.list(cursor=event.cursor)
    with pytest.raises(Invalid, match="cursor"):
        await moot.events.list(cursor=event.cursor[:-1] + "A")
    with pytest.raises(Invalid, match="cursor"):
        await moot.jobs.list(cursor=event.cursor)
    with pytest.raises(Invalid, match="cursor"):
        async with aclosing(follow(moot, after="garbage")) as feed:
            await anext(feed)


async def test_what_commits_late_is_neither_lost_nor_passed_by(server: EmbeddedServer, moot: Moot, happen: Any) -> None:
    """A reader in between does not step over a transaction that began earlier and commits later."""
    tenant = (await moot.keys.current()).tenant
    await happen(numbers=[1])
    before = await shown(moot, 1)
    async with await psycopg.AsyncConnection.connect(server.dsn("app", DATABASE)) as late:
        await write_by_hand(late, tenant, 2)
        await happen(numbers=[3])
        read = (await moot.events.list(kind="probe.", cursor=before[-1].cursor)).items
        assert read == [], "3 is committed, and not shown as long as 2 may still come before it"
        await late.commit()
    after = await shown(moot, 3)
    assert numbers(after) == [1, 2, 3]
    assert numbers((await moot.events.list(kind="probe.", cursor=before[-1].cursor)).items) == [2, 3]


async def write_by_hand(connection: psycopg.AsyncConnection[Any], tenant: UUID, number: int) -> None:
    """An event in a transaction that the test commits when it likes."""
    await connection.execute("select mt.set_context(%s, %s, 'operator', 60000)", [tenant, tenant])
    await connection.execute(
        "insert into events (tenant_id, id, kind, actor, actor_kind, operation, payload) values "
        "(%s, mt.uuid7_floor(clock_timestamp()), 'probe.happened', %s, 'operator', 'test', "
        "jsonb_build_object('number', %s::int))",
        [tenant, tenant, number],
    )


async def test_a_transaction_that_goes_back_leaves_nothing_and_holds_nothing(
    server: EmbeddedServer, moot: Moot, happen: Any
) -> None:
    tenant = (await moot.keys.current()).tenant
    async with await psycopg.AsyncConnection.connect(server.dsn("app", DATABASE)) as late:
        await write_by_hand(late, tenant, 1)
        await happen(numbers=[2])
        await late.rollback()
    assert numbers(await shown(moot, 1)) == [2]


def follow(moot: Moot, **wanted: Any) -> AsyncGenerator[Event, None]:
    return cast(AsyncGenerator[Event, None], moot.events.follow(kind="probe.", **wanted))


async def test_following_shows_what_happens_from_now_on(moot: Moot, happen: Any) -> None:
    await happen(numbers=[0])
    await shown(moot, 1)
    begun = asyncio.Event()
    seen: list[int] = []

    async def read() -> None:
        async with aclosing(follow(moot)) as feed:
            begun.set()
            async for event in feed:
                seen.append(event.payload["number"])
                if event.payload["number"] == 3:
                    return

    reading = asyncio.create_task(read())
    await begun.wait()
    # The reader takes its first look; what is written then is behind its place.
    await eventually(lambda: _waits(moot))
    await happen(numbers=[1, 2])
    await happen(numbers=[3])
    await asyncio.wait_for(reading, 10)
    assert seen == [1, 2, 3]


async def _waits(moot: Moot) -> bool:
    return bool(runtime_of(moot).nudges._bells.get((await moot.keys.current()).tenant))


async def test_a_reader_resumes_where_it_was_with_nothing_lost_or_twice(moot: Moot, happen: Any) -> None:
    await happen(numbers=[1, 2, 3])
    events = await shown(moot, 3)
    await happen(numbers=[4, 5])
    seen = []
    async with aclosing(follow(moot, after=events[1].cursor)) as feed:
        async for event in feed:
            seen.append(event.payload["number"])
            if len(seen) == 3:
                break
    assert seen == [3, 4, 5]


async def test_following_works_without_any_nudge(moot: Moot, happen: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    nudges = runtime_of(moot).nudges
    monkeypatch.setattr(nudges, "longest_wait", 0.05)
    monkeypatch.setattr(nudges, "_ring", lambda tenants: None)
    reading = asyncio.create_task(_first(moot))
    await eventually(lambda: _waits(moot))
    await happen(numbers=[9])
    assert (await asyncio.wait_for(reading, 10)).payload["number"] == 9


async def _first(moot: Moot) -> Event:
    async with aclosing(follow(moot)) as feed:
        return await anext(feed)


async def test_sixteen_writers_and_a_reader_that_misses_nothing(moot: Moot, happen: Any) -> None:
    writers, each = 16, 12
    await happen(numbers=[-1])
    start = (await shown(moot, 1))[-1].cursor
    barrier = asyncio.Barrier(writers + 1)
    seen: list[int] = []

    async def write(writer: int) -> None:
        await barrier.wait()
        for number in range(each):
            await happen(numbers=[writer * each + number])

    async def read() -> None:
        await barrier.wait()
        async with aclosing(follow(moot, after=start)) as feed:
            async for event in feed:
                seen.append(event.payload["number"])
                if len(seen) == writers * each:
                    return

    await asyncio.wait_for(asyncio.gather(read(), *(write(writer) for writer in range(writers))), 60)
    assert sorted(seen) == list(range(writers * each))
    for writer in range(writers):
        own = [number for number in seen if number // each == writer]
        assert own == sorted(own), "what one writer wrote one after the other is shown in that order"
    assert numbers(await shown(moot, writers * each + 1)) == [-1, *seen]


async def test_an_event_of_an_earlier_life_of_the_database_comes_first(
    server: EmbeddedServer, moot: Moot, happen: Any
) -> None:
    """After a restore transaction numbers begin again lower: the incarnation keeps the order."""
    tenant = (await moot.keys.current()).tenant
    await happen(numbers=[2])
    async with await psycopg.AsyncConnection.connect(server.dsn("app", DATABASE)) as connection:
        await connection.execute("select mt.set_context(%s, %s, 'operator', 60000)", [tenant, tenant])
        await connection.execute(
            "insert into events (tenant_id, id, incarnation, txid, kind, actor, actor_kind, operation, payload) values "
            "(%s, mt.uuid7_floor(clock_timestamp()), 0, 9000000000000, 'probe.happened', %s, 'operator', 'test', %s)",
            [tenant, tenant, '{"number": 1}'],
        )
    assert numbers(await shown(moot, 2)) == [1, 2]


async def test_the_kinds_of_event_are_told_with_their_schemas(moot: Moot) -> None:
    kinds = {each.kind: each for each in await moot.events.kinds()}
    assert {"tenants.created", "keys.issued", "jobs.completed", "events.dead_lettered"} <= set(kinds)
    issued = kinds["keys.issued"]
    assert issued.summary == "A key was issued."
    assert set(issued.payload["properties"]) == {"name", "actor_kind", "scopes"}
    assert [each.kind for each in await moot.events.kinds(kind="tenants.")] == [
        "tenants.created",
        "tenants.status_changed",
    ]


async def test_reading_the_log_takes_the_scope(moot: Moot) -> None:
    issued = await moot.keys.create(name="narrow", scopes=["agents:read"])
    keyed = moot.with_key(issued.secret)
    for refused in (keyed.events.list(), keyed.events.kinds(), keyed.events.handlers()):
        with pytest.raises(Forbidden, match="events:read"):
            await refused
    with pytest.raises(Forbidden, match="events:read"):
        async with aclosing(follow(keyed)) as feed:
            await anext(feed)


async def test_tenants_write_at_once_and_read_their_own(moot_factory: MootFactory, probe: type[Service]) -> None:
    moots = [await moot_factory() for _ in range(3)]
    barrier = asyncio.Barrier(3)

    async def write(number: int, moot: Moot) -> None:
        await barrier.wait()
        for _ in range(5):
            await moot.service(probe).happen(numbers=[number])  # type: ignore[attr-defined]

    await asyncio.gather(*(write(number, moot) for number, moot in enumerate(moots)))
    for number, moot in enumerate(moots):
        assert numbers(await shown(moot, 5)) == [number] * 5


async def test_nothing_is_current_outside_of_a_stream(moot: Moot, happen: Any) -> None:
    """A stream's context does not leak to who reads it."""
    from moothill.kernel.errors import Internal

    await happen(numbers=[1])
    start = (await moot.events.list(order="newest", kind="tenants.")).items
    async with aclosing(follow(moot, after=start[0].cursor if start else None)) as feed:
        del feed
        with pytest.raises(Internal, match="No operation"):
            context()


@pytest.mark.parametrize("name", ["oldest", "newest", "oldest_of_subject", "newest_of_subject", "relay"])
async def test_a_page_costs_the_same_in_a_long_log(world: World, name: str) -> None:
    """The planner must see the order of the log: the horizon once hid it, and a page read the whole log."""
    tenant = (await world.moot.keys.current()).tenant
    await world.ask(
        "insert into moothill.events (tenant_id, id, txid, kind, subject, actor, actor_kind, operation) "
        "select %s, mt.uuid7_floor(clock_timestamp() + n * interval '1 ms'), 3 + n / 50, 'probe.happened', "
        "gen_random_uuid(), %s, 'operator', 'test' from generate_series(1, 20000) n",
        tenant,
        tenant,
    )
    await world.ask("analyze moothill.events")
    values = {
        **({"incarnation": 1, "txid": 200, "id": UUID(int=0)} if name != "newest" else rules.END._asdict()),
        **dict.fromkeys(("kind", "actor", "since")),
        "tenant": tenant,
        "subject": uuid4(),
        "kinds": ["probe.happened"],
        "size": 51,
    }
    statement = (relay.sql.window if name == "relay" else getattr(service.sql, name)).statement.sql
    async with await psycopg.AsyncConnection.connect(world.dsn) as connection:
        await connection.execute("select mt.set_context(%s, %s, 'operator', 60000)", [tenant, tenant])
        for mode in ("force_custom_plan", "force_generic_plan"):
            await connection.execute(f"set plan_cache_mode = {mode}".encode())
            explain = f"explain (analyze, buffers, format json) {statement}".encode()
            # The first run reads the catalogue too.
            await connection.execute(explain, values)
            row = await (await connection.execute(explain, values)).fetchone()
            assert row is not None
            plan = row[0][0]["Plan"]
            assert plan["Actual Rows"] == (0 if "subject" in name else 51)
            assert plan["Shared Hit Blocks"] + plan["Shared Read Blocks"] < 150, plan
