"""Reading the demo's data files: TOML in, checked records out, errors that name file, row and field."""

import tomllib
from collections.abc import Iterator, Mapping
from decimal import Decimal
from importlib.resources import files
from typing import Any, NoReturn, TypeVar

from pydantic import TypeAdapter, ValidationError

from moothill.kernel.errors import Invalid

__all__ = ["InvalidDemoData", "read_text", "records", "refuse"]

Record = TypeVar("Record")


class InvalidDemoData(Invalid):
    """A data file of the demo society breaks a rule."""


def refuse(file: str, thing: str, what: str) -> NoReturn:
    """Raise the error about one thing in one file."""
    raise InvalidDemoData(f"{file}: {thing}: {what}.", file=file, thing=thing)


def read_text(file: str) -> str:
    """The text of a data file of this package."""
    return (files(__package__) / file).read_text(encoding="utf-8")


def records(file: str, text: str, kinds: Mapping[str, type[Any]]) -> dict[str, tuple[Any, ...]]:
    """The records of a file, by the name of their array.

    Args:
        file: name of the file, for messages.
        text: its TOML.
        kinds: record class by the name of the array that holds it. A top-level `tenant` is given to
            every record.

    Raises:
        InvalidDemoData: not TOML, an unknown array, or a record that breaks a limit.
    """
    try:
        # Decimals, because a binary float would not show the digits that stand in the file.
        data = tomllib.loads(text, parse_float=Decimal)
    except tomllib.TOMLDecodeError as error:
        refuse(file, "the file", f"it is not valid TOML: {error}")
    given = {"tenant": data.pop("tenant")} if isinstance(data.get("tenant"), str) else {}
    if unknown := data.keys() - kinds.keys():
        refuse(file, min(unknown), f"unknown array; known are {', '.join(kinds)}")
    return {name: tuple(_records(file, name, record, data.get(name), given)) for name, record in kinds.items()}


def _records(file: str, name: str, record: type[Record], rows: Any, given: Mapping[str, Any]) -> Iterator[Record]:
    adapter = TypeAdapter(record)
    if not isinstance(rows, list) or not rows:
        refuse(file, name, "the array is missing or empty")
    for number, row in enumerate(rows, 1):
        thing = f"{name} {number}"
        if not isinstance(row, dict):
            refuse(file, thing, "it must be a table")
        if isinstance(row.get("key"), str):
            thing += f" ({row['key']})"
        try:
            yield adapter.validate_python({**given, **row})
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            field = ".".join(str(part) for part in first["loc"])
            refuse(file, thing, f"{field}: {first['msg']}")
