"""Vector search under filters: whatever share of items passes, what is found is what is nearest (A18, A26)."""

from decimal import Decimal
from typing import Any

import numpy as np
import psycopg
import pytest
import pytest_asyncio

from moothill.database.embedded import EmbeddedServer
from moothill.kernel.identifiers import uuid7
from moothill.registry.search import SearchEntry, SearchFilters, SearchKind, Vectors, rules
from tests.conftest import DATABASE

from .shelf import MODEL, Shelf, points

COUNT, QUERIES = 2_000, 15
KINDS: list[SearchKind] = ["task", "capability"]


@pytest_asyncio.fixture
async def stocked(shelf: Shelf) -> tuple[Shelf, Any, list[Any], Any]:
    """A tenant with an index: tags on each tenth, hundredth and 500th item, kinds, and confidences from 0 to 1."""
    drawn = points(COUNT + QUERIES, seed=31)
    every, queries = drawn[:COUNT], drawn[COUNT:]
    entries = [
        SearchEntry(
            kind="task" if n % 10 == 3 else "capability",
            id=uuid7(),
            title=f"point {n}",
            confidence=Decimal(n % 1000) / 1000,
            tags=["all", *(f"every-{step}" for step in (10, 100, 500) if n % step == 0)],
        )
        for n in range(COUNT)
    ]
    async with shelf.writing() as search:
        await search.put(entries, Vectors(MODEL, list(every)))
    await shelf.arrange(500)
    assert await shelf.place() == "own"
    return shelf, every, [entry.id for entry in entries], queries


CELLS: dict[str, tuple[dict[str, Any], Any]] = {
    "tag of all": ({"filters": SearchFilters(tags=["all"])}, lambda n: True),
    "tag of 10 %": ({"filters": SearchFilters(tags=["every-10"])}, lambda n: n % 10 == 0),
    "tag of 1 %": ({"filters": SearchFilters(tags=["every-100"])}, lambda n: n % 100 == 0),
    "tag of 0.2 %": ({"filters": SearchFilters(tags=["every-500"])}, lambda n: n % 500 == 0),
    "both kinds": ({"kinds": KINDS}, lambda n: True),
    "kind of 10 %": ({"kinds": ["task"]}, lambda n: n % 10 == 3),
    "confidence of 10 %": (
        {"filters": SearchFilters.model_validate({"minimum_confidence": "0.9"})},
        lambda n: n % 1000 >= 900,
    ),
    "confidence of 0.1 %": (
        {"filters": SearchFilters.model_validate({"minimum_confidence": "0.999"})},
        lambda n: n % 1000 == 999,
    ),
    "tag and kind, none": (
        {"filters": SearchFilters(tags=["every-10"]), "kinds": ["task"]},
        lambda n: n % 10 == 0 and n % 10 == 3,
    ),
}


@pytest.mark.parametrize("few", [0, rules.FEW])
async def test_recall_holds_at_every_share(
    stocked: tuple[Shelf, Any, list[Any], Any], few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With `few` at 0 no filter is counted beforehand: then a look at some hundreds of items decides."""
    monkeypatch.setattr(rules, "FEW", few)
    shelf, every, ids, queries = stocked
    number = {identifier: n for n, identifier in enumerate(ids)}
    for name, (given, passes) in CELLS.items():
        passed = np.array([passes(n) for n in range(COUNT)])
        right = wanted = 0
        for query in queries:
            found = await shelf.search.find(vector=query.tolist(), limit=10, **given)
            likeness = np.where(passed, every @ query, -2)
            count = min(10, int(passed.sum()))
            assert len(found.hits) == count, name
            assert all(passed[number[hit.id]] for hit in found.hits), name
            if count:
                reach = np.partition(likeness, -count)[-count]
                right += sum(bool(likeness[number[hit.id]] >= reach - 1e-3) for hit in found.hits)
                wanted += count
        assert right >= 0.99 * wanted, name


async def test_many_items_that_pass_are_found_by_the_index_and_few_exactly(
    stocked: tuple[Shelf, Any, list[Any], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rules, "FEW", 0)
    shelf, every, _, _ = stocked
    query = every[7].tolist()
    assert not (await shelf.search.find(vector=query, filters=SearchFilters(tags=["all"]))).exact
    rare = SearchFilters.model_validate({"minimum_confidence": "0.999"})
    assert (await shelf.search.find(vector=query, filters=rare)).exact


async def test_an_index_is_built_in_memory_that_fits_its_partition(server: EmbeddedServer, shelf: Shelf) -> None:
    """A small build takes little; the limit is for those that are large."""
    await shelf.put_points(points(200, seed=33))
    connecting = psycopg.AsyncConnection.connect(server.dsn("admin", DATABASE), autocommit=True)
    async with await connecting as admin, admin.transaction(force_rollback=True):
        await admin.execute("set local role moothill_owner")
        cursor = await admin.execute("select mt.make_embedding_partition(%s, %s)", [MODEL, shelf.tenant])
        ((child,),) = await cursor.fetchall()
        cursor = await admin.execute("select mt.index_embedding_partition(%s, 16, 64)", [child])
        assert await cursor.fetchone() == (True,)
        cursor = await admin.execute("show maintenance_work_mem")
        assert await cursor.fetchone() == ("64MB",)
        cursor = await admin.execute("select mt.index_embedding_partition(%s, 16, 64)", [child])
        assert await cursor.fetchone() == (False,)
