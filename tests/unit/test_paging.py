"""Cursors are opaque, bound to their query, and never misread."""

import uuid
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moothill.kernel.paging import InvalidCursor, Page, all_items, decode_cursor, encode_cursor

QUERY = ["things.list", "tenant", None]


@given(st.lists(st.one_of(st.integers(-(2**53), 2**53), st.text(max_size=50)), min_size=1, max_size=4))
def test_a_cursor_gives_back_its_place(key: list[object]) -> None:
    assert decode_cursor(QUERY, encode_cursor(QUERY, key), parts=len(key)) == key


@given(st.text(max_size=200))
def test_garbage_is_refused_and_nothing_else_happens(text: str) -> None:
    with pytest.raises(InvalidCursor):
        decode_cursor(QUERY, text, parts=1)


@given(st.integers(0, 200), st.integers(1, 255))
def test_any_changed_byte_is_noticed(position: int, change: int) -> None:
    cursor = bytearray(encode_cursor(QUERY, ["abc", 1]).encode())
    position %= len(cursor)
    flipped = cursor[position] ^ change
    if chr(flipped).isascii() and (chr(flipped).isalnum() or chr(flipped) in "-_"):
        cursor[position] = flipped
        try:
            assert decode_cursor(QUERY, cursor.decode(), parts=2) == [
                "abc",
                1,
            ]  # unused bits of the last digit
        except InvalidCursor:
            return


def test_a_cursor_of_another_query_or_length_is_refused() -> None:
    cursor = encode_cursor(QUERY, [1])
    with pytest.raises(InvalidCursor):
        decode_cursor([*QUERY, "filter"], cursor, parts=1)
    with pytest.raises(InvalidCursor):
        decode_cursor(QUERY, cursor, parts=2)
    assert decode_cursor(QUERY, None, parts=1) is None


def test_identifiers_travel_as_text() -> None:
    identifier = uuid.uuid4()
    assert decode_cursor(QUERY, encode_cursor(QUERY, [identifier]), parts=1) == [str(identifier)]


MOMENT = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)


CONVERSIONS: list[tuple[type, object]] = [
    *zip([uuid.UUID] * 4, ("nope", 7, None, True), strict=True),
    *zip([str] * 3, (7, None, "a\x00b"), strict=True),
    *zip([int] * 5, ("7", 7.5, True, 2**63, None), strict=True),
    *zip([Decimal] * 5, ("x", "NaN", "Infinity", "1e99999", 1), strict=True),
    *zip([datetime] * 4, ("x", "2026-01-01T00:00:00", 1, "infinity"), strict=True),
]


def test_parts_come_back_as_their_types() -> None:
    key = [uuid.UUID(int=7), "ä", -3, Decimal("0.95"), MOMENT]
    parts = (uuid.UUID, str, int, Decimal, datetime)
    assert decode_cursor(QUERY, encode_cursor(QUERY, key), parts=parts) == key


@pytest.mark.parametrize(("kind", "value"), CONVERSIONS)
def test_a_part_of_another_type_is_refused_although_the_checksum_is_right(kind: type, value: object) -> None:
    """Whoever reads the source can make a cursor; it is their mistake, never a failure of ours."""
    with pytest.raises(InvalidCursor):
        decode_cursor(QUERY, encode_cursor(QUERY, [value]), parts=(kind,))


@given(st.integers(0, 40), st.integers(1, 7))
async def test_pages_walk_every_item_once(count: int, limit: int) -> None:
    items = list(range(count))

    async def fetch(cursor: str | None) -> Page[int]:
        place = decode_cursor(QUERY, cursor, parts=1)
        start = place[0] + 1 if place else 0
        return Page.cut(items[start : start + limit + 1], limit=limit, query=QUERY, key=lambda item: [item])

    assert [item async for item in all_items(fetch)] == items
