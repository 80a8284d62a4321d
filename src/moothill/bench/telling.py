"""What a benchmark says while it runs: what is being measured, how far that is, and the time since the start.

On a terminal it is a bar at the bottom, elsewhere plain lines; on stderr, so that stdout holds the figures alone.
Benchmarks call `tell` or `counted` between what they time, wherever they are; where nobody listens, it is nothing.
"""

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol, TextIO, TypeVar

__all__ = ["counted", "shown", "tell"]

T = TypeVar("T")

# Of one thing that is counted, lines at least so far apart; a line for each would bury the figures.
_LINE_EVERY = 10.0
# A terminal is drawn so often a second: often enough to be alive, seldom enough not to disturb what is timed.
_DRAWN = 4


class _Listener(Protocol):
    def __call__(self, what: str, done: int, total: int | None) -> None: ...


_listening: ContextVar[_Listener | None] = ContextVar("moothill_bench_listener", default=None)


def tell(what: str, done: int = 0, total: int | None = None) -> None:
    """Say what is measured or prepared from now on.

    Args:
        what: a short line; another one begins a new count.
        done: how many of `total` are behind.
        total: None where it is not counted.
    """
    listener = _listening.get()
    if listener is not None:
        listener(what, done, total)


def counted(things: Iterable[T], what: str, total: int | None = None) -> Iterator[T]:
    """The things, one after the other, each told before it comes.

    Args:
        things: what is gone through.
        what: a short line.
        total: of things that have no length.
    """
    if total is None and isinstance(things, Sequence):
        total = len(things)
    for number, thing in enumerate(things):
        tell(what, number, total)
        yield thing


@contextmanager
def shown(stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic) -> Iterator[None]:
    """Show what is told inside on a stream.

    Args:
        stream: stderr by default.
        clock: seconds; only differences count.
    """
    where = sys.stderr if stream is None else stream
    with _bar(where) if where.isatty() else _lines(where, clock) as listener:
        token = _listening.set(listener)
        try:
            yield
        finally:
            _listening.reset(token)


@contextmanager
def _lines(stream: TextIO, clock: Callable[[], float]) -> Iterator[_Listener]:
    began = clock()
    last: tuple[str, float] | None = None

    def listener(what: str, done: int, total: int | None) -> None:
        nonlocal last
        now = clock()
        if last is not None and last[0] == what and now - last[1] < _LINE_EVERY:
            return
        last = (what, now)
        count = "" if total is None else f" ({done:,} of {total:,})"
        stream.write(f"{now - began:7.1f} s  {what}{count}\n")
        stream.flush()

    yield listener


@contextmanager
def _bar(stream: TextIO) -> Iterator[_Listener]:
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    told: str | None = None
    with Progress(
        SpinnerColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=20),
        TextColumn("{task.fields[count]}"),
        console=Console(file=stream),
        refresh_per_second=_DRAWN,
        transient=True,
    ) as drawn:
        task = drawn.add_task("starting", total=None, count="")

        def listener(what: str, done: int, total: int | None) -> None:
            nonlocal told
            count = "" if total is None else f"{done:,} of {total:,}"
            # Its time goes on: it is that of the whole benchmark.
            drawn.update(task, description=escape(what), completed=done, total=total, count=count, refresh=what != told)
            told = what

        yield listener
