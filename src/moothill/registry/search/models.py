"""What goes in and out of search."""

from decimal import Decimal
from typing import Annotated, Any, Literal, get_args
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from ...kernel.errors import near_match
from ...kernel.events import EventPayload
from ...kernel.texts import Label, Share

SearchKind = Literal["agent", "capability", "task", "verdict", "idea", "record"]
SearchMode = Literal["text", "vector", "hybrid"]
SearchSource = Literal["text", "vector", "graph"]
VectorState = Literal["fresh", "pending"]
PlacementState = Literal["building", "serving", "retired"]
Place = Literal["shared", "copying", "own"]

# A query is a sentence or two; what is longer is a document, and belongs into a vector of the caller's own.
QueryText = Annotated[
    str,
    Field(
        min_length=1,
        max_length=1000,
        description='What is looked for, in plain words; at most 1,000 characters. "Words in quotes" must stand '
        "there one after the other, kubern* is any word that begins so, -word leaves out what holds it.",
        examples=["send a message to a Slack channel"],
    ),
]
QueryVector = Annotated[
    list[Annotated[float, Field(allow_inf_nan=False)]],
    Field(
        min_length=1,
        max_length=4000,
        description="A vector of the model that answers (`search.models`), instead of the text's own.",
    ),
]
ModelSlug = Annotated[
    str,
    Field(
        pattern=r"^[a-z0-9_]{1,32}$",
        description="Slug of an embedding model, as `search.models` shows it.",
        examples=["wordllama_256"],
    ),
]


# For a word that no item holds: words spelt like it, their likeness by trigrams, and how many items hold each.
Guesses = dict[str, list[tuple[str, float, int]]]


# The types of relationships, once more: that subsystem imports agents, and agents are written with what finds them.
# A test compares.
RelationshipTypeName = Literal[
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


def _known(value: Any) -> Any:
    """Refuse an unknown type with the nearest one that exists."""
    types: tuple[str, ...] = get_args(RelationshipTypeName)
    if isinstance(value, str) and value not in types:
        hint = near_match(value.strip().upper().replace(" ", "_").replace("-", "_"), types)
        raise ValueError(f"there is no type {value[:60]!r}.{hint or ' The types are ' + ', '.join(types) + '.'}")
    return value


RelationshipType = Annotated[RelationshipTypeName, BeforeValidator(_known), Field(description="Type of relationship.")]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)


class SearchFilters(BaseModel):
    """What a hit must be, beside matching. Several filters must all hold."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    status: Annotated[list[Label], Field(min_length=1, max_length=20)] | None = Field(
        None, description="In one of these states."
    )
    tags: Annotated[list[Label], Field(min_length=1, max_length=20)] | None = Field(
        None, description="With every one of these tags."
    )
    minimum_confidence: Share | None = Field(
        None, description="At least this sure, 0 to 1; what has no confidence passes."
    )
    agent: str | None = Field(
        None, min_length=1, max_length=255, description="Of this agent: its own key (`agent_id`) or its id."
    )


class SearchWeights(BaseModel):
    """How much each list of hits counts when they are fused."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    text: float = Field(1.0, ge=0, le=10, description="Weight of the words' ranks.")
    vector: float = Field(1.0, ge=0, le=10, description="Weight of the vectors' ranks.")
    graph: float = Field(0.9, ge=0, le=10, description="Weight of the ranks of what is reached over relationships.")


class SearchGraph(BaseModel):
    """Going on from the agents of the best hits, over their relationships."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    hops: int = Field(2, ge=0, le=6, description="How many relationships away an agent may be; 0: none are followed.")
    types: list[RelationshipType] | None = Field(
        None, min_length=1, max_length=9, description="Only over relationships of these types."
    )
    minimum_confidence: Share = Field(Decimal("0.5"), description="Only over relationships at least this sure, 0 to 1.")


class SearchBoosts(BaseModel):
    """What moves hits up among those that match. A score is multiplied by at most 1 and the weight, for each."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    recency: float = Field(
        0.0, ge=0, le=1, description="Weight of how lately the text or state of a hit was written, 0 to 1."
    )
    half_life_days: float = Field(
        30.0, gt=0, le=3650, description="After so many days, recency counts half as much; days."
    )
    standing: float = Field(
        0.0, ge=0, le=1, description="Weight of the trust in the hit's agent and of its rating, 0 to 1."
    )


class SearchQuery(BaseModel):
    """One of many queries. What it leaves out is taken from the query that they share."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    text: QueryText | None = None
    vector: QueryVector | None = None
    kinds: list[SearchKind] | None = Field(None, min_length=1, max_length=6, description="Only these kinds.")
    mode: SearchMode | None = Field(None, description="By words (text), by meaning (vector), or both (hybrid).")
    filters: SearchFilters | None = Field(None, description="What a hit must be, beside matching.")
    limit: int | None = Field(None, ge=1, le=100, description="Most hits; 10 by default.")
    weights: SearchWeights | None = Field(None, description="How much each list counts.")
    graph: SearchGraph | None = Field(None, description="Go on over relationships from the best hits.")
    boosts: SearchBoosts | None = Field(None, description="What moves hits up among those that match.")


class HitAgent(_Frozen):
    """The agent that a hit leads to."""

    id: UUID = Field(description="Id.")
    agent_id: str | None = Field(None, description="The caller's own key.")
    name: str = Field(description="Name for people.")


class HitThrough(_Frozen):
    """What a hit was found through, when it is not the hit itself: a capability of an agent."""

    kind: SearchKind = Field(description="What it is.")
    id: UUID = Field(description="Its id.")
    title: str = Field(description="Its name.")


class Correction(_Frozen):
    """A word of the query that no item holds, and the word that was looked for instead."""

    asked: str = Field(description="The word of the query.")
    used: str = Field(description="The word of this tenant's texts that is spelt like it.")


class HitReach(_Frozen):
    """How a hit was reached over relationships."""

    hops: int = Field(description="How many relationships lie between.")
    seed: HitAgent | None = Field(None, description="The agent of a better hit, from which the way began.")
    parent: HitAgent | None = Field(None, description="The agent before it on the way.")
    relationship: UUID = Field(description="Id of the last relationship on the way.")
    type: RelationshipType = Field(description="Its type.")
    confidence: float = Field(description="Product of the confidences along the way, 0 to 1.")
    score: float = Field(
        description="The seed's weight times confidence and strength along the way, over hops and one."
    )


class HitBoosts(_Frozen):
    """What a score was multiplied by."""

    recency: float = Field(description="For how lately it was written; 1 without that boost.")
    standing: float = Field(description="For its agent's trust and rating; 1 without that boost.")


class HitEvidence(_Frozen):
    """The place in a text that shows the capability of a hit."""

    id: UUID = Field(description="Id; `capabilities.evidence` lists all of it.")
    capability: UUID = Field(description="Id of the capability.")
    chunk_id: UUID = Field(description="Id of the text; for a description, of the agent.")
    chunk_type: str = Field(description="What the text is.")
    mention: str = Field(description="The words that name it.")
    sentence: str = Field(description="The sentence around them.")
    start_position: int | None = Field(None, description="First character of the mention in the text, from 0.")
    end_position: int | None = Field(None, description="First character after it.")
    method: str = Field(description="How it was extracted.")
    confidence: Decimal = Field(description="How sure the extraction is, 0 to 1.")


class Why(_Frozen):
    """Why something was found."""

    sources: list[SearchSource] = Field(description="Which lists it is in: text, vector, graph.")
    explanation: str = Field(description="The same in one plain sentence.")

    words: list[str] = Field(description="Words of the query that it holds; `kubern*` for a word that begins so.")
    corrected: list[Correction] = Field(
        default_factory=list, description="Those of the words that were looked for instead of a misspelt one."
    )
    text_rank: int | None = Field(None, description="Its rank by words, from 1.")
    text_score: float | None = Field(None, description="Its score by words; comparable within one search only.")
    vector_rank: int | None = Field(None, description="Its rank by vector, from 1.")
    similarity: float | None = Field(None, description="Cosine of the angle between the vectors, -1 to 1.")
    through: HitThrough | None = Field(None, description="What matched, when it is not the hit itself.")
    graph_rank: int | None = Field(None, description="Its rank among what is reached over relationships, from 1.")
    reach: HitReach | None = Field(None, description="How it was reached over relationships.")
    boosts: HitBoosts | None = Field(None, description="What its score was multiplied by.")


class SearchHit(_Frozen):
    """Something that was found."""

    kind: SearchKind = Field(description="What it is.")
    id: UUID = Field(description="Its id.")
    key: str | None = Field(None, description="Its own key, where it has one.")
    title: str = Field(description="Its name.")
    snippet: str = Field(description="A part of its text, around the words that match.")
    status: str | None = Field(None, description="Its state.")
    confidence: Decimal | None = Field(None, description="How sure it is, 0 to 1.")
    agent: HitAgent | None = Field(None, description="The agent that it belongs to; an agent leads to itself.")
    score: float = Field(description="Fused score (reciprocal ranks); comparable within one search only.")
    why: Why = Field(description="Why it was found.")
    vector: VectorState = Field(
        description="fresh: its vector is that of its text; pending: the vector of its newest text is yet to be made."
    )
    evidence: list[HitEvidence] | None = Field(
        None, description="What shows the capability, surest first, at most three; when `evidence` was asked for."
    )


class SearchTiming(_Frozen):
    """Where the time went, milliseconds."""

    embedding_ms: float = Field(description="Making the query's vector.")
    database_ms: float = Field(description="In the database, and on the way there and back.")


class FacetCount(_Frozen):
    """How many of the matches have a value."""

    value: str = Field(description="The value.")
    items: int = Field(description="How many.")


class SearchFacets(_Frozen):
    """What matches, counted: items with any word of the query that pass its filters; by vector alone, all that pass."""

    kinds: list[FacetCount] = Field(description="By kind.")
    statuses: list[FacetCount] = Field(description="By state.")
    tags: list[FacetCount] = Field(description="By tag, the 30 most frequent.")
    items: int = Field(description="All that were counted.")
    capped: bool = Field(description="There are more than 10,000; only so many were counted.")


class SearchResults(_Frozen):
    """What a search found, best first."""

    hits: list[SearchHit] = Field(description="The hits.")
    mode: SearchMode = Field(description="How was searched; text alone when the query has no vector.")
    model: str = Field(description="Embedding model that answered.")
    exact: bool = Field(description="Every vector in question was compared; false: the nearest by an index.")
    timing: SearchTiming = Field(description="Where the time went.")
    session: UUID | None = Field(
        None, description="Id of this search, which `search.feedback` names; null where searches are not recorded."
    )
    notes: list[str] = Field(
        default_factory=list, description="What the caller should know: why nothing was found, what was left out."
    )
    facets: SearchFacets | None = Field(None, description="What matches, counted; when `facets` was asked for.")


class ManyResults(_Frozen):
    """Answers to many queries, in their order."""

    results: list[SearchResults] = Field(description="One for each query.")


class Lost(_Frozen):
    """How many items pass each condition of a search that found nothing."""

    items: int
    with_words: int
    of_kinds: int
    in_states: int
    with_tags: int
    confident: int
    of_agent: int
    agent_known: bool
    guesses: Guesses | None = None


class ReindexStarted(EventPayload, kind="search.reindex_started"):
    """Every item of the tenant gets a vector of another model, while the old one answers."""

    model: str = Field(description="The model that is being built.")


class ModelServed(EventPayload, kind="search.model_served"):
    """A model answers from now on; the one before it goes."""

    model: str = Field(description="The model.")
    before: str | None = Field(None, description="The model that answered before.")


class PlaceChanged(EventPayload, kind="search.place_changed"):
    """The tenant's vectors moved into a partition with an index of their own, or back."""

    model: str = Field(description="The model.")
    place: Place = Field(description="Where they lie from now on.")
