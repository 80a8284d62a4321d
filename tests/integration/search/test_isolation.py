"""Two tenants with the same words and vectors: neither finds, counts or disturbs the other's."""

from typing import Any

import psycopg
import pytest

from moothill.database.embedded import EmbeddedServer
from moothill.kernel.identifiers import uuid7
from moothill.registry.search import SearchEntry, SearchFilters
from tests.conftest import DATABASE

from .shelf import MODEL, Shelf, points

CALLS = {
    "search_find": "select * from search_find(%(tenant)s, 'bread', null, null, %(model)s, false, null, null, null, "
    "null, null, 10, 10, 1, 1, 60, 10, 10, null)",
    "search_text": "select * from search_text(%(tenant)s, array['bread'::tsquery], array[1.0], false, null, null, "
    "null, null, null, null, null, 10, 10)",
    "search_vector": "select * from search_vector(%(tenant)s, %(model)s, %(vector)s::halfvec, false, null, null, null, "
    "null, null, null, null, 10, 10)",
    "search_few": "select search_few(%(tenant)s, array['agent'], null, null, null, null, null, 10)",
    "search_lost": "select * from search_lost(%(tenant)s, null, null, null, null, null, 'bread')",
    "search_beginning": "select search_beginning(%(tenant)s, 'br', 50)",
    "search_held": "select search_held(%(tenant)s, array['bread'::tsquery], 10)",
    "search_reach": "select * from search_reach(%(tenant)s, array[gen_random_uuid()], array[1.0], false, null, null, "
    "null, null, null, null, null, 10, 2, null, 0.5)",
    "search_facets": "select * from search_facets(%(tenant)s, 'bread', false, null, null, null, null, null, null, 10)",
    "search_guess": "select search_guess(%(tenant)s, array['bred'], 40)",
    "search_sweep": "select * from search_sweep(%(tenant)s, '', 10)",
    "search_models": "select * from search_models(%(tenant)s)",
    "embedding_promote": "select * from embedding_promote(%(tenant)s, %(model)s, 16, 64, 10, 10)",
    "embedding_demote": "select embedding_demote(%(tenant)s, %(model)s, 10)",
    "embedding_retire": "select embedding_retire(%(tenant)s, %(model)s, 10, interval '0')",
    "embedding_catch_up": "select embedding_catch_up(%(tenant)s, %(model)s, 'embedding_m1_shared')",
}


def baker(number: int = 0, **more: Any) -> SearchEntry:
    identifier = uuid7()
    return SearchEntry(
        kind="agent", id=identifier, agent=identifier, key=f"baker-{number}", title="Baker", body="bakes bread", **more
    )


async def test_neither_tenant_finds_what_the_other_has(shelf: Shelf, other_shelf: Shelf) -> None:
    """A17, A22, A24: same key, same words, same vectors, both sides."""
    mine, theirs = baker(status="idle", tags=["t"]), baker(status="idle", tags=["t"])
    await shelf.put(mine)
    await other_shelf.put(theirs)
    for mode in ("text", "vector", "hybrid"):
        for filters in (None, SearchFilters(status=["idle"], tags=["t"]), SearchFilters(agent="baker-0")):
            found = await shelf.search.find(text="bread", mode=mode, filters=filters)
            assert [hit.id for hit in found.hits] == [mine.id]
            found = await other_shelf.search.find(text="bread", mode=mode, filters=filters)
            assert [hit.id for hit in found.hits] == [theirs.id]
    assert (await shelf.search.status()).items == 1
    async with shelf.writing() as search:
        await search.remove([theirs.id])
    assert len((await other_shelf.search.find(text="bread")).hits) == 1


async def test_a_small_tenant_beside_a_large_one_gets_every_row(shelf: Shelf, other_shelf: Shelf) -> None:
    """A18: with one shared index, row security left a small tenant 0 of 20 rows."""
    every = points(500, seed=20)
    ids = await shelf.put_points(every[:20])
    await other_shelf.put_points(every)
    await other_shelf.arrange(100)
    for query in every[:5]:
        found = await shelf.search.find(vector=query.tolist(), limit=20)
        assert {hit.id for hit in found.hits} == set(ids)
        assert len((await other_shelf.search.find(vector=query.tolist(), limit=20)).hits) == 20


@pytest.mark.parametrize("name", sorted(CALLS))
async def test_a_search_function_refuses_a_tenant_that_is_not_the_sessions(
    server: EmbeddedServer, shelf: Shelf, other_shelf: Shelf, name: str
) -> None:
    """A23: neither another tenant nor none at all; the argument routes, the session decides."""
    await other_shelf.put(baker())
    parameters = {"model": MODEL, "vector": "[" + ",".join(["0.0625"] * 256) + "]"}
    async with await psycopg.AsyncConnection.connect(server.dsn("app", DATABASE)) as connection:
        for session, asked in (
            (shelf.tenant, other_shelf.tenant),
            (shelf.tenant, None),
            (None, other_shelf.tenant),
            (None, None),
        ):
            if session is not None:
                await connection.execute("select mt.set_context(%s, %s, 'system', 5000)", [session, session])
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                await connection.execute(CALLS[name], {**parameters, "tenant": asked})
            await connection.rollback()


async def test_the_app_role_sees_only_its_tenants_rows_in_every_table_of_search(
    server: EmbeddedServer, shelf: Shelf, other_shelf: Shelf
) -> None:
    await shelf.put(baker(status="idle"))
    await other_shelf.put(baker(status="idle"))
    async with await psycopg.AsyncConnection.connect(server.dsn("app", DATABASE)) as connection:
        await connection.execute("select mt.set_context(%s, %s, 'system', 5000)", [shelf.tenant, shelf.tenant])
        for table in ("search_items", "search_item_facets", "embedding_placements", f"embedding_{MODEL}"):
            cursor = await connection.execute(f"select array_agg(distinct tenant_id) from moothill.{table}")
            assert await cursor.fetchone() == ([shelf.tenant],), table
            await connection.execute(
                f"select count(*) from moothill.{table} where tenant_id = %s", [other_shelf.tenant]
            )
        cursor = await connection.execute(
            "update moothill.search_items set title = 'x' where tenant_id = %s", [other_shelf.tenant]
        )
        assert cursor.rowcount == 0
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            await connection.execute(
                "select put_embedding(%s, %s, gen_random_uuid(), 'agent', %s::halfvec)",
                [other_shelf.tenant, MODEL, "[" + ",".join(["0.1"] * 256) + "]"],
            )


async def test_no_serving_role_makes_tables_itself(server: EmbeddedServer) -> None:
    """Run-time DDL: functions of the owner that moothill_jobs alone may call."""
    async with await psycopg.AsyncConnection.connect(server.dsn("app", DATABASE), autocommit=True) as connection:
        for call in (
            "select mt.make_embedding_model('evil', 8)",
            "select mt.make_embedding_partition('wordllama_256', gen_random_uuid())",
            "select mt.drop_embedding_partition('wordllama_256', 'embedding_m1_000000000000', true, true)",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                await connection.execute(call)


async def test_the_app_role_cannot_point_a_placement_at_another_tenants_partition(
    server: EmbeddedServer, shelf: Shelf
) -> None:
    """A mover detaches, fills and drops what a placement names; only movers write the name."""
    async with await psycopg.AsyncConnection.connect(server.dsn("app", DATABASE)) as connection:
        for attempt in (
            "insert into moothill.embedding_placements (tenant_id, model, state, place, partition) "
            "values (%(t)s, %(m)s, 'building', 'own', 'embedding_m1_000000000000')",
            "update moothill.embedding_placements set partition = 'embedding_m1_000000000000' where tenant_id = %(t)s",
        ):
            await connection.execute("select mt.set_context(%s, %s, 'system', 5000)", [shelf.tenant, shelf.tenant])
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                await connection.execute(attempt, {"t": shelf.tenant, "m": MODEL})
            await connection.rollback()


async def test_scores_do_not_move_with_another_tenants_data(shelf: Shelf, other_shelf: Shelf) -> None:
    """How rare a word is, is a matter of the tenant's own texts."""
    await shelf.put(baker(1), baker(2), SearchEntry(kind="record", id=uuid7(), title="iron"))
    before = (await shelf.search.find(text="bread and iron", mode="text")).hits
    await other_shelf.put(*[baker(number) for number in range(50)])
    after = (await shelf.search.find(text="bread and iron", mode="text")).hits
    assert before == after
