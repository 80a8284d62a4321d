"""What a sealed value looks like in its column, and how a caller's own value that looks so is told apart.

| kind | sealed | a caller's value that looks like one |
|---|---|---|
| json | `{"$sealed": {"k": number, "v": base64}}` | `{"$sealed": {"k": 0, "v": the value}}` |
| text | `$sealed:number:base64` | `$sealed:0:` and the value |
| bytes | magic, number (4 bytes), ciphertext | magic, four zero bytes, the value |

Key numbers begin at 1. In a log an envelope also has `p`, a proof of what was logged: SHA-256 of salt and text.
"""

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from .fields import Kind

__all__ = ["EMPTY", "MAGIC", "TRACES", "WORD", "Sealed", "escaped", "looks_sealed", "read", "written"]

WORD = "$sealed"
_MOST_KEYS = 1_000_000_000
MAGIC = b"$sealed\x00\x01"
# How a text with one of these begins: as JSON of ours, and as base64 of bytes.
TRACES = ('"$sealed', base64.b64encode(MAGIC).decode())
# What tells nothing, so it is not sealed; columns have these as defaults. The database has the same list.
EMPTY: Mapping[Kind, frozenset[bytes]] = {
    "json": frozenset({b"{}", b"[]", b"null"}),
    "text": frozenset({b""}),
    "bytes": frozenset({b""}),
}


@dataclass(frozen=True, slots=True)
class Sealed:
    """A sealed value, read from its column; number 0: a caller's value that only looks like one.

    Attributes:
        number: of the data key.
        content: nonce and ciphertext; of number 0, the caller's value.
        proof: in a log, SHA-256 of salt and what was logged.
    """

    number: int
    content: Any
    proof: bytes | None = None


def written(kind: Kind, number: int, content: bytes, proof: bytes | None = None) -> str | bytes:
    """A sealed value as its column takes it; JSON as text."""
    if kind == "bytes":
        return MAGIC + number.to_bytes(4, "big") + content
    text = base64.b64encode(content).decode()
    if kind == "text":
        return f"{WORD}:{number}:{text}"
    inner: dict[str, Any] = {"k": number, "v": text}
    if proof is not None:
        inner["p"] = base64.b64encode(proof).decode()
    return orjson.dumps({WORD: inner}).decode()


def read(kind: Kind, value: Any) -> Sealed | None:
    """What is sealed in a column's value (JSON as objects); None when it is a plain one."""
    try:
        if kind == "bytes":
            raw = bytes(value)
            if not raw.startswith(MAGIC):
                return None
            number, content = int.from_bytes(raw[9:13], "big"), raw[13:]
            return Sealed(number, content)
        if kind == "text":
            if not value.startswith(f"{WORD}:"):
                return None
            _, digits, text = value.split(":", 2)
            return Sealed(0, text) if digits == "0" else Sealed(_key(digits), _decoded(text))
        if not (isinstance(value, dict) and len(value) == 1 and isinstance(value.get(WORD), dict)):
            return None
        inner = value[WORD]
        if type(inner.get("k")) is not int or not 0 <= inner["k"] < _MOST_KEYS or "v" not in inner:
            return None
        if inner["k"] == 0:
            return Sealed(0, inner["v"])
        proof = _decoded(inner["p"]) if "p" in inner else None
        return Sealed(inner["k"], _decoded(inner["v"]), proof)
    except (ValueError, TypeError, binascii.Error):
        # It begins like a sealed value and is none: it came into the column past this program.
        return None


def looks_sealed(kind: Kind, plain: bytes) -> bool:
    """Whether a caller's own value, as bytes, would be taken for a sealed one."""
    if kind == "bytes":
        return plain.startswith(MAGIC)
    if kind == "text":
        return plain.startswith(f"{WORD}:".encode())
    if b'"$sealed"' not in plain:
        return False
    value = orjson.loads(plain)
    return isinstance(value, dict) and value.keys() == {WORD}


def escaped(kind: Kind, plain: bytes) -> str | bytes:
    """A caller's own value as the column of a tenant without encryption takes it."""
    if not looks_sealed(kind, plain):
        return plain if kind == "bytes" else plain.decode()
    if kind == "bytes":
        return MAGIC + bytes(4) + plain
    if kind == "text":
        return f"{WORD}:0:{plain.decode()}"
    return orjson.dumps({WORD: {"k": 0, "v": orjson.loads(plain)}}).decode()


def _key(digits: str) -> int:
    if not re.fullmatch("[1-9][0-9]{0,8}", digits):
        raise ValueError(digits)
    return int(digits)


def _decoded(text: str) -> bytes:
    return base64.b64decode(text, validate=True)
