"""What goes in and out of encryption, and its events."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from ...kernel.events import EventPayload

__all__ = [
    "EncryptionCompleted",
    "EncryptionDisabled",
    "EncryptionEnabled",
    "EncryptionRotated",
    "EncryptionStatus",
    "FieldStatus",
    "KeyRow",
    "KeysRewrapped",
    "KeysShredded",
    "Rewrapping",
    "StaleKey",
]

Goal = Literal["enable", "rotate", "disable"]


class KeyRow(BaseModel):
    """A data key of the tenant, without the key."""

    model_config = ConfigDict(frozen=True)

    number: int = Field(description="Rises; named in each value that it sealed.")
    state: Literal["active", "retired", "shredded"] = Field(
        description="active: it seals what is written; retired: it still opens; shredded: it is destroyed."
    )
    kek: str = Field(description="Id of the key-encryption key that wraps it.")
    created_at: datetime = Field(description="When it was made.")
    wrapped_at: datetime = Field(description="When it was wrapped by that key-encryption key.")
    retired_at: datetime | None = Field(None, description="When another took its place.")
    shredded_at: datetime | None = Field(None, description="When it was destroyed.")


class FieldStatus(BaseModel):
    """How the values of one field are stored."""

    model_config = ConfigDict(frozen=True)

    field: str = Field(description="table.column.")
    active: int = Field(description="Values that the active key sealed.")
    other: int = Field(description="Values that another key sealed.")
    plain: int = Field(description="Values that are not sealed; empty ones, which tell nothing, left out.")
    is_all: bool = Field(description="Whether all rows were counted; else 5,000 of them.")


class EncryptionStatus(BaseModel):
    """How a tenant's content is encrypted."""

    model_config = ConfigDict(frozen=True)

    enabled: bool = Field(description="Whether what is written is sealed.")
    key: int | None = Field(None, description="Number of the active data key.")
    kek: str | None = Field(None, description="Id of the key-encryption key that wraps it.")
    newest_kek: str | None = Field(None, description="Id of the one in use in this process; null: none, or no answer.")
    keys: list[KeyRow] = Field(description="Data keys, newest first; at most 100.")
    fields: list[FieldStatus] = Field(description="How the values of each encrypted field are stored.")


class StaleKey(BaseModel):
    """A data key that another key-encryption key than the newest wraps."""

    model_config = ConfigDict(frozen=True)

    tenant_id: UUID
    number: int
    wrapped: bytes = Field(repr=False)
    kek: str


class Rewrapping(BaseModel):
    """What a call of `encryption.rewrap` did."""

    model_config = ConfigDict(frozen=True)

    kek: str = Field(description="The key-encryption key in use.")
    rewrapped: int = Field(description="Data keys that are under it now and were not before.")
    failed: int = Field(description="Data keys that could not be unwrapped; the log of the server names them.")
    next: str | None = Field(None, description="Give this as `cursor` to go on; null when there is no more.")


class EncryptionEnabled(EventPayload, kind="encryption.enabled"):
    """What is written is sealed from now on; what was there is being sealed."""

    key: int = Field(description="Number of the data key.")
    kek: str = Field(description="Id of the key-encryption key that wraps it.")


class EncryptionRotated(EventPayload, kind="encryption.rotated"):
    """What is written is sealed by a new data key from now on; what was there is being sealed anew."""

    key: int = Field(description="Number of the new data key.")
    before: int = Field(description="Number of the one before.")
    kek: str = Field(description="Id of the key-encryption key that wraps it.")


class EncryptionDisabled(EventPayload, kind="encryption.disabled"):
    """What is written is not sealed any more; what was sealed is being opened."""

    before: int = Field(description="Number of the data key that was active.")


class EncryptionCompleted(EventPayload, kind="encryption.completed"):
    """Everything that was stored is as the tenant's keys want it."""

    goal: Goal = Field(description="What was asked for.")
    rewritten: int = Field(description="Values that were rewritten.")
    unreadable: int = Field(description="Values that were left, since their key is destroyed or they were changed.")
    destroyed: list[int] = Field(default=[], description="Keys that sealed nothing any more and were destroyed.")


class KeysRewrapped(EventPayload, kind="encryption.rewrapped"):
    """Data keys of tenants were put under the newest key-encryption key."""

    kek: str = Field(description="Its id.")
    keys: int = Field(description="How many.")


class KeysShredded(EventPayload, kind="encryption.shredded"):
    """The tenant's data keys were destroyed: what they sealed is lost for good."""

    keys: list[int] = Field(description="Their numbers.")
