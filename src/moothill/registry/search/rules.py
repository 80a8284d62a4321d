"""Arithmetic of search: fusing ranks, judging a query's vector, cutting snippets, saying why nothing was found."""

import hashlib
import math
import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ...kernel.errors import Invalid
from .models import Lost, SearchFilters, SearchMode, SearchWeights

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = [
    "BODY_LIMIT",
    "BULK",
    "CANDIDATES",
    "COMMON",
    "COUNTED",
    "FEW",
    "LINKS",
    "SMOOTHING",
    "THRESHOLD",
    "VectorRefused",
    "depth",
    "digest",
    "effort",
    "embedding_text",
    "explain_nothing",
    "fused",
    "is_measured",
    "place_due",
    "recency",
    "snippet",
    "spoken",
    "standing",
    "unit_vector",
]

# A tenant with more vectors than this gets a partition with an index; with less than half of it, it goes back.
THRESHOLD = 2_000
# A filter that leaves at most this many items is answered by comparing each of them.
FEW = 2_000
# A word that stands in more items than this ranks what rarer words find, and finds nothing by itself.
COMMON = 1_000
# k of reciprocal rank fusion, as its authors found it (Cormack, Clarke, Buettcher 2009).
SMOOTHING = 60
# m and ef_construction of the HNSW indexes. With the usual 16 links, whole clusters of hard data could not be
# reached from elsewhere, however many candidates a search took; the work of building it is done in the background.
LINKS, CANDIDATES = 24, 256
# More vectors than this are inserted into an index that is there already, in short transactions.
BULK = 20_000
BODY_LIMIT = 20_000
# Facets count so many matches at most.
COUNTED = 10_000
_EFFORTS, _HARDEST = ((10_000, 40), (30_000, 50), (100_000, 60)), 160

# Separators inside names, which the text parser takes for parts of addresses and paths: one lexeme where
# people mean several words.
_SEPARATORS = re.compile(r"[/\\_|@#:]+|(?<=\w)\.(?=\w)|(?<=\w)-(?=\w)")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_SNIPPET = 240
_SMALL = 1e-12
_USUAL = 1e-20


class VectorRefused(Invalid):
    """This vector cannot be searched with."""


def spoken(text: str) -> str:
    """A text as its words are searched: NFKC, separators inside names become spaces.

    `io.github.acme/slack-mcp_server` -> `io github acme slack mcp server`
    """
    return _SEPARATORS.sub(" ", unicodedata.normalize("NFKC", text[:BODY_LIMIT]))


def spoken_name(name: str) -> str:
    """A name as its words are searched, with the parts of words in mixed case beside them."""
    plain = spoken(name)
    parts = [word for word in plain.split() if _CAMEL.search(word)]
    return " ".join([plain, *(_CAMEL.sub(" ", word) for word in parts)])


def embedding_text(title: str, body: str) -> str:
    """The text that is embedded for an item."""
    return f"{spoken_name(title)}. {body[:BODY_LIMIT]}" if body else spoken_name(title)


def digest(title: str, body: str) -> bytes:
    """SHA-256 of what is embedded: a vector belongs to the text that it was made from."""
    return hashlib.sha256(embedding_text(title, body).encode("utf-8", "surrogatepass")).digest()


def depth(limit: int, mode: SearchMode) -> int:
    """How many hits each list holds before fusing: deep enough that a hit in both is not missed."""
    return limit if mode != "hybrid" else 3 * limit + 20


def effort(vectors: int) -> int:
    """hnsw.ef_search for a partition of so many vectors.

    Measured on hard clustered data of 768 dimensions (`moothill bench search`): a recall of 0.99 takes 30 at
    5,000 vectors and 40 at 50,000. A step more is taken, since nobody's data is like ours.
    """
    return next((found for most, found in _EFFORTS if vectors <= most), _HARDEST)


def is_measured(vectors: int, tuned: int | None) -> bool:
    """Whether an index was measured when it had about as many vectors: what was found then holds until they double."""
    return tuned is not None and vectors <= 2 * tuned


def fused(
    text_rank: int | None, vector_rank: int | None, weights: SearchWeights, graph_rank: int | None = None
) -> float:
    """Reciprocal rank fusion of ranks that count from 1."""
    by_text = weights.text / (SMOOTHING + text_rank) if text_rank is not None else 0.0
    by_vector = weights.vector / (SMOOTHING + vector_rank) if vector_rank is not None else 0.0
    by_graph = weights.graph / (SMOOTHING + graph_rank) if graph_rank is not None else 0.0
    return by_text + by_vector + by_graph


def recency(age_days: float, half_life_days: float, weight: float) -> float:
    """What a score is multiplied by for how lately a hit was written: 1 and the weight for one of this moment.

    The weight halves with each half-life.
    """
    return 1 + weight * 2 ** (-max(0.0, age_days) / half_life_days)


def standing(trust: float, rating: float, weight: float) -> float:
    """What a score is multiplied by for its agent: 1 and the weight times a mean of two.

    Its trust, and its chance of winning against somebody with an average rating; each is 0 to 1.
    """
    chance = 1 / (1 + 10 ** max(-10.0, min(10.0, (1500 - rating) / 400)))
    return 1 + weight * (trust + chance) / 2


def place_due(place: str, vectors: int, threshold: int = THRESHOLD) -> str | None:
    """Where vectors should lie, when that is elsewhere: `own` above the threshold, `shared` below half of it."""
    if place == "shared" and vectors > threshold:
        return "own"
    if place == "own" and vectors < threshold // 2:
        return "shared"
    return None


def unit_vector(vector: Sequence[float], *, dimensions: int, model: str) -> "NDArray[np.float32]":
    """A query's vector at length 1.

    Raises:
        VectorRefused: wrong dimensions (both are named), NaN, infinite, or without a direction.
    """
    import numpy as np

    if len(vector) != dimensions:
        raise VectorRefused(
            f"The vector has {len(vector)} dimensions; the model {model} has {dimensions}. "
            f"Give a vector of that model, or the text itself.",
            field="vector",
            given=len(vector),
            wanted=dimensions,
            model=model,
        )
    given = np.asarray(vector, dtype=np.float64)
    with np.errstate(over="ignore"):
        square = float(given @ given)
    if _USUAL < square < 1 / _USUAL:
        return (given / math.sqrt(square)).astype(np.float32)
    largest = float(np.abs(given).max())
    if not math.isfinite(largest):
        raise VectorRefused("The vector holds NaN or an infinite number; give finite numbers.", field="vector")
    if largest < _SMALL:
        raise VectorRefused("The vector is zero, so it has no direction; nothing is near it.", field="vector")
    # Scaled first, so that squares of huge numbers do not overflow.
    scaled = given / largest
    return (scaled / np.sqrt(scaled @ scaled)).astype(np.float32)


def snippet(body: str, words: Sequence[str], length: int = _SNIPPET) -> str:
    """A part of a text around the first of the words, cut between words; its beginning without any."""
    text = " ".join(body.split())
    if len(text) <= length:
        return text
    place = min((at for word in words if (at := _find(text, word)) is not None), default=0)
    start = max(0, min(place - length // 4, len(text) - length))
    if start > 0:
        gap = text.find(" ", start)
        start = gap + 1 if 0 <= gap < place or gap == place - 1 else start
    part = text[start : start + length]
    if start + length < len(text):
        part = part.rpartition(" ")[0] or part
    return f"{'…' if start > 0 else ''}{part}{'…' if start + len(part) < len(text) else ''}"


def _find(text: str, word: str) -> int | None:
    match = re.search(rf"\b{re.escape(word)}", text, re.IGNORECASE)
    return match.start() if match else None


def explain_nothing(
    lost: Lost, *, text: str | None, kinds: Sequence[str] | None, filters: SearchFilters, conditions: bool = False
) -> list[str]:
    """Why a search found nothing, one sentence for each condition that stood in the way."""
    if lost.items == 0:
        return ["Nothing can be found in this tenant yet; register agents first."]
    passed: Mapping[str, tuple[bool, int]] = {
        f"kinds={', '.join(kinds or ())}": (kinds is not None, lost.of_kinds),
        f"status={', '.join(filters.status or ())}": (filters.status is not None, lost.in_states),
        f"tags={', '.join(filters.tags or ())}": (filters.tags is not None, lost.with_tags),
        f"minimum_confidence={filters.minimum_confidence}": (filters.minimum_confidence is not None, lost.confident),
        f"agent={filters.agent}": (filters.agent is not None, lost.of_agent),
    }
    notes = [
        f"The filter {name} leaves {'none' if count == 0 else count} of {lost.items} items."
        for name, (is_given, count) in passed.items()
        if is_given and count < lost.items
    ]
    if text is not None and lost.with_words == 0:
        notes.append("No item holds any word of the query.")
    elif conditions:
        notes.append("No item that passes holds every phrase and nothing that is left out.")
    if len(notes) > 1 and all(count for is_given, count in passed.values() if is_given):
        notes.append("No item passes all of them.")
    return notes or ["Nothing matches."]
