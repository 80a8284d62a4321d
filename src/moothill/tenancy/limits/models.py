"""What goes in and out of limits."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from ...kernel.events import EventPayload

__all__ = ["Limit", "LimitChanged", "LimitName", "LimitRow", "Unit"]

LimitName = Annotated[
    str,
    Field(
        pattern=r"^(agents|capabilities|keys|events|calls(:[a-z][a-z_]{0,30})?)$",
        description="agents, capabilities or keys (stored at once), events (a day), calls (a minute), or "
        "`calls:agents` (a minute, of that group of scopes).",
        examples=["agents", "calls:search"],
    ),
]
Unit = Literal["stored", "a day", "a minute"]


class LimitRow(BaseModel):
    """A limit as it is stored, with what is used of it where a counter tells."""

    name: str
    amount: int
    used: int | None
    set_by: UUID
    set_at: datetime


class Limit(BaseModel):
    """A limit of this tenant, and its use."""

    model_config = ConfigDict(frozen=True)

    name: str = Field(description="What is limited.")
    unit: Unit = Field(description="stored: at once; a day: since midnight UTC; a minute: of calls.")
    amount: int = Field(description="The most.")
    used: int = Field(description="How much is used; of calls, to within a second or two.")
    remaining: int = Field(description="How much is left.")
    set_by: UUID = Field(description="Who set it.")
    set_at: datetime = Field(description="When.")


class LimitChanged(EventPayload, kind="limits.changed", changes_access=True):
    """The platform's operator changed a limit of the tenant."""

    name: str = Field(description="What is limited.")
    amount: int | None = Field(None, description="The most from now on; none: no limit any more.")
