"""What operations on many agents take and answer: heartbeats, choices, imports, histories, cards."""

from datetime import datetime
from decimal import Decimal
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from ...kernel.texts import AgentReference, Moment, Share
from .models import AgentStatus, AgentSummary, Count, ReportedStatus

HeartbeatOutcome = Literal["accepted", "stale"]
CatalogueFormat = Literal["mcp", "a2a", "jsonl", "csv"]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)


class Heartbeat(BaseModel):
    """A sign of life; what is not given stays as it was."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    agent: AgentReference
    status: ReportedStatus | None = Field(
        None, description="How it is; maintenance and suspension stay until `agents.set_status` ends them."
    )
    active_tasks: Count | None = Field(None, description="Tasks that it works on.")
    queued_tasks: Count | None = Field(None, description="Tasks that wait for it.")
    utilisation: Share | None = Field(None, description="Share of its capacity in use, 0 to 1.")
    at: Moment | None = Field(None, description="When it was so; default: now. At most five minutes in the future.")


class HeartbeatResult(_Frozen):
    """What became of one heartbeat."""

    position: int = Field(ge=0, description="Its position in the call, from 0.")
    agent: UUID = Field(description="Id of the agent.")
    outcome: HeartbeatOutcome = Field(
        description="accepted, or stale: older than what is known, so it changed nothing."
    )
    status: AgentStatus = Field(description="The agent's status now.")


class HeartbeatReport(_Frozen):
    """What became of a batch of heartbeats."""

    accepted: int = Field(ge=0, description="How many were taken.")
    stale: int = Field(ge=0, description="How many were older than what is known.")
    results: list[HeartbeatResult] = Field(description="One for each heartbeat, in the order of the call.")


class ScorePart(_Frozen):
    """One reason of a choice."""

    name: Literal["fit", "load", "success", "trust", "status"] = Field(description="What was looked at.")
    value: Decimal = Field(description="How good it is, 0 to 1.")
    weight: Decimal = Field(description="Its share in the score; all weights make 1.")
    reason: str = Field(description="In words.")


class MatchedCapability(_Frozen):
    """The capability for which an agent was chosen."""

    id: UUID = Field(description="Id.")
    name: str = Field(description="Name.")
    confidence: Decimal = Field(description="How sure it is that the agent can, 0 to 1.")
    validation_status: str = Field(description="validated or unvalidated.")
    relevance: Decimal = Field(description="How well it answers what was asked for: 1 is its very name.")


class Choice(_Frozen):
    """An agent that can take work now, and why it stands where it stands."""

    agent: AgentSummary = Field(description="The agent.")
    score: Decimal = Field(description="Weighted sum of the parts, 0 to 1; the list is in its order.")
    capability: MatchedCapability | None = Field(None, description="What it can do of what was asked for.")
    parts: list[ScorePart] = Field(description="How the score came about.")


class Choices(_Frozen):
    """The agents to give work to, best first."""

    choices: list[Choice] = Field(description="Best first.")
    considered: int = Field(ge=0, description="Agents that were compared.")
    bounded: bool = Field(description="There may be others: the comparison stopped at its bound.")


class ImportProblem(_Frozen):
    """A record that cannot be imported."""

    file: str = Field(description="Name of the file, as the caller gave it.")
    record: int = Field(ge=0, description="Number of the record in it, from 1.")
    line: int | None = Field(None, description="Line on which it begins.")
    field: str = Field(description='Path of the field; "" for the record as a whole.')
    reason: str = Field(description="What is wrong with it.")


class ImportReport(_Frozen):
    """What an import did, or with `dry_run` would do."""

    preview: bool = Field(description="Nothing was changed.")
    format: str | None = Field(None, description="Format of the catalogue.")
    records: int = Field(ge=0, description="Records read.")
    created: int = Field(ge=0, description="Agents registered.")
    updated: int = Field(ge=0, description="Agents whose record in the catalogue changed.")
    unchanged: int = Field(ge=0, description="Agents of whom the catalogue says what it said before.")
    skipped: int = Field(ge=0, description="Records passed over: bad ones, and those their registry took back.")
    capabilities: int = Field(ge=0, description="Capabilities written with them.")
    problems: list[ImportProblem] = Field(description="The bad records, at most 1,000 of them.")
    problems_total: int = Field(ge=0, description="How many bad records there are.")


class StatusChange(_Frozen):
    """A change of an agent's status."""

    id: UUID = Field(description="Id of the event.")
    changed_at: datetime = Field(description="When.")
    old_status: AgentStatus = Field(description="Status before.")
    new_status: AgentStatus = Field(description="Status after.")
    reason: str | None = Field(None, description="Why, where somebody said so.")
    actor: UUID = Field(description="Who changed it.")
    actor_name: str = Field(description="Name of who changed it.")
    operation: str = Field(description="The operation that did it.")


class ExportedCard(_Frozen):
    """An agent's card."""

    agent_id: str = Field(description="The agent's own key.")
    media_type: str = Field(description="What the content is.")
    content: str = Field(description="The card; encoded as UTF-8 it is byte for byte what came in, if it came in.")
    sha256: str = Field(description="SHA-256 of those bytes, hexadecimal.")
    original: bool = Field(description="It came in as a card; otherwise it was made from the agent's fields.")
