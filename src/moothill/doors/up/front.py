"""The front of a server process: the doors behind one listening address."""

import asyncio
import contextlib
import importlib
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import uvicorn
from starlette.routing import Route

from ...kernel.errors import Invalid
from ...session import Session
from ..http import Application, Door, create_app
from ..http.protocol import HttpProtocol

__all__ = ["Server", "opened"]

DRAIN_SECONDS = 30
# Longer than a client keeps a quiet connection, so that the client lets go of it first.
KEEP_SECONDS = 75


class BadCertificate(Invalid):
    """The certificate or its private key cannot be used."""


class Server(uvicorn.Server):
    """Uvicorn without its own signal handling, which would end the process before the database is closed."""

    def __init__(self, config: uvicorn.Config, door: Door) -> None:
        super().__init__(config)
        self.door = door
        self.answers = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals alone."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen."""
        await super().startup(sockets)
        self.answers.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept nothing new, end the streams and what waits for something to happen, let calls end."""
        self.door.stopping.set()
        self.door.runtime.nudges.end()
        await super().shutdown(sockets)


@contextlib.asynccontextmanager
async def opened(session: Session, certfile: Path | None = None, keyfile: Path | None = None) -> AsyncIterator[Server]:
    """A server for the doors of a session, ready to `serve(sockets=[...])`; the doors close behind the block."""
    door = Door.of(session)
    app = create_app(door)
    configuration = _configuration(app, certfile, keyfile)
    try:
        configuration.load()
    except (OSError, ssl.SSLError) as error:
        raise BadCertificate(f"The certificate or its key cannot be used: {error.strerror or error}.") from None
    try:
        async with door.open(), _mcp(app, door):
            yield Server(configuration, door)
    finally:
        # The session may outlive its doors, and what waits in it waits on.
        door.runtime.nudges.is_over = False


def load_extras() -> None:
    """Import what is imported on demand otherwise, while something slow goes on."""
    with contextlib.suppress(ModuleNotFoundError):
        importlib.import_module("..mcp", __package__)


def _configuration(app: Application, certfile: Path | None, keyfile: Path | None) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=HttpProtocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_SECONDS,
        timeout_graceful_shutdown=DRAIN_SECONDS,
        ssl_certfile=certfile,
        ssl_keyfile=keyfile,
    )


@contextlib.asynccontextmanager
async def _mcp(app: Application, door: Door) -> AsyncIterator[None]:
    """Serve `/mcp`, where the extra for it is installed."""
    try:
        from ..mcp import mounted
    except ModuleNotFoundError as missing:
        if (missing.name or "").partition(".")[0] != "mcp":
            raise
        yield
        return
    mount = mounted(door.executor, body_limit=door.settings.body_limit)
    app.router.routes.append(Route("/mcp", mount, include_in_schema=False))
    async with mount.running():
        yield
