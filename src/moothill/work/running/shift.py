"""One run of a worker: it claims as much as it has room for, runs it, reports ends in batches, and keeps what it holds.

Three loops run side by side. The claimer waits for tasks when there is room; the reporter tells how attempts ended and,
over a database, takes the next ones in the same transaction; the keeper says every third of a lease that the worker is
there, and learns which attempts are to stop.
"""

import asyncio
import contextlib
import logging
import random
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

from ...kernel.errors import MoothillError
from ...kernel.identifiers import uuid7
from ..tasks import ClaimedTask, Completion, Failure
from ..tasks.rules import backoff
from .attempts import Attempt
from .rounds import Rounds
from .site import Claims, End, HandedBack, Site, within

if TYPE_CHECKING:
    from ...moot import Moot
    from .worker import Worker

__all__ = ["Shift", "Tally"]

_log = logging.getLogger("moothill.tasks.worker")
# Ends that come while others still work wait so long for company; more than these wait for nobody.
_WINDOW_SECONDS, _COMPANY = 0.01, 200
_POLL_SECONDS = 20.0
# Nobody here knows what to do with a task: others may, later.
_UNKNOWN_KIND_SECONDS = 30.0
_FATAL = frozenset({"unauthenticated", "forbidden", "invalid", "not_found"})
# How long the last calls of a worker may take, and functions that were cancelled; less when somebody is in a hurry.
_LAST_CALLS, _LAST_CALLS_IN_A_HURRY = 10.0, 2.0


@dataclass(slots=True)
class Tally:
    """What a worker has done.

    Attributes:
        claimed: tasks that it took.
        completed: attempts that it completed.
        failed: attempts that failed.
        handed_back: tasks that it gave back undone.
        dropped: attempts that it lost, or that wait for an answer now.
    """

    claimed: int = 0
    completed: int = 0
    failed: int = 0
    handed_back: int = 0
    dropped: int = 0


class Shift:
    """One run of a worker.

    Args:
        worker: its functions and numbers.
        moot: the connection.
        threads: how many functions run in threads at once.

    Attributes:
        tally: what was done.
        is_over: whether it has ended.
        sites: the tenants that it works in; None: that of the connection.
        failures: calls in a row that failed and may work later.
    """

    def __init__(self, worker: "Worker", moot: "Moot", *, threads: int) -> None:
        self.worker = worker
        self.moot = moot
        self.tally = Tally()
        self.is_over = False
        self.claims = Claims(
            worker=uuid7(), name=worker.name, agent=worker.agent, queues=worker.queues, lease=worker.lease
        )
        self.sites: dict[UUID | None, Site] = {}
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="moothill-task")
        self._stopping = asyncio.Event()
        self._hurrying = asyncio.Event()
        self._has_ends = asyncio.Event()
        self._has_room = asyncio.Event()
        self._has_left = asyncio.Event()
        self._working = 0
        self._reserved = 0
        self._plenty = False
        self.failures = 0

    @property
    def is_stopping(self) -> bool:
        """Whether it takes nothing new."""
        return self._stopping.is_set()

    def stop(self) -> None:
        """Take nothing new, and come to an end."""
        self._stopping.set()

    def hurry(self) -> None:
        """Come to an end at once."""
        self._stopping.set()
        self._hurrying.set()

    @property
    def held(self) -> int:
        """How many attempts it holds, those included whose end was not reported yet."""
        return sum(len(site.attempts) for site in self.sites.values())

    @property
    def room(self) -> int:
        """How many more tasks it can take."""
        return self.worker.concurrency - self.held - self._reserved

    async def work(self, *, until_empty: bool) -> None:
        """Work until it is stopped; until then everything that may pass is waited out."""
        _log.info("worker_started", extra={"worker": str(self.claims.worker), "worker_name": self.claims.name})
        rounds = Rounds(self, until_empty=until_empty, poll=_POLL_SECONDS)
        loops = [
            asyncio.create_task(each, name=name)
            for name, each in (("claim", rounds.run()), ("report", self._report()), ("keep", self._keep()))
        ]
        stopped = asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait({stopped, *loops}, return_when=asyncio.FIRST_COMPLETED)
            self._stopping.set()
            loops[0].cancel()
            await asyncio.wait({loops[0]})
            await self._drain(loops)
        except asyncio.CancelledError:
            # Whoever cancels us has no time; what is held is handed back all the same.
            self.hurry()
            await self._close(loops)
            raise
        else:
            await self._close(loops)
        finally:
            stopped.cancel()
            self._threads.shutdown(wait=False, cancel_futures=True)
            self.is_over = True
            _log.info("worker_stopped", extra={"worker": str(self.claims.worker), **asdict(self.tally)})
        for loop in loops:
            if loop.done() and not loop.cancelled() and (error := loop.exception()) is not None:
                raise error

    # ------------------------------------------------------------ attempts

    def begin(self, site: Site, tasks: Sequence[ClaimedTask]) -> None:
        """Begin to work on what was claimed."""
        self.tally.claimed += len(tasks)
        site.active_at = asyncio.get_running_loop().time()
        for task in tasks:
            handler = self.worker.handlers.get(task.kind) or self.worker.handlers.get(None)
            attempt = site.attempts[task.token] = Attempt(site, task, handler)
            if handler is None:
                _log.warning("kind_unknown", extra={"task": str(task.id), "kind": task.kind})
                said = f"Worker {self.claims.name} has no function for {task.kind!r}."
                self._end(attempt, HandedBack(task.id, task.token, said, _UNKNOWN_KIND_SECONDS))
            else:
                attempt.runner = asyncio.create_task(self._run(attempt), name=f"task {task.id}")

    async def _run(self, attempt: Attempt) -> None:
        self._working += 1
        try:
            said = await attempt.run(self._threads)
        finally:
            self._working -= 1
        if attempt.ended:
            # It was handed back while its thread went on.
            return self._leave(attempt)
        if said is None:
            attempt.ended = True
            self.tally.dropped += 1
            _log.info("attempt_dropped", extra={"task": str(attempt.task.id), "why": attempt.reason or "it waits"})
            return self._leave(attempt)
        self._end(attempt, said)

    def _end(self, attempt: Attempt, said: Completion | Failure | HandedBack) -> None:
        attempt.ended = True
        attempt.site.outbox.append(End(attempt, said))
        self._has_ends.set()
        match said:
            case Completion():
                self.tally.completed += 1
            case Failure():
                self.tally.failed += 1
                facts = {"task": str(said.task), "kind": attempt.task.kind, "attempt": attempt.task.attempt}
                _log.warning("attempt_failed", extra={**facts, "error": said.error.partition("\n")[0]})
            case HandedBack():
                self.tally.handed_back += 1

    def _leave(self, attempt: Attempt) -> None:
        """Make room, when nothing of an attempt goes on any more."""
        if attempt.thread is not None and not attempt.thread.done():
            # A thread takes its place until it ends, whoever has the task by then.
            attempt.verdict = "lost"
            self._has_left.set()
            loop = asyncio.get_running_loop()
            attempt.thread.add_done_callback(lambda _: self._later(loop, attempt))
            return
        attempt.site.attempts.pop(attempt.task.token, None)
        self._has_left.set()
        if self.room > 0:
            self._has_room.set()

    def _later(self, loop: asyncio.AbstractEventLoop, attempt: Attempt) -> None:
        # The loop may be over before the thread is.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(self._leave, attempt)

    async def has_room(self) -> int:
        """Wait until there is room; for how many tasks."""
        while self.room <= 0:
            self._has_room.clear()
            await self._has_room.wait()
        return self.room

    async def left(self) -> None:
        """Wait until something that is held has ended."""
        self._has_left.clear()
        if self.held:
            await self._has_left.wait()

    @contextlib.contextmanager
    def reserved(self, places: int) -> Iterator[None]:
        """Keep places for what a call may bring."""
        self._reserved += places
        try:
            yield
        finally:
            self._reserved -= places
            if self.room > 0:
                self._has_room.set()

    # ------------------------------------------------------------ loops

    async def _report(self) -> None:
        while True:
            await self._has_ends.wait()
            # What ended in the same breath goes together.
            for _ in range(3):
                await asyncio.sleep(0)
            waiting = sum(len(site.outbox) for site in self.sites.values())
            if self._working and waiting < _COMPANY:
                await asyncio.sleep(_WINDOW_SECONDS)
            self._has_ends.clear()
            for site in [each for each in self.sites.values() if each.outbox]:
                await self._flush(site)

    async def _flush(self, site: Site) -> None:
        ends, site.outbox = site.outbox, []
        free = 0
        if self._plenty and site.has_database and not self.is_stopping and not self.worker.every_tenant:
            leaving = sum(each.attempt.thread is None or each.attempt.thread.done() for each in ends)
            free = min(1_000, max(0, self.room + leaving))
        try:
            with self.reserved(max(0, free)):
                taken = await site.report(ends, claim=free)
                for end in ends:
                    self._leave(end.attempt)
                self.begin(site, taken)
        except MoothillError as error:
            for end in ends:
                end.again = True
            site.outbox[:0] = ends
            self._has_ends.set()
            # What keeps us from taking more is no reason to keep ends back; the claimer finds out by itself.
            self._plenty = False
            if not free or error.retryable:
                await self.stumble(error, "ends_not_reported")
        else:
            self.failures = 0
            if free:
                self.found(len(taken), free)

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(self.worker.lease / 3 * random.uniform(0.9, 1.0))  # noqa: S311  # jitter, no secret
            now = asyncio.get_running_loop().time()
            for site in list(self.sites.values()):
                if site.attempts or now - site.active_at < 3 * self.worker.lease:
                    try:
                        await self._beat(site)
                    except MoothillError as error:
                        await self.stumble(error, "heartbeat_not_heard")

    async def _beat(self, site: Site) -> None:
        named = {each.task.id: each for each in site.attempts.values() if each.is_ours}
        for kept in await site.heartbeat():
            attempt = named.get(kept.task)
            if attempt is None or attempt.ended:
                continue
            if not kept.held:
                _log.warning("attempt_lost", extra={"task": str(kept.task), "why": kept.why})
                attempt.stop("lost", kept.why or "it is somebody else's")
            elif kept.cancel:
                attempt.stop("cancelled", kept.why or "it was cancelled")

    def found(self, count: int, asked: int) -> None:
        """Note how much a claim found: when that was all that it asked for, there is more."""
        self._plenty = count == asked

    async def stumble(self, error: MoothillError, what: str) -> None:
        """Wait out a failure that may pass.

        Raises:
            MoothillError: it does not.
        """
        if error.kind in _FATAL:
            raise error
        self.failures += 1
        pause = backoff(self.failures, random.random(), base=0.2, most=15)  # noqa: S311  # jitter, no secret
        _log.warning(what, extra={"code": error.code, "error": error.message, "seconds": round(pause, 2)})
        # Who is stopping tries again soon, or not at all.
        await asyncio.sleep(min(pause, 0.5) if self.is_stopping else pause)

    # ------------------------------------------------------------ the end

    async def _drain(self, loops: "Sequence[asyncio.Task[None]]") -> None:
        """Let functions end, within the grace time."""
        if self.held:
            _log.info("worker_stopping", extra={"held": self.held, "grace": self.worker.grace})
        broken = [each for each in loops[1:] if each.done()]
        hurried = asyncio.create_task(self._hurrying.wait())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0 if broken else self.worker.grace):
                while self.held and not hurried.done():
                    self._has_left.clear()
                    left = asyncio.create_task(self._has_left.wait())
                    await asyncio.wait({left, hurried}, return_when=asyncio.FIRST_COMPLETED)
                    left.cancel()
        hurried.cancel()

    async def _close(self, loops: "Sequence[asyncio.Task[None]]") -> None:
        """Hand back what is left, report it, and go."""
        seconds = _LAST_CALLS_IN_A_HURRY if self._hurrying.is_set() else _LAST_CALLS
        await _ended([loops[0]])
        reason = "its worker shut down"
        for attempt in [each for site in self.sites.values() for each in site.attempts.values()]:
            attempt.stop("handed back", reason)
            if attempt.thread is not None and not attempt.ended:
                self._end(attempt, HandedBack(attempt.task.id, attempt.task.token, reason))
        runners = [
            each.runner
            for site in self.sites.values()
            for each in site.attempts.values()
            if each.runner is not None and each.thread is None
        ]
        if runners:
            await asyncio.wait(runners, timeout=seconds)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._all_reported(loops[1])
        await _ended(loops[1:])
        for site in self.sites.values():
            await within(seconds, site.sign_off(reason), "not_signed_off")

    async def _all_reported(self, reporter: "asyncio.Task[None]") -> None:
        while any(not self._is_abandoned(each) for site in self.sites.values() for each in site.attempts.values()):
            self._has_left.clear()
            left = asyncio.create_task(self._has_left.wait())
            try:
                await asyncio.wait({left, reporter}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                left.cancel()
            if reporter.done():
                return

    def _is_abandoned(self, attempt: Attempt) -> bool:
        """Whether an attempt was reported, and only its thread goes on."""
        return attempt.verdict == "lost" and attempt.thread is not None


async def _ended(loops: "Sequence[asyncio.Task[Any]]") -> None:
    for loop in loops:
        loop.cancel()
    await asyncio.gather(*loops, return_exceptions=True)
