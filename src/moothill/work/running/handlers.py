"""The functions of a worker: which kind of task each is for, how it is called, and what becomes of what it gives."""

import asyncio
import inspect
import re
import traceback
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic_core import to_jsonable_python

from .signals import NotRetryable

if TYPE_CHECKING:
    from ..tasks import ClaimedTask
    from .context import TaskContext

__all__ = ["Handler", "as_json", "as_result", "described", "settled"]

_LONGEST_ERROR = 10_000
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Handler:
    """A function for tasks of a kind.

    Attributes:
        function: takes the task, or the task and its context.
        timeout: seconds that one attempt may take; None: as long as it wants.
        is_async: whether it is awaited; any other runs in a thread.
        wants_context: whether it takes the context too.
    """

    function: Callable[..., Any]
    timeout: float | None
    is_async: bool
    wants_context: bool

    @classmethod
    def of(cls, function: Callable[..., Any], timeout: float | None) -> "Handler":
        """The handler that a function is.

        Raises:
            TypeError: it takes other arguments than `(task)` or `(task, context)`.
        """
        named = getattr(function, "__qualname__", repr(function))
        try:
            parameters = inspect.signature(function).parameters.values()
        except (TypeError, ValueError):
            raise TypeError(f"{named} cannot be a task: nobody knows which arguments it takes") from None
        places = [each for each in parameters if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)]
        needed = [each for each in places if each.default is each.empty]
        named_only = [each for each in parameters if each.kind is each.KEYWORD_ONLY and each.default is each.empty]
        if not places or len(needed) > 2 or named_only:
            raise TypeError(f"{named} takes (task) or (task, context), to be run by a worker")
        called = function if inspect.isroutine(function) else getattr(function, "__call__", function)  # noqa: B004
        wants_context = len(needed) == 2 or [each.name for each in places[1:2]] == ["context"]
        return cls(function, timeout, inspect.iscoroutinefunction(called), wants_context)

    async def call(self, task: "ClaimedTask", context: "TaskContext") -> Any:
        """Await the function, which is asynchronous."""
        return await (self.function(task, context) if self.wants_context else self.function(task))

    def submit(self, threads: ThreadPoolExecutor, task: "ClaimedTask", context: "TaskContext") -> "Future[Any]":
        """Have the function run in a thread."""
        arguments = (task, context.blocking()) if self.wants_context else (task,)
        return threads.submit(copy_context().run, self.function, *arguments)


def as_result(value: Any) -> dict[str, Any] | None:
    """What a function gives as the result of its task: an object of JSON as it is, anything else as its `value`.

    Raises:
        NotRetryable: it cannot be written as JSON.
    """
    plain = as_json(value)
    return plain if plain is None or isinstance(plain, dict) else {"value": plain}


def as_json(value: Any) -> Any:
    """A value as JSON carries it.

    Raises:
        NotRetryable: it cannot be written as JSON.
    """
    try:
        return to_jsonable_python(value)
    except Exception as error:
        raise NotRetryable(f"What came out of it cannot be written as JSON: {error}") from error


def described(error: BaseException) -> str:
    """An error for people: what it says, and where it came from."""
    said = f"{type(error).__name__}: {error}".strip()
    where = "".join(traceback.format_exception(error, limit=-8)).strip()
    text = _UNPRINTABLE.sub("?", f"{said[:2_000]}\n\n{where}")
    return text[:_LONGEST_ERROR]


async def settled(future: "Future[Any]", seconds: float | None) -> bool:
    """Wait for what runs in a thread, at most so long; whether it ended."""
    waiting = asyncio.wrap_future(future)
    try:
        await asyncio.wait({waiting}, timeout=seconds)
        return waiting.done()
    finally:
        # The thread goes on; what it raises later is nobody's.
        waiting.add_done_callback(lambda done: done.cancelled() or done.exception())
