"""What a page asks of the society: every call is noted, so that it can be copied for another door.

Changes pass only inside `acting()`, which is `act()`'s alone; a page that calls a write by itself is refused.
"""

from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Any

from ..kernel.context import CallOptions
from ..kernel.errors import Internal, MoothillError
from ..kernel.identifiers import uuid7
from ..kernel.operation import Operation
from ..kernel.service import Executor

__all__ = ["Call", "WatchedExecutor", "acting", "json_arguments", "request_of"]

MOST_CALLS = 30

_acting: ContextVar[bool] = ContextVar("moothill_console_acting", default=False)


@dataclass(frozen=True, slots=True)
class Call:
    """One call that a page made. Arguments are JSON-ready.

    Attributes:
        tenant: where, if it was not the page's own tenant.
    """

    operation: Operation[Any, Any]
    arguments: Mapping[str, Any]
    tenant: str = ""


@contextmanager
def acting() -> Iterator[None]:
    """Let changes pass within the block."""
    token = _acting.set(True)
    try:
        yield
    finally:
        _acting.reset(token)


def json_arguments(operation: Operation[Any, Any], arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments that were given, as JSON; defaults are left out."""
    given = {name: value for name, value in arguments.items() if value is not None}
    model = operation.signature.input_model.model_construct(_fields_set=set(given), **given)
    dumped: dict[str, Any] = model.model_dump(mode="json", exclude_unset=True, warnings=False)
    defaults = {parameter.name: parameter.default for parameter in operation.signature.parameters}
    return {name: value for name, value in dumped.items() if given[name] != defaults.get(name)}


def request_of(error: MoothillError) -> str:
    """The request id of a call that failed, to be found again in the server's log."""
    return str(error.context.get("request_id", ""))


class WatchedExecutor:
    """Runs calls through another executor for one open page.

    Args:
        inner: does the work.
        alive: raises when the session behind the page has ended.
        failed: is told of every refusal, for example of a key that was revoked.
    """

    def __init__(self, inner: Executor, alive: Callable[[], None], failed: Callable[[MoothillError], None]) -> None:
        self._inner = inner
        self._alive = alive
        self._failed = failed
        self._tenant = ""
        self.calls: deque[Call] = deque(maxlen=MOST_CALLS)

    def within(self, tenant: str, inner: Executor) -> "WatchedExecutor":
        """One that runs calls in another tenant, and notes them here as well."""
        other = WatchedExecutor(inner, self._alive, self._failed)
        other._tenant = tenant
        other.calls = self.calls
        return other

    async def run(self, operation: Operation[Any, Any], arguments: Mapping[str, Any], options: CallOptions) -> Any:
        """Run one call; an error carries its request id."""
        options = self._begin(operation, arguments, options)
        try:
            return await self._inner.run(operation, arguments, options)
        except MoothillError as error:
            raise self._explained(error, options) from None

    async def iterate(
        self, operation: Operation[Any, Any], arguments: Mapping[str, Any], options: CallOptions
    ) -> AsyncIterator[Any]:
        """Run a stream."""
        options = self._begin(operation, arguments, options)
        try:
            async for item in self._inner.iterate(operation, arguments, options):
                yield item
        except MoothillError as error:
            raise self._explained(error, options) from None

    def _begin(self, operation: Operation[Any, Any], arguments: Mapping[str, Any], options: CallOptions) -> CallOptions:
        self._alive()
        if operation.effect != "read" and not options.dry_run and not _acting.get():
            raise Internal(f"{operation.name} changes things and was not called through act().")
        call = Call(operation, json_arguments(operation, arguments), self._tenant)
        if call not in self.calls:
            self.calls.append(call)
        return options if options.request_id else replace(options, request_id=uuid7())

    def _explained(self, error: MoothillError, options: CallOptions) -> MoothillError:
        error.context.setdefault("request_id", str(options.request_id))
        self._failed(error)
        return error
