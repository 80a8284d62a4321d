"""`moothill bench search`: recall and latency of vector search at every size of tenant, and under filters.

Each figure is taken at the SDK, over the whole call: validation, transaction, search, result. Recall is
measured against the exact answer. Beside each search, in turn, the same vector is looked for by pgvector alone: a
superuser's prepared statement on the tenant's own rows, without tenancy, filters, titles or reasons.

The scale `million` has a million vectors (or as many as `--vectors` says) in tenants from 100 to half a million,
and the documents' own design, one index for all of them, built from the same vectors.
"""

import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psycopg
from pgvector.psycopg import register_vector_async
from psycopg import sql as sql_text

from ..kernel.local import LocalExecutor
from ..moot import Moot
from ..registry.search.index import half
from ..registry.search.providers import Providers
from . import selectivity, shared_design
from .report import Row, percentile
from .shelves import DIMENSIONS, MODEL, NEAREST, RECALL, NoTexts, Shelf, arrange, facets_of, load, vacuum
from .telling import counted, tell
from .vectors import cloud

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["LAYOUTS", "Layout", "million", "run"]

SEED = 20_261_121


@dataclass(frozen=True, slots=True)
class Layout:
    """How vectors are spread over tenants.

    Attributes:
        name: for the table.
        sizes: how many tenants have how many vectors.
        target: P95 in milliseconds; None where it is not stated.
        queries: for each size, spread over its tenants.
        filtered: the largest tenant is also asked under filters of every kind and share.
        described: the documents' own design is built and asked beside ours.
    """

    name: str
    sizes: dict[int, int]
    target: float | None
    queries: int = 300
    filtered: bool = False
    described: bool = False


LAYOUTS = {
    "quick": [Layout("3K skewed", {2_200: 1, 500: 1, 100: 3}, None, 60, filtered=True, described=True)],
    "full": [
        Layout("10K uniform", {1_000: 10}, 1.5),
        Layout("10K skewed", {5_000: 1, 1_000: 4, 100: 10}, 1.5),
        Layout("100K uniform", {5_000: 20}, 3.0),
        Layout("100K skewed", {50_000: 1, 5_000: 8, 100: 100}, 3.0, filtered=True, described=True),
    ],
}
# Parts of a million: tenants of half of it, a quarter, a tenth, and so on down to a ten-thousandth.
_SHARES = {500_000: 1, 250_000: 1, 100_000: 1, 50_000: 2, 10_000: 4, 1_000: 9, 100: 10}


def million(vectors: int = 1_000_000) -> list[Layout]:
    """The layout of a million vectors, or the same in small; no tenant has fewer than twenty."""
    sizes: dict[int, int] = {}
    for size, number in _SHARES.items():
        scaled = max(20, size * vectors // 1_000_000)
        sizes[scaled] = sizes.get(scaled, 0) + number
    return [Layout(f"{vectors:,} skewed", sizes, None, 100, filtered=True, described=True)]


async def run(moot: Moot, *, scale: str, admin_dsn: str | None = None, vectors: int = 1_000_000) -> list[Row]:
    """Measure on the connection of `moot`.

    Args:
        moot: a local one, that may make tenants.
        scale: quick, full or million.
        admin_dsn: to vacuum between loading and measuring, as autovacuum would in a minute.
        vectors: of the scale `million`.
    """
    assert isinstance(moot.executor, LocalExecutor)
    runtime = moot.executor.runtime
    before = runtime.providers.get("embeddings")
    runtime.providers["embeddings"] = Providers(NoTexts())
    rows: list[Row] = []
    try:
        for layout in million(vectors) if scale == "million" else LAYOUTS[scale]:
            rows += await _measure(moot, layout, admin_dsn)
    finally:
        runtime.providers["embeddings"] = before or Providers(NoTexts())
        if before is None:
            del runtime.providers["embeddings"]
    return rows


async def _measure(moot: Moot, layout: Layout, admin_dsn: str | None) -> list[Row]:
    tenants: dict[int, list[Shelf]] = {}
    loaded = built = 0.0
    largest = max(layout.sizes)
    for size, number in layout.sizes.items():
        tenants[size] = []
        for _ in counted(range(number), f"{layout.name}: loading tenants of {size:,} vectors, building their indexes"):
            asked = max(3, layout.queries // number)
            seed = SEED + sum(map(len, tenants.values())) + size
            made = cloud(size, asked, dimensions=DIMENSIONS, seed=seed, topics=SEED)
            facets = facets_of(made.points, SEED) if layout.filtered and size == largest else None
            began = time.perf_counter()
            tenant = await load(moot, made, facets)
            loaded += time.perf_counter() - began
            began = time.perf_counter()
            await arrange(tenant.executor)
            built += time.perf_counter() - began
            tenants[size].append(tenant)
    if admin_dsn is not None:
        tell(f"{layout.name}: vacuuming")
        await vacuum(admin_dsn)
    count = sum(size * number for size, number in layout.sizes.items())
    rows = [
        Row(layout.name, "load", count / loaded, "vectors/s"),
        Row(layout.name, "partitions and indexes", built, "s"),
    ]
    for size, group in tenants.items():
        rows += await _of_size(layout, size, group, admin_dsn)
    if layout.filtered:
        rows += await selectivity.run(tenants[largest][0], f"{layout.name}, tenant of {largest:,}")
    if layout.described and admin_dsn is not None:
        rows += await shared_design.run(tenants, admin_dsn, layout.name)
    return rows


async def _of_size(layout: Layout, size: int, group: list[Shelf], admin_dsn: str | None) -> list[Row]:
    """The figures of the tenants of one size."""
    case, beside = f"{layout.name}, tenant of {size:,}", "pgvector alone"
    seconds, alone, recall, plans = await _ask(group, admin_dsn, case)
    peers = [percentile(alone, share) * 1000 if alone else None for share in (0.50, 0.95)]
    rows = [
        Row(case, "recall@10", recall, "", RECALL, "at least"),
        Row(case, "p50", percentile(seconds, 0.50) * 1000, "ms", None, peer=beside, peer_value=peers[0]),
        Row(case, "p95", percentile(seconds, 0.95) * 1000, "ms", layout.target, peer=beside, peer_value=peers[1]),
        Row(case, "answered exactly", plans["exact"] / max(1, plans.total()), "of searches"),
    ]
    found = next(model for model in await group[0].moot.search.models() if model.model == MODEL)
    if found.index_bytes and found.table_bytes:
        rows += [
            Row(case, "index", found.index_bytes / 2**20, "MiB"),
            Row(case, "table", found.table_bytes / 2**20, "MiB"),
            Row(case, "effort", found.effort, "candidates"),
        ]
    return rows


async def _ask(
    tenants: list[Shelf], admin_dsn: str | None, case: str
) -> tuple[list[float], list[float], float, Counter[str]]:
    """Seconds of each search, and of the index alone; mean recall; how it was answered."""
    seconds: list[float] = []
    alone: list[float] = []
    plans: Counter[str] = Counter()
    right = asked = 0
    every = sum(len(tenant.cloud.queries) for tenant in tenants)
    for tenant in tenants:
        # One peer at a time: a hundred tenants' would be more connections than a server allows.
        async with AsyncExitStack() as stack:
            peer = await _peer(stack, admin_dsn, tenant)
            for query in tenant.cloud.queries[:3]:
                await tenant.moot.search.find(vector=query.tolist(), limit=NEAREST)
                await peer(query)
            for number, query in enumerate(tenant.cloud.queries):
                tell(f"{case}: searching", len(seconds), every)
                given = query.tolist()
                began = time.perf_counter()
                found = await tenant.moot.search.find(vector=given, limit=NEAREST)
                seconds.append(time.perf_counter() - began)
                plans["exact" if found.exact else "index"] += 1
                right += tenant.cloud.hits(number, [tenant.ids[hit.id] for hit in found.hits])
                asked += NEAREST
                began = time.perf_counter()
                if await peer(query):
                    alone.append(time.perf_counter() - began)
    return seconds, alone, right / asked, plans


async def _peer(
    stack: AsyncExitStack, admin_dsn: str | None, tenant: Shelf
) -> Callable[["NDArray[np.float32]"], Awaitable[int]]:
    """Asks the index, or the tenant's rows where it has none, for the nearest; how many came."""
    if admin_dsn is None:

        async def nothing(query: Any) -> int:
            return 0

        return nothing
    admin = await stack.enter_async_context(
        await psycopg.AsyncConnection.connect(admin_dsn, autocommit=True, prepare_threshold=0)
    )
    identifier = tenant.tenant
    cursor = await admin.execute(
        "select partition, effort from moothill.embedding_placements where tenant_id = %s and model = %s",
        [identifier, MODEL],
    )
    found = await cursor.fetchone()
    assert found is not None
    partition, effort = found
    # Of a few tenants' rows in one table the index of the key is the right one; statistics may not know yet.
    await admin.execute(
        "select set_config('enable_seqscan', 'off', false), set_config('plan_cache_mode', %s, false)",
        ["force_generic_plan"],
    )
    if effort is not None:
        await admin.execute("select set_config('hnsw.ef_search', %s, false)", [str(effort)])
    relation = sql_text.Identifier("moothill", partition or f"embedding_{MODEL}")
    text = sql_text.SQL(
        "select item_id from {} where tenant_id = %s order by vector operator(public.<#>) %s limit %s"
    ).format(relation)
    if partition:
        text = sql_text.SQL("select item_id from {} order by vector operator(public.<#>) %s limit %s").format(relation)
    before = [] if partition else [identifier]

    async def ask(query: "NDArray[np.float32]") -> int:
        answer = await admin.execute(text, [*before, half(query), NEAREST])
        return len(await answer.fetchall())

    await register_vector_async(admin)
    return ask
