"""The scheduler: runs every `@scheduled` method when it is due, in the one process that leads."""

import asyncio
import logging
from collections.abc import AsyncIterator
from functools import partial
from typing import Any
from uuid import UUID

from pydantic import BaseModel

from ...database.queries import Many, One, Queries
from ...kernel.context import Principal
from ...kernel.errors import Internal
from ...kernel.identifiers import NOBODY
from ...kernel.local import LocalExecutor, Runtime
from ...kernel.nudges import Bell
from ...kernel.operation import Step
from ...kernel.retrying import retried
from ...kernel.service import SCHEDULES, Schedule
from ..acting import acting, describe, preparing, system
from ..leader import Reign, StaleEpoch, check
from ..pace import Pace

__all__ = ["Scheduler"]

_log = logging.getLogger("moothill.schedules")
_TENANTS = 500


class SomeTenantsFailed(Internal):
    """A scheduled job failed in some tenants; the log has each."""


class _Interrupted(Exception):
    """The worker stops in the middle of a run."""


class _Due(BaseModel):
    name: str
    wait: float


class _Tenant(BaseModel):
    id: UUID
    slug: str


class Sql(Queries):
    """Statements of the scheduler."""

    file = "schedules.sql"
    register: One[bool]
    due: Many[_Due]
    begin: One[bool]
    end_: One[bool]
    tenants: Many[_Tenant]


sql = Sql()


class Scheduler:
    """Runs what is due, each scheduled job at most once at a time."""

    def __init__(self, runtime: Runtime, pace: Pace, bell: Bell) -> None:
        self._runtime = runtime
        self._pace = pace
        self._bell = bell
        self._running: dict[str, asyncio.Task[None]] = {}

    async def run(self, reign: Reign) -> None:
        """Run what is due until the reign is over; what runs then comes to its end."""
        reign.bells.append(self._bell)
        known = False
        try:
            while not reign.over.is_set():
                wait = self._pace.poll.total_seconds()
                try:
                    if not known:
                        await self._register(reign)
                        known = True
                    wait = min(wait, await self._start_due(reign))
                except StaleEpoch:
                    return reign.end()
                except Exception as error:
                    _log.warning("schedules_wait", extra={"error": describe(error)})
                # Every write rings the bell, and few of them concern a schedule.
                await reign.pause(min(wait, self._pace.glance.total_seconds()))
                await self._bell.wait(max(0.0, wait - self._pace.glance.total_seconds()))
            await asyncio.gather(*self._running.values())
        finally:
            for task in tuple(self._running.values()):
                task.cancel()
            await asyncio.gather(*self._running.values(), return_exceptions=True)

    async def _register(self, reign: Reign) -> None:
        async with acting(self._runtime, system(), "worker.schedules", single=True):
            led = await sql.register(
                lease=reign.name,
                epoch=reign.epoch,
                names=list(SCHEDULES),
                every=[schedule.every for schedule in SCHEDULES.values()],
                per_tenant=[schedule.per_tenant for schedule in SCHEDULES.values()],
            )
        if not led:
            raise StaleEpoch(epoch=reign.epoch)

    async def _start_due(self, reign: Reign) -> float:
        """Start what is due; seconds until something else is."""
        async with acting(self._runtime, system(), "worker.schedules", single=True):
            due = await sql.due(names=list(SCHEDULES))
        later = [each.wait for each in due if each.wait > 0]
        for each in due:
            if each.wait <= 0 and each.name not in self._running:
                task = asyncio.create_task(self._run_one(SCHEDULES[each.name], reign))
                self._running[each.name] = task
                task.add_done_callback(partial(self._ended, each.name))
        return min(later, default=self._pace.poll.total_seconds())

    def _ended(self, name: str, task: asyncio.Task[None]) -> None:
        self._running.pop(name, None)
        self._bell.ring()

    async def _run_one(self, schedule: Schedule, reign: Reign) -> None:
        told = {"lease": reign.name, "epoch": reign.epoch, "name": schedule.name}
        try:
            async with acting(self._runtime, system(), schedule.name, single=True):
                if not await sql.begin(**told):
                    return
            outcome = "completed"
            try:
                message = await self._execute(schedule, reign)
            except (StaleEpoch, _Interrupted):
                raise
            except Exception as error:
                _log.exception("schedule_failed", extra={"schedule": schedule.name})
                outcome, message = "failed", describe(error)
            async with acting(self._runtime, system(), schedule.name, single=True):
                await sql.end_(**told, outcome=outcome, message=message)
        except StaleEpoch:
            reign.end()
        except _Interrupted:
            # The next leader finds it unfinished and runs it again.
            _log.info("schedule_left", extra={"schedule": schedule.name})
        except Exception as error:
            # The next leader, or this one at its next turn, finds it unfinished.
            _log.warning("schedules_wait", extra={"schedule": schedule.name, "error": describe(error)})

    async def _execute(self, schedule: Schedule, reign: Reign) -> str:
        if not schedule.per_tenant:
            return await self._run_in(schedule, reign, system())
        failures: list[str] = []
        tenants = 0
        async for tenant in self._tenants():
            if reign.over.is_set():
                raise _Interrupted
            tenants += 1
            try:
                await self._run_in(schedule, reign, system(tenant.id, tenant.slug))
            except StaleEpoch:
                raise
            except Exception as error:
                _log.exception("schedule_failed", extra={"schedule": schedule.name, "tenant": tenant.slug})
                failures.append(f"{tenant.slug}: {describe(error)}")
        if failures:
            raise SomeTenantsFailed(f"It failed in {len(failures)} of {tenants} tenants, first in {failures[0]}")
        return f"{tenants} tenants"

    async def _run_in(self, schedule: Schedule, reign: Reign, principal: Principal) -> str:
        """One run, step by step while the method says that it has more to do."""
        service = schedule.service(LocalExecutor(self._runtime, principal, door="worker"))
        cursor: dict[str, Any] | None = None
        while True:
            result = await self._transaction(schedule, reign, principal, service, cursor)
            if not isinstance(result, Step):
                return "" if result is None else str(result)
            cursor = result.cursor
            if cursor is None:
                return result.message

    async def _transaction(
        self, schedule: Schedule, reign: Reign, principal: Principal, service: Any, cursor: dict[str, Any] | None
    ) -> Any:
        prepared = None
        if schedule.prepare is not None:
            prepared = await preparing(getattr(service, schedule.prepare), principal, schedule.name, cursor=cursor)

        async def attempt() -> Any:
            async with acting(self._runtime, principal, schedule.name, cursor=cursor, prepared=prepared):
                await check(reign)
                return await getattr(service, schedule.method)()

        return await retried(attempt)

    async def _tenants(self) -> AsyncIterator[_Tenant]:
        after = NOBODY
        while True:
            async with acting(self._runtime, system(), "worker.schedules", single=True):
                page = await sql.tenants(after=after, size=_TENANTS)
            for tenant in page:
                yield tenant
            if len(page) < _TENANTS:
                return
            after = page[-1].id
