"""The passwords of an embedded server's roles, and the connection strings made of them."""

import json
import secrets
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Self, get_args

from psycopg.conninfo import make_conninfo

from .errors import FolderUnusable
from .folder import write_privately

__all__ = ["Credentials", "Dsn", "Role"]

Role = Literal["app", "migrator", "sql", "admin"]

# The database's own names of the roles.
ROLE_NAMES: dict[Role, str] = {
    "app": "moothill_app",
    "migrator": "moothill_migrator",
    "sql": "moothill_sql",
    "admin": "postgres",
}


class Dsn(str):
    """A connection string whose `repr` does not show the password."""

    __slots__ = ()

    def __repr__(self) -> str:
        """Enough to tell what it is; never the password."""
        return "<Dsn with password>"


@dataclass(frozen=True, slots=True)
class Credentials:
    """One random password (32 bytes) for each role."""

    app: str = field(repr=False)
    migrator: str = field(repr=False)
    sql: str = field(repr=False)
    admin: str = field(repr=False)

    @classmethod
    def load(cls, path: Path) -> Self | None:
        """The credentials of a folder, completed by what is new since they were made; none if it has none yet.

        Raises:
            FolderUnusable: others may read the file, or it is damaged.
        """
        try:
            status, text = path.lstat(), path.read_text()
        except FileNotFoundError:
            return None
        if not stat.S_ISREG(status.st_mode) or status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise FolderUnusable(
                f"Others may read the passwords in {path} (mode {stat.S_IMODE(status.st_mode):04o}). "
                f"Close the file: chmod 600 {path}. If others use this machine, change the passwords too.",
                file=str(path),
            )
        try:
            held = json.loads(text)
            if "sql" not in held:
                # A folder of a release that did not have this role yet.
                held["sql"] = secrets.token_urlsafe(32)
                write_privately(path, json.dumps(held) + "\n")
            return cls(**{role: str(held[role]) for role in get_args(Role)})
        except (ValueError, KeyError, TypeError):
            raise FolderUnusable(
                f"The passwords in {path} cannot be read. Restore the file from a backup of the folder.",
                file=str(path),
            ) from None

    @classmethod
    def create(cls, path: Path) -> Self:
        """New credentials, on disk when this returns."""
        made = {role: secrets.token_urlsafe(32) for role in get_args(Role)}
        write_privately(path, json.dumps(made) + "\n")
        return cls(**made)

    def password(self, role: Role) -> str:
        """The password of one role."""
        return str(getattr(self, role))

    def dsn(self, role: Role, database: str, *, socket: Path, server_user: str | None) -> Dsn:
        """A libpq connection string for one role.

        It says everything that a `PG*` variable of the caller could otherwise change, and makes
        libpq check that the other end of the socket runs as the server's account.
        """
        return Dsn(
            make_conninfo(
                host=str(socket),
                port="5432",
                dbname=database,
                user=ROLE_NAMES[role],
                password=self.password(role),
                requirepeer=server_user,
                sslmode="disable",
                gssencmode="disable",
                channel_binding="disable",
            )
        )
