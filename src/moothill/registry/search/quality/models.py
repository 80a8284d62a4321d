"""Feedback, judgements, and what is measured by them."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from ....kernel.events import EventPayload
from ..models import SearchKind, SearchMode

__all__ = [
    "DerivedJudgements",
    "Evaluation",
    "Feedback",
    "FeedbackGiven",
    "JudgedSet",
    "Judgement",
    "JudgementProblem",
    "JudgementReport",
    "JudgementsForgotten",
    "JudgementsStored",
    "ModeQuality",
    "NewJudgement",
    "QueryQuality",
    "Verdict",
]

Verdict = Literal["clicked", "chosen", "rejected"]
Source = Literal["given", "feedback"]
Grade = Annotated[int, Field(ge=0, le=3)]
SetName = Annotated[
    str,
    Field(
        pattern=r"^[a-z0-9][a-z0-9-]{0,62}$",
        description="Name of the judged set: lower-case letters, digits and hyphens.",
        examples=["everyday"],
    ),
]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)


class Feedback(_Frozen):
    """What somebody made of a hit."""

    session: UUID = Field(description="The search.")
    item: UUID = Field(description="The hit.")
    verdict: Verdict = Field(description="clicked: looked at; chosen: used; rejected: not what was meant.")
    position: int = Field(description="Its place among the hits, from 1.")
    new: bool = Field(description="false: that was said before, and nothing changed.")


class NewJudgement(BaseModel):
    """How well an item answers a query."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    query: str = Field(min_length=1, max_length=1000, description="The query.")
    item: str = Field(
        min_length=1, max_length=255, description="What is judged: its id, or its own key, such as an agent's."
    )
    grade: Grade = Field(description="3: the very thing; 2: would do; 1: has to do with it; 0: irrelevant.")
    kinds: list[SearchKind] | None = Field(
        None, min_length=1, max_length=6, description="Kinds that the query is asked of; that of its first line counts."
    )


class JudgementProblem(_Frozen):
    """A line that is not sound."""

    line: int = Field(description="Its number, from 1.")
    problem: str = Field(description="What is wrong with it.")


class JudgementReport(_Frozen):
    """What an import of judgements did, or would do."""

    judged_set: str = Field(description="Name of the set.")
    preview: bool = Field(description="Nothing was changed.")
    queries: int = Field(description="Queries among the judgements.")
    stored: int = Field(description="Judgements that are new or changed; of a preview, all that are sound.")
    unchanged: int = Field(description="Those that were there already.")
    problems: list[JudgementProblem] = Field(description="What is not sound; the first hundred.")
    problems_total: int = Field(description="How many problems there are.")


class DerivedJudgements(_Frozen):
    """What was made of feedback."""

    judged_set: str = Field(description="Name of the set.")
    queries: int = Field(description="Queries with feedback.")
    stored: int = Field(description="Judgements that are new or changed.")
    unchanged: int = Field(description="Those that were there already.")
    lost: int = Field(description="Queries whose searches are not kept any more, so that their words are gone.")


class Judgement(_Frozen):
    """How well an item answers a query of a judged set."""

    id: UUID = Field(description="Id of the query.")
    query_text: str = Field(description="The query.")
    kinds: list[SearchKind] | None = Field(None, description="Kinds that it is asked of; null: all.")
    source: Source = Field(description="given: by somebody who judged; feedback: by what was clicked and chosen.")
    item_id: UUID = Field(description="What is judged.")
    title: str | None = Field(None, description="Its name; null: it cannot be found any more.")
    grade: int = Field(description="3: the very thing; 2: would do; 1: has to do with it; 0: irrelevant.")
    judged_at: datetime = Field(description="When it was last judged.")


class JudgedSet(_Frozen):
    """A judged set."""

    judged_set: str = Field(description="Name.")
    queries: int = Field(description="Queries in it.")
    judgements: int = Field(description="Judgements of them.")
    judged_at: datetime | None = Field(None, description="When something of it was last judged.")


class QueryQuality(_Frozen):
    """How well one query is answered in one mode."""

    query: str = Field(description="The query.")
    mode: SearchMode = Field(description="How was searched.")
    ndcg: float = Field(description="nDCG of the first ten hits.")
    recall: float = Field(description="Part of the relevant items that is among them.")
    reciprocal_rank: float = Field(description="1 / place of the first relevant hit; 0 without one.")
    precision: float = Field(description="Relevant hits among the first ten, of ten.")
    hits: int = Field(description="Hits that came back.")
    milliseconds: float = Field(description="What the search took.")


class ModeQuality(_Frozen):
    """How well a judged set is answered in one mode: means over its queries."""

    mode: SearchMode = Field(description="How was searched.")
    ndcg: float = Field(description="nDCG@10.")
    recall: float = Field(description="Recall@10.")
    mrr: float = Field(description="Mean reciprocal rank.")
    precision: float = Field(description="Precision@10.")
    p50_ms: float = Field(description="Half of the searches took at most this, milliseconds.")
    p95_ms: float = Field(description="95 % of them took at most this, milliseconds.")


class Evaluation(_Frozen):
    """How well search answers a judged set."""

    judged_set: str = Field(description="Name of the set.")
    queries: int = Field(description="Queries that were asked.")
    skipped: int = Field(description="Queries of which no relevant item can be found any more; they were not asked.")
    missing: int = Field(description="Judged items that cannot be found any more; they were left out.")
    modes: list[ModeQuality] = Field(description="The figures, mode by mode.")
    detail: list[QueryQuality] = Field(default_factory=list, description="The figures of each query, worst first.")


class FeedbackGiven(EventPayload, kind="search.feedback_given"):
    """Somebody said what a hit was worth."""

    session: UUID = Field(description="The search.")
    verdict: Verdict = Field(description="clicked, chosen or rejected.")
    position: int = Field(description="Its place among the hits, from 1.")


class JudgementsStored(EventPayload, kind="search.judgements_stored"):
    """Judgements were added to a set, or changed in it."""

    judged_set: str = Field(description="Name of the set.")
    stored: int = Field(description="How many.")
    source: Source = Field(description="given or feedback.")


class JudgementsForgotten(EventPayload, kind="search.judgements_forgotten"):
    """A judged set was removed."""

    judged_set: str = Field(description="Name of the set.")
    queries: int = Field(description="How many queries it had.")
