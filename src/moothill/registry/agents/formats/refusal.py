"""How a reader says that a record is bad, and how pydantic's words become ours."""

from collections.abc import Mapping

from pydantic import ValidationError

from moothill.kernel.errors import Invalid

__all__ = ["RecordRefused", "UnknownFormat", "refusal_of"]


class UnknownFormat(Invalid):
    """The format of this catalogue is not known; say which it is."""


class RecordRefused(Exception):
    """A record cannot be imported. It never leaves this package: it becomes a `BadRecord`.

    Attributes:
        field: path of the field in the record; "" for the record as a whole.
        reason: what is wrong with it, without its content.
    """

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(field, reason)
        self.field = field
        self.reason = reason


def refusal_of(error: ValidationError, *, renamed: Mapping[str, str] | None = None) -> RecordRefused:
    """The first thing that pydantic found, as field and reason; the content is never repeated.

    Args:
        error: what pydantic raised.
        renamed: fields of ours that come from a field of another name in the source.
    """
    first = error.errors(include_input=False, include_url=False, include_context=False)[0]
    field = ""
    for part in first["loc"]:
        field += f"[{part}]" if isinstance(part, int) else f".{part}" if field else str(part)
    field = (renamed or {}).get(field, field)
    if first["type"] == "extra_forbidden":
        return RecordRefused(field[:200], "is not a known field")
    if first["type"] == "missing":
        return RecordRefused(field, "is missing")
    reason = first["msg"].removeprefix("Value error, ")
    return RecordRefused(field[:200], reason[:1].lower() + reason[1:])
