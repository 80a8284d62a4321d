"""One attempt in the hands of a worker: its function runs, and ends in something to report."""

import asyncio
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import ValidationError

from ..tasks import ClaimedTask, Completion, Failure
from ..tasks.errors import AttemptStale
from .context import TaskContext
from .handlers import Handler, as_result, described, settled
from .signals import NotRetryable, Parked, Retry
from .site import HandedBack, Site

__all__ = ["Attempt", "Verdict"]

Verdict = Literal["lost", "cancelled", "handed back"]
_LONGEST_RETRY = 2_592_000.0


class _TooLong(Exception):
    """The time of the attempt is up."""


@dataclass(slots=True, eq=False)
class Attempt:
    """A task that the worker holds, from the claim until its end was reported.

    Attributes:
        site: the tenant.
        task: as it was claimed.
        handler: the function for it.
        verdict: why it is to stop: it is somebody else's, it was cancelled, or the worker ends.
        reason: that in words.
        runner: what runs it.
        thread: its function, where that runs in a thread.
        ended: its end stands in the outbox, or needs no report.
    """

    site: Site
    task: ClaimedTask
    handler: Handler | None
    verdict: Verdict | None = None
    reason: str = ""
    runner: "asyncio.Task[None] | None" = None
    thread: "Future[Any] | None" = None
    ended: bool = False

    @property
    def stops(self) -> bool:
        """Whether its function should come to an end."""
        return self.verdict is not None

    @property
    def is_ours(self) -> bool:
        """Whether it holds its task, as far as is known."""
        return self.verdict != "lost"

    def stop(self, verdict: Verdict, reason: str) -> None:
        """Let its function come to an end: an asynchronous one is cancelled, one in a thread has to look."""
        if self.verdict is None or verdict == "lost":
            first = self.verdict is None
            self.verdict, self.reason = verdict, reason
            if first and not self.ended and self.thread is None and self.runner is not None:
                self.runner.cancel()

    async def run(self, threads: ThreadPoolExecutor) -> Completion | Failure | HandedBack | None:
        """Run its function; what is to be reported, None when there is nothing."""
        try:
            said: Completion | Failure | HandedBack | None = await self._perform(threads)
        except asyncio.CancelledError:
            said = self._stopped()
        except Parked:
            said = None
        except AttemptStale as error:
            said = None if error.context.get("task") == str(self.task.id) else self._failed(error)
        except Retry as error:
            wanted = None if error.after is None else min(max(0.0, error.after), _LONGEST_RETRY)
            said = self._failed(error, retry_seconds=wanted)
        except (NotRetryable, ValidationError) as error:
            said = self._failed(error, retryable=False)
        except _TooLong as error:
            said = Failure(task=self.task.id, token=self.task.token, error=str(error))
        except (Exception, SystemExit) as error:
            said = self._failed(error)
        return said if self.is_ours else None

    async def _perform(self, threads: ThreadPoolExecutor) -> Completion:
        assert self.handler is not None
        context = TaskContext(self, asyncio.get_running_loop())
        seconds = self.handler.timeout
        if self.handler.is_async:
            limit = asyncio.timeout(seconds)
            try:
                async with limit:
                    value = await self.handler.call(self.task, context)
            except TimeoutError:
                if not limit.expired():
                    raise
                raise _TooLong(f"It took longer than {seconds:g} seconds.") from None
        else:
            self.thread = self.handler.submit(threads, self.task, context)
            if not await settled(self.thread, seconds):
                self.verdict = self.verdict or "cancelled"
                raise _TooLong(f"It took longer than {seconds or 0:g} seconds, and its thread goes on.")
            value = self.thread.result()
        try:
            return Completion(task=self.task.id, token=self.task.token, result=as_result(value))
        except ValidationError as error:
            problem = error.errors()[0]["msg"]
            raise NotRetryable(f"What came out of it is no result: {problem}.") from None

    def _stopped(self) -> Failure | HandedBack | None:
        if self.verdict == "handed back":
            return HandedBack(self.task.id, self.task.token, self.reason)
        error = f"Stopped: {self.reason}" if self.verdict else "Its function cancelled itself."
        return Failure(task=self.task.id, token=self.task.token, error=error)

    def _failed(self, error: BaseException, **said: Any) -> Failure:
        return Failure(task=self.task.id, token=self.task.token, error=described(error), **said)
