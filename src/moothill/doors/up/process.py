"""The server process: a database, the HTTP door, the worker; started together, drained together."""

import asyncio
import contextlib
import errno
import signal
import socket
import webbrowser
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...database.embedded.folder import default_folder
from ...database.migrate import Migrator
from ...kernel.errors import Conflict, Invalid
from ...kernel.settings import Settings
from ...moot import Moot
from ...session import connect, open_database
from ..loop import run_quickly
from .console import ConsoleProcess
from .first_key import first_key
from .logs import configure_logging

__all__ = ["Announcement", "run", "serve"]

_LOOPBACK = ("127.0.0.1", "::1", "localhost")


class AddressTaken(Conflict):
    """Something else listens at this address already; choose another port."""


class BadListenAddress(Invalid):
    """This server cannot listen at this address."""


@dataclass(frozen=True, slots=True)
class Announcement:
    """What a person needs to know once the server answers.

    Attributes:
        url: address of the server.
        console: address of the web console, if it runs.
        key: the first operator key, only when it has just been made; it cannot be shown again.
        key_file: file that holds it, when there is a folder.
        folder: folder of the embedded server, if there is one.
        warnings: what is unwise about this start, a sentence each.
    """

    url: str
    console: str | None
    key: str | None
    key_file: Path | None
    folder: Path | None
    warnings: tuple[str, ...] = ()

    @property
    def docs(self) -> str:
        """Address of the page that lists every operation."""
        return f"{self.url}/docs"

    def __str__(self) -> str:
        lines = [f"Moothill answers at {self.url}", f"  operations  {self.docs}"]
        if self.console is not None:
            lines.append(f"  console     {self.console}")
        if self.key is not None:
            lines.append(f"  key         {self.key}   (shown this once)")
        if self.key_file is not None:
            lines.append(f"  key file    {self.key_file}")
        return "\n".join([*lines, *(f"  warning     {warning}" for warning in self.warnings)])


class _Signals:
    """SIGINT and SIGTERM: the first drains, the second hurries."""

    def __init__(self) -> None:
        self.server: Any = None
        task = asyncio.current_task()
        assert task is not None
        self._task = task

    def __enter__(self) -> "_Signals":
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            # Elsewhere than in the main thread (a test's server) nobody sends signals.
            with contextlib.suppress(ValueError, RuntimeError, NotImplementedError):
                loop.add_signal_handler(number, self._stop)
        return self

    def __exit__(self, *exception: object) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            with contextlib.suppress(ValueError, RuntimeError, NotImplementedError):
                loop.remove_signal_handler(number)

    def _stop(self) -> None:
        if self.server is None:
            self._task.cancel()
        elif self.server.should_exit:
            self.server.force_exit = True
        else:
            self.server.should_exit = True


def run(settings: Settings, **options: Any) -> None:
    """Serve until SIGINT or SIGTERM; arguments as of `serve`. For the main thread of a process.

    Raises:
        MoothillError: the server could not start.
    """
    configure_logging(settings.log_level)
    with contextlib.suppress(asyncio.CancelledError):
        run_quickly(serve(settings, **options))


async def serve(
    settings: Settings,
    *,
    host: str = "127.0.0.1",
    port: int = 8080,
    folder: Path | None = None,
    dsn: str | None = None,
    demo: bool = False,
    console: bool = True,
    console_port: int | None = None,
    open_console: bool = False,
    certfile: Path | None = None,
    keyfile: Path | None = None,
    announce: Callable[[Announcement], None] = print,
) -> None:
    """Serve until SIGINT or SIGTERM, then drain: accept nothing new, let calls end, close the database.

    Args:
        settings: of the whole process; `worker` says whether scheduled jobs run in it.
        host: address to listen at.
        port: 0 for any that is free.
        folder: of an embedded server; by default the settings', else the user's data folder.
        dsn: of a database, instead of an embedded server; default: the settings'.
        demo: load the example society.
        console: run the web console too, where its extra is installed.
        console_port: port of the console; by default the one after `port`.
        open_console: show the console in the browser of this machine.
        certfile: certificate chain, for TLS.
        keyfile: its private key.
        announce: told once, when the server answers and the example society is there.

    Raises:
        AddressTaken: something else listens there.
        MoothillError: the database does not answer, is behind, or lacks a guard.
    """
    if dsn is None and folder is None and settings.dsn is not None:
        dsn = settings.dsn.get_secret_value()
    with _Signals() as signals, contextlib.ExitStack() as closing:
        listener = closing.enter_context(_listen(host, port))
        async with contextlib.AsyncExitStack() as stack:
            # The database starts in processes of its own; the libraries of the doors load meanwhile.
            loading = asyncio.create_task(asyncio.to_thread(_load_front))
            moot = await _open(settings, folder, dsn)
            stack.push_async_callback(moot.close)
            where = None if dsn is not None else (folder or settings.home or default_folder()).expanduser().resolve()
            key = await first_key(moot, where)
            assert moot.session is not None
            if dsn is not None and settings.worker:
                await stack.enter_async_context(moot.session.working())
            front = await loading
            server = await stack.enter_async_context(front.opened(moot.session, certfile, keyfile))
            serving = asyncio.create_task(server.serve(sockets=[listener]))
            stack.push_async_callback(_ended, server, serving)
            signals.server = server
            await _first(server.answers.wait(), serving)
            url = _url(listener, host, secure=certfile is not None)
            beside = None
            if console and ConsoleProcess.is_installed():
                assert moot.session.database is not None
                tls = (str(certfile), str(keyfile)) if certfile and keyfile else None
                after = port + 1 if port and console_port is None else console_port or 0
                beside = ConsoleProcess(url, moot.session.database.dsn, host=host, port=after, tls=tls)
                stack.push_async_callback(beside.stop)
            shown = await _first(_furnished(moot, beside, demo=demo), serving)
            if not serving.done():
                announce(Announcement(url, shown, key.secret, key.file, where, _warnings(host, certfile, key.warning)))
                if open_console and shown is not None:
                    await asyncio.to_thread(webbrowser.open, shown)
            await serving


async def _furnished(moot: Moot, console: ConsoleProcess | None, *, demo: bool) -> str | None:
    """Start the console, load the example society meanwhile; the console's address."""

    async def furnish() -> None:
        if demo:
            from ...demo import load

            await load(moot)

    async def start() -> str | None:
        return await console.start() if console is not None else None

    shown, _ = await asyncio.gather(start(), furnish())
    return shown


async def _ended(server: Any, serving: "asyncio.Task[None]") -> None:
    """Let the server end, whatever brought us here."""
    server.should_exit = True
    await asyncio.gather(serving, return_exceptions=True)


def _listen(host: str, port: int) -> socket.socket:
    """A socket that is bound before anything slow begins, so that a taken port is told at once."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # The protocol is named for asyncio: without it, where there is no uvloop, the kernel holds back the body of
    # each answer until the client has acknowledged its head, which takes 40 ms.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        if error.errno != errno.EADDRINUSE:
            raise BadListenAddress(f"Cannot listen at {host}:{port}: {error.strerror}.") from None
        raise AddressTaken(f"Something else listens at {host}:{port} already; choose another port.") from None
    listener.set_inheritable(False)
    return listener


async def _open(settings: Settings, folder: Path | None, dsn: str | None) -> Moot:
    if dsn is None:
        return await connect(folder or settings.home or default_folder(), settings=settings)
    migrator = settings.migrator_dsn.get_secret_value() if settings.migrator_dsn else None
    if migrator is not None:
        await Migrator(migrator, table=settings.migration_table).migrate()
    return await open_database(dsn, settings, settings.tenant, migrator_dsn=migrator, create=True)


def _load_front() -> Any:
    from . import front

    front.load_extras()
    return front


async def _first(work: Any, serving: "asyncio.Task[None]") -> Any:
    """The result of some work; None, and the work is given up, when the server ends first."""
    task = asyncio.ensure_future(work)
    await asyncio.wait({task, serving}, return_when=asyncio.FIRST_COMPLETED)
    if not task.done():
        task.cancel()
        await asyncio.wait({task})
        return None
    return task.result()


def _url(listener: socket.socket, host: str, *, secure: bool) -> str:
    port = listener.getsockname()[1]
    shown = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104  # what is shown, not bound
    return f"{'https' if secure else 'http'}://{f'[{shown}]' if ':' in shown else shown}:{port}"


def _warnings(host: str, certfile: Path | None, key_warning: str | None) -> tuple[str, ...]:
    found = [key_warning] if key_warning else []
    if certfile is None and host not in _LOOPBACK:
        found.append("Keys travel unencrypted: give a certificate, or put a proxy with TLS in front.")
    return tuple(found)
