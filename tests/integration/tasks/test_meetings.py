"""Two who meet at the same task: whoever comes first, nothing waits for ever and nothing is taken from who holds it."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from moothill.kernel.signature import InvalidArguments
from moothill.moot import Moot
from moothill.work.tasks import NewTask
from tests.integration.tasks.work import add, by_time, finish, status, take


async def test_who_depends_on_a_task_that_is_redriven_meanwhile_is_let_go(moot: Moot) -> None:
    """Enqueued on a failed task in an open transaction, while another redrives it."""
    (parent,) = await add(moot, "parent")
    (held,) = await take(moot)
    await moot.tasks.fail(task=parent, token=held.token, error="no", retryable=False)
    added, done = asyncio.Event(), asyncio.Event()

    async def long() -> UUID:
        async with moot.transaction() as inside:
            (id,) = (await inside.tasks.enqueue_many(tasks=[NewTask(title="child", depends_on=[str(parent)])])).ids
            added.set()
            await done.wait()
        return id

    adding = asyncio.create_task(long())
    await added.wait()
    redriving = asyncio.create_task(moot.tasks.redrive(tasks=[str(parent)]))
    await moot.tasks.list()
    done.set()
    child = await adding
    assert await redriving == [parent]
    await finish(moot, await take(moot))
    assert await status(moot, child) == "pending"


async def test_adding_in_a_long_transaction_keeps_nobody_from_adding(moot: Moot) -> None:
    """Both add to the same lane; the second one does not wait for the first one's commit."""
    await add(moot, "first")
    begun, done = asyncio.Event(), asyncio.Event()

    async def long() -> None:
        async with moot.transaction() as inside:
            await add(inside, "long")
            begun.set()
            await done.wait()

    running = asyncio.create_task(long())
    await begun.wait()
    async with asyncio.timeout(5):
        await add(moot, "short")
    done.set()
    await running
    assert len((await moot.tasks.list()).items) == 3


async def test_a_time_that_is_set_while_a_task_is_held_takes_it_from_nobody(moot: Moot) -> None:
    """Due later or due before: its holder keeps it."""
    (task,) = await add(moot, "one")
    (held,) = await take(moot)
    past = datetime.now(UTC) - timedelta(hours=1)
    await moot.tasks.update(task=str(task), version=1, changes={"due_at": past})  # type: ignore[arg-type]
    await by_time(moot, "sweep")
    await moot.tasks.complete(task=task, token=held.token)


async def test_a_lower_limit_holds_as_soon_as_places_are_free(moot: Moot) -> None:
    """Places above it are not taken again."""
    await moot.queues.configure(queue="default", max_running=5)
    await add(moot, *(f"{number}" for number in range(12)))
    held = await take(moot)
    await moot.queues.configure(queue="default", max_running=2)
    await finish(moot, held)
    assert (len(held), len(await take(moot))) == (5, 2)


async def test_a_key_cannot_look_like_an_id(moot: Moot) -> None:
    """Whoever names a task by its id gets that one."""
    (task,) = await add(moot, "one")
    with pytest.raises(InvalidArguments, match="form of an id"):
        await moot.tasks.enqueue(title="two", task_id=str(task))


async def test_who_is_asked_to_stop_and_waits_instead_has_stopped(moot: Moot) -> None:
    """The request is not left for the next holder."""
    (task,) = await add(moot, "one")
    (held,) = await take(moot)
    await moot.tasks.cancel(task=str(task), reason="no")
    report = await moot.tasks.wait(task=task, token=held.token, prompt="why?")
    assert report.status == "cancelled"


async def test_a_forced_cancellation_keeps_its_reason(moot: Moot) -> None:
    """Whoever looks at the task later reads it."""
    (task,) = await add(moot, "one")
    await take(moot)
    await moot.tasks.cancel(task=str(task), reason="not wanted", force=True)
    assert (await moot.tasks.get(task=str(task))).note == "not wanted"


async def test_a_dense_graph_is_walked_once(moot: Moot) -> None:
    """Ninety tasks in layers that each wait for all of the layer above."""
    tasks = [
        NewTask(
            title=f"{layer}.{n}",
            name=f"{layer}.{n}",
            depends_on=[f"{layer - 1}.{k}" for k in range(15)] if layer else [],
        )
        for layer in range(6)
        for n in range(15)
    ]
    ids = (await moot.tasks.enqueue_many(tasks=tasks)).ids
    graph = await moot.tasks.graph(task=str(ids[0]), steps=20, limit=500)
    assert (len(graph.tasks), len(graph.edges), graph.complete) == (90, 15 * 15 * 5, True)
