"""Small groups are not told: k-anonymity as suppression, for views inside of one tenant.

A table has rows, columns and their sums. Hiding what is below k is not enough: what is hidden may follow
from what is told. Three checks, repeated until they find nothing:

- k: no number between 1 and k - 1 is told;
- complement: in no line do a told sum and the told numbers leave fewer than k for all that is hidden;
- differencing: no hidden number follows from told ones by any adding and subtracting of lines. Take rows and
  columns as the nodes of a graph and hidden numbers as its edges: those that follow are its bridges.

It keeps counts of few from being read off. It is no protection against who knows more than the table, and
no claim about privacy across tenants: that is what releases are for.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

__all__ = ["TOTAL", "complements", "differences", "hidden", "small", "with_sums"]

TOTAL = None
Line = str | None
Place = tuple[Line, Line]
Table = Mapping[Place, int]


def with_sums(counts: Mapping[tuple[str, str], int]) -> dict[Place, int]:
    """A table with the sums of its rows, of its columns, and of all; `TOTAL` names them."""
    table: dict[Place, int] = {(row, column): counts.get((row, column), 0) for row, _ in counts for _, column in counts}
    for (row, column), count in list(table.items()):
        for place in ((row, TOTAL), (TOTAL, column), (TOTAL, TOTAL)):
            table[place] = table.get(place, 0) + count
    return table


def hidden(table: Table, k: int) -> set[Place]:
    """The places of a table with its sums that are not told: the small ones, and what those would follow from.

    Nothing but the table decides, so the same table is always told alike. Zeros are told.
    """
    found = small(table, k)
    while True:
        bridges = differences(found)
        more = {
            *_beside(table, complements(table, found, k), found),
            *_beside(table, _lines(bridges), found),
        }
        # Where nothing is told any more in the lines of a number that follows, another way round is hidden elsewhere.
        more = more or set(_across(table, bridges, found))
        if not more:
            return found
        found |= more


def small(table: Table, k: int) -> set[Place]:
    """Places that count somebody, but fewer than k."""
    return {place for place, count in table.items() if 0 < count < k}


def complements(table: Table, hiding: set[Place], k: int) -> set[tuple[int, Line]]:
    """Lines, as (0, row) or (1, column), whose told sum leaves fewer than k for what is hidden in them."""
    left: dict[tuple[int, Line], int] = defaultdict(int)
    for place in hiding:
        for axis in (0, 1):
            if place[1 - axis] is not TOTAL:
                left[axis, place[axis]] += table[place]
    return {(axis, line) for (axis, line), count in left.items() if count < k and _end((axis, line)) not in hiding}


def differences(hiding: Iterable[Place]) -> set[Place]:
    """Hidden places whose numbers follow from the told ones by adding and subtracting lines."""
    edges = sorted(hiding, key=_order)
    around: dict[tuple[int, Line], list[tuple[int, tuple[int, Line]]]] = defaultdict(list)
    for number, (row, column) in enumerate(edges):
        around[0, row].append((number, (1, column)))
        around[1, column].append((number, (0, row)))
    entered: dict[tuple[int, Line], int] = {}
    lowest: dict[tuple[int, Line], int] = {}
    bridges: set[Place] = set()
    for start in around:
        if start in entered:
            continue
        # Depth first without recursion: a table may have many rows.
        entered[start] = lowest[start] = len(entered)
        path: list[tuple[tuple[int, Line], int, Iterator[tuple[int, tuple[int, Line]]]]] = [
            (start, -1, iter(around[start]))
        ]
        while path:
            node, through, rest = path[-1]
            for edge, other in rest:
                if edge == through:
                    continue
                if other in entered:
                    lowest[node] = min(lowest[node], entered[other])
                    continue
                entered[other] = lowest[other] = len(entered)
                path.append((other, edge, iter(around[other])))
                break
            else:
                path.pop()
                if path:
                    parent = path[-1][0]
                    lowest[parent] = min(lowest[parent], lowest[node])
                    if lowest[node] > entered[parent]:
                        bridges.add(edges[through])
    return bridges


def _beside(table: Table, lines: Iterable[tuple[int, Line]], hiding: set[Place]) -> Iterator[Place]:
    """The smallest told number of each line that counts somebody; the line's sum when there is no other."""
    wanted = set(lines)
    told: dict[tuple[int, Line], list[Place]] = defaultdict(list)
    for place, count in table.items():
        if count and place not in hiding:
            for line in wanted & {(0, place[0]), (1, place[1])}:
                told[line].append(place)
    for line, places in told.items():
        yield min(places, key=lambda place: (place == _end(line), table[place], _order(place)))


def _across(table: Table, bridges: Iterable[Place], hiding: set[Place]) -> Iterator[Place]:
    """The smallest told number that joins what each bridge joins.

    There is one: with everything hidden, each number that counts somebody stands on a round of four with its sums.
    """
    told = [place for place, count in table.items() if count and place not in hiding]
    for bridge in bridges:
        side: set[tuple[int, Line]] = {(0, bridge[0])}
        rest = hiding - {bridge}
        while more := {
            node
            for row, column in rest
            for node, other in (((0, row), (1, column)), ((1, column), (0, row)))
            if other in side and node not in side
        }:
            side |= more
        joining = [place for place in told if ((0, place[0]) in side) != ((1, place[1]) in side)]
        yield min(joining, key=lambda place: (TOTAL in place, table[place], _order(place)))


def _lines(places: Iterable[Place]) -> set[tuple[int, Line]]:
    return {line for row, column in places for line in ((0, row), (1, column))}


def _end(line: tuple[int, Line]) -> Place:
    """Where the sum of a line stands."""
    return (line[1], TOTAL) if line[0] == 0 else (TOTAL, line[1])


def _order(place: Place) -> tuple[bool, str, bool, str]:
    """Sums after the rest."""
    row, column = place
    return row is TOTAL, row or "", column is TOTAL, column or ""
