"""What other subsystems give to search: entries, changes of them, vectors, questions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from .models import SearchKind

__all__ = ["Question", "SearchEntry", "SearchTouch", "Vectors"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchEntry:
    """What can be found of a thing; written in the transaction that writes the thing.

    Attributes:
        kind: what it is.
        id: its id; unique in the tenant across kinds.
        title: its name; what stands here counts most.
        body: its text; what lies beyond 20,000 characters is not searched.
        key: its own key, such as an agent's `agent_id`.
        agent: the agent that it belongs to; an agent's own id for an agent.
        keywords: other words for it (aliases, skills, specialisations).
        status: its state, for filters.
        confidence: how sure it is, 0 to 1; None where that says nothing.
        tags: labels, for filters.
    """

    kind: SearchKind
    id: UUID
    title: str
    body: str = ""
    key: str | None = None
    agent: UUID | None = None
    keywords: Sequence[str] = ()
    status: str | None = None
    confidence: Decimal | None = None
    tags: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchTouch:
    """A change that leaves the text alone; None leaves a field as it is."""

    id: UUID
    status: str | None = None
    confidence: Decimal | None = None
    tags: Sequence[str] | None = None


@dataclass(frozen=True, slots=True)
class Vectors:
    """Vectors of texts, in order.

    Attributes:
        model: the model that made them.
        rows: one for each text, None where a text has none; None altogether when the provider is remote
            and the vectors are queued.
    """

    model: str
    rows: Sequence[Any] | None


@dataclass(frozen=True, slots=True)
class Question:
    """A query, ready to be asked.

    Attributes:
        model: the model that answers.
        text: its words; None in a search by vector alone.
        conditions: phrases, beginnings and exclusions, as the statement takes them; None for words alone.
        vector: its vector; None when it has none.
        milliseconds: what making the vector took.
        notes: what the caller should know.
    """

    model: str
    text: str | None
    vector: Any
    milliseconds: float
    notes: tuple[str, ...] = ()
    conditions: Mapping[str, Any] | None = None
