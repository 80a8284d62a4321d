"""What goes in and out of the graph."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from ...kernel.events import EventPayload
from ...kernel.texts import AgentReference, Hundredths
from ..relationships.models import Direction, RelationshipType, TypeName

MOST_HOPS = 6
Metric = Literal["pagerank", "degree", "betweenness"]

Hops = Annotated[int, Field(ge=1, le=MOST_HOPS, description="At most this many relationships away: 1 to 6.")]
Types = Annotated[
    list[RelationshipType] | None,
    Field(min_length=1, max_length=9, description="Only along relationships of these types."),
]
LeastConfidence = Annotated[
    Hundredths, Field(description="Only along relationships with at least this confidence, 0 to 1.")
]
Ways = Annotated[
    Direction,
    Field(description="out: from source to target; in: the other way; both. Undirected ones are walked both ways."),
]
Fan = Annotated[
    int,
    Field(
        ge=1,
        le=1_000,
        description="Most relationships taken of one agent, the surest first: bounds those with many.",
    ),
]
Start = Annotated[AgentReference, Field(description="Where to begin: an agent's own key, or its id.")]
Goal = Annotated[AgentReference, Field(description="Where to end: an agent's own key, or its id.")]
HALF = Decimal("0.5")


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)


class Reached(_Frozen):
    """An agent that a traversal reached, by the surest of the shortest ways there."""

    id: UUID = Field(description="Id of the agent.")
    agent: str = Field(description="Its own key.")
    name: str = Field(description="Its name.")
    status: str = Field(description="How it is.")
    hop: int = Field(description="How many relationships away; 0 is where it began.")
    confidence: float = Field(description="Product of the confidences along the way, 0 to 1.")
    parent: str | None = Field(None, description="Own key of the agent before it on the way.")
    relationship: UUID | None = Field(None, description="Id of the relationship from there to here.")
    type: TypeName | None = Field(None, description="Type of that relationship.")
    path: list[str] = Field(description="The way, as own keys, from where it began to here.")


class Traversal(_Frozen):
    """What a traversal reached, hop by hop, the surest first within each."""

    agents: list[Reached] = Field(description="The agents; the first is where it began.")
    relationships_seen: int = Field(description="Relationships that were looked at.")
    truncated: bool = Field(description="Whether a bound kept something out.")
    full_at_hop: int | None = Field(None, description="The hop at which more agents were reached than `limit` allows.")
    fanned_at_hop: int | None = Field(
        None, description="The first hop at which an agent had more relationships than `fan` allows."
    )
    message: str = Field("", description="What was left out, and how to see more.")


class PathStep(_Frozen):
    """One relationship on a path."""

    relationship: UUID = Field(description="Id of the relationship.")
    type: TypeName = Field(description="Its type.")
    directional: bool = Field(description="Whether it holds one way only.")
    backwards: bool = Field(description="Whether it is walked from its target to its source.")
    confidence: Decimal = Field(description="Its confidence.")
    strength: Decimal = Field(description="Its strength.")


class PathAgent(_Frozen):
    """An agent on a path."""

    id: UUID = Field(description="Id.")
    agent: str = Field(description="Own key.")
    name: str = Field(description="Name.")


class Path(_Frozen):
    """A way from one agent to another."""

    length: int = Field(description="How many relationships.")
    confidence: float = Field(description="Product of their confidences, 0 to 1.")
    agents: list[PathAgent] = Field(description="The agents, both ends included.")
    steps: list[PathStep] = Field(description="The relationships between them, in order.")


class FoundPath(Path):
    """The shortest way from one agent to another, of these the surest."""

    agents_seen: int = Field(description="Agents that were looked at.")
    relationships_seen: int = Field(description="Relationships that were looked at.")
    truncated: bool = Field(description="Whether a bound kept something out: a surer way may exist, or a shorter one.")


class Paths(_Frozen):
    """The best ways from one agent to another: short ones first, of equal length the surer."""

    paths: list[Path] = Field(description="The ways; none passes an agent twice.")
    truncated: bool = Field(description="Whether a bound kept something out: a better way may exist.")


class Node(_Frozen):
    """An agent in a picture."""

    id: UUID = Field(description="Id.")
    agent: str = Field(description="Own key.")
    name: str = Field(description="Name.")
    status: str = Field(description="How it is.")
    hop: int | None = Field(None, description="How far from the middle; null in a picture without one.")
    degree: int = Field(description="Relationships in the picture.")
    x: float = Field(description="Where to draw it, -1 to 1.")
    y: float = Field(description="Where to draw it, -1 to 1.")


class Edge(_Frozen):
    """A relationship in a picture."""

    id: UUID = Field(description="Id.")
    source: str = Field(description="Own key of the agent at which it begins.")
    target: str = Field(description="Own key of the agent at which it ends.")
    type: TypeName = Field(description="Type.")
    directional: bool = Field(description="Whether it holds one way only.")
    confidence: Decimal = Field(description="Confidence.")
    strength: Decimal = Field(description="Strength.")


class Picture(_Frozen):
    """Agents and the relationships among them, with places to draw them."""

    nodes: list[Node] = Field(description="The agents.")
    edges: list[Edge] = Field(description="The relationships among them, the surest first.")
    truncated: bool = Field(description="Whether there is more than this.")
    message: str = Field("", description="What was left out.")


class Analysis(_Frozen):
    """An analysis of all relationships: what it covered, and when."""

    id: UUID = Field(description="Id.")
    agents: int = Field(description="Agents with a relationship that were covered.")
    relationships: int = Field(description="Relationships that were read.")
    left_out: int = Field(description="Relationships beyond the most that one analysis reads.")
    samples: int = Field(description="Agents from which betweenness was estimated.")
    communities: int = Field(description="Communities that were found.")
    seconds: float = Field(description="How long the computing took.")
    read_at: datetime = Field(description="When it began to read: later changes may be missing.")
    finished_at: datetime | None = Field(None, description="When it was complete.")


class Centrality(_Frozen):
    """How central an agent is."""

    id: UUID = Field(description="Id of the agent.")
    agent: str = Field(description="Its own key.")
    name: str = Field(description="Its name.")
    degree: int = Field(description="Its relationships, each once.")
    in_degree: int = Field(description="Those that lead into it.")
    out_degree: int = Field(description="Those that lead out of it.")
    degree_centrality: float = Field(description="Agents it is connected with, of all others covered, 0 to 1.")
    pagerank: float = Field(description="PageRank, weighted by confidence and strength; all sum to 1.")
    betweenness: float = Field(description="Share of the shortest paths between others that run through it, estimated.")
    community: int = Field(description="Its community, numbered from 0 by size.")
    read_at: datetime = Field(description="When the analysis began to read.")


class GraphAnalysed(EventPayload, kind="graph.analysed"):
    """The relationships of a tenant were analysed; the event's subject is the analysis."""

    agents: int = Field(description="Agents that were covered.")
    relationships: int = Field(description="Relationships that were read.")
    communities: int = Field(description="Communities that were found.")
