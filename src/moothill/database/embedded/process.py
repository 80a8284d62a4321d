"""The server's processes: what state they are in, how they are started, asked to stop, ended."""

import contextlib
import enum
import os
import re
import signal
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from psycopg import pq
from psycopg.conninfo import make_conninfo

from .account import Account
from .binaries import Binaries, clean_environment
from .errors import EmbeddedServerFailed
from .folder import Folder, write_privately
from .locks import FileLock

__all__ = ["ServerProcess", "State"]

# Above the largest number that any kernel gives to a process.
_NOBODYS_NUMBER = 2**31 - 1
_LOG_KEPT_SECONDS = 8 * 24 * 3600


class State(enum.Enum):
    """What the server is doing."""

    ABSENT = "absent"  # no process of it lives
    STARTING = "starting"  # also: recovering from a crash
    READY = "ready"
    STOPPING = "stopping"
    ORPHANED = "orphaned"  # the postmaster is gone and children of it still work


@dataclass(frozen=True, slots=True)
class PostmasterFile:
    """What `postmaster.pid` says."""

    process: int
    socket: Path
    status: str

    @classmethod
    def read(cls, data: Path) -> "PostmasterFile | None":
        """The file of a data directory; none if it is absent or not yet complete."""
        try:
            lines = (data / "postmaster.pid").read_text(errors="replace").splitlines()
            return cls(int(lines[0]), Path(lines[4]), lines[7].strip() if len(lines) > 7 else "starting")
        except (FileNotFoundError, IndexError, ValueError):
            return None


class ServerProcess:
    """The one server of a folder, whichever process has started it.

    A server holds the lock `server.lock` through a descriptor that its first process inherits
    and passes on to every child. So "does any process of it live" is a question to the kernel
    and needs no trust in process numbers, which are used again after a restart of the machine
    or of a container.
    """

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._started: subprocess.Popen[bytes] | None = None
        self._starter = 0
        self._started_at = 0.0

    def state(self) -> State:
        """What the server is doing now."""
        if FileLock(self._folder.alive).free():
            return State.ABSENT
        told = PostmasterFile.read(self._folder.data)
        if told is None or not _exists(told.process):
            mine = self._start_of_ours()
            return State.STARTING if mine and mine.poll() is None else State.ORPHANED
        return {"ready": State.READY, "stopping": State.STOPPING}.get(told.status, State.STARTING)

    def has_crashed(self) -> bool:
        """Whether the server ended without being asked to: one that shuts down takes its file away."""
        return self.state() in (State.ABSENT, State.ORPHANED) and (self._folder.data / "postmaster.pid").exists()

    def answers(self) -> bool:
        """Whether somebody speaks PostgreSQL's protocol on the socket, ready or not.

        The file only says how its writer left it, and a process that was killed lingers for some
        milliseconds while the kernel takes its memory apart.
        """
        told = PostmasterFile.read(self._folder.data)
        if told is None:
            return False
        address = make_conninfo(host=str(told.socket), port="5432", connect_timeout="2")
        return pq.PGconn.ping(address.encode()) in (pq.Ping.OK, pq.Ping.REJECT)

    def socket(self) -> Path | None:
        """The folder of the running server's socket."""
        told = PostmasterFile.read(self._folder.data)
        return told.socket if told else None

    def start(self, binaries: Binaries, account: Account) -> None:
        """Start the server; it is not ready yet. The caller holds the folder's turn.

        Raises:
            EmbeddedServerFailed: it cannot be started, or runs already by other hands.
        """
        self._disown_stale_files(account)
        self._prune_log()
        self._started_at = time.time()
        output = self._open_start_log()
        lock = FileLock(self._folder.alive)
        if not lock.acquire():
            os.close(output)
            raise self._failure("a process of an earlier server still lives")
        handed = lock.hand_over()
        try:
            self._started = subprocess.Popen(  # noqa: S603 - a program of ours, no shell
                [binaries.program("postgres"), "-D", self._folder.data],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd="/",
                env=clean_environment(),
                # Out of reach of the terminal's Ctrl-C.
                start_new_session=True,
                umask=0o077,
                pass_fds=(handed,),
                **account.process_arguments(),
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise self._failure(str(error)) from error
        finally:
            os.close(handed)
            os.close(output)
        self._starter = os.getpid()
        # Collects the exit status at once: a dead postmaster must not linger as a zombie, whose
        # number PostgreSQL would take for a running server.
        threading.Thread(target=self._started.wait, name="moothill-postgres", daemon=True).start()

    def check_alive(self) -> None:
        """Raise if the server that we have started has ended.

        Raises:
            EmbeddedServerFailed: with the last lines of its log.
        """
        mine = self._start_of_ours()
        if mine and (status := mine.poll()) is not None:
            self._started = None
            raise self._failure(f"PostgreSQL ended with status {status}")

    def forget_start(self) -> None:
        """Take the end of a server started earlier for what it is: no failure of the next start."""
        self._started = None

    def ask_to_stop(self, sort: signal.Signals) -> bool:
        """Send the postmaster a signal: SIGINT is its fast shutdown, SIGQUIT the immediate one.

        Says whether there was somebody to send it to.
        """
        told = PostmasterFile.read(self._folder.data)
        if told is None or FileLock(self._folder.alive).free() or not _exists(told.process):
            return False
        with contextlib.suppress(ProcessLookupError):
            os.kill(told.process, sort)
        return True

    def end_orphans(self) -> None:
        """End the children of a postmaster that was killed (found through /proc, so on Linux only)."""
        for entry in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if (entry / "cwd").readlink() == self._folder.data:
                    os.kill(int(entry.name), signal.SIGQUIT)

    def _start_of_ours(self) -> "subprocess.Popen[bytes] | None":
        # A forked child inherits this object, not the parenthood.
        return self._started if self._starter == os.getpid() else None

    def last_words(self) -> str:
        """The newest line of the log that tells how far a start or recovery is."""
        lines = self._log_lines(limit=1)
        return re.sub(r"^.*?(LOG|FATAL|PANIC|WARNING|HINT|DETAIL):\s*", "", lines[-1]) if lines else ""

    def _failure(self, why: str) -> EmbeddedServerFailed:
        lines = self._log_lines(limit=12)
        said = "\n  ".join(["", *lines]) if lines else " It said nothing."
        return EmbeddedServerFailed(
            f"The embedded server in {self._folder.path} did not start: {why}. "
            f"Its log ({self._folder.log}) ends:{said}",
            folder=str(self._folder.path),
        )

    def _disown_stale_files(self, account: Account) -> None:
        """Take the number of a dead server out of its files where it belongs to a stranger or a zombie by now.

        PostgreSQL refuses to start while a process has that number, even a dead one that nobody has
        collected. No process of a server that we have started lives (the lock is free), but one that
        somebody has started by hand might: it answers on its socket. The rest of the files stays: by it
        PostgreSQL finds and frees the shared memory of the dead server.
        """
        for path in self._folder.number_files(account):
            try:
                number, _, rest = path.read_text(errors="replace").partition("\n")
                if not _numbered(int(number)):
                    continue
            except (FileNotFoundError, ValueError):
                continue
            if self.answers():
                raise self._failure(f"process {int(number)}, not started by Moothill, serves it; stop it first")
            write_privately(path, f"{_NOBODYS_NUMBER}\n{rest}", owner=account)

    def _open_start_log(self) -> int:
        # The folder is the account's: make the file anew rather than follow what lies there.
        self._folder.start_log.unlink(missing_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
        return os.open(self._folder.start_log, flags, 0o600)

    def _prune_log(self) -> None:
        # A weekday's file is emptied by a server that runs at midnight; others would only grow.
        for path in self._folder.log.glob("postgresql-*.log"):
            with contextlib.suppress(FileNotFoundError):
                if path.stat().st_mtime < time.time() - _LOG_KEPT_SECONDS:
                    path.unlink()

    def _log_lines(self, limit: int) -> list[str]:
        """The last lines written since the start that we have made (or the last of all)."""
        found: list[tuple[float, Path]] = []
        for path in (self._folder.start_log, *self._folder.log.glob("postgresql-*.log")):
            with contextlib.suppress(OSError):
                # File times are coarser than the clock.
                if (changed := path.stat().st_mtime) >= self._started_at - 1:
                    found.append((changed, path))
        lines: list[str] = []
        for _, path in sorted(found):
            with contextlib.suppress(OSError), path.open("rb") as file:
                file.seek(max(0, file.seek(0, os.SEEK_END) - 8192))
                lines += file.read().decode(errors="replace").splitlines()
        told = [line for line in lines if line.strip() and "log output to logging collector" not in line]
        return [line for line in told if "Future log output" not in line][-limit:]


def _numbered(process: int) -> bool:
    """Whether a process of ours has this number, dead ones that nobody has collected included."""
    try:
        os.kill(process, 0)
    except (ProcessLookupError, PermissionError, OverflowError):
        return False
    return process > 0


def _exists(process: int) -> bool:
    """Whether a live process of ours has this number (one of somebody else's is not our server)."""
    if not _numbered(process):
        return False
    # A zombie that nobody collects (a container without an init) is not alive.
    with contextlib.suppress(OSError, IndexError):
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return True
