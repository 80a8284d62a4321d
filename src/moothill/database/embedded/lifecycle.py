"""Joining and leaving the one server of a folder, in blocking code that runs in a thread.

The caller holds the folder's turn (`turn.lock`) around each call of `join` and `leave`. A
process that uses the server holds `users.lock` shared for as long as it does; the kernel lets
go of it when the process dies, whatever kills it. Who leaves and can take that lock alone was
the last, and stops the server.
"""

import logging
import signal
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from .account import Account, choose_account
from .binaries import Binaries
from .configuration import (
    access_rules,
    check_settings,
    configuration_file,
    default_settings,
    machine_memory,
    shared_memory_free,
)
from .credentials import Credentials
from .errors import EmbeddedServerFailed, EmbeddedServerNotStarted, FolderUnusable, OtherMajorVersion
from .folder import Folder, write_privately
from .initialise import initialise
from .locks import FileLock
from .process import ServerProcess, State

__all__ = ["Abandoned", "Lifecycle", "Report"]

_log = logging.getLogger(__name__)

Report = Callable[[str, str], None]
"""Called with a stage and a sentence as a start proceeds."""

_POLL_SECONDS = 0.005
_TELL_SECONDS = 0.25
# Patience with others' leavings; a start of our own has no limit while its process lives.
_ORPHANS_SECONDS = 5.0
_UNASKED_STOP_SECONDS = 10.0
_SILENCE_SECONDS = 30.0
_FAST_STOP_SECONDS = 60.0
_GIVE_UP_SECONDS = 90.0
_ASK_AGAIN_SECONDS = 1.0


class Abandoned(Exception):
    """The task that waited for the start was cancelled."""


class Lifecycle:
    """One user of the server of one folder."""

    def __init__(self, path: Path, *, major: int, settings: Mapping[str, str]) -> None:
        self.folder = Folder.at(path)
        self.major = major
        self.turn = FileLock(self.folder.turn)
        self._users = FileLock(self.folder.users)
        self._process = ServerProcess(self.folder)
        self._settings = check_settings(settings)
        self._account: Account | None = None
        self._credentials: Credentials | None = None
        self._socket: Path | None = None

    @property
    def joined(self) -> bool:
        """Whether this object counts among the live users of the server."""
        return self._users.held

    @property
    def account(self) -> Account:
        """The account that the server runs as; known once the folder is prepared."""
        if self._account is None:
            raise EmbeddedServerNotStarted()
        return self._account

    def prepare(self) -> None:
        """Make the folder or check it, before its lock can be taken."""
        self._account = choose_account(self.folder.data, self.folder.path)
        self.folder.prepare(self._account)

    def access(self) -> tuple[Credentials, Path]:
        """Passwords and socket of the running server.

        Raises:
            EmbeddedServerNotStarted: `join` has not been called, or `leave` has.
        """
        if self._credentials is None or self._socket is None or not self.joined:
            raise EmbeddedServerNotStarted(folder=str(self.folder.path))
        return self._credentials, self._socket

    def join(self, report: Report, abandoned: threading.Event) -> None:
        """Become a user of the server; initialise and start it if need be. Idempotent.

        Raises:
            FolderUnusable: passwords missing, or files that cannot be trusted.
            OtherMajorVersion: another major version made the folder.
            EmbeddedServerFailed: it did not start; the message holds its last words.
            Abandoned: `abandoned` was set meanwhile.
        """
        joined_before = self.joined
        try:
            if not self._users.acquire(shared=True):
                raise EmbeddedServerFailed(
                    f"A process has locked {self.folder.users} without holding {self.folder.turn}. End it.",
                    folder=str(self.folder.path),
                )
            self._credentials = self._open_folder(report)
            self._until_ready(report, abandoned)
            self._socket = self._process.socket()
        except BaseException:
            if not joined_before:
                self._users.release()
            raise

    def has_crashed(self) -> bool:
        """Whether the server that this object uses has died."""
        return self.joined and self._process.has_crashed()

    def leave(self, *, force: bool = False) -> bool:
        """Stop using the server; the last user stops it. Say whether it is stopped now.

        Args:
            force: stop it although others use it.
        """
        self._users.release()
        alone = FileLock(self.folder.users)
        last = alone.acquire()
        try:
            if last or force:
                self._stop()
            return last or force
        finally:
            alone.release()

    def _open_folder(self, report: Report) -> Credentials:
        """The credentials of the folder, made together with its data directory if it is new."""
        made_by = self.folder.initialised_by()
        credentials = Credentials.load(self.folder.credentials)
        if made_by is not None:
            if made_by != self.major:
                raise OtherMajorVersion(
                    f"{self.folder.path} was initialised by PostgreSQL {made_by}, which {self.major} cannot "
                    f"open. Use {made_by} (MOOTHILL_POSTGRES_MAJOR={made_by}), or dump it there and load it "
                    "into a new folder.",
                    folder=str(self.folder.path),
                    found=made_by,
                    wanted=self.major,
                )
            if credentials is None:
                raise FolderUnusable(
                    f"{self.folder.credentials} is missing, so nobody can log in to the database in "
                    f"{self.folder.path}. Restore the file from a backup of the folder.",
                    folder=str(self.folder.path),
                )
            return credentials
        report("initialising", f"Initialising PostgreSQL {self.major} in {self.folder.path}.")
        self.folder.bootstrapped.unlink(missing_ok=True)
        credentials = credentials or Credentials.create(self.folder.credentials)
        initialise(self.folder, self._binaries(), self.account, admin_password=credentials.admin)
        return credentials

    def _until_ready(self, report: Report, abandoned: threading.Event) -> None:
        self._process.forget_start()
        told_at = time.monotonic()
        stuck_since: tuple[State, float] | None = None
        ended_orphans = False
        while (state := self._process.state()) is not State.READY or not self._process.answers():
            if abandoned.is_set():
                raise Abandoned
            self._process.check_alive()
            now = time.monotonic()
            if stuck_since is None or stuck_since[0] is not state:
                stuck_since = (state, now)
            stuck = now - stuck_since[1]
            if state is State.ABSENT:
                report("starting", f"Starting PostgreSQL {self.major}.")
                self._start()
            elif state is State.ORPHANED:
                if stuck > 2 * _ORPHANS_SECONDS:
                    raise EmbeddedServerFailed(
                        f"Processes of an earlier server still use {self.folder.path} (perhaps from another "
                        "container). End them, then start again.",
                        folder=str(self.folder.path),
                    )
                if stuck > _ORPHANS_SECONDS and not ended_orphans:
                    _log.warning("embedded_server_orphans_ended", extra={"folder": str(self.folder.path)})
                    self._process.end_orphans()
                    ended_orphans = True
            elif state is State.READY and stuck > _SILENCE_SECONDS:
                raise EmbeddedServerFailed(
                    f"The embedded server in {self.folder.path} runs and does not answer. Look into its log "
                    f"({self.folder.log}), or end its processes and start again.",
                    folder=str(self.folder.path),
                )
            elif state is State.STOPPING and stuck > _UNASKED_STOP_SECONDS:
                # Somebody asked for a shutdown that waits for every client to leave.
                self._process.ask_to_stop(signal.SIGINT)
            if now - told_at > _TELL_SECONDS:
                told_at = now
                report(*self._progress(state))
            abandoned.wait(_POLL_SECONDS)
        report("ready", f"PostgreSQL {self.major} is ready.")

    def _progress(self, state: State) -> tuple[str, str]:
        if state is State.STARTING:
            words = self._process.last_words()
            if any(word in words for word in ("recovery", "redo", "data directory")):
                return "recovering", words
            return "starting", "PostgreSQL is starting."
        if state is State.STOPPING:
            return "waiting", "Waiting for the earlier server to stop."
        return "waiting", "Waiting for processes of an earlier server to end."

    def _start(self) -> None:
        account = self.account
        socket = self.folder.prepare_for_server(account)
        defaults = default_settings(machine_memory(), shared_memory_free=shared_memory_free())
        text = configuration_file(defaults | self._settings, socket=socket, log=self.folder.log)
        write_privately(self.folder.data / "postgresql.conf", text, owner=account)
        write_privately(self.folder.data / "pg_hba.conf", access_rules(), owner=account)
        self._process.start(self._binaries(), account)

    def _binaries(self) -> Binaries:
        return Binaries.locate(self.major).within_reach_of(self.account, self.folder.binaries)

    def _stop(self) -> None:
        began = time.monotonic()
        asked_at = -_ASK_AGAIN_SECONDS
        ended_orphans = False
        while (state := self._process.state()) is not State.ABSENT:
            waited = time.monotonic() - began
            if waited > _GIVE_UP_SECONDS:
                raise EmbeddedServerFailed(
                    f"The embedded server in {self.folder.path} did not stop. End its processes by hand.",
                    folder=str(self.folder.path),
                )
            if state is State.ORPHANED:
                if waited > _ORPHANS_SECONDS and not ended_orphans:
                    self._process.end_orphans()
                    ended_orphans = True
            elif waited - asked_at >= _ASK_AGAIN_SECONDS:
                # Immediate shutdown loses nothing that was committed: the next start recovers it.
                sort = signal.SIGINT if waited < _FAST_STOP_SECONDS else signal.SIGQUIT
                # A server in its first milliseconds has not said yet whom to ask.
                if self._process.ask_to_stop(sort):
                    asked_at = waited
            time.sleep(_POLL_SECONDS)
