"""The scheduled jobs of the foundation. They have no operations: `jobs.schedules` shows how they went."""

import logging
from datetime import timedelta

from ...database.queries import Many, One, Queries
from ...kernel import Service, scheduled
from . import rules
from .models import LongTransaction

_log = logging.getLogger("moothill.upkeep")


class Sql(Queries):
    """Statements of this subsystem."""

    months_ahead: One[list[str]]
    long_transactions: Many[LongTransaction]
    hit_defaults: Many[str]


sql = Sql()


class Upkeep(Service, group="upkeep"):
    """What keeps the house in order by itself."""

    @scheduled(every=timedelta(hours=6))
    async def make_months(self) -> str:
        """Make the partitions of this and the next month, so that no history ever lacks one."""
        return rules.months_made(await sql.months_ahead())

    @scheduled(every=timedelta(minutes=1))
    async def watch_horizon(self) -> str:
        """Warn of transactions that run for so long that the feed of events stands still."""
        found = await sql.long_transactions(seconds=rules.LONG_TRANSACTION.total_seconds())
        for each in found:
            _log.warning("feed_held_back", extra={"by": each.who, "minutes": round(each.minutes, 1)})
        return rules.held_back(found)

    @scheduled(every=timedelta(hours=1))
    async def watch_default_partitions(self) -> str:
        """Warn when rows fell into the net under the monthly partitions, in the log and as the last word of this run.

        It concerns no tenant, so no tenant's log tells of it.
        """
        hit = await sql.hit_defaults()
        if hit:
            _log.warning("default_partition_hit", extra={"tables": hit})
        return rules.outside_of_months(hit)
