"""Shared limits of the demo data's fields.

Times are distances from the moment of loading (`..._ago`, `..._in_minutes`), because data files have no
clock. Rates, qualities, confidences and trust are exact decimals 0-1, proficiency is 0-10.
"""

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

__all__ = ["STRICT", "AgentStatus", "Count", "Key", "Path", "Positive", "Proficiency", "Share", "Text"]

STRICT = ConfigDict(extra="forbid")

Key = Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=100)]
Path = Annotated[str, Field(pattern=r"^[a-z0-9-]+/[a-z0-9-]+$", max_length=200)]
Text = Annotated[str, Field(min_length=1, max_length=500, pattern=r"^\S(.*\S)?$")]
Share = Annotated[Decimal, Field(ge=0, le=1, decimal_places=3)]
Count = Annotated[int, Field(ge=0)]
Positive = Annotated[int, Field(ge=1)]
Proficiency = Annotated[int, Field(ge=0, le=10)]
AgentStatus = Literal["active", "idle", "busy", "offline", "maintenance", "suspended"]
