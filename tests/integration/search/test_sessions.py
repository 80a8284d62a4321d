"""Searches are written down off their way: every field, in batches, bounded, and never at a search's expense."""

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any
from uuid import uuid4

import psycopg
import pytest
import pytest_asyncio

from moothill.database.embedded import EmbeddedServer
from moothill.kernel.errors import Unavailable
from moothill.kernel.local import Runtime
from moothill.moot import Moot
from moothill.registry.search import SearchFilters, SearchStatus
from moothill.registry.search.models import SearchGraph, SearchQuery
from moothill.registry.search.sessions import recorder as recording
from moothill.registry.search.sessions.recorder import Recorder, recorder_of
from moothill.session import open_database
from tests.conftest import DATABASE, MootFactory
from tests.integration.worker.world import eventually

from .shelf import Shelf, points, shelf_of

Admin = psycopg.AsyncConnection[Any]


@pytest_asyncio.fixture
async def admin(server: EmbeddedServer) -> AsyncIterator[Admin]:
    """A connection that row security does not bind."""
    async with await psycopg.AsyncConnection.connect(server.dsn("admin", DATABASE), autocommit=True) as connection:
        yield connection


def recorder(shelf: Shelf) -> Recorder:
    return recorder_of(shelf.executor.runtime)


async def kept(admin: Admin, shelf: Shelf) -> int:
    cursor = await admin.execute("select count(*) from moothill.search_sessions where tenant_id = %s", [shelf.tenant])
    row = await cursor.fetchone()
    assert row is not None
    return int(row[0])


async def test_a_search_leaves_every_field(shelf: Shelf) -> None:
    """A17: what the described sessions hold, and what makes it useful."""
    await shelf.moot.agents.register(
        name="Ada", agent_id="ada", description="Reads contracts", capabilities=["Reading contracts"]
    )
    found = await shelf.search.find.options(request_id=(request := uuid4()))(
        text="Read   contracts",
        kinds=["capability"],
        filters=SearchFilters.model_validate({"minimum_confidence": "0.2"}),
        limit=7,
    )
    await recorder(shelf).flush()
    (kept_one,) = (await shelf.moot.search.sessions()).items
    assert kept_one.id == found.session
    assert kept_one.query_text == "Read   contracts"
    assert (kept_one.search_type, kept_one.max_results, kept_one.kinds) == ("hybrid", 7, ["capability"])
    assert str(kept_one.min_confidence) == "0.2"
    assert kept_one.hits == [hit.id for hit in found.hits]
    assert kept_one.result_count == len(found.hits) == 1
    assert kept_one.execution_ms == pytest.approx(found.timing.embedding_ms + found.timing.database_ms)
    assert kept_one.request == request
    assert kept_one.actor_kind == "operator"
    assert kept_one.metadata == {"door": "sdk", "filters": ["minimum_confidence"]}
    assert (kept_one.nodes_visited, kept_one.edges_traversed, kept_one.max_hops_reached) == (0, 0, 0)


async def test_the_phase_of_a_search_in_one_way_is_timed(shelf: Shelf) -> None:
    await shelf.search.find(text="nothing", mode="text")
    await shelf.search.find(vector=points(1, seed=1)[0].tolist())
    await recorder(shelf).flush()
    by_vector, by_words = (await shelf.moot.search.sessions()).items
    assert by_words.text_ms is not None
    assert (by_words.vector_ms, by_words.search_type) == (None, "text")
    assert by_vector.vector_ms is not None
    assert (by_vector.query_text, by_vector.search_type) == (None, "vector")


async def test_a_search_in_a_read_only_transaction_is_written_too(shelf: Shelf, admin: Admin) -> None:
    """A search is a read, and its transaction may not write; nor may one that is rolled back take it along."""

    class Undone(Exception):
        pass

    with pytest.raises(Undone):
        async with shelf.moot.transaction() as inside:
            await inside.search.find(text="rolled back")
            raise Undone
    await recorder(shelf).flush()
    assert await kept(admin, shelf) == 1


async def test_they_are_written_by_themselves(shelf: Shelf, admin: Admin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "_SECONDS", 0.01)
    await shelf.search.find(text="by itself")

    async def look() -> int | None:
        return await kept(admin, shelf) or None

    assert await eventually(look) == 1


async def test_many_go_in_one_batch_for_each_tenant(
    shelf: Shelf, other_shelf: Shelf, admin: Admin, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches: list[int] = []
    write = Recorder._write

    async def counted(self: Recorder, records: Any) -> None:
        batches.append(len(records))
        await write(self, records)

    monkeypatch.setattr(Recorder, "_write", counted)
    # However long the searches take, none is written before all are made.
    monkeypatch.setattr(recording, "_SECONDS", 600.0)
    fresh = Recorder(shelf.executor.runtime)
    shelf.executor.runtime.providers["searches"], before = fresh, recorder(shelf)
    try:
        for number in range(20):
            await (shelf if number % 2 else other_shelf).search.find(text=f"query {number}", mode="text")
        await fresh.close()
    finally:
        shelf.executor.runtime.providers["searches"] = before
    assert sorted(batches) == [10, 10]
    assert (await kept(admin, shelf), await kept(admin, other_shelf)) == (10, 10)


async def test_a_full_buffer_drops_the_oldest_and_counts_them(shelf: Shelf) -> None:
    full = Recorder(shelf.executor.runtime, most=3)
    shelf.executor.runtime.providers["searches"], before = full, recorder(shelf)
    try:
        for number in range(5):
            await shelf.search.find(text=f"query {number}", mode="text")
        await full.flush()
    finally:
        shelf.executor.runtime.providers["searches"] = before
    assert (full.dropped, full.written) == (2, 3)
    assert [each.query_text for each in (await shelf.moot.search.sessions()).items] == ["query 4", "query 3", "query 2"]


async def test_a_database_that_refuses_harms_no_search(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> Any:
        raise Unavailable("gone")

    lost = Recorder(Runtime(shelf.executor.runtime.database))
    shelf.executor.runtime.providers["searches"], before = lost, recorder(shelf)
    try:
        await shelf.search.find(text="lost", mode="text")
        with monkeypatch.context() as patched:
            patched.setattr(type(lost.runtime.database), "begin", refuse)
            await lost.flush()
        assert (lost.dropped, lost.written) == (1, 0)
        assert (await shelf.search.find(text="and on", mode="text")).session is not None
        await lost.flush()
    finally:
        shelf.executor.runtime.providers["searches"] = before
    assert lost.written == 1


async def test_what_a_cancelled_writer_held_is_counted_as_lost(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    held = Recorder(shelf.executor.runtime)
    shelf.executor.runtime.providers["searches"], before = held, recorder(shelf)
    writing = asyncio.Event()

    async def hang(*_: Any) -> None:
        writing.set()
        await asyncio.Event().wait()

    try:
        with monkeypatch.context() as patched:
            patched.setattr(Recorder, "_write", hang)
            await shelf.search.find(text="held", mode="text")
            flushing = asyncio.create_task(held.flush())
            await writing.wait()
            await shelf.search.find(text="waits", mode="text")
            flushing.cancel()
            await asyncio.wait([flushing])
        assert (held.dropped, held.written, held.waiting) == (1, 0, 1)
        await held.flush()
    finally:
        shelf.executor.runtime.providers["searches"] = before
    assert (held.dropped, held.written, held.waiting) == (1, 1, 0)


async def test_a_process_that_ends_counts_what_it_could_not_write(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    ending = Recorder(shelf.executor.runtime)
    shelf.executor.runtime.providers["searches"], before = ending, recorder(shelf)

    async def hang(*_: Any) -> None:
        await asyncio.Event().wait()

    try:
        monkeypatch.setattr(Recorder, "_write", hang)
        monkeypatch.setattr(recording, "_PATIENCE", 0.05)
        await shelf.search.find(text="one", mode="text")
        await shelf.search.find(text="two", mode="text")
        await ending.close()
    finally:
        shelf.executor.runtime.providers["searches"] = before
    assert (ending.dropped, ending.waiting) == (2, 0)


async def test_a_lost_tenant_takes_nothing_along(shelf: Shelf, other_shelf: Shelf, admin: Admin) -> None:
    """A tenant that is erased between a search and its writing gets nothing back; the others' rows go in."""
    await shelf.search.find(text="of the lost one", mode="text")
    await other_shelf.search.find(text="of the other", mode="text")
    await admin.execute("update moothill.tenants set status = 'erasing' where id = %s", [shelf.tenant])
    await recorder(shelf).flush()
    assert (await kept(admin, shelf), await kept(admin, other_shelf)) == (0, 1)


async def test_searches_of_an_erased_agent_go_and_do_not_come_back(shelf: Shelf, admin: Admin) -> None:
    moot = shelf.moot
    made = await moot.agents.register(name="Ada", agent_id="ada")
    as_ada = await shelf_of(moot.view_as("ada"))
    await as_ada.search.find(text="what only ada asks", mode="text")
    await recorder(shelf).flush()
    assert await kept(admin, shelf) == 1
    await as_ada.search.find(text="what ada asks last", mode="text")
    await admin.execute(
        "delete from moothill.search_sessions where tenant_id = %s and actor_id = %s", [shelf.tenant, made.id]
    )
    await admin.execute(
        "update moothill.agents set agent_id = 'erased-' || id, deactivated_at = now() "
        "where tenant_id = %s and id = %s",
        [shelf.tenant, made.id],
    )
    await recorder(shelf).flush()
    assert await kept(admin, shelf) == 0
    cursor = await admin.execute("select columns, action from moothill.agent_traces where relation = 'search_sessions'")
    assert await cursor.fetchone() == (["actor_id", "real_actor"], "delete")


async def test_what_waits_is_written_when_the_connection_closes(server: EmbeddedServer, settings: Any) -> None:
    moot = await open_database(server.dsn("app", DATABASE), settings, "default", create=True)
    found = await moot.search.find(text="just before the end", mode="text")
    await moot.close()
    again = await open_database(server.dsn("app", DATABASE), settings, "default", create=True)
    try:
        newest = (await again.search.sessions(text="JUST before  the end", limit=1)).items[0]
        assert newest.id == found.session
    finally:
        await again.close()


async def test_nothing_is_kept_where_the_settings_say_so(server: EmbeddedServer, settings: Any) -> None:
    off = settings.model_copy(update={"record_searches": False})
    moot = await open_database(server.dsn("app", DATABASE), off, "default", create=True)
    try:
        found = await moot.search.find(text="unheard", mode="text")
        assert found.session is None
        await recorder_of(moot.executor.runtime).flush()  # type: ignore[attr-defined]
        assert (await moot.search.sessions(text="unheard")).items == []
    finally:
        await moot.close()


async def test_lists_tell_slow_popular_and_unanswered_queries(shelf: Shelf, admin: Admin) -> None:
    await shelf.moot.agents.register(name="Otter", agent_id="otter", description="Swims")
    for query in ("otter", "OTTER ", "otter", "nothing like it", "swims"):
        await shelf.search.find(text=query, mode="text")
    await recorder(shelf).flush()
    await admin.execute(
        "update moothill.search_sessions set execution_ms = case when query_text = 'swims' then 900 else 10 end "
        "where tenant_id = %s",
        [shelf.tenant],
    )
    search = shelf.moot.search
    assert [(each.query_text, each.searches) for each in await search.popular(least=2)] == [("otter", 3)]
    assert [(each.query_text, each.avg_execution_ms) for each in await search.slow()] == [("swims", 900)]
    assert [(each.query_text, each.unanswered) for each in await search.unanswered()] == [("nothing like it", 1)]
    (by_type,) = await search.performance()
    assert (by_type.search_type, by_type.searches, by_type.without_results) == ("text", 5, 1)
    assert (by_type.p50_ms, by_type.p95_ms > 700, by_type.avg_execution_ms) == (10, True, 188)
    assert [each.query_text for each in (await search.sessions(minimum_ms=500)).items] == ["swims"]
    assert [each.query_text for each in (await search.sessions(unanswered=True)).items] == ["nothing like it"]
    first = await search.sessions(limit=3)
    rest = await search.sessions(limit=3, cursor=first.next)
    assert [len(first.items), len(rest.items), rest.next] == [3, 2, None]


async def test_an_agent_sees_its_own_searches_only(shelf: Shelf) -> None:
    await shelf.moot.agents.register(name="Ada", agent_id="ada")
    await shelf.search.find(text="of the operator", mode="text")
    as_ada = shelf.moot.view_as("ada")
    await as_ada.search.find(text="of ada", mode="text")
    await recorder(shelf).flush()
    assert [each.query_text for each in (await as_ada.search.sessions()).items] == ["of ada"]
    assert [each.query_text for each in await as_ada.search.popular(least=1)] == ["of ada"]
    assert len((await shelf.moot.search.sessions()).items) == 2


async def test_the_named_views_answer_for_the_readonly_role(shelf: Shelf, other_shelf: Shelf, admin: Admin) -> None:
    for _ in range(6):
        await shelf.search.find(text="often", mode="text")
    await other_shelf.search.find(text="theirs", mode="text")
    await recorder(shelf).flush()
    await admin.execute("update moothill.search_sessions set execution_ms = 300 where tenant_id = %s", [shelf.tenant])
    async with admin.transaction(force_rollback=True):
        await admin.execute("set local role moothill_readonly")
        await admin.execute("select mt.set_context(%s, gen_random_uuid(), 'operator', 30000)", [shelf.tenant])
        told = {}
        for view in ("slow_search_queries", "popular_search_queries", "search_performance_by_type"):
            cursor = await admin.execute(f"select tenant_id, searches, avg_execution_ms from moothill.{view}")
            told[view] = await cursor.fetchall()
    assert set(map(tuple, (rows[0] for rows in told.values()))) == {(shelf.tenant, 6, 300.0)}
    assert all(len(rows) == 1 for rows in told.values())


async def test_a_search_of_a_stranger_is_in_the_tenant_that_was_searched(
    moot_factory: MootFactory, admin: Admin
) -> None:
    mine, theirs = await shelf_of(await moot_factory()), await shelf_of(await moot_factory())
    await theirs.search.find(text="only theirs", mode="text")
    await recorder(theirs).flush()
    assert (await mine.moot.search.sessions()).items == []
    status: SearchStatus = await theirs.moot.search.status()
    assert status.items == 0


async def test_a_search_over_relationships_and_each_of_many_are_written_down(moot: Moot) -> None:
    for key in ("ada", "bela", "cleo"):
        await moot.agents.register(
            agent_id=key, name=key.title(), description="Speaks of otters." if key == "ada" else ""
        )
    for source, target in (("ada", "bela"), ("bela", "cleo")):
        await moot.relationships.put(
            source=source, target=target, type="COLLABORATES_WITH", confidence=Decimal("0.9"), directional=False
        )
    walked = await moot.search.find(
        text="otters", mode="text", kinds=["agent"], graph=SearchGraph(hops=3), through=False
    )
    many = await moot.search.find_many(queries=[SearchQuery(text="otters"), SearchQuery(text="beavers")])
    kept = {session.id: session for session in (await moot.search.sessions()).items}
    assert walked.session is not None
    assert (kept[walked.session].max_hops, kept[walked.session].max_hops_reached) == (3, 2)
    assert kept[walked.session].graph_ms is not None and kept[walked.session].text_ms is not None
    # From each end again: two at the second agent, one at the third.
    assert (kept[walked.session].nodes_visited, kept[walked.session].edges_traversed) == (3, 4)
    assert [kept[each.session].query_text for each in many.results if each.session] == ["otters", "beavers"]
