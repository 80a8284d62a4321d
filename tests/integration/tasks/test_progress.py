"""How far work is: phases that never go back, fenced by the attempt's token."""

import asyncio
from decimal import Decimal
from typing import Any

import psycopg
import pytest

from moothill.kernel.errors import Invalid
from moothill.kernel.signature import InvalidArguments
from moothill.moot import Moot
from moothill.work.tasks import NewProgress
from moothill.work.tasks.errors import AttemptStale, ProgressWentBack
from tests.integration.tasks.work import add, finish, take


async def test_progress_is_told_by_phases_and_never_goes_back(moot: Moot) -> None:
    """C18: a percentage was neither bounded nor monotonic."""
    (task,) = await add(moot, "one")
    (mine,) = await take(moot)
    held: dict[str, Any] = {"task": task, "token": mine.token}
    given: tuple[Any, ...] = (Decimal(10), 33.33333, 33.33, 100)
    for percentage in given:
        await moot.tasks.progress(**held, phase="reading", percentage=percentage, message="Page 1")
    await moot.tasks.progress(**held, phase="writing", percentage=Decimal("0.5"), metadata={"words": 7})
    with pytest.raises(
        ProgressWentBack, match=r"'reading' of task .* is at 100 % already; it does not go back to 99.99 %"
    ):
        await moot.tasks.progress(**held, phase="reading", percentage=Decimal("99.99"))
    told = (await moot.tasks.progress_of(task=str(task))).items
    assert [(each.phase, str(each.percentage)) for each in told] == [
        ("writing", "0.50"),
        ("reading", "100.00"),
        ("reading", "33.33"),
        ("reading", "33.33"),
        ("reading", "10.00"),
    ]
    assert (told[0].metadata, told[1].message) == ({"words": 7}, "Page 1")
    found = {each.phase: (each.percentage, each.reports) for each in await moot.tasks.phases(task=str(task))}
    assert found == {"reading": (100, 4), "writing": (Decimal("0.5"), 1)}


@pytest.mark.parametrize("percentage", [140, -1, 100.001, "1e2", float("nan"), "33.333"])
async def test_a_percentage_outside_of_the_range_is_refused(moot: Moot, percentage: Any) -> None:
    """C18: 140 % and the like change nothing."""
    (task,) = await add(moot, "one")
    (mine,) = await take(moot)
    with pytest.raises(InvalidArguments, match="percentage"):
        await moot.tasks.progress(task=task, token=mine.token, phase="reading", percentage=percentage)
    assert (await moot.tasks.progress_of(task=str(task))).items == []


async def test_the_database_refuses_it_too(moot: Moot, admin: psycopg.AsyncConnection[Any]) -> None:
    """C18: whoever writes behind the application's back is held to the same range."""
    (task,) = await add(moot, "one")
    for percentage in (140, -1):
        with pytest.raises(psycopg.errors.CheckViolation):
            await admin.execute(
                "insert into moothill.task_progress (tenant_id, id, task_id, attempt, phase, percentage) "
                "select tenant_id, gen_random_uuid(), id, 1, 'p', %s from moothill.tasks where id = %s",
                [percentage, task],
            )


async def test_who_lost_the_task_reports_no_progress(moot: Moot) -> None:
    """And the next attempt begins its phases anew."""
    (task,) = await add(moot, "one")
    (old,) = await take(moot)
    await moot.tasks.progress(task=task, token=old.token, phase="reading", percentage=Decimal(80))
    await moot.tasks.revoke(task=str(task), reason="too slow")
    (new,) = await take(moot)
    with pytest.raises(AttemptStale, match=f"Attempt 2 of task {task} holds it now"):
        await moot.tasks.progress(task=task, token=old.token, phase="reading", percentage=Decimal(90))
    await moot.tasks.progress(task=task, token=new.token, phase="reading", percentage=Decimal(5))
    await finish(moot, [new])
    with pytest.raises(AttemptStale, match="it is completed, after attempt 2"):
        await moot.tasks.progress(task=task, token=new.token, phase="reading", percentage=Decimal(90))
    assert [(each.attempt, each.percentage) for each in await moot.tasks.phases(task=str(task))] == [
        (2, Decimal(5)),
        (1, Decimal(80)),
    ]


async def test_of_many_that_report_at_once_the_phase_only_rises(moot: Moot) -> None:
    """C18: under concurrency, what was accepted rises in the order in which it was accepted, and the highest stands."""
    (task,) = await add(moot, "one")
    (mine,) = await take(moot)
    given = [NewProgress(task=task, token=mine.token, phase="p", percentage=Decimal(n * 37 % 101)) for n in range(40)]
    reports = await asyncio.gather(*(moot.tasks.progress_many(reports=[each]) for each in given))
    accepted = [each.percentage for each, (report,) in zip(given, reports, strict=True) if report.accepted]
    told = (await moot.tasks.progress_of(task=str(task))).items
    assert sorted(accepted) == sorted(each.percentage for each in told)
    (phase,) = await moot.tasks.phases(task=str(task))
    assert (phase.percentage, phase.reports) == (max(each.percentage for each in given), len(accepted))


async def test_a_batch_of_reports_is_one_event_and_each_is_judged_by_itself(moot: Moot) -> None:
    """High-rate intake: 200 reports leave one entry in the log."""
    tasks = await add(moot, *(f"{number}" for number in range(200)))
    taken = await take(moot, limit=200)
    assert len(taken) == len(tasks)
    reports = [NewProgress(task=each.id, token=each.token, phase="p", percentage=Decimal(50)) for each in taken]
    assert all(each.accepted for each in await moot.tasks.progress_many(reports=reports))
    low = reports[0].model_copy(update={"percentage": Decimal(49)})
    stale = reports[1].model_copy(update={"token": taken[0].token})
    told = await moot.tasks.progress_many(reports=[low, stale, *reports[2:]])
    assert [each.accepted for each in told[:3]] == [False, False, True]
    assert "is at 50 % already" in str(told[0].why)
    assert "this token is of another one" in str(told[1].why)
    events = (await moot.events.list(kind="tasks.progressed")).items
    assert [each.payload["count"] for each in events] in ([200, 198], [198, 200])
    with pytest.raises(Invalid, match="comes twice"):
        await moot.tasks.progress_many(reports=[reports[0], reports[0]])


async def test_progress_of_a_task_comes_in_pages(moot: Moot) -> None:
    """Without gap or repetition, the last first."""
    (task,) = await add(moot, "one")
    (mine,) = await take(moot)
    for number in range(7):
        await moot.tasks.progress(task=task, token=mine.token, phase=f"p{number % 2}", percentage=Decimal(number))
    seen: list[Decimal] = []
    cursor = None
    while True:
        page = await moot.tasks.progress_of(task=str(task), limit=3, cursor=cursor)
        seen += [each.percentage for each in page.items]
        cursor = page.next
        if cursor is None:
            break
    assert seen == [6, 5, 4, 3, 2, 1, 0]
    assert len((await moot.tasks.progress_of(task=str(task), phase="p1")).items) == 3
