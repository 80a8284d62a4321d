"""The worker as a whole: beside a session, with a gate, through a lost database, to its end."""

import asyncio
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from moothill.database.sqlstate import ConnectionLost
from moothill.kernel.local import Runtime
from moothill.session import Session
from moothill.worker import Worker, leader
from moothill.worker.events import relay
from moothill.worker.jobs import runner, schedules
from tests.integration.worker.test_jobs import ends
from tests.integration.worker.test_schedules import has
from tests.integration.worker.world import BRISK, World, eventually


def session_of(world: World) -> tuple[Session, Runtime]:
    session = world.moot.session
    assert session is not None
    assert session.runtime is not None
    return session, session.runtime


async def test_a_session_s_own_worker_begins_with_the_first_write(world: World) -> None:
    session, _ = session_of(world)
    async with session.working():
        assert await world.ask("select * from moothill.leases") == []
        asked = await world.of(world.moot).work(steps=1)
        await eventually(lambda: ends(world.moot, asked.id))
        await eventually(lambda: world.ask("select * from moothill.leases where expires_at > now()"))
    assert await world.ask("select * from moothill.leases where expires_at > now()") == [], "given back"


async def test_a_session_that_writes_nothing_and_ends_at_once_needs_no_worker(world: World) -> None:
    session, _ = session_of(world)
    async with session.working():
        pass
    assert await world.ask("select * from moothill.leases") == []


@dataclass
class Gate:
    """What authenticates keys, as the worker sees it."""

    forgotten: int = 0
    flushed: asyncio.Event = field(default_factory=asyncio.Event)

    def forget(self) -> None:
        self.forgotten += 1

    async def flush(self) -> None:
        self.flushed.set()


async def test_the_gate_is_flushed_now_and_then_and_told_of_changed_keys(world: World) -> None:
    session, runtime = session_of(world)
    assert session.database is not None
    gate = Gate()
    pace = replace(BRISK, flush=timedelta(milliseconds=20))
    worker = Worker(runtime, session.database, session.settings, gate, pace=pace)
    running = asyncio.create_task(worker.run())
    await asyncio.wait_for(gate.flushed.wait(), 5)
    one, two = [await world.moot.keys.create(name="k", scopes=["agents:read"]) for _ in range(2)]
    before = gate.forgotten
    await world.moot.keys.revoke(key=one.key.id)
    assert gate.forgotten > before
    await worker.stop()
    await running
    after = gate.forgotten
    await world.moot.keys.revoke(key=two.key.id)
    assert gate.forgotten == after


async def test_it_goes_on_after_its_connections_broke(world: World, caplog: pytest.LogCaptureFixture) -> None:
    async with world.worker():
        await world.of(world.moot).happen(numbers=[1])
        await eventually(partial(world.has_marks, "first", [1]))
        for _ in range(3):
            await world.ask(
                "select pg_terminate_backend(pid) from pg_stat_activity "
                "where datname = current_database() and usename = 'moothill_app'"
            )
            await asyncio.sleep(0)

        async def written() -> bool:
            try:
                await world.of(world.moot).happen(numbers=[2])
            except Exception:
                return False
            return True

        await eventually(written)
        asked = await world.of(world.moot).work(steps=1)
        await eventually(partial(world.has_marks, "first", [1, 2, -1]))
        await eventually(lambda: ends(world.moot, asked.id))


async def test_a_handler_that_takes_too_long_is_a_failure(world: World) -> None:
    await world.order("hold first 1", world.moot)
    await world.admin.execute(b"select pg_advisory_lock(4711)")
    async with world.worker(replace(BRISK, handler_time=timedelta(milliseconds=200))):
        await world.of(world.moot).happen(numbers=[1])

        async def noticed() -> bool:
            parked = (await world.moot.events.dead_letters(parked=True)).items
            return bool(parked) and "did not end within 0.2 s" in parked[0].error

        await eventually(noticed)
        await world.withdraw("hold first 1")
        await world.admin.execute(b"select pg_advisory_unlock(4711)")

        async def drained() -> bool:
            await world.moot.events.redrive(handler="probe.first")
            return await world.has_marks("first", [1])

        await eventually(drained)


SINGLE_FAILURES = [
    (leader, "acquire"),
    (leader, "renew"),
    (leader, "release"),
    (relay, "register"),
    (relay, "scout"),
    (relay, "window"),
    (relay, "due"),
    (relay, "skip"),
    (schedules, "register"),
    (schedules, "due"),
    (schedules, "begin"),
    (runner, "claim"),
    (runner, "begin"),
    (runner, "keep"),
]


@pytest.mark.parametrize(("module", "name"), SINGLE_FAILURES, ids=lambda value: getattr(value, "__name__", value))
async def test_what_fails_once_because_the_database_is_away_is_done_later(
    world: World, monkeypatch: pytest.MonkeyPatch, module: Any, name: str
) -> None:
    real = getattr(module.sql, name)
    failures = [ConnectionLost()]

    async def fails_once(**values: Any) -> Any:
        if failures:
            raise failures.pop()
        return await real(**values)

    monkeypatch.setattr(module.sql, name, fails_once)
    pace = replace(BRISK, lease=timedelta(seconds=1), claim=timedelta(milliseconds=600))
    async with world.worker(pace):
        asked = await world.of(world.moot).work(steps=1)
        await world.of(world.moot).happen(numbers=[1])
        await eventually(lambda: ends(world.moot, asked.id))
        await eventually(partial(world.has_marks, "first", [1, -1]))
        await eventually(partial(has, world, "completed", 1))


async def test_stopping_twice_or_before_the_start_does_no_harm(world: World) -> None:
    session, runtime = session_of(world)
    assert session.database is not None
    worker = Worker(runtime, session.database, session.settings, pace=BRISK)
    await worker.stop()
    await asyncio.wait_for(worker.run(), 5)
    await worker.stop()
    assert not worker.is_running
