"""Small groups are hidden, and nothing that is told adds up to one: against an oracle that solves the equations."""

from collections.abc import Mapping
from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from moothill.tenancy.privacy.suppression import TOTAL, complements, differences, hidden, small, with_sums

Place = tuple[str | None, str | None]

counts = st.dictionaries(
    st.tuples(st.sampled_from("abcd"), st.sampled_from("xyz")), st.integers(0, 12), min_size=1, max_size=12
)
ks = st.integers(2, 6)


def equations(table: Mapping[Place, int]) -> list[dict[Place, int]]:
    """What everybody knows: in each line, the numbers add up to the last."""
    return [
        {place: -1 if place[1 - axis] is TOTAL else 1 for place in table if place[axis] == line}
        for axis in (0, 1)
        for line in {place[axis] for place in table}
    ]


def follows(table: Mapping[Place, int], hiding: set[Place]) -> set[Place]:
    """Hidden numbers that the told ones determine, by elimination on the equations of the table."""
    unknown = sorted(hiding, key=str)
    rows = [[Fraction(each.get(place, 0)) for place in unknown] for each in equations(table)]
    solved: set[Place] = set()
    reduced: list[list[Fraction]] = []
    for column in range(len(unknown)):
        pivot = next((row for row in rows if row[column]), None)
        if pivot is None:
            continue
        rows.remove(pivot)
        pivot = [value / pivot[column] for value in pivot]
        rows = [[a - row[column] * b for a, b in zip(row, pivot, strict=True)] for row in rows]
        reduced = [[a - row[column] * b for a, b in zip(row, pivot, strict=True)] for row in reduced] + [pivot]
    for row in reduced:
        known = [place for place, value in zip(unknown, row, strict=True) if value]
        if len(known) == 1:
            solved.add(known[0])
    return solved


@given(counts, ks)
@example({("a", "x"): 3}, 5)
@example({("a", "x"): 3, ("b", "x"): 9, ("b", "y"): 9, ("a", "y"): 9}, 5)
@example({("a", "x"): 1, ("a", "z"): 3, ("b", "x"): 1, ("b", "y"): 3, ("c", "z"): 1}, 3)
def test_no_small_group_is_told_or_follows_from_what_is_told(table: dict[tuple[str, str], int], k: int) -> None:
    whole = with_sums(table)
    hiding = hidden(whole, k)
    assert small(whole, k) <= hiding
    assert follows(whole, hiding) == set()
    for axis in (0, 1):
        for line in {place[axis] for place in whole}:
            interior = [place for place in hiding if place[axis] == line and place[1 - axis] is not TOTAL]
            end = (line, TOTAL) if axis == 0 else (TOTAL, line)
            if interior and end not in hiding:
                assert sum(whole[place] for place in interior) >= k


@given(counts, ks)
def test_bridges_are_what_elimination_finds(table: dict[tuple[str, str], int], k: int) -> None:
    whole = with_sums(table)
    assert differences(small(whole, k)) == follows(whole, small(whole, k))


@given(counts, ks)
def test_zeros_and_tables_without_small_groups_are_told_whole(table: dict[tuple[str, str], int], k: int) -> None:
    whole = with_sums(table)
    hiding = hidden(whole, k)
    assert not [place for place in hiding if whole[place] == 0]
    if not small(whole, k):
        assert hiding == set()


@given(counts, ks)
def test_the_same_table_is_always_told_alike(table: dict[tuple[str, str], int], k: int) -> None:
    turned = dict(reversed(table.items()))
    assert hidden(with_sums(table), k) == hidden(with_sums(turned), k)


def test_a_single_small_group_takes_another_with_it() -> None:
    whole = with_sums({("a", "live"): 3, ("b", "live"): 9, ("c", "live"): 20})
    assert {("a", "live"), ("b", "live")} <= hidden(whole, 5)
    assert ("c", "live") not in hidden(whole, 5)
    assert (TOTAL, TOTAL) not in hidden(whole, 5)


def test_what_is_left_in_a_line_is_no_small_group_either() -> None:
    whole = with_sums({("a", "live"): 1, ("b", "live"): 1, ("c", "live"): 20, ("d", "live"): 30})
    hiding: set[Place] = {("a", "live"), ("b", "live")}
    assert (1, "live") in complements(whole, hiding, 5)
    assert ("c", "live") in hidden(whole, 5)


def test_subtotals_that_differ_by_a_few_are_not_both_told() -> None:
    """Twenty in all and eighteen live tell of two."""
    whole = with_sums({("a", "live"): 18, ("a", "gone"): 2, ("b", "live"): 30, ("b", "gone"): 30})
    hiding = hidden(whole, 5)
    assert ("a", "gone") in hiding
    assert not {("a", "live"), ("a", TOTAL)}.isdisjoint(hiding)


@pytest.mark.parametrize("rows", [1, 500])
def test_long_tables_take_no_longer_than_short_ones_by_much(rows: int) -> None:
    whole = with_sums({(f"row {n}", column): 1 + n % 9 for n in range(rows) for column in ("live", "gone")})
    assert follows(whole, hidden(whole, 5)) == set() if rows < 10 else hidden(whole, 5)
