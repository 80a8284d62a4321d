"""Search: by words, by vector, by both; fresh at commit, exact or by an index as the tenant's size asks."""

from .models import (
    Question,
    SearchEntry,
    SearchFilters,
    SearchHit,
    SearchKind,
    SearchMode,
    SearchModel,
    SearchResults,
    SearchStatus,
    SearchTouch,
    SearchWeights,
    Vectors,
)
from .service import Search

__all__ = [
    "Question",
    "Search",
    "SearchEntry",
    "SearchFilters",
    "SearchHit",
    "SearchKind",
    "SearchMode",
    "SearchModel",
    "SearchResults",
    "SearchStatus",
    "SearchTouch",
    "SearchWeights",
    "Vectors",
]
