"""The operating-system account that the server runs as: PostgreSQL refuses to be root."""

import grp
import os
import pwd
import shutil
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from .errors import NoServerAccount

__all__ = ["Account", "choose_account"]

# In this order: an account of our own keeps us apart from another PostgreSQL on the machine.
_SYSTEM_ACCOUNTS = ("moothill", "postgres")


class ProcessArguments(TypedDict, total=False):
    """How `subprocess` changes to the account; empty when it need not."""

    user: int
    group: int
    extra_groups: list[int]


@dataclass(frozen=True, slots=True)
class Account:
    """An operating-system user, and whether we must change to it.

    Attributes:
        name: none in a container that runs under a number without an entry.
        changed: we are root and the server is not.
    """

    uid: int
    gid: int
    name: str | None
    changed: bool

    def process_arguments(self) -> ProcessArguments:
        """What `subprocess` needs to run something as this account."""
        if not self.changed:
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}

    def give(self, path: Path) -> None:
        """Make the account the owner of a file or folder that we have just made."""
        if self.changed:
            os.chown(path, self.uid, self.gid, follow_symlinks=False)

    def blocked_at(self, path: Path) -> Path | None:
        """The topmost existing folder on the way to `path` that the account cannot enter."""
        if not self.changed:
            return None
        groups = {self.gid}
        if self.name is not None:
            groups.update(entry.gr_gid for entry in grp.getgrall() if self.name in entry.gr_mem)
        for folder in reversed(path.parents):
            try:
                status = folder.stat()
            except FileNotFoundError:
                return None
            if status.st_uid == self.uid:
                needed = stat.S_IXUSR
            elif status.st_gid in groups:
                needed = stat.S_IXGRP
            else:
                needed = stat.S_IXOTH
            if not status.st_mode & needed:
                return folder
        return None


def choose_account(*places: Path) -> Account:
    """The account for a server whose files are at `places` (most telling first).

    Ourselves, unless we are root. Root takes the owner of the first place that exists and is
    not root's own, so that it can also serve a folder that a user has made; for a new folder a
    system user.

    Raises:
        NoServerAccount: there is no system user, and none could be made.
    """
    if os.geteuid() != 0:
        return Account(os.geteuid(), os.getegid(), _name(os.geteuid()), changed=False)
    for place in places:
        try:
            status = place.stat()
        except (FileNotFoundError, NotADirectoryError):
            continue
        if status.st_uid != 0:
            return Account(status.st_uid, status.st_gid, _name(status.st_uid), changed=True)
    entry = _existing_system_account() or _make_system_account()
    return Account(entry.pw_uid, entry.pw_gid, entry.pw_name, changed=True)


def _name(uid: int) -> str | None:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return None


def _existing_system_account() -> pwd.struct_passwd | None:
    for name in _SYSTEM_ACCOUNTS:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        if entry.pw_uid != 0:
            return entry
    return None


def _make_system_account() -> pwd.struct_passwd:
    name = _SYSTEM_ACCOUNTS[0]
    why = "the command useradd is not there"
    if useradd := shutil.which("useradd"):
        made = subprocess.run(  # noqa: S603 - a fixed command
            [useradd, "--system", "--user-group", "--no-create-home", "--shell", "/usr/sbin/nologin", name],
            capture_output=True,
            text=True,
            check=False,
        )
        why = made.stderr.strip() or f"useradd ended with status {made.returncode}"
    # Another process may have made it between our look and our attempt.
    entry = _existing_system_account()
    if entry is None:
        raise NoServerAccount(
            f"PostgreSQL refuses to run as root, and the system user {name} could not be made: {why}. "
            f"Make it (useradd --system {name}), or run Moothill as an ordinary user.",
            account=name,
        )
    return entry
