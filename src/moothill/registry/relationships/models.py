"""What goes in and out of relationships. Confidences and strengths are exact decimals from 0 to 1."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal, get_args
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from ...kernel.errors import near_match
from ...kernel.events import EventPayload
from ...kernel.texts import AgentReference, Hundredths, JsonObject, Moment, Prose, Share, without_exponent

TypeName = Literal[
    "COLLABORATES_WITH",
    "SIMILAR_TO",
    "DERIVED_FROM",
    "VALIDATES",
    "DEPENDS_ON",
    "COMPETES_WITH",
    "INFLUENCES",
    "REPLACES",
    "ENHANCES",
]
TYPES: tuple[str, ...] = get_args(TypeName)
MOST_EVIDENCE = 100


def _known(value: Any) -> Any:
    """Refuse an unknown type with the nearest one that exists."""
    if isinstance(value, str) and value not in TYPES:
        hint = near_match(value.strip().upper().replace(" ", "_").replace("-", "_"), TYPES)
        raise ValueError(f"there is no type {value[:60]!r}.{hint or ' The types are ' + ', '.join(TYPES) + '.'}")
    return value


RelationshipType = Annotated[TypeName, BeforeValidator(_known), Field(description="What kind of connection it is.")]
Direction = Literal["out", "in", "both"]
RelationshipOrder = Literal["recorded", "confidence"]

Source = Annotated[AgentReference, Field(description="The agent at which it begins: its own key, or its id.")]
Target = Annotated[AgentReference, Field(description="The agent at which it ends: its own key, or its id.")]
Confidence = Annotated[
    Decimal,
    Field(
        ge=Decimal("0.5"),
        le=1,
        max_digits=3,
        decimal_places=2,
        description="How sure it is that they are connected so: 0.5 to 1. What is less sure is not recorded.",
    ),
    BeforeValidator(without_exponent),
]
Strength = Annotated[Share, Field(description="How strong the connection is, 0 to 1.")]
Directional = Annotated[bool, Field(description="Whether it holds from source to target only.")]
Cooccurrences = Annotated[
    int, Field(ge=0, le=2**53 - 1, description="Times the two were seen together so; never lowered by this.")
]
Evidence = Annotated[
    list[UUID], Field(max_length=MOST_EVIDENCE, description="Tasks that show it, by id; those known stay.")
]
Context = Annotated[Prose, Field(description="What it was found in, in prose.")]
Metadata = Annotated[JsonObject, Field(description="Anything else, at most 64 KiB of JSON.")]
RelationshipId = Annotated[
    UUID, Field(description="Id of the relationship.", examples=["018f0000-0000-7000-8000-000000000000"])
]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)


class _Input(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Relationship(_Frozen):
    """A typed edge between two agents; an undirected one holds both ways."""

    id: UUID = Field(description="Id.")
    source_id: UUID = Field(description="Id of the agent at which it begins; of an undirected one, the smaller id.")
    source: str = Field(description="That agent's own key.")
    source_name: str = Field(description="That agent's name.")
    target_id: UUID = Field(description="Id of the agent at which it ends.")
    target: str = Field(description="That agent's own key.")
    target_name: str = Field(description="That agent's name.")
    type: TypeName = Field(description="What kind of connection it is.")
    directional: bool = Field(description="Whether it holds from source to target only.")
    confidence: Decimal = Field(description="How sure it is, 0.5 to 1.")
    strength: Decimal = Field(
        description="How strong it is, 0 to 1; each observation takes a tenth of what is left to 1."
    )
    cooccurrence_count: int = Field(description="Times the two were seen together so.")
    evidence_count: int = Field(description="Tasks recorded as evidence; `relationships.evidence` lists them.")
    mutual_information: float | None = Field(
        None, description="Mutual information of the two over co-occurrences of this type, bits; null before the job."
    )
    pointwise_mutual_information: float | None = Field(
        None, description="Pointwise mutual information, bits; above 0: together more often than by chance."
    )
    measured_at: datetime | None = Field(None, description="When a computation last changed these two.")
    extraction_context: str = Field(description="What it was found in, in prose.")
    metadata: JsonObject = Field(description="What else its source said.")
    first_observed_at: datetime = Field(description="When it was first seen.")
    last_observed_at: datetime = Field(description="When it was last seen.")
    updated_at: datetime = Field(description="When it last changed.")
    version: int = Field(description="Rises with each change but observations; `relationships.update` wants it.")


class RelationshipEvidence(_Frozen):
    """A task in which the two agents were seen together."""

    task_id: UUID = Field(description="Id of the task.")
    observed_at: datetime = Field(description="When they were seen together.")


class RelationshipDetails(_Input):
    """What else may be said of a relationship."""

    metadata: Metadata = Field(default_factory=dict)
    first_observed_at: Moment | None = Field(None, description="When it was first seen; default: now.")
    last_observed_at: Moment | None = Field(None, description="When it was last seen; default: now.")


class NewRelationship(_Input):
    """A relationship to be written: a new one, or in place of what was said of the same before."""

    source: Source
    target: Target
    type: RelationshipType
    directional: Directional = False
    confidence: Confidence
    strength: Strength = Decimal(1)
    cooccurrences: Cooccurrences = 1
    evidence: Evidence = Field(default_factory=list)
    context: Context = ""
    metadata: Metadata = Field(default_factory=dict)
    first_observed_at: Moment | None = Field(None, description="When it was first seen; default: now.")
    last_observed_at: Moment | None = Field(None, description="When it was last seen; default: now.")


class Observation(_Input):
    """Two agents seen together, in a task or not."""

    source: Source
    target: Target
    type: RelationshipType
    directional: Directional = False
    task: UUID | None = Field(
        None, description="Id of the task; one that was counted already is not counted again, so a retry is safe."
    )
    times: int = Field(1, ge=1, le=1_000_000, description="How often; with a task, once.")
    at: Moment | None = Field(None, description="When; default: now. At most five minutes in the future.")
    confidence: Confidence = Field(Decimal("0.50"), description="Of the relationship, if it is a new one.")


class RelationshipPatch(_Input):
    """Changes to a relationship; what is not given stays."""

    confidence: Confidence | None = Field(None, description="How sure it is, 0.5 to 1.")
    strength: Strength | None = Field(None, description="How strong it is, 0 to 1; observations go on from there.")
    context: Context | None = Field(None, description="What it was found in, in prose.")
    metadata: Metadata | None = Field(None, description="Anything else, whole.")


class RelationshipFilter(_Input):
    """Which relationships; all that is given must hold."""

    agent: AgentReference | None = Field(None, description="Only of this agent.")
    direction: Direction = Field(
        "both", description="With `agent`: those that lead out of it, into it, or both. Undirected ones do both."
    )
    types: Annotated[list[RelationshipType], Field(min_length=1, max_length=9)] | None = Field(
        None, description="Only of these types."
    )
    minimum_confidence: Hundredths | None = Field(None, description="Only with at least this confidence.")
    minimum_strength: Share | None = Field(None, description="Only with at least this strength.")
    observed_since: Moment | None = Field(None, description="Only those seen since.")


class LoadReport(_Frozen):
    """What a load wrote."""

    created: int = Field(description="New relationships.")
    updated: int = Field(description="Relationships that were there and now say what was given.")


class ObservationReport(_Frozen):
    """What observations changed."""

    counted: int = Field(description="Co-occurrences that were added.")
    repeated: int = Field(description="Observations in tasks that were counted before.")
    relationships: int = Field(description="Relationships that were observed.")
    created: int = Field(description="Relationships that were new.")


class RelationshipSummary(_Frozen):
    """The relationships that begin at an agent, of one type, in numbers: a row of `agent_relationship_summary`."""

    source_agent_id: UUID = Field(description="Id of the agent.")
    agent_id: str = Field(description="The agent's own key.")
    name: str = Field(description="The agent's name.")
    type: TypeName = Field(description="Type of the relationships.")
    relationship_count: int = Field(description="How many; undirected ones count at both ends.")
    avg_confidence: Decimal = Field(description="Mean confidence.")
    avg_strength: Decimal = Field(description="Mean strength.")
    last_observed: datetime = Field(description="When one was last seen.")


class Connectivity(_Frozen):
    """How many relationships an agent has: a row of the view `agent_connectivity`."""

    id: UUID = Field(description="Id of the agent.")
    agent_id: str = Field(description="The agent's own key.")
    name: str = Field(description="The agent's name.")
    outbound_relationships: int = Field(description="Those that lead out of it; undirected ones do.")
    inbound_relationships: int = Field(description="Those that lead into it; undirected ones do.")
    total_relationships: int = Field(description="All of them, each once.")


class RelationshipPut(EventPayload, kind="relationships.put"):
    """A relationship was written; the event's subjects are its two agents, as in all that follows."""

    relationship: UUID = Field(description="Id of the relationship.")
    type: str = Field(description="Its type.")
    source: str = Field(description="Own key of the agent at which it begins.")
    target: str = Field(description="Own key of the agent at which it ends.")
    created: bool = Field(description="Whether it is a new one.")


class RelationshipsLoaded(EventPayload, kind="relationships.loaded"):
    """Many relationships were written."""

    created: int = Field(description="New ones.")
    updated: int = Field(description="Those that were there.")


class RelationshipsObserved(EventPayload, kind="relationships.observed"):
    """Agents were seen together."""

    counted: int = Field(description="Co-occurrences that were added.")
    created: int = Field(description="Relationships that were new.")


class RelationshipUpdated(EventPayload, kind="relationships.updated"):
    """What a relationship says changed."""

    relationship: UUID = Field(description="Id of the relationship.")
    type: str = Field(description="Its type.")
    fields: list[str] = Field(description="What was given.")
    record_version: int = Field(description="Its version from now on.")


class RelationshipRemoved(EventPayload, kind="relationships.removed"):
    """A relationship was removed, with its evidence."""

    relationship: UUID = Field(description="Id of the relationship.")
    type: str = Field(description="Its type.")
    source: str = Field(description="Own key of the agent at which it began.")
    target: str = Field(description="Own key of the agent at which it ended.")
