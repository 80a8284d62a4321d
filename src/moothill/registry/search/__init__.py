"""Search: by words, by vector, by both; fresh at commit, exact or by an index as the tenant's size asks."""

from .models import (
    Question,
    SearchBoosts,
    SearchEntry,
    SearchFilters,
    SearchGraph,
    SearchHit,
    SearchKind,
    SearchMode,
    SearchModel,
    SearchQuery,
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
    "SearchBoosts",
    "SearchEntry",
    "SearchFilters",
    "SearchGraph",
    "SearchHit",
    "SearchKind",
    "SearchMode",
    "SearchModel",
    "SearchQuery",
    "SearchResults",
    "SearchStatus",
    "SearchTouch",
    "SearchWeights",
    "Vectors",
]
