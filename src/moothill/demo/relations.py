"""Relationships, trust, votes, brainstorms and battles of the demo society."""

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from .fields import STRICT, Count, Key, Positive, Share, Text

__all__ = [
    "Ballot",
    "Battle",
    "Brainstorm",
    "Combination",
    "Contestant",
    "Idea",
    "IdeaVote",
    "Relationship",
    "Trust",
    "Vote",
]


@dataclass(frozen=True, slots=True, kw_only=True, config=STRICT)
class Relationship:
    """A typed edge; undirected ones stand once, the smaller key as source."""

    tenant: Key
    source: Key
    target: Key
    type: Literal[
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
    directional: bool = False
    confidence: Annotated[Decimal, Field(ge=Decimal("0.5"), le=1)]
    strength: Share
    cooccurrences: Positive
    last_observed_days_ago: Count
    context: Text


@dataclass(frozen=True, slots=True, kw_only=True, config=STRICT)
class Trust:
    """Direct trust of one agent in another."""

    tenant: Key
    source: Key
    target: Key
    trust: Share
    interactions: Positive


@dataclass(frozen=True, slots=True, kw_only=True, config=STRICT)
class Ballot:
    """One agent's ballot: a choice, a ranking from best to worst, or tokens by option."""

    agent: Key
    choice: Key | None = None
    ranking: tuple[Key, ...] = ()
    tokens: dict[Key, Positive] = Field(default_factory=dict)
    confidence: Share | None = None
    reasoning: Text


@dataclass(frozen=True, slots=True, kw_only=True, config=STRICT)
class Vote:
    """A voting session with its ballots."""

    tenant: Key
    key: Key
    topic: Text
    question: Text
    method: Literal["simple_majority", "confidence_weighted", "quadratic", "consensus", "ranked_choice"]
    status: Literal["open", "closed", "cancelled"]
    initiated_by: Key
    options: Annotated[tuple[Key, ...], Field(min_length=2)]
    tokens_per_agent: Positive | None = None
    opened_minutes_ago: Count
    deadline_minutes_ago: Positive | None = None
    deadline_in_minutes: Positive | None = None
    ballots: tuple[Ballot, ...]


@dataclass(frozen=True, slots=True, kw_only=True, config=STRICT)
class Idea:
    """A contribution to a brainstorm session."""

    key: Key
    agent: Key
    category: Literal[
        "feature",
        "improvement",
        "bug_fix",
        "architecture",
        "performance",
        "testing",
        "documentation",
        "other",
    ]
    content: Text


@dataclass(frozen=True, slots=True, kw_only=True, config=STRICT)
class Combination:
    """Several ideas made one."""

    agent: Key
    ideas: Annotated[tuple[Key, ...], Field(min_length=2)]
    content: Text
    synergy: Share


@dataclass(frozen=True, slots=True, kw_only=True, config=STRICT)
class IdeaVote:
    """A vote for (1), against (-1) or about (0) an idea."""

    agent: Key
    idea: Key
    value: Annotated[int, Field(ge=-1, le=1)]


@dataclass(frozen=True, slots=True, kw_only=True, config=STRICT)
class Brainstorm:
    """A brainstorm session with its ideas."""

    tenant: Key
    key: Key
    topic: Text
    description: Text
    facilitator: Key
    status: Literal["active", "evaluating", "completed"]
    opened_minutes_ago: Count
    ideas: Annotated[tuple[Idea, ...], Field(min_length=1)]
    combinations: tuple[Combination, ...]
    votes: tuple[IdeaVote, ...]


@dataclass(frozen=True, slots=True, kw_only=True, config=STRICT)
class Contestant:
    """An agent in a battle; the rank is shared on a tie."""

    agent: Key
    team: Key | None = None
    score: Annotated[Decimal, Field(ge=0)] | None = None
    rank: Positive | None = None


@dataclass(frozen=True, slots=True, kw_only=True, config=STRICT)
class Battle:
    """A contest."""

    tenant: Key
    key: Key
    mode: Literal[
        "head_to_head",
        "speed_race",
        "quality_showdown",
        "team_tournament",
        "king_of_hill",
        "boss_raid",
        "time_attack",
        "survival",
    ]
    status: Literal["pending", "active", "completed", "cancelled"]
    task: Text
    duration_minutes: Positive
    entry_fee: Count
    prize_pool: Count
    started_minutes_ago: Count | None = None
    participants: Annotated[tuple[Contestant, ...], Field(min_length=2)]
