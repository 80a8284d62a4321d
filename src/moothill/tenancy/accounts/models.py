"""What goes in and out of service accounts."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from ...kernel.events import EventPayload
from ...kernel.scopes import Scope
from ...kernel.texts import Line, Prose

__all__ = [
    "AccountChanges",
    "AccountDeactivated",
    "AccountName",
    "AccountReference",
    "AccountRegistered",
    "AccountUpdated",
    "Ceiling",
    "Description",
    "ServiceAccount",
]

AccountReference = Annotated[
    str, Field(min_length=1, max_length=255, description="Name of a service account, or its id.")
]
AccountName = Annotated[Line, Field(description="Name shown in the log; unique among those in use.")]
Description = Annotated[Prose, Field(max_length=2000, description="What it does, for people.")]
Ceiling = Annotated[
    list[Scope],
    Field(min_length=1, max_length=64, description="The most that any of its keys may do: `agents:read`, `agents:*`."),
]


class ServiceAccount(BaseModel):
    """A program that acts in this tenant: neither an operator nor an agent."""

    model_config = ConfigDict(frozen=True)

    id: UUID = Field(description="Id; the actor of what is done with its keys.")
    name: str = Field(description="Name shown in the log.")
    description: str = Field("", description="What it does.")
    scopes: list[str] = Field(description="The most that any of its keys may do.")
    made_by: UUID = Field(description="Who registered it.")
    made_by_name: str = Field(description="Name of that actor at that time.")
    created_at: datetime = Field(description="When it was registered.")
    updated_at: datetime = Field(description="When it last changed.")
    deactivated_at: datetime | None = Field(None, description="When it was deactivated, with all its keys.")
    version: int = Field(description="Rises with each change.")


class AccountChanges(BaseModel):
    """What to change of a service account; what is not given stays."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: AccountName | None = None
    description: Description | None = None
    scopes: Ceiling | None = None


class AccountRegistered(EventPayload, kind="accounts.registered"):
    """A service account was registered."""

    name: str = Field(description="Its name.")
    scopes: list[str] = Field(description="The most that its keys may do.")


class AccountUpdated(EventPayload, kind="accounts.updated", changes_access=True):
    """A service account was changed; its keys may do more or less from now on."""

    name: str = Field(description="Its name.")
    scopes: list[str] = Field(description="The most that its keys may do.")


class AccountDeactivated(EventPayload, kind="accounts.deactivated", changes_access=True):
    """A service account was deactivated, and its keys were revoked."""

    name: str = Field(description="Its name.")
    keys: int = Field(description="How many live keys it had.")
