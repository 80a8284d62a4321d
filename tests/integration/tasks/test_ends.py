"""How attempts end: who may say so, what follows, and what is refused."""

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from moothill.kernel.errors import Conflict, Invalid, NotFound
from moothill.kernel.signature import InvalidArguments
from moothill.moot import Moot
from moothill.work.tasks import Completion, Failure, NewTask, TaskDetails
from moothill.work.tasks.errors import AttemptStale, TaskExists, TaskStateConflict
from moothill.work.tasks.models import AttemptReference, RetryPolicy
from moothill.work.tasks.rules import backoff
from tests.integration.tasks.work import add, agent, by_time, finish, status, take

AT_ONCE = RetryPolicy(base=0)


async def test_a_result_is_kept_and_counted_for_the_agent(moot: Moot) -> None:
    """B5, B7: attempts, means and rate are exact, and none of them can overflow or divide by nothing."""
    await agent(moot, "ann")
    await add(moot, "one", "two", "three")
    one, two, three = await take(moot, agent="ann")
    await moot.tasks.complete(task=one.id, token=one.token, result={"pages": 4}, quality=Decimal("0.9"), files_used=2)
    await moot.tasks.complete(task=two.id, token=two.token, quality=Decimal("0.5"))
    await moot.tasks.fail(task=three.id, token=three.token, error="no", retryable=False)
    done = await moot.tasks.get(task=str(one.id))
    assert (done.status, done.result, done.quality, done.files_used) == ("completed", {"pages": 4}, Decimal("0.9"), 2)
    assert done.actual_ms is not None
    numbers = await moot.agents.get(agent="ann")
    assert (numbers.tasks_attempted, numbers.tasks_completed, numbers.tasks_failed) == (3, 2, 1)
    assert numbers.average_quality == Decimal("0.7")
    assert numbers.success_rate == Decimal("0.66667")


async def test_numbers_of_an_agent_are_exact_under_concurrency(moot: Moot) -> None:
    """Twenty who complete at once add up."""
    await agent(moot, "ann")
    await add(moot, *(f"{number}" for number in range(60)))
    parts = [await take(moot, limit=3, agent="ann") for _ in range(20)]
    await asyncio.gather(*(finish(moot, part) for part in parts))
    assert (await moot.agents.get(agent="ann")).tasks_completed == 60


async def test_an_attempt_that_lost_its_task_is_refused_whatever_it_says(moot: Moot) -> None:
    """The open flank of other queues: completion, failure, heartbeat, wait and release of an older attempt."""
    (task,) = await add(moot, "one", max_attempts=9)
    (old,) = await take(moot)
    await moot.tasks.revoke(task=str(task), reason="too slow")
    (new,) = await take(moot)
    assert (old.attempt, new.attempt) == (1, 2)
    said = f"Attempt 2 of task {task} holds it now"
    for late in (
        moot.tasks.complete(task=task, token=old.token, result={"late": True}),
        moot.tasks.fail(task=task, token=old.token, error="late"),
        moot.tasks.wait(task=task, token=old.token, prompt="late"),
        moot.tasks.begin(task=task, token=old.token),
    ):
        with pytest.raises(AttemptStale, match=said):
            await late
    reference = AttemptReference(task=task, token=old.token)
    (kept,) = await moot.tasks.heartbeat(attempts=[reference])
    (released,) = await moot.tasks.release(attempts=[reference])
    (completed,) = await moot.tasks.complete_many(attempts=[Completion(task=task, token=old.token)])
    (failed,) = await moot.tasks.fail_many(attempts=[Failure(task=task, token=old.token, error="late")])
    assert (kept.held, released.accepted, completed.accepted, failed.accepted) == (False,) * 4
    assert all(said in str(each.why) for each in (kept, released, completed, failed))
    await moot.tasks.complete(task=task, token=new.token, result={"late": False})
    assert (await moot.tasks.get(task=str(task))).result == {"late": False}
    with pytest.raises(AttemptStale, match="it is completed, after attempt 2"):
        await moot.tasks.complete(task=task, token=new.token)


async def test_of_many_that_end_at_once_one_is_accepted(moot: Moot) -> None:
    """The same attempt reported ten times at once ends once."""
    (task,) = await add(moot, "one")
    (mine,) = await take(moot)
    ends = [
        moot.tasks.complete_many(attempts=[Completion(task=task, token=mine.token, result={"n": number})])
        for number in range(10)
    ]
    accepted = [report.accepted for (report,) in await asyncio.gather(*ends)]
    assert sorted(accepted) == [False] * 9 + [True]
    assert len((await moot.tasks.attempts(task=str(task))).items) == 1


async def test_a_failure_is_tried_again_until_there_were_enough(moot: Moot) -> None:
    """Attempts are numbered without a gap; the last failure makes a dead letter, and redriving begins anew."""
    (task,) = await add(moot, "one", max_attempts=3, retry=AT_ONCE)
    for number in (1, 2, 3):
        (mine,) = await take(moot)
        assert (mine.attempt, mine.failures) == (number, number - 1)
        report = await moot.tasks.fail(task=task, token=mine.token, error=f"no {number}")
        assert report.status == ("failed" if number == 3 else "retry")
    dead = await moot.tasks.get(task=str(task))
    assert (dead.dead_letter, dead.error, dead.failures) == (True, "no 3", 3)
    attempts = (await moot.tasks.attempts(task=str(task))).items
    assert [(each.attempt, each.outcome, each.error) for each in attempts] == [
        (number, "failed", f"no {number}") for number in (1, 2, 3)
    ]
    assert await moot.tasks.redrive() == [task]
    (mine,) = await take(moot)
    assert (mine.attempt, mine.failures) == (4, 0)


async def test_what_cannot_succeed_is_not_tried_again(moot: Moot) -> None:
    """And what fails waits before it is."""
    first, second = await add(moot, "one", "two")
    one, two = await take(moot)
    assert (await moot.tasks.fail(task=first, token=one.token, error="never", retryable=False)).status == "failed"
    assert (await moot.tasks.fail(task=second, token=two.token, error="later")).status == "retry"
    waiting = await moot.tasks.get(task=str(second))
    assert waiting.due_at is not None
    assert 2 <= (waiting.due_at - datetime.now(UTC)).total_seconds() <= 5
    assert await take(moot) == []


async def test_what_is_handed_back_counts_as_no_failure(moot: Moot) -> None:
    """It is there for others at once, or after a while."""
    (task,) = await add(moot, "one", max_attempts=1)
    (mine,) = await take(moot)
    (report,) = await moot.tasks.release(attempts=[AttemptReference(task=task, token=mine.token)])
    assert report.status == "pending"
    (mine,) = await take(moot)
    (report,) = await moot.tasks.release(attempts=[AttemptReference(task=task, token=mine.token)], delay_seconds=60)
    assert report.status == "scheduled"
    assert (await moot.tasks.get(task=str(task))).failures == 0


async def test_a_task_waits_for_an_answer_without_a_holder(moot: Moot) -> None:
    """Who takes it then gets all the answers, and the attempt that asked is over."""
    (task,) = await add(moot, "one")
    for number in (1, 2):
        (mine,) = await take(moot)
        await moot.tasks.wait(task=task, token=mine.token, prompt="Which colour?")
        with pytest.raises(AttemptStale):
            await moot.tasks.complete(task=task, token=mine.token)
        assert await take(moot) == []
        await moot.tasks.answer(task=str(task), answer={"colour": number})
    with pytest.raises(TaskStateConflict, match="only a task that waits"):
        await moot.tasks.answer(task=str(task), answer={})
    (mine,) = await take(moot)
    assert (mine.attempt, mine.answers) == (3, [{"colour": 1}, {"colour": 2}])


async def test_a_signal_wakes_all_who_wait_for_it(moot: Moot) -> None:
    """And nobody else; a second one finds nobody."""
    await add(moot, "one", "two", "three")
    for place, mine in enumerate(await take(moot)):
        await moot.tasks.wait(task=mine.id, token=mine.token, prompt="go", signal="go" if place else "stop")
    assert await moot.tasks.signal(signal="go", payload={"by": "Ada"}) == 2
    assert await moot.tasks.signal(signal="go") == 0
    assert sorted((each.title, str(each.answers)) for each in await take(moot)) == [
        ("three", "[{'by': 'Ada'}]"),
        ("two", "[{'by': 'Ada'}]"),
    ]


async def test_a_holder_is_asked_to_stop_and_the_task_ends_with_its_word(moot: Moot) -> None:
    """The heartbeat tells; what fails then is cancelled and not tried again, what completes is completed."""
    first, second = await add(moot, "one", "two")
    one, two = await take(moot)
    report = await moot.tasks.cancel(task=str(first), reason="not wanted")
    await moot.tasks.cancel(task=str(second), reason="not wanted")
    assert (report.cancelled, report.asked) == ([], [first])
    (kept,) = await moot.tasks.heartbeat(attempts=[AttemptReference(task=first, token=one.token)])
    assert (kept.held, kept.cancel, kept.why) == (True, True, "not wanted")
    assert (await moot.tasks.fail(task=first, token=one.token, error="stopped")).status == "cancelled"
    assert (await moot.tasks.complete(task=second, token=two.token)).status == "completed"


async def test_a_cancellation_by_force_takes_the_task_away(moot: Moot) -> None:
    """What its holder says then is refused."""
    (task,) = await add(moot, "one")
    (mine,) = await take(moot)
    report = await moot.tasks.cancel(task=str(task), reason="at once", force=True)
    assert report.cancelled == [task]
    with pytest.raises(AttemptStale, match="it is cancelled"):
        await moot.tasks.complete(task=task, token=mine.token)


async def test_time_takes_tasks_from_those_who_are_silent_and_from_nobody_else(
    moot: Moot, admin: psycopg.AsyncConnection[Any]
) -> None:
    """By the heartbeat of the worker, by the lease of who has none, by the time limit, by the deadline."""
    silent, alive = uuid4(), uuid4()
    titles = ["silent", "alive", "leased", "limited", "late", "late and held"]
    ids = dict(zip(titles, await add(moot, *titles, max_attempts=2, retry=AT_ONCE), strict=True))
    held = {}
    for title, worker in (
        ("silent", silent),
        ("alive", alive),
        ("leased", None),
        ("limited", alive),
        ("late and held", alive),
    ):
        await moot.tasks.update(task=str(ids[title]), version=1, changes={"priority": "critical"})  # type: ignore[arg-type]
        (held[title],) = await take(moot, limit=1, worker=worker)
        assert held[title].title == title
    back = "update moothill.task_{} set {} = now() - interval '1 hour' where id = %s"
    await admin.execute(back.format("workers", "seen_at"), [silent])
    for title, column in (
        ("leased", "expires_at"),
        ("limited", "expires_at"),
        ("late", "deadline"),
        ("late and held", "deadline"),
    ):
        await admin.execute(back.format("queue", column), [ids[title]])
    assert await by_time(moot, "sweep") == "0 due, 2 lost, 2 out of time, 1 past their deadline"
    stands = {title: await status(moot, task) for title, task in ids.items()}
    assert stands == {
        "silent": "pending",
        "alive": "in_progress",
        "leased": "pending",
        "limited": "retry",
        "late": "failed",
        "late and held": "failed",
    }
    for title in ("silent", "leased", "limited", "late and held"):
        with pytest.raises(AttemptStale):
            await moot.tasks.complete(task=ids[title], token=held[title].token)
    await moot.tasks.complete(task=ids["alive"], token=held["alive"].token)


async def test_the_database_waits_as_long_as_the_rules_say(admin: psycopg.AsyncConnection[Any]) -> None:
    """The pause that SQL takes lies where the arithmetic puts it."""
    for failures in (1, 2, 7, 500):
        cursor = await admin.execute(
            "select extract(epoch from mt.task_backoff(%s, %s, gen_random_uuid()))",
            ['{"base": 3, "factor": 1.5, "most": 100}', failures],
        )
        row = await cursor.fetchone()
        assert row is not None
        most = backoff(failures, 1, base=3, factor=1.5, most=100)
        assert most / 2 - 1e-6 <= float(row[0]) <= most + 1e-6


@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [
        ({"title": " "}, InvalidArguments, "title"),
        ({"title": "x", "priority": "hgih"}, InvalidArguments, 'Did you mean "high"'),
        ({"title": "x", "details": {"deadline": "soon"}}, InvalidArguments, "deadline"),
        ({"title": "x", "details": {"max_attempts": 0}}, InvalidArguments, "max_attempts"),
        ({"title": "x", "depends_on": ["nobody"]}, NotFound, "There is no task 'nobody'"),
        ({"title": "x", "details": {"parent": "nobody"}}, NotFound, "There is no task 'nobody'"),
        ({"title": "x", "details": {"requirements": {"agent": "nobody"}}}, NotFound, "There is no agent 'nobody'"),
        ({"title": "x", "task_id": "taken"}, TaskExists, "exists already"),
    ],
)
async def test_what_is_not_sound_is_refused_and_adds_nothing(
    moot: Moot, arguments: dict[str, Any], error: type[Exception], said: str
) -> None:
    """C11, C12: the field, the rule and the way out; nothing was changed."""
    await moot.tasks.enqueue(title="first", task_id="taken")
    with pytest.raises(error) as caught:
        await moot.tasks.enqueue(**arguments)
    assert said in str(caught.value)
    assert len((await moot.tasks.list()).items) == 1


async def test_one_end_of_a_task_is_reported_in_a_call(moot: Moot) -> None:
    """Two ends of one attempt in one call contradict each other."""
    (task,) = await add(moot, "one")
    (mine,) = await take(moot)
    twice = [Completion(task=task, token=mine.token)] * 2
    with pytest.raises(Invalid, match="comes twice"):
        await moot.tasks.complete_many(attempts=twice)
    assert await status(moot, task) == "in_progress"


async def test_adding_is_part_of_the_callers_transaction(moot: Moot) -> None:
    """There when that commits, and never was when it does not."""
    with pytest.raises(RuntimeError):
        async with moot.transaction() as inside:
            await add(inside, "gone")
            raise RuntimeError
    async with moot.transaction() as inside:
        await inside.agents.register(name="Ann", agent_id="ann")
        await inside.tasks.enqueue(title="kept", details=TaskDetails(requirements={"agent": "ann"}))  # type: ignore[arg-type]
    assert [each.title for each in (await moot.tasks.list()).items] == ["kept"]


async def test_a_unique_key_gives_the_task_that_is_there(moot: Moot, admin: psycopg.AsyncConnection[Any]) -> None:
    """As long as it lives, or for its window; many at once make one."""

    async def once(**more: Any) -> Any:
        return (await moot.tasks.enqueue(title="x", details=TaskDetails(unique_key="k", **more))).id

    made = set(await asyncio.gather(*(once() for _ in range(10))))
    assert len(made) == 1
    await finish(moot, await take(moot))
    second = await once(unique_seconds=3600)
    assert second not in made
    await finish(moot, await take(moot))
    assert await once() == second
    await admin.execute("update moothill.task_keys set until = now() where key = 'k' and task_id = %s", [second])
    assert await once() not in {*made, second}
    report = await moot.tasks.enqueue_many(tasks=[NewTask(title="y", unique_key="m")] * 3)
    assert (report.created, report.known, len(set(report.ids))) == (1, 2, 1)


async def test_a_task_is_changed_by_its_version(moot: Moot) -> None:
    """Two who changed the same: the second is told."""
    (task,) = await add(moot, "one", tags=["a"])
    changed = await moot.tasks.update(
        task=str(task),
        version=1,
        changes={"title": "two", "priority": "high", "tags": ["b", "c"]},  # type: ignore[arg-type]
    )
    assert (changed.title, changed.priority, changed.tags, changed.version) == ("two", "high", ["b", "c"], 2)
    with pytest.raises(Conflict, match="is at version 2, not 1"):
        await moot.tasks.update(task=str(task), version=1, changes={"title": "three"})  # type: ignore[arg-type]
    assert [each.id for each in (await moot.tasks.list(filter={"tag": "B"})).items] == [task]  # type: ignore[arg-type]
    assert not (await moot.tasks.list(filter={"tag": "a"})).items  # type: ignore[arg-type]


async def test_a_removed_task_is_seen_no_more(moot: Moot) -> None:
    """Only one that has ended; its plan says so beforehand."""
    (task,) = await add(moot, "one")
    with pytest.raises(TaskStateConflict, match="cancel it first"):
        await moot.tasks.remove(task=str(task))
    await moot.tasks.cancel(task=str(task), reason="no")
    assert (await moot.tasks.remove.plan(task=str(task))).counts == {"tasks": 1}
    await moot.tasks.remove(task=str(task))
    assert not (await moot.tasks.list()).items
    with pytest.raises(NotFound):
        await moot.tasks.get(task=str(task))


async def test_old_ends_are_put_away_once(moot: Moot, admin: psycopg.AsyncConnection[Any]) -> None:
    """C19: some at once, never the same again, and no dead letter."""
    await add(moot, "one", "two", "three")
    one, two, three = await take(moot)
    await finish(moot, [one, two])
    await moot.tasks.fail(task=three.id, token=three.token, error="no", retryable=False)
    await admin.execute(
        "update moothill.task_outcomes set ended_at = now() - interval '91 days' where id = any(%s)",
        [[one.id, three.id]],
    )
    assert [await by_time(moot, "archive") for _ in range(2)] == ["1 archived", "0 archived"]
    assert [each.title for each in (await moot.tasks.list(filter={"status": "archived"})).items] == ["one"]  # type: ignore[arg-type]
    later = datetime.now(UTC) + timedelta(days=1)
    assert (await moot.tasks.get(task=str(one.id))).archived_at < later  # type: ignore[operator]
