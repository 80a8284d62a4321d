"""Operations on the log of writes: read it, follow it, and look after the handlers that react to it."""

from collections.abc import AsyncIterator, Sequence
from typing import Annotated
from uuid import UUID

from pydantic import AwareDatetime, Field

from ...database.queries import Many, Maybe, One, Queries
from ...kernel import Page, Service, context, operation, stream
from ...kernel.errors import NotFound, near_match
from ...kernel.events import EVENT_KINDS, Event
from ...kernel.operation import Plan
from ...kernel.paging import Cursor, PageSize, decode_cursor, encode_cursor
from ..acting import nudges_of
from . import rules
from .models import (
    ActorFilter,
    EventDiscarded,
    EventId,
    EventKind,
    EventsRedriven,
    FeedOrder,
    HandlerName,
    HandlerState,
    KindFilter,
    LogRow,
    ParkedEvent,
    ParkedRow,
    SubjectFilter,
)

_PAGE = 200
_PLATFORM = "platform:jobs"


class EventNotFound(NotFound):
    """There is no event with this id in this tenant."""


class HandlerNotFound(NotFound):
    """There is no event handler of this name; `events.handlers` shows them."""


class ParkedEventNotFound(NotFound):
    """This handler has no such event parked in this tenant; `events.dead_letters` shows those it has."""


class Sql(Queries):
    """Statements of this subsystem."""

    oldest: Many[LogRow]
    newest: Many[LogRow]
    oldest_of_subject: Many[LogRow]
    newest_of_subject: Many[LogRow]
    by_id: Maybe[LogRow]
    handlers: Many[HandlerState]
    parked: Many[ParkedRow]
    redrive: One[int]
    discard: One[bool]


sql = Sql()


class Events(Service, group="events"):
    """The log of writes: what happened, in an order that readers can resume."""

    @operation(effect="read", scope="events:read", mode="single", example={"kind": "agents.", "limit": 10})
    async def list(
        self,
        *,
        kind: KindFilter = None,
        subject: SubjectFilter = None,
        actor: ActorFilter = None,
        since: Annotated[AwareDatetime | None, Field(description="Only what happened at or after this time.")] = None,
        order: Annotated[FeedOrder, Field(description="Oldest or newest first.")] = "oldest",
        limit: PageSize = 50,
        cursor: Cursor = None,
    ) -> Page[Event]:
        """Events in the order of the log; an event's own `cursor` goes on behind it, under any filter.

        What a transaction wrote appears once no older transaction runs any more, so that nothing ever
        appears before a place that a reader has passed.
        """
        tenant = context().tenant
        place = _place(tenant, cursor) or (rules.BEGINNING if order == "oldest" else rules.END)
        wanted = {**place._asdict(), "kind": kind, "actor": actor, "since": since, "size": limit + 1}
        if subject is None:
            rows = await (sql.oldest if order == "oldest" else sql.newest)(**wanted)
        else:
            of_subject = sql.oldest_of_subject if order == "oldest" else sql.newest_of_subject
            rows = await of_subject(subject=subject, **wanted)
        kept = [_event(tenant, row) for row in rows[:limit]]
        return Page(items=kept, next=kept[-1].cursor if len(rows) > limit else None)

    @stream(scope="events:read", example={"kind": "agents."})
    async def follow(
        self,
        *,
        kind: KindFilter = None,
        subject: SubjectFilter = None,
        actor: ActorFilter = None,
        after: Annotated[
            str | None, Field(max_length=2000, description="`cursor` of the last event seen; none: from now on.")
        ] = None,
    ) -> AsyncIterator[Event]:
        """Events as they happen, without a gap or a repetition behind the cursor given."""
        place = after
        if place is None:
            # What appears from now on lies behind everything that has appeared.
            newest = await self.list(order="newest", limit=1)
            place = newest.items[0].cursor if newest.items else None
        nudges = nudges_of(self)
        with nudges.bell(context().tenant) as bell:
            looks = nudges.longest_wait
            while True:
                page = await self.list(kind=kind, subject=subject, actor=actor, limit=_PAGE, cursor=place)
                for event in page.items:
                    place = event.cursor
                    yield event
                if page.next is None:
                    found = bool(page.items)
                    looks = rules.next_look(looks, soon=found, longest=nudges.longest_wait)
                    if await bell.wait(looks):
                        looks = rules.next_look(looks, soon=True, longest=nudges.longest_wait)

    @operation(
        effect="read", scope="events:read", mode="single", example={"event": "018f0000-0000-7000-8000-000000000000"}
    )
    async def get(self, *, event: EventId) -> Event:
        """One event."""
        row = await sql.by_id(id=event)
        if row is None:
            raise EventNotFound(f"There is no event {event} in this tenant.", event=str(event))
        return _event(context().tenant, row)

    @operation(effect="read", scope="events:read", mode="none", example={"kind": "tenants."})
    async def kinds(self, *, kind: KindFilter = None) -> Sequence[EventKind]:
        """The kinds of event there are, with the schema of each."""
        return [
            EventKind(
                kind=name,
                version=payload.version,
                summary=(payload.__doc__ or "").strip().partition("\n")[0],
                payload=payload.model_json_schema(),
            )
            for name, payload in sorted(EVENT_KINDS.items())
            if name.startswith(kind or "")
        ]

    @operation(effect="read", scope="events:read", audience="operator", mode="single", example={})
    async def handlers(self) -> Sequence[HandlerState]:
        """The handlers of events: how far behind each is, and what of this tenant it has parked."""
        return await _handlers()

    @operation(effect="read", scope="events:read", audience="operator", mode="single", example={"limit": 10})
    async def dead_letters(
        self,
        *,
        handler: Annotated[HandlerName | None, Field(description="Only of this handler.")] = None,
        parked: Annotated[bool, Field(description="Also those that will be tried again or wait in line.")] = False,
        limit: PageSize = 50,
        cursor: Cursor = None,
    ) -> Page[ParkedEvent]:
        """Events that handlers have given up, in the order of the log."""
        query = ["events.dead_letters", context().tenant, handler, parked]
        place = decode_cursor(query, cursor, parts=(int, int, UUID, str)) or [*rules.BEGINNING, ""]
        rows = await sql.parked(
            only_dead=not parked,
            handler=handler,
            incarnation=place[0],
            txid=place[1],
            id=place[2],
            after_handler=place[3],
            size=limit + 1,
        )
        last = rows[limit - 1] if len(rows) > limit else None
        return Page(
            items=[ParkedEvent(**row.model_dump(exclude={"incarnation", "txid"})) for row in rows[:limit]],
            next=encode_cursor(query, [last.incarnation, last.txid, last.event, last.handler]) if last else None,
        )

    @operation(
        effect="write", scope="events:write", audience="operator", example={"handler": "reputation.on_task_completed"}
    )
    async def redrive(
        self,
        *,
        handler: HandlerName,
        event: Annotated[UUID | None, Field(description="The event; none: every one that the handler gave up.")] = None,
    ) -> HandlerState:
        """Let a handler try again what it failed on, in the order of each subject."""
        await self._state(handler)
        count = await sql.redrive(handler=handler, event=event)
        if event is not None and not count:
            raise ParkedEventNotFound(handler=handler, event=str(event))
        if count:
            context().record(EventsRedriven(handler=handler, count=count), subject=event)
        return await self._state(handler)

    @operation(
        effect="destroy",
        scope="events:write",
        audience="operator",
        example={"handler": "reputation.on_task_completed", "event": "018f0000-0000-7000-8000-000000000000"},
    )
    async def discard(self, *, handler: HandlerName, event: EventId) -> HandlerState:
        """Give an event up for one handler for good; what waits behind it goes on."""
        await self._state(handler)
        if not await sql.discard(handler=handler, event=event):
            raise ParkedEventNotFound(handler=handler, event=str(event))
        context().record(EventDiscarded(handler=handler), subject=event)
        return await self._state(handler)

    @discard.plan
    async def _plan_discard(self, *, handler: str, event: UUID) -> Plan:
        await self._state(handler)
        return Plan(
            summary=f"{handler} would never handle event {event}; the event itself stays in the log.",
            counts={"parked_events": 1},
        )

    async def _state(self, handler: str) -> HandlerState:
        states = {state.handler: state for state in await _handlers()}
        if handler not in states:
            raise HandlerNotFound(
                f"There is no event handler {handler!r}.{near_match(handler, states)}", handler=handler
            )
        return states[handler]


async def _handlers() -> list[HandlerState]:
    """How busy other tenants are is told to who runs the platform only."""
    return await sql.handlers(everywhere=context().principal.may(_PLATFORM))


def _place(tenant: UUID, cursor: str | None) -> rules.Place | None:
    parts = decode_cursor(rules.cursor_query(tenant), cursor, parts=(int, int, UUID))
    return None if parts is None else rules.Place(*parts)


def _event(tenant: UUID, row: LogRow) -> Event:
    return row.event(encode_cursor(rules.cursor_query(tenant), [row.incarnation, row.txid, row.id]))
