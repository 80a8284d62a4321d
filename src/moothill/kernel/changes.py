"""What a write changed, field by field, for the audit: secrets are taken out here, before anything keeps them."""

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence, Set
from datetime import date, time
from typing import Any, TypeAlias

import orjson
from pydantic import BaseModel, SecretBytes, SecretStr

__all__ = ["REDACTED", "Side", "changes_of"]

REDACTED = "[redacted]"
# Compared with names in lower case and without anything between the words.
_SECRET_NAME = re.compile(
    r"secret|password|passwd|passphrase|passkey|passcode|credential|apikey|accesskey|privatekey|authorization|cookie"
    r"|connectionstring|digest|token(?!s|i[sz]|count|limit)|(^|db|user)pwd$|^pin$|dsn$|^auth$|auth(key|code|header)$"
)
_NAMES_NO_SECRET = re.compile(r"^max[a-z]*token")
# Secrets that stand in a text: keys of well-known makers, bearers, passwords in addresses, private keys, JWTs.
_SECRET_TEXT = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)"
    r"|\b(?:sk|pk|rk)[-_][A-Za-z0-9_-]{8,}|\bmoot_[A-Za-z0-9_-]{16,}|\bgh[pousr]_[A-Za-z0-9]{16,}"
    r"|\bxox[a-z]-[A-Za-z0-9-]{8,}|\b(?:AKIA|ASIA)[A-Z0-9]{12,}|\bAIza[A-Za-z0-9_-]{20,}"
    r"|\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_.-]+|(?i:\b(?:bearer|basic)\s+)[A-Za-z0-9._~+/=-]{6,}"
    r"|(?<=://)[^/\s:@]*:[^/\s@]+(?=@)",
    re.DOTALL,
)
# These rise with every write and say nothing.
_BOOKKEEPING = frozenset({"version", "updated_at"})
_LONGEST = 2_000
_DEEPEST = 20
_LARGEST = 2**63

Side: TypeAlias = BaseModel | Mapping[str, Any] | None


def changes_of(before: Side, after: Side) -> dict[str, list[Any]]:
    """The fields that differ, each with its value before and after.

    A secret is there as `[redacted]`: a field that is marked so, whatever stands under a name that sounds like
    one, however deep, and what looks like a key inside of a text. That it changed is told, its value is not. A
    value of more than 2,000 characters of JSON is there by its length and SHA-256. No list of patterns knows
    every secret; what must not be kept belongs into a field that is marked.

    Args:
        before: the thing as it was; None when it is new.
        after: the thing as it is; None when it is gone.

    Returns:
        Field -> [before, after], in JSON's types.
    """
    old, new = dict(_fields(before)), dict(_fields(after))
    secret = _marked(before) | _marked(after)
    found: dict[str, list[Any]] = {}
    for name in sorted({*old, *new} - _BOOKKEEPING):
        was, now = old.get(name), new.get(name)
        if was == now:
            continue
        if name in secret or _is_secret(name):
            found[name] = [None if value is None else REDACTED for value in (was, now)]
        else:
            found[name] = [_kept(was), _kept(now)]
    return found


def _fields(side: Side) -> Iterator[tuple[str, Any]]:
    if isinstance(side, BaseModel):
        yield from ((name, getattr(side, name)) for name in type(side).model_fields)
    elif side is not None:
        yield from side.items()


def _marked(side: object) -> frozenset[str]:
    if not isinstance(side, BaseModel):
        return frozenset()
    return frozenset(
        name
        for name, field in type(side).model_fields.items()
        if isinstance(field.json_schema_extra, dict) and field.json_schema_extra.get("secret")
    )


def _is_secret(name: str) -> bool:
    bare = re.sub(r"[^a-z0-9]", "", name.lower())
    return bool(_SECRET_NAME.search(bare)) and not _NAMES_NO_SECRET.search(bare)


def _kept(value: Any) -> Any:
    clean = _plain(value, 0)
    text = orjson.dumps(clean)
    if len(text) <= _LONGEST:
        return clean
    return {"characters": len(text), "sha256": hashlib.sha256(text).hexdigest()}


def _plain(value: Any, depth: int) -> Any:
    """A value in JSON's types, without its secrets."""
    if value is None or isinstance(value, bool | float):
        return value
    if depth > _DEEPEST or isinstance(value, SecretStr | SecretBytes | bytes):
        return REDACTED
    if isinstance(value, int):
        return value if -_LARGEST <= value < _LARGEST else str(value)
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, BaseModel | Mapping):
        marked = _marked(value)
        # {"name": "API_KEY", "value": "..."} is how environments are written down.
        pair = isinstance(value, Mapping) and _is_secret(str(value.get("name") or value.get("key") or ""))
        return {
            str(name): REDACTED
            if inner is not None and (name in marked or _is_secret(str(name)) or (pair and name == "value"))
            else _plain(inner, depth + 1)
            for name, inner in _fields(value)
        }
    if isinstance(value, Sequence | Set) and not isinstance(value, str):
        items = [_plain(inner, depth + 1) for inner in value]
        for place, item in enumerate(items[:-1]):
            # ["--api-key", "..."] is how commands are.
            if isinstance(item, str) and item.startswith("-") and "=" not in item and _is_secret(item):
                items[place + 1] = REDACTED
        return items
    return _SECRET_TEXT.sub(REDACTED, str(value))
