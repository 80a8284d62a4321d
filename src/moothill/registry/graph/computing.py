"""Centrality, communities and mutual information of a whole graph, as arrays; no I/O, no clock of its own.

The library is networkit (MIT): it estimates betweenness from samples and finds communities of a hundred thousand agents
in a minute, which a library in Python does not. It is imported when it is needed. See docs/decisions.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import NoGraphLibrary

__all__ = ["Edges", "Figures", "association", "figures_of", "pack"]

_DAMPING = 0.85
_TOLERANCE = 1e-9

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Edges:
    """Relationships as arrays of one length.

    Attributes:
        ids: of the relationships, 16 bytes each.
        agents: ids of all agents at their ends, 16 bytes each, in order.
        source, target: places in `agents`.
        kind: number of the type.
        directed: 1 where it holds one way.
        weight: confidence times strength.
        together: co-occurrences.
    """

    ids: NDArray[np.void]
    agents: NDArray[np.void]
    source: Ints
    target: Ints
    kind: Ints
    directed: Ints
    weight: Floats
    together: Ints


@dataclass(frozen=True, slots=True)
class Figures:
    """How central each agent is, in the order of `Edges.agents`."""

    degree: Ints
    incoming: Ints
    outgoing: Ints
    share: Floats
    pagerank: Floats
    betweenness: Floats
    community: Ints
    communities: int
    samples: int


def pack(parts: list[tuple[bytes, ...]]) -> Edges:
    """Arrays from the packed columns of pages: ids, sources, targets, kinds, directed, weights, together."""
    ids, sources, targets, kinds, directed, weights, together = (
        b"".join(column) for column in zip(*parts, strict=True)
    )
    ends = np.frombuffer(sources + targets, dtype="V16")
    agents, places = np.unique(ends, return_inverse=True)
    half = len(ends) // 2
    return Edges(
        ids=np.frombuffer(ids, dtype="V16"),
        agents=agents,
        source=places[:half].astype(np.int64),
        target=places[half:].astype(np.int64),
        kind=np.frombuffer(kinds, dtype=">i8").astype(np.int64),
        directed=np.frombuffer(directed, dtype=">i8").astype(np.int64),
        weight=np.frombuffer(weights, dtype=">f8").astype(np.float64),
        together=np.frombuffer(together, dtype=">i8").astype(np.int64),
    )


def figures_of(edges: Edges, *, samples: int) -> Figures:
    """How central each agent is.

    Args:
        edges: at least one.
        samples: agents from which betweenness is estimated; from all of them when there are no more.

    Raises:
        NoGraphLibrary: networkit is not installed.
    """
    nk = _library()
    count = len(edges.agents)
    both = edges.directed == 0
    first = np.concatenate([edges.source, edges.target[both]])
    second = np.concatenate([edges.target, edges.source[both]])
    arcs = _graph(
        nk, count, *_collapsed(count, first, second, np.concatenate([edges.weight, edges.weight[both]])), True
    )
    low, high = np.minimum(edges.source, edges.target), np.maximum(edges.source, edges.target)
    pairs = _collapsed(count, low, high, edges.weight)
    ties = _graph(nk, count, *pairs, False)
    taken = min(samples, count)
    ranks = nk.centrality.PageRank(
        arcs, _DAMPING, _TOLERANCE, distributeSinks=nk.centrality.SinkHandling.DistributeSinks
    )
    plain = nk.graphtools.toUnweighted(ties)
    if taken == count:
        between = nk.centrality.Betweenness(plain, normalized=True)
    else:
        between = nk.centrality.EstimateBetweenness(plain, taken, normalized=True)
    groups = nk.community.PLM(ties, refine=True, par="none")
    for each in (ranks, between, groups):
        each.run()
    community, communities = _by_size(np.array(groups.getPartition().getVector(), dtype=np.int64))
    neighbours = np.bincount(np.concatenate([pairs[0], pairs[1]]), minlength=count)
    return Figures(
        degree=np.bincount(np.concatenate([edges.source, edges.target]), minlength=count),
        incoming=np.bincount(second, minlength=count),
        outgoing=np.bincount(first, minlength=count),
        share=neighbours / max(1, count - 1),
        pagerank=np.array(ranks.scores()),
        betweenness=np.clip(np.nan_to_num(np.array(between.scores())), 0.0, 1.0),
        community=community,
        communities=communities,
        samples=taken,
    )


def association(edges: Edges) -> tuple[Floats, Floats]:
    """Mutual information and pointwise mutual information of each relationship, bits; NaN where nothing was counted.

    Of each type by itself: the symmetric matrix of co-occurrences, in which a directed relationship counts like any
    other. `relationships.rules` has the formulas and where they come from; this is the same on arrays.
    """
    count = len(edges.agents)
    low, high = np.minimum(edges.source, edges.target), np.maximum(edges.source, edges.target)
    _, pair = np.unique((edges.kind * count + low) * count + high, return_inverse=True)
    counts = edges.together.astype(np.float64)
    both = _sums(pair, counts)[pair]
    kinds = int(edges.kind.max()) + 1
    at_low, at_high = edges.kind * count + low, edges.kind * count + high
    rows = _sums(at_low, counts, kinds * count) + _sums(at_high, counts, kinds * count)
    total = 2 * _sums(edges.kind, counts, kinds)[edges.kind]
    x, y = rows[at_low], rows[at_high]
    with np.errstate(divide="ignore", invalid="ignore"):
        pointwise = np.log2(both * total / (x * y))
        cells = ((both, x, y), (x - both, x, total - y), (y - both, total - x, y))
        last = (total - x - y + both, total - x, total - y)
        mutual = np.sum([_cell(n, row, column, total) for n, row, column in (*cells, last)], axis=0)
    counted = both > 0
    return (
        np.where(counted, np.maximum(0.0, mutual), np.nan),
        np.where(counted, pointwise, np.nan),
    )


def _sums(place: Ints, weight: Floats, count: int = 0) -> Floats:
    return np.bincount(place, weights=weight, minlength=count).astype(np.float64)


def _cell(n: Floats, row: Floats, column: Floats, total: Floats) -> Floats:
    bits: Floats = np.where(n > 0, n / total * np.log2(n * total / (row * column)), 0.0)
    return bits


def _library() -> Any:
    try:
        import networkit as nk  # half a second, and megabytes
    except ImportError:
        raise NoGraphLibrary(module="networkit") from None

    # One thread, so that a server keeps its other cores, and the same graph gives the same figures.
    nk.setNumberOfThreads(1)
    nk.setSeed(7, False)
    return nk


def _collapsed(count: int, first: Ints, second: Ints, weight: Floats) -> tuple[Ints, Ints, Floats]:
    """One edge for all between the same two, with the sum of their weights."""
    codes, place = np.unique(first * count + second, return_inverse=True)
    return codes // count, codes % count, _sums(place, weight)


def _graph(nk: Any, count: int, first: Ints, second: Ints, weight: Floats, directed: bool) -> Any:
    # A weight of 0 would take an edge out of PageRank, and leave its agent a sink.
    weights = np.maximum(weight, 1e-6)
    return nk.GraphFromCoo(
        (weights, (first.astype(np.uint64), second.astype(np.uint64))), n=count, weighted=True, directed=directed
    )


def _by_size(labels: Ints) -> tuple[Ints, int]:
    """Communities numbered from 0, the largest first; of the same size, the one with the first agent."""
    _, first, place, sizes = np.unique(labels, return_index=True, return_inverse=True, return_counts=True)
    order = np.lexsort((first, -sizes))
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    return rank[place], len(order)
