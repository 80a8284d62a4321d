"""Tenants and agents of the demo society, with skills, capabilities and evidence."""

from decimal import Decimal
from typing import Annotated, Literal
from uuid import UUID, uuid5

from pydantic import Field
from pydantic.dataclasses import dataclass

from .fields import STRICT, AgentStatus, Count, Key, Positive, Proficiency, Share, Text

__all__ = ["Agent", "Capability", "Evidence", "Skill", "StatusChange", "Tenant"]

# Chunks are named in the files; their ids follow from the name, so loading twice finds the same ones.
_CHUNKS = UUID("6f1d3a8e-52c7-5d0b-9a4f-0b7c5e21d9aa")


@dataclass(frozen=True, slots=True, kw_only=True, config=STRICT)
class Tenant:
    """A tenant of the demo."""

    slug: Key
    name: Text
    project: Key
    isolation_level: Literal["strict", "shared", "federated"]
    description: Text


@dataclass(frozen=True, slots=True, kw_only=True, config=STRICT)
class Skill:
    """A skill of an agent, with experience points."""

    name: Text
    proficiency: Proficiency
    experience: Count
    last_practised_days_ago: Count


@dataclass(frozen=True, slots=True, kw_only=True, config=STRICT)
class StatusChange:
    """A past change of an agent's status."""

    from_status: AgentStatus
    to_status: AgentStatus
    reason: Text
    minutes_ago: Count


@dataclass(frozen=True, slots=True, kw_only=True, config=STRICT)
class Evidence:
    """The sentence that shows a capability; the mention is `sentence[start:end]`."""

    chunk: Key
    chunk_type: Literal["task", "benchmark", "research", "training"]
    sentence: Text
    mention: Text
    start: Count
    end: Positive
    method: Literal["manual", "nlp", "llm", "rule-based"]
    confidence: Share

    def chunk_id(self, tenant: str) -> UUID:
        """Id of the chunk in a tenant, the same each time."""
        return uuid5(_CHUNKS, f"{tenant}/{self.chunk}")


@dataclass(frozen=True, slots=True, kw_only=True, config=STRICT)
class Capability:
    """What an agent can do, with what proves it."""

    key: Key
    name: Text
    kind: Literal["CAPABILITY", "TECHNOLOGY", "CONCEPT"] = "CAPABILITY"
    aliases: tuple[Text, ...] = ()
    description: Text
    confidence: Annotated[Decimal, Field(ge=Decimal("0.7"), le=1)]
    extraction_confidence: Share
    validation: Literal["validated", "unvalidated", "rejected"]
    demonstrations: Positive
    success_rate: Share
    first_observed_days_ago: Count
    last_demonstrated_days_ago: Count
    evidence: Annotated[tuple[Evidence, ...], Field(min_length=1)]


@dataclass(frozen=True, slots=True, kw_only=True, config=STRICT)
class Agent:
    """An agent with its state, counters, standing, skills and capabilities."""

    tenant: Key
    key: Key
    name: Text
    type: Literal["team-leader", "worker", "collaborator", "coordinator", "monitor", "specialist"]
    status: AgentStatus
    model_family: Key
    description: Text
    specialisations: Annotated[tuple[Text, ...], Field(min_length=1)]
    founding: bool = False
    registered_days_ago: Count
    total_active_days: Count
    consecutive_active_days: Count
    last_active_minutes_ago: Count
    last_heartbeat_seconds_ago: Count
    active_tasks: Count
    queued_tasks: Count
    utilisation: Share
    tasks_attempted: Count
    tasks_completed: Count
    tasks_failed: Count
    average_quality: Share
    average_task_ms: Positive
    tier: Literal["bronze", "silver", "gold", "platinum", "diamond"]
    total_points: Count
    rating: Annotated[int, Field(ge=0, le=4000)]
    trust: Share
    skills: Annotated[tuple[Skill, ...], Field(min_length=1)]
    capabilities: Annotated[tuple[Capability, ...], Field(min_length=3, max_length=6)]
    status_history: tuple[StatusChange, ...] = ()

    @property
    def path(self) -> str:
        """`tenant/key`, unique in the society."""
        return f"{self.tenant}/{self.key}"

    @property
    def success_rate(self) -> Decimal:
        """Completed among ended tasks, to four places; 1 before the first."""
        ended = self.tasks_completed + self.tasks_failed
        return (Decimal(self.tasks_completed) / ended).quantize(Decimal("0.0001")) if ended else Decimal(1)
