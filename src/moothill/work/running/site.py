"""The calls that a worker makes in one tenant: over a database with several in one transaction, or over a URL."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

from ...kernel.errors import Invalid, MoothillError, Unavailable
from ...kernel.retrying import retried
from ..tasks import AttemptReference, AttemptReport, ClaimedTask, Completion, Failure, KeptAttempt, Tasks
from ..tasks.rules import backoff

if TYPE_CHECKING:
    from ...moot import Moot
    from .attempts import Attempt

__all__ = ["Claims", "End", "HandedBack", "Site", "within"]

T = TypeVar("T")
Report = Callable[[], Awaitable[Sequence[AttemptReport]]]

_log = logging.getLogger("moothill.tasks.worker")
_MOST = 1_000


@dataclass(frozen=True, slots=True)
class HandedBack:
    """An attempt that gives its task back undone."""

    task: UUID
    token: UUID
    reason: str
    delay: float = 0.0


@dataclass(slots=True, eq=False)
class End:
    """How an attempt ended, to be reported.

    Attributes:
        attempt: that ended.
        said: what is reported of it.
        again: it was reported before, and nobody knows whether that counted.
    """

    attempt: "Attempt"
    said: Completion | Failure | HandedBack
    again: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """What all claims of a worker say."""

    worker: UUID
    name: str
    agent: str | None
    queues: Sequence[str] | None
    lease: float

    def arguments(self, limit: int) -> dict[str, Any]:
        """Of a claim of so many."""
        return {
            "agent": self.agent,
            "queues": list(self.queues) if self.queues else None,
            "limit": min(limit, _MOST),
            "lease_seconds": self.lease,
            "worker": self.worker,
            "worker_name": self.name,
        }


@dataclass(slots=True, eq=False)
class Site:
    """A tenant that a worker works in.

    Attributes:
        moot: of that tenant.
        claims: what the worker's claims say.
        attempts: what it holds there, by token.
        outbox: ends that were not reported yet.
        active_at: when it last took something there, by the loop's clock.
    """

    moot: "Moot"
    claims: Claims
    attempts: dict[UUID, "Attempt"] = field(default_factory=dict)
    outbox: list[End] = field(default_factory=list)
    active_at: float = 0.0

    @property
    def tasks(self) -> Tasks:
        """The operations on tasks there."""
        return self.moot.tasks

    @property
    def has_database(self) -> bool:
        """Whether several calls can be one transaction."""
        return hasattr(self.moot.executor, "transaction")

    async def next(self, limit: int, wait: float) -> Sequence[ClaimedTask]:
        """Wait for tasks and take them."""
        return await self.tasks.next(**self.claims.arguments(limit), wait_seconds=wait)

    async def claim(self, limit: int) -> Sequence[ClaimedTask]:
        """Take the tasks that there are."""
        return await self.tasks.claim(**self.claims.arguments(limit))

    async def heartbeat(self) -> Sequence[KeptAttempt]:
        """Keep what is held here; what the worker does not know that it holds goes to others."""
        named = [
            AttemptReference(task=each.task.id, token=each.task.token)
            for each in self.attempts.values()
            if each.is_ours
        ]
        return await self.tasks.heartbeat(
            attempts=named, worker=self.claims.worker, lease_seconds=self.claims.lease, these_are_all=True
        )

    async def sign_off(self, reason: str) -> int:
        """Give back what is left, and be forgotten."""
        return await self.tasks.sign_off(worker=self.claims.worker, reason=reason)

    async def patiently(self, call: Callable[[], Awaitable[T]]) -> T:
        """Make a call that may safely be repeated, for as long as the task is surely ours."""
        clock = asyncio.get_running_loop().time
        until = clock() + self.claims.lease / 2
        number = 0
        while True:
            try:
                return await call()
            except Unavailable:
                number += 1
                pause = backoff(number, random.random(), base=0.1, most=5)  # noqa: S311  # jitter, no secret
                if clock() + pause > until:
                    raise
            await asyncio.sleep(pause)

    async def report(self, ends: Sequence[End], claim: int = 0) -> Sequence[ClaimedTask]:
        """Report how attempts ended and, where that can be one transaction, take so many new tasks with it.

        Raises:
            MoothillError: nobody knows whether any of it counted; report it again.
        """
        calls = self._calls(ends)
        if self.has_database and len(calls) + (claim > 0) > 1:

            async def together() -> Sequence[ClaimedTask]:
                async with self.moot.transaction():
                    for call, part in calls:
                        told[id(part)] = await call()
                    return await self.claim(claim) if claim else ()

            told: dict[int, Sequence[AttemptReport]] = {}
            try:
                taken = await retried(together)
            except Invalid:
                # One of them breaks a rule; each by itself shows which.
                taken = ()
            else:
                for _, part in calls:
                    self._judge(part, told[id(part)])
                return taken
        for call, part in calls:
            try:
                self._judge(part, await call())
            except Invalid as error:
                await self._one_by_one(part, error)
        return ()

    def _calls(self, ends: Sequence[End]) -> list[tuple[Report, list[End]]]:
        """The calls that report ends, each with those that it reports, in their order."""
        done = [end for end in ends if isinstance(end.said, Completion)]
        failed = [end for end in ends if isinstance(end.said, Failure)]
        back: dict[tuple[str, float], list[End]] = {}
        for end in ends:
            if isinstance(end.said, HandedBack):
                back.setdefault((end.said.reason, end.said.delay), []).append(end)
        calls: list[tuple[Report, list[End]]] = []
        for part in _parts(done):
            said: list[Any] = [each.said for each in part]
            calls.append((partial(self.tasks.complete_many, attempts=said), part))
        for part in _parts(failed):
            said = [each.said for each in part]
            calls.append((partial(self.tasks.fail_many, attempts=said), part))
        for (reason, delay), those in back.items():
            for part in _parts(those):
                said = [AttemptReference(task=each.said.task, token=each.said.token) for each in part]
                calls.append((partial(self.tasks.release, attempts=said, reason=reason, delay_seconds=delay), part))
        return calls

    async def _one_by_one(self, ends: Sequence[End], error: Invalid) -> None:
        """Report ends of which one is refused for what it says; that one fails, and says so."""
        if len(ends) > 1:
            for end in ends:
                await self.report([end])
            return
        (end,) = ends
        if isinstance(end.said, Completion):
            _log.warning("result_refused", extra={"task": str(end.said.task), "error": error.message})
            end.said = Failure(
                task=end.said.task, token=end.said.token, error=f"Its result: {error.message}"[:10_000], retryable=False
            )
            await self.report([end])
        else:
            # Its lease takes it from us.
            _log.error("end_refused", extra={"task": str(end.said.task), "error": error.message})

    def _judge(self, ends: Sequence[End], told: Sequence[AttemptReport]) -> None:
        """Say in the log which ends came too late."""
        for end, report in zip(ends, told, strict=True):
            if not report.accepted:
                level = logging.INFO if end.again else logging.WARNING
                _log.log(level, "end_came_too_late", extra={"task": str(report.task), "why": report.why})


def _parts(ends: list[End]) -> Iterator[list[End]]:
    """As many at a time as one call takes."""
    for start in range(0, len(ends), _MOST):
        yield ends[start : start + _MOST]


async def within(seconds: float, call: Awaitable[Any], what: str) -> bool:
    """Make a last call that may fail; whether it was answered in time."""
    try:
        async with asyncio.timeout(seconds):
            await call
    except (TimeoutError, MoothillError) as error:
        _log.warning(what, extra={"error": str(error) or type(error).__name__})
        return False
    return True
