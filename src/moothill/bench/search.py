"""`moothill bench search`: recall and latency of vector search at every size of tenant.

Each figure is taken at the SDK, over the whole call: validation, transaction, search, result. Recall is
measured against the exact answer. The peer is what the described systems drew: one HNSW index for all
tenants, filtered by tenant afterwards (`peer=True`; its build takes longer than everything else).
"""

import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

import psycopg

from ..kernel.context import Principal
from ..kernel.identifiers import uuid7
from ..kernel.local import LocalExecutor
from ..moot import Moot
from ..registry.search import Search, SearchEntry, Vectors, filling
from ..registry.search.providers import Providers, providers_of
from ..registry.search.statements import sql
from ..worker.acting import acting
from .report import Row, percentile
from .vectors import Cloud, cloud

if TYPE_CHECKING:
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
        seconds, recall, plans = await _ask(group)
        rows += [
            Row(case, "recall@10", recall, "", RECALL, "at least"),
            Row(case, "p50", percentile(seconds, 0.50) * 1000, "ms"),
            Row(case, "p95", percentile(seconds, 0.95) * 1000, "ms", layout.target),
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


async def _ask(tenants: list[_Tenant]) -> tuple[list[float], float, Counter[str]]:
    """Seconds of each search, mean recall, and how it was answered."""
    seconds: list[float] = []
    plans: Counter[str] = Counter()
    right = asked = 0
    for tenant in tenants:
        for query in range(min(3, len(tenant.cloud.queries))):
            await tenant.moot.search.find(vector=tenant.cloud.queries[query].tolist(), limit=NEAREST)
    for tenant in tenants:
        for number, query in enumerate(tenant.cloud.queries):
            given = query.tolist()
            began = time.perf_counter()
            found = await tenant.moot.search.find(vector=given, limit=NEAREST)
            seconds.append(time.perf_counter() - began)
            plans["exact" if found.exact else "index"] += 1
            right += tenant.cloud.hits(number, [tenant.ids[hit.id] for hit in found.hits])
            asked += NEAREST
    return seconds, right / asked, plans
