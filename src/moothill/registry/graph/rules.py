"""Arithmetic of paths: the best loopless ways in a small graph."""

import heapq
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

__all__ = ["Arc", "Ways", "arcs_of", "best_ways"]

# Ways that are begun before the search gives up; each is a hundredth of a millisecond.
_MOST_BEGUN = 20_000


@dataclass(frozen=True, slots=True)
class Arc:
    """A relationship as it is walked.

    Attributes:
        edge: id of the relationship.
        end: the agent that it leads to.
        confidence: of the relationship, above 0.
    """

    edge: UUID
    end: UUID
    confidence: float


@dataclass(frozen=True, slots=True)
class Ways:
    """Ways from source to target.

    Attributes:
        ways: arcs of each, the best first.
        complete: whether the search came to its end.
    """

    ways: Sequence[Sequence[Arc]]
    complete: bool


def arcs_of(
    edges: Iterable[tuple[UUID, UUID, UUID, bool, float]], *, outward: bool, inward: bool
) -> dict[UUID, list[Arc]]:
    """For each agent the arcs that leave it, given (id, source, target, directional, confidence) of relationships."""
    arcs: dict[UUID, list[Arc]] = {}
    for edge, source, target, directional, confidence in edges:
        if outward or not directional:
            arcs.setdefault(source, []).append(Arc(edge, target, confidence))
        if inward or not directional:
            arcs.setdefault(target, []).append(Arc(edge, source, confidence))
    return arcs


def best_ways(arcs: Mapping[UUID, Sequence[Arc]], source: UUID, target: UUID, *, hops: int, count: int) -> Ways:
    """The best ways that pass no agent twice: short ones first, of equal length those of the highest confidence.

    Best first search: a way that is begun is judged by the least hops that it still needs, and by the highest
    confidence that ways of so many hops have from there; neither is ever too pessimistic, so ways come out in order.
    Of several relationships between the same two agents, each makes a way of its own.
    """
    left = _distances(arcs, target, hops)
    if source not in left or source == target:
        return Ways((), True)
    found: list[tuple[Arc, ...]] = []
    start_hops, start_sure = left[source]
    # (hops at least, - confidence at most, number that breaks ties, confidence so far, end, arcs)
    queue: list[tuple[int, float, int, float, UUID, tuple[Arc, ...]]] = [(start_hops, -start_sure, 0, 1.0, source, ())]
    begun = 0
    while queue and len(found) < count:
        _, _, _, sure, here, way = heapq.heappop(queue)
        if here == target:
            found.append(way)
            continue
        passed = {source, *(arc.end for arc in way)}
        for arc in arcs.get(here, ()):
            if arc.end in passed or arc.end not in left:
                continue
            more, best = left[arc.end]
            if len(way) + 1 + more > hops:
                continue
            begun += 1
            if begun > _MOST_BEGUN:
                return Ways(found, False)
            next_sure = sure * arc.confidence
            heapq.heappush(queue, (len(way) + 1 + more, -next_sure * best, begun, next_sure, arc.end, (*way, arc)))
    return Ways(found, True)


def _distances(arcs: Mapping[UUID, Sequence[Arc]], target: UUID, hops: int) -> dict[UUID, tuple[int, float]]:
    """From each agent the least hops to the target, and the highest confidence of a way of so many."""
    into: dict[UUID, list[tuple[UUID, float]]] = {}
    for start, leaving in arcs.items():
        for arc in leaving:
            into.setdefault(arc.end, []).append((start, arc.confidence))
    known: dict[UUID, tuple[int, float]] = {target: (0, 1.0)}
    here = [target]
    for level in range(1, hops + 1):
        reached: dict[UUID, float] = {}
        for end in here:
            sure = known[end][1]
            for start, confidence in into.get(end, ()):
                if start not in known:
                    reached[start] = max(reached.get(start, 0.0), sure * confidence)
        known.update({agent: (level, sure) for agent, sure in reached.items()})
        here = list(reached)
    return known
