"""What the audit gives out."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from ...kernel.context import ActorKind

__all__ = ["AuditEntry", "AuditRow", "Change"]


class Change(BaseModel):
    """One field, before and after a write; a secret is `[redacted]`, and a very long value its length and SHA-256."""

    model_config = ConfigDict(frozen=True)

    field: str = Field(description="The field.")
    before: Any = Field(None, description="Its value before; null where there was none.")
    after: Any = Field(None, description="Its value after; null where there is none.")


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True)

    id: UUID = Field(description="Id of the event.")
    occurred_at: datetime = Field(description="When, by the database's clock.")
    kind: str = Field(description="What happened.")
    operation: str = Field(description="The operation that did it.")
    subject: UUID | None = Field(None, description="What it happened to.")
    actor: UUID = Field(description="Who did it.")
    actor_kind: ActorKind = Field(description="operator, agent, service or system.")
    actor_name: str = Field(description="Name of the actor at that time.")
    real_actor: UUID | None = Field(None, description="The operator behind a view as an agent.")
    request: UUID | None = Field(None, description="Request id of the call.")
    reason: str | None = Field(None, description="Why, where the caller said so.")
    payload: dict[str, Any] = Field(description="What the event says.")


class AuditRow(_Entry):
    """A row of the log, as the statement gives it."""

    changes: dict[str, list[Any]] | None


class AuditEntry(_Entry):
    """One write: who, what, and what it changed."""

    changes: list[Change] = Field(description="What it changed; empty where the event says it all.")
