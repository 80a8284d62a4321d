"""The one handler of all operations: `/v1/{group}/{verb}`, straight from ASGI.

Routing is one look-up in the registry and validation happens once, in the executor, so the
framework's own machinery for dependencies and responses is not in the way of a call.
"""

import asyncio
from collections.abc import Mapping
from typing import Any

from pydantic import TypeAdapter

from ...kernel.catalogue import find_operation
from ...kernel.errors import Invalid
from ...kernel.operation import Operation, Plan
from ...kernel.service import REGISTRY
from .door import Door
from .exchange import Exchange
from .problems import MethodNotAllowed, UnknownRoute
from .request import ClientGone, Receive, RequestHeaders, read_arguments, read_headers, read_query
from .streams import answer_stream

__all__ = ["PREFIX", "serve_operation"]

PREFIX = "/v1/"

# A call shorter than this is not worth watching the connection for.
_WATCH_AFTER_SECONDS = 0.05
_PLAN = TypeAdapter(Plan)


async def serve_operation(door: Door, exchange: Exchange) -> None:
    """Answer one request under `/v1/`.

    Raises:
        MoothillError: the caller tells it as a problem.
        ClientGone: nobody waits for the answer any more.
    """
    operation = _find(exchange.scope["path"])
    exchange.operation = operation.name
    if exchange.method not in _methods(operation):
        if exchange.method == "OPTIONS":
            await exchange.answer(200, b"", headers=[(b"allow", ", ".join(_methods(operation)).encode())])
            return
        raise MethodNotAllowed(
            f"{operation.name} answers {' and '.join(_methods(operation))}, not {exchange.method}.",
            allow=list(_methods(operation)),
        )
    headers = read_headers(exchange.scope, exchange.request_id)
    options = headers.options()
    executor = await door.entrance.executor(headers)
    exchange.principal = executor.principal
    arguments = await _arguments(door, exchange, operation, headers)
    if operation.kind == "stream":
        arguments = _resumed(operation, arguments, headers)
        await answer_stream(door, exchange, executor, operation, arguments, options, accept=headers.accept)
        return
    with Watch(exchange.receive) as watch:
        try:
            result = await executor.run(operation, arguments, options)
        except asyncio.CancelledError:
            if watch.is_gone:
                raise ClientGone from None
            raise
    if watch.is_gone:
        raise ClientGone
    adapter = _PLAN if options.dry_run else operation.signature.output
    is_queued = operation.kind == "job" and not options.dry_run
    await exchange.answer(202 if is_queued else 200, adapter.dump_json(result))


def _find(path: str) -> Operation[Any, Any]:
    group, _, verb = path[len(PREFIX) :].partition("/")
    found = REGISTRY.get(f"{group}.{verb}")
    if found is not None:
        return found
    if not group or not verb or "/" in verb:
        raise UnknownRoute("Operations are served at /v1/{group}/{verb}; /docs lists them.")
    return find_operation(f"{group[:100]}.{verb[:100]}")


def _methods(operation: Operation[Any, Any]) -> tuple[str, ...]:
    return ("GET", "HEAD", "POST") if operation.answers_get else ("POST",)


async def _arguments(
    door: Door, exchange: Exchange, operation: Operation[Any, Any], headers: RequestHeaders
) -> Mapping[str, Any]:
    query: bytes = exchange.scope["query_string"]
    if exchange.method != "POST":
        return read_query(operation, query)
    if query:
        raise Invalid("POST takes its arguments from the body, not from a query.", field="query")
    return await read_arguments(headers, exchange.receive, door.settings.body_limit)


def _resumed(
    operation: Operation[Any, Any], arguments: Mapping[str, Any], headers: RequestHeaders
) -> Mapping[str, Any]:
    """The arguments, going on after the last item that the client saw."""
    takes_after = any(parameter.name == "after" for parameter in operation.signature.parameters)
    if headers.last_event_id and takes_after:
        return {**arguments, "after": headers.last_event_id}
    return arguments


class Watch:
    """Cancels the task that entered it when its client goes away."""

    __slots__ = ("_receive", "_task", "_timer", "_watcher", "is_gone")

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._watcher: asyncio.Task[None] | None = None
        self.is_gone = False

    def __enter__(self) -> "Watch":
        task = asyncio.current_task()
        assert task is not None
        self._task = task
        self._timer = asyncio.get_running_loop().call_later(_WATCH_AFTER_SECONDS, self._start)
        return self

    def __exit__(self, *exception: object) -> None:
        self._timer.cancel()
        if self._watcher is not None:
            self._watcher.cancel()
        if self.is_gone:
            self._task.uncancel()

    def _start(self) -> None:
        self._watcher = asyncio.create_task(self._watch())

    async def _watch(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self.is_gone = True
        self._task.cancel()
