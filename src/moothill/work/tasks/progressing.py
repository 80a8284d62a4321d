"""How far work is: what holders of tasks say meanwhile, by phases that never go back.

A report is one statement, fenced like everything else that a holder says. Two that come at once meet at the row of
their phase, so that whichever is lower is refused, whatever order they came in. Another attempt begins anew.
"""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from ...database.queries import Many, Queries
from ...kernel.context import context
from ...kernel.errors import Invalid
from ...kernel.events import dumps
from ...kernel.identifiers import uuid7
from ...kernel.operation import operation
from ...kernel.paging import Cursor, Page, PageSize, decode_cursor
from ...kernel.service import Service
from ...kernel.texts import JsonObject, Label, without_exponent
from .claiming import stale_because
from .errors import AttemptStale, ProgressWentBack
from .events import TasksProgressed
from .lookup import find_task, standing_of
from .models import MOST_ATTEMPTS, AttemptReference, TaskReference, Token

__all__ = ["NewProgress", "phases", "progress", "progress_many", "progress_of"]

_SOME = {"task": "018f0000-0000-7000-8000-000000000000", "token": "018f0000-0000-7000-8000-000000000001"}
_NEWEST = UUID(int=2**128 - 1)
_MOST_PHASES = 1_000
_MOST_TOLD = 10_000


def _hundredths(value: Any) -> Any:
    """A share that was computed has many digits; one outside of the range keeps them, and is refused."""
    return round(value, 2) if isinstance(value, float) and 0 <= value <= 100 else without_exponent(value)


Percentage = Annotated[
    Decimal,
    Field(ge=0, le=100, max_digits=5, decimal_places=2, description="How far the phase is, 0 to 100."),
    BeforeValidator(_hundredths),
]
PhaseName = Annotated[Label, Field(description="Name of the phase, as you call it.")]
Message = Annotated[
    str | None, Field(min_length=1, max_length=2000, description="What is being done, for people who look.")
]
Metadata = Annotated[JsonObject | None, Field(description="Anything else, at most 64 KiB of JSON.")]


class NewProgress(AttemptReference):
    """How far an attempt is."""

    phase: PhaseName
    percentage: Percentage
    message: Message = None
    metadata: Metadata = None


class ProgressReport(BaseModel):
    """What became of a report."""

    model_config = ConfigDict(frozen=True)

    task: UUID = Field(description="Id of the task.")
    phase: str = Field(description="The phase.")
    accepted: bool = Field(description="Whether it was written down; otherwise nothing was.")
    why: str | None = Field(description="Why it was refused.")


class TaskPhase(BaseModel):
    """How far a phase of an attempt is."""

    model_config = ConfigDict(frozen=True)

    attempt: int = Field(description="Number of the attempt.")
    phase: str = Field(description="Name of the phase.")
    percentage: Decimal = Field(description="How far it is, 0 to 100.")
    reports: int = Field(description="How often that was said.")
    began_at: datetime = Field(description="When it was first said.")
    updated_at: datetime = Field(description="When it was last said.")


class TaskProgress(BaseModel):
    """What a holder said of how far it was."""

    model_config = ConfigDict(frozen=True)

    id: UUID = Field(description="Id; rises with time.")
    attempt: int = Field(description="Number of the attempt.")
    phase: str = Field(description="Name of the phase.")
    percentage: Decimal = Field(description="How far the phase was, 0 to 100.")
    message: str | None = Field(description="What was said with it.")
    metadata: JsonObject = Field(description="What else was said.")
    created_at: datetime = Field(description="When.")


class _Reported(BaseModel):
    task_id: UUID
    phase: str
    attempt: int | None
    accepted: bool


class _Phase(TaskPhase):
    task_id: UUID


class Sql(Queries):
    """Statements about progress."""

    file = "progressing.sql"

    report: Many[_Reported]
    phases: Many[_Phase]
    page: Many[TaskProgress]


sql = Sql()


@operation(
    effect="write",
    scope="tasks:work",
    audience="agent",
    example={**_SOME, "phase": "reading", "percentage": "62.5", "message": "Page 5 of 8"},
)
async def progress(
    self: Service,
    *,
    task: Annotated[UUID, Field(description="Id of the task.")],
    token: Token,
    phase: PhaseName,
    percentage: Percentage,
    message: Message = None,
    metadata: Metadata = None,
) -> ProgressReport:
    """Say how far you are with a task. Within a phase of an attempt it never goes back; to say the same again is fine.

    This keeps no task: `tasks.heartbeat` does.

    Raises:
        AttemptStale: the attempt does not hold the task any more; nothing was written down.
        ProgressWentBack: the phase was further already.
    """
    given = NewProgress(task=task, token=token, phase=phase, percentage=percentage, message=message, metadata=metadata)
    (found,) = await sql.report(rows=dumps([_row(given)]))
    if found.attempt is None:
        raise AttemptStale(stale_because(task, (await standing_of([task])).get(task)), task=str(task))
    if not found.accepted:
        standing = await _standing([given])
        raise ProgressWentBack(_back(given, standing.get((task, found.attempt, phase))), task=str(task), phase=phase)
    _record([task])
    return ProgressReport(task=task, phase=phase, accepted=True, why=None)


@operation(
    effect="write",
    scope="tasks:work",
    example={"reports": [{**_SOME, "phase": "reading", "percentage": "62.5"}]},
)
async def progress_many(
    self: Service,
    *,
    reports: Annotated[
        list[NewProgress], Field(min_length=1, max_length=MOST_ATTEMPTS, description="How far attempts are.")
    ],
) -> Sequence[ProgressReport]:
    """Say how far up to 1,000 attempts are; one that is refused is refused by itself, as the answer says."""
    _apart(reports)
    found = {(row.task_id, row.phase): row for row in await sql.report(rows=dumps([_row(each) for each in reports]))}
    stale = [each.task for each in reports if found[each.task, each.phase].attempt is None]
    now = await standing_of(stale) if stale else {}
    behind = [
        each for each in reports if (row := found[each.task, each.phase]).attempt is not None and not row.accepted
    ]
    standing = await _standing(behind) if behind else {}
    _record([each.task for each in reports if found[each.task, each.phase].accepted])
    told = []
    for each in reports:
        row = found[each.task, each.phase]
        why = None
        if row.attempt is None:
            why = stale_because(each.task, now.get(each.task))
        elif not row.accepted:
            why = _back(each, standing.get((each.task, row.attempt, each.phase)))
        told.append(ProgressReport(task=each.task, phase=each.phase, accepted=row.accepted, why=why))
    return told


@operation(effect="read", scope="tasks:read", example={"task": "billing-rewrite-plan"})
async def phases(self: Service, *, task: TaskReference) -> Sequence[TaskPhase]:
    """How far a task is: the phases of its attempts, the last attempt and the last begun first; at most 1,000."""
    found = await find_task(task)
    rows = await sql.phases(ids=[found.id], most=_MOST_PHASES)
    return [TaskPhase(**row.model_dump(exclude={"task_id"})) for row in rows]


@operation(effect="read", scope="tasks:read", example={"task": "billing-rewrite-plan", "limit": 10})
async def progress_of(
    self: Service,
    *,
    task: TaskReference,
    phase: Annotated[PhaseName | None, Field(description="Only of this phase.")] = None,
    limit: PageSize = 50,
    cursor: Cursor = None,
) -> Page[TaskProgress]:
    """What was said of how far a task is, the last first; kept for 90 days."""
    found = await find_task(task)
    query = ["tasks.progress_of", context().tenant, found.id, phase]
    (until,) = decode_cursor(query, cursor, parts=(UUID,)) or [_NEWEST]
    rows = await sql.page(task_id=found.id, phase=phase, until=until, size=limit + 1)
    return Page.cut(rows, limit=limit, query=query, key=lambda row: [row.id])


def _row(given: NewProgress) -> dict[str, Any]:
    return {
        "id": uuid7(),
        "task_id": given.task,
        "token": given.token,
        "phase": given.phase,
        "percentage": given.percentage,
        "message": given.message,
        "metadata": given.metadata or {},
    }


def _apart(reports: Sequence[NewProgress]) -> None:
    seen: set[tuple[UUID, str]] = set()
    for place, each in enumerate(reports):
        if (each.task, each.phase) in seen:
            raise Invalid(
                f"Phase {each.phase!r} of task {each.task} comes twice; say the last of it.",
                field=f"reports.{place}",
                rule="unique",
            )
        seen.add((each.task, each.phase))


async def _standing(reports: Sequence[NewProgress]) -> dict[tuple[UUID, int, str], Decimal]:
    rows = await sql.phases(ids=sorted({each.task for each in reports}), most=_MOST_TOLD)
    return {(row.task_id, row.attempt, row.phase): row.percentage for row in rows}


def _back(given: NewProgress, standing: Decimal | None) -> str:
    was = "further" if standing is None else f"at {standing.normalize():f} %"
    return (
        f"Phase {given.phase!r} of task {given.task} is {was} already; it does not go back to "
        f"{given.percentage.normalize():f} %. Name another phase for work that begins again."
    )


def _record(tasks: Sequence[UUID]) -> None:
    told = list(dict.fromkeys(tasks))
    if told:
        one = len(told) == 1
        context().record(
            TasksProgressed(count=len(tasks)), subject=told[0] if one else None, subjects=() if one else told
        )
