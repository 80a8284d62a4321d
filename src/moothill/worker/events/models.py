"""What goes in and out of the log of writes."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from ...kernel.actors import ActorKind
from ...kernel.events import Event, EventPayload

EventId = Annotated[UUID, Field(description="Id of an event.")]
HandlerName = Annotated[
    str, Field(min_length=1, max_length=100, description="Name of an event handler: `group.method`.")
]
KindFilter = Annotated[
    str | None,
    Field(
        min_length=1,
        max_length=100,
        description="Only kinds that begin so: `agents.` for a group, `agents.registered` for one kind.",
    ),
]
SubjectFilter = Annotated[UUID | None, Field(description="Only what happened to this thing, alone or among others.")]
ActorFilter = Annotated[UUID | None, Field(description="Only what this actor did.")]
FeedOrder = Literal["oldest", "newest"]


class EventKind(BaseModel):
    """A kind of event and the schema of what it says."""

    model_config = ConfigDict(frozen=True)

    kind: str = Field(description="Its name, `group.past_tense`.")
    version: int = Field(description="Version of its schema.")
    summary: str = Field(description="When it is recorded, in one line.")
    payload: dict[str, Any] = Field(description="JSON Schema of its payload.")


class HandlerState(BaseModel):
    """How one event handler stands."""

    model_config = ConfigDict(frozen=True)

    handler: str = Field(description="Its name, `group.method`.")
    kinds: list[str] = Field(description="Kinds of event that it handles.")
    lag: float = Field(
        description="Age of the oldest event that waits for it, in seconds; 0 when none does. Of this tenant; of all "
        "for who has `platform:jobs`."
    )
    handled: int | None = Field(
        None, description="Events it has handled, of all tenants; told to `platform:jobs` only."
    )
    moved_at: datetime | None = Field(None, description="When it last handled one, of any tenant; likewise.")
    parked: int = Field(description="Events of this tenant that it failed on, or that wait behind such.")
    dead: int = Field(description="Events of this tenant that it gave up; they wait for an operator.")


class ParkedEvent(BaseModel):
    """An event that a handler failed on, or that waits behind one in the order of its subject."""

    model_config = ConfigDict(frozen=True)

    handler: str = Field(description="The handler.")
    event: UUID = Field(description="Id of the event.")
    kind: str = Field(description="Its kind; empty when retention has taken the event.")
    subject: UUID | None = Field(None, description="The thing it happened to.")
    attempts: int = Field(description="How often the handler tried; 0: it waits behind another.")
    next_attempt_at: datetime | None = Field(None, description="When it is tried next.")
    error: str = Field("", description="What the last try failed with.")
    dead: bool = Field(description="Whether it was given up.")
    parked_at: datetime = Field(description="When it was parked.")


class ParkedRow(ParkedEvent):
    """A parked event with its place in the log."""

    incarnation: int
    txid: int


class LogRow(BaseModel):
    """One row of the log."""

    model_config = ConfigDict(frozen=True)

    id: UUID
    incarnation: int
    txid: int
    kind: str
    version: int
    occurred_at: datetime
    subject: UUID | None
    subjects: list[UUID] | None
    actor: UUID
    actor_kind: ActorKind
    actor_name: str
    real_actor: UUID | None
    operation: str
    request: UUID | None
    reason: str | None
    payload: dict[str, Any]

    def event(self, cursor: str = "") -> Event:
        """It as readers and handlers get it."""
        known = self.model_dump(exclude={"incarnation", "txid", "tenant_id", "subjects"})
        return Event(**known, subjects=self.subjects or [], cursor=cursor)


class RelayRow(LogRow):
    """One row of the log of all tenants."""

    tenant_id: UUID


class EventDeadLettered(EventPayload, kind="events.dead_lettered"):
    """A handler gave an event up; it and those behind it wait for an operator."""

    handler: str = Field(description="The handler.")
    kind_handled: str = Field(description="Kind of the event.")
    attempts: int = Field(description="How often it was tried.")
    error: str = Field(description="What the last try failed with.")


class EventsRedriven(EventPayload, kind="events.redriven"):
    """An operator let a handler try events again that it had failed on."""

    handler: str = Field(description="The handler.")
    count: int = Field(description="How many.")


class EventDiscarded(EventPayload, kind="events.discarded"):
    """An operator gave an event up for a handler that failed on it."""

    handler: str = Field(description="The handler.")
