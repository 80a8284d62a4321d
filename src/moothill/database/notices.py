"""NOTIFY and LISTEN: short texts between the processes of one database."""

from collections.abc import AsyncIterator

import psycopg
from psycopg import AsyncConnection

from ..kernel.errors import Unavailable
from .address import connection_string
from .pool import Database, run_plain

__all__ = ["LONGEST_NOTICE", "NoticesBroke", "can_hear", "hear", "notify"]

CHANNEL = "moothill"
# The server's limit is 8,000 bytes.
LONGEST_NOTICE = 7_900


class NoticesBroke(Unavailable):
    """The connection that listens broke; meanwhile changes are found by polling."""


async def notify(database: Database, text: str) -> None:
    """Send a text to all processes that listen, this one included."""
    async with database.connection() as connection:
        await run_plain(connection, "select pg_notify(%(channel)s, %(text)s)", {"channel": CHANNEL, "text": text})


def can_hear(database: Database) -> str | None:
    """The DSN to listen on: the direct one, or the pool's when no pooler hides the server; else None."""
    if (direct := database.settings.direct_dsn) is not None:
        return direct.get_secret_value()
    return None if database.is_pooled_outside else database.dsn


async def hear(database: Database, dsn: str) -> AsyncIterator[str | None]:
    """The texts that are sent, on a connection of their own; None once, when it is ready.

    Raises:
        NoticesBroke: the connection failed; what was sent meanwhile is lost.
    """
    conninfo = connection_string(dsn, database.settings, purpose="listener")
    try:
        async with await AsyncConnection.connect(conninfo, autocommit=True) as connection:
            await connection.execute(f"listen {CHANNEL}")
            yield None
            async for notice in connection.notifies():
                yield notice.payload
    except psycopg.OperationalError:
        raise NoticesBroke() from None
