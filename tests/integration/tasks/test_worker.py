"""A worker in the process of the test: what its functions give, how they fail, what stops them."""

import asyncio
import threading
import time
from typing import Any
from uuid import UUID

import pytest

from moothill import Forbidden, NotRetryable, Retry, TaskContext, Worker
from moothill.moot import Moot
from moothill.work.running import BlockingContext
from moothill.work.tasks import ClaimedTask, NewTask, TaskDetails
from tests.integration.tasks.crew import added, eventually, outcomes, task_of, worker_on


async def test_what_a_function_returns_is_the_result_of_its_task(moot: Moot) -> None:
    worker = worker_on(moot, concurrency=3)
    threads = set()

    @worker.task("object")
    async def object_(task: ClaimedTask) -> dict[str, Any]:
        return {"of": task.title, "id": task.id}

    @worker.task("number")
    async def number(task: ClaimedTask, context: TaskContext) -> int:
        assert context.task is task
        assert not context.cancelled
        return 17

    @worker.task("nothing")
    async def nothing(task: ClaimedTask) -> None:
        return None

    @worker.task("threaded")
    def threaded(task: ClaimedTask) -> list[str]:
        threads.add(threading.current_thread())
        return [task.title]

    ids = await added(moot, "object", "number", "nothing", "threaded")
    tally = await worker.run(signals=False, until_empty=True)
    assert (tally.claimed, tally.completed, tally.failed) == (4, 4, 0)
    results = [(await task_of(moot, id)).result for id in ids]
    assert results == [{"of": "object", "id": ids[0]}, {"value": 17}, None, {"value": ["threaded"]}]
    assert threading.main_thread() not in threads


async def test_an_exception_fails_the_attempt_and_says_why(moot: Moot) -> None:
    """C31: what went wrong is told with its place, and nothing of it can break a terminal or a column."""
    worker = worker_on(moot)

    @worker.task("broken")
    async def broken(task: ClaimedTask) -> None:
        raise RuntimeError("no \x00 luck \x1b[31m today")

    @worker.task("hopeless")
    def hopeless(task: ClaimedTask) -> None:
        raise NotRetryable("the address does not exist")

    @worker.task("later")
    async def later(task: ClaimedTask) -> None:
        raise Retry("the other side is busy", after=3600)

    @worker.task("leaves")
    def leaves(task: ClaimedTask) -> None:
        raise SystemExit(3)

    @worker.task("strange")
    async def strange(task: ClaimedTask) -> object:
        return object()

    @worker.task("large")
    async def large(task: ClaimedTask) -> str:
        return "x" * 70_000

    ids = await added(moot, "broken", "hopeless", "later", "leaves", "strange", "large", max_attempts=2)
    await worker.run(signals=False, until_empty=True)
    assert await outcomes(moot, ids) == ["retry", "failed", "retry", "retry", "failed", "failed"]
    error = (await task_of(moot, ids[0])).error
    assert error is not None
    assert error.startswith("RuntimeError: no ? luck ?[31m today")
    assert "test_worker.py" in error
    due = (await task_of(moot, ids[2])).due_at
    began = (await task_of(moot, ids[2])).claimed_at
    assert due is not None
    assert began is not None
    assert 3590 < (due - began).total_seconds() < 3700


async def test_a_result_that_the_database_refuses_fails_its_own_task_alone(moot: Moot) -> None:
    """The others of its batch are completed: one of them breaks a rule that only the database knows."""
    worker = worker_on(moot, concurrency=10)

    @worker.task("good")
    async def good(task: ClaimedTask) -> dict[str, Any]:
        return {"fine": True}

    @worker.task("bad")
    async def bad(task: ClaimedTask) -> dict[str, Any]:
        return {"text": "half a \x00 character"}

    ids = await added(moot, "good", "bad", "good")
    await worker.run(signals=False, until_empty=True)
    assert await outcomes(moot, ids) == ["completed", "failed", "completed"]


async def test_a_function_that_takes_too_long_is_a_failure(moot: Moot) -> None:
    worker = worker_on(moot)
    entered = threading.Event()
    go_on = threading.Event()

    @worker.task("slow", timeout=0.05)
    async def slow(task: ClaimedTask) -> None:
        await asyncio.Event().wait()

    @worker.task("slow in a thread", timeout=0.05)
    def threaded(task: ClaimedTask, context: BlockingContext) -> None:
        entered.set()
        while not context.cancelled:
            time.sleep(0.001)
        go_on.wait(10)

    @worker.task("own timeout", timeout=10)
    async def own(task: ClaimedTask) -> None:
        raise TimeoutError("of another service")

    ids = await added(moot, "slow", "slow in a thread", "own timeout")
    async with worker.running():

        async def failed() -> bool:
            return await outcomes(moot, ids) == ["retry", "retry", "retry"]

        await eventually(failed)
        assert entered.is_set()
        go_on.set()
    assert (await task_of(moot, ids[0])).error == "It took longer than 0.05 seconds."
    assert (await task_of(moot, ids[2])).error.startswith("TimeoutError: of another service")  # type: ignore[union-attr]


async def test_a_kind_that_nobody_knows_goes_back_for_others(moot: Moot) -> None:
    worker = worker_on(moot)

    @worker.task("known")
    async def known(task: ClaimedTask) -> None:
        return None

    ids = await added(moot, "unknown", "known")
    tally = await worker.run(signals=False, until_empty=True)
    assert await outcomes(moot, ids) == ["scheduled", "completed"]
    assert (await task_of(moot, ids[0])).failures == 0
    assert tally.handed_back == 1
    anything = worker_on(moot)

    @anything.task()
    async def whatever(task: ClaimedTask) -> str:
        return task.kind

    await moot.tasks.update(task=ids[0], version=1, changes={"due_at": "2020-01-01T00:00:00Z"})  # type: ignore[arg-type]
    await anything.run(signals=False, until_empty=True)
    assert (await task_of(moot, ids[0])).result == {"value": "unknown"}


async def test_steps_that_were_recorded_are_not_done_again(moot: Moot) -> None:
    """A retry resumes behind the last step: each is done once, whichever attempt comes to it."""
    worker = worker_on(moot)
    done: list[str] = []

    async def charge(amount: int) -> dict[str, int]:
        done.append("charge")
        return {"paid": amount}

    def notify() -> UUID:
        done.append("notify")
        return UUID(int=7)

    @worker.task("order")
    async def order(task: ClaimedTask, context: TaskContext) -> dict[str, Any]:
        paid = await context.step("charge", charge, 30)
        if task.attempt == 1:
            raise Retry("the mail server is away", after=0)
        told = await context.step("notify", notify)
        assert await context.step("notify", notify) == told
        return {"paid": paid, "told": told}

    @worker.task("order in a thread")
    def threaded(task: ClaimedTask, context: BlockingContext) -> dict[str, Any]:
        paid = context.step("charge", lambda: done.append("threaded charge"))
        if task.attempt == 1:
            raise Retry(after=0)
        return {"paid": paid, "told": context.step("notify", notify)}

    first, second = await added(moot, "order", "order in a thread")
    await worker.run(signals=False, until_empty=True)
    assert sorted(done) == ["charge", "notify", "notify", "threaded charge"]
    assert (await task_of(moot, first)).result == {"paid": {"paid": 30}, "told": str(UUID(int=7))}
    assert (await task_of(moot, second)).result == {"paid": None, "told": str(UUID(int=7))}
    steps = (await moot.tasks.steps(task=first)).items
    assert [(each.name, each.attempt) for each in steps] == [("charge", 1), ("notify", 2)]


async def test_a_task_that_asks_is_parked_and_goes_on_with_the_answers(moot: Moot) -> None:
    """No worker holds it meanwhile; what was answered comes in the order in which it was asked."""
    worker = worker_on(moot)
    swallowed: list[BaseException] = []

    @worker.task("asks")
    async def asks(task: ClaimedTask, context: TaskContext) -> dict[str, Any]:
        try:
            colour = await context.wait_for_input("Which colour?")
        except Exception as error:
            swallowed.append(error)
            raise
        approval = await context.wait_for_signal("approved")
        return {**colour, **approval}

    @worker.task("asks in a thread")
    def threaded(task: ClaimedTask, context: BlockingContext) -> dict[str, Any]:
        return {**context.wait_for_input("Which size?"), **context.wait_for_signal("approved", "Is it approved?")}

    first, second = await added(moot, "asks", "asks in a thread")
    await worker.run(signals=False, until_empty=True)
    assert await outcomes(moot, [first, second]) == ["waiting", "waiting"]
    assert (await task_of(moot, first)).note == "Which colour?"
    await moot.tasks.answer(task=first, answer={"colour": "blue"})
    await moot.tasks.answer(task=second, answer={"size": 9})
    await worker.run(signals=False, until_empty=True)
    assert await moot.tasks.signal(signal="approved", payload={"by": "Ada"}) == 2
    await worker.run(signals=False, until_empty=True)
    assert (await task_of(moot, first)).result == {"colour": "blue", "by": "Ada"}
    assert (await task_of(moot, second)).result == {"size": 9, "by": "Ada"}
    assert not swallowed
    assert (await task_of(moot, first)).failures == 0


async def test_children_know_their_parent(moot: Moot) -> None:
    worker = worker_on(moot)

    @worker.task("parent")
    async def parent(task: ClaimedTask, context: TaskContext) -> dict[str, Any]:
        one = await context.step("one", lambda: context.enqueue(title="one", kind="child", priority="high"))
        more = await context.enqueue_many([NewTask(title="two", kind="child"), NewTask(title="three", kind="child")])
        return {"children": [one, *more]}

    @worker.task("parent in a thread")
    def threaded(task: ClaimedTask, context: BlockingContext) -> dict[str, Any]:
        one = context.enqueue(title="four", kind="child", details=TaskDetails(description="d"))
        return {"children": [one, *context.enqueue_many([NewTask(title="five", kind="child")])]}

    @worker.task("child")
    async def child(task: ClaimedTask) -> None:
        return None

    for id, count in zip(await added(moot, "parent", "parent in a thread"), (3, 2), strict=True):
        await worker.run(signals=False, until_empty=True)
        children = (await moot.tasks.list(filter={"parent": id})).items  # type: ignore[arg-type]
        assert len(children) == count
        assert {each.status for each in children} == {"completed"}
        result = (await task_of(moot, id)).result
        assert result is not None
        assert sorted(result["children"]) == sorted(str(each.id) for each in children)


async def test_a_cancelled_task_reaches_its_function(moot: Moot) -> None:
    """Asynchronous ones are cancelled, those in threads see it; both tasks end as cancelled."""
    worker = worker_on(moot, lease=1.0)
    begun = asyncio.Semaphore(0)
    loop = asyncio.get_running_loop()

    @worker.task("endless")
    async def endless(task: ClaimedTask) -> None:
        begun.release()
        await asyncio.Event().wait()

    @worker.task("endless in a thread")
    def threaded(task: ClaimedTask, context: BlockingContext) -> None:
        loop.call_soon_threadsafe(begun.release)
        while not context.cancelled:
            time.sleep(0.005)
        raise RuntimeError("stopped")

    ids = await added(moot, "endless", "endless in a thread")
    async with worker.running():
        for _ in ids:
            await begun.acquire()
        for id in ids:
            assert (await moot.tasks.cancel(task=id, reason="not wanted")).asked

        async def cancelled() -> bool:
            return await outcomes(moot, ids) == ["cancelled", "cancelled"]

        await eventually(cancelled)


async def test_a_function_whose_task_was_taken_away_is_stopped_and_its_result_refused(moot: Moot) -> None:
    worker = worker_on(moot, lease=1.0, concurrency=1)
    begun, stopped = asyncio.Event(), asyncio.Event()

    @worker.task("taken")
    async def taken(task: ClaimedTask) -> str:
        if task.attempt == 1:
            begun.set()
            try:
                await asyncio.Event().wait()
            finally:
                stopped.set()
        return "second"

    (id,) = await added(moot, "taken")
    async with worker.running():
        await begun.wait()
        await moot.tasks.revoke(task=id, reason="it is needed elsewhere")
        await asyncio.wait_for(stopped.wait(), 10)

        async def completed() -> bool:
            return (await task_of(moot, id)).status == "completed"

        await eventually(completed)
    assert worker.tally.dropped == 1
    attempts = (await moot.tasks.attempts(task=id)).items
    assert [each.outcome for each in attempts] == ["released", "completed"]


async def test_stopping_lets_functions_end_and_hands_the_rest_back(moot: Moot) -> None:
    """Nothing waits for a lease: what did not end within the grace time is handed out again at once."""
    worker = worker_on(moot, grace=0.5, lease=60.0)
    begun = asyncio.Semaphore(0)
    loop = asyncio.get_running_loop()
    late = threading.Event()

    @worker.task("quick")
    async def quick(task: ClaimedTask) -> str:
        begun.release()
        await asyncio.sleep(0.1)
        return "done"

    @worker.task("endless")
    async def endless(task: ClaimedTask) -> None:
        begun.release()
        await asyncio.Event().wait()

    @worker.task("deaf")
    def deaf(task: ClaimedTask) -> None:
        loop.call_soon_threadsafe(begun.release)
        late.wait(20)

    ids = await added(moot, "quick", "endless", "deaf")
    running = asyncio.create_task(worker.run(signals=False))
    for _ in ids:
        await begun.acquire()
    worker.stop()
    tally = await asyncio.wait_for(running, 5)
    assert not late.is_set()
    late.set()
    assert (tally.completed, tally.handed_back) == (1, 2)
    assert await outcomes(moot, ids) == ["completed", "pending", "pending"]
    assert [(await task_of(moot, id)).failures for id in ids] == [0, 0, 0]


async def test_a_worker_in_a_hurry_ends_at_once(moot: Moot) -> None:
    worker = worker_on(moot, grace=600)
    begun = asyncio.Event()

    @worker.task("endless")
    async def endless(task: ClaimedTask) -> None:
        begun.set()
        await asyncio.Event().wait()

    (id,) = await added(moot, "endless")
    running = asyncio.create_task(worker.run(signals=False))
    await begun.wait()
    worker.stop()
    worker.hurry()
    await asyncio.wait_for(running, 5)
    assert await outcomes(moot, [id]) == ["pending"]


async def test_a_worker_that_is_cancelled_hands_back_what_it_held(moot: Moot) -> None:
    worker = worker_on(moot, lease=60.0)
    begun = asyncio.Event()

    @worker.task("endless")
    async def endless(task: ClaimedTask) -> None:
        begun.set()
        await asyncio.Event().wait()

    (id,) = await added(moot, "endless")
    running = asyncio.create_task(worker.run(signals=False))
    await begun.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert await outcomes(moot, [id]) == ["pending"]


async def test_a_worker_takes_no_more_than_it_has_room_for(moot: Moot) -> None:
    worker = worker_on(moot, concurrency=4)
    at_once = most = 0

    @worker.task("busy")
    async def busy(task: ClaimedTask) -> None:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        await asyncio.sleep(0.01)
        at_once -= 1

    await moot.tasks.enqueue_many(tasks=[NewTask(title="b", kind="busy") for _ in range(40)])
    tally = await worker.run(signals=False, until_empty=True)
    assert tally.completed == 40
    assert most == 4


async def test_what_ended_is_reported_although_nothing_more_may_be_taken(moot: Moot) -> None:
    """The agent is suspended in the middle: the claim that travels with a report must not undo the report."""
    await moot.agents.register(name="Ann", agent_id="ann")
    worker = worker_on(moot, agent="ann", concurrency=1)
    done: list[str] = []

    @worker.task()
    async def anything(task: ClaimedTask) -> None:
        done.append(task.title)
        if len(done) == 3:
            await moot.agents.set_status(agent="ann", status="suspended", reason="a check")

    await moot.tasks.enqueue_many(tasks=[NewTask(title=str(number)) for number in range(6)])

    async def statuses() -> list[str]:
        return sorted(each.status for each in (await moot.tasks.list()).items)

    async with worker.running():

        async def reported() -> bool:
            return await statuses() == ["completed"] * 3 + ["pending"] * 3

        await eventually(reported)
    assert len(done) == 3


async def test_a_worker_without_the_right_ends_with_the_error(moot: Moot) -> None:
    secret = (await moot.keys.create(name="reader", scopes=["tasks:read"])).secret
    worker = worker_on(moot.with_key(secret))

    @worker.task()
    async def anything(task: ClaimedTask) -> None:
        return None

    with pytest.raises(Forbidden):
        await asyncio.wait_for(worker.run(signals=False), 10)


def test_what_cannot_be_a_worker_is_refused() -> None:
    for bad in ({"concurrency": 0}, {"concurrency": 10_001}, {"lease": 0.5}, {"lease": 86_401}, {"grace": -1}):
        with pytest.raises(ValueError, match="is "):
            Worker(**bad)
    worker = Worker()
    with pytest.raises(ValueError, match="timeout"):
        worker.task("a", timeout=0)
    for function in (lambda: None, lambda a, b, c: None, lambda a, *, b: None):
        with pytest.raises(TypeError, match="takes"):
            worker.task("a")(function)
    worker.task("a")(lambda task: None)
    with pytest.raises(ValueError, match="already"):
        worker.task("a")(lambda task: None)


async def test_a_worker_that_has_nothing_to_work_with_says_so(moot: Moot) -> None:
    with pytest.raises(ValueError, match="connection"):
        await Worker().run()
    with pytest.raises(ValueError, match="function"):
        await Worker(moot).run()
