"""The scheduled work: what is older than its policy says is deleted, or archived and then deleted."""

import logging

from pydantic import BaseModel

from ...database.queries import Many, One, Queries
from ...kernel import Step, context
from ...kernel.service import Executor
from . import archiving

__all__ = ["drop_months", "remove_some"]

_log = logging.getLogger("moothill.retention")
# A batch takes well under a second, and a deletion of that size does not hold up the feed.
_ROWS = 5_000


class _Class(BaseModel):
    name: str
    action: str
    overdue: float | None


class Sql(Queries):
    """Statements of the scheduled work."""

    file = "removing.sql"
    state: Many[_Class]
    retain: One[int]
    drop_months: One[list[str]]


sql = Sql()


async def remove_some(executor: Executor) -> Step:
    """One batch of one class of the current tenant; the step after it goes on there."""
    cursor = context().cursor or {}
    done = int(cursor.get("done", 0))
    classes = await sql.state()
    for each in classes:
        if each.name < cursor.get("class", ""):
            continue
        gone = 0
        if each.action == "delete" and each.overdue is not None:
            gone = await sql.retain(data_class=each.name, size=_ROWS)
            goes_on = gone == _ROWS
        else:
            # A file that was written before the policy changed, or a hold was placed, is settled or given up too.
            moved = await archiving.archive_some(executor, each.name, is_wanted=each.action == "archive")
            gone, goes_on = moved or 0, moved is not None
        done += gone
        if gone or goes_on:
            later = [other.name for other in classes if other.name > each.name]
            if goes_on or later:
                return Step(done=done, cursor={"class": each.name if goes_on else later[0], "done": done})
    lag = max((each.overdue or 0.0 for each in classes), default=0.0)
    if lag > 2 * 86_400:
        _log.warning("retention_lags", extra={"tenant": str(context().tenant), "days": round(lag / 86_400, 1)})
    return Step(done=done, message=f"{done} rows")


async def drop_months() -> str:
    """Drop the months that may go as a whole; which ones."""
    dropped = await sql.drop_months()
    return f"dropped {', '.join(dropped)}" if dropped else "nothing to drop"
