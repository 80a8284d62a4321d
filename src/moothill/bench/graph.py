"""`moothill bench graph`: walking relationships, at three sizes of society.

Agents and edges come from a seeded generator: one end of each edge is drawn by a power law, so that a few agents have
thousands of relationships, the other end evenly. Beside each figure stands the documents' own design, executed as
written on the same rows: a recursive query that enumerates every path, source to target only, and keeps the best at
the end; it is cut off by a statement timeout, which is then its figure. networkx walks the same graph in memory, where
it is installed; it has no tenants, no filters and nothing to commit.
"""

import asyncio
import importlib.util
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from uuid import UUID

import numpy as np
import psycopg

from ..kernel.errors import MoothillError
from ..kernel.identifiers import uuid7
from ..moot import Moot
from ..registry.relationships.models import TYPES
from .report import Row, percentile
from .telling import counted, tell

__all__ = ["run"]

_SEED = 20_261_121
# Agents and edges, of each scale.
_SIZES = {
    "quick": ((1_000, 10_000), (10_000, 100_000)),
    "full": ((1_000, 10_000), (10_000, 100_000), (100_000, 1_000_000)),
}
_CALLS = {"quick": 40, "full": 200}
_TIMEOUT_MS = {"quick": 1_000, "full": 5_000}
# DESIGN, section 8: (agents, hops) -> milliseconds at the 95th percentile.
_TARGETS = {(1_000, 3): 2.0, (10_000, 3): 8.0, (100_000, 1): 1.0, (100_000, 2): 5.0, (100_000, 3): 25.0}
_PATH_TARGET = 20.0
_CONCURRENT_TARGET = 100.0

_DOCUMENTS = """
with recursive traversal as (
  select r.target_id as agent_id, 1 as hop, r.confidence::float8 as confidence, array[r.source_id, r.target_id] as path
  from moothill.agent_relationships r
  where r.tenant_id = %(tenant)s and r.source_id = %(start)s and r.confidence >= 0.5
  union all
  select r.target_id, t.hop + 1, t.confidence * r.confidence::float8, t.path || r.target_id
  from traversal t
  join moothill.agent_relationships r on r.tenant_id = %(tenant)s and r.source_id = t.agent_id
  where t.hop < %(hops)s and r.confidence >= 0.5 and not r.target_id = any(t.path)
)
select distinct on (t.agent_id) t.agent_id, a.name, t.hop, t.confidence
from traversal t join moothill.agents a on a.tenant_id = %(tenant)s and a.id = t.agent_id
order by t.agent_id, t.hop, t.confidence desc
"""
_DOCUMENTS_PATH = """
with recursive ways as (
  select r.target_id as agent_id, 1 as hop, r.confidence::float8 as confidence, array[r.source_id, r.target_id] as path
  from moothill.agent_relationships r
  where r.tenant_id = %(tenant)s and r.source_id = %(start)s
  union all
  select r.target_id, w.hop + 1, w.confidence * r.confidence::float8, w.path || r.target_id
  from ways w
  join moothill.agent_relationships r on r.tenant_id = %(tenant)s and r.source_id = w.agent_id
  where w.hop < 5 and not r.target_id = any(w.path)
)
select path, confidence from ways where agent_id = %(target)s order by hop, confidence desc limit 1
"""


class _Society:
    """A tenant of the benchmark, and the same edges for what runs in memory."""

    def __init__(self, moot: Moot, tenant: UUID, agents: list[UUID], ends: Any) -> None:
        self.moot = moot
        self.tenant = tenant
        self.agents = agents
        self.ends = ends
        self.chance = np.random.default_rng(_SEED + len(agents))

    def some(self) -> int:
        """The number of an agent, any."""
        return int(self.chance.integers(len(self.agents)))


async def run(moot: Moot, *, scale: str, admin_dsn: str) -> list[Row]:
    """Measure on the connection of `moot`.

    Args:
        moot: a local one, above all tenants.
        scale: quick or full.
        admin_dsn: of a role that may load rows past the operations, and that runs the documents' design.
    """
    rows: list[Row] = []
    async with await psycopg.AsyncConnection.connect(admin_dsn, autocommit=True) as admin:
        # What is loaded is right by its making: references and seals are not looked at row by row.
        await admin.execute("set session_replication_role = replica")
        societies = [await _settle(moot, admin, agents, edges) for agents, edges in _SIZES[scale]]
        await admin.execute("reset session_replication_role")
        for society in societies:
            rows += await _traversals(society, admin, scale)
            rows += await _paths(society, admin, scale)
        rows += await _concurrent(societies[-1], scale)
        rows += await _sizes(societies[-1], admin)
    return rows


async def _settle(moot: Moot, admin: psycopg.AsyncConnection[Any], count: int, edges: int) -> _Society:
    tell(f"loading {count:,} agents and {edges:,} relationships")
    slug = f"bench-{count}"
    made = await moot.tenants.create(slug=slug, name=slug)
    chance = np.random.default_rng(_SEED)
    # In no order of weight: which end of an edge is the smaller id says nothing.
    agents = [uuid7() for _ in range(count)]
    chance.shuffle(agents)
    async with (
        admin.cursor() as cursor,
        cursor.copy("copy moothill.agents (tenant_id, id, agent_id, name, type) from stdin") as copy,
    ):
        for number, agent in enumerate(agents):
            await copy.write_row((made.id, agent, f"agent-{number}", f"Agent {number}", "worker"))
    # Each twice the number wanted: what is drawn twice, or from an agent to itself, is left out.
    heavy = (count * chance.random(2 * edges) ** 2.5).astype(np.int64)
    even = chance.integers(count, size=2 * edges)
    kinds = (len(TYPES) * chance.random(2 * edges) ** 2).astype(np.int64)
    low, high = np.minimum(heavy, even), np.maximum(heavy, even)
    _, first = np.unique((low * count + high) * len(TYPES) + kinds, return_index=True)
    chosen = np.sort(first[low[first] != high[first]])[:edges]
    confidence = chance.integers(50, 101, size=len(chosen)) / 100
    strength = chance.integers(1, 101, size=len(chosen)) / 100
    directional = chance.random(len(chosen)) < 0.3
    async with (
        admin.cursor() as cursor,
        cursor.copy(
            "copy moothill.agent_relationships (tenant_id, id, source_id, target_id, type, directional, confidence, "
            "strength_base) from stdin"
        ) as copy,
    ):
        for place, sure, strong, one_way in zip(chosen, confidence, strength, directional, strict=True):
            ends = sorted((agents[low[place]], agents[high[place]]), reverse=bool(one_way and place % 2))
            await copy.write_row((made.id, uuid7(), *ends, TYPES[kinds[place]], bool(one_way), sure, strong))
    await admin.execute("vacuum analyze moothill.agents")
    await admin.execute("vacuum analyze moothill.agent_relationships")
    return _Society(moot.tenant(slug), made.id, agents, np.stack([low[chosen], high[chosen]], axis=1))


async def _timed(call: Callable[[], Awaitable[Any]], times: int, what: str) -> list[float]:
    """Milliseconds of each call, after a few that are not counted."""
    for _ in range(5):
        await call()
    taken: list[float] = []
    for _ in counted(range(times), what):
        before = time.perf_counter()
        await call()
        taken.append((time.perf_counter() - before) * 1e3)
    return taken


async def _documents(
    admin: psycopg.AsyncConnection[Any], society: _Society, statement: str, scale: str, **given: Any
) -> float:
    """The 95th percentile of the documents' statement, milliseconds; the timeout where that cut it off."""
    limit = _TIMEOUT_MS[scale]
    await admin.execute(f"set statement_timeout = {limit}")
    taken: list[float] = []
    try:
        for _ in range(5):
            before = time.perf_counter()
            values = {
                "tenant": society.tenant,
                "start": society.agents[society.some()],
                "target": society.agents[society.some()],
                **given,
            }
            try:
                await (await admin.execute(statement, values)).fetchall()
            except psycopg.errors.QueryCanceled:
                return float(limit)
            taken.append((time.perf_counter() - before) * 1e3)
    finally:
        await admin.execute("set statement_timeout = 0")
    return percentile(taken, 0.95)


def _in_memory(society: _Society) -> Any:
    """The same graph in networkx; None where it is not installed."""
    if importlib.util.find_spec("networkx") is None:
        return None
    import networkx

    graph = networkx.Graph()
    graph.add_nodes_from(range(len(society.agents)))
    graph.add_edges_from(map(tuple, society.ends.tolist()))
    return graph


async def _traversals(society: _Society, admin: psycopg.AsyncConnection[Any], scale: str) -> list[Row]:
    rows: list[Row] = []
    count = len(society.agents)
    graph = _in_memory(society)
    for hops in (1, 2, 3):
        target = _TARGETS.get((count, hops))
        case = f"{hops} hop{'s' if hops > 1 else ''}, {count:,} agents, {len(society.ends):,} relationships"
        tell(f"{case}: the documents' design")
        peer = await _documents(admin, society, _DOCUMENTS, scale, hops=hops)
        for limit in (100, 1_000):

            async def walk(hops: int = hops, limit: int = limit) -> None:
                await society.moot.graph.traverse(agent=f"agent-{society.some()}", hops=hops, limit=limit)

            taken = await _timed(walk, _CALLS[scale], f"{case}: {limit:,} kept")
            rows.append(
                Row(f"{case}: {limit:,} kept", "P95", percentile(taken, 0.95), "ms", target,
                    peer="recursive query, every path", peer_value=peer)
            )  # fmt: skip
            rows.append(Row(f"{case}: {limit:,} kept", "P50", percentile(taken, 0.5), "ms"))
        if graph is not None:
            rows.append(_networkx_row(case, graph, society, hops, scale))
    return rows


def _networkx_row(case: str, graph: Any, society: _Society, hops: int, scale: str) -> Row:
    import networkx

    taken: list[float] = []
    for _ in counted(range(_CALLS[scale] // 4), f"{case}: in memory"):
        before = time.perf_counter()
        networkx.single_source_shortest_path_length(graph, society.some(), cutoff=hops)
        taken.append((time.perf_counter() - before) * 1e3)
    return Row(f"{case}: all, in memory (networkx)", "P95", percentile(taken, 0.95), "ms")


async def _paths(society: _Society, admin: psycopg.AsyncConnection[Any], scale: str) -> list[Row]:
    count = len(society.agents)
    case = f"shortest path, up to 5 hops, {count:,} agents"
    lengths: list[int] = []

    async def find() -> None:
        source, target = society.some(), society.some()
        if source != target:
            try:
                found = await society.moot.graph.path(source=f"agent-{source}", target=f"agent-{target}", hops=5)
                lengths.append(found.length)
            except MoothillError as error:
                if error.code != "no_path":
                    raise

    taken = await _timed(find, _CALLS[scale], case)
    tell(f"{case}: the documents' design")
    peer = await _documents(admin, society, _DOCUMENTS_PATH, scale)
    return [
        Row(case, "P95", percentile(taken, 0.95), "ms", _PATH_TARGET if count == 100_000 else None,
            peer="recursive query, every path", peer_value=peer),
        Row(case, "P50", percentile(taken, 0.5), "ms"),
        Row(case, "mean length", sum(lengths) / max(1, len(lengths)), "hops"),
    ]  # fmt: skip


async def _concurrent(society: _Society, scale: str) -> list[Row]:
    """A hundred callers at once on the pool of the process, which has at most 20 connections."""
    taken: list[float] = []
    errors = 0

    async def call(number: int) -> None:
        nonlocal errors
        for _ in range(3 if scale == "quick" else 10):
            agent = f"agent-{society.some()}"
            before = time.perf_counter()
            try:
                if number % 4 == 0:
                    await society.moot.relationships.connectivity(agent=agent)
                else:
                    await society.moot.graph.traverse(agent=agent, hops=1 + number % 2, limit=50)
            except MoothillError:
                errors += 1
            taken.append((time.perf_counter() - before) * 1e3)

    case = f"100 callers at once, {len(society.agents):,} agents"
    tell(case)
    await asyncio.gather(*(call(number) for number in range(20)))
    taken.clear()
    errors = 0
    await asyncio.gather(*(call(number) for number in range(100)))
    return [
        Row(case, "P95", percentile(taken, 0.95), "ms", _CONCURRENT_TARGET),
        Row(case, "errors", errors, "calls", 0),
    ]


async def _sizes(society: _Society, admin: psycopg.AsyncConnection[Any]) -> list[Row]:
    cursor = await admin.execute(
        "select pg_relation_size('moothill.agent_relationships'), pg_indexes_size('moothill.agent_relationships'), "
        "(select count(*) from moothill.agent_relationships)"
    )
    table, indexes, edges = await cursor.fetchone() or (0, 0, 1)
    return [
        Row(f"{edges:,} relationships in all", "table", table / 2**20, "MiB"),
        Row(f"{edges:,} relationships in all", "indexes", indexes / 2**20, "MiB"),
        *_analysis(society),
    ]


def _analysis(society: _Society) -> Sequence[Row]:
    """How long the library takes for the whole graph: 16 samples of betweenness."""
    from ..registry.graph.analysing import has_library
    from ..registry.graph.computing import Edges, figures_of

    if not has_library():
        return ()
    count = len(society.ends)
    edges = Edges(
        ids=np.zeros(count, dtype="V16"),
        agents=np.zeros(len(society.agents), dtype="V16"),
        source=society.ends[:, 0],
        target=society.ends[:, 1],
        kind=np.zeros(count, dtype=np.int64),
        directed=np.zeros(count, dtype=np.int64),
        weight=np.ones(count),
        together=np.ones(count, dtype=np.int64),
    )
    case = f"centrality and communities, {len(society.agents):,} agents, 16 samples"
    tell(case)
    before = time.perf_counter()
    figures_of(edges, samples=16)
    return (Row(case, "computing", time.perf_counter() - before, "s"),)
