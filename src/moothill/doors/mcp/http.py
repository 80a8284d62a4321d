"""MCP over streamable HTTP, without sessions: each request carries its key and stands alone."""

from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from contextlib import asynccontextmanager
from typing import Any

import orjson
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager

from ...kernel.errors import MoothillError, Unauthenticated
from ...kernel.service import Executor
from .server import build_server

__all__ = ["Mounted", "mounted"]

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Authenticate = Callable[[Scope], Awaitable[Executor]]

_SCOPE_KEY = "moothill.executor"


class Mounted:
    """An ASGI application for `/mcp`; open `running()` around the life of the server."""

    def __init__(self, authenticate: Authenticate, *, body_limit: int) -> None:
        self._authenticate = authenticate
        server = build_server(lambda ctx: _scope(ctx)[_SCOPE_KEY])
        self._manager = StreamableHTTPSessionManager(
            server, stateless=True, json_response=True, max_request_body_size=body_limit
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """The time in which requests are served."""
        async with self._manager.run():
            yield

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        try:
            scope[_SCOPE_KEY] = await self._authenticate(scope)
        except MoothillError as error:
            exchange = scope.get("moothill.exchange")
            if exchange is None:
                await _refuse(send, error)
            else:
                # The door knows its own address, which the challenge names.
                await exchange.refuse(error)
            return
        await self._manager.handle_request(scope, receive, send)


def _scope(ctx: Any) -> Scope:
    found: Scope = ctx.request.scope
    return found


def mounted(authenticate: Authenticate, *, body_limit: int) -> Mounted:
    """The application for `/mcp`.

    Args:
        authenticate: from an ASGI scope to the executor of its caller, or an error.
        body_limit: largest request body, in bytes.
    """
    return Mounted(authenticate, body_limit=body_limit)


async def _refuse(send: Send, error: MoothillError) -> None:
    body = orjson.dumps(error.to_problem(), default=str)
    headers = [(b"content-type", b"application/problem+json"), (b"content-length", str(len(body)).encode())]
    if isinstance(error, Unauthenticated):
        headers.append((b"www-authenticate", b"Bearer"))
    await send({"type": "http.response.start", "status": error.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
