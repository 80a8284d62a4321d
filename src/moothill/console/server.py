"""Serving the console: a process of its own, beside the API."""

import asyncio
import contextlib
import logging
import os
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import uvicorn
from nicegui import ui

from ..kernel.settings import Settings
from ..session import connect
from .app import Console
from .logs import configure_logging

__all__ = ["run", "serve"]

_log = logging.getLogger("moothill.console")
DRAIN_SECONDS = 5
RECONNECT_SECONDS = 20.0


class _Server(uvicorn.Server):
    """Uvicorn without its own signal handling; ours lets the connection close behind it."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    @contextlib.contextmanager
    def capture_signals(self) -> Any:
        """Leave signals alone."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen."""
        await super().startup(sockets)
        if self.started:
            self._ready()


async def serve(
    target: str,
    *,
    host: str = "127.0.0.1",
    port: int = 8081,
    certfile: Path | None = None,
    keyfile: Path | None = None,
    root_path: str = "",
    until_stdin_ends: bool = False,
    announce: Callable[[str], None] | None = None,
) -> None:
    """Serve the console until SIGINT or SIGTERM.

    Args:
        target: URL of a Moothill server, or DSN of a database; people sign in with keys of it.
        host: address to listen at.
        port: 0 for any that is free.
        certfile: certificate chain, for TLS; then cookies are marked secure.
        keyfile: its private key.
        root_path: path under which a proxy shows the console, if not at its root.
        until_stdin_ends: stop too when the process that started this one is gone.
        announce: told the address once, when the console answers.

    Raises:
        MoothillError: the target cannot be connected to.
    """
    # No worker of its own and a small pool: it only carries what people at the console ask for.
    async with connect(target, worker=False, pool_min=0, key=None) as moot:
        console = Console(moot)
        site = console.site()
        console.pages()
        ui.run_with(
            site,
            title="Moothill",
            favicon=None,
            dark=None,
            tailwind=False,
            show_welcome_message=False,
            reconnect_timeout=RECONNECT_SECONDS,
            binding_refresh_interval=None,
        )
        configuration = uvicorn.Config(
            site,
            host=host,
            port=port,
            root_path=root_path,
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=DRAIN_SECONDS,
            ssl_certfile=certfile,
            ssl_keyfile=keyfile,
            ws_max_size=1_000_000,
        )
        scheme = "https" if certfile else "http"

        def ready() -> None:
            bound = server.servers[0].sockets[0].getsockname()[1]
            _log.info("console_ready", extra={"port": bound})
            if announce is not None:
                near = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104  # what is shown, not bound
                shown = f"[{near}]" if ":" in near else near
                announce(f"{scheme}://{shown}:{bound}{root_path}")

        server = _Server(configuration, ready)
        loop = asyncio.get_running_loop()

        def stop() -> None:
            server.should_exit = True

        for number in (signal.SIGINT, signal.SIGTERM):
            with contextlib.suppress(ValueError, NotImplementedError):
                loop.add_signal_handler(number, stop)
        if until_stdin_ends:
            loop.add_reader(0, lambda: None if os.read(0, 64) else stop())
        await server.serve()


def run(target: str, **options: Any) -> None:
    """Serve, from the main thread of a process; arguments as of `serve`."""
    configure_logging(Settings.load().log_level)
    asyncio.run(serve(target, **options))
