"""Connection strings as libpq takes them: with our name, a time limit, and TLS that is verified.

Every connection to the server is made with one of these, pooled or not, so that none forgets TLS.
"""

from datetime import timedelta

import psycopg

from ..kernel.errors import Invalid, Unavailable
from ..kernel.settings import Settings
from .tls import tls_mode

__all__ = ["BadDsn", "DatabaseUnreachable", "connection_string", "unreachable"]

_LONGEST_NAME = 63


class BadDsn(Invalid):
    """This is no DSN of PostgreSQL; give one such as postgresql://moothill_app@db.example/moothill."""


class DatabaseUnreachable(Unavailable):
    """The database does not answer; check the DSN, the server and the network."""


def connection_string(
    dsn: str, settings: Settings, *, purpose: str = "", timeout: timedelta | None = None, database: str | None = None
) -> str:
    """A DSN with what every connection has.

    Args:
        dsn: as somebody gave it.
        settings: name, time limit and TLS.
        purpose: what the connection is for, shown behind the name.
        timeout: instead of the settings' limit; at least a second.
        database: instead of the one that the DSN names.

    Raises:
        BadDsn: libpq does not understand it. It is not repeated: it may hold a password.
    """
    limit = settings.connect_timeout if timeout is None else timeout
    changes: dict[str, str | int | None] = {
        "application_name": f"{settings.application_name} {purpose}".strip()[:_LONGEST_NAME],
        "connect_timeout": max(1, int(limit.total_seconds())),
        "dbname": database,
    }
    try:
        changes["sslmode"] = tls_mode(dsn, settings)
        return psycopg.conninfo.make_conninfo(
            dsn, **{name: value for name, value in changes.items() if value is not None}
        )
    except (psycopg.ProgrammingError, ValueError):
        raise BadDsn() from None


def unreachable(error: psycopg.OperationalError) -> DatabaseUnreachable:
    """What a failed connection means to an operator; libpq's first line names host, user and cause, never a secret."""
    cause = str(error).strip().partition("\n")[0].removesuffix(".")
    return DatabaseUnreachable(f"The database does not answer: {cause}. Check the DSN, the server and the network.")
