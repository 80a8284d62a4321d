"""The embedded server as the rest of Moothill sees it: started, shared, stopped."""

import asyncio
import atexit
import contextlib
import logging
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Self, TypeAlias, TypeVar

from ...kernel.errors import MoothillError
from .credentials import Dsn, Role
from .folder import default_folder, write_privately
from .lifecycle import Lifecycle, Report

__all__ = ["Bootstrap", "EmbeddedServer", "Progress"]

Bootstrap: TypeAlias = Callable[["EmbeddedServer"], Awaitable[None]]
"""Creates the roles and the database of a new server; must be repeatable."""

Result = TypeVar("Result")

_log = logging.getLogger("moothill.database")

# Nobody holds the turn for long, except a first start, a recovery, or a migration.
_TURN_POLL_SECONDS = 0.01
_EXIT_PATIENCE_SECONDS = 20.0
_WATCH_SECONDS = 1.0
_WATCH_AGAIN_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a start is.

    Attributes:
        stage: `waiting` (for another process), `initialising`, `starting`, `recovering` (from a
            crash), `bootstrapping` or `ready`.
        message: a sentence for a person; in a recovery the server's own last line.
        elapsed: since the start was asked for.
    """

    stage: str
    message: str
    elapsed: timedelta


class EmbeddedServer:
    """A PostgreSQL server with pgvector that lives in a folder, for this user of this machine.

    Every process that opens the same folder shares one server; the last one to leave stops it,
    and a process that dies without leaving does not count any more. The server listens on a
    private socket only and lets nobody in without a password.

    Args:
        folder: where it lives; by default the user's data folder (`MOOTHILL_HOME`,
            `XDG_DATA_HOME`), for root `/var/lib/moothill`. It must be new, empty or a server's.
        major: major version of PostgreSQL, 16 or 18.
        settings: PostgreSQL settings that replace the defaults. They count when this process is
            the one that starts the server.

    Raises:
        Invalid: a setting that is malformed or not the caller's to change.
    """

    def __init__(
        self, folder: Path | None = None, *, major: int = 18, settings: Mapping[str, str] | None = None
    ) -> None:
        self._lifecycle = Lifecycle(folder or default_folder(), major=major, settings=settings or {})
        self._one_at_a_time = asyncio.Lock()
        self._holder: asyncio.Task[object] | None = None

    def __repr__(self) -> str:
        """Folder, version and state; never a password."""
        state = "started" if self._lifecycle.joined else "not started"
        return f"<EmbeddedServer {self.folder} PostgreSQL {self._lifecycle.major}, {state}>"

    @property
    def folder(self) -> Path:
        """The folder, with symbolic links resolved."""
        return self._lifecycle.folder.path

    @property
    def log_folder(self) -> Path:
        """Where the server's log lies, one file per weekday."""
        return self._lifecycle.folder.log

    @property
    def started(self) -> bool:
        """Whether this object counts among the live users of the server."""
        return self._lifecycle.joined

    async def __aenter__(self) -> Self:
        """Start."""
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
        await self.stop()

    async def start(
        self,
        on_progress: Callable[[Progress], None] | None = None,
        *,
        bootstrap: Bootstrap | None = None,
        edition: str = "",
    ) -> None:
        """Use the folder's server; initialise and start it if nobody has.

        Returns when the server answers, however long a recovery from a crash takes. May be
        called again: it starts a server that has died meanwhile.

        Args:
            on_progress: called in the event loop's thread as the start proceeds.
            bootstrap: run once in the life of the folder, under its lock, to create roles and
                database. It must be repeatable: a process that dies in it leaves it to the next.
            edition: what the bootstrap makes; a folder that was bootstrapped under another one is so again.

        Raises:
            FolderUnusable: the folder is not ours, not private, or cannot be entered.
            OtherMajorVersion: another major version of PostgreSQL made the folder.
            NoServerAccount: we are root, and there is no user to run PostgreSQL as.
            BinariesMissing: the programs are not installed.
            EmbeddedServerFailed: PostgreSQL ended; the message holds the last lines of its log.
        """
        report = self._reporter(on_progress)
        began_joined = self.started
        async with self._turn(report):
            abandoned = threading.Event()
            try:
                await _in_thread(lambda: self._lifecycle.join(report, abandoned), abandoned)
                if bootstrap is not None and self._lifecycle.folder.bootstrapped_as() != edition:
                    report("bootstrapping", "Creating the roles and the database.")
                    await bootstrap(self)
                    await asyncio.to_thread(write_privately, self._lifecycle.folder.bootstrapped, edition)
            except BaseException:
                if not began_joined:
                    await _in_thread(self._lifecycle.leave)
                raise
        # A script that ends without stop() must not leave the server behind.
        atexit.unregister(self._leave_at_exit)
        atexit.register(self._leave_at_exit)

    async def stop(self, *, force: bool = False) -> bool:
        """Stop using the server; the last user stops it. Say whether it is stopped now.

        Args:
            force: stop it although other processes use it.

        Raises:
            EmbeddedServerFailed: it did not stop within a minute and a half.
        """
        if not self.folder.exists():
            return True
        async with self._turn(lambda stage, message: None):
            stopped = await _in_thread(lambda: self._lifecycle.leave(force=force))
        atexit.unregister(self._leave_at_exit)
        return stopped

    @contextlib.asynccontextmanager
    async def running(
        self,
        on_progress: Callable[[Progress], None] | None = None,
        *,
        bootstrap: Bootstrap | None = None,
        edition: str = "",
    ) -> AsyncIterator[Self]:
        """Start on entry, stop on leaving; arguments and errors as of `start`.

        A server that dies in between is started again within a second or two; it recovers what it acknowledged.
        """
        await self.start(on_progress, bootstrap=bootstrap, edition=edition)
        watch = asyncio.create_task(self._watch(), name="moothill-postgres-watch")
        try:
            yield self
        finally:
            watch.cancel()
            await asyncio.gather(watch, return_exceptions=True)
            await self.stop()

    async def _watch(self) -> None:
        pause = _WATCH_SECONDS
        while True:
            await asyncio.sleep(pause)
            pause = _WATCH_SECONDS
            if not await asyncio.to_thread(self._lifecycle.has_crashed):
                continue
            _log.warning("embedded_server_died", extra={"folder": str(self.folder)})
            try:
                await self.start()
            except MoothillError as error:
                # Whoever asks for the database is told that it is unreachable; here it is tried again, more rarely.
                _log.error("embedded_server_not_started", extra={"folder": str(self.folder), "detail": str(error)})
                pause = _WATCH_AGAIN_SECONDS

    @contextlib.asynccontextmanager
    async def lock(self) -> AsyncIterator[None]:
        """Hold the folder's lock: no other process initialises, starts, migrates or stops meanwhile.

        A task that holds it already (a bootstrap does) goes straight through.
        """
        async with self._turn(lambda stage, message: None):
            yield

    def dsn(self, role: Role, database: str | None = None) -> str:
        """A libpq connection string with password; its `repr` does not show it.

        Args:
            role: `app` for operations, `migrator` for migrations, `sql` for SQL of agents, `admin` for the superuser.
            database: by default `moothill`, and `postgres` for the admin.

        Raises:
            EmbeddedServerNotStarted: the server is not started by this object.
        """
        credentials, socket = self._lifecycle.access()
        database = database or ("postgres" if role == "admin" else "moothill")
        dsn: Dsn = credentials.dsn(role, database, socket=socket, server_user=self._lifecycle.account.name)
        return dsn

    def password(self, role: Role) -> str:
        """The password of a role, for whoever creates the role.

        Raises:
            EmbeddedServerNotStarted: the server is not started by this object.
        """
        return self._lifecycle.access()[0].password(role)

    @contextlib.asynccontextmanager
    async def _turn(self, report: Report) -> AsyncIterator[None]:
        task = asyncio.current_task()
        if task is not None and task is self._holder:
            yield
            return
        async with self._one_at_a_time:
            await asyncio.to_thread(self._lifecycle.prepare)
            told = False
            while not self._lifecycle.turn.acquire():
                if not told:
                    report("waiting", f"Another process starts, migrates or stops {self.folder}.")
                    told = True
                await asyncio.sleep(_TURN_POLL_SECONDS)
            self._holder = task
            try:
                yield
            finally:
                self._holder = None
                self._lifecycle.turn.release()

    def _reporter(self, on_progress: Callable[[Progress], None] | None) -> Report:
        if on_progress is None:
            return lambda stage, message: None
        loop = asyncio.get_running_loop()
        began = time.monotonic()

        def report(stage: str, message: str) -> None:
            progress = Progress(stage, message, timedelta(seconds=time.monotonic() - began))
            loop.call_soon_threadsafe(on_progress, progress)

        return report

    def _leave_at_exit(self) -> None:
        # A forked child inherits this hook, but does not count as started.
        if not self.started:
            return
        until = time.monotonic() + _EXIT_PATIENCE_SECONDS
        while not self._lifecycle.turn.acquire():
            if time.monotonic() > until:
                return
            time.sleep(_TURN_POLL_SECONDS)
        try:
            self._lifecycle.leave()
        finally:
            self._lifecycle.turn.release()


async def _in_thread(work: Callable[[], Result], abandoned: threading.Event | None = None) -> Result:
    """Run blocking work in a thread; when cancelled, tell it and wait until it has ended."""
    future = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        if abandoned is not None:
            abandoned.set()
        await asyncio.wait([future])
        if not future.cancelled():
            future.exception()
        raise
