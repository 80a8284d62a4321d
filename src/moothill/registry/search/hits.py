"""From a row of the database's answer to a hit that says why it was found."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import TypeAdapter

from . import rules
from .models import Correction, SearchFacets, SearchHit
from .rows import FacetRow, FoundRow

__all__ = ["facets_of", "hits_of"]

# One call for all hits: each is checked once, when it leaves.
_HITS = TypeAdapter(list[SearchHit])


def hits_of(rows: Sequence[FoundRow], made: Sequence[Correction]) -> list[SearchHit]:
    """The hits of a search, in order.

    Args:
        rows: as the database gave them.
        made: words that were looked for instead of misspelt ones.
    """
    return _HITS.validate_python([_hit(row, made) for row in rows])


def _hit(row: FoundRow, made: Sequence[Correction]) -> dict[str, Any]:
    through = agent = None
    if row.through_id is not None:
        through = {"kind": row.through_kind, "id": row.through_id, "title": row.through_title or ""}
    if row.agent_id is not None:
        agent = {"id": row.agent_id, "agent_id": row.agent_key, "name": row.agent_title or ""}
    said = [word for word in row.words if word]
    ranks = (("text", row.text_rank), ("vector", row.vector_rank), ("graph", row.graph_rank))
    return {
        "kind": row.kind,
        "id": row.id,
        "key": row.key,
        "title": row.title,
        "snippet": rules.snippet(row.through_body or row.body, said),
        "status": row.status,
        "confidence": row.confidence,
        "agent": agent,
        "score": round(row.score, 6),
        "why": {
            "sources": [source for source, rank in ranks if rank is not None],
            "explanation": _explanation(row, said),
            "words": said,
            "corrected": [each for each in made if each.used in said] if made else [],
            "text_rank": row.text_rank,
            "text_score": None if row.text_score is None else round(row.text_score, 4),
            "vector_rank": row.vector_rank,
            "similarity": None if row.similarity is None else round(row.similarity, 4),
            "through": through,
            "graph_rank": row.graph_rank,
            "reach": None if row.reach is None else {**row.reach, "hops": row.reach["hop"]},
            "boosts": row.boost,
        },
        "vector": row.vector,
    }


def _explanation(row: FoundRow, said: Sequence[str]) -> str:
    parts: list[str] = []
    if row.text_rank is not None:
        words = ", ".join(map(repr, said[:5])) or "words of the query"
        parts.append(f"holds {words} (number {row.text_rank} by words)")
    if row.similarity is not None:
        parts.append(f"is near in meaning (number {row.vector_rank}, similarity {row.similarity:.2f})")
    if parts and row.through_id is not None:
        parts[0] = f"can {row.through_title or 'do something'}, which {parts[0]}"
    if row.reach is not None:
        parts.append(_way(row.reach))
    sentence = ", and ".join(parts) + "."
    return sentence[0].upper() + sentence[1:]


def _way(reach: Mapping[str, Any]) -> str:
    parent, seed = reach.get("parent") or {}, reach.get("seed") or {}
    steps = "one step" if reach["hop"] == 1 else f"{reach['hop']} steps"
    over = "" if parent.get("id") == seed.get("id") else f" over {parent.get('name') or 'another agent'}"
    return (
        f"is {steps} from {seed.get('name') or 'an agent'}, which matches{over} "
        f"({reach['type']}, confidence {reach['confidence']:.2f})"
    )


def facets_of(rows: Sequence[FacetRow], most: int) -> SearchFacets:
    """Counts by kind, state and tag, most frequent first.

    Args:
        rows: as the database gave them.
        most: so many items were looked at, at most.
    """
    counted: dict[str, list[Any]] = {"kind": [], "status": [], "tag": [], "items": []}
    for row in rows:
        counted[row.facet].append({"value": row.value, "items": row.items})
    items = counted["items"][0]["items"] if counted["items"] else 0
    return SearchFacets(
        kinds=counted["kind"],
        statuses=counted["status"],
        tags=counted["tag"],
        items=min(items, most),
        capped=items > most,
    )
