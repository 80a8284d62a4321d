"""The worker of an application, as its author sees it: functions for kinds of task, and how many run at once."""

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from .handlers import Handler
from .shift import Shift, Tally

if TYPE_CHECKING:
    from ...moot import Moot

__all__ = ["Worker"]

F = TypeVar("F", bound=Callable[..., Any])
_MOST = 10_000
_MOST_THREADS = 256


class Worker:
    """Takes tasks and runs functions on them.

    worker = moothill.Worker(moot, queues=["mail"], concurrency=20)

    @worker.task("welcome")
    async def welcome(task, context):
        ...

    await worker.run()

    Args:
        moot: the connection, over a database or a URL; it may also be given to `run`.
        queues: take tasks from these only; default: all.
        concurrency: how many tasks are held at once, up to 10,000; functions in threads: up to 256 run at once.
        agent: for whom tasks are taken, so that skills and affinity count; default: the agent of the key, if any.
        lease: after how long a silence of this worker its tasks are given to others, seconds, from 1 to 86,400.
        name: for people; default: machine and process.
        grace: how long `stop` lets functions go on before their tasks are handed back, seconds.
        every_tenant: serve all tenants that have work, in turn; the connection has to be the platform's.

    Raises:
        ValueError: a number is outside of its limits.
    """

    def __init__(
        self,
        moot: "Moot | None" = None,
        *,
        queues: Sequence[str] | None = None,
        concurrency: int = 10,
        agent: str | None = None,
        lease: float = 60.0,
        name: str | None = None,
        grace: float = 25.0,
        every_tenant: bool = False,
    ) -> None:
        self.moot = moot
        self.queues = queues
        self.concurrency = concurrency
        self.agent = agent
        self.lease = lease
        self.name = name or f"{socket.gethostname()}:{os.getpid()}"[:100]
        self.grace = grace
        self.every_tenant = every_tenant
        self.handlers: dict[str | None, Handler] = {}
        self._shift: Shift | None = None
        self.check()

    def check(self) -> None:
        """See whether its numbers keep their limits.

        Raises:
            ValueError: one does not.
        """
        if not 1 <= self.concurrency <= _MOST:
            raise ValueError(f"concurrency is 1 to {_MOST:,}, not {self.concurrency}")
        if not 1 <= self.lease <= 86_400:
            raise ValueError(f"lease is 1 to 86,400 seconds, not {self.lease:g}")
        if self.grace < 0:
            raise ValueError(f"grace is 0 seconds or more, not {self.grace:g}")

    def task(self, kind: str | None = None, *, timeout: float | None = None) -> Callable[[F], F]:
        """Let a function work on tasks of a kind; it takes `(task)` or `(task, context)`.

        What it returns is the result: a dict as it is, anything else as its `value`. An exception is a failed attempt;
        `NotRetryable` ends the task, `Retry` says when to try again. A function that is not asynchronous runs in a
        thread.

        Args:
            kind: of the tasks; None: all that no other function is for.
            timeout: seconds that one attempt may take.

        Raises:
            TypeError: it takes other arguments.
            ValueError: there is a function for this kind already, or the timeout is no time.
        """
        if timeout is not None and timeout <= 0:
            raise ValueError(f"a timeout is more than 0 seconds, not {timeout:g}")

        def declare(function: F) -> F:
            if kind in self.handlers:
                raise ValueError(f"there is a function for {'any other kind' if kind is None else repr(kind)} already")
            self.handlers[kind] = Handler.of(function, timeout)
            return function

        return declare

    @property
    def tally(self) -> Tally:
        """What it has done since it began to run."""
        return self._shift.tally if self._shift is not None else Tally()

    async def run(self, moot: "Moot | None" = None, *, signals: bool = True, until_empty: bool = False) -> Tally:
        """Work until `stop` is called or a signal comes; what was done.

        Args:
            moot: the connection, instead of the one that the worker was made with.
            signals: SIGINT and SIGTERM stop it gracefully, a second one at once.
            until_empty: come to an end when there is nothing to take any more.

        Raises:
            ValueError: there is no connection, or no function.
            RuntimeError: it runs already.
            MoothillError: it may not take tasks; what it held was handed back as far as possible.
        """
        connection = moot or self.moot
        if connection is None:
            raise ValueError("a worker needs a connection: Worker(moot), or run(moot)")
        if not self.handlers:
            raise ValueError("a worker needs a function: @worker.task(kind)")
        if self._shift is not None and not self._shift.is_over:
            raise RuntimeError("this worker runs already")
        self.check()
        self._shift = shift = Shift(self, connection, threads=min(self.concurrency, _MOST_THREADS))
        with _stopping(shift) if signals else contextlib.nullcontext():
            await shift.work(until_empty=until_empty)
        return shift.tally

    @asynccontextmanager
    async def running(self, moot: "Moot | None" = None) -> AsyncIterator["Worker"]:
        """Let it work beside a block, and stop at its end."""
        task = asyncio.create_task(self.run(moot, signals=False))
        try:
            yield self
        finally:
            await asyncio.sleep(0)
            self.stop()
            await task

    def stop(self) -> None:
        """Take nothing new, let functions end within the grace time, hand the rest back."""
        if self._shift is not None:
            self._shift.stop()

    def hurry(self) -> None:
        """End at once: functions are cancelled, and what they worked on is handed back."""
        if self._shift is not None:
            self._shift.hurry()


@contextmanager
def _stopping(shift: Shift) -> Iterator[None]:
    """SIGINT and SIGTERM: the first stops, the second hurries."""
    loop = asyncio.get_running_loop()

    def told() -> None:
        if shift.is_stopping:
            shift.hurry()
        else:
            shift.stop()

    held = []
    for number in (signal.SIGINT, signal.SIGTERM):
        # Elsewhere than in the main thread nobody sends signals.
        with contextlib.suppress(ValueError, RuntimeError, NotImplementedError):
            loop.add_signal_handler(number, told)
            held.append(number)
    try:
        yield
    finally:
        for number in held:
            loop.remove_signal_handler(number)
