"""`moothill bench search`: recall and latency of vector search at every size of tenant.

Each figure is taken at the SDK, over the whole call: validation, transaction, search, result. Recall is
measured against the exact answer. Beside each search, in turn, the same vector is looked for by pgvector alone: a
superuser's prepared statement on the tenant's own rows, without tenancy, filters, titles or reasons.
"""

import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

import psycopg
from pgvector.psycopg import register_vector_async
from psycopg import sql as sql_text

from ..kernel.context import Principal
from ..kernel.identifiers import uuid7
from ..kernel.local import LocalExecutor
from ..moot import Moot
from ..registry.search import Search, SearchEntry, Vectors, filling
from ..registry.search.index import half
from ..registry.search.providers import Providers, providers_of
from ..registry.search.statements import sql
from ..worker.acting import acting
from .report import Row, percentile
from .vectors import Cloud, cloud

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["LAYOUTS", "Layout", "run"]

DIMENSIONS = 768
MODEL = "bench_768"
SEED = 20_261_121
NEAREST = 10
RECALL = 0.99
# Nobody reads the feed of events here, so every index may be built in one go.
_BULK = 1_000_000


@dataclass(frozen=True, slots=True)
class Layout:
    """How vectors are spread over tenants.

    Attributes:
        name: for the table.
        sizes: how many tenants have how many vectors.
        target: P95 in milliseconds; None where it is not stated.
        queries: for each size, spread over its tenants.
    """

    name: str
    sizes: dict[int, int]
    target: float | None
    queries: int = 300


LAYOUTS = {
    "quick": [Layout("3K skewed", {2_200: 1, 500: 1, 100: 3}, None, 60)],
    "full": [
        Layout("10K uniform", {1_000: 10}, 1.5),
        Layout("10K skewed", {5_000: 1, 1_000: 4, 100: 10}, 1.5),
        Layout("100K uniform", {5_000: 20}, 3.0),
        Layout("100K skewed", {50_000: 1, 5_000: 8, 100: 100}, 3.0),
    ],
}


class _NoTexts:
    """A provider of vectors that are given: it embeds nothing."""

    name = "bench"
    model = MODEL
    dimensions = DIMENSIONS
    local = True
    max_characters = 1

    async def embed(self, texts: Any) -> "NDArray[Any]":
        raise AssertionError("the benchmark gives vectors")

    async def close(self) -> None:
        """Nothing to let go of."""


@dataclass(slots=True)
class _Tenant:
    moot: Moot
    executor: LocalExecutor
    cloud: Cloud
    ids: dict[UUID, int]


async def run(moot: Moot, *, scale: str, admin_dsn: str | None = None) -> list[Row]:
    """Measure on the connection of `moot`.

    Args:
        moot: a local one, that may make tenants.
        scale: quick or full.
        admin_dsn: to vacuum between loading and measuring, as autovacuum would in a minute.
    """
    assert isinstance(moot.executor, LocalExecutor)
    runtime = moot.executor.runtime
    before = runtime.providers.get("embeddings")
    runtime.providers["embeddings"] = Providers(_NoTexts())
    rows: list[Row] = []
    try:
        for layout in LAYOUTS[scale]:
            rows += await _measure(moot, layout, admin_dsn)
    finally:
        runtime.providers["embeddings"] = before or Providers(_NoTexts())
        if before is None:
            del runtime.providers["embeddings"]
    return rows


async def _measure(moot: Moot, layout: Layout, admin_dsn: str | None) -> list[Row]:
    began = time.perf_counter()
    tenants: dict[int, list[_Tenant]] = {}
    beside = "pgvector alone"
    loaded = built = 0.0
    for size, number in layout.sizes.items():
        tenants[size] = []
        for _ in range(number):
            asked = max(3, layout.queries // number)
            made = cloud(size, asked, dimensions=DIMENSIONS, seed=SEED + sum(map(len, tenants.values())) + size)
            began = time.perf_counter()
            tenant = await _load(moot, made)
            loaded += time.perf_counter() - began
            began = time.perf_counter()
            await _arrange(tenant)
            built += time.perf_counter() - began
            tenants[size].append(tenant)
    if admin_dsn is not None:
        await _vacuum(admin_dsn)
    count = sum(size * number for size, number in layout.sizes.items())
    rows = [
        Row(layout.name, "load", count / loaded, "vectors/s"),
        Row(layout.name, "partitions and indexes", built, "s"),
    ]
    for size, group in tenants.items():
        case = f"{layout.name}, tenant of {size:,}"
        seconds, alone, recall, plans = await _ask(group, admin_dsn)
        peers = [percentile(alone, share) * 1000 if alone else None for share in (0.50, 0.95)]
        rows += [
            Row(case, "recall@10", recall, "", RECALL, "at least"),
            Row(case, "p50", percentile(seconds, 0.50) * 1000, "ms", None, peer=beside, peer_value=peers[0]),
            Row(case, "p95", percentile(seconds, 0.95) * 1000, "ms", layout.target, peer=beside, peer_value=peers[1]),
            Row(case, "answered exactly", plans["exact"] / max(1, plans.total()), "of searches"),
        ]
    return rows


async def _load(moot: Moot, made: Cloud) -> _Tenant:
    slug = f"bench-{uuid7().hex}"
    await moot.tenants.create(slug=slug, name=slug)
    found = await moot.tenants.get(tenant=slug)
    assert isinstance(moot.executor, LocalExecutor)
    base = moot.executor.principal
    principal = Principal(tenant=found.id, tenant_slug=slug, actor=base.actor, scopes=base.scopes)
    executor = LocalExecutor(moot.executor.runtime, principal)
    ids = [uuid7() for _ in made.points]
    step = 5_000
    for start in range(0, len(ids), step):
        part = range(start, min(start + step, len(ids)))
        entries = [SearchEntry(kind="capability", id=ids[n], title=f"capability {n}") for n in part]
        async with acting(executor.runtime, principal, "bench"):
            search = Search(executor)
            # Makes the model's table the first time.
            await search.question_like()
            await search.put(entries, Vectors(MODEL, [made.points[n] for n in part]))
    return _Tenant(Moot(executor), executor, made, {identifier: n for n, identifier in enumerate(ids)})


async def _arrange(tenant: _Tenant) -> None:
    """Let the tenant's vectors go where the worker would take them."""
    providers_of(tenant.executor)
    while True:
        async with acting(tenant.executor.runtime, tenant.executor.principal, "bench"):
            found = next(model for model in await sql.models() if model.model == MODEL)
            if not await filling.arrange(found, bulk=_BULK):
                return


async def _vacuum(admin_dsn: str) -> None:
    async with await psycopg.AsyncConnection.connect(admin_dsn, autocommit=True) as connection:
        await connection.execute("vacuum analyze")
        await connection.execute("checkpoint")


async def _ask(tenants: list[_Tenant], admin_dsn: str | None) -> tuple[list[float], list[float], float, Counter[str]]:
    """Seconds of each search, and of the index alone; mean recall; how it was answered."""
    seconds: list[float] = []
    alone: list[float] = []
    plans: Counter[str] = Counter()
    right = asked = 0
    for tenant in tenants:
        # One peer at a time: a hundred tenants' would be more connections than a server allows.
        async with AsyncExitStack() as stack:
            peer = await _peer(stack, admin_dsn, tenant)
            for query in tenant.cloud.queries[:3]:
                await tenant.moot.search.find(vector=query.tolist(), limit=NEAREST)
                await peer(query)
            for number, query in enumerate(tenant.cloud.queries):
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
    stack: AsyncExitStack, admin_dsn: str | None, tenant: _Tenant
) -> Callable[["NDArray[np.float32]"], Awaitable[int]]:
    """Asks the index, or the tenant's rows where it has none, for the nearest; how many came."""
    if admin_dsn is None:

        async def nothing(query: Any) -> int:
            return 0

        return nothing
    admin = await stack.enter_async_context(
        await psycopg.AsyncConnection.connect(admin_dsn, autocommit=True, prepare_threshold=0)
    )
    identifier = tenant.executor.principal.tenant
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
