"""Steps of tasks: recorded once, by who holds the task, and read by whoever holds it next."""

import asyncio
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from moothill import Conflict, Invalid, NotFound
from moothill.moot import Moot
from moothill.work.tasks import AttemptReference
from tests.integration.tasks.work import add, take


async def test_the_first_result_of_a_name_counts_however_many_say_it_at_once(moot: Moot) -> None:
    """A6: no read before the write; twenty at once leave one row, and all are told the same."""
    await add(moot, "a")
    (task,) = await take(moot)
    said = await asyncio.gather(
        *(
            moot.tasks.record_step(task=task.id, token=task.token, name="charge", result={"by": number})
            for number in range(20)
        )
    )
    assert len({each.result["by"] for each in said}) == 1
    assert sum(each.created for each in said) == 1
    assert len((await moot.tasks.steps(task=str(task.id))).items) == 1


async def test_an_attempt_that_does_not_hold_its_task_records_nothing(moot: Moot) -> None:
    await add(moot, "a")
    (first,) = await take(moot)
    await moot.tasks.record_step(task=first.id, token=first.token, name="one")
    await moot.tasks.release(attempts=[AttemptReference(task=first.id, token=first.token)])
    (second,) = await take(moot)
    with pytest.raises(Conflict, match="Attempt 2"):
        await moot.tasks.record_step(task=first.id, token=first.token, name="two")
    with pytest.raises(Conflict, match="no task"):
        await moot.tasks.record_step(task=uuid4(), token=first.token, name="two")
    known = await moot.tasks.record_step(task=second.id, token=second.token, name="one", result={"late": True})
    assert (known.created, known.result, known.attempt) == (False, {}, 1)
    await moot.tasks.complete(task=second.id, token=second.token)
    with pytest.raises(Conflict, match="completed"):
        await moot.tasks.record_step(task=second.id, token=second.token, name="three")
    assert [each.name for each in (await moot.tasks.steps(task=str(first.id))).items] == ["one"]


async def test_a_step_and_the_writes_that_belong_to_it_are_one_transaction(moot: Moot) -> None:
    await add(moot, "a")
    (task,) = await take(moot)
    with pytest.raises(RuntimeError):
        async with moot.transaction():
            await moot.tasks.record_step(task=task.id, token=task.token, name="one")
            raise RuntimeError
    assert not (await moot.tasks.steps(task=str(task.id))).items


async def test_steps_are_paged_and_bounded(moot: Moot, admin: psycopg.AsyncConnection[Any]) -> None:
    """A task has up to 1,000; the next one is refused, and what is known is still told."""
    await add(moot, "a")
    (task,) = await take(moot)
    tenant = (await moot.keys.current()).tenant
    await admin.execute(
        "insert into moothill.task_steps (tenant_id, task_id, name, attempt) "
        "select %s, %s, 'step ' || to_char(n, '0000'), 1 from generate_series(1, 999) n",
        [tenant, task.id],
    )
    last = await moot.tasks.record_step(task=task.id, token=task.token, name="the last", result={"n": 1000})
    assert last.created
    with pytest.raises(Conflict, match="1,000"):
        await moot.tasks.record_step(task=task.id, token=task.token, name="one more")
    assert not (await moot.tasks.record_step(task=task.id, token=task.token, name="the last")).created
    names, cursor = [], None
    while True:
        page = await moot.tasks.steps(task=str(task.id), limit=200, cursor=cursor)
        names += [each.name for each in page.items]
        cursor = page.next
        if cursor is None:
            break
    assert len(names) == len(set(names)) == 1000
    assert names == sorted(names)


async def test_what_is_no_step_is_refused(moot: Moot) -> None:
    await add(moot, "a")
    (task,) = await take(moot)
    for bad in ({"name": ""}, {"name": "x" * 101}, {"name": "a\nb"}, {"name": "a", "result": {"x": "y" * 70_000}}):
        with pytest.raises(Invalid):
            await moot.tasks.record_step(task=task.id, token=task.token, **bad)
    with pytest.raises(NotFound):
        await moot.tasks.steps(task="nothing")
