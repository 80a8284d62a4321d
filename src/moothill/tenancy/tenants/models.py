"""What goes in and out of tenants."""

import re
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from ...kernel.events import EventPayload

TenantStatus = Literal["active", "suspended", "erasing"]


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
    version: int = Field(description="Rises with each change.")
    created_at: datetime = Field(description="When it was made.")
    updated_at: datetime = Field(description="When it last changed.")


class TenantCreated(EventPayload, kind="tenants.created"):
    """A tenant was made."""

    slug: str = Field(description="Its slug.")
    name: str = Field(description="Its name.")


class TenantStatusChanged(EventPayload, kind="tenants.status_changed", changes_access=True):
    """A tenant was suspended or resumed."""

    slug: str = Field(description="Its slug.")
    status: TenantStatus = Field(description="Its status from now on.")
