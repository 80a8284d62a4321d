"""Tenants full of vectors, for benchmarks: loaded through the writing side of search, put where the worker would."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

import psycopg

from ..kernel.context import Principal
from ..kernel.identifiers import uuid7
from ..kernel.local import LocalExecutor
from ..moot import Moot
from ..registry.search import Search, SearchEntry, SearchKind, Vectors, filling
from ..registry.search.providers import providers_of
from ..registry.search.statements import sql
from ..worker.acting import acting
from .vectors import Cloud

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "DIMENSIONS",
    "MODEL",
    "NEAREST",
    "RECALL",
    "Facets",
    "NoTexts",
    "Shelf",
    "arrange",
    "facets_of",
    "load",
    "new_tenant",
    "vacuum",
]

DIMENSIONS = 768
MODEL = "bench_768"
NEAREST = 10
RECALL = 0.99
# Nobody reads the feed of events here, so every index may be built in one go.
_BULK = 1_000_000
# An index of half a million takes longer than a worker's step may.
_LONGEST = timedelta(hours=6)
_PART = 5_000
_KINDS: tuple[tuple[float, SearchKind], ...] = ((0.001, "idea"), (0.01, "verdict"), (0.1, "task"), (1.0, "capability"))


class NoTexts:
    """A provider of vectors that are given: it embeds nothing."""

    name = "bench"
    model = MODEL
    dimensions = DIMENSIONS
    local = True
    max_characters = 1

    async def embed(self, texts: Any) -> "NDArray[Any]":
        """Nothing to embed."""
        raise AssertionError("the benchmark gives vectors")

    async def close(self) -> None:
        """Nothing to let go of."""


@dataclass(frozen=True, slots=True)
class Facets:
    """What filters look at in the items of a tenant, in the order of its points.

    Attributes:
        tags: of each item: `all`, and `tenth`, `hundredth`, `thousandth` by chance; `apart` for the tenth of them
            that lies farthest in one direction.
        kinds: a tenth are tasks, a hundredth verdicts, a thousandth ideas, the rest capabilities.
        confidences: spread evenly from 0 to 1.
    """

    tags: Sequence[tuple[str, ...]]
    kinds: Sequence[SearchKind]
    confidences: Sequence[Decimal]


def facets_of(points: "NDArray[Any]", seed: int) -> Facets:
    """Facets of points, the same for the same seed."""
    import numpy as np

    chance = random.Random(seed)  # noqa: S311  # no secret
    far = points @ np.asarray(np.random.default_rng(seed).standard_normal(points.shape[1]), dtype=np.float32)
    apart = far >= np.quantile(far, 0.9)
    shares = {"tenth": 0.1, "hundredth": 0.01, "thousandth": 0.001}
    tags: list[tuple[str, ...]] = []
    kinds: list[SearchKind] = []
    for number in range(len(points)):
        own = [name for name, share in shares.items() if chance.random() < share]
        tags.append(("all", *own, *(("apart",) if apart[number] else ())))
        drawn = chance.random()
        kinds.append(next(kind for share, kind in _KINDS if drawn < share))
    return Facets(tags, kinds, [Decimal(f"{chance.random():.5f}") for _ in range(len(points))])


@dataclass(slots=True)
class Shelf:
    """A tenant of a benchmark.

    Attributes:
        cloud: its queries with their exact answers; its points are let go once they are stored.
        ids: the number of the point of each item.
    """

    moot: Moot
    executor: LocalExecutor
    cloud: Cloud
    ids: dict[UUID, int]
    facets: Facets | None = None

    @property
    def tenant(self) -> UUID:
        """Its id."""
        return self.executor.principal.tenant


async def new_tenant(moot: Moot, slug: str) -> LocalExecutor:
    """A new tenant, and what acts in it with the scopes of who makes it."""
    found = await moot.tenants.create(slug=slug, name=slug)
    assert isinstance(moot.executor, LocalExecutor)
    base = moot.executor.principal
    principal = Principal(tenant=found.id, tenant_slug=slug, actor=base.actor, scopes=base.scopes)
    return LocalExecutor(moot.executor.runtime, principal)


async def load(moot: Moot, made: Cloud, facets: Facets | None = None) -> Shelf:
    """A new tenant with these points."""
    import numpy as np

    executor = await new_tenant(moot, f"bench-{uuid7().hex}")
    principal = executor.principal
    ids = [uuid7() for _ in made.points]
    for start in range(0, len(ids), _PART):
        part = range(start, min(start + _PART, len(ids)))
        entries = [_entry(ids[n], n, facets) for n in part]
        async with acting(executor.runtime, principal, "bench"):
            search = Search(executor)
            # Makes the model's table the first time.
            await search.question_like()
            await search.put(entries, Vectors(MODEL, [made.points[n] for n in part]))
    kept = replace(made, points=np.empty((0, made.points.shape[1]), dtype=np.float32))
    return Shelf(Moot(executor), executor, kept, {identifier: n for n, identifier in enumerate(ids)}, facets)


def _entry(identifier: UUID, number: int, facets: Facets | None) -> SearchEntry:
    title = f"capability {number}"
    if facets is None:
        return SearchEntry(kind="capability", id=identifier, title=title)
    return SearchEntry(
        kind=facets.kinds[number],
        id=identifier,
        title=title,
        confidence=facets.confidences[number],
        tags=facets.tags[number],
    )


async def arrange(executor: LocalExecutor, model: str = MODEL) -> None:
    """Let a tenant's vectors go where the worker would take them."""
    providers_of(executor)
    while True:
        async with acting(executor.runtime, executor.principal, "bench"):
            found = next(each for each in await sql.models() if each.model == model)
            if not await filling.arrange(found, bulk=_BULK, longest=_LONGEST):
                return


async def vacuum(admin_dsn: str) -> None:
    """What autovacuum would do within a minute."""
    async with await psycopg.AsyncConnection.connect(admin_dsn, autocommit=True) as connection:
        await connection.execute("vacuum analyze")
        await connection.execute("checkpoint")
