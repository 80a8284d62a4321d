"""Events: the only log of writes.

A kind of event is a subclass of `EventPayload`; its docstring and fields are its schema. Every
write records what happened with `context().record(...)`, and the executor appends it in the
writer's own transaction.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, ClassVar
from uuid import UUID

import orjson
from pydantic import BaseModel, ConfigDict, Field

from .actors import ActorKind

__all__ = ["EVENT_KINDS", "Event", "EventPayload", "PendingEvent"]

EVENT_KINDS: dict[str, type["EventPayload"]] = {}
_KIND = re.compile(r"[a-z_]+\.[a-z_]+")


class EventPayload(BaseModel):
    """What an event says; subclass with `kind="agents.registered"` and, when it changes, `version`.

    `changes_access=True` marks what a cached answer to "may this key in" must not outlive. `beyond_quota=True` marks
    what is written when the day's quota of events is used up too: what closes a door, what a law or a court asks for,
    and the jobs that do it. So is whatever changes access, unless it says otherwise.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    kind: ClassVar[str] = ""
    version: ClassVar[int] = 1
    changes_access: ClassVar[bool] = False
    beyond_quota: ClassVar[bool] = False

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        kind: str = kwargs.pop("kind")
        version: int = kwargs.pop("version", 1)
        changes_access: bool = kwargs.pop("changes_access", False)
        beyond_quota: bool = kwargs.pop("beyond_quota", changes_access)
        super().__pydantic_init_subclass__(**kwargs)
        if kind in EVENT_KINDS:
            raise TypeError(f"{cls.__qualname__}: the event kind {kind!r} is already {EVENT_KINDS[kind].__qualname__}")
        if not _KIND.fullmatch(kind):
            raise TypeError(f"{cls.__qualname__}: the event kind {kind!r} is not of the form 'agents.registered'")
        for name, field in cls.model_fields.items():
            if not field.description:
                raise TypeError(f"{cls.__qualname__}.{name}: describe it with Field(description=...)")
        cls.kind, cls.version, cls.changes_access = kind, version, changes_access
        cls.beyond_quota = beyond_quota
        EVENT_KINDS[kind] = cls

    def __init_subclass__(
        cls,
        *,
        kind: str,
        version: int = 1,
        changes_access: bool = False,
        beyond_quota: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init_subclass__(**kwargs)


@dataclass(frozen=True, slots=True)
class PendingEvent:
    """An event that is written when its transaction commits."""

    kind: str
    version: int
    subject: UUID | None
    subjects: tuple[UUID, ...]
    operation: str
    reason: str | None
    payload: Mapping[str, Any]
    changes: Mapping[str, Any] | None = None


class Event(BaseModel):
    """One entry of the log of writes."""

    model_config = ConfigDict(frozen=True)

    id: UUID = Field(description="Id; rises with time.")
    kind: str = Field(description="What happened, for example `agents.registered`.")
    version: int = Field(description="Version of the payload's schema.")
    occurred_at: datetime = Field(description="When, by the database's clock.")
    subject: UUID | None = Field(None, description="The thing it happened to.")
    subjects: list[UUID] = Field(default_factory=list, description="The things, when one call touched several.")
    actor: UUID = Field(description="Who did it.")
    actor_kind: ActorKind = Field(description="operator, agent, service or system.")
    actor_name: str = Field("", description="Name of the actor at that time.")
    real_actor: UUID | None = Field(None, description="The operator behind a `view as`.")
    operation: str = Field(description="The operation that wrote it.")
    request: UUID | None = Field(None, description="Request id of the call.")
    reason: str | None = Field(None, description="Why, where the caller said so.")
    payload: Annotated[dict[str, Any], Field(description="What the kind's schema says.")]
    cursor: str = Field("", description="Resume a feed after this event.")


def dumps(value: Any) -> str:
    """JSON text for a jsonb parameter."""
    return orjson.dumps(value, default=str).decode()
