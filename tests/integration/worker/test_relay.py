"""The relay: every event reaches its handlers once, in order, through crashes and failures."""

import asyncio
import os
from collections.abc import Sequence
from functools import partial
from uuid import UUID, uuid4

import psycopg
import pytest

from moothill.kernel.errors import NotFound
from moothill.moot import Moot
from moothill.worker.events import HandlerState
from tests.integration.worker.probe import LOCK
from tests.integration.worker.world import BRISK, World, eventually, shown

HANDLERS = ("first", "second", "third")


async def id_of(world: World, number: int) -> UUID:
    ((event,),) = await world.ask("select id from moothill.events where payload ->> 'number' = %s", str(number))
    assert isinstance(event, UUID)
    return event


async def state(moot: Moot, handler: str) -> tuple[int, int]:
    """Parked and dead events of a handler."""
    for found in await moot.events.handlers():
        if found.handler == handler:
            return found.parked, found.dead
    return 0, 0


async def test_each_event_reaches_each_handler_once_and_in_order(world: World) -> None:
    numbers = list(range(30))
    async with world.worker():
        for number in numbers[:10]:
            await world.of(world.moot).happen(numbers=[number])
        await world.of(world.moot).happen(numbers=numbers[10:])
        for mark in HANDLERS:
            await eventually(partial(world.has_marks, mark, numbers))
            assert await world.marks(mark) == numbers


async def test_events_from_before_the_worker_and_of_all_tenants_are_handled(world: World) -> None:
    acme = await world.tenant("acme")
    await world.of(world.moot).happen(numbers=[1, 2])
    await world.of(acme).happen(numbers=[3, 4])
    async with world.worker():
        await eventually(lambda: world.has_marks("first", [1, 2, 3, 4]))
    rows = await world.ask(
        "select m.number, t.slug from moothill.probe_marks m join moothill.tenants t on t.id = m.tenant_id "
        "where m.mark = 'first' order by 1"
    )
    assert rows == [(1, "default"), (2, "default"), (3, "acme"), (4, "acme")]


@pytest.mark.soak
async def test_a_thousand_events_survive_kills_with_nothing_lost_or_twice(world: World) -> None:
    """X2: writes of a handler commit with its cursor, so a crash repeats nothing. The soak takes ten thousand."""
    count, kills, patience = (10_000, 2, 600.0) if os.environ.get("MOOTHILL_SOAK") else (1_000, 1, 120.0)
    numbers = list(range(count))
    for start in range(0, count, 50):
        await world.of(world.moot).happen(numbers=numbers[start : start + 50])

    async def handled() -> int:
        return sum([len(await world.marks(mark)) for mark in HANDLERS])

    async def has_got_to(least: int) -> bool:
        return await handled() >= least

    for kill in range(1, kills + 1):
        killed = await world.spawn()
        await eventually(partial(has_got_to, 3 * count * kill // (kills + 2)), within=patience)
        await world.kill(killed)
        assert await handled() < 3 * count, "it was too fast to be killed in the middle"
    await world.spawn()
    for mark in HANDLERS:
        await eventually(partial(world.has_marks, mark, numbers), within=patience)
        assert await world.marks(mark) == numbers


async def test_a_kill_in_the_middle_of_an_event_repeats_it_and_nothing_else(world: World) -> None:
    await world.order("hold first 2", world.moot)
    await world.admin.execute(f"select pg_advisory_lock({LOCK})".encode())
    await world.of(world.moot).happen(numbers=[1, 2, 3])
    killed = await world.spawn()
    await eventually(world.waits_for_lock)
    await world.kill(killed)
    assert await world.marks("first") == [1]
    await world.admin.execute(f"select pg_advisory_unlock({LOCK})".encode())
    await world.withdraw("hold first 2")
    await world.spawn()
    await eventually(lambda: world.has_marks("first", [1, 2, 3]))
    assert await world.marks("first") == [1, 2, 3]


async def test_a_failing_event_holds_back_its_own_subject_only(world: World) -> None:
    """Order per subject: what comes later to the same thing waits; other things do not."""
    sick, sound = uuid4(), uuid4()
    probe = world.of(world.moot)
    await world.order("break first 1", world.moot)
    async with world.worker():
        await probe.happen(numbers=[1], subject=sick)
        await probe.happen(numbers=[2], subject=sound)
        await probe.happen(numbers=[3], subject=sick)
        await probe.happen(numbers=[4])
        await eventually(lambda: world.has_marks("second", [1, 2, 3, 4]))
        await eventually(lambda: world.has_marks("first", [2, 4]))
        await world.withdraw("break first 1")

        async def drained() -> bool:
            _, dead = await state(world.moot, "probe.first")
            if dead:
                await world.moot.events.redrive(handler="probe.first")
            return await world.has_marks("first", [1, 2, 3, 4])

        await eventually(drained)
    assert [number for number in await world.marks("first") if number in (1, 3)] == [1, 3]


async def test_an_event_dies_after_its_last_try_and_an_operator_drives_it_again(world: World) -> None:
    subject = uuid4()
    events = world.moot.events
    await world.order("break first 1", world.moot)
    async with world.worker():
        await world.of(world.moot).happen(numbers=[1, 2], subject=subject)

        async def is_dead() -> bool:
            return await state(world.moot, "probe.first") == (1, 1)

        await eventually(is_dead)
        (dead,) = (await events.dead_letters()).items
        assert (dead.handler, dead.kind, dead.subject, dead.dead) == ("probe.first", "probe.happened", subject, True)
        assert dead.attempts == BRISK.handler_attempts
        assert "ordered to break at first 1" in dead.error
        both = (await events.dead_letters(parked=True)).items
        assert [(each.event, each.attempts) for each in both] == [
            (await id_of(world, 1), BRISK.handler_attempts),
            (await id_of(world, 2), 0),
        ]
        (told,) = await shown(world.moot, 1, kind="events.dead_lettered")
        assert (told.subject, told.payload["attempts"]) == (dead.event, BRISK.handler_attempts)
        await world.withdraw("break first 1")
        await events.redrive(handler="probe.first", event=dead.event)
        await eventually(lambda: world.has_marks("first", [1, 2]))
        assert await world.marks("first") == [1, 2]
        assert (await events.dead_letters(parked=True)).items == []


async def test_discarding_lets_go_on_what_waited_behind(world: World) -> None:
    subject = uuid4()
    events = world.moot.events
    await world.order("break first 1", world.moot)
    async with world.worker():
        await world.of(world.moot).happen(numbers=[1, 2, 3], subject=subject)
        await eventually(lambda: _has_dead(world))
        dead = await id_of(world, 1)
        plan = await events.discard.plan(handler="probe.first", event=dead)
        assert plan.counts == {"parked_events": 1}
        assert (await events.dead_letters()).items, "a plan changes nothing"
        await events.discard(handler="probe.first", event=dead)
        await eventually(lambda: world.has_marks("first", [2, 3]))
        with pytest.raises(NotFound, match="dead_letters"):
            await events.discard(handler="probe.first", event=dead)
        with pytest.raises(NotFound, match="Did you mean"):
            await events.redrive(handler="probe.frist")


async def _has_dead(world: World) -> bool:
    return (await state(world.moot, "probe.first"))[1] > 0


async def test_an_event_of_several_subjects_keeps_its_place_among_all(world: World) -> None:
    one, two = uuid4(), uuid4()
    probe = world.of(world.moot)
    await world.order("break first 1", world.moot)
    async with world.worker():
        await probe.happen(numbers=[1], subject=one)
        await probe.happen(numbers=[2], subjects=[one, two])
        await probe.happen(numbers=[3], subject=two)
        await eventually(lambda: _has_dead(world))
        assert await world.marks("first") == []
        await world.withdraw("break first 1")
        await world.moot.events.redrive(handler="probe.first")
        await eventually(lambda: world.has_marks("first", [1, 2, 3]))
    assert await world.marks("first") == [1, 2, 3]


async def test_another_tenant_neither_sees_nor_touches_what_is_parked(world: World) -> None:
    acme = await world.tenant("acme")
    await world.order("break first 1", world.moot)
    async with world.worker():
        await world.of(world.moot).happen(numbers=[1])
        await eventually(lambda: _has_dead(world))
        assert await state(acme, "probe.first") == (0, 0)
        assert (await acme.events.dead_letters(parked=True)).items == []
        with pytest.raises(NotFound):
            await acme.events.discard(handler="probe.first", event=await id_of(world, 1))
        with pytest.raises(NotFound):
            await acme.events.redrive(handler="probe.first", event=await id_of(world, 1))
    assert await _has_dead(world)


async def test_a_leader_that_lost_its_lease_writes_nothing_more(world: World) -> None:
    """A stale epoch is refused: the handler's writes and the cursor go back together."""
    async with world.worker():
        await world.of(world.moot).happen(numbers=[1])
        await eventually(lambda: world.has_marks("third", [1]))
        # Another takes over, as if this process had been asleep for long.
        await world.ask("update moothill.leases set epoch = epoch + 1, expires_at = now() + interval '1 hour'")
        await world.of(world.moot).happen(numbers=[2])

        async def refused() -> bool:
            ((txid,),) = await world.ask("select max(txid) from moothill.events where kind = 'probe.happened'")
            ((behind,),) = await world.ask(
                "select count(*) from moothill.handler_cursors where handler like 'probe.%%' and txid < %s", txid
            )
            return int(behind) == 3

        await eventually(refused)
        assert await world.marks("first") == [1]
        await world.ask("update moothill.leases set expires_at = now()")
        await eventually(lambda: world.has_marks("first", [1, 2]))


async def test_an_event_below_an_open_transaction_waits_and_comes_in_order(world: World) -> None:
    """B24, defects of counters: what commits late is neither skipped nor handled out of order."""
    tenant = (await world.moot.keys.current()).tenant
    async with world.worker(), await psycopg.AsyncConnection.connect(world.dsn) as late:
        await late.execute("select mt.set_context(%s, %s, 'operator', 10000)", [tenant, tenant])
        await late.execute(
            "insert into events (tenant_id, id, kind, actor, actor_kind, operation, payload) values "
            "(%s, mt.uuid7_floor(now()), 'probe.happened', %s, 'operator', 'test', '{\"number\": 1}')",
            [tenant, tenant],
        )
        await world.of(world.moot).happen(numbers=[2])
        await asyncio.sleep(0)
        assert await world.marks("first") == []
        await late.commit()
        await eventually(lambda: world.has_marks("first", [1, 2]))
    assert await world.marks("first") == [1, 2]


async def test_the_lag_is_the_age_of_the_oldest_event_that_waits(world: World) -> None:
    async with world.worker():
        await world.of(world.moot).happen(numbers=[1])
        for mark in HANDLERS:
            await eventually(partial(world.has_marks, mark, [1]))

        async def none_lags() -> bool:
            return not any(each.lag for each in await world.moot.events.handlers())

        await eventually(none_lags)
    await world.of(world.moot).happen(numbers=[2])

    async def all_lag() -> bool:
        return all(each.lag > 0 for each in await world.moot.events.handlers() if each.handler.startswith("probe."))

    await eventually(all_lag)
    # How busy others are is not told to a tenant: it sees what waits of its own.
    slug = f"t-{uuid4().hex}"
    await world.moot.tenants.create(slug=slug, name=slug)
    there = world.moot.tenant(slug)
    keyed = world.moot.with_key((await there.keys.create(name="x", scopes=["*"])).secret)

    def probes(found: Sequence[HandlerState]) -> list[HandlerState]:
        return [each for each in found if each.handler.startswith("probe.")]

    seen = probes(await keyed.events.handlers())
    assert [(each.lag, each.handled, each.moved_at) for each in seen] == [(0, None, None)] * len(HANDLERS)
    assert all(each.handled for each in probes(await world.moot.events.handlers()))
    await world.of(there).happen(numbers=[3])

    async def own_lags() -> bool:
        return all(each.lag > 0 for each in probes(await keyed.events.handlers()))

    await eventually(own_lags)


async def test_what_a_handler_records_carries_the_request_that_it_goes_back_to(world: World) -> None:
    request = uuid4()
    probe = world.of(world.moot)
    async with world.worker():
        await probe.happen.options(request_id=request)(numbers=[1])
        await eventually(lambda: world.has_marks("first", [1]))
    (event,) = await shown(world.moot, 1, kind="probe.")
    assert event.request == request


async def test_redriving_what_is_unknown_is_an_error_and_nothing_is_recorded(world: World) -> None:
    async with world.worker():
        await world.of(world.moot).happen(numbers=[1])
        await eventually(lambda: world.has_marks("first", [1]))
    with pytest.raises(NotFound):
        await world.moot.events.redrive(handler="probe.first", event=uuid4())
    assert (await world.moot.events.redrive(handler="probe.first")).dead == 0
    assert await world.ask("select * from moothill.events where kind like 'events.%%'") == []


async def test_only_one_of_two_workers_relays(world: World) -> None:
    numbers = list(range(100))
    async with world.worker() as one, world.worker() as two:
        await eventually(lambda: _leads(one, two))
        for start in range(0, 100, 10):
            await world.of(world.moot).happen(numbers=numbers[start : start + 10])
        await eventually(lambda: world.has_marks("third", numbers))
        await eventually(lambda: world.has_marks("first", numbers))
        assert not (one.reign and two.reign)
        assert await world.marks("first") == numbers


async def _leads(*workers: object) -> bool:
    return any(getattr(worker, "reign", None) for worker in workers)
