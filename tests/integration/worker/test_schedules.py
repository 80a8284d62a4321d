"""Scheduled jobs: run by one process at a time, with a record of the last run."""

import asyncio
from functools import partial

import pytest

from moothill.kernel.errors import Conflict, Forbidden, NotFound
from moothill.worker.jobs import ScheduleState
from tests.integration.worker.probe import LOCK
from tests.integration.worker.world import World, eventually, shown


async def state(world: World, name: str = "probe.hourly") -> ScheduleState | None:
    return next((each for each in await world.moot.jobs.schedules() if each.name == name), None)


async def has(world: World, outcome: str, runs: int, name: str = "probe.hourly") -> bool:
    found = await state(world, name)
    return found is not None and (found.outcome, found.runs) == (outcome, runs)


async def test_what_was_never_run_runs_at_once_and_then_when_it_is_due(world: World) -> None:
    async with world.worker():
        await eventually(lambda: has(world, "completed", 1))
        found = await state(world)
        assert found is not None
        assert found.message == "left a mark"
        assert found.started_at is not None
        assert found.duration is not None
        late = found.next_due_at - found.started_at
        assert found.every <= late <= found.every * 1.11, "the next turn, with some jitter"
        await world.ask("update moothill.schedule_runs set next_due_at = now() where name = 'probe.hourly'")
        await eventually(lambda: has(world, "completed", 2))
    assert len(await world.marks("hourly")) == 2


async def test_every_active_tenant_has_its_turn_step_by_step(world: World) -> None:
    await world.tenant("acme")
    await world.tenant("asleep")
    await world.moot.tenants.suspend(tenant="asleep")
    async with world.worker():
        await eventually(lambda: has(world, "completed", 1, "probe.everywhere"))
    assert sorted(await world.marks("everywhere")) == [1, 1, 2, 2]
    found = await state(world, "probe.everywhere")
    assert found is not None
    assert found.message == "2 tenants"


async def test_a_tenant_that_fails_does_not_keep_the_others_from_their_turn(world: World) -> None:
    acme = await world.tenant("acme")
    await world.order("break everywhere", acme)
    async with world.worker():
        await eventually(lambda: has(world, "failed", 1, "probe.everywhere"))
    found = await state(world, "probe.everywhere")
    assert found is not None
    assert "1 of 2 tenants" in found.message
    assert "acme: RuntimeError: ordered to break" in found.message
    assert await world.marks("everywhere") == [1, 2]


async def test_a_failed_run_is_written_down_and_tried_again_at_its_next_turn(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    await world.order("break hourly")
    async with world.worker():
        await eventually(lambda: has(world, "failed", 1))
        found = await state(world)
        assert found is not None
        assert found.failures == 1
        assert "ordered to break at hourly" in found.message
        assert "schedule_failed" in caplog.text
        await world.withdraw("break hourly")
        await world.ask("update moothill.schedule_runs set next_due_at = now() where name = 'probe.hourly'")
        await eventually(lambda: has(world, "completed", 2))


async def test_it_runs_when_asked_and_rests_when_paused(world: World) -> None:
    jobs = world.moot.jobs
    async with world.worker():
        await eventually(lambda: has(world, "completed", 1))
        assert (await jobs.pause(schedule="probe.hourly")).paused
        await world.ask("update moothill.schedule_runs set next_due_at = now() where name like 'probe.%%'")
        await eventually(lambda: has(world, "completed", 2, "probe.everywhere"))
        assert await has(world, "completed", 1), "it rests"
        assert (await jobs.run_now(schedule="probe.hourly")).asked
        await eventually(lambda: has(world, "completed", 2))
        with pytest.raises(Conflict, match="paused already"):
            await jobs.pause(schedule="probe.hourly")
        assert not (await jobs.resume(schedule="probe.hourly")).paused
        await world.ask("update moothill.schedule_runs set next_due_at = now() where name = 'probe.hourly'")
        await eventually(lambda: has(world, "completed", 3))
        with pytest.raises(Conflict, match="not paused"):
            await jobs.resume(schedule="probe.hourly")
    changes = [event.payload["change"] for event in await shown(world.moot, 3, kind="jobs.schedule")]
    assert changes == ["paused", "asked", "resumed"]


async def test_a_run_does_not_overlap_with_itself(world: World) -> None:
    await world.order("hold hourly")
    await world.admin.execute(f"select pg_advisory_lock({LOCK})".encode())
    async with world.worker():
        await eventually(world.waits_for_lock)
        with pytest.raises(Conflict, match="runs already"):
            await world.moot.jobs.run_now(schedule="probe.hourly")
        await world.ask("update moothill.schedule_runs set next_due_at = now() where name = 'probe.hourly'")
        await eventually(lambda: has(world, "completed", 1, "probe.everywhere"))
        assert await has(world, "running", 1)
        await world.withdraw("hold hourly")
        await world.admin.execute(f"select pg_advisory_unlock({LOCK})".encode())
        await eventually(lambda: has(world, "completed", 2))
    assert len(await world.marks("hourly")) == 2


async def test_a_run_whose_worker_was_killed_is_taken_up_by_the_next(world: World) -> None:
    """B28: nothing lives in the memory of one process only."""
    await world.order("hold hourly")
    await world.admin.execute(f"select pg_advisory_lock({LOCK})".encode())
    killed = await world.spawn()
    await eventually(world.waits_for_lock)
    await world.kill(killed)
    assert await has(world, "running", 1)
    await world.withdraw("hold hourly")
    await world.admin.execute(f"select pg_advisory_unlock({LOCK})".encode())
    await world.spawn()
    await eventually(lambda: has(world, "completed", 2))
    found = await state(world)
    assert found is not None
    assert found.failures == 1
    assert len(await world.marks("hourly")) == 1


async def test_two_workers_run_each_turn_once(world: World) -> None:
    async with world.worker(), world.worker():
        for runs in range(1, 4):
            await eventually(partial(has, world, "completed", runs))
            await world.ask("update moothill.schedule_runs set next_due_at = now() where name = 'probe.hourly'")
        await eventually(lambda: has(world, "completed", 4))
    assert len(await world.marks("hourly")) == 4


async def test_schedules_are_for_who_looks_after_the_platform(world: World) -> None:
    issued = await world.moot.keys.create(name="operator", scopes=["*"])
    keyed = world.moot.with_key(issued.secret)
    with pytest.raises(Forbidden, match="platform:jobs"):
        await keyed.jobs.schedules()
    with pytest.raises(NotFound, match="no scheduled job"):
        await world.moot.jobs.run_now(schedule="nothing.such")


async def test_a_worker_waits_for_a_run_in_progress_when_it_stops(world: World) -> None:
    await world.order("hold hourly")
    await world.admin.execute(f"select pg_advisory_lock({LOCK})".encode())
    async with world.worker() as worker:
        await eventually(world.waits_for_lock)
        stopping = asyncio.create_task(worker.stop())
        await world.admin.execute(f"select pg_advisory_unlock({LOCK})".encode())
        await stopping
    assert await has(world, "completed", 1)
