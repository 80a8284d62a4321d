"""The runner: claims jobs of all tenants and does them step by step.

A claim is a row with an epoch and a time after which another may take it. Each step is one transaction
that checks the claim, runs the body, and writes cursor and progress; a crash repeats at most the step
that had not committed, and a runner that was thought dead and wakes up has its step refused.
"""

import asyncio
import logging
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID

from pydantic import BaseModel

from ...database.queries import Maybe, One, Queries
from ...kernel.catalogue import find_operation
from ...kernel.context import Actor, Context, Principal
from ...kernel.errors import Conflict, Internal, MoothillError, NotFound
from ...kernel.events import dumps
from ...kernel.local import LocalExecutor, Runtime
from ...kernel.nudges import Bell
from ...kernel.operation import Operation, Step
from ...kernel.retrying import retried
from ...kernel.service import REGISTRY
from ..acting import acting, describe, preparing, system
from ..pace import Pace
from .models import JobCompleted, JobFailed, TakenJob

__all__ = ["JobRunner"]

_log = logging.getLogger("moothill.jobs")


class ClaimLost(Conflict):
    """Another runner has taken the job, or it was cancelled; this step was refused."""


class _Claim(BaseModel):
    tenant_id: UUID
    tenant_slug: str
    job_id: UUID
    epoch: int
    attempts: int


class Sql(Queries):
    """Statements of the runner."""

    file = "runner.sql"
    claim: Maybe[_Claim]
    keep: One[bool]
    check: One[bool]
    begin: Maybe[TakenJob]
    place: Maybe[TakenJob]
    progress: Maybe[UUID]
    moved: One[bool]
    give_back: One[bool]
    remove: One[bool]
    wait: Maybe[UUID]
    fail: Maybe[str]


sql = Sql()


@dataclass(frozen=True, slots=True)
class _Work:
    """A claimed job, ready to be done."""

    claim: _Claim
    job: TakenJob
    principal: Principal
    operation: Operation[Any, Any]
    arguments: dict[str, Any]


class JobRunner:
    """Runs jobs in this process, a few at a time."""

    def __init__(self, runtime: Runtime, pace: Pace, bell: Bell, holder: str) -> None:
        self._runtime = runtime
        self._pace = pace
        self._bell = bell
        self._holder = holder
        self._claim_seconds = pace.claim.total_seconds()

    async def run(self, stopping: asyncio.Event) -> None:
        """Run jobs until the worker stops; a job in the middle goes back to the queue after its step."""
        running: set[asyncio.Task[None]] = set()
        try:
            while not stopping.is_set():
                try:
                    while len(running) < self._pace.jobs and (claim := await self._claim()) is not None:
                        task = asyncio.create_task(self._take_up(claim, stopping))
                        running.add(task)
                        task.add_done_callback(running.discard)
                        task.add_done_callback(lambda _: self._bell.ring())
                except Exception as error:
                    _log.warning("jobs_wait", extra={"error": describe(error)})
                await self._bell.wait(self._pace.poll.total_seconds())
            if running:
                await asyncio.wait(running, timeout=self._pace.drain.total_seconds())
        finally:
            for task in tuple(running):
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    async def _claim(self) -> _Claim | None:
        async with acting(self._runtime, system(), "worker.jobs", single=True):
            return await sql.claim(holder=self._holder, seconds=self._claim_seconds)

    async def _take_up(self, claim: _Claim, stopping: asyncio.Event) -> None:
        keeping = asyncio.create_task(self._keep(claim))
        try:
            await self._do(claim, stopping)
        except ClaimLost:
            _log.info("job_left", extra={"job": str(claim.job_id)})
        except Exception as error:
            # Another takes it up when the claim expires.
            _log.warning("job_waits", extra={"job": str(claim.job_id), "error": describe(error)})
        finally:
            keeping.cancel()
            await asyncio.gather(keeping, return_exceptions=True)

    async def _keep(self, claim: _Claim) -> None:
        """Extend the claim while the job is worked at."""
        while True:
            await asyncio.sleep(self._claim_seconds / 3)
            try:
                async with acting(self._runtime, _system_of(claim), "worker.jobs", single=True):
                    if not await sql.keep(id=claim.job_id, epoch=claim.epoch, seconds=self._claim_seconds):
                        return
            except MoothillError as error:
                _log.warning("claim_not_kept", extra={"job": str(claim.job_id), "code": error.code})

    async def _do(self, claim: _Claim, stopping: asyncio.Event) -> None:
        try:
            job = await retried(lambda: self._begin(claim))
        except NotFound as error:
            # Its arguments are encrypted by a key that was destroyed.
            return await self._give_up(claim, error)
        if job is None:
            return
        if job.waited is not None:
            self._runtime.instruments.job_begun(job.waited)
        tries = claim.attempts
        if job.operation not in REGISTRY:
            # A newer process asked for it, and one of its kind will do it.
            unknown = f"The worker {self._holder} does not know {job.operation}; it waits for one that does."
            return await self._give_back(claim, unknown, seconds=self._claim_seconds, tried=False)
        try:
            work = _prepare(claim, job)
            if tries > self._pace.job_attempts:
                raise Internal(f"Its runner ended in the middle {self._pace.job_attempts} times.")
            cursor = job.cursor
            while True:
                if stopping.is_set():
                    return await self._give_back(claim, None, seconds=0.0, tried=False)
                cursor = await self._step(work, cursor)
                if cursor is None:
                    return
                tries = 1
        except ClaimLost:
            raise
        except Exception as error:
            await self._failed(claim, job, error, tries)

    async def _begin(self, claim: _Claim) -> TakenJob | None:
        async with acting(self._runtime, _system_of(claim), "jobs.run"):
            if not await sql.check(id=claim.job_id, epoch=claim.epoch):
                raise ClaimLost(job=str(claim.job_id))
            job = await sql.begin(id=claim.job_id, attempts=claim.attempts)
            if job is None:
                await sql.remove(id=claim.job_id, epoch=claim.epoch)
            return job

    async def _step(self, work: _Work, cursor: dict[str, Any] | None) -> dict[str, Any] | None:
        """Do one step; the cursor of the next, or None at the end."""
        executor = LocalExecutor(self._runtime, work.principal, door="worker")
        service = executor.service_of(work.operation)
        prepared = None
        if work.operation.prepare_body is not None:
            prepared = await preparing(
                partial(work.operation.prepare_body, service, **work.arguments),
                work.principal,
                work.operation.name,
                cursor=cursor,
                request=work.job.request,
                reason=work.job.reason,
            )

        async def attempt() -> dict[str, Any] | None:
            async with acting(
                self._runtime,
                work.principal,
                work.operation.name,
                cursor=cursor,
                prepared=prepared,
                request=work.job.request,
                reason=work.job.reason,
            ) as call:
                if not await sql.check(id=work.claim.job_id, epoch=work.claim.epoch):
                    raise ClaimLost(job=str(work.claim.job_id))
                if await sql.place(id=work.claim.job_id) is None:
                    raise ClaimLost(job=str(work.claim.job_id))
                step: Step = await work.operation.body(service, **work.arguments)
                await self._write_down(work, step, call)
                return step.cursor

        return await retried(attempt)

    async def _write_down(self, work: _Work, step: Step, call: Context) -> None:
        id, epoch = work.claim.job_id, work.claim.epoch
        is_last = step.cursor is None
        moved = await sql.progress(
            id=id,
            state="completed" if is_last else "running",
            cursor=None if is_last else dumps(step.cursor),
            done=step.done,
            total=step.total,
            message=step.message,
        )
        if moved is None:
            raise ClaimLost(job=str(id))
        if is_last:
            await sql.remove(id=id, epoch=epoch)
            call.record(JobCompleted(operation=work.operation.name, done=step.done), subject=id)
        else:
            await sql.moved(id=id, epoch=epoch, seconds=self._claim_seconds)

    async def _give_back(self, claim: _Claim, message: str | None, *, seconds: float, tried: bool) -> None:
        async with acting(self._runtime, _system_of(claim), "jobs.run"):
            if await sql.wait(id=claim.job_id, message=message) is None:
                await sql.remove(id=claim.job_id, epoch=claim.epoch)
            else:
                await sql.give_back(id=claim.job_id, epoch=claim.epoch, seconds=seconds, tried=tried)

    async def _failed(self, claim: _Claim, job: TakenJob, error: Exception, tries: int) -> None:
        """Let the job wait for another try, or give it up when that would be useless."""
        hopeless = isinstance(error, MoothillError) and not (error.retryable or isinstance(error, Internal))
        again = not hopeless and tries < self._pace.job_attempts
        _log.warning(
            "job_step_failed",
            extra={"job": str(claim.job_id), "operation": job.operation, "attempts": tries},
            exc_info=error,
        )
        if again:
            pause = self._pace.retry_after(tries).total_seconds()
            return await self._give_back(claim, describe(error), seconds=pause, tried=True)
        await self._give_up(claim, error, request=job.request)

    async def _give_up(self, claim: _Claim, error: Exception, *, request: UUID | None = None) -> None:
        async def attempt() -> None:
            async with acting(self._runtime, _system_of(claim), "jobs.run", request=request) as call:
                if (operation := await sql.fail(id=claim.job_id, message=describe(error))) is not None:
                    call.record(JobFailed(operation=operation, message=describe(error)), subject=claim.job_id)
                await sql.remove(id=claim.job_id, epoch=claim.epoch)

        await retried(attempt)


def _system_of(claim: _Claim) -> Principal:
    return system(claim.tenant_id, claim.tenant_slug)


def _prepare(claim: _Claim, job: TakenJob) -> _Work:
    """What to call, and as whom: the actor that asked, with the rights it had then."""
    operation = find_operation(job.operation)
    real = None if job.real_actor is None else Actor("operator", job.real_actor, job.real_actor_name or "")
    principal = Principal(
        tenant=claim.tenant_id,
        tenant_slug=claim.tenant_slug,
        actor=Actor(job.actor_kind, job.actor, job.actor_name),
        scopes=frozenset(job.scopes),
        real_actor=real,
    )
    return _Work(claim, job, principal, operation, operation.signature.validate(job.arguments))
