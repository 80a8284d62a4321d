"""What goes in and out of API keys."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ...kernel.context import ActorKind, KeyHolderKind
from ...kernel.events import EventPayload
from ...kernel.scopes import Scope

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
    actor_kind: KeyHolderKind = Field(description="Whose key it is: operator, agent or service.")
    actor_id: UUID = Field(description="Id of that operator, agent or service account.")
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
    actor_kind: ActorKind = Field(description="operator, agent, service or system.")
    actor_id: UUID = Field(description="Id of the actor.")
    actor_name: str = Field(description="Name of the actor.")
    scopes: list[str] = Field(description="What the caller may do.")
    real_actor_name: str | None = Field(None, description="The operator behind a view as an agent.")


class KeyIssued(EventPayload, kind="keys.issued"):
    """A key was issued."""

    name: str = Field(description="What it is for.")
    actor_kind: KeyHolderKind = Field(description="operator, agent or service.")
    scopes: list[str] = Field(description="What it may do.")


class KeyEnded(EventPayload, kind="keys.ended", changes_access=True):
    """A key was revoked, or replaced by a rotation."""

    name: str = Field(description="What it was for.")
    replaced_by: UUID | None = Field(None, description="Its successor, after a rotation.")


class KeysRevoked(EventPayload, kind="keys.revoked_all", changes_access=True):
    """Many keys were revoked at once; `subjects` names them."""

    count: int = Field(description="How many.")
    agent: str | None = Field(None, description="Only those of this agent.")
    account: str | None = Field(None, description="Only those of this service account.")
    made_before: datetime | None = Field(None, description="Only those made before.")


class RevokedKeys(BaseModel):
    """What a revocation of many keys ended."""

    model_config = ConfigDict(frozen=True)

    count: int = Field(description="How many keys were revoked.")
    keys: list[ApiKey] = Field(description="The first hundred of them.")


class DoomedKey(BaseModel):
    """A key that would be revoked; a row of a plan."""

    hint: str
    name: str
    actor_kind: KeyHolderKind
    total: int


class Suspect(BaseModel):
    """What was found somewhere: a whole key, or its beginning."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    secret: str | None = Field(None, min_length=1, max_length=200, repr=False, description="The whole key.")
    begins_with: str | None = Field(
        None,
        pattern=r"^moot_[A-Za-z0-9_-]{6}",
        max_length=200,
        repr=False,
        description="Its first 11 characters or more, where the rest was not kept.",
    )

    @model_validator(mode="after")
    def _check_one(self) -> Self:
        if (self.secret is None) == (self.begins_with is None):
            raise ValueError("give `secret` or `begins_with`, one of them")
        return self


class _Found(BaseModel):
    model_config = ConfigDict(frozen=True)

    id: UUID = Field(description="Id of the key; `keys.revoke` ends it.")
    name: str = Field(description="What it is for.")
    hint: str = Field(description="Its first characters.")
    actor_kind: KeyHolderKind = Field(description="operator, agent or service.")
    actor_name: str = Field(description="Whose it is.")
    tenant_slug: str = Field(description="The tenant that it belongs to.")
    is_live: bool = Field(description="Whether it still works.")


class FoundKey(_Found):
    """A key that was looked up; a row of its statement."""

    digest: bytes

    def is_whole(self, digests: Sequence[bytes]) -> bool:
        """Whether it was found by its whole secret."""
        return bytes(self.digest) in digests


class LeakedKey(_Found):
    """A key that was found somewhere it should not be."""

    by: Literal["secret", "beginning"] = Field(
        description="secret: the whole key was given, so it did leak; beginning: it only begins alike."
    )
