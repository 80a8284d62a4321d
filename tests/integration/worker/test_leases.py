"""Leases: one holder at a time, and an epoch that every write of a leader checks."""

import asyncio
from datetime import timedelta

import pytest

from moothill.kernel.local import Runtime
from moothill.worker.acting import acting, system
from moothill.worker.leader import Leadership, Reign, StaleEpoch, check
from moothill.worker.pace import Pace
from tests.integration.worker.world import World, eventually

LONG = Pace(lease=timedelta(minutes=5))


def runtime_of(world: World) -> Runtime:
    assert world.moot.session is not None
    assert world.moot.session.runtime is not None
    return world.moot.session.runtime


async def expire(world: World) -> None:
    await world.ask("update moothill.leases set expires_at = now()")


async def write(world: World, reign: Reign) -> None:
    """A leader's write."""
    async with acting(runtime_of(world), system(), "test"):
        await check(reign)


async def test_of_many_that_ask_at_once_one_leads(world: World) -> None:
    barrier = asyncio.Barrier(8)

    async def ask(number: int) -> Reign | None:
        await barrier.wait()
        return await Leadership(runtime_of(world), "it", f"process {number}", LONG).acquire()

    reigns = await asyncio.gather(*(ask(number) for number in range(8)))
    assert [reign.epoch for reign in reigns if reign] == [1]


async def test_of_many_that_ask_for_an_expired_lease_one_leads(world: World) -> None:
    first = await Leadership(runtime_of(world), "it", "first", LONG).acquire()
    assert first is not None
    await expire(world)
    barrier = asyncio.Barrier(8)

    async def ask(number: int) -> Reign | None:
        await barrier.wait()
        return await Leadership(runtime_of(world), "it", f"process {number}", LONG).acquire()

    reigns = await asyncio.gather(*(ask(number) for number in range(8)))
    assert [reign.epoch for reign in reigns if reign] == [2]


async def test_a_lease_that_is_held_is_not_taken(world: World) -> None:
    one, two = (Leadership(runtime_of(world), "it", name, LONG) for name in ("one", "two"))
    reign = await one.acquire()
    assert reign is not None
    assert await two.acquire() is None
    assert await one.renew(reign)
    await one.release(reign)
    following = await two.acquire()
    assert following is not None
    assert following.epoch == reign.epoch + 1


async def test_two_leases_have_nothing_to_do_with_each_other(world: World) -> None:
    assert await Leadership(runtime_of(world), "it", "one", LONG).acquire()
    assert await Leadership(runtime_of(world), "that", "two", LONG).acquire()


async def test_a_stale_epoch_neither_writes_nor_renews_nor_releases(world: World) -> None:
    one, two = (Leadership(runtime_of(world), "it", name, LONG) for name in ("one", "two"))
    old = await one.acquire()
    assert old is not None
    await write(world, old)
    await expire(world)
    with pytest.raises(StaleEpoch):
        await write(world, old)
    new = await two.acquire()
    assert new is not None
    with pytest.raises(StaleEpoch):
        await write(world, old)
    assert not await one.renew(old)
    await one.release(old)
    await write(world, new)


async def test_nobody_takes_over_while_a_leaders_write_runs(world: World) -> None:
    """A write that has checked its epoch may commit after its lease expired: nobody leads before that."""
    one, two = (Leadership(runtime_of(world), "it", name, LONG) for name in ("one", "two"))
    reign = await one.acquire()
    assert reign is not None
    async with acting(runtime_of(world), system(), "test"):
        await check(reign)
        await expire(world)
        assert await two.acquire() is None
    assert await two.acquire() is not None


async def test_a_leader_renews_while_it_writes(world: World) -> None:
    leadership = Leadership(runtime_of(world), "it", "one", LONG)
    reign = await leadership.acquire()
    assert reign is not None
    async with acting(runtime_of(world), system(), "test"):
        await check(reign)
        assert await asyncio.create_task(leadership.renew(reign))


async def test_works_end_when_the_lease_is_lost(world: World) -> None:
    leadership = Leadership(runtime_of(world), "it", "one", Pace(lease=timedelta(milliseconds=300)))
    reign = await leadership.acquire()
    assert reign is not None
    ended = asyncio.Event()

    async def work(under: Reign) -> None:
        await under.over.wait()
        ended.set()

    ruling = asyncio.create_task(leadership.rule(reign, work, drain=5))
    await world.ask("update moothill.leases set epoch = epoch + 1, expires_at = now() + interval '1 hour'")
    await asyncio.wait_for(ruling, 5)
    assert ended.is_set()


async def test_the_reign_ends_when_a_work_fails(world: World, caplog: pytest.LogCaptureFixture) -> None:
    leadership = Leadership(runtime_of(world), "it", "one", LONG)
    reign = await leadership.acquire()
    assert reign is not None

    async def work(under: Reign) -> None:
        raise RuntimeError("broken")

    await asyncio.wait_for(leadership.rule(reign, work, drain=5), 5)
    assert "broken" in caplog.text
    assert await leadership.acquire() is not None, "the lease was given back"


async def test_a_worker_that_stops_hands_over_at_once(world: World) -> None:
    async with world.worker() as one:
        await eventually(lambda: _leads(one))
        async with world.worker() as two:
            await one.stop()
            await eventually(lambda: _leads(two))


async def _leads(worker: object) -> bool:
    return getattr(worker, "reign", None) is not None
