"""What the levels mean, and what a grant lets through."""

from collections.abc import Mapping, Sequence

from ...registry.search.models import SearchResults, SearchTiming
from .models import Level

__all__ = ["LEVELS", "passes", "without_traces"]

LEVELS: Mapping[Level, str] = {
    "strict": "Nothing leaves the tenant: grants rest, and it takes no part in releases across tenants.",
    "shared": "Grants hold: others read what they name. It takes no part in releases across tenants.",
    "federated": "Grants hold, and the tenant takes part in releases across tenants if its privacy settings allow it.",
}


def passes(tag: str | None, tags: Sequence[str]) -> bool:
    """Whether a grant that is limited to a tag lets something with these tags through."""
    return tag is None or tag in tags


def without_traces(found: SearchResults) -> SearchResults:
    """Results without what is counted over everything that the owner has, hidden things included.

    Notes count items, scores by words weigh how rare a word is in the whole tenant, and times tell how much
    was looked through. Ranks are those among what is shared.
    """
    hits = [hit.model_copy(update={"why": hit.why.model_copy(update={"text_score": None})}) for hit in found.hits]
    return found.model_copy(
        update={"hits": hits, "notes": [], "timing": SearchTiming(embedding_ms=0.0, database_ms=0.0)}
    )
