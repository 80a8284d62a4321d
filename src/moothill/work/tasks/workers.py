"""Workers: heartbeats keep what they hold; what they do not know that they hold, and what they leave, goes back."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, Field

from ...database.queries import Many, One, Queries, Run
from ...kernel.context import context
from ...kernel.events import dumps
from ...kernel.operation import operation
from ...kernel.service import Service
from . import ending
from .claiming import LEASE_SECONDS, Lease, Queues, WorkerId, stale_because
from .events import TasksReleased
from .lookup import standing_of
from .models import AttemptReference, KeptAttempt, Reason, TenantWithWork

__all__ = ["heartbeat", "sign_off", "tenants"]

_MOST_HELD = 10_000


class _Kept(BaseModel):
    id: UUID
    held: bool
    cancel: bool | None
    note: str | None
    expires_at: datetime | None


class _Held(BaseModel):
    id: UUID
    token: UUID


class _Id(BaseModel):
    id: UUID


class Sql(Queries):
    """Statements about workers."""

    file = "workers.sql"

    keep: Many[_Kept]
    unnamed: Many[_Held]
    forget: Run
    forget_silent: Many[_Id]
    hint: One[int]
    tenants: Many[TenantWithWork]
    forget_hints: One[int]


sql = Sql()


@operation(
    effect="write",
    scope="tasks:work",
    audience="agent",
    example={
        "attempts": [{"task": "018f0000-0000-7000-8000-000000000000", "token": "018f0000-0000-7000-8000-000000000001"}]
    },
)
async def heartbeat(
    self: Service,
    *,
    attempts: Annotated[list[AttemptReference], Field(max_length=_MOST_HELD, description="What you are working on.")],
    worker: WorkerId = None,
    lease_seconds: Lease = LEASE_SECONDS,
    these_are_all: Annotated[
        bool,
        Field(
            description="Whether the worker knows of no others: what it has held for longer than its lease without "
            "naming it was handed out in an answer that got lost, and goes to others."
        ),
    ] = False,
) -> Sequence[KeptAttempt]:
    """Keep the tasks that you work on, and learn which you have lost or are asked to stop.

    An attempt that does not hold its task any more is no error here: the answer says so, and that nothing of it counts.
    """
    ids, tokens = [each.task for each in attempts], [each.token for each in attempts]
    call = context()
    rows = await sql.keep(ids=ids, tokens=tokens, worker=worker, lease=lease_seconds, actor=call.actor.id)
    unknown = 0
    if these_are_all and worker is not None:
        unknown = await _hand_back(worker, "Its worker never heard of it.", lease_seconds, ids, tokens)
    if not unknown:
        call.hush()
    lost = [row.id for row in rows if not row.held]
    now = await standing_of(lost) if lost else {}
    return [
        KeptAttempt(
            task=row.id,
            held=row.held,
            cancel=bool(row.cancel),
            why=row.note if row.held else stale_because(row.id, now.get(row.id)),
            expires_at=row.expires_at,
        )
        for row in rows
    ]


@operation(
    effect="write",
    scope="tasks:work",
    example={"worker": "018f0000-0000-7000-8000-000000000000", "reason": "shutting down"},
)
async def sign_off(
    self: Service,
    *,
    worker: Annotated[UUID, Field(description="Id of your worker.")],
    reason: Annotated[Reason, Field(description="Why.")] = "its worker signed off",
) -> int:
    """Hand back whatever a worker of yours still holds, and forget the worker; how many tasks there were.

    That counts as no failure. A worker of somebody else stays as it is, and so does what it holds.
    """
    handed = 0
    while more := await _hand_back(worker, reason, -1.0, [], []):
        handed += more
    await sql.forget(worker=worker, actor=context().actor.id)
    return handed


async def _hand_back(worker: UUID, reason: str, seconds: float, ids: Sequence[UUID], tokens: Sequence[UUID]) -> int:
    """Hand back what a worker of the caller's has held for so long and does not name."""
    held = await sql.unnamed(
        worker=worker, actor=context().actor.id, seconds=seconds, ids=ids, tokens=tokens, most=1_000
    )
    if not held:
        return 0
    rows = [{"id": each.id, "token": each.token} for each in held]
    left = await ending.sql.leave(rows=dumps(rows), how="released", said=reason)
    if left.tasks:
        context().record(TasksReleased(count=len(left.tasks)), subjects=left.tasks)
    return len(left.tasks)


@operation(effect="read", scope="platform:tenants", audience="operator", mode="single", example={"limit": 10})
async def tenants(
    self: Service,
    *,
    queues: Queues = None,
    after: Annotated[UUID | None, Field(description="Go on behind this tenant; its turn comes last.")] = None,
    limit: Annotated[int, Field(ge=1, le=1000, description="At most so many.")] = 10,
) -> Sequence[TenantWithWork]:
    """Tenants that have something to hand out, in turn; for workers that serve more than one."""
    return await sql.tenants(queues=queues, after=after, most=limit)
