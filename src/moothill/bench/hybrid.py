"""`moothill bench hybrid`: search by words and vector, and over relationships, with precision on a judged set.

Agents and capabilities are made from the demo's texts (`crowd`), loaded through the public operations, embedded by the
model that the settings name, and asked the demo's judged queries. Every call is a whole `search.find` at the SDK, the
query's vector included. What relationships lead to is not judged by its text, so only what matches has a target of
precision.

Beside it, in turn: pgvector alone with the query's vector ready, and the documents' own `hybrid_search` as written, on
a materialized view with one HNSW index: the nearest twice as many as wanted, afterwards filtered, united with every
path of two relationships from them; it takes the query's words and does not look at them.
"""

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any
from uuid import UUID

import numpy as np
import psycopg
from pgvector.psycopg import register_vector_async
from psycopg import sql as sql_text

from ..demo import load as load_demo
from ..embeddings import embed
from ..kernel.identifiers import uuid7
from ..kernel.local import LocalExecutor
from ..moot import Moot
from ..registry.relationships.models import TYPES
from ..registry.search import SearchGraph
from ..registry.search.index import half
from ..registry.search.providers import providers_of
from ..registry.search.quality import rules
from .crowd import Crowd, crowd
from .report import Row, percentile
from .shelves import arrange, new_tenant, vacuum
from .telling import counted, tell

__all__ = ["run"]

_SEED = 20_261_121
_NEAREST = 10
_PART = 5_000
_EDGES = 5
# Of each scale: agents, capabilities, milliseconds at the 95th percentile, and how often each query is asked.
_SIZES: Mapping[str, Sequence[tuple[int, int, float | None, int]]] = {
    "quick": ((1_000, 100, None, 3),),
    "full": ((10_000, 1_000, 5.0, 20), (100_000, 10_000, 10.0, 20)),
}
_PRECISION = 0.90

_VIEW = """
create materialized view public.hybrid_search_materialized as
select i.kind as entity_type, i.id, i.agent_id as parent_id, i.title as name, e.vector::public.vector(256) as embedding,
       coalesce(i.confidence, 1) as confidence, i.tenant_id
from moothill.search_items i
join moothill.{} e on e.tenant_id = i.tenant_id and e.item_id = i.id
where i.tenant_id = {}
"""
_DOCUMENTS = """
with recursive near as materialized (
  select n.* from (
    select v.id, v.parent_id, v.confidence, v.tenant_id, 1 - (v.embedding <=> %(vector)s::vector) as score
    from public.hybrid_search_materialized v
    order by v.embedding <=> %(vector)s::vector limit 2 * %(size)s) n
  where n.tenant_id = %(tenant)s and n.confidence >= 0.5
), walked as (
  select r.target_id as id, 1 as hop, (r.confidence * r.strength)::float8 as score,
         array[r.source_id, r.target_id] as path
  from near n
  join moothill.agent_relationships r on r.tenant_id = %(tenant)s and r.source_id = n.parent_id and r.confidence >= 0.5
  union all
  select r.target_id, w.hop + 1, w.score * (r.confidence * r.strength)::float8, w.path || r.target_id
  from walked w
  join moothill.agent_relationships r on r.tenant_id = %(tenant)s and r.source_id = w.id and r.confidence >= 0.5
  where w.hop < 2 and not r.target_id = any(w.path)
)
select id from (
  select id, max(score) as score
  from (select n.id, n.score from near n union all select w.id, w.score / (w.hop + 1) from walked w) every
  group by id) best
order by score desc, id limit %(size)s
"""

_Ask = Callable[[str], Awaitable[list[UUID]]]


async def run(moot: Moot, *, scale: str, admin_dsn: str) -> list[Row]:
    """Measure on the connection of `moot`.

    Args:
        moot: a local one, above all tenants.
        scale: quick or full.
        admin_dsn: of a role that loads relationships past the operations, vacuums, and runs the other designs.
    """
    rows: list[Row] = []
    async with await psycopg.AsyncConnection.connect(admin_dsn, autocommit=True) as admin:
        for agents, capabilities, target, rounds in _SIZES[scale]:
            made = crowd(agents, capabilities, seed=_SEED)
            tenant, seconds = await _settle(moot, admin, made)
            await vacuum(admin_dsn)
            name = f"{agents:,} agents, {capabilities:,} capabilities"
            rows.append(Row(name, "load", (agents + capabilities) / seconds, "items/s"))
            rows += await _measure(tenant, admin, made, name, target, rounds)
    return [*rows, *await _demo(moot)]


async def _settle(moot: Moot, admin: psycopg.AsyncConnection[Any], made: Crowd) -> tuple[Moot, float]:
    """A tenant with the crowd and its relationships; how long loading its texts took, seconds."""
    executor = await new_tenant(moot, f"bench-{len(made.agents)}")
    tenant = Moot(executor)
    began = time.perf_counter()
    for start in counted(range(0, len(made.agents), _PART), f"loading {len(made.agents):,} agents, in parts"):
        await tenant.agents.load(entries=list(made.agents[start : start + _PART]))
    taken = time.perf_counter() - began
    tell(f"placing the vectors of {len(made.agents):,} agents, and {_EDGES * len(made.agents):,} relationships")
    await arrange(executor, providers_of(executor).configured.model)
    await _connect(admin, executor.principal.tenant, len(made.agents))
    return tenant, taken


async def _connect(admin: psycopg.AsyncConnection[Any], tenant: UUID, count: int) -> None:
    """Relationships by chance, five for each agent."""
    cursor = await admin.execute("select id from moothill.agents where tenant_id = %s order by id", [tenant])
    ids = [row[0] for row in await cursor.fetchall()]
    chance = np.random.default_rng(_SEED)
    ends = np.sort(chance.integers(count, size=(_EDGES * count, 2)), axis=1)
    ends = np.unique(ends[ends[:, 0] < ends[:, 1]], axis=0)
    sure = chance.integers(50, 101, size=len(ends)) / 100
    kinds = chance.integers(len(TYPES), size=len(ends))
    await admin.execute("set session_replication_role = replica")
    async with (
        admin.cursor() as writing,
        writing.copy(
            "copy moothill.agent_relationships (tenant_id, id, source_id, target_id, type, directional, confidence, "
            "strength_base) from stdin"
        ) as copy,
    ):
        for (low, high), confidence, kind in zip(ends, sure, kinds, strict=True):
            await copy.write_row((tenant, uuid7(), ids[low], ids[high], TYPES[kind], False, confidence, confidence))
    await admin.execute("reset session_replication_role")


async def _measure(
    moot: Moot, admin: psycopg.AsyncConnection[Any], made: Crowd, name: str, target: float | None, rounds: int
) -> list[Row]:
    assert isinstance(moot.executor, LocalExecutor)
    judged = await _judged(admin, moot.executor.principal.tenant, made)
    asks = {**_ours(moot), **await _others(moot.executor, admin, list(judged))}
    taken: dict[str, list[float]] = {case: [] for case in asks}
    found: dict[str, dict[str, list[UUID]]] = {case: {} for case in asks}
    for turn in counted(range(rounds + 1), f"{name}: {len(judged)} judged queries, {len(asks)} ways"):
        for query in judged:
            # In turn, so that a slow moment of the machine hits every way; the first time is not counted.
            for case, ask in asks.items():
                began = time.perf_counter()
                found[case][query] = await ask(query)
                if turn:
                    taken[case].append((time.perf_counter() - began) * 1e3)
    rows: list[Row] = []
    for case, answers in found.items():
        ours = case in _TARGETED
        precision = _mean(rules.precision, answers, judged)
        rows += [
            Row(f"{name}: {case}", "P95", percentile(taken[case], 0.95), "ms", target if ours else None,
                peer=_BESIDE if ours else None, peer_value=percentile(taken[_BESIDE], 0.95) if ours else None),
            Row(f"{name}: {case}", "P50", percentile(taken[case], 0.50), "ms"),
            Row(f"{name}: {case}", "precision@10", precision, "", _PRECISION if case == _HYBRID else None, "at least"),
            Row(f"{name}: {case}", "nDCG@10", _mean(rules.ndcg, answers, judged), ""),
        ]  # fmt: skip
    return rows


_HYBRID = "words and vector"
_GRAPH = "words, vector and 2 hops"
_BESIDE = "the documents' hybrid_search"
_TARGETED = (_HYBRID, _GRAPH)


def _ours(moot: Moot) -> dict[str, _Ask]:
    async def hybrid(query: str) -> list[UUID]:
        return [hit.id for hit in (await moot.search.find(text=query, limit=_NEAREST)).hits]

    async def graph(query: str) -> list[UUID]:
        return [hit.id for hit in (await moot.search.find(text=query, limit=_NEAREST, graph=SearchGraph())).hits]

    async def vector(query: str) -> list[UUID]:
        return [hit.id for hit in (await moot.search.find(text=query, limit=_NEAREST, mode="vector")).hits]

    async def words(query: str) -> list[UUID]:
        return [hit.id for hit in (await moot.search.find(text=query, limit=_NEAREST, mode="text")).hits]

    return {_HYBRID: hybrid, _GRAPH: graph, "vector alone": vector, "words alone": words}


async def _others(
    executor: LocalExecutor, admin: psycopg.AsyncConnection[Any], queries: Sequence[str]
) -> dict[str, _Ask]:
    """The documents' design, and pgvector with nothing around it; both get the vector of a query for nothing."""
    provider = providers_of(executor).configured
    tenant = executor.principal.tenant
    rows = await embed(provider, list(queries))
    vectors = dict(zip(queries, rows, strict=True))
    table = f"embedding_{provider.model}"
    tell("building the documents' materialized view and its index")
    await admin.execute("drop materialized view if exists public.hybrid_search_materialized")
    await admin.execute(sql_text.SQL(_VIEW).format(sql_text.Identifier(table), sql_text.Literal(tenant)))
    await admin.execute(
        "create index on public.hybrid_search_materialized using hnsw (embedding vector_cosine_ops) "
        "with (m = 16, ef_construction = 64)"
    )
    await admin.execute("analyze public.hybrid_search_materialized")
    await register_vector_async(admin)
    nearest = sql_text.SQL(
        "select item_id from {} where tenant_id = %s order by vector operator(public.<#>) %s limit %s"
    ).format(sql_text.Identifier("moothill", table))

    async def documents(query: str) -> list[UUID]:
        given = {"vector": vectors[query], "tenant": tenant, "size": _NEAREST}
        return [row[0] for row in await (await admin.execute(_DOCUMENTS, given, prepare=True)).fetchall()]

    async def alone(query: str) -> list[UUID]:
        given = [tenant, half(vectors[query]), _NEAREST]
        return [row[0] for row in await (await admin.execute(nearest, given, prepare=True)).fetchall()]

    return {_BESIDE: documents, "pgvector alone": alone}


async def _judged(admin: psycopg.AsyncConnection[Any], tenant: UUID, made: Crowd) -> dict[str, dict[UUID, int]]:
    """Grades of each query by the ids of agents and capabilities."""
    cursor = await admin.execute(
        "select i.id, a.agent_id from moothill.search_items i "
        "join moothill.agents a on a.tenant_id = i.tenant_id and a.id = i.agent_id where i.tenant_id = %s",
        [tenant],
    )
    crafts = {entry.agent_id: craft for entry, craft in zip(made.agents, made.crafts, strict=True)}
    items = [(item, crafts[agent]) for item, agent in await cursor.fetchall()]
    return {
        query: {item: grades[craft] for item, craft in items if craft in grades}
        for query, grades in made.queries.items()
    }


def _mean(
    measure: Callable[[Sequence[UUID], Mapping[UUID, int]], float],
    answers: Mapping[str, Sequence[UUID]],
    judged: Mapping[str, Mapping[UUID, int]],
) -> float:
    return sum(measure(answers[query], grades) for query, grades in judged.items()) / len(judged)


async def _demo(moot: Moot) -> list[Row]:
    """The demo itself with its judged set: forty agents, of which few answer a query, so without precision@10."""
    tell("the demo and its judged queries")
    await load_demo(moot)
    found = await moot.tenant("default").search.evaluate(judged_set="demo")
    return [
        Row(f"the demo, {found.queries} queries: {each.mode}", metric, value, "")
        for each in found.modes
        for metric, value in (("nDCG@10", each.ndcg), ("recall@10", each.recall))
    ]
