"""Tuning an index on the tenant's own data: measured against the exact answer, recommended, and set when told so."""

from typing import Any

import pytest

from moothill.kernel.errors import Forbidden, Invalid, NotFound
from moothill.registry.search import rules
from moothill.registry.search.quality import tuning
from moothill.registry.search.statements import sql

from .shelf import MODEL, Shelf, nearest, points


async def effort(shelf: Shelf) -> int:
    return next(model.effort for model in await shelf.search.models() if model.model == MODEL)


async def test_a_tenant_that_is_compared_exactly_is_told_so(shelf: Shelf) -> None:
    await shelf.put_points(points(60, seed=21))
    told = await shelf.search.tune(sample=10, apply=True)
    assert (told.place, told.effort, told.recommended, told.applied) == ("shared", None, None, False)
    (exact,) = told.settings
    assert (exact.effort, exact.recall) == (0, 1)
    assert "compares all of the 60 vectors" in told.notes[0]


async def test_recall_and_time_are_measured_at_each_effort_and_one_is_recommended(shelf: Shelf) -> None:
    await shelf.put_points(points(1_500, seed=22))
    await shelf.arrange(500)
    before = await effort(shelf)
    told = await shelf.search.tune(sample=30, efforts=[10, 40, 400])
    assert [each.effort for each in told.settings] == [0, 10, 40, 400]
    assert told.settings[0].recall == 1
    assert told.settings[-1].recall >= 0.99
    assert all(each.p95_ms >= each.p50_ms > 0 for each in told.settings)
    assert told.settings[1].recall <= told.settings[-1].recall
    assert told.queries == 30
    assert told.recommended in (10, 40, 400)
    assert not told.applied
    assert await effort(shelf) == before, "a dry run by default"


async def test_what_is_recommended_is_set_when_told_so_and_stays(shelf: Shelf) -> None:
    await shelf.put_points(points(800, seed=23))
    await shelf.arrange(300)
    told = await shelf.search.tune(sample=20, efforts=[17, 333], target=0.5, apply=True)
    assert (told.recommended, told.applied) == (17, True)
    assert await effort(shelf) == 17
    await shelf.arrange(300)
    assert await effort(shelf) == 17, "the worker leaves what was measured"
    kinds = [event.kind for event in (await shelf.moot.events.list()).items]
    assert "search.effort_tuned" in kinds
    async with shelf.writing():
        assert await sql.tuned(model=MODEL) == 800
        await sql.set_effort(model=MODEL, effort=60, vectors=None)
        assert await sql.tuned(model=MODEL) is None


async def test_an_effort_that_none_reaches_changes_nothing(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    await shelf.put_points(points(400, seed=24))
    await shelf.arrange(100)
    before = await effort(shelf)
    half = tuning._setting
    monkeypatch.setattr(
        tuning, "_setting", lambda number, probes, truth: half(number, probes, truth).model_copy(update={"recall": 0.4})
    )
    told = await shelf.search.tune(sample=5, efforts=[10], apply=True)
    assert (told.recommended, told.applied) == (None, False)
    assert "No effort that was measured" in told.notes[0]
    assert await effort(shelf) == before


async def test_vectors_that_move_while_they_are_measured_leave_what_holds_of_every_query(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker takes a tenant's index away between two queries."""
    await shelf.put_points(points(400, seed=25))
    await shelf.arrange(100)
    probe, asked = tuning.sql.probe, 0

    async def moved(**given: Any) -> Any:
        nonlocal asked
        asked += 1
        rows = await probe(**given)
        return rows if asked < 3 else rows[:1]

    monkeypatch.setattr(tuning.sql, "probe", moved)
    told = await shelf.search.tune(sample=5, efforts=[10], apply=True)
    assert ([each.effort for each in told.settings], told.applied) == ([0], False)


async def test_tuning_needs_its_scope_a_model_and_vectors(shelf: Shelf) -> None:
    reader = await shelf.moot.keys.create(name="reader", scopes=["search:read"])
    with pytest.raises(Forbidden):
        await shelf.moot.with_key(reader.secret).search.tune()
    with pytest.raises(NotFound):
        await shelf.moot.search.tune()
    with pytest.raises(Invalid, match="no embedding model"):
        await shelf.moot.search.tune(model="unheard_of_3")


async def test_the_worker_measures_hard_data_and_searches_them_harder(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A18: points that lie in every direction alike, of which a rule from their number alone would lose many."""
    monkeypatch.setattr(rules, "effort", lambda vectors: 11)
    drawn = points(2_030, seed=25, clusters=1)
    every, queries = drawn[:2_000], drawn[2_000:]
    ids = await shelf.put_points(every)
    await shelf.arrange(500)
    assert await effort(shelf) > 11
    right = 0
    for query in queries:
        found = await shelf.search.find(vector=query.tolist(), limit=10)
        assert not found.exact
        right += len({hit.id for hit in found.hits} & {ids[n] for n in nearest(every, query, 10)})
    assert right >= 0.95 * 300


def test_what_was_measured_holds_until_the_tenant_has_doubled() -> None:
    assert not rules.is_measured(50_000, None)
    assert rules.is_measured(50_000, 50_000)
    assert rules.is_measured(100_000, 50_000)
    assert not rules.is_measured(100_001, 50_000)
