"""What a benchmark says while it runs, on a terminal and elsewhere."""

import io
import time
from itertools import count

from moothill.bench.telling import counted, shown, tell


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_where_nobody_listens_nothing_is_said_and_nothing_is_lost() -> None:
    tell("measuring")
    assert list(counted([1, 2, 3], "counting")) == [1, 2, 3]


def test_plain_lines_say_what_how_far_and_since_when() -> None:
    stream, seconds = io.StringIO(), count()
    with shown(stream, lambda: float(next(seconds))):
        tell("loading")
        tell("asking", 2_000, 3_000)
    tell("nobody listens any more")
    assert stream.getvalue() == "    1.0 s  loading\n    2.0 s  asking (2,000 of 3,000)\n"


def test_a_thing_that_is_counted_is_told_now_and_then_not_each_time() -> None:
    """A line for each of a thousand queries would bury everything else."""
    stream, seconds = io.StringIO(), count()
    with shown(stream, lambda: float(next(seconds))):
        for _ in counted(range(25), "asking", 25):
            pass
    assert [line.split("  ")[-1] for line in stream.getvalue().splitlines()] == [
        "asking (0 of 25)",
        "asking (10 of 25)",
        "asking (20 of 25)",
    ]


def test_on_a_terminal_a_bar_says_the_same_and_no_markup_of_a_name_is_obeyed() -> None:
    stream = _Terminal()
    with shown(stream, time.monotonic):
        tell("tenant [bold]x", 1, 4)
    drawn = stream.getvalue()
    assert "tenant [bold]x" in drawn
    assert "1 of 4" in drawn
