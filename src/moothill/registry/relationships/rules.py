"""The form of edges, and what observations and co-occurrences make of their numbers."""

from collections.abc import Iterable
from decimal import Decimal
from math import log2
from uuid import UUID

__all__ = ["STEP", "ends", "first_double", "mutual_information", "pointwise", "strength_after"]

STEP = Decimal("0.1")
"""What an observation takes of the way that is left to strength 1."""
_FOUR = Decimal("0.0001")


def ends(source: UUID, target: UUID, *, directional: bool) -> tuple[UUID, UUID]:
    """The ends of an edge as it is stored: an undirected one begins at the smaller id."""
    return (source, target) if directional or source < target else (target, source)


def first_double(edges: Iterable[tuple[UUID, UUID, str]]) -> int | None:
    """The place of the first edge that was there before."""
    seen: set[tuple[UUID, UUID, str]] = set()
    for place, edge in enumerate(edges):
        if edge in seen:
            return place
        seen.add(edge)
    return None


def strength_after(base: Decimal, observations: int) -> Decimal:
    """Strength after so many observations: each takes a tenth of what is left to 1. The database computes the same.

    Computed from their number, so it does not depend on the order in which they come, nor on rounding between them.
    """
    if observations == 0:
        return base
    left: Decimal = (1 - base) * (1 - STEP) ** min(observations, 500)
    return (1 - left).quantize(_FOUR)


def pointwise(together: int, first: int, second: int, total: int) -> float:
    """Pointwise mutual information of two agents, bits: log2 of how much likelier than by chance they come together.

    Church and Hanks (1990), over the symmetric matrix of co-occurrences as Levy and Goldberg (2014) take it:
    `together` is the entry of the two, `first` and `second` are the sums of their rows, `total` that of the matrix.
    """
    return log2(together * total / (first * second))


def mutual_information(together: int, first: int, second: int, total: int) -> float:
    """Mutual information of "one end is the first agent" and "the other end is the second", bits; never below 0.

    The sum over the four cells of their table (Cover and Thomas, Elements of Information Theory, 2.28).
    """
    cells = (
        (together, first, second),
        (first - together, first, total - second),
        (second - together, total - first, second),
        (total - first - second + together, total - first, total - second),
    )
    bits = sum(n / total * log2(n * total / (row * column)) for n, row, column in cells if n > 0)
    return max(0.0, bits)
