"""Tasks that wait for others: whole graphs, circles, and ends that meet."""

import asyncio
from typing import Any

import pytest

from moothill.moot import Moot
from moothill.work.tasks import NewTask
from moothill.work.tasks.errors import DependencyCycle, DependencyNotFound, TaskStateConflict
from moothill.work.tasks.models import Dependency
from tests.integration.tasks.work import add, finish, status, take


async def test_a_graph_runs_in_its_order_and_hands_results_down(moot: Moot) -> None:
    """Fan out, fan in; who waited gets what the others left."""
    tasks = [
        NewTask(title="plan", name="plan"),
        *(NewTask(title=f"build {n}", name=f"build {n}", depends_on=["plan"]) for n in range(3)),
        NewTask(title="ship", depends_on=[f"build {n}" for n in range(3)]),
    ]
    report = await moot.tasks.enqueue_many(tasks=tasks)
    assert (report.created, report.blocked) == (5, 4)
    (plan,) = await take(moot)
    await moot.tasks.complete(task=plan.id, token=plan.token, result={"rooms": 3})
    builds = await take(moot)
    assert [each.title for each in builds] == ["build 0", "build 1", "build 2"]
    assert builds[0].parents[0].result == {"rooms": 3}
    await finish(moot, builds[:2])
    assert await take(moot) == []
    await finish(moot, builds[2:])
    (ship,) = await take(moot)
    assert (ship.title, len(ship.parents)) == ("ship", 3)


async def test_a_chain_is_one_word(moot: Moot) -> None:
    """Each waits for the one before it."""
    await moot.tasks.enqueue_many(tasks=[NewTask(title=str(n)) for n in range(4)], chain=True)
    order = []
    while found := await take(moot):
        order += [each.title for each in found]
        await finish(moot, found)
    assert order == ["0", "1", "2", "3"]


async def test_a_failure_keeps_back_those_who_need_success_and_nobody_else(moot: Moot) -> None:
    """blocks waits for ever and says so, optional goes on, soft never waited."""
    (first,) = await add(moot, "first")
    ids = {}
    for type in ("blocks", "optional", "soft"):
        task = NewTask(title=type, dependencies=[Dependency(task=str(first), type=type)])
        (ids[type],) = (await moot.tasks.enqueue_many(tasks=[task])).ids
    found = {each.title: each for each in await take(moot)}
    assert set(found) == {"first", "soft"}
    await moot.tasks.fail(task=first, token=found["first"].token, error="no", retryable=False)
    assert [each.title for each in await take(moot)] == ["optional"]
    why = await moot.tasks.why(task=str(ids["blocks"]))
    assert "which is failed; `tasks.redrive` that one" in why.reasons[0].text
    await moot.tasks.redrive(tasks=[str(first)])
    await finish(moot, await take(moot))
    assert [each.title for each in await take(moot)] == ["blocks"]


async def test_what_ended_before_holds_nobody_up(moot: Moot) -> None:
    """A task may wait for one that is completed already, or cancelled."""
    done, gone = await add(moot, "done", "gone")
    await moot.tasks.cancel(task=str(gone), reason="no")
    await finish(moot, await take(moot))
    kinds: list[tuple[str, list[Any]]] = [
        ("after done", [Dependency(task=str(done))]),
        ("after any end", [Dependency(task=str(gone), type="optional")]),
        ("after gone", [Dependency(task=str(gone))]),
    ]
    await moot.tasks.enqueue_many(tasks=[NewTask(title=title, dependencies=waits) for title, waits in kinds])
    assert {each.title for each in await take(moot)} == {"after done", "after any end"}


@pytest.mark.parametrize("size", [2, 3, 50])
async def test_a_circle_in_one_call_is_named_and_adds_nothing(moot: Moot, size: int) -> None:
    """B26: none of them could ever begin."""
    tasks = [NewTask(title=f"t{n}", name=f"t{n}", depends_on=[f"t{(n + 1) % size}"]) for n in range(size)]
    with pytest.raises(DependencyCycle, match="'t0' waits for 't1'"):
        await moot.tasks.enqueue_many(tasks=[NewTask(title="free"), *tasks])
    assert not (await moot.tasks.list()).items


async def test_a_circle_over_several_calls_is_refused(moot: Moot) -> None:
    """B26: a task cannot wait for itself, nor for one that waits for it through others."""
    a, b, c = await add(moot, "a", "b", "c")
    await moot.tasks.depend(task=str(b), on=str(a))
    await moot.tasks.depend(task=str(c), on=str(b))
    for task, on in ((a, c), (a, b), (a, a)):
        with pytest.raises(DependencyCycle):
            await moot.tasks.depend(task=str(task), on=str(on))
    assert [await status(moot, each) for each in (a, b, c)] == ["pending", "blocked", "blocked"]


async def test_two_who_close_a_circle_together_do_not(moot: Moot) -> None:
    """Each adds one half at the same time: one of them is refused, always."""
    for _ in range(10):
        a, b = await add(moot, "a", "b")
        outcomes = await asyncio.gather(
            moot.tasks.depend(task=str(a), on=str(b)), moot.tasks.depend(task=str(b), on=str(a)), return_exceptions=True
        )
        assert sorted(isinstance(each, DependencyCycle) for each in outcomes) == [False, True]


async def test_a_parent_that_ends_while_a_task_is_added_keeps_nobody_waiting(moot: Moot) -> None:
    """Whichever comes first, the task that waits is let go: neither a lost wake-up nor one too many."""
    for _ in range(25):
        (parent,) = await add(moot, "parent")
        (mine,) = await take(moot)
        child = NewTask(title="child", depends_on=[str(parent)])
        (report, _) = await asyncio.gather(moot.tasks.enqueue_many(tasks=[child]), finish(moot, [mine]))
        assert await status(moot, report.ids[0]) == "pending"
        await finish(moot, await take(moot))


async def test_parents_that_end_at_once_free_their_child_once(moot: Moot) -> None:
    """Ten parents end at the same time, each in a call of its own."""
    for _ in range(5):
        parents = await add(moot, *(f"p{n}" for n in range(10)))
        await moot.tasks.enqueue_many(tasks=[NewTask(title="child", depends_on=[str(each) for each in parents])])
        await asyncio.gather(*(finish(moot, [each]) for each in await take(moot)))
        (child,) = await take(moot)
        assert child.title == "child"
        await finish(moot, [child])


async def test_only_who_is_held_by_nobody_can_be_made_to_wait(moot: Moot) -> None:
    """One that is worked on has begun already."""
    a, b = await add(moot, "a", "b")
    (mine,) = await take(moot, limit=1)
    assert mine.id == a
    with pytest.raises(TaskStateConflict):
        await moot.tasks.depend(task=str(a), on=str(b))
    with pytest.raises(DependencyNotFound):
        await moot.tasks.enqueue(title="x", depends_on=["nobody"])


async def test_a_cancellation_takes_those_along_who_waited(moot: Moot) -> None:
    """With cascade, all that could not begin any more."""
    report = await moot.tasks.enqueue_many(tasks=[NewTask(title=str(n)) for n in range(5)], chain=True)
    cancelled = await moot.tasks.cancel(task=str(report.ids[1]), reason="no", cascade=True)
    assert set(cancelled.cancelled) == set(report.ids[1:])
    assert [each.title for each in await take(moot)] == ["0"]


async def test_the_surroundings_of_a_task_are_shown(moot: Moot) -> None:
    """Both ways along dependencies, as far as asked."""
    report = await moot.tasks.enqueue_many(tasks=[NewTask(title=str(n)) for n in range(7)], chain=True)
    around = await moot.tasks.graph(task=str(report.ids[3]), steps=2)
    assert sorted(each.title for each in around.tasks) == ["1", "2", "3", "4", "5"]
    assert (len(around.edges), around.complete) == (4, True)
    assert not (await moot.tasks.graph(task=str(report.ids[3]), steps=5, limit=3)).complete
    below = await moot.tasks.dependents(task=str(report.ids[3]))
    assert [(each.title, each.met) for each in below.items] == [("4", False)]


async def test_a_graph_of_thousands_is_one_call(moot: Moot) -> None:
    """Five thousand tasks in layers of fifty, each waiting for two of the layer above."""
    tasks = [
        NewTask(
            title=f"{layer}.{n}",
            name=f"{layer}.{n}",
            depends_on=[f"{layer - 1}.{n}", f"{layer - 1}.{(n + 1) % 50}"] if layer else [],
        )
        for layer in range(100)
        for n in range(50)
    ]
    report = await moot.tasks.enqueue_many(tasks=tasks)
    assert (report.created, report.blocked) == (5_000, 4_950)
    for _ in range(2):
        found = await take(moot, limit=100)
        assert len(found) == 50
        await finish(moot, found)
