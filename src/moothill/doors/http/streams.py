"""Streams: server-sent events for who asks for `text/event-stream`, else one JSON value a line.

An item's `cursor` is the event's id, so a client that reconnects with `Last-Event-ID` goes on where
it stopped. Both forms are quiet now and then: a comment or an empty line shows that the line lives.
An error after the first item is the last thing said: an event `error`, or a problem document as a line.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from pydantic import TypeAdapter

from ...kernel.context import CallOptions
from ...kernel.errors import MoothillError
from ...kernel.local import LocalExecutor
from ...kernel.operation import Operation
from .door import Door
from .exchange import Exchange
from .problems import ServerStopping, problem_body
from .request import ClientGone

__all__ = ["answer_stream"]

# A refusal comes at once, and then gets its proper status; a quiet feed still opens within this time.
_FIRST_SECONDS = 1.0
_QUIET_SECONDS = 15.0
_MOST_WAITING = 256


class _Form(Protocol):
    media: bytes
    quiet: bytes
    end: bytes

    def item(self, adapter: TypeAdapter[Any], item: Any) -> bytes: ...

    def error(self, problem: bytes) -> bytes: ...


class _Events:
    """Server-sent events; JSON holds no line breaks, so one `data` line is enough."""

    media, quiet, end = b"text/event-stream", b": quiet\n\n", b"event: end\ndata: {}\n\n"

    def item(self, adapter: TypeAdapter[Any], item: Any) -> bytes:
        cursor = getattr(item, "cursor", None)
        mark = b"id: %s\n" % cursor.encode() if isinstance(cursor, str) and cursor else b""
        return b"%sdata: %s\n\n" % (mark, adapter.dump_json(item))

    def error(self, problem: bytes) -> bytes:
        return b"event: error\ndata: %s\n\n" % problem


class _Lines:
    """One JSON value a line."""

    media, quiet, end = b"application/x-ndjson", b"\n", b""

    def item(self, adapter: TypeAdapter[Any], item: Any) -> bytes:
        return adapter.dump_json(item) + b"\n"

    def error(self, problem: bytes) -> bytes:
        return problem + b"\n"


@dataclass(frozen=True, slots=True)
class _Piece:
    body: bytes
    is_last: bool = False
    error: MoothillError | None = None


async def answer_stream(
    door: Door,
    exchange: Exchange,
    executor: LocalExecutor,
    operation: Operation[Any, Any],
    arguments: Mapping[str, Any],
    options: CallOptions,
    *,
    accept: str,
) -> None:
    """Answer with the items of a stream as they come, until it ends, the client goes or the server stops.

    Raises:
        MoothillError: before the first item; later errors are told in the stream.
        ClientGone: the client went away.
    """
    form: _Form = _Events() if "text/event-stream" in accept else _Lines()
    adapter = operation.signature.output
    # The stream may be ahead of the client by this many items; then it waits.
    pieces: asyncio.Queue[_Piece] = asyncio.Queue(_MOST_WAITING)

    def failed(error: MoothillError) -> _Piece:
        return _Piece(form.error(problem_body(error, exchange.request_id)), is_last=True, error=error)

    async def pump() -> None:
        try:
            async for item in executor.iterate(operation, arguments, options):
                await pieces.put(_Piece(form.item(adapter, item)))
            await pieces.put(_Piece(form.end, is_last=True))
        except MoothillError as error:
            await pieces.put(failed(error))
        except Exception as error:
            await pieces.put(failed(exchange.unforeseen(error)))

    with door.stream(executor.principal.key):
        tasks = [asyncio.create_task(work) for work in (pump(), _gone(exchange), door.stopping.wait())]
        try:
            patience = _FIRST_SECONDS
            while True:
                come = await _come(pieces, patience, tasks[1:])
                if tasks[1].done():
                    raise ClientGone
                if tasks[2].done():
                    come.append(failed(ServerStopping()))
                if await _send(exchange, form, come):
                    return
                patience = _QUIET_SECONDS
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)


async def _send(exchange: Exchange, form: _Form, pieces: list[_Piece]) -> bool:
    """Send pieces, or a sign of life when there are none; whether that was the end."""
    if not exchange.status:
        if pieces and pieces[0].error is not None:
            raise pieces[0].error
        # The last header keeps a proxy from collecting the stream before passing it on.
        await exchange.start(200, form.media, [(b"x-accel-buffering", b"no")])
    is_last = bool(pieces) and pieces[-1].is_last
    if is_last and (error := pieces[-1].error) is not None:
        exchange.code = error.code
    body = b"".join(piece.body for piece in pieces) if pieces else form.quiet
    await exchange.send_on({"type": "http.response.body", "body": body, "more_body": not is_last})
    return is_last


async def _come(pieces: "asyncio.Queue[_Piece]", patience: float, ends: "list[asyncio.Task[Any]]") -> list[_Piece]:
    """The pieces that have come; none when none came in time, or an end came first."""
    getter = asyncio.create_task(pieces.get())
    try:
        await asyncio.wait({getter, *ends}, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
        found = [getter.result()] if getter.done() else []
    finally:
        getter.cancel()
    while not pieces.empty() and not (found and found[-1].is_last):
        found.append(pieces.get_nowait())
    return found


async def _gone(exchange: Exchange) -> None:
    while (await exchange.receive())["type"] != "http.disconnect":
        pass
