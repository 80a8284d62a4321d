"""Making a data directory, whole or not at all."""

import os
import shutil
import subprocess
import time

from .account import Account
from .binaries import Binaries
from .errors import EmbeddedServerFailed
from .folder import Folder, sync_folder, write_privately
from .locks import FileLock

__all__ = ["initialise"]

# PostgreSQL 17 brought a C.UTF-8 of its own, the same on every system. Before it, the system's;
# where even that is missing, letters beyond ASCII have no upper and lower case.
_BUILTIN = ("--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C")
_SYSTEM = ("--locale=C.UTF-8",)
_PLAIN = ("--locale=C",)
# initdb takes a second, on a busy or slow machine many.
_PATIENCE_SECONDS = 60.0
_POLL_SECONDS = 0.01


def initialise(folder: Folder, binaries: Binaries, account: Account, *, admin_password: str) -> None:
    """Create the data directory. The caller holds the folder's turn.

    initdb writes everything to disk itself before the directory takes its name, so neither a
    killed process nor a power failure leaves half of one. It outlives a caller that is killed and
    goes on writing; like a server it holds the lock `server.lock`, so that the next caller waits.

    Raises:
        EmbeddedServerFailed: initdb failed; the message holds its words.
    """
    handed = _alone(folder)
    try:
        _make(folder, binaries, account, handed, admin_password=admin_password)
    finally:
        os.close(handed)


def _alone(folder: Folder) -> int:
    """A descriptor that holds the lock of the folder's PostgreSQL processes, once none of them lives."""
    lock = FileLock(folder.alive)
    until = time.monotonic() + _PATIENCE_SECONDS
    while not lock.acquire():
        if time.monotonic() > until:
            raise EmbeddedServerFailed(
                f"An initialisation whose caller was killed still works in {folder.path}. End it (initdb), "
                "then start again.",
                folder=str(folder.path),
            )
        time.sleep(_POLL_SECONDS)
    return lock.hand_over()


def _make(folder: Folder, binaries: Binaries, account: Account, handed: int, *, admin_password: str) -> None:
    unfinished = folder.unfinished_data
    secret = folder.path / "initial-password"
    write_privately(secret, admin_password + "\n", owner=account)
    locales = (_BUILTIN,) if int(binaries.version.partition(".")[0]) >= 17 else (_SYSTEM, _PLAIN)
    try:
        for locale in locales:
            shutil.rmtree(unfinished, ignore_errors=True)
            unfinished.mkdir(mode=0o700)
            account.give(unfinished)
            try:
                binaries.run(
                    "initdb",
                    f"--pgdata={unfinished}",
                    "--username=postgres",
                    f"--pwfile={secret}",
                    "--auth=scram-sha-256",
                    "--encoding=UTF8",
                    "--data-checksums",
                    "--no-instructions",
                    *locale,
                    account=account,
                    pass_fds=(handed,),
                )
                break
            except subprocess.CalledProcessError as error:
                if locale == locales[-1] or "locale" not in error.stderr:
                    raise
        unfinished.rename(folder.data)
        sync_folder(folder.path)
    except subprocess.CalledProcessError as error:
        raise EmbeddedServerFailed(
            f"The database in {folder.path} could not be initialised: {_last_lines(error.stderr)}",
            folder=str(folder.path),
        ) from error
    except OSError as error:
        raise EmbeddedServerFailed(
            f"The database in {folder.path} could not be initialised: {error}", folder=str(folder.path)
        ) from error
    finally:
        secret.unlink(missing_ok=True)


def _last_lines(text: str) -> str:
    return " / ".join(line.strip() for line in text.strip().splitlines()[-6:])
