"""Arithmetic of relationships and of the graph."""

import math
from decimal import Decimal
from itertools import pairwise
from uuid import UUID

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moothill.registry.graph import layout, rules
from moothill.registry.graph.computing import Edges, association
from moothill.registry.relationships.rules import ends, first_double, mutual_information, pointwise, strength_after

IDS = st.integers(0, 6).map(lambda number: UUID(int=number))


@given(IDS, IDS)
def test_an_undirected_edge_has_one_form(first: UUID, second: UUID) -> None:
    """A25."""
    assert ends(first, second, directional=False) == ends(second, first, directional=False)
    assert ends(first, second, directional=True) == (first, second)


def test_a_double_is_found_at_its_second_place() -> None:
    edge = (UUID(int=1), UUID(int=2), "X")
    assert first_double([edge, (*edge[:2], "Y"), edge]) == 2
    assert first_double([edge]) is None


@given(st.decimals(0, 1, places=4), st.integers(0, 2_000), st.integers(0, 2_000))
def test_strength_rises_with_observations_and_never_beyond_1(base: Decimal, fewer: int, more: int) -> None:
    low, high = sorted((fewer, more))
    assert base <= strength_after(base, low) <= strength_after(base, high) <= 1
    assert strength_after(base, 0) == base


@given(st.integers(1, 50), st.integers(0, 50), st.integers(0, 50), st.integers(0, 200))
def test_mutual_information_is_never_below_0_and_symmetric(together: int, first: int, second: int, rest: int) -> None:
    x, y = together + first, together + second
    total = x + y + rest
    assert mutual_information(together, x, y, total) >= 0
    assert mutual_information(together, x, y, total) == pytest.approx(mutual_information(together, y, x, total))
    assert pointwise(together, x, y, total) == pytest.approx(pointwise(together, y, x, total))


def test_pointwise_mutual_information_of_the_textbook() -> None:
    """Church and Hanks (1990), their first table: "honorary doctor", 12 of 621 and 111 in 15 million, is 11.3 bits."""
    assert pointwise(12, 111, 621, 15_000_000) == pytest.approx(11.3, abs=0.1)
    # By chance alone: none.
    assert pointwise(10, 100, 100, 1_000) == pytest.approx(0.0)
    assert mutual_information(10, 100, 100, 1_000) == pytest.approx(0.0, abs=1e-12)
    # Each tells the other for certain: as much as one of them holds.
    assert mutual_information(50, 50, 50, 100) == pytest.approx(1.0)


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4), st.integers(0, 1), st.integers(0, 9)), min_size=1))
def test_association_on_arrays_is_the_same(given_edges: list[tuple[int, int, int, int]]) -> None:
    rows = [each for each in given_edges if each[0] != each[1]]
    if not rows:
        return
    source, target, kind, together = (np.array(column, dtype=np.int64) for column in zip(*rows, strict=True))
    edges = Edges(
        ids=np.zeros(len(rows), dtype="V16"),
        agents=np.zeros(5, dtype="V16"),
        source=source,
        target=target,
        kind=kind,
        directed=np.zeros(len(rows), dtype=np.int64),
        weight=np.ones(len(rows)),
        together=together,
    )
    mutual, close = association(edges)
    for place, (a, b, k, _) in enumerate(rows):
        of_kind = [each for each in rows if each[2] == k]
        both = sum(n for x, y, _, n in of_kind if {x, y} == {a, b})
        sums = [sum(n for x, y, _, n in of_kind if end in (x, y)) for end in (a, b)]
        total = 2 * sum(n for *_, n in of_kind)
        if both == 0:
            assert math.isnan(mutual[place]) and math.isnan(close[place])
        else:
            assert mutual[place] == pytest.approx(mutual_information(both, sums[0], sums[1], total), abs=1e-9)
            assert close[place] == pytest.approx(pointwise(both, sums[0], sums[1], total), abs=1e-9)


EDGES = st.lists(
    st.tuples(IDS, IDS, st.booleans(), st.integers(50, 100)).filter(lambda each: each[0] != each[1]), max_size=14
)


@given(EDGES, IDS, IDS, st.integers(1, 4), st.integers(1, 10))
def test_the_best_ways_are_the_best_of_all_ways(
    edges: list[tuple[UUID, UUID, bool, int]], source: UUID, target: UUID, hops: int, count: int
) -> None:
    numbered = [
        (UUID(int=100 + place), start, end, one_way, sure / 100)
        for place, (start, end, one_way, sure) in enumerate(edges)
    ]
    arcs = rules.arcs_of(numbered, outward=True, inward=False)
    found = rules.best_ways(arcs, source, target, hops=hops, count=count)
    assert found.complete
    every: list[tuple[int, float]] = []

    def go(here: UUID, passed: frozenset[UUID], length: int, sure: float) -> None:
        if here == target:
            every.append((length, -sure))
        elif length < hops:
            for arc in arcs.get(here, ()):
                if arc.end not in passed:
                    go(arc.end, passed | {arc.end}, length + 1, sure * arc.confidence)

    if source != target:
        go(source, frozenset({source}), 0, 1.0)
    wanted = sorted(every)[:count]
    assert [len(way) for way in found.ways] == [length for length, _ in wanted]
    assert [math.prod(arc.confidence for arc in way) for way in found.ways] == pytest.approx([-s for _, s in wanted])
    for way in found.ways:
        passed = [source, *(arc.end for arc in way)]
        assert len(set(passed)) == len(passed)
        assert all(arc in arcs[start] for (start, _), arc in zip(pairwise(passed), way, strict=True))


def test_a_search_that_would_never_end_gives_up_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    agents = [UUID(int=n) for n in range(60)]
    edges = [(UUID(int=1000 + a * 60 + b), agents[a], agents[b], False, 0.5) for a in range(60) for b in range(a)]
    arcs = rules.arcs_of(edges[:-1], outward=True, inward=True)
    found = rules.best_ways(arcs, agents[0], agents[59], hops=6, count=10)
    assert (len(found.ways), found.complete) == (10, True)
    # One way is a single arc; the search for the others begins more than it may.
    monkeypatch.setattr(rules, "_MOST_BEGUN", 60)
    found = rules.best_ways(arcs, agents[0], agents[59], hops=6, count=10)
    assert (len(found.ways), found.complete) == (1, False)


def test_rings_put_children_into_the_sector_of_their_parent() -> None:
    a, b, c, d = (UUID(int=n) for n in range(1, 5))
    places = layout.rings({a: 0, b: 1, c: 1, d: 2}, {a: None, b: a, c: a, d: b})
    assert places[a] == (0.0, 0.0)
    assert math.hypot(*places[d]) == pytest.approx(1.0, abs=1e-3)
    assert math.hypot(*places[b]) == pytest.approx(0.5, abs=1e-3)
    # b and d on the same side, c on the other.
    assert places[b][1] * places[d][1] > 0 > places[b][1] * places[c][1]


def test_springs_are_the_same_each_time_and_stay_within_the_picture() -> None:
    agents = [UUID(int=n) for n in range(30)]
    edges = [(agents[n], agents[(n * 7 + 1) % 30], 0.8) for n in range(30)]
    places = layout.springs(agents, edges)
    assert places == layout.springs(agents, edges)
    assert len(set(places.values())) == 30
    assert max(abs(coordinate) for place in places.values() for coordinate in place) == pytest.approx(1.0)
    assert layout.springs([], []) == {}
    assert layout.springs(agents[:1], []) == {agents[0]: (0.0, 0.0)}
