"""A live HTTP server for tests, in the process and the event loop of the test run."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from moothill.doors.http import Door
from moothill.doors.up.front import Server, opened
from moothill.kernel.settings import Settings
from moothill.moot import Moot
from moothill.session import open_database

__all__ = ["Live", "eventually", "serving"]

PATIENCE = 5.0


@dataclass(frozen=True)
class Live:
    """A server that answers.

    Attributes:
        url: its address.
        moot: the local operator of its own pool.
    """

    url: str
    moot: Moot
    server: Server

    @property
    def door(self) -> Door:
        return self.server.door

    @property
    def address(self) -> tuple[str, int]:
        host, _, port = self.url.removeprefix("http://").partition(":")
        return host, int(port)

    def client(self, key: str | None = None, **headers: str) -> httpx.AsyncClient:
        """An HTTP client of it."""
        said = headers if key is None else {"Authorization": f"Bearer {key}", **headers}
        return httpx.AsyncClient(base_url=self.url, headers=said, trust_env=False, timeout=20)

    async def key(self, moot: Moot, *scopes: str, **more: Any) -> str:
        """A new key in the tenant of a Moot, with every scope unless some are named."""
        return (await moot.keys.create(name="test", scopes=list(scopes or ("*", "platform:*")), **more)).secret


@asynccontextmanager
async def serving(dsn: str, settings: Settings, *, port: int = 0) -> AsyncIterator[Live]:
    """A server on a database, on a port of its own unless one is given."""
    moot = await open_database(dsn, settings, "default", create=True)
    # The protocol is named for asyncio: without it each answer takes 40 ms, as in `doors/up/process.py`.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    opening: asyncio.Future[Server] = asyncio.get_running_loop().create_future()

    async def serve() -> None:
        # One task from opening to closing: what MCP mounts must be left by the task that entered it.
        assert moot.session is not None
        async with opened(moot.session) as made:
            opening.set_result(made)
            await made.serve(sockets=[listener])

    task = asyncio.create_task(serve())
    try:
        server = await asyncio.wait_for(opening, PATIENCE)
        await asyncio.wait_for(server.answers.wait(), PATIENCE)
        yield Live(f"http://127.0.0.1:{listener.getsockname()[1]}", moot, server)
        server.should_exit = True
        await task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        listener.close()
        await moot.close()


async def eventually(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait until an asynchronous condition holds, at most five seconds."""
    async with asyncio.timeout(PATIENCE):
        while not await condition():  # noqa: ASYNC110  # what is waited for happens in another process
            await asyncio.sleep(0.01)
