"""Rows of the database's answers that leave the subsystem in another shape, or not at all."""

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from .models import Guesses, Place, PlacementState, SearchKind, VectorState
from .sessions.models import Measured

__all__ = ["EmbeddableText", "FacetRow", "FoundRow", "ModelUse", "Promotion"]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)


class FoundRow(_Frozen):
    """A row of the database's answer."""

    id: UUID
    kind: SearchKind
    key: str | None
    title: str
    body: str
    status: str | None
    confidence: Decimal | None
    agent_id: UUID | None
    agent_key: str | None
    agent_title: str | None
    score: float
    text_rank: int | None
    text_score: float | None
    words: list[str]
    vector_rank: int | None
    similarity: float | None
    through_id: UUID | None
    through_kind: SearchKind | None
    through_title: str | None
    through_body: str | None
    vector: VectorState
    exact: bool
    guesses: Guesses | None = None
    graph_rank: int | None = None
    reach: dict[str, Any] | None = None
    boost: dict[str, Any] | None = None
    measured: Measured


class FacetRow(_Frozen):
    """A count of the database's."""

    facet: str
    value: str
    items: int


class EmbeddableText(_Frozen):
    """An item's text, for a vector of it."""

    id: UUID
    kind: str
    title: str
    body: str
    digest: bytes
    queued_at: datetime | None = None


class ModelUse(_Frozen):
    """A model that a tenant uses."""

    model: str
    state: PlacementState
    place: Place
    waiting: int


class Promotion(_Frozen):
    """Where a tenant stands on the way to a partition of its own."""

    place: Place
    copied: int
    finished: bool
