"""The plans of the hot statements, at three sizes of tenant, as the role that runs them.

The functions execute exactly the texts that these builders give.
"""

import math
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import psycopg
import pytest
import pytest_asyncio
from psycopg import sql

from moothill.database.embedded import EmbeddedServer
from tests.conftest import cloned

SIZES = {UUID(int=1): 100, UUID(int=2): 3_000, UUID(int=3): 12_000}
OWN = (UUID(int=2), UUID(int=3))
TYPES = "uuid, text[], text[], text[], numeric, uuid, tsquery, tsquery"
BUILD = (
    "insert into moothill.tenants (id, slug, name) select %(t)s, 't' || right(%(t)s::text, 4), right(%(t)s::text, 4)",
    "insert into moothill.search_items (tenant_id, id, kind, agent_id, title, body, tsv, status, confidence, digest) "
    "select %(t)s, i.id, i.kind, i.id, i.title, '', "
    "to_tsvector('english', i.title) || array_to_tsvector(array[mt.tenant_lexeme(%(t)s)]), 'idle', 0.9, sha256('') "
    "from (select (lpad(to_hex(n), 32, '0'))::uuid as id, "
    "case n %% 10 when 0 then 'agent' else 'capability' end as kind, "
    "'common word' || (n %% 97) || ' name' || n as title "
    "from generate_series(1, %(n)s) as n) i",
    "insert into moothill.search_item_facets (tenant_id, item_id, facet, value) "
    "select tenant_id, id, 'tag', case when right(id::text, 3) = '001' then 'rare' else 'usual' end "
    "from moothill.search_items where tenant_id = %(t)s",
    "insert into moothill.embedding_wordllama_256 (tenant_id, item_id, kind, vector) "
    "select i.tenant_id, i.id, i.kind, (select array_agg(sin(('x' || right(i.id::text, 6))::bit(24)::int * d))::real[] "
    "from generate_series(1, 256) as d)::halfvec from moothill.search_items i where i.tenant_id = %(t)s",
    "insert into moothill.search_vocabulary (tenant_id, word, item_id, slips) "
    "select %(t)s, w.word, w.item_id, mt.word_slips(%(t)s, w.word) from ("
    "select t.lexeme as word, (array_agg(i.id))[1] as item_id from moothill.search_items i, unnest(i.tsv) t "
    "where i.tenant_id = %(t)s and length(t.lexeme) between 2 and 20 group by 1) w",
    "insert into moothill.embedding_placements (tenant_id, model, state) select %(t)s, 'wordllama_256', 'serving'",
)

Connection = psycopg.AsyncConnection[Any]


@pytest_asyncio.fixture(scope="module")
async def society(server: EmbeddedServer) -> AsyncIterator[str]:
    """A database of its own with tenants of three sizes, the larger two promoted, and fresh statistics."""
    async with cloned(server, "search_plans") as name:
        async with await psycopg.AsyncConnection.connect(server.dsn("admin", name), autocommit=True) as admin:
            await admin.execute("set search_path = moothill, public")
            for tenant, size in SIZES.items():
                for statement in BUILD:
                    await admin.execute(statement, {"t": tenant, "n": size})
            for tenant in OWN:
                await promote(admin, tenant)
            await admin.execute("vacuum analyze")
        yield name


async def promote(connection: Connection, tenant: UUID) -> None:
    done = False
    while not done:
        async with connection.transaction():
            await connection.execute("select mt.set_context(%s, %s, 'system', 0)", [tenant, tenant])
            cursor = await connection.execute(
                "select finished from embedding_promote(%s, 'wordllama_256', 16, 64, 20000, 50000)", [tenant]
            )
            (done,) = await cursor.fetchone() or (False,)


@pytest_asyncio.fixture
async def searcher(server: EmbeddedServer, society: str) -> AsyncIterator[Connection]:
    """A connection as the role that owns the search functions."""
    async with await psycopg.AsyncConnection.connect(server.dsn("admin", society), autocommit=True) as connection:
        await connection.execute("set search_path = pg_catalog, moothill, mt, public, pg_temp")
        await connection.execute("set hnsw.iterative_scan = 'relaxed_order'")
        await connection.execute("set role moothill_search")
        yield connection


async def build(connection: Connection, call: str) -> str:
    row = await (await connection.execute(f"select {call}")).fetchone()
    assert row
    return str(row[0])


async def plan(connection: Connection, statement: str, types: str, values: str) -> str:
    await connection.execute(f"prepare planned ({types}) as {statement}")
    rows = await (await connection.execute(f"explain (costs off) execute planned ({values})")).fetchall()
    return "\n".join(row[0] for row in rows)


def first(tenant: UUID, **given: str) -> str:
    names = ("kinds", "states", "tags", "lowest", "agent", "must", "without")
    return ", ".join([f"'{tenant}'", *(given.get(name, "null") for name in names)])


def point() -> str:
    return f"'[{','.join(str(math.sin(7 * d)) for d in range(1, 257))}]'"


@pytest.mark.parametrize("tenant", SIZES)
@pytest.mark.parametrize("lift", [False, True])
async def test_words_are_looked_up_in_the_index_of_lexemes(searcher: Connection, tenant: UUID, lift: bool) -> None:
    """Row security keeps GIN from being an index condition; the search role's policy does not. At every size."""
    statement = await build(searcher, f"search_text_statement({lift}, 'i.kind = any($2)', 2)")
    text = await plan(
        searcher,
        statement,
        f"{TYPES}, tsquery, tsquery[], float8[], int",
        first(tenant, kinds="array['agent', 'capability']")
        + f", '(word5 | name7)'::tsquery && ('''' || mt.tenant_lexeme('{tenant}') || '''')::tsquery"
        ", array['word5', 'name7']::tsquery[], array[1, 1], 10",
    )
    assert "Bitmap Index Scan on search_items_tsv_idx" in text, text
    assert "Seq Scan" not in text, text


@pytest.mark.parametrize("tenant", OWN)
@pytest.mark.parametrize(
    ("lift", "kinds", "scope"),
    [(False, False, ""), (True, True, ""), (False, True, "i.status = any($3)"), (True, True, "h.status = any($3)")],
)
async def test_a_large_tenant_is_searched_by_its_own_index(
    searcher: Connection, tenant: UUID, lift: bool, kinds: bool, scope: str
) -> None:
    statement = await build(
        searcher, f"search_vector_statement('embedding_wordllama_256', {lift}, {kinds}, '{scope}', false)"
    )
    text = await plan(
        searcher,
        statement,
        f"{TYPES}, halfvec, int",
        first(tenant, kinds="array['agent', 'capability']", states="array['idle']") + f", {point()}, 10",
    )
    assert "_hnsw" in text, text
    assert "embedding_m1_shared" not in text, text
    assert "Seq Scan" not in text, text


async def test_a_small_tenant_is_scanned_in_the_shared_partition_alone(searcher: Connection) -> None:
    tenant = UUID(int=1)
    statement = await build(searcher, "search_vector_statement('embedding_wordllama_256', false, false, '', true)")
    text = await plan(searcher, statement, f"{TYPES}, halfvec, int", first(tenant) + f", {point()}, 10")
    assert "embedding_m1_shared" in text, text
    assert "_hnsw" not in text, text
    assert text.count("embedding_m1") == text.count("embedding_m1_shared"), text


async def test_a_narrow_filter_starts_from_the_rows_that_pass(searcher: Connection) -> None:
    """One tag in a thousand: its rows are looked up by the tag, and only their vectors compared."""
    tenant = UUID(int=3)
    scope = await build(searcher, "search_scope(false, false, false, true, false, false, false, false, true)")
    quoted = scope.replace("'", "''")
    statement = await build(
        searcher, f"search_vector_statement('embedding_wordllama_256', false, false, '{quoted}', true)"
    )
    text = await plan(
        searcher, statement, f"{TYPES}, halfvec, int", first(tenant, tags="array['rare']") + f", {point()}, 10"
    )
    assert "search_item_facets_value_idx" in text, text
    assert "_hnsw" not in text, text


async def test_a_confidence_that_few_reach_starts_from_them(searcher: Connection) -> None:
    """With no other filter, all items of a huge tenant would be read through for it."""
    tenant = UUID(int=3)
    cursor = await searcher.execute("select search_few(%s, null, null, null, 0.95, null, null, 2000)", [tenant])
    assert await cursor.fetchone() == (True,)
    cursor = await searcher.execute("select search_few(%s, null, null, null, 0.5, null, null, 2000)", [tenant])
    assert await cursor.fetchone() == (False,)
    scope = await build(searcher, "search_scope(false, false, false, false, true, false, false, false, true)")
    statement = await build(
        searcher, f"search_vector_statement('embedding_wordllama_256', false, false, '{scope}', true)"
    )
    text = await plan(searcher, statement, f"{TYPES}, halfvec, int", first(tenant, lowest="0.95") + f", {point()}, 10")
    assert "search_items_confidence_idx" in text, text
    assert "_hnsw" not in text, text


@pytest.mark.parametrize("tenant", SIZES)
@pytest.mark.parametrize(
    ("role", "call"),
    [
        ("moothill_search", "search_guess(%(t)s, array['naem77', 'zzzzzz'], 40)"),
        ("moothill_search", "search_beginning(%(t)s, 'name', 50)"),
        ("moothill_search", "search_held(%(t)s, array['name7'::tsquery, 'nothing'::tsquery], 100)"),
        ("moothill_app", "search_note(%(t)s, gen_random_uuid(), 'common word5 name7 name8')"),
        ("moothill_jobs", "search_sweep(%(t)s, 'name5', 20)"),
    ],
)
async def test_the_vocabulary_is_never_read_through(
    server: EmbeddedServer, society: str, tenant: UUID, role: str, call: str
) -> None:
    """A plan for any values, made after five for the values at hand, walks through no tenant's words either."""
    async with await psycopg.AsyncConnection.connect(server.dsn("admin", society)) as connection:
        await connection.execute("set search_path = pg_catalog, moothill, mt, public, pg_temp")
        await connection.execute("select mt.set_context(%s, %s, 'system', 0)", [tenant, tenant])
        await connection.execute(sql.SQL("set local role {}").format(sql.Identifier(role)))
        for _ in range(8):
            await connection.execute(f"select {call}", {"t": tenant})
        await connection.execute("reset role")
        cursor = await connection.execute(
            "select sum(seq_tup_read + coalesce(idx_tup_fetch, 0)) from pg_stat_xact_user_tables "
            "where relname in ('search_vocabulary', 'search_items')"
        )
        (rows,) = await cursor.fetchone() or (None,)
        assert rows is not None
        assert rows / 8 < 300, rows
