"""The plans of walking, at three sizes of society, as the role that runs it.

The statements stand in functions; they are taken from there, so that what is planned is what runs.
"""

import hashlib
import re
from collections.abc import AsyncIterator
from uuid import UUID

import psycopg
import pytest
import pytest_asyncio

from moothill.database.embedded import EmbeddedServer
from tests.conftest import cloned

# Relationships of each society.
SIZES = {UUID(int=1): 200, UUID(int=2): 5_000, UUID(int=3): 40_000}
BUILD = (
    "insert into moothill.tenants (id, slug, name) select %(t)s, 't' || right(%(t)s::text, 4), right(%(t)s::text, 4)",
    "insert into moothill.agents (tenant_id, id, agent_id, name, type) "
    "select %(t)s, md5('a' || n)::uuid, 'a' || n, 'A' || n, 'worker' from generate_series(1, %(n)s / 10) n",
    # Every tenth leads to one of two agents, which so have thousands.
    "insert into moothill.agent_relationships (tenant_id, id, source_id, target_id, type, directional, confidence, "
    "strength_base) select distinct on (a, b) %(t)s, md5('r' || n)::uuid, a, b, 'SIMILAR_TO', true, "
    "0.5 + (n %% 50) / 100.0, 0.5 from (select n, md5('a' || 1 + n %% (%(n)s / 10))::uuid as a, "
    "md5('a' || case when n %% 10 = 0 then 1 + n %% 2 else 1 + n * 7919 %% (%(n)s / 10) end)::uuid as b "
    "from generate_series(1, %(n)s) n) e where a <> b",
)
# Function, its parameters with their types, where its statement ends, and values for them.
STEP = (
    "graph_step",
    {
        "tenant": "uuid",
        "here": "uuid[]",
        "weights": "float8[]",
        "known": "uuid[]",
        "types": "text[]",
        "lowest": "numeric",
        "outward": "boolean",
        "inward": "boolean",
        "by_strength": "boolean",
        "fan": "integer",
        "room": "integer",
        # What it found out before.
        "bar": "float8",
        "scouted": "bigint",
    },
    "  into others",
)
BETWEEN = (
    "graph_between",
    {"tenant": "uuid", "wanted": "uuid[]", "types": "text[]", "lowest": "numeric", "most": "integer"},
    ";",
)


@pytest_asyncio.fixture(scope="module")
async def society(server: EmbeddedServer) -> AsyncIterator[str]:
    """A database of its own with societies of three sizes and fresh statistics."""
    async with cloned(server, "graph_plans") as name:
        async with await psycopg.AsyncConnection.connect(server.dsn("admin", name), autocommit=True) as admin:
            for tenant, size in SIZES.items():
                for statement in BUILD:
                    await admin.execute(statement.encode(), {"t": tenant, "n": size})
            await admin.execute("vacuum analyze")
        yield name


async def plan(
    server: EmbeddedServer, database: str, function: tuple[str, dict[str, str], str], mode: str, values: str
) -> str:
    """The plan of a function's statement: its own text, with its parameters as those of a prepared statement."""
    name, parameters, ending = function
    async with await psycopg.AsyncConnection.connect(server.dsn("admin", database), autocommit=True) as connection:
        await connection.execute("set search_path = pg_catalog, moothill, mt, public, pg_temp")
        cursor = await connection.execute("select prosrc from pg_proc where proname = %s", [name])
        ((source,),) = await cursor.fetchall()
        *_, begin = re.finditer(r"(with found as|select e\.\* from)", source)
        statement = source[begin.start() : source.index(ending, begin.start())]
        if name == "graph_step":
            statement += "  from kept k"
        for number, parameter in enumerate(parameters, start=1):
            statement = re.sub(rf"(?<![.\w]){parameter}\b(?!\s+as\b)", f"${number}", statement)
        await connection.execute(f"set plan_cache_mode = {mode}".encode())
        await connection.execute("set role moothill_search")
        await connection.execute(f"prepare planned ({', '.join(parameters.values())}) as {statement}".encode())
        rows = await (await connection.execute(f"explain (costs off) execute planned ({values})".encode())).fetchall()
    return "\n".join(row[0] for row in rows)


def agents(count: int) -> str:
    """So many ids as an array."""
    ids = [hashlib.md5(f"a{number}".encode()).hexdigest() for number in range(1, count + 1)]  # noqa: S324  # no secret
    return f"'{{{','.join(ids)}}}'"


@pytest.mark.parametrize("mode", ["force_custom_plan", "force_generic_plan"])
@pytest.mark.parametrize("tenant", SIZES, ids=SIZES.get)
@pytest.mark.parametrize("frontier", [1, 20, 300])
@pytest.mark.parametrize("types", ["null", "'{SIMILAR_TO}'"])
async def test_edges_come_from_the_indexes_of_their_ends_alone(
    server: EmbeddedServer, society: str, mode: str, tenant: UUID, frontier: int, types: str
) -> None:
    """With values and without: each agent's edges by one look at each index, the table is not touched."""
    values = (
        f"'{tenant}', {agents(frontier)}, '{{{','.join('1' * frontier)}}}', "
        f"{agents(frontier)}, {types}, 0.5, true, true, false, 50, 500, 0.5, 0"
    )
    found = await plan(server, society, STEP, mode, values)
    for index in ("agent_relationships_source_idx", "agent_relationships_target_idx"):
        assert f"Index Only Scan using {index}" in found, found
    for bad in ("Seq Scan", "Bitmap", "Hash Join", "Merge Join"):
        assert bad not in found, found


@pytest.mark.parametrize("mode", ["force_custom_plan", "force_generic_plan"])
@pytest.mark.parametrize("tenant", SIZES, ids=SIZES.get)
async def test_what_lies_among_agents_comes_from_the_index_of_sources(
    server: EmbeddedServer, society: str, mode: str, tenant: UUID
) -> None:
    found = await plan(server, society, BETWEEN, mode, f"'{tenant}', {agents(300)}, null, 0.5, 1000")
    assert "Index Only Scan using agent_relationships_source_idx" in found, found
    assert "Seq Scan" not in found, found


async def test_an_agent_with_thousands_costs_no_more_than_its_share(server: EmbeddedServer, society: str) -> None:
    """The bound is in the plan: of an agent no more rows are read from an index than may be kept."""
    tenant = UUID(int=3)
    async with await psycopg.AsyncConnection.connect(server.dsn("admin", society)) as connection:
        await connection.execute("select mt.set_context(%s, %s, 'system', 30000)", [tenant, tenant])
        cursor = await connection.execute(
            "select seen, fanned_at from moothill.graph_traverse(%s, md5('a1')::uuid, 1, null, 0.5, true, true, 7, 99)",
            [tenant],
        )
        assert await cursor.fetchone() == (7, 1)
