"""Hints: which tenants have work, kept small without ever hiding one that has."""

from typing import Any
from uuid import uuid4

import psycopg
import pytest

from moothill.moot import Moot
from moothill.work.tasks import Failure
from moothill.worker.acting import acting, system
from tests.integration.tasks.work import add, by_time, finish, take

Admin = psycopg.AsyncConnection[Any]


@pytest.fixture
def queue() -> str:
    return f"q{uuid4().hex[:8]}"


async def forget(platform: Moot) -> None:
    runtime = platform.executor.runtime  # type: ignore[attr-defined]
    async with acting(runtime, system(), "tasks.forget_hints"):
        await platform.tasks.forget_hints()


async def aged(admin: Admin, queue: str, span: str) -> None:
    await admin.execute(f"update moothill.task_hints set since = now() - interval '{span}' where queue = %s", [queue])


async def hinted(admin: Admin, queue: str) -> bool:
    return bool(await (await admin.execute("select 1 from moothill.task_hints where queue = %s", [queue])).fetchone())


async def test_a_hint_goes_an_hour_after_the_last_task(platform: Moot, moot: Moot, admin: Admin, queue: str) -> None:
    await add(moot, "a", queue=queue)
    assert [each.queues for each in await platform.tasks.tenants(queues=[queue])] == [[queue]]
    await aged(admin, queue, "2 hours")
    await forget(platform)
    assert await hinted(admin, queue), "its task lives"
    await finish(moot, await take(moot))
    assert await platform.tasks.tenants(queues=[queue]) == []
    await aged(admin, queue, "59 minutes")
    await forget(platform)
    assert await hinted(admin, queue), "somebody may rely on it still"
    await aged(admin, queue, "61 minutes")
    await forget(platform)
    assert not await hinted(admin, queue)


async def test_whoever_adds_a_task_touches_an_old_hint(moot: Moot, admin: Admin, queue: str) -> None:
    """The one who takes hints away would not see a task that is being added."""
    await add(moot, "a", queue=queue)
    await aged(admin, queue, "11 minutes")
    await add(moot, "b", queue=queue)
    fresh = await admin.execute(
        "select 1 from moothill.task_hints where queue = %s and since > now() - interval '1 minute'", [queue]
    )
    assert await fresh.fetchone()


async def test_a_hint_that_got_lost_is_given_again(platform: Moot, moot: Moot, admin: Admin, queue: str) -> None:
    await add(moot, "a", queue=queue)
    await admin.execute("delete from moothill.task_hints where queue = %s", [queue])
    assert await platform.tasks.tenants(queues=[queue]) == []
    assert await by_time(moot, "tidy") == "0 workers forgotten, work to do"
    assert len(await platform.tasks.tenants(queues=[queue])) == 1


async def test_what_is_redriven_is_hinted_at(platform: Moot, moot: Moot, admin: Admin, queue: str) -> None:
    await add(moot, "a", queue=queue)
    (task,) = await take(moot)
    await moot.tasks.fail_many(attempts=[Failure(task=task.id, token=task.token, error="no", retryable=False)])
    await admin.execute("delete from moothill.task_hints where queue = %s", [queue])
    await moot.tasks.redrive(tasks=[str(task.id)])
    assert len(await platform.tasks.tenants(queues=[queue])) == 1


async def test_what_is_due_counts_as_work_and_what_is_not_does_not(platform: Moot, moot: Moot, queue: str) -> None:
    await add(moot, "later", queue=queue, due_at="2999-01-01T00:00:00Z")
    assert await platform.tasks.tenants(queues=[queue]) == []
    (id,) = [each.id for each in (await moot.tasks.list()).items]
    await add(moot, "failed", queue=queue)
    (task,) = await take(moot)
    await moot.tasks.fail(task=task.id, token=task.token, error="again", retry_seconds=0)
    assert len(await platform.tasks.tenants(queues=[queue])) == 1
    assert id != task.id


async def test_workers_that_are_gone_for_a_day_are_forgotten(moot: Moot, admin: Admin) -> None:
    gone, holds, here = uuid4(), uuid4(), uuid4()
    await add(moot, "a")
    await moot.tasks.claim(worker=holds)
    for worker in (gone, here):
        await moot.tasks.heartbeat(attempts=[], worker=worker)
    await admin.execute(
        "update moothill.task_workers set seen_at = now() - interval '25 hours' where id = any(%s)", [[gone, holds]]
    )
    assert (await by_time(moot, "tidy")).startswith("1 workers forgotten")
    rows = await admin.execute("select id from moothill.task_workers where id = any(%s)", [[gone, holds, here]])
    assert {row[0] for row in await rows.fetchall()} == {holds, here}
