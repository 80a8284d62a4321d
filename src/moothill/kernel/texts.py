"""Texts, shares and free JSON from outside: what they may hold, and how names are compared.

The limits stand in annotations, so that every door documents them. No text may hold a control
character (a terminal, a log or a diagram would obey it); prose may have line breaks and tabs.
"""

import math
import re
import unicodedata
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

import orjson
from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field, StringConstraints

__all__ = [
    "AgentReference",
    "Hundredths",
    "JsonObject",
    "Label",
    "Line",
    "LineOrNothing",
    "LongName",
    "Moment",
    "Prose",
    "Share",
    "canonical",
    "id_of",
    "slug",
    "without_exponent",
]

JSON_BYTES = 65_536
# One line with something in it. Without lookahead, which pydantic's expressions do not have.
_LINE = (
    r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]*"
    r"[^\s\x00-\x1f\x7f-\x9f\u2028\u2029]"
    r"[^\x00-\x1f\x7f-\x9f\u2028\u2029]*$"
)
_PROSE = r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]*$"

Label = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100, pattern=_LINE)]
Line = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=255, pattern=_LINE)]
LongName = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500, pattern=_LINE)]
LineOrNothing = Annotated[
    str,
    StringConstraints(strip_whitespace=True, max_length=255, pattern=r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]*$"),
]
Prose = Annotated[str, StringConstraints(max_length=10_000, pattern=_PROSE)]


def _plain(value: Any) -> Any:
    """A measured share arrives as a binary float with many digits; the exact decimal begins here."""
    if isinstance(value, float) and math.isfinite(value):
        return round(value, 4)
    return without_exponent(value)


def without_exponent(value: Any) -> Any:
    """Refuse `0E1000000`, which is nothing, and yet more than a database holds."""
    if isinstance(value, str) and "e" in value.lower():
        raise ValueError("write it without an exponent")
    return value


def _small_enough(value: dict[str, Any]) -> dict[str, Any]:
    try:
        size = len(orjson.dumps(value))
    except (TypeError, ValueError, RecursionError):
        raise ValueError("holds something that JSON cannot carry") from None
    if size > JSON_BYTES:
        raise ValueError(f"may have at most {JSON_BYTES} bytes as JSON")
    return value


def _in_utc(value: datetime) -> datetime:
    """Refuse `9999-12-31T23:59:59-12:00`: the database keeps it, and nobody could read its row any more."""
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise ValueError("lies outside of the years 1 to 9999, by UTC") from None


Share = Annotated[Decimal, Field(ge=0, le=1, max_digits=5, decimal_places=4), BeforeValidator(_plain)]
Hundredths = Annotated[Decimal, Field(ge=0, le=1, max_digits=3, decimal_places=2), BeforeValidator(without_exponent)]
AgentReference = Annotated[
    str,
    BeforeValidator(lambda value: str(value) if isinstance(value, UUID) else value),
    Field(min_length=1, max_length=255, description="Its own key (`agent_id`) or its id.", examples=["alderman"]),
]
Moment = Annotated[AwareDatetime, AfterValidator(_in_utc)]
JsonObject = Annotated[dict[str, Any], AfterValidator(_small_enough)]


def canonical(name: str) -> str:
    """The form under which names are compared: NFKC, lower case, trimmed, single spaces."""
    # Lower case may leave the normal form, so it is taken twice.
    return " ".join(unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).lower()).split())


def slug(name: str, *, longest: int = 100) -> str:
    """A key made from a name: words joined by hyphens; empty when the name has none."""
    return re.sub(r"[\W_]+", "-", unicodedata.normalize("NFKC", name).lower())[:longest].strip("-")


def id_of(reference: str) -> UUID | None:
    """The id that a reference is, if it has the form of one."""
    if len(reference) != 36:
        return None
    try:
        return UUID(reference)
    except ValueError:
        return None
