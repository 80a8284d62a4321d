"""Handing tasks out: in which order, to whom, how many, and to nobody twice."""

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from moothill.kernel.errors import Forbidden, NotFound
from moothill.moot import Moot
from moothill.work.tasks import NewTask, Requirements, TaskDetails
from moothill.work.tasks.claiming import AgentIsSuspended
from moothill.work.tasks.models import SkillNeed, TaskRecord
from tests.integration.tasks.work import add, agent, by_time, finish, status, take


async def test_the_most_urgent_come_first_and_of_those_the_oldest(moot: Moot) -> None:
    """B8: critical first, where the described view gave low first."""
    for priority in ("background", "low", "normal", "high", "critical"):
        await add(moot, f"{priority} 1", f"{priority} 2", priority=priority)
    titles = [each.title for each in await take(moot)]
    assert titles == [
        f"{priority} {number}" for priority in ("critical", "high", "normal", "low", "background") for number in (1, 2)
    ]


async def test_who_waits_long_is_not_starved(moot: Moot) -> None:
    """A low task of five hours ago comes before a high one of now; a critical one still comes before both."""
    past = datetime.now(UTC) - timedelta(hours=5)
    await add(moot, "high", priority="high")
    await moot.tasks.load(tasks=[TaskRecord(title="old and low", priority="low", created_at=past)])
    await add(moot, "critical", priority="critical")
    assert [each.title for each in await take(moot)] == ["critical", "old and low", "high"]


async def test_tasks_of_one_call_keep_their_order(moot: Moot) -> None:
    """First in, first out, to the last of a thousand."""
    await add(moot, *(f"{number:04}" for number in range(1_000)))
    titles = [each.title for _ in range(10) for each in await take(moot)]
    assert titles == sorted(titles)
    assert len(titles) == 1_000


async def test_no_two_claims_get_the_same_task(moot: Moot) -> None:
    """Many who claim at once share what there is, without waiting for each other and without a deadlock."""
    await add(moot, *(f"task {number}" for number in range(200)))
    start = asyncio.Event()

    async def one() -> list[str]:
        await start.wait()
        return [each.title for _ in range(5) for each in await take(moot, limit=5)]

    claimers = [asyncio.create_task(one()) for _ in range(20)]
    start.set()
    titles = [title for found in await asyncio.gather(*claimers) for title in found]
    assert len(titles) == 200
    assert len(set(titles)) == 200


async def test_what_a_task_requires_decides_who_gets_it(moot: Moot) -> None:
    """Skills at their least level, a capability, a type, one agent: each keeps others out."""
    await agent(moot, "ann", python=5, law=2)
    await agent(moot, "bob", python=8)
    await moot.capabilities.add(agent="bob", capabilities=[{"name": "Reviewing Code"}])  # type: ignore[list-item]
    needs = {
        "python 5": Requirements(skills=[SkillNeed(name="Python", minimum=5)]),
        "python 8": Requirements(skills=[SkillNeed(name="python", minimum=8)]),
        "both": Requirements(skills=[SkillNeed(name="python"), SkillNeed(name="law")]),
        "reviewing": Requirements(capability="reviewing  code"),
        "type": Requirements(agent_type="worker"),
        "for ann": Requirements(agent="ann"),
        "monitor": Requirements(agent_type="monitor"),
    }
    await moot.tasks.enqueue_many(tasks=[NewTask(title=title, requirements=need) for title, need in needs.items()])
    assert await take(moot) == []
    assert {each.title for each in await take(moot, agent="ann")} == {"python 5", "both", "type", "for ann"}
    assert {each.title for each in await take(moot, agent="bob")} == {"python 8", "reviewing"}


async def test_only_who_may_work_is_given_work(moot: Moot) -> None:
    """Somebody unknown, somebody suspended, and an agent that asks for another."""
    await agent(moot, "ann")
    await agent(moot, "bob")
    with pytest.raises(NotFound, match="There is no agent 'anne'"):
        await take(moot, agent="anne")
    own = await moot.keys.create(name="ann's", scopes=["tasks:work"], agent="ann")
    ann = moot.with_key(own.secret)
    with pytest.raises(Forbidden):
        await take(ann, agent="bob")
    await add(moot, "one")
    (mine,) = await take(ann)
    assert (await moot.tasks.get(task=str(mine.id))).agent == "ann"
    await moot.agents.set_status(agent="ann", status="suspended")
    with pytest.raises(AgentIsSuspended):
        await take(ann)


async def test_groups_share_by_weight(moot: Moot) -> None:
    """A group with a thousand tasks does not keep one with few waiting, and weights hold within one claim."""
    await moot.queues.configure(queue="default", group="b", weight=3)
    for group in ("a", "b"):
        await add(moot, *(f"{number}" for number in range(400)), group=group)
    got = Counter([(await moot.tasks.get(task=str(each.id))).group for each in await take(moot, limit=100)])
    assert 20 <= got["a"] <= 30
    assert got["a"] + got["b"] == 100


async def test_single_claims_share_by_weight_too(moot: Moot) -> None:
    """By lot, each claim for itself: in the long run three to one."""
    await moot.queues.configure(queue="default", group="b", weight=3)
    for group in ("a", "b"):
        await add(moot, *(group for _ in range(200)), group=group)
    got = Counter([each.title for _ in range(200) for each in await take(moot, limit=1)])
    # Of 200 lots with chance 1/4, fewer than 25 or more than 80 come once in many millions of runs.
    assert 25 <= got["a"] <= 80


async def test_no_more_of_a_group_are_held_than_it_allows(moot: Moot) -> None:
    """Places, not counts: many claims at once cannot take one too many, and each end frees one."""
    await moot.queues.configure(queue="default", group="g", max_running=3)
    await add(moot, *(f"{number}" for number in range(20)), group="g")
    taken = [each for found in await asyncio.gather(*(take(moot, limit=2) for _ in range(10))) for each in found]
    assert len(taken) == 3
    assert await take(moot) == []
    await finish(moot, taken[:1])
    await moot.tasks.fail(task=taken[1].id, token=taken[1].token, error="no", retry_seconds=3600)
    assert len(await take(moot)) == 2
    await moot.queues.configure(queue="default", group="g", max_running=5)
    assert len(await take(moot)) == 2
    await moot.queues.configure(queue="default", group="g")
    assert len(await take(moot)) == 13


async def test_a_limit_set_while_tasks_are_held_counts_them(moot: Moot) -> None:
    """Whoever holds one when the limit comes takes one of its places."""
    await add(moot, *(f"{number}" for number in range(6)), group="g")
    held = await take(moot, limit=2)
    await moot.queues.configure(queue="default", group="g", max_running=3)
    assert len(await take(moot)) == 1
    await finish(moot, held)
    assert len(await take(moot)) == 2


async def test_no_more_of_a_group_begin_than_its_rate_allows(moot: Moot) -> None:
    """A bucket of tokens: full at first, and filled with time."""
    await moot.queues.configure(queue="default", group="g", rate_limit=4, rate_seconds=3600)
    await add(moot, *(f"{number}" for number in range(10)), group="g")
    taken = [each for found in await asyncio.gather(*(take(moot, limit=3) for _ in range(4))) for each in found]
    assert len(taken) == 4
    assert await take(moot) == []
    why = await moot.tasks.why(task=str((await moot.tasks.list()).items[0].id))
    assert "rate" in [reason.what for reason in why.reasons]


async def test_a_paused_queue_hands_nothing_out(moot: Moot) -> None:
    """Until it is resumed; what is in other queues goes on."""
    await add(moot, "one")
    await add(moot, "two", queue="other")
    await moot.queues.pause(queue="default", reason="a move")
    assert [each.title for each in await take(moot)] == ["two"]
    await moot.queues.resume(queue="default")
    assert [each.title for each in await take(moot)] == ["one"]


async def test_what_is_due_later_is_handed_out_later(moot: Moot) -> None:
    """Scheduled until then; a claim finds what has become due by itself."""
    soon = datetime.now(UTC) + timedelta(hours=1)
    task = await moot.tasks.enqueue(title="later", details=TaskDetails(due_at=soon))
    assert task.status == "scheduled"
    assert await take(moot) == []
    past = datetime.now(UTC) - timedelta(seconds=1)
    await moot.tasks.update(task=str(task.id), version=1, changes={"due_at": past})  # type: ignore[arg-type]
    assert [each.title for each in await take(moot)] == ["later"]


async def test_a_task_may_be_handed_out_before_it_is_begun(moot: Moot) -> None:
    """Assigned first; who begins says so, once."""
    (task,) = await add(moot, "one")
    (mine,) = await take(moot, begin=False)
    assert await status(moot, task) == "assigned"
    assert await moot.tasks.begin(task=task, token=mine.token) == 1
    assert await status(moot, task) == "in_progress"


async def test_a_claim_in_a_transaction_that_is_undone_took_nothing(moot: Moot) -> None:
    """The task was never handed out, and its next attempt is the first."""
    await add(moot, "one")
    with pytest.raises(RuntimeError):
        async with moot.transaction() as inside:
            assert len(await take(inside)) == 1
            raise RuntimeError
    (again,) = await take(moot)
    assert again.attempt == 1


async def test_one_worker_row_keeps_all_that_it_holds(moot: Moot) -> None:
    """No lease of their own; the heartbeat says which of them are held."""
    worker = uuid4()
    await add(moot, "one", "two")
    mine = await take(moot, worker=worker, worker_name="w", lease_seconds=30)
    assert [each.expires_at for each in mine] == [None, None]
    kept = await moot.tasks.heartbeat(
        worker=worker,
        attempts=[{"task": each.id, "token": each.token} for each in mine],  # type: ignore[misc]
    )
    assert [each.held for each in kept] == [True, True]


async def test_a_lane_that_nobody_uses_is_passed_over_until_it_is_used(
    moot: Moot, admin: psycopg.AsyncConnection[Any]
) -> None:
    """Closed only when it holds nothing; what is added, redriven or assigned opens it again."""
    await agent(moot, "ann")
    (kept,) = await add(moot, "kept")
    (gone,) = await add(moot, "gone", queue="other")
    await moot.tasks.cancel(task=str(gone), reason="no")
    lanes = "where id in (select lane_id from moothill.tasks where id = any(%s))"
    old = f"update moothill.task_lanes set used_at = now() - interval '2 days' {lanes}"
    await admin.execute(old.encode(), [[kept, gone]])
    assert await by_time(moot, "archive") == "0 archived, 1 lanes closed"
    await moot.tasks.redrive(tasks=[str(gone)])
    assert {each.title for each in await take(moot)} == {"kept", "gone"}
    await admin.execute(f"update moothill.task_lanes set is_open = false {lanes}".encode(), [[gone]])
    await add(moot, "again", queue="other")
    assert [each.title for each in await take(moot)] == ["again"]
