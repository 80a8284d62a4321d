"""The relay: brings each event to its handlers, in order, and what they write commits with the cursor.

One process leads. A scout looks at the log of all tenants below the horizon and wakes the lanes of the
handlers that something is for; each lane reads its own window and handles event after event, each in one
transaction in the event's tenant that also moves the handler's cursor and checks the leader's epoch. So
a handler's own writes happen exactly once, through crashes and changes of the leader.

An event that fails is parked and tried again later; events of other subjects go on, those of the same
subject queue behind it, and after the last try all of them wait for an operator.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal
from uuid import UUID

import orjson
from pydantic import BaseModel

from ...database.queries import Many, One, Queries
from ...database.sealing.errors import KeyEncryptionMissing, KeyEncryptionUnavailable
from ...kernel.context import Context
from ...kernel.errors import Unavailable
from ...kernel.events import Event
from ...kernel.local import LocalExecutor, Runtime
from ...kernel.nudges import Bell
from ...kernel.retrying import retried
from ...kernel.service import HANDLERS, Handler
from ..acting import acting, describe, system
from ..leader import Reign, StaleEpoch
from ..pace import Pace
from . import rules
from .models import EventDeadLettered, RelayRow
from .rules import Place

__all__ = ["Relay"]

# What an erasure leaves of an event: nothing to handle.
_ERASED = "retention.erased"
_log = logging.getLogger("moothill.relay")
_SCOUTED = 5_000


class HandlerTooSlow(Unavailable):
    """The handler did not end in the time that it has for one event."""


class _CursorRow(BaseModel):
    handler: str
    incarnation: int
    txid: int
    event_id: UUID


class _ScoutRow(BaseModel):
    kinds: list[str]
    incarnation: int | None
    txid: int | None
    event_id: UUID | None
    due: list[str]


class _Verdict(BaseModel):
    verdict: Literal["run", "parked", "past", "stale"]
    tenant_slug: str


class _DueRow(BaseModel):
    tenant_id: UUID
    event_id: UUID
    attempts: int
    event: dict[str, Any] | None


class Sql(Queries):
    """Statements of the relay."""

    file = "relay.sql"
    register: Many[_CursorRow]
    scout: One[_ScoutRow]
    window: Many[RelayRow]
    take: One[_Verdict]
    park: One[bool]
    skip: One[bool]
    due: Many[_DueRow]
    retry: One[_Verdict]
    failed: One[bool]


sql = Sql()


@dataclass(slots=True)
class _Lane:
    """One handler on its way through the log."""

    handler: Handler
    read: Place
    saved: Place
    bell: Bell = field(default_factory=Bell)
    busy: bool = False


class Relay:
    """Runs every registered handler, as long as this process leads."""

    def __init__(self, runtime: Runtime, pace: Pace, bell: Bell) -> None:
        self._runtime = runtime
        self._pace = pace
        self._bell = bell
        self._lanes: dict[str, _Lane] = {}
        # All handlers may have the same tenant's events, and callers need their share of the pool too.
        self._free = asyncio.Semaphore(pace.handling)

    async def run(self, reign: Reign) -> None:
        """Relay until the reign is over."""
        while not reign.over.is_set():
            try:
                await self._register(reign)
                break
            except StaleEpoch:
                return reign.end()
            except Exception as error:
                _log.warning("relay_waits", extra={"error": describe(error)})
                await reign.pause(1)
        reign.bells.append(self._bell)
        reign.bells.extend(lane.bell for lane in self._lanes.values())
        lanes = [asyncio.create_task(self._run_lane(lane, reign)) for lane in self._lanes.values()]
        try:
            await self._scout(reign)
            await asyncio.gather(*lanes)
        finally:
            for task in lanes:
                task.cancel()
            await asyncio.gather(*lanes, return_exceptions=True)

    async def _register(self, reign: Reign) -> None:
        kinds = {name: list(handler.kinds) for name, handler in HANDLERS.items()}
        async with acting(self._runtime, system(), "worker.relay", single=True):
            rows = await sql.register(
                lease=reign.name, epoch=reign.epoch, names=list(kinds), kinds=orjson.dumps(kinds).decode()
            )
        if len(rows) != len(kinds):
            raise StaleEpoch(epoch=reign.epoch)
        for row in rows:
            place = Place(row.incarnation, row.txid, row.event_id)
            lane = self._lanes[row.handler] = _Lane(HANDLERS[row.handler], place, place)
            lane.bell.ring()

    async def _scout(self, reign: Reign) -> None:
        """Look ahead for all lanes together, so that idle handlers cost nothing."""
        longest = looks = self._pace.poll.total_seconds()
        head = max((lane.read for lane in self._lanes.values()), default=rules.BEGINNING)
        saved = time.monotonic()
        while self._lanes and not reign.over.is_set():
            try:
                found, head = await self._look(head)
                if time.monotonic() - saved >= self._pace.save.total_seconds():
                    saved = time.monotonic()
                    await self._save(reign)
            except StaleEpoch:
                return reign.end()
            except Exception as error:
                _log.warning("relay_waits", extra={"error": describe(error)})
                await reign.pause(1)
                continue
            looks = rules.next_look(looks, soon=found, longest=longest)
            if not found and await self._bell.wait(looks):
                looks = rules.next_look(looks, soon=True, longest=longest)
        await reign.over.wait()

    async def _look(self, head: Place) -> tuple[bool, Place]:
        async with acting(self._runtime, system(), "worker.relay", single=True):
            seen = await sql.scout(**head._asdict(), size=_SCOUTED)
        for name in seen.due:
            if name in self._lanes:
                self._lanes[name].bell.ring()
        if seen.incarnation is None or seen.txid is None or seen.event_id is None:
            return False, head
        end = Place(seen.incarnation, seen.txid, seen.event_id)
        kinds = set(seen.kinds)
        for lane in self._lanes.values():
            if not kinds.isdisjoint(lane.handler.kinds) or lane.read < head:
                lane.bell.ring()
            elif not lane.busy:
                lane.read = max(lane.read, end)
        return True, end

    async def _save(self, reign: Reign) -> None:
        """Write down how far the lanes are that had nothing to handle."""
        places: dict[Place, list[_Lane]] = {}
        for lane in self._lanes.values():
            if lane.read > lane.saved and not lane.busy:
                places.setdefault(lane.read, []).append(lane)
        for place, lanes in places.items():
            names = [lane.handler.name for lane in lanes]
            async with acting(self._runtime, system(), "worker.relay", single=True):
                led = await sql.skip(lease=reign.name, epoch=reign.epoch, names=names, **place._asdict())
            if not led:
                raise StaleEpoch(epoch=reign.epoch)
            for lane in lanes:
                lane.saved = max(lane.saved, place)

    async def _run_lane(self, lane: _Lane, reign: Reign) -> None:
        while not reign.over.is_set():
            await lane.bell.wait(self._pace.poll.total_seconds() * 10)
            lane.busy = True
            try:
                await self._drain(lane, reign)
            except StaleEpoch:
                return reign.end()
            except Exception as error:
                # Not the handler's fault, or it would be parked: the database is away, or we are wrong.
                _log.warning("relay_waits", extra={"handler": lane.handler.name, "error": describe(error)})
                await reign.pause(1)
                lane.bell.ring()
            finally:
                lane.busy = False

    async def _drain(self, lane: _Lane, reign: Reign) -> None:
        """Handle everything that is due and everything that is new."""
        wanted = frozenset(lane.handler.kinds)
        while not reign.over.is_set():
            retried_any = await self._retry_due(lane, reign)
            async with acting(self._runtime, system(), "worker.relay", single=True):
                rows = await sql.window(**lane.read._asdict(), kinds=list(lane.handler.kinds), size=self._pace.window)
            if not rows and not retried_any:
                return
            for row in rows:
                if reign.over.is_set():
                    return
                place = Place(row.incarnation, row.txid, row.id)
                if row.kind in wanted:
                    await self._handle_new(lane, reign, row, place)
                    lane.saved = place
                lane.read = place

    async def _handle_new(self, lane: _Lane, reign: Reign, row: RelayRow, place: Place) -> None:
        subject, is_wide = rules.lane(row.subject, row.subjects)
        told = {
            "lease": reign.name,
            "epoch": reign.epoch,
            "handler": lane.handler.name,
            **place._asdict(),
            "subject": subject,
            "is_wide": is_wide,
        }
        try:
            event = await self._shown(row.tenant_id, row.event())
            await self._handle(lane.handler, row.tenant_id, event, reign, partial(sql.take, **told))
        except StaleEpoch:
            raise
        except Exception as error:
            last = self._pace.handler_attempts <= 1
            note = partial(
                sql.park,
                **told,
                error=describe(error),
                seconds=self._pace.retry_after(1).total_seconds(),
                is_last=last,
            )
            await self._note_failure(lane.handler, row.tenant_id, row.event(), note, error, attempts=1, last=last)

    async def _retry_due(self, lane: _Lane, reign: Reign) -> bool:
        name = lane.handler.name
        async with acting(self._runtime, system(), "worker.relay", single=True):
            rows = await sql.due(handler=name, size=self._pace.window)
        for row in rows:
            if reign.over.is_set():
                break
            told = {"lease": reign.name, "epoch": reign.epoch, "handler": name, "event": row.event_id}
            event = RelayRow.model_validate(row.event).event() if row.event is not None else None
            if event is not None and event.kind == _ERASED:
                event = None
            try:
                event = await self._shown(row.tenant_id, event) if event is not None else None
                await self._handle(lane.handler, row.tenant_id, event, reign, partial(sql.retry, **told))
            except StaleEpoch:
                raise
            except Exception as error:
                attempts = row.attempts + 1
                last = attempts >= self._pace.handler_attempts
                note = partial(
                    sql.failed,
                    **told,
                    error=describe(error),
                    seconds=self._pace.retry_after(attempts).total_seconds(),
                    is_last=last,
                )
                await self._note_failure(lane.handler, row.tenant_id, event, note, error, attempts=attempts, last=last)
        return bool(rows)

    async def _handle(
        self,
        handler: Handler,
        tenant: UUID,
        event: Event | None,
        reign: Reign,
        take: Callable[[], Awaitable[_Verdict]],
    ) -> None:
        """One event in one transaction with the cursor; without the event only the cursor moves."""

        async def attempt() -> None:
            request = event.request if event else None
            async with acting(self._runtime, system(tenant), handler.name, request=request) as call:
                taken = await take()
                if taken.verdict == "stale":
                    raise StaleEpoch(epoch=reign.epoch)
                if taken.verdict == "run" and event is not None:
                    call.principal = system(tenant, taken.tenant_slug)
                    await self._call(handler, event, call)

        async with self._free:
            await retried(attempt)

    async def _shown(self, tenant: UUID, event: Event) -> Event:
        """The event with its payload as it was, where the tenant encrypts."""
        row = {"id": event.id, "payload": event.payload}
        shown = await retried(lambda: self._runtime.database.shown(tenant, "events", row))
        return event.model_copy(update={"payload": shown["payload"]})

    async def _call(self, handler: Handler, event: Event, call: Context) -> None:
        service = handler.service(LocalExecutor(self._runtime, call.principal, door="worker"))
        seconds = self._pace.handler_time.total_seconds()
        try:
            async with asyncio.timeout(seconds):
                await getattr(service, handler.method)(event)
        except TimeoutError:
            raise HandlerTooSlow(f"{handler.name} did not end within {seconds:g} s.") from None

    async def _note_failure(
        self,
        handler: Handler,
        tenant: UUID,
        event: Event | None,
        note: Callable[[], Awaitable[bool]],
        error: Exception,
        *,
        attempts: int,
        last: bool,
    ) -> None:
        identity = {"handler": handler.name, "tenant": str(tenant), "event": str(event.id) if event else ""}
        _log.warning("event_not_handled", extra={**identity, "attempts": attempts}, exc_info=error)
        dead = None
        if last and event is not None:
            dead = EventDeadLettered(
                handler=handler.name, kind_handled=event.kind, attempts=attempts, error=describe(error)
            )
        try:
            noted = await retried(lambda: self._noted(handler, tenant, event, note, dead))
        except (KeyEncryptionMissing, KeyEncryptionUnavailable) as unsealed:
            # No event can be written in a tenant whose key cannot be had; others must not wait for it.
            _log.warning("dead_letter_not_recorded", extra={**identity, "code": unsealed.code})
            noted = await self._noted(handler, tenant, event, note, None)
        if noted and dead is not None:
            _log.error("event_dead", extra=identity)

    async def _noted(
        self,
        handler: Handler,
        tenant: UUID,
        event: Event | None,
        note: Callable[[], Awaitable[bool]],
        dead: EventDeadLettered | None,
    ) -> bool:
        async with acting(self._runtime, system(tenant), handler.name) as call:
            # False: it was handled meanwhile, since its commit went through though we did not hear of it.
            noted = await note()
            if noted and dead is not None and event is not None:
                call.record(dead, subject=event.id)
            return noted
