"""The steps of an erasure. Each is a transaction of its own, and whatever it finds done already is not done again.

The order matters: first the rows that are only its own; then what else knows its name; the log after that, when
nothing can write the name into it again; at last the report, in the one transaction in which the rest goes.
"""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from ...database.queries import Many, Maybe, One, Queries, Run
from ...kernel import Step, context
from ...kernel.identifiers import NOBODY
from ...kernel.service import Executor
from ...registry.search import Search
from ..limits import Limits
from ..retention import archiving
from . import reports, rules
from .errors import UnderLegalHold
from .hooks import destroyers
from .models import (
    AgentErased,
    LogPart,
    ReportRow,
    StandingHold,
    TableCount,
    Target,
    TenantErased,
    UnderWay,
)

__all__ = ["go_on", "refuse_held", "sql"]

_ROWS = 2_000
_EVENTS = 5_000
_STAGES = ("rows", "agent", "log", "traces", "files", "end")


class Sql(Queries):
    """Statements of this subsystem."""

    target: Maybe[Target]
    holds_on: Many[StandingHold]
    count: Many[TableCount]
    begin: One[UUID | None]
    rows: One[int]
    agent: One[bool]
    log: Maybe[LogPart]
    traces: One[int]
    went: Run
    under_way: Maybe[UnderWay]
    end_: One[bool]
    reports: Many[ReportRow]


sql = Sql()


async def refuse_held(owner: UUID, agent: UUID | None) -> None:
    """Refuse what a legal hold keeps.

    Raises:
        UnderLegalHold: naming the hold, who placed it, and why.
    """
    found = await sql.holds_on(owner=owner, agent=agent)
    if found:
        first = found[0]
        more = f" and {len(found) - 1} more" if len(found) > 1 else ""
        what = f"agent {first.agent}" if first.agent else "the tenant"
        raise UnderLegalHold(
            f"Legal hold {first.id} on {what} stands in the way{more}: {first.reason} (placed by "
            f"{first.placed_by_name}). `retention.release` releases it.",
            holds=[str(each.id) for each in found],
        )


async def go_on(executor: Executor, cursor: Mapping[str, Any]) -> Step:
    """The next step of an erasure."""
    erasure = UUID(cursor["erasure"])
    stage, done, total = str(cursor["stage"]), int(cursor["done"]), int(cursor["total"])
    under_way = await sql.under_way(erasure=erasure)
    if under_way is None:
        return Step(done=done, total=done, message="It was ended by another run of the same.")
    # A hold on the whole tenant may have come since; each statement below sees to it too, and says less.
    await refuse_held(under_way.owner, under_way.agent)
    more: dict[str, Any] | None = None
    if stage == "rows":
        gone = await sql.rows(erasure=erasure, size=_ROWS)
        if not gone and under_way.agent is not None:
            # Its texts are gone; the words that nobody else used go from the vocabulary of search.
            await Search(executor).sweep()
        done, more = done + gone, {} if gone else None
    elif stage == "agent" and under_way.agent is not None:
        done += int(await sql.agent(erasure=erasure))
    elif stage == "log":
        place, event = int(cursor.get("place", 0)), UUID(cursor.get("event", str(NOBODY)))
        part = await sql.log(erasure=erasure, place=place, event=event, size=_EVENTS)
        if part is not None and part.place is not None:
            done, more = done + part.gone, {"place": part.place, "event": str(part.id)}
    elif stage == "traces":
        gone = await sql.traces(erasure=erasure, size=_ROWS)
        done, more = done + gone, {} if gone else None
    elif stage == "files":
        gone, more = await _files(executor, under_way, UUID(cursor.get("after", str(NOBODY))))
        done += gone
    elif stage == "end":
        # What was written meanwhile, by whoever was in the middle of something.
        late = await sql.rows(erasure=erasure, size=_ROWS)
        if not late:
            number = await _end(executor, under_way)
            return Step(done=done, total=done, message=f"Report {number} tells what went.")
        done, more = done + late, {}
    if more is None:
        stage = _STAGES[_STAGES.index(stage) + 1]
    place_of = {"erasure": str(erasure), "stage": stage, "done": done, "total": max(total, done), **(more or {})}
    return Step(done=done, total=max(total, done), cursor=place_of, message=f"At the {stage}.")


async def _files(executor: Executor, under_way: UnderWay, after: UUID) -> tuple[int, dict[str, Any] | None]:
    if under_way.agent is None:
        # Its entries are gone already; what is removed here a second time does no harm.
        count = await archiving.forget_tenant(executor, under_way.owner)
        await sql.went(erasure=under_way.id, rows=count)
        return count, None
    redacted = await archiving.redact_one(executor, after, rules.words_of(under_way))
    if redacted is not None:
        id, rows = redacted
        await sql.went(erasure=under_way.id, rows=rows)
        return rows, {"after": str(id)}
    if archiving.settings_of(executor).archive_folder is not None and after != NOBODY:
        await archiving.tidy(archiving.folder_of(executor))
    return 0, None


async def _end(executor: Executor, under_way: UnderWay) -> int:
    destroyed: dict[str, int] = {}
    if under_way.agent is None:
        # A batch of retention that was on its way may have written one more file.
        await archiving.forget_tenant(executor, under_way.owner)
        for name, destroy in destroyers().items():
            destroyed[name] = await destroy(executor, under_way.owner)
    body = rules.body_of(under_way, destroyed)
    document = reports.sign(body, reports.key_of(executor))
    number = int(body["number"])
    await sql.end_(erasure=under_way.id, number=number, document=document, digest=reports.digest_of(document))
    if under_way.agent is None:
        context().record(TenantErased(report=number))
    else:
        await Limits(executor).recount()
        context().record(AgentErased(report=number), subject=under_way.agent)
    return number
