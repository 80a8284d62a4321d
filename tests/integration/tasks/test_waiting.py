"""Waiting for tasks: what wakes a waiter, what does not, and what becomes of tasks whose taker hung up."""

import asyncio
import contextlib
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import moothill
from moothill import Invalid
from moothill.doors.up.front import opened
from moothill.moot import Moot
from moothill.session import Session
from moothill.work.tasks import NewTask
from moothill.work.tasks.rules import next_look
from tests.integration.tasks.crew import added, eventually, outcomes, swept
from tests.serving import Live


def runtime_of(moot: Moot) -> Any:
    session = moot.session
    assert isinstance(session, Session)
    assert session.runtime is not None
    return session.runtime


async def waiting(moot: Moot, **more: Any) -> "asyncio.Task[Any]":
    """A call of `tasks.next` that waits."""
    nudges = runtime_of(moot).nudges
    tenant_bells = sum(map(len, nudges._bells.values()))
    task = asyncio.create_task(moot.tasks.next(**more))

    async def waits() -> bool:
        return sum(map(len, nudges._bells.values())) > tenant_bells

    await eventually(waits)
    return task


async def test_a_waiter_gets_what_is_there_at_once(moot: Moot) -> None:
    ids = await added(moot, "a", "b")
    assert [str(each.id) for each in await moot.tasks.next(limit=5, wait_seconds=60)] == ids


async def test_a_waiter_is_woken_by_a_task_and_answers_with_nothing_when_there_is_none(moot: Moot) -> None:
    call = await waiting(moot, wait_seconds=30)
    began = time.monotonic()
    (id,) = await added(moot, "a")
    (task,) = await call
    assert str(task.id) == id
    assert time.monotonic() - began < 4, "woken, not found by polling"
    assert await moot.tasks.next(wait_seconds=0) == []
    assert await moot.tasks.next(wait_seconds=0.05) == []


async def test_a_waiter_wakes_when_a_task_becomes_due(moot: Moot) -> None:
    """Nobody writes anything at that moment, and the next look would be seconds away."""
    due = datetime.now(UTC) + timedelta(seconds=1)
    await moot.tasks.enqueue(title="later", details={"due_at": due})  # type: ignore[arg-type]
    assert (await moot.tasks.due()).at == due
    nudges = runtime_of(moot).nudges
    nudges.longest_wait, before = 30.0, nudges.longest_wait
    try:
        (task,) = await moot.tasks.next(wait_seconds=20)
    finally:
        nudges.longest_wait = before
    assert task.title == "later"
    assert datetime.now(UTC) >= due
    assert (await moot.tasks.due()).at is None


async def test_claims_in_vain_and_heartbeats_wake_nobody(moot: Moot) -> None:
    """Otherwise all who wait would wake each other for ever."""
    nudges = runtime_of(moot).nudges
    (id,) = await added(moot, "a")
    (task,) = await moot.tasks.claim()
    assert str(task.id) == id
    with nudges.bell(from_afar=False) as bell:
        await asyncio.sleep(2 * nudges.coalesce)
        await bell.wait(0)
        await moot.tasks.claim()
        await moot.tasks.heartbeat(attempts=[{"task": task.id, "token": task.token}])  # type: ignore[list-item]
        assert not await bell.wait(4 * nudges.coalesce)
        async with moot.transaction():
            await moot.tasks.claim()
            await moot.tasks.complete(task=task.id, token=task.token)
        assert await bell.wait(2)


async def test_a_waiter_answers_before_its_deadline(moot: Moot) -> None:
    call = moot.tasks.next.options(deadline=timedelta(seconds=1))
    assert await call(wait_seconds=60) == []


async def test_what_was_handed_out_once_is_not_repeated_under_a_key(moot: Moot) -> None:
    with pytest.raises(Invalid, match="idempotency"):
        await moot.tasks.next.options(idempotency_key="k")(wait_seconds=0)
    await added(moot, "a")
    claim = moot.tasks.claim.options(idempotency_key="k")
    (first,), (second,) = await claim(), await claim()
    assert first.token == second.token


async def test_waiters_end_with_their_server(live: Live, moot_factory: Any) -> None:
    """A server that drains does not wait a minute for those who wait for tasks."""
    call = await waiting(live.moot, wait_seconds=60)
    live.server.should_exit = True
    assert await asyncio.wait_for(call, 5) == []


async def test_what_waits_in_a_session_waits_on_behind_its_server(live: Live) -> None:
    """A session that outlives its doors is not over with them."""
    nudges = live.door.runtime.nudges
    async with opened(live.moot.session) as server:  # type: ignore[arg-type]
        server.door.runtime.nudges.end()
        assert nudges.is_over
    assert not nudges.is_over


async def test_what_a_taker_that_hung_up_was_given_comes_back(live: Live, moot: Moot) -> None:
    """Callers vanish before, while and after tasks are handed out to them: none is lost, each is completed once."""
    secret = (await moot.keys.create(name="agent", scopes=["tasks:*"])).secret
    count, taken = 30, set()
    waits = {"wait_seconds": 5, "limit": 2, "lease_seconds": 1}

    async def vanish(after: float) -> None:
        async with live.client(secret) as client:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(after):
                    await client.post("/v1/tasks/next", json=waits)

    takers = [asyncio.create_task(vanish(0.02 * number)) for number in range(15)]
    await asyncio.sleep(0.05)
    ids = [(await added(moot, "a"))[0] for _ in range(count)]
    await asyncio.gather(*takers)

    async def all_done() -> bool:
        await swept(moot)
        for task in await moot.tasks.claim(limit=100):
            await moot.tasks.complete(task=task.id, token=task.token)
            assert task.id not in taken
            taken.add(task.id)
        return len(taken) == count

    await eventually(all_done)
    assert set(await outcomes(moot, ids)) == {"completed"}


async def test_over_a_url_it_is_typed_and_answers_alike(live: Live, moot: Moot) -> None:
    secret = (await moot.keys.create(name="agent", scopes=["tasks:*"])).secret
    async with moothill.connect(live.url, key=secret) as far:
        call = asyncio.create_task(far.tasks.next(wait_seconds=20))
        await asyncio.sleep(0.2)
        await moot.tasks.enqueue_many(tasks=[NewTask(title="for the far side", payload={"n": 1})])
        (task,) = await call
        assert (task.title, task.payload, task.attempt) == ("for the far side", {"n": 1}, 1)
        assert (await far.tasks.complete(task=task.id, token=task.token)).accepted


@given(vain=st.integers(0, 50), chance=st.floats(0, 1), longest=st.floats(0.1, 60), due=st.none() | st.floats(-5, 100))
def test_looks_are_neither_too_rare_nor_too_many(vain: int, chance: float, longest: float, due: float | None) -> None:
    by_itself, woken = next_look(vain, chance, longest=longest, due=due)
    assert 0 <= by_itself <= longest
    assert 0 <= woken <= 0.5
    assert vain > 0 or woken == 0
    if due is not None:
        assert by_itself <= max(0.0, due) + 0.01
