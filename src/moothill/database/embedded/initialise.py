"""Making a data directory, whole or not at all."""

import shutil
import subprocess

from .account import Account
from .binaries import Binaries
from .errors import EmbeddedServerFailed
from .folder import Folder, sync_folder, write_privately

__all__ = ["initialise"]

# PostgreSQL 17 brought a C.UTF-8 of its own, the same on every system. Before it, the system's;
# where even that is missing, letters beyond ASCII have no upper and lower case.
_BUILTIN = ("--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C")
_SYSTEM = ("--locale=C.UTF-8",)
_PLAIN = ("--locale=C",)


def initialise(folder: Folder, binaries: Binaries, account: Account, *, admin_password: str) -> None:
    """Create the data directory. The caller holds the folder's turn.

    initdb writes everything to disk itself before the directory takes its name, so neither a
    killed process nor a power failure leaves half of one.

    Raises:
        EmbeddedServerFailed: initdb failed; the message holds its words.
    """
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
