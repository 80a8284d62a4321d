"""What goes in and out of tenants."""

import re
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from ...kernel.events import EventPayload

TenantStatus = Literal["active", "suspended", "erasing"]
TenantLevel = Literal["strict", "shared", "federated"]


def _no_id(slug: str) -> str:
    if re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", slug):
        raise ValueError("a slug must not look like an id")
    return slug


Slug = Annotated[
    str,
    AfterValidator(_no_id),
    Field(
        pattern=r"^[a-z0-9][a-z0-9-]{0,62}$",
        description="Short name: lower-case letters, digits and hyphens, at most 63.",
        examples=["acme"],
    ),
]
TenantReference = Annotated[
    str, Field(min_length=1, max_length=63, description="Slug or id of a tenant.", examples=["acme"])
]


class Tenant(BaseModel):
    """A society, apart from all others."""

    model_config = ConfigDict(frozen=True)

    id: UUID = Field(description="Id.")
    slug: str = Field(description="Short name, unique everywhere.")
    project: str = Field(description="Groups tenants.")
    name: str = Field(description="Name for people, unique in its project.")
    status: TenantStatus = Field(description="active; suspended: its keys are refused; erasing: it goes for good.")
    status_reason: str | None = Field(None, description="Why it was suspended.")
    isolation_level: TenantLevel = Field(description="How far it opens itself: strict, shared or federated.")
    version: int = Field(description="Rises with each change.")
    created_at: datetime = Field(description="When it was made.")
    updated_at: datetime = Field(description="When it last changed.")


class GuardState(BaseModel):
    """One guard of the isolation, as it stands."""

    model_config = ConfigDict(frozen=True)

    name: str = Field(description="Its name.")
    places: str = Field(description="Its numbers on the isolation checklist; empty where it has none.")
    asks: str = Field(description="What has to hold.")
    against: str = Field(description="What it keeps out.")
    stands: bool = Field(description="Nothing was found.")
    faults: list[str] = Field(description="What was found; the first 100.")
    fault_count: int = Field(ge=0, description="How many faults there are in all.")


class IsolationCheck(BaseModel):
    """The self-check by which a process decides whether it may serve, made now."""

    model_config = ConfigDict(frozen=True)

    serves: bool = Field(description="Whether a process that starts now would serve.")
    refusal: str | None = Field(None, description="Why it would not.")
    guards: list[GuardState] = Field(description="The guards, in the order of the checklist; none on another schema.")
    pending_migrations: int = Field(ge=0, description="Migrations that this version knows and the database lacks.")
    server_version: str = Field(description="Version of PostgreSQL.")
    safe_from: str | None = Field(
        None, description="The first minor of this major without known holes in row security; none: none is known."
    )
    server_is_safe: bool = Field(description="Whether the server is at that minor or above.")
    role: str = Field(description="Whom the service is connected as.")
    took_ms: float = Field(ge=0, description="How long it took, in milliseconds.")


class TenantCreated(EventPayload, kind="tenants.created"):
    """A tenant was made."""

    slug: str = Field(description="Its slug.")
    name: str = Field(description="Its name.")


class TenantStatusChanged(EventPayload, kind="tenants.status_changed", changes_access=True):
    """A tenant was suspended or resumed."""

    slug: str = Field(description="Its slug.")
    status: TenantStatus = Field(description="Its status from now on.")
