"""A search that was made, and what many of them say."""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from ....kernel.actors import ActorKind
from ..models import SearchKind

__all__ = [
    "Measured",
    "PopularQuery",
    "SearchPerformance",
    "SearchSession",
    "SearchType",
    "Seen",
    "SlowQuery",
    "UnansweredQuery",
]

SearchType = Literal["vector", "graph", "hybrid", "text"]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)


class Measured(_Frozen):
    """Milliseconds of each part of a search, where it has that part, and what it looked at along relationships."""

    text_ms: float | None = None
    vector_ms: float | None = None
    graph_ms: float | None = None
    agents: int = 0
    relationships: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What is noted of a search beside its answer.

    Attributes:
        text: what was looked for; None in a search by a vector alone.
        vector: digest of the caller's own vector, where one was given.
        kinds: only these.
        limit: most hits.
        minimum_confidence: least confidence asked for.
        filters: names of the filters that were given.
        hops: most steps along relationships.
        measured: what the database measured of it.
    """

    text: str | None
    limit: int
    vector: bytes | None = None
    kinds: list[SearchKind] | None = None
    minimum_confidence: Decimal | None = None
    filters: list[str] = field(default_factory=list)
    hops: int = 0
    measured: Measured = field(default_factory=Measured)


class SearchSession(_Frozen):
    """A search that was made."""

    id: UUID = Field(description="Id; `session` of the search's result.")
    query_text: str | None = Field(None, description="What was looked for; null in a search by a vector alone.")
    search_type: SearchType = Field(description="How was searched in the end.")
    max_results: int = Field(description="Most hits asked for.")
    max_hops: int = Field(description="Most steps along relationships asked for.")
    min_confidence: Decimal | None = Field(None, description="Least confidence asked for; null: any.")
    kinds: list[SearchKind] | None = Field(None, description="Kinds asked for; null: all.")
    result_count: int = Field(description="Hits that came back.")
    hits: list[UUID] = Field(description="Their ids, best first.")
    execution_ms: float = Field(description="Milliseconds in all.")
    embedding_ms: float | None = Field(None, description="Milliseconds for the vector of the query.")
    vector_ms: float | None = Field(None, description="Milliseconds of the search by vector, where known.")
    text_ms: float | None = Field(None, description="Milliseconds of the search by words, where known.")
    graph_ms: float | None = Field(None, description="Milliseconds along relationships, where it went there.")
    nodes_visited: int = Field(description="Agents that the walk along relationships visited.")
    edges_traversed: int = Field(description="Relationships that it followed.")
    max_hops_reached: int = Field(description="How far it came.")
    model: str = Field(description="Embedding model that answered.")
    exact: bool = Field(description="Whether every vector in question was compared.")
    actor_id: UUID = Field(description="Who searched.")
    actor_kind: ActorKind = Field(description="operator, agent, service or system.")
    real_actor: UUID | None = Field(None, description="The operator behind a view as an agent.")
    request: UUID | None = Field(None, description="Request id of the call.")
    created_at: datetime = Field(description="When.")
    metadata: dict[str, Any] = Field(description="Door, and names of the filters that were given.")


class _Query(_Frozen):
    id: UUID = Field(description="Its last search.")
    query_text: str | None = Field(None, description="The query, as it was last said; null: a vector alone.")
    searches: int = Field(description="How often it was searched in the window.")
    last_searched_at: datetime = Field(description="When it was searched last.")


class SlowQuery(_Query):
    """A query that takes long: a row of the view `slow_search_queries`."""

    avg_execution_ms: float = Field(description="Mean of its times, milliseconds.")
    max_execution_ms: float = Field(description="The longest, milliseconds.")
    avg_result_count: float = Field(description="Mean of its hits.")


class PopularQuery(_Query):
    """A query that is searched often: a row of the view `popular_search_queries`."""

    avg_execution_ms: float = Field(description="Mean of its times, milliseconds.")
    avg_result_count: float = Field(description="Mean of its hits.")


class UnansweredQuery(_Query):
    """A query that found nothing."""

    unanswered: int = Field(description="How many of its searches found nothing.")


class SearchPerformance(_Frozen):
    """How long searches of a type take: a row of the view `search_performance_by_type`."""

    search_type: SearchType = Field(description="How was searched.")
    searches: int = Field(description="How many.")
    avg_execution_ms: float = Field(description="Mean of their times, milliseconds.")
    p50_ms: float = Field(description="Half of them took at most this, milliseconds.")
    p95_ms: float = Field(description="95 % of them took at most this, milliseconds.")
    p99_ms: float = Field(description="99 % of them took at most this, milliseconds.")
    avg_result_count: float = Field(description="Mean of their hits.")
    without_results: int = Field(description="How many found nothing.")
