"""Workers over a server's URL with a key, workers of the whole platform, and what a worker does not know it holds."""

import asyncio
import signal
import sys
from typing import Any
from uuid import uuid4

import pytest

import moothill
from moothill import TaskContext
from moothill.moot import Moot
from moothill.work.running import Worker
from moothill.work.tasks import AttemptReference, ClaimedTask, NewTask
from tests.conftest import MootFactory
from tests.integration.tasks.crew import added, eventually, outcomes, swept, task_of, worker_on
from tests.serving import Live

_SCOPES = ["tasks:work", "tasks:read", "tasks:write"]


async def test_a_worker_over_a_url_does_all_that_one_over_a_database_does(live: Live, moot: Moot) -> None:
    secret = (await moot.keys.create(name="worker", scopes=_SCOPES)).secret
    async with moothill.connect(live.url, key=secret) as far:
        worker = worker_on(far, concurrency=5)

        @worker.task("fine")
        async def fine(task: ClaimedTask, context: TaskContext) -> int:
            return int(await context.step("one", lambda: 1))

        @worker.task("broken")
        async def broken(task: ClaimedTask) -> None:
            raise RuntimeError("broken")

        @worker.task("asks")
        async def asks(task: ClaimedTask, context: TaskContext) -> Any:
            return await context.wait_for_input("What?")

        ids = await added(moot, "fine", "broken", "asks", "strange", *["fine"] * 20)
        async with worker.running():

            async def settled() -> bool:
                return await outcomes(moot, ids) == ["completed", "retry", "waiting", "scheduled"] + ["completed"] * 20

            await eventually(settled)
            await moot.tasks.answer(task=ids[2], answer={"it": "is"})

            async def answered() -> bool:
                return (await task_of(moot, ids[2])).status == "completed"

            await eventually(answered)
    assert (await task_of(moot, ids[2])).result == {"it": "is"}
    assert (await task_of(moot, ids[0])).result == {"value": 1}


async def test_a_worker_of_an_agent_takes_what_that_agent_may_take(moot: Moot) -> None:
    agent = await moot.agents.register(name="Ann", agent_id="ann")
    await moot.agents.set_skill(agent="ann", skill="python", proficiency=7)
    needs: Any = {"skills": [{"name": "Python", "minimum": 5}]}
    await moot.tasks.enqueue_many(tasks=[NewTask(title="hard", kind="any", requirements=needs)])
    nobody, hers = worker_on(moot), worker_on(moot, agent="ann")
    for worker in (nobody, hers):
        worker.task()(lambda task: None)
        await worker.run(signals=False, until_empty=True)
    assert (nobody.tally.completed, hers.tally.completed) == (0, 1)
    assert (await moot.agents.get(agent=str(agent.id))).tasks_completed == 1


async def test_a_worker_of_the_platform_serves_tenants_in_turn(platform: Moot, moot_factory: MootFactory) -> None:
    """Each claim is within one tenant, and a tenant with a long queue does not keep the others waiting."""
    queue = f"q{uuid4().hex[:8]}"
    moots = [await moot_factory() for _ in range(3)]
    for moot, count in zip(moots, (60, 3, 3), strict=True):
        await moot.tasks.enqueue_many(tasks=[NewTask(title=str(count), queue=queue) for _ in range(count)])
    worker = Worker(platform, queues=[queue], every_tenant=True, concurrency=6, lease=5.0)
    order: list[str] = []

    @worker.task()
    async def note(task: ClaimedTask) -> None:
        order.append(task.title)

    tally = await worker.run(signals=False, until_empty=True)
    assert tally.completed == 66
    # Both short queues were done long before the long one was.
    assert max(place for place, title in enumerate(order) if title == "3") < 30
    paused = moots[0]
    await paused.tasks.enqueue(title="held", queue=queue)
    assert [each.id for each in await platform.tasks.tenants(queues=[queue])] != []
    await paused.queues.pause(queue=queue, reason="maintenance")
    assert await platform.tasks.tenants(queues=[queue]) == []


async def test_the_round_goes_on_behind_the_tenant_that_was_served_last(
    platform: Moot, moot_factory: MootFactory
) -> None:
    queue = f"q{uuid4().hex[:8]}"
    for _ in range(3):
        await (await moot_factory()).tasks.enqueue(title="one", queue=queue)
    ids = [each.id for each in await platform.tasks.tenants(queues=[queue])]
    assert ids == sorted(ids)
    round_ = [each.id for each in await platform.tasks.tenants(queues=[queue], after=ids[0])]
    assert round_ == [ids[1], ids[2], ids[0]]
    assert [each.id for each in await platform.tasks.tenants(queues=[queue], after=ids[2], limit=1)] == [ids[0]]


async def test_what_a_worker_does_not_know_that_it_holds_goes_to_others(moot: Moot) -> None:
    """Its heartbeats would keep for ever what was handed out in an answer that got lost."""
    worker = uuid4()
    ids = await added(moot, "a", "b")
    tasks = await moot.tasks.claim(limit=2, worker=worker, lease_seconds=1)
    known = [AttemptReference(task=tasks[0].id, token=tasks[0].token)]

    async def beat(*, alone: bool) -> None:
        await moot.tasks.heartbeat(attempts=known, worker=worker, lease_seconds=1, these_are_all=alone)

    await beat(alone=True)
    assert await outcomes(moot, ids) == ["in_progress", "in_progress"], "its answer may be on its way"

    async def taken() -> bool:
        await beat(alone=True)
        return await outcomes(moot, ids) == ["in_progress", "pending"]

    await eventually(taken)
    assert (await task_of(moot, ids[1])).failures == 0
    await beat(alone=False)
    assert await outcomes(moot, ids) == ["in_progress", "pending"]


async def test_nobody_speaks_for_the_worker_of_another(moot: Moot) -> None:
    """A shorter lease, an empty list, a sign-off: each would take the tasks from their holder."""
    secret = (await moot.keys.create(name="a", scopes=["tasks:work"])).secret
    await moot.agents.register(name="Mallory", agent_id="mallory")
    mallory = moot.view_as("mallory")
    worker = uuid4()
    (id,) = await added(moot, "a")
    owner = moot.with_key(secret)
    (task,) = await owner.tasks.claim(worker=worker, lease_seconds=60)
    await mallory.tasks.heartbeat(attempts=[], worker=worker, lease_seconds=1, these_are_all=True)
    assert await mallory.tasks.sign_off(worker=worker) == 0
    await asyncio.sleep(1.1)
    await mallory.tasks.heartbeat(attempts=[], worker=worker, lease_seconds=1, these_are_all=True)
    await swept(moot)
    assert await outcomes(moot, [id]) == ["in_progress"]
    assert await owner.tasks.sign_off(worker=worker) == 1
    assert await outcomes(moot, [id]) == ["pending"]
    assert not (await owner.tasks.heartbeat(attempts=[AttemptReference(task=task.id, token=task.token)]))[0].held


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_stops_a_worker_gracefully(moot: Moot, number: int) -> None:
    worker = worker_on(moot, lease=60.0)
    begun = asyncio.Event()

    @worker.task("short")
    async def short(task: ClaimedTask) -> str:
        begun.set()
        await asyncio.sleep(0.2)
        return "ended"

    (id,) = await added(moot, "short")
    running = asyncio.create_task(worker.run())
    await begun.wait()
    signal.raise_signal(number)
    tally = await asyncio.wait_for(running, 10)
    assert tally.completed == 1
    assert await outcomes(moot, [id]) == ["completed"]
    assert sys.exc_info() == (None, None, None)
