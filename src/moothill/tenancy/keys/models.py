"""What goes in and out of API keys."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from ...kernel.events import EventPayload

Scope = Annotated[str, Field(pattern=r"^(\*|[a-z][a-z_]{0,30}:(\*|[a-z][a-z_]{0,30}))$")]
Scopes = Annotated[
    list[Scope],
    Field(
        min_length=1,
        max_length=64,
        description="What the key may do: `agents:read`, `agents:*`, or `*` for everything in its tenant.",
    ),
]
KeyName = Annotated[str, Field(min_length=1, max_length=255, description="What the key is for.")]


class ApiKey(BaseModel):
    """A key, without its secret."""

    model_config = ConfigDict(frozen=True)

    id: UUID = Field(description="Id.")
    name: str = Field(description="What it is for.")
    hint: str = Field(description="First characters, to recognise it.")
    actor_kind: Literal["operator", "agent"] = Field(description="Whose key it is.")
    actor_id: UUID = Field(description="Id of that agent or operator.")
    actor_name: str = Field(description="Name shown in the log.")
    scopes: list[str] = Field(description="What it may do.")
    created_at: datetime = Field(description="When it was issued.")
    expires_at: datetime | None = Field(None, description="It is refused from then on.")
    revoked_at: datetime | None = Field(None, description="When it was revoked.")
    replaced_by: UUID | None = Field(None, description="The key that a rotation issued in its place.")
    last_used_at: datetime | None = Field(None, description="Last use, to the minute.")


class IssuedKey(BaseModel):
    """A new key with its secret, which is shown this once and stored only as a digest."""

    model_config = ConfigDict(frozen=True)

    key: ApiKey = Field(description="The key.")
    secret: str = Field(description="Keep it; it cannot be shown again.", json_schema_extra={"secret": True})


class Identity(BaseModel):
    """Who the caller is."""

    model_config = ConfigDict(frozen=True)

    tenant: UUID = Field(description="Id of the tenant.")
    tenant_slug: str = Field(description="Slug of the tenant.")
    actor_kind: str = Field(description="operator, agent or system.")
    actor_id: UUID = Field(description="Id of the actor.")
    actor_name: str = Field(description="Name of the actor.")
    scopes: list[str] = Field(description="What the caller may do.")
    real_actor_name: str | None = Field(None, description="The operator behind a view as an agent.")


class KeyIssued(EventPayload, kind="keys.issued"):
    """A key was issued."""

    name: str = Field(description="What it is for.")
    actor_kind: str = Field(description="operator or agent.")
    scopes: list[str] = Field(description="What it may do.")


class KeyEnded(EventPayload, kind="keys.ended", changes_access=True):
    """A key was revoked, or replaced by a rotation."""

    name: str = Field(description="What it was for.")
    replaced_by: UUID | None = Field(None, description="Its successor, after a rotation.")
