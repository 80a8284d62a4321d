"""Analysing the whole graph: read page by page, computed outside of any transaction, written in bounded steps."""

import asyncio
import importlib.util
import math
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

from pydantic import BaseModel

from ...database.queries import One, Queries, Run
from ...kernel import Step, context
from ...kernel.identifiers import NOBODY, uuid7
from ...kernel.local import LocalExecutor, entered
from ..relationships.models import TYPES
from .errors import NoGraphLibrary
from .models import GraphAnalysed

if TYPE_CHECKING:
    from .computing import Edges, Figures

__all__ = ["Finding", "finding_for", "go_on", "has_library", "sql"]

T = TypeVar("T")
MOST_RELATIONSHIPS = 2_000_000
_PAGE = 50_000
_BATCH = 5_000

# More jobs than a worker runs at a time; one beyond that would only be computed again.
_MOST_HELD = 8

# Findings whose rows are being written here. Another process that takes the job over computes its own.
_held: dict[UUID, "Finding"] = {}


class _Page(BaseModel):
    many: int
    ids: bytes
    sources: bytes
    targets: bytes
    kinds: bytes
    directed: bytes
    weights: bytes
    together: bytes


class Sql(Queries):
    """Statements of analyses."""

    file = "analysing.sql"
    page: One[_Page]
    beyond: One[int]
    begin: Run
    store: Run
    measure: Run
    finish: Run
    tidy: Run
    drop: Run
    now: One[datetime]
    is_due: One[bool]


sql = Sql()


@dataclass(frozen=True, slots=True)
class Finding:
    """What an analysis found.

    Attributes:
        id: of the analysis.
        edges: what it read; None when there is no relationship.
        mutual, pointwise: mutual information of each of them.
    """

    id: UUID
    edges: "Edges | None"
    figures: "Figures | None"
    mutual: Any
    pointwise: Any
    left_out: int
    seconds: float
    read_at: datetime


def has_library() -> bool:
    """Whether networkit is installed."""
    return importlib.util.find_spec("networkit") is not None


async def finding_for(executor: Any, cursor: Any, *, samples: int) -> Finding:
    """What there is to write: what was computed for the step before, or, at first, what is computed now.

    Raises:
        NoGraphLibrary: networkit is not installed.
    """
    held = _held.get(UUID(cursor["analysis"])) if cursor else None
    if held is not None:
        return held
    if not has_library():
        raise NoGraphLibrary(module="networkit")
    from .computing import association, figures_of  # numpy, and the library, only where they are used

    read_at = await _apart(executor, sql.now)
    edges, left_out = await _read(executor)
    began = time.perf_counter()
    figures = mutual = pointwise = None
    if edges is not None:
        figures = await asyncio.to_thread(figures_of, edges, samples=samples)
        mutual, pointwise = await asyncio.to_thread(association, edges)
    finding = Finding(uuid7(), edges, figures, mutual, pointwise, left_out, time.perf_counter() - began, read_at)
    while len(_held) >= _MOST_HELD:
        del _held[next(iter(_held))]
    _held[finding.id] = finding
    return finding


async def go_on(finding: Finding) -> Step:
    """Write the next rows of a finding."""
    cursor = dict(context().cursor or {})
    agents = len(finding.edges.agents) if finding.edges is not None else 0
    edges = len(finding.edges.ids) if finding.edges is not None else 0
    total = agents + edges
    if cursor.get("analysis") != str(finding.id):
        if cursor:
            await sql.drop(id=UUID(cursor["analysis"]))
        await _begin(finding, agents, edges)
        return Step(done=0, total=total, cursor={"analysis": str(finding.id), "at": 0}, message="Computed.")
    at = int(cursor["at"])
    if at < agents:
        await _store(finding, at, min(agents, at + _BATCH))
        after = min(agents, at + _BATCH)
    elif at < total:
        await _measure(finding, at - agents, min(edges, at - agents + _BATCH))
        after = min(total, at + _BATCH)
    else:
        await sql.finish(id=finding.id)
        await sql.tidy(id=finding.id)
        _held.pop(finding.id, None)
        communities = finding.figures.communities if finding.figures else 0
        context().record(GraphAnalysed(agents=agents, relationships=edges, communities=communities), subject=finding.id)
        return Step(done=total, total=total, message=f"{agents} agents in {communities} communities.")
    return Step(done=after, total=total, cursor={**cursor, "at": after}, message="Writing.")


async def _begin(finding: Finding, agents: int, edges: int) -> None:
    figures = finding.figures
    await sql.begin(
        id=finding.id,
        agents=agents,
        relationships=edges,
        left_out=finding.left_out,
        samples=figures.samples if figures else 0,
        communities=figures.communities if figures else 0,
        seconds=finding.seconds,
        read_at=finding.read_at,
    )


async def _store(finding: Finding, begin: int, end: int) -> None:
    edges, figures = finding.edges, finding.figures
    assert edges is not None and figures is not None
    part = slice(begin, end)
    await sql.store(
        analysis=finding.id,
        agents=_uuids(edges.agents[part]),
        degrees=figures.degree[part].tolist(),
        incoming=figures.incoming[part].tolist(),
        outgoing=figures.outgoing[part].tolist(),
        shares=figures.share[part].tolist(),
        pageranks=figures.pagerank[part].tolist(),
        betweennesses=figures.betweenness[part].tolist(),
        communities=figures.community[part].tolist(),
    )


async def _measure(finding: Finding, begin: int, end: int) -> None:
    assert finding.edges is not None
    part = slice(begin, end)
    await sql.measure(
        ids=_uuids(finding.edges.ids[part]),
        mutual=_numbers(finding.mutual[part]),
        pointwise=_numbers(finding.pointwise[part]),
    )


async def _read(executor: Any) -> "tuple[Edges | None, int]":
    from .computing import pack

    parts: list[tuple[bytes, ...]] = []
    after, many = NOBODY, 0
    while many < MOST_RELATIONSHIPS:
        page = await _apart(executor, partial(sql.page, after=after, size=_PAGE, types=list(TYPES)))
        if page.many:
            columns = (page.ids, page.sources, page.targets, page.kinds, page.directed, page.weights, page.together)
            parts.append(columns)
            many += page.many
            after = UUID(bytes=page.ids[-16:])
        if page.many < _PAGE:
            break
    left_out = await _apart(executor, partial(sql.beyond, after=after)) if many >= MOST_RELATIONSHIPS else 0
    return (await asyncio.to_thread(pack, parts) if parts else None), left_out


async def _apart(executor: Any, statement: Callable[[], Awaitable[T]]) -> T:
    """Run a statement in a short transaction of its own."""
    assert isinstance(executor, LocalExecutor)
    alone = replace(context(), transaction=None, pending=[], read_only=False)
    async with executor.runtime.database.begin(alone, single=True) as unit:
        alone.transaction = unit
        with entered(alone):
            return await statement()


def _uuids(packed: Any) -> list[UUID]:
    return [UUID(bytes=bytes(each)) for each in packed]


def _numbers(values: Any) -> list[float | None]:
    return [None if math.isnan(each) else float(each) for each in values]
