"""Where the things of a graph without circles stand: in layers, with few crossings. Pure."""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

__all__ = ["Place", "placed"]

T = TypeVar("T", bound=Hashable)
_SWEEPS = 6


@dataclass(frozen=True, slots=True)
class Place:
    """A layer, counted from where nothing is waited for, and a place in it, counted from its beginning."""

    layer: int
    row: int


def placed(things: Sequence[T], edges: Iterable[tuple[T, T]]) -> dict[T, Place]:
    """A place for each thing; whatever comes before another stands in an earlier layer. O(sweeps * edges).

    Layers by longest path, rows by the means of neighbours (Sugiyama, 1981). In a circle, which cannot
    be, things stand where they would without the rest of it.

    Args:
        edges: (before, after); those with a thing that is not given are left out.
    """
    known = set(things)
    after: dict[T, list[T]] = {thing: [] for thing in things}
    before: dict[T, list[T]] = {thing: [] for thing in things}
    for first, second in edges:
        if first in known and second in known and first != second:
            after[first].append(second)
            before[second].append(first)
    layers = _layers(things, before, after)
    rows: list[list[T]] = [[] for _ in range(max(layers.values(), default=-1) + 1)]
    for thing in things:
        rows[layers[thing]].append(thing)
    for sweep in range(_SWEEPS):
        down = sweep % 2 == 0
        beside = before if down else after
        for row in rows if down else reversed(rows):
            _sort(row, beside, {thing: at for other in rows for at, thing in enumerate(other)})
    return {thing: Place(layer, at) for layer, row in enumerate(rows) for at, thing in enumerate(row)}


def _layers(things: Sequence[T], before: Mapping[T, Sequence[T]], after: Mapping[T, Sequence[T]]) -> dict[T, int]:
    found = dict.fromkeys(things, 0)
    left = {thing: len(before[thing]) for thing in things}
    free = [thing for thing in things if not left[thing]]
    while free:
        thing = free.pop()
        for beyond in after[thing]:
            found[beyond] = max(found[beyond], found[thing] + 1)
            left[beyond] -= 1
            if not left[beyond]:
                free.append(beyond)
    return found


def _sort(row: list[T], beside: Mapping[T, Sequence[T]], rows: Mapping[T, int]) -> None:
    """Put each thing at the mean of its neighbours; one without any stays about where it is."""

    def mean(thing: T) -> float:
        others = beside[thing]
        return sum(rows[other] for other in others) / len(others) if others else rows[thing]

    row.sort(key=mean)
