"""Search: by words, by vector, by both; fresh at commit, exact or by an index as the tenant's size asks."""

from .entries import Question, SearchEntry, SearchTouch, Vectors
from .models import (
    SearchBoosts,
    SearchFilters,
    SearchGraph,
    SearchHit,
    SearchKind,
    SearchMode,
    SearchQuery,
    SearchResults,
    SearchWeights,
)
from .service import Search
from .status import SearchModel, SearchStatus

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
