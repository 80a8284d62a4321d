"""Operations on jobs and on what runs by itself on a schedule."""

from collections.abc import AsyncIterator, Sequence
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field

from ...database.queries import Many, Maybe, One, Queries, Run
from ...kernel import Job, Page, Service, context, operation, stream
from ...kernel.authority import authorise
from ...kernel.catalogue import OperationName, find_operation
from ...kernel.errors import Conflict, Invalid, NotFound, near_match
from ...kernel.events import dumps
from ...kernel.identifiers import uuid7
from ...kernel.local import LocalExecutor
from ...kernel.paging import Cursor, PageSize, decode_cursor
from ..acting import nudges_of
from .models import (
    JobCancelled,
    JobDetail,
    JobId,
    JobQueued,
    ScheduleChanged,
    ScheduleName,
    ScheduleState,
)
from .rules import ENDS, JobState

_SOME_JOB = "018f0000-0000-7000-8000-000000000000"


class JobNotFound(NotFound):
    """There is no job with this id in this tenant."""


class JobEnded(Conflict):
    """The job is at its end already."""


class NotAJob(Invalid):
    """This operation is no long work: call it by itself."""


class ScheduleNotFound(NotFound):
    """There is no scheduled job of this name; `jobs.schedules` shows them."""


class ScheduleConflict(Conflict):
    """The scheduled job is in that state already."""


class Sql(Queries):
    """Statements of this subsystem."""

    insert: One[Job]
    queue: Run
    by_id: Maybe[JobDetail]
    page: Many[JobDetail]
    cancel: Maybe[JobDetail]
    unqueue: Run
    schedules: Many[ScheduleState]
    ask: Maybe[ScheduleState]
    pause: Maybe[ScheduleState]


sql = Sql()


class Jobs(Service, group="jobs"):
    """Long work that runs in the background, and what runs by itself."""

    @operation(
        effect="write",
        scope="jobs:write",
        audience="operator",
        example={"operation": "search.reindex", "arguments": {"model": "wordllama_256"}},
    )
    async def enqueue(
        self,
        *,
        operation: OperationName,
        arguments: Annotated[dict[str, Any], Field(description="Arguments of that operation.")],
    ) -> Job:
        """Put long work in the queue; calling the operation itself does the same."""
        wanted = find_operation(operation)
        if wanted.kind != "job":
            raise NotAJob(f"{operation} is no long work; call it by itself.", operation=operation)
        call = context()
        authorise(wanted, call.principal)
        valid = wanted.signature.validate(arguments)
        if wanted.plan_body is not None:
            # What would be refused is refused now, not by a worker whom nobody watches.
            assert isinstance(self.executor, LocalExecutor), "a body runs on a local executor"
            await wanted.plan_body(self.executor.service_of(wanted), **valid)
        real = call.principal.real_actor
        job = await sql.insert(
            id=uuid7(),
            operation=operation,
            arguments=dumps(arguments),
            actor=call.actor.id,
            actor_kind=call.actor.kind,
            actor_name=call.actor.name,
            real_actor=real.id if real else None,
            real_actor_name=real.name if real else None,
            scopes=sorted(call.principal.scopes),
            request=call.request_id,
            reason=call.options.reason,
        )
        await sql.queue(id=job.id)
        call.record(JobQueued(operation=operation), subject=job.id)
        return job

    @operation(effect="read", scope="jobs:read", mode="single", example={"job": _SOME_JOB})
    async def get(self, *, job: JobId) -> JobDetail:
        """One job: where it stands and how far it is."""
        found = await sql.by_id(id=job)
        if found is None:
            raise _unknown(job)
        return found

    @operation(effect="read", scope="jobs:read", mode="single", example={"state": "running"})
    async def list(
        self,
        *,
        state: Annotated[JobState | None, Field(description="Only those in this state.")] = None,
        operation: Annotated[
            str | None, Field(min_length=1, max_length=100, description="Only those that do this: `group.verb`.")
        ] = None,
        limit: PageSize = 50,
        cursor: Cursor = None,
    ) -> Page[JobDetail]:
        """Jobs of this tenant, newest first."""
        query = ["jobs.list", context().tenant, state, operation]
        place = decode_cursor(query, cursor, parts=(UUID,))
        rows = await sql.page(before=place[0] if place else None, state=state, operation=operation, size=limit + 1)
        return Page.cut(rows, limit=limit, query=query, key=lambda row: [row.id])

    @operation(effect="write", scope="jobs:write", example={"job": _SOME_JOB})
    async def cancel(self, *, job: JobId) -> JobDetail:
        """Cancel a job: it ends with the step that it is at; what it has done stays."""
        cancelled = await sql.cancel(id=job)
        if cancelled is None:
            found = await sql.by_id(id=job)
            if found is None:
                raise _unknown(job)
            raise JobEnded(f"Job {job} is {found.state}, so it cannot be cancelled.", job=str(job))
        await sql.unqueue(id=job)
        context().record(JobCancelled(operation=cancelled.operation), subject=job)
        return cancelled

    @stream(scope="jobs:read", example={"job": _SOME_JOB})
    async def follow(self, *, job: JobId) -> AsyncIterator[JobDetail]:
        """A job each time it got on, up to its end."""
        nudges = nudges_of(self)
        told: JobDetail | None = None
        with nudges.bell(context().tenant) as bell:
            while told is None or told.state not in ENDS:
                now = await self.get(job=job)
                if now != told:
                    yield now
                    told = now
                else:
                    await bell.wait(nudges.longest_wait)

    @operation(effect="read", scope="platform:jobs", audience="operator", mode="single", example={})
    async def schedules(self) -> Sequence[ScheduleState]:
        """What runs by itself: when it ran last, how that went, and when it runs next."""
        return await sql.schedules()

    @operation(effect="write", scope="platform:jobs", audience="operator", example={"schedule": "upkeep.make_months"})
    async def run_now(self, *, schedule: ScheduleName) -> ScheduleState:
        """Ask the worker for a run now, paused or not; it runs by one process at a time."""
        asked = await sql.ask(name=schedule)
        return await self._changed(schedule, asked, "asked", "runs already")

    @operation(effect="write", scope="platform:jobs", audience="operator", example={"schedule": "upkeep.make_months"})
    async def pause(self, *, schedule: ScheduleName) -> ScheduleState:
        """Let a scheduled job rest, for all tenants, until it is resumed."""
        return await self._changed(schedule, await sql.pause(name=schedule, paused=True), "paused", "is paused already")

    @operation(effect="write", scope="platform:jobs", audience="operator", example={"schedule": "upkeep.make_months"})
    async def resume(self, *, schedule: ScheduleName) -> ScheduleState:
        """Let a paused scheduled job go on."""
        return await self._changed(schedule, await sql.pause(name=schedule, paused=False), "resumed", "is not paused")

    async def _changed(
        self,
        name: str,
        state: ScheduleState | None,
        change: Literal["asked", "paused", "resumed"],
        refusal: str,
    ) -> ScheduleState:
        if state is None:
            known = [each.name for each in await sql.schedules()]
            if name in known:
                raise ScheduleConflict(f"{name} {refusal}.", schedule=name)
            raise ScheduleNotFound(f"There is no scheduled job {name!r}.{near_match(name, known)}", schedule=name)
        context().record(ScheduleChanged(schedule=name, change=change))
        return state


def _unknown(job: UUID) -> JobNotFound:
    return JobNotFound(f"There is no job {job} in this tenant; `jobs.list` shows those that exist.", job=str(job))
