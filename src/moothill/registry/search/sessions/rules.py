"""What stands for a query when searches are counted."""

import unicodedata

__all__ = ["QUERY_LIMIT", "likeness"]

QUERY_LIMIT = 1000


def likeness(text: str | None, vector: bytes | None = None) -> bytes:
    """The bytes whose digest stands for a query: equal for queries that differ in case and spacing only.

    `  Send a  Message ` -> `send a message`; of a query without words, a digest of its vector.
    """
    if text is not None:
        return " ".join(unicodedata.normalize("NFKC", text).casefold().split()).encode("utf-8", "replace")
    return b"\x00" + (vector or b"")
