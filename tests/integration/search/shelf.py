"""A tenant seen through the writing side of search, as the other subsystems use it."""

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any
from uuid import UUID

import numpy as np
import psycopg

from moothill.kernel import REGISTRY, Step
from moothill.kernel.errors import Conflict, Unavailable
from moothill.kernel.identifiers import uuid7
from moothill.kernel.local import LocalExecutor, Runtime
from moothill.moot import Moot
from moothill.registry.search import Search, SearchEntry, Vectors, filling
from moothill.registry.search.providers import Providers, providers_of
from moothill.registry.search.statements import sql
from moothill.worker.acting import acting, preparing

DIMENSIONS = 256
MODEL = "wordllama_256"


@dataclass(slots=True)
class Shelf:
    """One tenant."""

    moot: Moot
    executor: LocalExecutor

    @property
    def tenant(self) -> UUID:
        return self.executor.principal.tenant

    @property
    def search(self) -> Search:
        return Search(self.executor)

    @property
    def providers(self) -> Providers:
        return providers_of(self.executor)

    @asynccontextmanager
    async def writing(self, cursor: Any = None) -> AsyncIterator[Search]:
        """A transaction as another subsystem's operation would have it, or a step of the worker's."""
        async with acting(self.executor.runtime, self.executor.principal, "test", cursor=cursor):
            yield self.search

    async def put(self, *entries: SearchEntry) -> None:
        async with self.writing() as search:
            await search.put(entries, await search.vectors_of(entries))

    async def put_points(self, points: Iterable[Any], *, kind: Any = "record", **more: Any) -> list[UUID]:
        """Items whose vectors are given, with titles that say their number."""
        rows = list(points)
        entries = [SearchEntry(kind=kind, id=uuid7(), title=f"point {n}", **more) for n in range(len(rows))]
        async with self.writing() as search:
            await search.put(entries, Vectors(MODEL, rows))
        return [entry.id for entry in entries]

    async def arrange(self, threshold: int, *, steps: int = 50, patient: bool = False, bulk: int = 20_000) -> int:
        """Let the vectors go where they belong, as the worker does; how many steps it took.

        Args:
            threshold: vectors above which a tenant gets its own partition.
            steps: most steps.
            bulk: vectors up to which the index is built in one go.
            patient: a step that gives way to others is done again, as at the worker's next turn.
        """
        for number in range(1, steps + 1):
            try:
                async with self.writing():
                    found = [m for m in await sql.models() if m.model == MODEL]
                    if not await filling.arrange(found[0], threshold=threshold, bulk=bulk):
                        return number
            except (Unavailable, Conflict):
                if not patient:
                    raise
        raise AssertionError("it never came to an end")

    async def place(self) -> str:
        return next(model.place for model in await self.search.models() if model.model == MODEL)

    async def step(self, name: str, prepare: Callable[[], Any], body: Callable[[], Any], cursor: Any) -> Step:
        """One step of the worker's: what is prepared before the transaction, and the transaction."""
        ready = await preparing(prepare, self.executor.principal, name, cursor=cursor)
        async with acting(self.executor.runtime, self.executor.principal, name, cursor=cursor, prepared=ready):
            done: Step = await body()
        return done

    async def reindex(self, model: str | None = None) -> Step:
        """Run the job to its end, step by step."""
        operation = REGISTRY["search.reindex"]
        assert operation.prepare_body is not None
        prepare = partial(operation.prepare_body, self.search, model=model)
        cursor: Any = None
        while True:
            step = await self.step(operation.name, prepare, partial(operation.body, self.search, model=model), cursor)
            if step.cursor is None:
                return step
            cursor = step.cursor

    def beside(self, providers: Providers) -> "Shelf":
        """The same tenant in a process with other providers."""
        runtime = Runtime(self.executor.runtime.database, providers={"embeddings": providers})
        return replace(self, executor=LocalExecutor(runtime, self.executor.principal))


async def shelf_of(moot: Moot) -> Shelf:
    """The shelf of a Moot that defers its executor."""
    executor = moot.executor
    if not isinstance(executor, LocalExecutor):
        executor = await executor.real()  # type: ignore[attr-defined]
    assert isinstance(executor, LocalExecutor)
    return Shelf(moot, executor)


def points(count: int, *, seed: int, clusters: int = 20, dimensions: int = DIMENSIONS) -> np.ndarray[Any, Any]:
    """Unit vectors in clusters, at half precision, as they are stored."""
    generator = np.random.default_rng(seed)
    centres = generator.standard_normal((clusters, dimensions))
    cloud = centres[generator.integers(0, clusters, count)] + 0.8 * generator.standard_normal((count, dimensions))
    unit = cloud / np.linalg.norm(cloud, axis=1, keepdims=True)
    rounded: np.ndarray[Any, Any] = unit.astype(np.float16).astype(np.float32)
    return rounded


def nearest(every: np.ndarray[Any, Any], query: np.ndarray[Any, Any], count: int) -> list[int]:
    """Numbers of the points nearest to a query, exactly."""
    return [int(n) for n in np.argsort(-(every @ query), kind="stable")[:count]]


async def relations(connection: psycopg.AsyncConnection[Any], pattern: str) -> list[str]:
    """Tables of the schema whose names match."""
    cursor = await connection.execute(
        "select relname from pg_class where relnamespace = 'moothill'::regnamespace and relkind in ('r', 'p') "
        "and relname ~ %s order by 1",
        [pattern],
    )
    return [row[0] for row in await cursor.fetchall()]
