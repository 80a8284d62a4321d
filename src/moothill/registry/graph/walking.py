"""Walking: what a traversal, a path or a picture is made of."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from pydantic import BaseModel, TypeAdapter

from ...database.queries import Many, Maybe, Queries
from ...kernel.texts import id_of
from ..agents import Agent
from ..agents.lookup import unknown_agent
from ..relationships.models import TypeName
from . import layout, rules
from .errors import NoPath, SameAgent
from .models import (
    Analysis,
    Centrality,
    Edge,
    FoundPath,
    Node,
    Path,
    PathAgent,
    Paths,
    PathStep,
    Picture,
    Reached,
    Traversal,
)

__all__ = ["Bounds", "around", "best", "shortest", "society", "sql", "traversal"]

_EDGES_OF_PATHS = 20_000
_EDGES_OF_PICTURES = 1_000


@dataclass(frozen=True, slots=True)
class Bounds:
    """Which relationships count, and how many of them."""

    types: Sequence[str] | None
    lowest: Decimal
    direction: str
    fan: int
    most: int

    def asked(self) -> dict[str, Any]:
        """As the statements take them."""
        return {
            "types": list(self.types) if self.types is not None else None,
            "lowest": self.lowest,
            "outward": self.direction != "in",
            "inward": self.direction != "out",
            "fan": self.fan,
            "most": self.most,
        }


class _Visit(BaseModel):
    id: UUID
    agent: str
    name: str
    status: str
    hop: int
    parent: UUID | None
    relationship: UUID | None
    type: TypeName | None
    confidence: float
    seen: int
    fanned_at: int | None
    full_at: int | None


class _OnPath(BaseModel):
    id: UUID | None
    agent: str | None
    name: str | None
    relationship: UUID | None
    source_id: UUID | None
    type: TypeName | None
    directional: bool | None
    confidence: Decimal | None
    strength: Decimal | None
    sure: float | None
    reached: int
    seen: int
    cut: bool


class _Between(BaseModel):
    id: UUID
    source_id: UUID
    target_id: UUID
    type: TypeName
    directional: bool
    confidence: Decimal
    strength: Decimal


class _Named(BaseModel):
    id: UUID
    agent: str
    name: str
    status: str


class _Ends(BaseModel):
    source_id: UUID
    target_id: UUID


class Sql(Queries):
    """Statements of the graph."""

    traverse: Many[_Visit]
    path: Many[_OnPath]
    among: Many[_Between]
    named: Many[_Named]
    surest: Many[_Ends]
    top: Many[UUID]
    latest: Maybe[Analysis]
    of_agent: Maybe[Centrality]
    by_pagerank: Many[Centrality]
    by_degree: Many[Centrality]
    by_betweenness: Many[Centrality]


sql = Sql()
_REACHED = TypeAdapter(list[Reached])


async def traversal(start: str, hops: int, bounds: Bounds) -> Traversal:
    """The agents around one, in one statement.

    Raises:
        AgentNotFound: there is no agent of this key or id.
    """
    visits = await sql.traverse(key=start, id=id_of(start), hops=hops, **bounds.asked())
    if not visits:
        raise await unknown_agent(start)
    keys = {each.id: each.agent for each in visits}
    ways: dict[UUID, list[str]] = {}
    agents: list[dict[str, Any]] = []
    for each in visits:
        ways[each.id] = [*(ways[each.parent] if each.parent is not None else []), each.agent]
        agents.append(
            {
                "id": each.id,
                "agent": each.agent,
                "name": each.name,
                "status": each.status,
                "hop": each.hop,
                "confidence": round(each.confidence, 6),
                "parent": keys[each.parent] if each.parent is not None else None,
                "relationship": each.relationship,
                "type": each.type,
                "path": ways[each.id],
            }
        )
    first = visits[0]
    left_out = []
    if first.full_at is not None:
        left_out.append(f"At hop {first.full_at} more agents were reached than {bounds.most}; raise `limit`.")
    if first.fanned_at is not None:
        left_out.append(
            f"At hop {first.fanned_at} an agent has more than {bounds.fan} relationships; raise `fan`, or name types."
        )
    return Traversal(
        # All of them in one go: one by one, validating would take longer than walking.
        agents=_REACHED.validate_python(agents),
        relationships_seen=first.seen,
        truncated=bool(left_out),
        full_at_hop=first.full_at,
        fanned_at_hop=first.fanned_at,
        message=" ".join(left_out),
    )


async def shortest(source: Agent, target: Agent, hops: int, bounds: Bounds) -> FoundPath:
    """The shortest way, of these the surest.

    Raises:
        NoPath: there is none.
    """
    _refuse_same(source, target)
    rows = await sql.path(source=source.id, target=target.id, hops=hops, **bounds.asked())
    if rows[0].id is None:
        more = (
            " A bound kept some relationships out; ask for fewer types or a higher confidence." if rows[0].cut else ""
        )
        raise NoPath(
            f"Nothing connects {source.agent_id} with {target.agent_id} in at most {hops} hops under these filters. "
            f"Allow more hops (up to 6), more types, less confidence, or both directions.{more}",
            source=source.agent_id,
            target=target.agent_id,
        )
    agents = [PathAgent(id=row.id, agent=row.agent, name=row.name) for row in rows]  # type: ignore[arg-type]
    steps = [
        PathStep(
            relationship=row.relationship,  # type: ignore[arg-type]  # only the first agent has no step before it
            type=row.type,  # type: ignore[arg-type]
            directional=bool(row.directional),
            backwards=row.source_id == row.id,
            confidence=row.confidence,  # type: ignore[arg-type]
            strength=row.strength,  # type: ignore[arg-type]
        )
        for row in rows[1:]
    ]
    return FoundPath(
        length=len(steps),
        confidence=round(rows[0].sure or 0.0, 6),
        agents=agents,
        steps=steps,
        agents_seen=rows[0].reached,
        relationships_seen=rows[0].seen,
        truncated=rows[0].cut,
    )


async def best(source: Agent, target: Agent, count: int, hops: int, bounds: Bounds) -> Paths:
    """The best ways that pass no agent twice."""
    _refuse_same(source, target)
    given = bounds.asked()
    forth = await sql.traverse(key=None, id=source.id, hops=(hops + 1) // 2, **given)
    back = await sql.traverse(
        key=None,
        id=target.id,
        hops=max(1, hops // 2),
        **{**given, "outward": given["inward"], "inward": given["outward"]},
    )
    wide = {**given, "fan": 200, "most": 20_000}
    known = await sql.path(source=source.id, target=target.id, hops=hops, **wide)
    agents = {each.id for each in (*forth, *back)} | {row.id for row in known if row.id is not None}
    edges = await _among(agents, bounds, most=_EDGES_OF_PATHS)
    arcs = rules.arcs_of(
        ((e.id, e.source_id, e.target_id, e.directional, float(e.confidence)) for e in edges),
        outward=given["outward"],
        inward=given["inward"],
    )
    found = rules.best_ways(arcs, source.id, target.id, hops=hops, count=count)
    on_them = {source.id} | {arc.end for way in found.ways for arc in way}
    names = {each.id: each for each in await sql.named(agents=list(on_them))}
    by_id = {each.id: each for each in edges}
    cut = any(each[0].full_at is not None or each[0].fanned_at is not None for each in (forth, back))
    return Paths(
        paths=[_path(source.id, way, by_id, names) for way in found.ways],
        truncated=cut or not found.complete or len(edges) >= _EDGES_OF_PATHS,
    )


async def around(start: UUID, hops: int, bounds: Bounds) -> Picture:
    """A picture of the agents around one."""
    visits = await sql.traverse(key=None, id=start, hops=hops, **bounds.asked())
    edges = await _among((each.id for each in visits), bounds, most=_EDGES_OF_PICTURES)
    places = layout.rings({each.id: each.hop for each in visits}, {each.id: each.parent for each in visits})
    hop_of = {each.id: each.hop for each in visits}
    cut = visits[0].full_at is not None or visits[0].fanned_at is not None
    named = [_Named(id=each.id, agent=each.agent, name=each.name, status=each.status) for each in visits]
    return _picture(named, edges, places, hop_of, cut)


async def society(bounds: Bounds) -> Picture:
    """A picture of the most central agents."""
    chosen = list(await sql.top(size=bounds.most + 1))
    if not chosen:
        ends = await sql.surest(types=bounds.asked()["types"], lowest=bounds.lowest, size=_EDGES_OF_PICTURES)
        both = dict.fromkeys(end for each in ends for end in (each.source_id, each.target_id))
        chosen = list(both)
    cut = len(chosen) > bounds.most
    chosen = chosen[: bounds.most]
    edges = await _among(chosen, bounds, most=_EDGES_OF_PICTURES)
    places = layout.springs(
        chosen, [(each.source_id, each.target_id, float(each.confidence * each.strength)) for each in edges]
    )
    found = {each.id: each for each in await sql.named(agents=chosen)}
    named = [found[each] for each in chosen if each in found]
    return _picture(named, edges, places, {}, cut)


async def _among(agents: Iterable[UUID | None], bounds: Bounds, *, most: int) -> list[_Between]:
    wanted = [each for each in agents if each is not None]
    given = bounds.asked()
    return await sql.among(agents=wanted, types=given["types"], lowest=given["lowest"], most=most)


def _path(start: UUID, way: Sequence[rules.Arc], edges: Mapping[UUID, _Between], names: Mapping[UUID, _Named]) -> Path:
    sure = 1.0
    steps: list[PathStep] = []
    for arc in way:
        edge = edges[arc.edge]
        sure *= arc.confidence
        steps.append(
            PathStep(
                relationship=edge.id,
                type=edge.type,
                directional=edge.directional,
                backwards=edge.source_id == arc.end,
                confidence=edge.confidence,
                strength=edge.strength,
            )
        )
    agents = [names[each] for each in (start, *(arc.end for arc in way))]
    return Path(
        length=len(steps),
        confidence=round(sure, 6),
        agents=[PathAgent(id=each.id, agent=each.agent, name=each.name) for each in agents],
        steps=steps,
    )


def _picture(
    named: Sequence[_Named],
    edges: Sequence[_Between],
    places: Mapping[UUID, tuple[float, float]],
    hop_of: Mapping[UUID, int],
    cut: bool,
) -> Picture:
    keys = {each.id: each.agent for each in named}
    shown = [each for each in edges if each.source_id in keys and each.target_id in keys]
    degrees: dict[UUID, int] = {}
    for each in shown:
        for end in (each.source_id, each.target_id):
            degrees[end] = degrees.get(end, 0) + 1
    cut = cut or len(edges) >= _EDGES_OF_PICTURES
    return Picture(
        nodes=[
            Node(
                **each.model_dump(),
                hop=hop_of.get(each.id),
                degree=degrees.get(each.id, 0),
                x=places[each.id][0],
                y=places[each.id][1],
            )
            for each in named
        ],
        edges=[
            Edge(
                **each.model_dump(exclude={"source_id", "target_id"}),
                source=keys[each.source_id],
                target=keys[each.target_id],
            )
            for each in shown
        ],
        truncated=cut,
        message=f"Shown are {len(named)} agents and {len(shown)} relationships; there are more. Raise `limit`, or "
        f"filter by type and confidence."
        if cut
        else "",
    )


def _refuse_same(source: Agent, target: Agent) -> None:
    if source.id == target.id:
        raise SameAgent(
            f"A path has two ends, and {source.agent_id} stands at both; name another as `target`.", field="target"
        )
