"""The writing side of search: what other subsystems call inside their own transactions."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

from ...database.queries import Run
from ...kernel.errors import Internal
from . import rules
from .entries import SearchEntry, SearchTouch, Vectors

__all__ = ["entry_rows", "in_parts", "note_rows", "touch_rows", "vector_rows"]

_PART = 500
_TITLE = 500
_LABEL = 200


def entry_rows(entries: Sequence[SearchEntry], vectors: Vectors) -> list[dict[str, Any]]:
    """Parameters of the statement that writes an item, one set for each entry."""
    return [
        {
            "id": entry.id,
            "kind": entry.kind,
            "key": entry.key,
            "agent": entry.agent,
            "title": entry.title[:_TITLE],
            "body": entry.body[: rules.BODY_LIMIT],
            "name": rules.spoken_name(entry.title[:_TITLE]),
            "keywords": rules.spoken(" ".join(entry.keywords)),
            "words": rules.spoken(entry.body),
            "status": _label(entry.status),
            "confidence": _number(entry.confidence),
            "digest": rules.digest(entry.title[:_TITLE], entry.body),
            "tags": _labels(entry.tags),
            "model": vectors.model,
            "fresh": vectors.model if vectors.rows is not None else None,
        }
        for entry in entries
    ]


def note_rows(entries: Sequence[SearchEntry]) -> list[dict[str, Any]]:
    """Parameters of the statement that adds an item's words to the vocabulary."""
    return [
        {
            "id": entry.id,
            "said": " ".join(
                (
                    rules.spoken_name(entry.title[:_TITLE]),
                    rules.spoken(" ".join(entry.keywords)),
                    rules.spoken(entry.body),
                )
            ),
        }
        for entry in entries
    ]


def vector_rows(entries: Sequence[SearchEntry], vectors: Vectors) -> list[dict[str, Any]]:
    """Parameters of the statement that stores a vector, one set for each entry; none when they are queued.

    Raises:
        Internal: there are not as many vectors as entries.
    """
    if vectors.rows is None:
        return []
    if len(vectors.rows) != len(entries):
        raise Internal(f"{len(entries)} search entries came with {len(vectors.rows)} vectors.")
    return [
        {"model": vectors.model, "id": entry.id, "kind": entry.kind, "vector": half(row)}
        for entry, row in zip(entries, vectors.rows, strict=True)
    ]


def touch_rows(changes: Sequence[SearchTouch]) -> list[dict[str, Any]]:
    """Parameters of the statement that changes what filters look at."""
    return [
        {
            "id": change.id,
            "status": _label(change.status),
            "confidence": _number(change.confidence),
            "tags": None if change.tags is None else _labels(change.tags),
        }
        for change in changes
    ]


async def in_parts(statement: Run, rows: Sequence[dict[str, Any]]) -> None:
    """Run a statement for each row of parameters, some hundreds in a round trip, in the order of their ids.

    Two writers of the same items take their locks in the same order.
    """
    ordered = sorted(rows, key=lambda row: row["id"].int)
    for start in range(0, len(ordered), _PART):
        await statement.each(ordered[start : start + _PART])


def half(row: Any) -> Any:
    """A vector as the driver sends it: half precision, binary."""
    from pgvector import HalfVector

    return None if row is None else HalfVector(row)


def _label(text: str | None) -> str | None:
    return text[:_LABEL] if text else None


def _labels(texts: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(text[:_LABEL] for text in texts if text))


def _number(value: Decimal | None) -> str | None:
    return None if value is None else str(value)


def ids_in_order(ids: Sequence[UUID]) -> list[UUID]:
    """Ids without doubles, in the order in which rows are locked."""
    return sorted(set(ids), key=lambda each: each.int)
