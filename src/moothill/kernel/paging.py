"""Pages and their cursors: keyset, never OFFSET, opaque and bound to their query.

A cursor is base64url(checksum, JSON [fingerprint, key...]). The checksum is for accidents: a cursor
that was cut off, edited or made for another query is refused instead of misread. It keeps nobody
from making one: its key is in the source. A cursor carries no secret and grants nothing; it names a
place in a list, and whoever may read the list may start anywhere in it.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Generic, TypeVar

import orjson
from pydantic import BaseModel, ConfigDict, Field

from .errors import Invalid

__all__ = ["Cursor", "InvalidCursor", "Page", "PageSize", "all_items", "decode_cursor", "encode_cursor"]

T = TypeVar("T")

_CHECK = b"moothill cursor v1"
_LARGEST_EXPONENT = 1000


class InvalidCursor(Invalid):
    """The cursor is not one that this query gave out; start again without it."""


class Page(BaseModel, Generic[T]):
    """One page of a list: its items, and the cursor of the next page (none on the last)."""

    model_config = ConfigDict(frozen=True)

    items: list[T] = Field(description="The items, in the order of the list.")
    next: str | None = Field(None, description="Give this as `cursor` to get the next page; null on the last.")

    @classmethod
    def cut(
        cls, rows: Sequence[T], *, limit: int, query: Sequence[Any], key: Callable[[T], Sequence[Any]]
    ) -> "Page[T]":
        """A page of `limit` rows from `limit + 1` that were read; `key` gives a row's place."""
        more = len(rows) > limit
        kept = list(rows[:limit])
        return cls(items=kept, next=encode_cursor(query, key(kept[-1])) if more else None)


def _fingerprint(query: Sequence[Any]) -> str:
    return hashlib.sha256(orjson.dumps(list(query), default=str)).hexdigest()[:16]


def _seal(body: bytes) -> bytes:
    return hmac.new(_CHECK, body, hashlib.sha256).digest()[:8]


def encode_cursor(query: Sequence[Any], key: Sequence[Any]) -> str:
    """A cursor for the place `key` in the list that `query` (name, filter, tenant) describes."""
    body = orjson.dumps([_fingerprint(query), *key], default=str)
    return base64.urlsafe_b64encode(_seal(body) + body).rstrip(b"=").decode()


def decode_cursor(query: Sequence[Any], cursor: str | None, *, parts: int | Sequence[type]) -> list[Any] | None:
    """The place that a cursor names, or None for the first page.

    Args:
        query: what the cursor was made for.
        cursor: as the caller gave it.
        parts: the type of each part (UUID, str, int, Decimal or datetime), to which it is converted;
            a number only counts parts that stay as they travelled.

    Raises:
        InvalidCursor: it was altered, is malformed, or belongs to another query.
    """
    if cursor is None:
        return None
    try:
        raw = base64.urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4))
        seal, body = raw[:8], raw[8:]
        fingerprint, *rest = orjson.loads(body)
        key: list[Any] = rest
    except (ValueError, binascii.Error, TypeError):
        raise InvalidCursor(field="cursor") from None
    wanted = parts if isinstance(parts, int) else len(parts)
    if not hmac.compare_digest(seal, _seal(body)) or fingerprint != _fingerprint(query) or len(key) != wanted:
        raise InvalidCursor(field="cursor")
    if isinstance(parts, int):
        return key
    try:
        return [_converted(part, kind) for part, kind in zip(key, parts, strict=True)]
    except (ValueError, TypeError, ArithmeticError):
        raise InvalidCursor(field="cursor") from None


def _converted(part: Any, kind: type) -> Any:
    """A part of a cursor as its type, within what PostgreSQL can hold."""
    if kind is int:
        if type(part) is not int or not -(2**63) <= part < 2**63:
            raise ValueError("no bigint")
        return part
    if not isinstance(part, str) or "\x00" in part:
        raise ValueError("no text")
    if kind is str:
        return part
    if kind is datetime:
        moment = datetime.fromisoformat(part)
        if moment.tzinfo is None:
            raise ValueError("no zone")
        return moment
    if kind is Decimal:
        number = Decimal(part)
        if not number.is_finite() or abs(number.adjusted()) > _LARGEST_EXPONENT:
            raise ValueError("no numeric")
        return number
    return kind(part)


async def all_items(fetch: Callable[[str | None], Awaitable[Page[T]]]) -> AsyncIterator[T]:
    """Every item of a list, page by page; `fetch` takes a cursor."""
    cursor: str | None = None
    while True:
        page = await fetch(cursor)
        for item in page.items:
            yield item
        if page.next is None:
            return
        cursor = page.next


PageSize = Annotated[int, Field(ge=1, le=1000, description="Most items on the page.")]
Cursor = Annotated[
    str | None, Field(max_length=2000, description="`next` of the page before; none for the first page.")
]
