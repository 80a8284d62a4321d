"""Operations on tasks: what there is to do, who does it, how it went."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, Field

from ...database.queries import Many, Maybe, One, Queries
from ...kernel import Page, Service, context, operation, scheduled
from ...kernel.errors import Invalid
from ...kernel.identifiers import NOBODY
from ...kernel.paging import Cursor, PageSize, decode_cursor
from ...kernel.texts import AgentReference, canonical
from ...registry.agents.lookup import find_agent
from . import (
    adding,
    claiming,
    ending,
    linking,
    loading,
    moving,
    polling,
    progressing,
    rules,
    stepping,
    waiting,
    workers,
)
from .events import TasksArchived, TasksLost
from .lookup import find_task
from .models import QueueName, QueueSummary, Task, TaskAttempt, TaskFilter, TaskReference, TaskSummary, Throughput

__all__ = ["Tasks"]

_NEWEST = UUID(int=2**128 - 1)
_SWEPT = 1_000
_ARCHIVED_AFTER_DAYS = 90


class _Attempt(TaskAttempt):
    id: UUID


class Sql(Queries):
    """Statements that read tasks; what changes them stands beside the operations that do."""

    fragments = ("columns.sql",)

    page: Many[TaskSummary]
    page_waiting: Many[TaskSummary]
    page_live: Many[TaskSummary]
    page_completed: Many[TaskSummary]
    page_failed: Many[TaskSummary]
    page_archived: Many[TaskSummary]
    page_tagged: Many[TaskSummary]
    page_children: Many[TaskSummary]
    held_by: Many[TaskSummary]
    ended_by: Many[TaskSummary]
    attempts: Many[_Attempt]
    summary: Many[QueueSummary]
    throughput: Many[Throughput]
    stuck: Many[TaskSummary]
    lane: Maybe[waiting.Lane]
    able: One[int]


sql = Sql()


class WaitingReasons(BaseModel):
    """Why a task is where it is."""

    task: UUID = Field(description="Id of the task.")
    status: str = Field(description="Where it stands.")
    reasons: list[waiting.WaitingReason] = Field(description="What keeps it, the most important first.")


class Tasks(Service, group="tasks"):
    """Tasks: add them, hand them out, and know what became of each."""

    enqueue = adding.enqueue
    enqueue_many = adding.enqueue_many
    load = loading.load
    claim = claiming.claim
    next = polling.next_
    due = polling.due
    begin = claiming.begin
    heartbeat = workers.heartbeat
    sign_off = workers.sign_off
    tenants = workers.tenants
    record_step = stepping.record_step
    steps = stepping.steps
    progress = progressing.progress
    progress_many = progressing.progress_many
    progress_of = progressing.progress_of
    phases = progressing.phases
    complete = ending.complete
    complete_many = ending.complete_many
    fail = ending.fail
    fail_many = ending.fail_many
    release = ending.release
    wait = ending.wait
    answer = ending.answer
    signal = ending.signal
    cancel = moving.cancel
    pause = moving.pause
    resume = moving.resume
    revoke = moving.revoke
    redrive = moving.redrive
    assign = moving.assign
    update = moving.update
    remove = moving.remove
    depend = linking.depend
    dependencies = linking.dependencies
    dependents = linking.dependents
    graph = linking.graph

    @operation(effect="read", scope="tasks:read", audience="agent", mode="single", example={"task": "refund-endpoint"})
    async def get(self, *, task: TaskReference) -> Task:
        """One task: what is to be done, where it stands, and what came out of it."""
        return await find_task(task)

    @operation(
        effect="read", scope="tasks:read", audience="agent", example={"filter": {"status": "in_progress"}, "limit": 10}
    )
    async def list(
        self,
        *,
        filter: Annotated[TaskFilter | None, Field(description="Which; none: all that were not removed.")] = None,
        limit: PageSize = 50,
        cursor: Cursor = None,
    ) -> Page[TaskSummary]:
        """Tasks, the newest first."""
        chosen = filter or TaskFilter()
        query = ["tasks.list", context().tenant, chosen.model_dump(mode="json")]
        (before,) = decode_cursor(query, cursor, parts=(UUID,)) or [_NEWEST]
        wanted: dict[str, Any] = {
            **chosen.model_dump(include={"queue", "group", "kind", "dead_letter", "text", "status"}),
            "priority": None if chosen.priority is None else rules.priority_number(chosen.priority),
            "agent": (await find_agent(chosen.agent)).id if chosen.agent else None,
            "before": before,
            "size": limit + 1,
        }
        if chosen.tag is not None:
            rows = await sql.page_tagged(**wanted, tag=canonical(chosen.tag))
        elif chosen.parent is not None:
            rows = await sql.page_children(**wanted, parent=(await find_task(chosen.parent)).id)
        else:
            rows = await _page_of(chosen.status)(**wanted)
        return Page.cut(rows, limit=limit, query=query, key=lambda row: [row.id])

    @operation(effect="read", scope="tasks:read", example={"agent": "cartwright"})
    async def held(self, *, agent: AgentReference) -> Sequence[TaskSummary]:
        """What an agent works on, the newest first; at most 200."""
        found = await find_agent(agent)
        return await sql.held_by(agent=found.id, size=200)

    @operation(effect="read", scope="tasks:read", example={"agent": "alderman", "limit": 10})
    async def of_agent(
        self, *, agent: AgentReference, limit: PageSize = 50, cursor: Cursor = None
    ) -> Page[TaskSummary]:
        """What ended in an agent's hands, the last first; `tasks.held` is what it works on."""
        found = await find_agent(agent)
        query = ["tasks.of_agent", context().tenant, found.id]
        before, after = decode_cursor(query, cursor, parts=(datetime, UUID)) or ["infinity", NOBODY]
        rows = await sql.ended_by(agent=found.id, before=before, after_id=after, size=limit + 1)
        return Page.cut(rows, limit=limit, query=query, key=lambda row: [row.ended_at, row.id])

    @operation(effect="read", scope="tasks:read", example={"task": "billing-rewrite-plan"})
    async def attempts(self, *, task: TaskReference, limit: PageSize = 50, cursor: Cursor = None) -> Page[TaskAttempt]:
        """The attempts at a task in order, with who made each and how it ended."""
        found = await find_task(task)
        query = ["tasks.attempts", context().tenant, found.id]
        (after,) = decode_cursor(query, cursor, parts=(int,)) or [0]
        rows = await sql.attempts(id=found.id, after=after, size=limit + 1)
        page = Page[_Attempt].cut(rows, limit=limit, query=query, key=lambda row: [row.attempt])
        return Page[TaskAttempt](
            items=[TaskAttempt(**row.model_dump(exclude={"id"})) for row in page.items], next=page.next
        )

    @operation(effect="read", scope="tasks:read", audience="agent", example={"task": "refund-endpoint-review"})
    async def why(self, *, task: TaskReference) -> WaitingReasons:
        """Why a task is where it is: which dependency, which limit, which skill, whose turn it is."""
        found = await find_task(task)
        lane = await sql.lane(id=found.id)
        able = None
        if lane is not None and (lane.skills or lane.capability or lane.agent_type):
            able = await sql.able(**lane.needs())
        unmet = []
        if found.blockers:
            page = await linking.sql.dependencies(id=found.id, below=False, after=NOBODY, size=1000)
            unmet = [each for each in page if not each.met]
        return WaitingReasons(task=found.id, status=found.status, reasons=waiting.reasons(found, lane, able, unmet))

    @operation(effect="read", scope="tasks:read", mode="single", example={})
    async def summary(self, *, queue: QueueName | None = None) -> Sequence[QueueSummary]:
        """Live tasks by queue, state and priority, with how long they have been there."""
        return await sql.summary(queue=queue)

    @operation(effect="read", scope="tasks:read", mode="single", example={"hours": 24})
    async def throughput(
        self,
        *,
        hours: Annotated[float, Field(gt=0, le=24 * 31, description="How far back, hours.")] = 24,
        span_seconds: Annotated[int, Field(ge=1, le=86_400, description="Length of one span, seconds.")] = 3600,
    ) -> Sequence[Throughput]:
        """What ended lately, by spans of time.

        Raises:
            Invalid: these are more than 2,000 spans.
        """
        if hours * 3600 / span_seconds > 1_999:
            raise Invalid("These are more than 2,000 spans; make them longer.", field="span_seconds", rule="spans")
        return await sql.throughput(seconds=hours * 3600, span=span_seconds)

    @operation(effect="read", scope="tasks:read", mode="single", example={"seconds": 600})
    async def stuck(
        self,
        *,
        seconds: Annotated[float, Field(ge=0, le=31_536_000, description="Held for at least so long.")] = 3600,
        limit: PageSize = 50,
    ) -> Sequence[TaskSummary]:
        """Tasks that are held for longest; `tasks.revoke` gives one to somebody else."""
        return await sql.stuck(seconds=seconds, size=limit)

    @scheduled(every=timedelta(seconds=5), per_tenant=True)
    async def sweep(self) -> str:
        """Do to tasks what time does: what is due, what was lost, what is too late."""
        done = await ending.sql.sweep(most=_SWEPT)
        if done.lost or done.timed_out or done.overdue:
            context().record(TasksLost(lost=done.lost, timed_out=done.timed_out, overdue=done.overdue))
        return f"{done.due} due, {done.lost} lost, {done.timed_out} out of time, {done.overdue} past their deadline"

    @scheduled(every=timedelta(minutes=5), per_tenant=True)
    async def tidy(self) -> str:
        """Forget workers that are gone for good, and tell workers of every tenant where there is work."""
        gone = await workers.sql.forget_silent()
        hinted = await workers.sql.hint()
        return f"{len(gone)} workers forgotten, {'work to do' if hinted else 'nothing to do'}"

    @scheduled(every=timedelta(minutes=30))
    async def forget_hints(self) -> str:
        """Take away hints of tenants that have had nothing to do for an hour."""
        return f"{await workers.sql.forget_hints(most=10 * _SWEPT)} hints taken away"

    @scheduled(every=timedelta(hours=1), per_tenant=True)
    async def archive(self) -> str:
        """Put away tasks that ended ninety days ago, but dead letters; and pass over lanes that nobody uses."""
        closed = await moving.sql.close_lanes()
        done = await moving.sql.archive(days=_ARCHIVED_AFTER_DAYS, most=_SWEPT)
        if done:
            context().record(TasksArchived(count=len(done)), subjects=[each.id for each in done])
        return f"{len(done)} archived, {len(closed)} lanes closed"


def _page_of(status: str | None) -> Any:
    if status == "pending":
        return sql.page_waiting
    if status in rules.LIVE:
        return sql.page_live
    if status in ("failed", "cancelled"):
        return sql.page_failed
    if status == "completed":
        return sql.page_completed
    return sql.page_archived if status == "archived" else sql.page
