"""Names, places and states of capabilities."""

import re
from collections.abc import Iterable, Mapping
from decimal import Decimal

from ...kernel.errors import Invalid
from ...kernel.texts import canonical
from .models import ValidationStatus

# A capability is added with at least this confidence; what follows may lower it.
CONFIDENCE_FLOOR = Decimal("0.7")
MOST_PER_AGENT = 1_000
_LONGEST = 500
_SENTENCE_END = re.compile(r"[.!?](?=\s)|\n")

# From each status, the statuses to which somebody who checked it may take it.
TRANSITIONS: Mapping[ValidationStatus, tuple[ValidationStatus, ...]] = {
    "unvalidated": ("validated", "rejected"),
    "validated": ("rejected",),
    "rejected": ("validated",),
}


class NameTooLong(Invalid):
    """Written out in full, this name of a capability has more than 500 characters."""


def origins(status: ValidationStatus) -> list[ValidationStatus]:
    """The statuses from which a capability may come into this one."""
    return [origin for origin, targets in TRANSITIONS.items() if status in targets]


def canonical_name(name: str) -> str:
    """The form under which names of capabilities are compared.

    Raises:
        NameTooLong: normalisation made it longer than 500 characters (one ligature may become many letters).
    """
    form = canonical(name)
    if not 1 <= len(form) <= _LONGEST:
        raise NameTooLong(field="name")
    return form


def labels(name: str, aliases: Iterable[str], tags: Iterable[str]) -> list[tuple[str, str]]:
    """The rows under which a capability is found: kind and label, each once."""
    own = canonical_name(name)
    found = {("name", own): None}
    for alias in aliases:
        if (form := canonical_name(alias)) != own:
            found["alias", form] = None
    for tag in tags:
        found["tag", tag] = None
    return list(found)


def first_double(names: Iterable[str]) -> str | None:
    """The first name whose canonical form was there before."""
    seen: set[str] = set()
    for name in names:
        form = canonical_name(name)
        if form in seen:
            return name
        seen.add(form)
    return None


def sentence_around(text: str, start: int, end: int) -> str:
    """The sentence of a text in which the characters from `start` to `end` stand, whole."""
    opening = 0
    closing = len(text)
    for match in _SENTENCE_END.finditer(text):
        if match.end() <= start:
            opening = match.end()
        elif match.end() >= end:
            closing = match.end()
            break
    return text[opening:closing].strip()
