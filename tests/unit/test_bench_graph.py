"""The benchmark of the graph: what it prints, without printing it."""

from moothill.bench import graph
from moothill.doors.cli.commands.bench import BENCHES


def test_it_is_offered_with_the_targets_of_the_design() -> None:
    assert "graph" in BENCHES
    assert graph._TARGETS == {(1_000, 3): 2, (10_000, 3): 8, (100_000, 1): 1, (100_000, 2): 5, (100_000, 3): 25}
    assert set(graph._SIZES) == set(graph._CALLS) == set(graph._TIMEOUT_MS) == {"quick", "full"}
