"""Where tasks stand in pictures: layers of a graph, stretches of time, spans of what ended."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from moothill.console.widgets.board import COLUMNS, counts_of
from moothill.console.widgets.layers import Place, placed
from moothill.console.widgets.task_attempts import stretch
from moothill.console.widgets.throughput import aligned
from moothill.work.tasks.models import PriorityName, QueueSummary, Throughput
from moothill.work.tasks.rules import TRANSITIONS

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
_TWO: tuple[tuple[PriorityName, int, float], ...] = (("high", 2, 5.0), ("low", 3, 9.0))
graphs = st.integers(1, 24).flatmap(
    lambda size: st.tuples(
        st.just(size), st.lists(st.tuples(st.integers(0, size - 1), st.integers(0, size - 1)), max_size=60)
    )
)


@given(graphs)
def test_whatever_comes_before_stands_in_an_earlier_layer_and_no_two_share_a_place(
    graph: tuple[int, list[tuple[int, int]]],
) -> None:
    size, pairs = graph
    # Lower before higher: there is no circle.
    edges = [(min(pair), max(pair)) for pair in pairs]
    found = placed(range(size), edges)
    assert set(found) == set(range(size))
    assert len(set(found.values())) == size
    for first, second in edges:
        assert first == second or found[first].layer < found[second].layer
    for layer in {place.layer for place in found.values()}:
        rows = sorted(place.row for place in found.values() if place.layer == layer)
        assert rows == list(range(len(rows)))


@given(graphs)
def test_a_circle_that_cannot_be_is_drawn_all_the_same(graph: tuple[int, list[tuple[int, int]]]) -> None:
    size, edges = graph
    assert len(set(placed(range(size), edges).values())) == size


def test_rows_follow_their_neighbours_and_lines_need_not_cross() -> None:
    found = placed(["a", "b", "y", "x"], [("a", "x"), ("b", "y"), ("a", "nobody")])
    assert found == {"a": Place(0, 0), "b": Place(0, 1), "x": Place(1, 0), "y": Place(1, 1)}


@given(st.integers(0, 100), st.integers(0, 100), st.integers(0, 100), st.integers(0, 100))
def test_a_stretch_of_time_never_leaves_its_track(first: int, last: int, begins: int, ends: int) -> None:
    at = [NOON + timedelta(seconds=number) for number in (begins, ends, first, last)]
    left, wide = stretch(at[0], at[1], at[2], at[3])
    assert 0 <= left <= 1
    assert 0 <= wide <= 1
    assert left + wide <= 1 + 1e-9


def test_spans_without_an_end_are_there_and_empty() -> None:
    some = Throughput(starts_at=NOON - timedelta(minutes=2), completed=3, failed=1, cancelled=0, average_ms=4)
    found = aligned([some], end=NOON + timedelta(seconds=30), seconds=120, hours=0.1)
    assert found == [None, None, some, None]


def test_the_board_has_every_state_but_what_was_put_away_once() -> None:
    states = [state for _, column in COLUMNS for state in column]
    assert sorted(states) == sorted(set(TRANSITIONS) - {"archived"})


def test_counts_follow_queue_and_priority_and_are_not_guessed_under_other_filters() -> None:
    rows = [
        QueueSummary(queue="a", status="pending", priority=priority, tasks=tasks, average_wait_seconds=1,
                     longest_wait_seconds=wait)
        for priority, tasks, wait in _TWO
    ]  # fmt: skip
    ended = [Throughput(starts_at=NOON, completed=7, failed=1, cancelled=2, average_ms=None)]
    whole = counts_of(rows, ended, {})
    assert (whole["pending"], whole["completed"], whole["blocked"]) == ((5, 9.0), (7, 0.0), (0, 0.0))
    high = counts_of(rows, (), {"priority": "high"})
    assert high["pending"] == (2, 5.0)
    assert "completed" not in high
    assert counts_of(rows, ended, {"kind": "build"}) == {}
