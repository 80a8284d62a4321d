"""Walking done plainly, in memory: what the functions of the database are compared with."""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

__all__ = ["Plain", "distances", "every_way", "random_edges"]

TYPES = ("COLLABORATES_WITH", "VALIDATES", "DEPENDS_ON")


@dataclass(frozen=True)
class Plain:
    """A relationship between two agents, by number."""

    source: int
    target: int
    type: str
    directional: bool
    confidence: int  # hundredths
    strength: int  # hundredths


def random_edges(count: int, edges: int, seed: int) -> list[Plain]:
    """Relationships of a seed; no two of the same kind between the same agents."""
    chance = random.Random(seed)
    made: dict[tuple[int, int, str], Plain] = {}
    while len(made) < edges:
        a, b = chance.sample(range(count), 2)
        kind = chance.choice(TYPES)
        if (min(a, b), max(a, b), kind) not in made:
            made[min(a, b), max(a, b), kind] = Plain(
                a, b, kind, chance.random() < 0.4, chance.randint(50, 100), chance.randint(0, 100)
            )
    return list(made.values())


def arcs(
    edges: Sequence[Plain], direction: str, types: Sequence[str] | None, lowest: int
) -> Iterator[tuple[int, int, Plain]]:
    for edge in edges:
        if edge.confidence < lowest or (types is not None and edge.type not in types):
            continue
        if direction != "in" or not edge.directional:
            yield edge.source, edge.target, edge
        if direction != "out" or not edge.directional:
            yield edge.target, edge.source, edge


def distances(
    edges: Sequence[Plain],
    seeds: Mapping[int, float],
    hops: int,
    *,
    direction: str = "both",
    types: Sequence[str] | None = None,
    lowest: int = 50,
    by_strength: bool = False,
) -> dict[int, tuple[int, float, float]]:
    """For each agent its hop, the best worth of a way of so many hops, and the confidence of the surest such way."""
    leaving: dict[int, list[tuple[int, Plain]]] = {}
    for start, end, edge in arcs(edges, direction, types, lowest):
        leaving.setdefault(start, []).append((end, edge))
    known = {seed: (0, worth, 1.0) for seed, worth in seeds.items()}
    here = list(known)
    for level in range(1, hops + 1):
        reached: dict[int, tuple[float, float]] = {}
        for start in here:
            for end, edge in leaving.get(start, ()):
                if end not in known:
                    factor = edge.confidence / 100 * (edge.strength / 100 if by_strength else 1)
                    worth = known[start][1] * factor
                    if end not in reached or worth > reached[end][0]:
                        reached[end] = (worth, known[start][2] * edge.confidence / 100)
        known.update({agent: (level, worth, sure) for agent, (worth, sure) in reached.items()})
        here = list(reached)
    return known


def every_way(
    edges: Sequence[Plain], source: int, target: int, hops: int, direction: str = "both"
) -> list[tuple[int, float]]:
    """Length and confidence of every way that passes no agent twice, the best first."""
    leaving: dict[int, list[tuple[int, Plain]]] = {}
    for start, end, edge in arcs(edges, direction, None, 50):
        leaving.setdefault(start, []).append((end, edge))
    found: list[tuple[int, float]] = []

    def go(here: int, passed: frozenset[int], length: int, sure: float) -> None:
        if here == target:
            found.append((length, sure))
            return
        if length == hops:
            return
        for end, edge in leaving.get(here, ()):
            if end not in passed:
                go(end, passed | {end}, length + 1, sure * edge.confidence / 100)

    go(source, frozenset({source}), 0, 1.0)
    return sorted(found, key=lambda each: (each[0], -each[1]))
