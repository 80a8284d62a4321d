"""Lives of a database: a restore or a move begins a new one, so that feeds of events stay in order.

Places in the log are numbers of transactions, and those begin again lower on another server, or go back with a
backup. What is written in a later life stands behind everything of the earlier ones.
"""

import psycopg

from ..kernel.errors import Conflict, Unavailable
from .migrate import Migrator

__all__ = ["begin_life"]

# The database keeps a life in 15 bits of a place.
_LAST = 2**15 - 1


class NoSchemaYet(Conflict):
    """This database has no Moothill schema; run `moothill db migrate` first."""


class WritersInTheWay(Unavailable):
    """Somebody writes for longer than we wait; end what is open, or try again."""


class TooManyLives(Conflict):
    """This database has been restored as often as its places can tell; load its content into a new one."""


async def begin_life(migrator: Migrator) -> int:
    """Begin a new life of the database behind a migrator; its number.

    Writers of events end before it begins, and who writes afterwards writes in it, so nothing has to be stopped.
    To begin one without need does no harm.

    Raises:
        NoSchemaYet: nothing was ever migrated here.
        WritersInTheWay: a writing transaction stayed open for ten seconds; nothing was changed.
        TooManyLives: there have been 32,767.
    """
    async with migrator.connection() as connection:
        try:
            async with connection.transaction():
                # An event of the old life that became visible behind the new one's would never be read.
                await connection.execute("lock table moothill.events in share row exclusive mode")
                cursor = await connection.execute(
                    "insert into moothill.incarnations (number) select max(number) + 1 from moothill.incarnations "
                    "having max(number) < %s returning number",
                    [_LAST],
                )
                row = await cursor.fetchone()
        except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName):
            raise NoSchemaYet() from None
        except psycopg.errors.LockNotAvailable:
            raise WritersInTheWay() from None
    if row is None:
        raise TooManyLives()
    return int(row[0])
