"""What a function that works on a task can do beside working: durable steps, children, questions."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

from ..tasks import ClaimedTask, NewTask, TaskDetails
from .handlers import as_json
from .signals import Parked

if TYPE_CHECKING:
    from .attempts import Attempt

__all__ = ["BlockingContext", "TaskContext"]

T = TypeVar("T")
_PAGE = 200


class TaskContext:
    """The context of one attempt, for asynchronous functions.

    A task that is tried again, or goes on after it waited, runs its function from the beginning; `step` then gives
    what was recorded instead of doing it again, and `wait_for_input` the answers that came. So a function asks for the
    same things in the same order each time.

    Attributes:
        task: what to work on.
    """

    def __init__(self, attempt: "Attempt", loop: asyncio.AbstractEventLoop) -> None:
        self.task: ClaimedTask = attempt.task
        self._attempt = attempt
        self._tasks = attempt.site.tasks
        self._loop = loop
        self._known: dict[str, Any] | None = None if attempt.task.attempt > 1 else {}
        self._asked = 0

    @property
    def cancelled(self) -> bool:
        """Whether to stop: the task was cancelled or is somebody else's by now, or the worker ends."""
        return self._attempt.stops

    async def step(self, name: str, function: Callable[..., Any], /, *arguments: Any, **named: Any) -> Any:
        """What a function gives, once: after a crash or a failure the next attempt gets what was recorded.

        Args:
            name: of the step, up to 100 characters; unique in the task.
            function: what to do; awaited when it is asynchronous.
            arguments: its arguments.
            named: its keyword arguments.

        Returns:
            What it gave, as JSON carries it, so that the first time and any later one give the same.

        Raises:
            AttemptStale: the task is somebody else's by now; what the function did counts for nothing here.
        """
        known = await self._steps()
        if name not in known:
            value = function(*arguments, **named)
            if inspect.isawaitable(value):
                value = await value
            result = {"value": as_json(value)}
            kept = await self._attempt.site.patiently(
                lambda: self._tasks.record_step(task=self.task.id, token=self.task.token, name=name, result=result)
            )
            known[name] = kept.result.get("value")
        return known[name]

    async def enqueue(
        self,
        *,
        title: str,
        kind: str = "task",
        payload: Mapping[str, Any] | None = None,
        details: TaskDetails | None = None,
        **more: Any,
    ) -> UUID:
        """Add a task whose parent is this one; its id. Inside of `step`, it is added once.

        Args:
            title: what it is about.
            kind: what sort of work it is.
            payload: what its holder works on.
            details: what else there is to say of it.
            **more: `priority`, `queue`, `task_id`, `depends_on`, as of `tasks.enqueue`.
        """
        said = (details or TaskDetails()).model_copy(update={"parent": str(self.task.id)})
        added = await self._tasks.enqueue(title=title, kind=kind, payload=dict(payload or {}), details=said, **more)
        return added.id

    async def enqueue_many(self, tasks: Sequence[NewTask], *, chain: bool = False) -> Sequence[UUID]:
        """Add tasks whose parent is this one, all or none; their ids."""
        said = [each.model_copy(update={"parent": str(self.task.id)}) for each in tasks]
        return (await self._tasks.enqueue_many(tasks=said, chain=chain)).ids

    async def wait_for_input(self, prompt: str) -> Mapping[str, Any]:
        """What was answered to a question; until then the task is parked, and this attempt ends here.

        Args:
            prompt: the question, for whoever is to answer it with `tasks.answer`.
        """
        return await self._wait(prompt, None)

    async def wait_for_signal(self, signal: str, prompt: str | None = None) -> Mapping[str, Any]:
        """What a signal brought; until it comes the task is parked, and this attempt ends here."""
        return await self._wait(prompt or f"It waits for the signal {signal}.", signal)

    async def _wait(self, prompt: str, signal: str | None) -> Mapping[str, Any]:
        place, self._asked = self._asked, self._asked + 1
        if place < len(self.task.answers):
            return self.task.answers[place]
        await self._attempt.site.patiently(
            lambda: self._tasks.wait(task=self.task.id, token=self.task.token, prompt=prompt, signal=signal)
        )
        raise Parked

    async def _steps(self) -> dict[str, Any]:
        if self._known is None:
            found: dict[str, Any] = {}
            cursor: str | None = None
            while True:
                page = await self._attempt.site.patiently(
                    partial(self._tasks.steps, task=str(self.task.id), limit=_PAGE, cursor=cursor)
                )
                found |= {each.name: each.result.get("value", each.result) for each in page.items}
                cursor = page.next
                if cursor is None:
                    break
            self._known = found
        return self._known

    def blocking(self) -> "BlockingContext":
        """The same for a function that runs in a thread."""
        return BlockingContext(self, self._loop)


class BlockingContext:
    """The context of one attempt, for functions that run in a thread: the same calls, without `await`.

    Attributes:
        task: what to work on.
    """

    def __init__(self, context: TaskContext, loop: asyncio.AbstractEventLoop) -> None:
        self.task = context.task
        self._context = context
        self._loop = loop

    @property
    def cancelled(self) -> bool:
        """Whether to stop; nobody ends a thread from outside, so look now and then."""
        return self._context.cancelled

    def step(self, name: str, function: Callable[..., Any], /, *arguments: Any, **named: Any) -> Any:
        """See `TaskContext.step`; the function runs in the thread too."""
        known = self._await(self._context._steps())
        if name in known:
            return known[name]
        value = function(*arguments, **named)
        return self._await(self._context.step(name, lambda: value))

    def enqueue(self, *, title: str, **more: Any) -> UUID:
        """See `TaskContext.enqueue`."""
        return self._await(self._context.enqueue(title=title, **more))

    def enqueue_many(self, tasks: Sequence[NewTask], *, chain: bool = False) -> Sequence[UUID]:
        """See `TaskContext.enqueue_many`."""
        return self._await(self._context.enqueue_many(tasks, chain=chain))

    def wait_for_input(self, prompt: str) -> Mapping[str, Any]:
        """See `TaskContext.wait_for_input`."""
        return self._await(self._context.wait_for_input(prompt))

    def wait_for_signal(self, signal: str, prompt: str | None = None) -> Mapping[str, Any]:
        """See `TaskContext.wait_for_signal`."""
        return self._await(self._context.wait_for_signal(signal, prompt))

    def _await(self, call: Awaitable[T]) -> T:
        async def made() -> tuple[bool, T | None]:
            try:
                return True, await call
            except Parked:
                # It would end the loop's task; it is for the thread.
                return False, None

        went_on, value = asyncio.run_coroutine_threadsafe(made(), self._loop).result()
        if not went_on:
            raise Parked
        return value  # type: ignore[return-value]  # what was awaited
