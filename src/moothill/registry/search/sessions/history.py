"""Reading what was searched: the searches themselves, and what many of them say."""

from typing import Annotated, Any, cast
from uuid import UUID

from pydantic import AwareDatetime, Field

from ....database.queries import Many, Queries
from ....database.transaction import PooledTransaction
from ....kernel.context import context
from ....kernel.operation import operation
from ....kernel.paging import Cursor, Page, PageSize, decode_cursor
from ....kernel.service import Service
from . import rules
from .models import PopularQuery, SearchPerformance, SearchSession, SearchType, SlowQuery, UnansweredQuery
from .recorder import written_down

__all__ = ["performance", "popular", "sessions", "slow", "unanswered"]

_LAST = UUID(int=2**128 - 1)

Days = Annotated[int, Field(ge=1, le=366, description="Only searches of so many days back.")]
Top = Annotated[int, Field(ge=1, le=1000, description="Most rows.")]


class Sql(Queries):
    """Statements about searches that were made."""

    page: Many[SearchSession]
    slow: Many[SlowQuery]
    popular: Many[PopularQuery]
    unanswered: Many[UnansweredQuery]
    performance: Many[SearchPerformance]


sql = Sql()


@operation(effect="read", scope="search:read", example={"type": "hybrid", "limit": 10})
async def sessions(
    self: Service,
    *,
    type: Annotated[SearchType | None, Field(description="Only searches of this type.")] = None,
    text: Annotated[
        str | None, Field(min_length=1, max_length=1000, description="Only this query; case and spacing aside.")
    ] = None,
    actor: Annotated[UUID | None, Field(description="Only what this operator, agent or program searched.")] = None,
    minimum_ms: Annotated[float, Field(ge=0, le=3_600_000, description="Only those that took at least so long.")] = 0,
    unanswered: Annotated[bool, Field(description="Only those that found nothing.")] = False,
    since: Annotated[AwareDatetime | None, Field(description="Only at or after this time.")] = None,
    until: Annotated[AwareDatetime | None, Field(description="Only before this time.")] = None,
    limit: PageSize = 50,
    cursor: Cursor = None,
) -> Page[SearchSession]:
    """Searches that were made here, newest first; an agent sees its own.

    Those of another process are there about a second after their answers.
    """
    query = ["search.sessions", context().tenant, type, text, actor, minimum_ms, unanswered, since, until]
    (before,) = decode_cursor(query, cursor, parts=(UUID,)) or [_LAST]
    keys = cast(PooledTransaction, context().transaction).keys
    rows = await sql.page(
        before=before,
        type=type,
        hashes=None if text is None else keys.digests(rules.likeness(text)),
        actor=actor,
        minimum_ms=minimum_ms,
        unanswered=unanswered,
        since=since,
        until=until,
        size=limit + 1,
    )
    return Page.cut(rows, limit=limit, query=query, key=lambda row: [row.id])


@operation(effect="read", scope="search:read", mode="single", example={"minimum_ms": 0, "limit": 10})
async def slow(
    self: Service,
    *,
    days: Days = 7,
    minimum_ms: Annotated[float, Field(ge=0, le=3_600_000, description="Only means above this, milliseconds.")] = 200,
    limit: Top = 50,
) -> list[SlowQuery]:
    """Queries that take longest on average, the slowest first; an agent sees its own."""
    return await sql.slow(days=days, minimum_ms=minimum_ms, size=limit)


@operation(effect="read", scope="search:read", mode="single", example={"least": 1, "limit": 10})
async def popular(
    self: Service,
    *,
    days: Days = 30,
    least: Annotated[int, Field(ge=1, le=1_000_000, description="Only what was searched at least so often.")] = 6,
    limit: Top = 100,
) -> list[PopularQuery]:
    """Queries that are searched most often, the commonest first; an agent sees its own."""
    return await sql.popular(days=days, least=least, size=limit)


@operation(effect="read", scope="search:read", mode="single", example={"limit": 10})
async def unanswered(self: Service, *, days: Days = 30, limit: Top = 100) -> list[UnansweredQuery]:
    """Queries that find nothing, those that do so most often first; an agent sees its own."""
    return await sql.unanswered(days=days, size=limit)


@operation(effect="read", scope="search:read", mode="single", example={"days": 7})
async def performance(self: Service, *, days: Days = 7) -> list[SearchPerformance]:
    """How many searches of each type were made, and how long they took; an agent sees its own."""
    return await sql.performance(days=days)


async def _written(self: Service, **given: Any) -> None:
    """What was searched in this process a moment ago is told too."""
    await written_down(self.executor)


for _each in (sessions, slow, popular, unanswered, performance):
    _each.prepare(_written)
