"""One record's bytes as JSON: strictly, because a catalogue is written by strangers.

Refused: bytes that are not UTF-8, NUL bytes and `\\u0000`, half a surrogate pair, the same key twice in
an object, NaN and infinity, numbers too large to keep.
"""

import json
from decimal import Decimal, DecimalException
from typing import Any

from .records import MAX_DEPTH, MAX_RECORD, RawRecord
from .refusal import RecordRefused

__all__ = ["parse", "parse_value", "plain"]


def parse(record: RawRecord) -> dict[str, Any]:
    """The record as an object.

    Raises:
        RecordRefused: it is too long, too deep, not strict JSON, or not an object.
    """
    if record.problem:
        raise RecordRefused("", record.problem)
    value = parse_value(record.data)
    if not isinstance(value, dict):
        raise RecordRefused("", "is not a JSON object")
    return value


def parse_value(data: bytes) -> Any:
    """The bytes as JSON; numbers with a point are Decimals.

    Raises:
        RecordRefused: they break one of the rules above.
    """
    if len(data) > MAX_RECORD:
        raise RecordRefused("", f"is longer than {MAX_RECORD} bytes")
    if b"\0" in data:
        raise RecordRefused("", "holds a NUL byte")
    try:
        text = data.decode("utf-8-sig")
        value = json.loads(text, object_pairs_hook=_no_doubles, parse_float=_decimal, parse_constant=_no_constant)
    except UnicodeDecodeError as error:
        raise RecordRefused("", f"is not UTF-8 (byte {error.start})") from None
    except json.JSONDecodeError as error:
        reason = error.msg[:1].lower() + error.msg[1:]
        raise RecordRefused("", f"is not JSON: {reason} (character {error.pos})") from None
    except RecursionError:
        raise RecordRefused("", f"is nested deeper than {MAX_DEPTH}") from None
    except ValueError:
        # What json itself raises besides: an integer of more digits than Python converts.
        raise RecordRefused("", "holds a number with too many digits") from None
    # A record's depth was counted when it was cut; a cell of a table comes here uncounted.
    if "\\u" in text or text.count("[") + text.count("{") > MAX_DEPTH:
        _check(value, 1)
    return value


def plain(value: Any) -> Any:
    """A parsed value with its Decimals as JSON numbers, for metadata (never for rates or money).

    Raises:
        RecordRefused: a number does not fit into 64 bits.
    """
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, Decimal):
        number = float(value)
        if number in (float("inf"), float("-inf")):
            raise RecordRefused("metadata", "holds a number that is too large")
        return number
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise RecordRefused("metadata", "holds a number that is too large")
    return value


def _no_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        keys = [key for key, _ in pairs]
        double = next(key for index, key in enumerate(keys) if key in keys[:index])
        raise RecordRefused(double.encode("utf-8", "replace").decode()[:200], "stands twice in the same object")
    return found


def _decimal(digits: str) -> Decimal:
    try:
        return Decimal(digits)
    except DecimalException:
        raise RecordRefused("", "holds a number that is too large") from None


def _no_constant(name: str) -> Any:
    raise RecordRefused("", f"holds {name}, which JSON does not have")


def _check(value: Any, depth: int) -> None:
    if isinstance(value, (dict, list)) and depth > MAX_DEPTH:
        raise RecordRefused("", f"is nested deeper than {MAX_DEPTH}")
    if isinstance(value, dict):
        for key, item in value.items():
            _check_text(key)
            _check(item, depth + 1)
    elif isinstance(value, list):
        for item in value:
            _check(item, depth + 1)
    elif isinstance(value, str):
        _check_text(value)


def _check_text(text: str) -> None:
    if "\0" in text:
        raise RecordRefused("", "holds a NUL character")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise RecordRefused("", "holds half of a surrogate pair") from None
