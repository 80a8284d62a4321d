"""What agents did and what happened to them: views of the log of events."""

from typing import Any, cast
from uuid import UUID

from ...database.queries import Many, Queries
from ...kernel.context import context
from ...kernel.events import Event
from ...kernel.operation import operation
from ...kernel.paging import Cursor, Page, PageSize, decode_cursor
from ...kernel.service import Service
from ...kernel.texts import AgentReference
from .lookup import find_agent
from .reports import StatusChange

__all__ = ["activity", "status_history"]

_NEWEST = UUID(int=2**128 - 1)


class Sql(Queries):
    """Statements of histories."""

    file = "history.sql"

    activity: Many[Event]
    status_history: Many[StatusChange]


sql = Sql()


@operation(effect="read", scope="agents:read", example={"agent": "alderman", "limit": 10})
async def activity(self: Service, *, agent: AgentReference, limit: PageSize = 50, cursor: Cursor = None) -> Page[Event]:
    """What happened to an agent and what it did, newest first.

    Events of batches, which name many agents at once (heartbeats, imports), are in the log, not here.
    """
    found = await find_agent(agent)
    query = ["agents.activity", context().tenant, found.id]
    rows = await sql.activity(agent=found.id, before=_before(query, cursor), size=limit + 1)
    return Page.cut(rows, limit=limit, query=query, key=lambda row: [row.id])


@operation(effect="read", scope="agents:read", example={"agent": "alderman", "limit": 10})
async def status_history(
    self: Service, *, agent: AgentReference, limit: PageSize = 50, cursor: Cursor = None
) -> Page[StatusChange]:
    """How an agent's status changed, newest first: from, to, when, by whom and why."""
    found = await find_agent(agent)
    query = ["agents.status_history", context().tenant, found.id]
    rows = await sql.status_history(agent=found.id, before=_before(query, cursor), size=limit + 1)
    return Page.cut(rows, limit=limit, query=query, key=lambda row: [row.id])


def _before(query: list[Any], cursor: str | None) -> UUID:
    (before,) = decode_cursor(query, cursor, parts=(UUID,)) or [_NEWEST]
    return cast(UUID, before)
