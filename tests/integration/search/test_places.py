"""Where vectors lie: the shared partition, a tenant's own, and the way between them under concurrent writes."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import numpy as np
import psycopg
import pytest
import pytest_asyncio

from moothill.database.embedded import EmbeddedServer
from moothill.kernel.errors import Unavailable
from moothill.registry.search import SearchEntry, Vectors, filling, rules
from moothill.registry.search.statements import sql
from tests.conftest import DATABASE

from .shelf import DIMENSIONS, MODEL, Shelf, nearest, points, relations

Admin = psycopg.AsyncConnection[Any]


@pytest_asyncio.fixture
async def admin(server: EmbeddedServer) -> AsyncIterator[Admin]:
    """A connection that row security does not bind."""
    async with await psycopg.AsyncConnection.connect(server.dsn("admin", DATABASE), autocommit=True) as connection:
        yield connection


async def stored(admin: Admin, shelf: Shelf) -> dict[UUID, str]:
    """The partition in which each vector of a tenant lies, and the vector, as the database has them."""
    cursor = await admin.execute(
        f"select item_id, tableoid::regclass::text, vector::text from moothill.embedding_{MODEL} where tenant_id = %s",
        [shelf.tenant],
    )
    rows = await cursor.fetchall()
    assert len({row[0] for row in rows}) == len(rows), "a vector twice"
    assert len({row[1] for row in rows}) <= 1, "a tenant in two partitions"
    return {row[0]: row[2] for row in rows}


async def home(admin: Admin, shelf: Shelf) -> str:
    cursor = await admin.execute(
        f"select distinct tableoid::regclass::text from moothill.embedding_{MODEL} where tenant_id = %s", [shelf.tenant]
    )
    (row,) = await cursor.fetchall()
    return str(row[0]).rpartition(".")[2]


async def test_a_tenant_above_the_threshold_gets_an_index_of_its_own_and_goes_back(shelf: Shelf, admin: Admin) -> None:
    """A18: recall does not collapse, whichever partition answers."""
    every = points(600, seed=1)
    ids = await shelf.put_points(every)
    assert await home(admin, shelf) == "embedding_m1_shared"
    await shelf.arrange(500)
    assert await shelf.place() == "own"
    own = await home(admin, shelf)
    assert own != "embedding_m1_shared"
    for query in points(20, seed=2):
        found = await shelf.search.find(vector=query.tolist(), limit=10)
        assert not found.exact
        assert len({hit.id for hit in found.hits} & {ids[n] for n in nearest(every, query, 10)}) >= 9
    async with shelf.writing() as search:
        await search.remove(ids[200:])
    await shelf.arrange(500)
    assert await shelf.place() == "shared"
    assert set(await stored(admin, shelf)) == set(ids[:200])
    assert await relations(admin, f"^{own}$") == []
    found = await shelf.search.find(vector=every[7].tolist(), limit=1)
    assert found.exact
    assert found.hits[0].id == ids[7]
    kinds = [event.kind for event in (await shelf.moot.events.list()).items]
    assert kinds.count("search.place_changed") == 2


async def test_writes_on_the_way_arrive_too(shelf: Shelf, admin: Admin, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each kind of write between two steps of the copy: changed, removed, and new before and behind it."""
    monkeypatch.setattr(filling, "_COPIED", 50)
    every = points(200, seed=3)
    ids = sorted(await shelf.put_points(every))
    steps = 0
    fresh: list[UUID] = []
    while True:
        async with shelf.writing():
            (model,) = [m for m in await sql.models() if m.model == MODEL]
            more = await filling.arrange(model, threshold=100)
        if not more:
            break
        steps += 1
        changed, gone = ids[steps], ids[100 + steps]
        async with shelf.writing() as search:
            await search.put(
                [SearchEntry(kind="record", id=changed, title="changed")],
                Vectors(MODEL, [points(1, seed=100 + steps)[0]]),
            )
            await search.remove([gone])
        fresh += await shelf.put_points(points(1, seed=200 + steps))
    assert steps >= 5
    assert await shelf.place() == "own"
    held = await stored(admin, shelf)
    gone_ids = {ids[100 + step] for step in range(1, steps + 1)}
    assert set(held) == (set(ids) - gone_ids) | set(fresh)
    for step in range(1, steps + 1):
        found = await shelf.search.find(vector=points(1, seed=100 + step)[0].tolist(), limit=1)
        assert found.hits[0].id == ids[step]
    cursor = await admin.execute("select count(*) from moothill.embedding_moves where tenant_id = %s", [shelf.tenant])
    assert await cursor.fetchone() == (0,)


async def test_nothing_is_lost_while_many_write_and_the_tenant_moves(
    shelf: Shelf, admin: Admin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filling, "_COPIED", 60)
    truth: dict[UUID, np.ndarray[Any, Any]] = {}
    for identifier, point in zip(await shelf.put_points(first := points(300, seed=4)), first, strict=True):
        truth[identifier] = point
    moving = asyncio.Event()
    done = asyncio.Event()
    writes = 0

    async def write(number: int) -> None:
        nonlocal writes
        generator = np.random.default_rng(number)
        mine = sorted(truth)[number::4]
        await moving.wait()
        while not done.is_set() and len(mine) > 5:
            chosen = mine[int(generator.integers(len(mine)))]
            if generator.random() < 0.2:
                mine.remove(chosen)
                async with shelf.writing() as search:
                    await search.remove([chosen])
                del truth[chosen]
            else:
                point = points(1, seed=int(generator.integers(1 << 30)))[0]
                async with shelf.writing() as search:
                    await search.put([SearchEntry(kind="record", id=chosen, title="again")], Vectors(MODEL, [point]))
                truth[chosen] = point
            writes += 1

    async def move() -> None:
        moving.set()
        await shelf.arrange(100, patient=True)
        done.set()

    await asyncio.gather(move(), *(write(number) for number in range(4)))
    assert writes > 10
    assert await shelf.place() == "own"
    held = await stored(admin, shelf)
    assert set(held) == set(truth)
    for identifier, point in truth.items():
        kept = np.array([float(part) for part in held[identifier].strip("[]").split(",")])
        assert np.abs(kept - point).max() < 1e-3, identifier


async def test_a_writer_who_began_before_is_waited_for(shelf: Shelf, admin: Admin) -> None:
    await shelf.put_points(points(150, seed=5))
    async with shelf.writing() as search:
        late = SearchEntry(kind="record", id=UUID(int=1), title="late")
        await search.put([late], Vectors(MODEL, [points(1, seed=6)[0]]))
        moving = asyncio.create_task(shelf.arrange(100))
        await eventually_waits(admin)
        assert not moving.done()
    await moving
    assert UUID(int=1) in await stored(admin, shelf)
    assert await shelf.place() == "own"


async def test_a_move_that_waits_too_long_gives_way_and_changes_nothing(shelf: Shelf, admin: Admin) -> None:
    await shelf.put_points(points(150, seed=7))
    async with shelf.writing() as search:
        await search.put(
            [SearchEntry(kind="record", id=UUID(int=2), title="x")], Vectors(MODEL, [points(1, seed=8)[0]])
        )
        with pytest.raises(Unavailable):
            await shelf.arrange(100)
    assert await shelf.place() == "shared"
    await shelf.arrange(100)
    assert len(await stored(admin, shelf)) == 151


async def test_two_movers_at_once_do_the_work_once(shelf: Shelf, admin: Admin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filling, "_COPIED", 40)
    ids = await shelf.put_points(points(300, seed=9))
    await asyncio.gather(shelf.arrange(100, patient=True), shelf.arrange(100, patient=True))
    assert set(await stored(admin, shelf)) == set(ids)
    assert await shelf.place() == "own"


async def test_a_copy_that_broke_off_goes_on_where_it_was(
    shelf: Shelf, admin: Admin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filling, "_COPIED", 50)
    ids = await shelf.put_points(points(200, seed=10))
    with pytest.raises(AssertionError, match="never"):
        await shelf.arrange(100, steps=3)
    assert await shelf.place() == "copying"
    found = await shelf.search.find(vector=points(1, seed=10)[0].tolist(), limit=3)
    assert found.exact
    await shelf.arrange(100)
    assert set(await stored(admin, shelf)) == set(ids)


async def test_a_large_tenant_is_inserted_into_an_index_that_is_there(
    shelf: Shelf, admin: Admin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Short transactions: one that builds a large index would hold back the feed of events for minutes."""
    monkeypatch.setattr(filling, "_INSERTED", 80)
    every = points(300, seed=11)
    ids = await shelf.put_points(every)
    assert await shelf.arrange(100, bulk=100) >= 5
    found = await shelf.search.find(vector=every[3].tolist(), limit=1)
    assert not found.exact
    assert found.hits[0].id == ids[3]
    (model,) = [m for m in await shelf.search.models() if m.model == MODEL]
    assert model.index_bytes
    assert model.vectors == 300


async def test_an_index_that_has_grown_is_measured_anew(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    await shelf.put_points(points(150, seed=15))
    await shelf.arrange(100)

    async def effort() -> int:
        (model,) = [m for m in await shelf.search.models() if m.model == MODEL]
        return model.effort

    before = await effort()
    assert before >= rules.effort(150)
    monkeypatch.setattr(rules, "effort", lambda vectors: 333)
    await shelf.arrange(100)
    assert await effort() == before, "it was measured when it had as many"
    await shelf.put_points(points(160, seed=16))
    await shelf.arrange(100)
    assert await effort() == 333


async def test_every_partition_is_guarded_and_closed(shelf: Shelf, admin: Admin, server: EmbeddedServer) -> None:
    """Guard 6: nobody reaches a tenant's partition past its parent."""
    await shelf.put_points(points(150, seed=12))
    await shelf.arrange(100)
    own = await home(admin, shelf)
    cursor = await admin.execute(
        "select relrowsecurity, relforcerowsecurity, has_table_privilege('moothill_app', oid, 'select'), "
        "has_table_privilege('moothill_readonly', oid, 'select'), obj_description(oid) is not null "
        "from pg_class where relname = %s",
        [own],
    )
    assert await cursor.fetchone() == (True, True, False, False, True)
    cursor = await admin.execute(
        "select attstorage from pg_attribute where attrelid = %s::regclass and attname = 'vector'", [f"moothill.{own}"]
    )
    assert await cursor.fetchone() == ("p",)


async def test_a_filter_that_few_pass_is_answered_exactly_and_one_that_many_pass_by_the_index(shelf: Shelf) -> None:
    """The rows that pass are all looked at when they are few; the index goes on until enough pass otherwise."""
    every = points(400, seed=13)
    rare = await shelf.put_points(every[:5], status="rare", tags=["rare"])
    usual = await shelf.put_points(every[5:], status="usual")
    await shelf.arrange(100)
    query = every[200].tolist()
    from moothill.registry.search import SearchFilters

    for filters in (SearchFilters(status=["rare"]), SearchFilters(tags=["rare"])):
        found = await shelf.search.find(vector=query, filters=filters, limit=10)
        assert {hit.id for hit in found.hits} == set(rare)
        assert found.exact
    found = await shelf.search.find(vector=query, filters=SearchFilters(status=["usual"]), limit=10)
    wanted = [n for n in nearest(every, every[200], 15) if n >= 5][:10]
    assert len({hit.id for hit in found.hits} & {usual[n - 5] for n in wanted}) >= 9


async def test_an_index_that_runs_dry_under_a_filter_gives_way_to_an_exact_scan(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Never fewer hits than there are: confidence is not counted beforehand, so the index is tried first."""
    monkeypatch.setattr(rules, "FEW", 0)
    every = points(400, seed=14)
    sure = await shelf.put_points(every[:3], confidence=1)
    await shelf.put_points(every[3:], confidence=0)
    await shelf.arrange(100)
    from moothill.registry.search import SearchFilters

    found = await shelf.search.find(
        vector=every[300].tolist(), filters=SearchFilters.model_validate({"minimum_confidence": "0.5"}), limit=10
    )
    assert {hit.id for hit in found.hits} == set(sure)


async def eventually_waits(admin: Admin) -> None:
    """Until somebody waits for the lock that writers of vectors share."""
    async with asyncio.timeout(5):
        while True:
            cursor = await admin.execute(
                "select count(*) from pg_locks where locktype = 'advisory' and not granted and classid = 1701732708"
            )
            row = await cursor.fetchone()
            if row and row[0]:
                return
            await asyncio.sleep(0)


def test_dimensions_are_those_of_the_default_model() -> None:
    assert MODEL.endswith(str(DIMENSIONS))
