"""What a write changed, field by field, for the audit: secrets are taken out here, before anything keeps them."""

import hashlib
import re
from collections.abc import Mapping
from typing import Any, TypeAlias

import orjson
from pydantic import BaseModel

__all__ = ["REDACTED", "Side", "changes_of"]

REDACTED = "[redacted]"
_SECRET = re.compile(
    r"(?i)secret|password|passwd|passphrase|token|credential|api_?key|private_?key|authorization|digest"
)
# These rise with every write and say nothing.
_BOOKKEEPING = frozenset({"version", "updated_at"})
_LONGEST = 2_000
_DEEPEST = 20

Side: TypeAlias = BaseModel | Mapping[str, Any] | None


def changes_of(before: Side, after: Side) -> dict[str, list[Any]]:
    """The fields that differ, each with its value before and after.

    A secret (a field marked so, or any key that sounds like one, however deep) is there as `[redacted]`; that
    it changed is told, its value is not. A value of more than 2,000 characters of JSON is there by its length
    and SHA-256.

    Args:
        before: the thing as it was; None when it is new.
        after: the thing as it is; None when it is gone.

    Returns:
        Field -> [before, after], in JSON's types.
    """
    old, new = _plain(before), _plain(after)
    secret = _marked(before) | _marked(after)
    found: dict[str, list[Any]] = {}
    for name in sorted({*old, *new} - _BOOKKEEPING):
        was, now = old.get(name), new.get(name)
        if was == now:
            continue
        if name in secret or _SECRET.search(name):
            found[name] = [None if value is None else REDACTED for value in (was, now)]
        else:
            found[name] = [_kept(was), _kept(now)]
    return found


def _plain(side: Side) -> dict[str, Any]:
    if isinstance(side, BaseModel):
        return side.model_dump(mode="json")
    loaded: dict[str, Any] = orjson.loads(orjson.dumps(dict(side or {}), default=str))
    return loaded


def _marked(side: Side) -> frozenset[str]:
    if not isinstance(side, BaseModel):
        return frozenset()
    fields = type(side).model_fields
    return frozenset(
        name
        for name, field in fields.items()
        if isinstance(field.json_schema_extra, dict) and field.json_schema_extra.get("secret")
    )


def _kept(value: Any) -> Any:
    clean = _redacted(value, 0)
    text = orjson.dumps(clean)
    if len(text) <= _LONGEST:
        return clean
    return {"characters": len(text), "sha256": hashlib.sha256(text).hexdigest()}


def _redacted(value: Any, depth: int) -> Any:
    if depth > _DEEPEST:
        return REDACTED
    if isinstance(value, dict):
        return {
            key: REDACTED if _SECRET.search(key) and inner is not None else _redacted(inner, depth + 1)
            for key, inner in value.items()
        }
    if isinstance(value, list):
        return [_redacted(inner, depth + 1) for inner in value]
    return value
