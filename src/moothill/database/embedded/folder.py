"""The folder of an embedded server: what lies where, and who may enter it."""

import contextlib
import hashlib
import os
import stat
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from .account import Account
from .errors import FolderUnusable

__all__ = ["Folder", "default_folder", "write_privately"]

# `sun_path` holds 108 bytes on Linux and 104 on macOS, the last of them zero.
_LONGEST_SOCKET = 103
_SOCKET = ".s.PGSQL.5432"


def default_folder(environ: Mapping[str, str] | None = None) -> Path:
    """Where the embedded server lives when nobody says otherwise.

    `MOOTHILL_HOME`; else `moothill` under `XDG_DATA_HOME`; else under the user's data folder.
    Root's is `/var/lib/moothill`, because the account that the server runs as cannot enter
    root's home folder.
    """
    environ = os.environ if environ is None else environ
    if home := environ.get("MOOTHILL_HOME"):
        return Path(home)
    data_home = Path(environ.get("XDG_DATA_HOME", ""))
    if data_home.is_absolute():
        return data_home / "moothill"
    if os.geteuid() == 0:
        return Path("/var/lib/moothill")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "moothill"
    return Path.home() / ".local" / "share" / "moothill"


@dataclass(frozen=True, slots=True)
class Folder:
    """Names of everything in the folder of one server.

    The folder belongs to whoever made it, mode 0700. When root made it, the group of the
    server's account may pass through (0710): the account owns `postgres`, `log` and `socket`,
    never the secrets or the locks.
    """

    path: Path

    @classmethod
    def at(cls, path: Path) -> "Folder":
        """The folder at `path`, by its one real name, so that two spellings share a server."""
        resolved = path.expanduser().resolve()
        if any(character in str(resolved) for character in "\n\r\0"):
            raise FolderUnusable("The name of a server's folder cannot hold a line break.", folder=str(resolved))
        return cls(resolved)

    @property
    def data(self) -> Path:
        """PostgreSQL's data directory."""
        return self.path / "postgres"

    @property
    def unfinished_data(self) -> Path:
        """Where a data directory is made; it takes its name when it is complete and on disk."""
        return self.path / "postgres.new"

    @property
    def log(self) -> Path:
        """The server's rotated log files."""
        return self.path / "log"

    @property
    def start_log(self) -> Path:
        """What the server says before its log collector runs."""
        return self.log / "start.log"

    @property
    def binaries(self) -> Path:
        """Copies of programs that the account could not reach."""
        return self.path / "binaries"

    @property
    def credentials(self) -> Path:
        """Passwords of the server's roles, mode 0600."""
        return self.path / "credentials.json"

    @property
    def turn(self) -> Path:
        """Lock: held by the one process that initialises, starts, migrates or stops."""
        return self.path / "turn.lock"

    @property
    def users(self) -> Path:
        """Lock: shared by every live process that uses the server."""
        return self.path / "users.lock"

    @property
    def alive(self) -> Path:
        """Lock: held by the server's processes themselves, for as long as one of them lives."""
        return self.path / "server.lock"

    @property
    def bootstrapped(self) -> Path:
        """Marker: the roles and the database have been created."""
        return self.path / "bootstrapped"

    def bootstrapped_as(self) -> str | None:
        """Under which edition they were; none before that."""
        try:
            return self.bootstrapped.read_text(encoding="utf-8")
        except FileNotFoundError:
            return None

    def socket_directory(self, account: Account) -> Path:
        """Where the server's socket lies: in the folder, or under /tmp when that is too long.

        A comma would make libpq read two hosts.
        """
        inside = self.path / "socket"
        if len(os.fsencode(inside / _SOCKET)) <= _LONGEST_SOCKET and "," not in str(inside):
            return inside
        digest = hashlib.sha256(os.fsencode(self.path)).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"moothill-{account.uid}-{digest}"

    def number_files(self, account: Account) -> tuple[Path, Path]:
        """The files in which a server writes its process number, so that there is no second one."""
        return self.data / "postmaster.pid", self.socket_directory(account) / f"{_SOCKET}.lock"

    def initialised_by(self) -> int | None:
        """The major version that made the data directory; none before that."""
        try:
            return int((self.data / "PG_VERSION").read_text())
        except FileNotFoundError:
            return None

    def prepare(self, account: Account) -> None:
        """Make the folder, or check the one that is there.

        Raises:
            FolderUnusable: it is not ours, holds something else, may be written by others, or
                the server's account cannot enter it.
        """
        with _explained(self.path):
            if blocked := account.blocked_at(self.path):
                raise FolderUnusable(
                    f"The server runs as the user {account.name or account.uid}, who cannot enter {blocked}. "
                    f"Choose a folder elsewhere (MOOTHILL_HOME, for example /var/lib/moothill) "
                    f"or let others pass through that one (chmod o+x {blocked}).",
                    folder=str(self.path),
                    blocked_at=str(blocked),
                )
            self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._check(account)
            status = self.path.stat()
            passing = account.changed and status.st_uid != account.uid
            if passing and status.st_gid != account.gid:
                os.chown(self.path, -1, account.gid)
            if stat.S_IMODE(status.st_mode) != (mode := 0o710 if passing else 0o700):
                self.path.chmod(mode)

    def _check(self, account: Account) -> None:
        status = self.path.stat()
        if status.st_uid not in {os.geteuid(), account.uid}:
            raise FolderUnusable(
                f"{self.path} belongs to another user (number {status.st_uid}). "
                "Run Moothill as that user, or choose another folder (MOOTHILL_HOME).",
                folder=str(self.path),
            )
        names = {entry.name for entry in self.path.iterdir()}
        ours = {self.turn.name, self.credentials.name, self.data.name}
        if names and not names & ours:
            raise FolderUnusable(
                f"{self.path} holds other files and no Moothill server. Choose an empty or a new folder.",
                folder=str(self.path),
            )
        if names and status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise FolderUnusable(
                f"Others may write in {self.path} (mode {stat.S_IMODE(status.st_mode):04o}), so its files "
                f"are not to be trusted. Look through them, then close it: chmod 700 {self.path}",
                folder=str(self.path),
            )

    def prepare_for_server(self, account: Account) -> Path:
        """Make the folders that the server itself writes to; return that of its socket."""
        socket = self.socket_directory(account)
        with _explained(self.path):
            for place in (self.data, self.log, socket):
                with contextlib.suppress(FileExistsError):
                    place.mkdir(mode=0o700)
                status = place.lstat()
                if not stat.S_ISDIR(status.st_mode) or status.st_uid not in {os.geteuid(), account.uid}:
                    raise FolderUnusable(
                        f"{place} is not a folder of the user {account.name or account.uid}. "
                        "Remove it and start again.",
                        folder=str(self.path),
                    )
                if status.st_uid != account.uid:
                    account.give(place)
                if stat.S_IMODE(status.st_mode) != 0o700:
                    place.chmod(0o700)
        return socket


@contextlib.contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Turn the operating system's refusal into ours."""
    try:
        yield
    except OSError as error:
        raise FolderUnusable(
            f"The folder {path} cannot be used: {error.strerror or error} ({error.filename}). "
            "Choose another folder (MOOTHILL_HOME) or mend its permissions.",
            folder=str(path),
        ) from error


def write_privately(path: Path, text: str, owner: Account | None = None) -> None:
    """Replace a file as a whole, mode 0600, on disk when this returns.

    Safe where the server's account owns the folder and we are root: a planted link is replaced,
    not followed.
    """
    temporary = path.with_name(path.name + ".new")
    temporary.unlink(missing_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(temporary, flags, 0o600)
    try:
        if os.geteuid() == 0:
            home = path.parent.stat()
            os.fchown(descriptor, owner.uid if owner else home.st_uid, owner.gid if owner else home.st_gid)
        os.write(descriptor, text.encode())
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    temporary.replace(path)
    sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    """Make a folder's names durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
