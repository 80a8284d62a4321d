"""What goes in and out of capabilities. Confidences and rates are exact decimals from 0 to 1."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from ...kernel.events import EventPayload
from ...kernel.texts import (
    AgentReference,
    Hundredths,
    JsonObject,
    Label,
    LongName,
    Moment,
    Prose,
    Share,
    without_exponent,
)

CapabilityType = Literal["CAPABILITY", "AGENT", "TASK", "VERDICT", "TECHNOLOGY", "CONCEPT", "WAIVER", "GATE"]
ValidationStatus = Literal["validated", "unvalidated", "rejected"]
ExtractionMethod = Literal["manual", "nlp", "llm", "rule-based"]
ChunkType = Literal["task", "benchmark", "research", "training", "description"]
CapabilityOrder = Literal["observed", "confidence"]

CapabilityReference = Annotated[
    str,
    BeforeValidator(lambda value: str(value) if isinstance(value, UUID) else value),
    Field(
        min_length=1,
        max_length=500,
        description="Its id; or its name, together with `agent`.",
        examples=["delegating work to agents"],
    ),
]
OfAgent = Annotated[AgentReference | None, Field(description="Whose it is, when `capability` is a name.")]
Note = Annotated[Prose | None, Field(max_length=2000, description="Why; kept with the event.")]
Confidence = Annotated[
    Decimal, Field(ge=Decimal("0.7"), le=1, max_digits=3, decimal_places=2), BeforeValidator(without_exponent)
]
Names = Annotated[list[LongName], Field(max_length=50)]
Tags = Annotated[list[Label], Field(max_length=100)]
Position = Annotated[int, Field(ge=0, le=2_147_483_647)]
Demonstrations = Annotated[int, Field(ge=0, le=2**53 - 1)]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)


class _Input(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Capability(_Frozen):
    """Something that an agent can do."""

    id: UUID = Field(description="Id.")
    agent: UUID = Field(description="Id of the agent.")
    agent_key: str = Field(description="The agent's own key.")
    agent_name: str = Field(description="The agent's name.")
    type: CapabilityType = Field(description="What kind of thing it names.")
    name: str = Field(description="Name, as it was given.")
    canonical_name: str = Field(description="Name as it is compared; once per agent.")
    description: str = Field(description="What it means, in prose.")
    aliases: list[str] = Field(description="Other names.")
    tags: list[str] = Field(description="Labels.")
    confidence: Decimal = Field(description="How sure it is that the agent can, 0 to 1.")
    extraction_confidence: Decimal = Field(description="How sure the extraction from the source is, 0 to 1.")
    extraction_method: ExtractionMethod = Field(description="How it was extracted.")
    validation_status: ValidationStatus = Field(description="Whether somebody checked it, and found it so.")
    demonstration_count: int = Field(description="Times it was demonstrated.")
    success_rate: Decimal | None = Field(
        None, description="Mean success of its demonstrations, 0 to 1; null before the first."
    )
    metadata: JsonObject = Field(description="What else its source said.")
    first_observed_at: datetime = Field(description="When it was first named or seen.")
    last_demonstrated_at: datetime | None = Field(None, description="Its last demonstration.")
    updated_at: datetime = Field(description="When it last changed.")
    version: int = Field(description="Rises with each change; `capabilities.update` wants the current one.")


class Evidence(_Frozen):
    """The place in a text that shows a capability."""

    id: UUID = Field(description="Id.")
    capability: UUID = Field(description="Id of the capability.")
    chunk_id: UUID = Field(description="Id of the text; for a description, of the agent.")
    chunk_type: ChunkType = Field(description="What the text is.")
    mention: str = Field(description="The words that name it.")
    sentence: str = Field(description="The sentence around them.")
    start_position: int | None = Field(None, description="First character of the mention in the text, from 0.")
    end_position: int | None = Field(None, description="First character after it.")
    method: ExtractionMethod = Field(description="How it was extracted.")
    confidence: Decimal = Field(description="How sure the extraction is, 0 to 1.")
    created_at: datetime = Field(description="When it was recorded.")


class NewEvidence(_Input):
    """The place in a text that shows a capability."""

    chunk_id: UUID = Field(description="Id of the text: of a task, a benchmark, a document.")
    chunk_type: ChunkType = Field(description="What the text is.")
    mention: LongName = Field(description="The words that name it, at most 500 characters.")
    sentence: Prose = Field("", description="The sentence around them.")
    start_position: Position | None = Field(None, description="First character of the mention in the text, from 0.")
    end_position: Position | None = Field(None, description="First character after it.")
    method: ExtractionMethod = Field("manual", description="How it was extracted.")
    confidence: Hundredths = Field(Decimal("1.00"), description="How sure the extraction is, 0 to 1.")

    @model_validator(mode="after")
    def _positions_agree(self) -> "NewEvidence":
        if (self.start_position is None) != (self.end_position is None):
            raise ValueError("give both positions or neither")
        if self.start_position is not None and self.start_position >= (self.end_position or 0):
            raise ValueError("start_position must be before end_position")
        return self


class CapabilityRecord(_Input):
    """What another system already knows of a capability; taken over as it is, from operators only."""

    validation_status: ValidationStatus = Field("unvalidated", description="Whether it was checked there.")
    demonstration_count: Demonstrations = Field(0, description="Times it was demonstrated.")
    success_rate: Share = Field(Decimal(1), description="Mean success of those, 0 to 1.")
    first_observed_at: Moment | None = Field(None, description="When it was first named or seen.")
    last_demonstrated_at: Moment | None = Field(None, description="Its last demonstration.")


class NewCapability(_Input):
    """Something that an agent can do, to be added to it."""

    name: LongName = Field(description="Name; compared without case and extra spaces, and once per agent.")
    type: CapabilityType = Field("CAPABILITY", description="What kind of thing it names.")
    description: Prose = Field("", description="What it means, in prose.")
    aliases: Names = Field(default_factory=list, description="Other names.")
    tags: Tags = Field(default_factory=list, description="Labels.")
    confidence: Confidence = Field(
        Decimal("0.70"), description="How sure it is that the agent can: 0.7, declared only, to 1."
    )
    extraction_confidence: Hundredths = Field(Decimal("1.00"), description="How sure the extraction is, 0 to 1.")
    extraction_method: ExtractionMethod = Field("manual", description="How it was extracted.")
    evidence: Annotated[list[NewEvidence], Field(max_length=50)] = Field(
        default_factory=list, description="Where it is shown."
    )
    metadata: JsonObject = Field(default_factory=dict, description="Anything else, at most 64 KiB of JSON.")
    record: CapabilityRecord | None = Field(None, description="What another system already knows of it.")


class CapabilityPatch(_Input):
    """Changes to a capability; what is not given stays."""

    name: LongName | None = Field(None, description="Name.")
    type: CapabilityType | None = Field(None, description="What kind of thing it names.")
    description: Prose | None = Field(None, description="What it means, in prose.")
    aliases: Names | None = Field(None, description="Other names, all of them.")
    tags: Tags | None = Field(None, description="Labels, all of them.")
    confidence: Hundredths | None = Field(None, description="How sure it is, 0 to 1: it may fall below 0.7.")
    extraction_confidence: Hundredths | None = Field(None, description="How sure the extraction is, 0 to 1.")
    metadata: JsonObject | None = Field(None, description="Anything else, whole.")


class CapabilityFilter(_Input):
    """Which capabilities; all that is given must hold."""

    agent: AgentReference | None = Field(None, description="Only of this agent.")
    name: LongName | None = Field(None, description="Only of this name or alias.")
    type: CapabilityType | None = Field(None, description="Only of this type.")
    tag: Label | None = Field(None, description="Only with this tag.")
    validation_status: ValidationStatus | None = Field(None, description="Only in this status.")
    minimum_confidence: Hundredths | None = Field(None, description="Only with at least this confidence.")


class CapabilitySummary(_Frozen):
    """The capabilities of an agent in numbers: a row of the view `agent_capability_summary`."""

    id: UUID = Field(description="Id of the agent.")
    agent_id: str = Field(description="The agent's own key.")
    name: str = Field(description="The agent's name.")
    capability_count: int = Field(description="Capabilities in all.")
    validated_count: int = Field(description="Those that somebody checked and found so.")
    avg_confidence: Decimal | None = Field(None, description="Mean confidence, 0 to 1.")
    avg_success_rate: Decimal | None = Field(None, description="Mean success rate of those demonstrated, 0 to 1.")
    last_activity: datetime | None = Field(None, description="Last demonstration of any.")


class CapabilitiesAdded(EventPayload, kind="capabilities.added"):
    """An agent gained capabilities; the event's subjects are these."""

    agent_id: str = Field(description="The agent's own key.")
    names: list[str] = Field(description="Names of the capabilities.")


class CapabilityUpdated(EventPayload, kind="capabilities.updated"):
    """A capability changed; as in all that follows, the event's subject is the agent."""

    capability: UUID = Field(description="Id of the capability.")
    name: str = Field(description="Its name.")
    fields: list[str] = Field(description="What was given.")
    record_version: int = Field(description="Its version from now on.")


class CapabilityValidated(EventPayload, kind="capabilities.validated"):
    """Somebody checked a capability and found it so."""

    capability: UUID = Field(description="Id of the capability.")
    name: str = Field(description="Its name.")
    old: ValidationStatus = Field(description="Status before.")
    note: str | None = Field(None, description="Why.")


class CapabilityRejected(EventPayload, kind="capabilities.rejected"):
    """Somebody checked a capability and did not find it so."""

    capability: UUID = Field(description="Id of the capability.")
    name: str = Field(description="Its name.")
    old: ValidationStatus = Field(description="Status before.")
    note: str | None = Field(None, description="Why.")


class CapabilityDemonstrated(EventPayload, kind="capabilities.demonstrated"):
    """A capability was demonstrated."""

    capability: UUID = Field(description="Id of the capability.")
    name: str = Field(description="Its name.")
    success: Decimal = Field(description="How well it went, 0 to 1.")
    evidence: UUID | None = Field(None, description="Id of the evidence recorded with it.")


class CapabilityRemoved(EventPayload, kind="capabilities.removed"):
    """A capability was taken from an agent, with its evidence."""

    capability: UUID = Field(description="Id of the capability.")
    name: str = Field(description="Its name.")
