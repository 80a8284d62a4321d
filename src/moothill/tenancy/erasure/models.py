"""What goes in and out of erasure."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from ...kernel.events import EventPayload

ErasureReason = Annotated[str, Field(min_length=1, max_length=1000, description="Why; it stands in the report.")]
ReportNumber = Annotated[int, Field(ge=1, le=2**62, description="Number of a report.")]


class Signature(BaseModel):
    """Who vouches for a report."""

    model_config = ConfigDict(frozen=True)

    algorithm: Literal["Ed25519"] = Field("Ed25519", description="The algorithm.")
    public_key: str = Field(description="The public key, base64.")
    value: str = Field(description="The signature over the canonical JSON (RFC 8785) of `report`, base64.")


class SignedReport(BaseModel):
    """A report of what was erased, as it was signed."""

    model_config = ConfigDict(frozen=True)

    report: dict[str, Any] = Field(description="What went, when, by whom, why, and the digest of the report before it.")
    signature: Signature = Field(description="The signature.")


class ReportSummary(BaseModel):
    """A report in a list."""

    model_config = ConfigDict(frozen=True)

    number: int = Field(description="Its number, from 1, without gaps.")
    kind: Literal["agent", "tenant"] = Field(description="What was erased.")
    digest: str = Field(description="SHA-256 of the report with its signature; the next report names it.")
    signed_at: datetime = Field(description="When it was signed.")


class ReportRow(ReportSummary):
    """A report as it is stored."""

    document: str


class PublicKey(BaseModel):
    """The key that reports of this server are verified with."""

    model_config = ConfigDict(frozen=True)

    algorithm: Literal["Ed25519"] = Field("Ed25519", description="The algorithm.")
    public_key: str = Field(description="The public key, base64: keep it where this server cannot reach it.")


class UnderWay(BaseModel):
    """An erasure that is under way, and the last report before it."""

    id: UUID
    owner: UUID
    agent: UUID | None
    agent_key: str | None
    things: list[UUID]
    counts: Mapping[str, int]
    kept: Mapping[str, int]
    asked_by: str
    reason: str
    began_at: datetime
    moment: datetime
    last_number: int | None
    last_digest: str | None
    seals: bool = False


class LogPart(BaseModel):
    """How far an erasure came in the log."""

    place: int | None
    id: UUID | None
    seen: int
    gone: int


class TableCount(BaseModel):
    """Rows of one table."""

    relation: str
    rows: int


class StandingHold(BaseModel):
    """A hold that stands in the way."""

    id: UUID
    agent: UUID | None
    reason: str
    placed_by_name: str


class Target(BaseModel):
    """A tenant that is to be erased."""

    id: UUID
    slug: str


class EventErased(EventPayload, kind="retention.erased"):
    """What is left of an event that was erased: its place in the log."""


class AgentErased(EventPayload, kind="erasure.agent_erased", beyond_quota=True):
    """An agent was erased; the report tells what went."""

    report: int = Field(description="Number of the report.")


class TenantErased(EventPayload, kind="erasure.tenant_erased", changes_access=True):
    """A tenant was erased; the report tells what went."""

    report: int = Field(description="Number of the report.")


class ErasureBegun(EventPayload, kind="erasure.begun", changes_access=True):
    """An erasure began."""

    erasure: UUID = Field(description="Its id.")
