"""What goes in and out of agents. Shares are exact decimals from 0 to 1; times carry their zone."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from ...kernel.texts import JsonObject, Label, Line, LineOrNothing, LongName, Moment, Prose, Share

AgentType = Literal["team-leader", "worker", "collaborator", "coordinator", "monitor", "specialist"]
AgentStatus = Literal["active", "idle", "busy", "offline", "maintenance", "suspended"]
# What an agent may say of itself in a heartbeat; maintenance and suspension are said by somebody.
ReportedStatus = Literal["active", "idle", "busy", "offline"]
Tier = Literal["bronze", "silver", "gold", "platinum", "diamond"]
AgentOrder = Literal["name", "registered", "last_active"]

_LARGEST = 2_147_483_647
_LARGEST_COUNT = 2**53 - 1

Labels = Annotated[list[Label], Field(max_length=100)]
WebAddress = Annotated[
    str, Field(max_length=2048, pattern=r"^https?://[^\s/?#<>\x22\\]+[^\s<>\x22\\]*$", examples=["https://a.example"])
]
Count = Annotated[int, Field(ge=0, le=_LARGEST)]
BigCount = Annotated[int, Field(ge=0, le=_LARGEST_COUNT)]
Proficiency = Annotated[int, Field(ge=0, le=10)]
SkillName = Annotated[Label, Field(description="Name of a skill; compared without case and extra spaces.")]
StatusReason = Annotated[Prose | None, Field(max_length=2000, description="Why; kept with the status and its event.")]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)


class _Input(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class AgentSummary(_Frozen):
    """An agent in a list."""

    id: UUID = Field(description="Id; rises with registration.")
    agent_id: str = Field(description="The caller's own key.")
    name: str = Field(description="Name for people.")
    description: str = Field(description="What it is, in prose.")
    type: AgentType = Field(description="Its part in the society.")
    status: AgentStatus = Field(description="How it is now.")
    status_reason: str | None = Field(None, description="Why it is in that status.")
    model_family: str = Field(description="Family of the model behind it.")
    model_version: str = Field(description="Version of it or of its model.")
    specialisations: list[str] = Field(description="What it specialises in.")
    tags: list[str] = Field(description="Labels.")
    provider: str = Field(description="Who runs or publishes it.")
    url: str | None = Field(None, description="Where it answers, or where to read about it.")
    active_tasks: int = Field(description="Tasks that it works on, by its last heartbeat.")
    queued_tasks: int = Field(description="Tasks that wait for it, by its last heartbeat.")
    utilisation: Decimal = Field(description="Share of its capacity in use, 0 to 1, by its last heartbeat.")
    tasks_attempted: int = Field(description="Tasks that it began.")
    tasks_completed: int = Field(description="Tasks that it completed.")
    tasks_failed: int = Field(description="Tasks that failed in its hands.")
    success_rate: Decimal = Field(description="Completed among ended tasks, 0 to 1; 1 before the first.")
    average_quality: Decimal = Field(description="Mean quality of its rated tasks, 0 to 1; 0.5 before the first.")
    average_task_time_ms: int = Field(description="Mean time of a completed task, milliseconds.")
    total_points: int = Field(description="Points, as the ledger has them.")
    tier: Tier = Field(description="Tier that the points gave.")
    rating: float = Field(description="Rating from battles; 1500 at first.")
    trust: Decimal = Field(description="Trust of the society, 0 to 1; 0.5 at first.")
    consecutive_active_days: int = Field(description="Length of the current streak, days.")
    total_active_days: int = Field(description="Days on which it was active.")
    last_active_at: datetime = Field(description="When it was last seen at work.")
    last_heartbeat_at: datetime | None = Field(None, description="Moment of its newest heartbeat.")
    registered_at: datetime = Field(description="When it was registered.")
    updated_at: datetime = Field(description="When its record or status last changed.")
    deactivated_at: datetime | None = Field(None, description="When it was deactivated.")
    version: int = Field(description="Rises with each change of its record; `agents.update` wants the current one.")
    source_format: str | None = Field(None, description="Format of the catalogue that it came from.")


class Agent(AgentSummary):
    """An agent."""

    config: JsonObject = Field(description="Its configuration, as its owner keeps it.")
    metadata: JsonObject = Field(description="What else its source said.")


class ActiveAgent(_Frozen):
    """An agent that is neither deactivated nor suspended: a row of the view `v_active_agents`."""

    id: UUID = Field(description="Id.")
    agent_id: str = Field(description="The caller's own key.")
    name: str = Field(description="Name for people.")
    type: AgentType = Field(description="Its part in the society.")
    status: AgentStatus = Field(description="How it is now.")
    model_family: str = Field(description="Family of the model behind it.")
    specialisations: list[str] = Field(description="What it specialises in.")
    active_tasks: int = Field(description="Tasks that it works on.")
    queued_tasks: int = Field(description="Tasks that wait for it.")
    utilisation: Decimal = Field(description="Share of its capacity in use, 0 to 1.")
    success_rate: Decimal = Field(description="Completed among ended tasks, 0 to 1.")
    average_quality: Decimal = Field(description="Mean quality of its rated tasks, 0 to 1.")
    total_points: int = Field(description="Points.")
    tier: Tier = Field(description="Tier.")
    rating: float = Field(description="Rating from battles.")
    trust: Decimal = Field(description="Trust of the society, 0 to 1.")
    last_active_at: datetime = Field(description="When it was last seen at work.")
    last_heartbeat_at: datetime | None = Field(None, description="Moment of its newest heartbeat.")


class NewSkill(_Input):
    """A skill to give to an agent."""

    name: SkillName
    proficiency: Proficiency = Field(0, description="0 to 10; 8 and above is expert.")
    experience_points: BigCount = Field(0, description="Experience points.")
    last_practised_at: Moment | None = Field(None, description="Last practice.")


class Skill(_Frozen):
    """A skill of an agent."""

    name: str = Field(description="Name of the skill.")
    proficiency: int = Field(description="0 to 10; 8 and above is expert.")
    experience_points: int = Field(description="Gathered by practice.")
    last_practised_at: datetime | None = Field(None, description="Last practice.")
    updated_at: datetime = Field(description="When it last changed.")


class AgentRecord(_Input):
    """What another system already knows of an agent; taken over as it is, from operators only."""

    tasks_attempted: BigCount = Field(0, description="Tasks that it began; at least those that ended.")
    tasks_completed: BigCount = Field(0, description="Tasks that it completed.")
    tasks_failed: BigCount = Field(0, description="Tasks that failed in its hands.")
    average_quality: Share | None = Field(None, description="Mean quality of its completed tasks, 0 to 1.")
    average_task_time_ms: BigCount | None = Field(None, description="Mean time of a completed task, milliseconds.")
    total_points: BigCount = Field(0, description="Points.")
    tier: Tier = Field("bronze", description="Tier.")
    rating: float = Field(1500, ge=0, le=100_000, description="Rating from battles.")
    trust: Share = Field(Decimal("0.5"), description="Trust, 0 to 1.")
    consecutive_active_days: Count = Field(0, description="Length of the current streak, days.")
    total_active_days: Count = Field(0, description="Days on which it was active.")
    registered_at: Moment | None = Field(None, description="When it was first registered.")
    last_active_at: Moment | None = Field(None, description="When it was last seen at work.")


class AgentDetails(_Input):
    """What is seldom said of a new agent."""

    status: AgentStatus = Field("idle", description="How it is at first.")
    model_version: LineOrNothing = Field("", description="Version of it or of its model.")
    specialisations: Labels = Field(default_factory=list, description="What it specialises in.")
    skills: Annotated[list[NewSkill], Field(max_length=500)] = Field(default_factory=list, description="Its skills.")
    provider: LineOrNothing = Field("", description="Who runs or publishes it.")
    url: WebAddress | None = Field(None, description="Where it answers: an http or https address.")
    config: JsonObject = Field(default_factory=dict, description="Its configuration, at most 64 KiB of JSON.")
    metadata: JsonObject = Field(default_factory=dict, description="Anything else, at most 64 KiB of JSON.")
    record: AgentRecord | None = Field(None, description="What another system already knows of it.")


class AgentPatch(_Input):
    """Changes to an agent; what is not given stays. `url` may be set to null."""

    name: Line | None = Field(None, description="Name for people.")
    description: Prose | None = Field(None, description="What it is, in prose.")
    type: AgentType | None = Field(None, description="Its part in the society.")
    model_family: Annotated[Line, Field(max_length=50)] | None = Field(None, description="Family of the model.")
    model_version: LineOrNothing | None = Field(None, description="Version.")
    specialisations: Labels | None = Field(None, description="What it specialises in, all of it.")
    tags: Labels | None = Field(None, description="Labels, all of them.")
    provider: LineOrNothing | None = Field(None, description="Who runs or publishes it.")
    url: WebAddress | None = Field(None, description="Where it answers; null: nowhere.")
    config: JsonObject | None = Field(None, description="Its configuration, whole.")
    metadata: JsonObject | None = Field(None, description="Anything else, whole.")


class AgentFilter(_Input):
    """Which agents; all that is given must hold."""

    type: AgentType | None = Field(None, description="Only of this type.")
    status: AgentStatus | None = Field(None, description="Only in this status.")
    tag: Label | None = Field(None, description="Only with this tag.")
    specialisation: Label | None = Field(None, description="Only with this specialisation.")
    capability: LongName | None = Field(None, description="Only with a capability of this name or alias.")
    model_family: Line | None = Field(None, description="Only of this family of models.")
    name_prefix: Line | None = Field(None, description="Only with a name that begins so, in any case.")
    tier: Tier | None = Field(None, description="Only of this tier.")
    inactive_for: Annotated[timedelta, Field(gt=timedelta(0), le=timedelta(days=36_500))] | None = Field(
        None, description="Only those not seen at work for this long."
    )
    include_deactivated: bool = Field(False, description="Also those that were deactivated.")


class StatusCount(_Frozen):
    """How many agents of a type are in a status."""

    status: AgentStatus = Field(description="The status.")
    type: AgentType = Field(description="The type.")
    agents: int = Field(ge=0, description="How many.")


class AgentStatistics(_Frozen):
    """How many agents there are, for navigation."""

    counts: list[StatusCount] = Field(description="By status and type; what does not occur is left out.")
    total: int = Field(ge=0, description="Agents counted.")
    capped: bool = Field(description="There are more; counting stopped at 100,000.")
