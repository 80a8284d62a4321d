"""Moothill's own columns: JSON Lines (or a JSON array) and CSV.

JSON: the fields of `CatalogueEntry` but `card`; `capabilities` and `skills` may also be bare names;
`null` means "not given". CSV: the same columns under a header, separated by commas, semicolons or tabs:

    agent_id,name,description,type,tags,capabilities,skills
    writer-1,Writer,"Drafts, edits.",worker,text;english,"draft a report;edit a text",english:9:1200;style:7

* an empty cell means "not given"; `tags` and `specialisations` are separated by semicolons
* `capabilities` are names separated by semicolons, or a JSON list as above
* `skills` are `name`, `name:proficiency` or `name:proficiency:experience`, separated by semicolons, or
  a JSON list; `metadata` is a JSON object

`specializations`, the described systems' spelling, is taken for `specialisations`. An unknown column is
refused with its near match, because a misspelt one would otherwise be lost in silence.
"""

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

from pydantic import ValidationError as PydanticError

from moothill.kernel.errors import Invalid, near_match

from .entry import CatalogueEntry
from .parsing import parse_value, plain
from .records import BOM, MAX_RECORD
from .refusal import RecordRefused, refusal_of

__all__ = ["COLUMNS", "InvalidHeader", "Row", "delimiter_of", "read_columns", "rows"]

COLUMNS = tuple(name for name in CatalogueEntry.model_fields if name not in ("card", "record"))
REQUIRED = ("agent_id", "name")

_SPELLINGS = {"specializations": "specialisations"}
_NAMED = ("capabilities", "skills")
_SKILL = re.compile(r"(?P<name>.*?)(?::(?P<proficiency>\d{1,4}))?(?::(?P<experience>\d{1,12}))?", re.DOTALL)


class InvalidHeader(Invalid):
    """The first line of the table does not name Moothill's columns."""


def read_columns(data: dict[str, Any]) -> CatalogueEntry:
    """An object with our columns as an entry.

    Raises:
        RecordRefused: a column is unknown, missing, or breaks its limit.
    """
    given: dict[str, Any] = {}
    for name, value in data.items():
        column = _SPELLINGS.get(name, name)
        if column not in COLUMNS:
            raise RecordRefused(name[:200], f"is not a known field.{near_match(name, COLUMNS)}")
        if column in given:
            raise RecordRefused(column, "is given twice, in two spellings")
        if value is not None:
            given[column] = value
    for column in _NAMED:
        if isinstance(given.get(column), list):
            given[column] = [{"name": item} if isinstance(item, str) else item for item in given[column]]
    if "metadata" in given:
        given["metadata"] = plain(given["metadata"])
    try:
        return CatalogueEntry.model_validate(given)
    except PydanticError as error:
        raise refusal_of(error) from None


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a table: its number from 1 (without the header), its line, its cells or their fault."""

    number: int
    line: int
    cells: dict[str, Any] | RecordRefused


def delimiter_of(header: str) -> str | None:
    """What separates the columns of a header line, or None when it is no header of ours."""
    for delimiter in (",", ";", "\t"):
        names = {name.strip().strip('"').strip() for name in header.split(delimiter)}
        if names.issuperset(REQUIRED):
            return delimiter
    return None


def rows(stream: BinaryIO) -> Iterator[Row]:
    """The rows of a CSV table, one at a time.

    Raises:
        InvalidHeader: the header lacks a required column, names an unknown one, or names one twice.
    """
    source = _Lines(stream)
    try:
        first = next(source)
    except StopIteration:
        raise InvalidHeader("The table is empty; its first line must name the columns.") from None
    except RecordRefused as refused:
        raise InvalidHeader(f"The header {refused.reason}.") from None
    delimiter = delimiter_of(first)
    try:
        # A header on several lines is no header of ours: one line is all that is looked at.
        header = next(csv.reader([first], delimiter=delimiter or ",", strict=True), [])
    except csv.Error as error:
        raise InvalidHeader(f"The header cannot be read: {error}.") from None
    columns = _columns(header)
    reader = csv.reader(source, delimiter=delimiter or ",", strict=True)
    number = 0
    while True:
        source.begin()
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            number += 1
            yield Row(number, source.began, RecordRefused("", f"is not CSV: {error}"))
            continue
        except RecordRefused as refused:
            number += 1
            yield Row(number, source.began, refused)
            continue
        if not cells:
            continue
        number += 1
        yield Row(number, source.began, _cells(columns, cells))


def _columns(header: Sequence[str]) -> list[str]:
    names = [_SPELLINGS.get(name.strip(), name.strip()) for name in header]
    for name in names:
        if name not in COLUMNS:
            raise InvalidHeader(
                f'The column "{name[:100]}" is not known.{near_match(name, COLUMNS)} Known: {", ".join(COLUMNS)}.',
                field=name[:100],
            )
        if names.count(name) > 1:
            raise InvalidHeader(f"The column {name} stands twice in the header.", field=name)
    for name in REQUIRED:
        if name not in names:
            raise InvalidHeader(f"The header lacks the column {name}.", field=name)
    return names


def _cells(columns: list[str], cells: list[str]) -> dict[str, Any] | RecordRefused:
    if len(cells) != len(columns):
        return RecordRefused("", f"has {len(cells)} cells; the header has {len(columns)}")
    try:
        return {
            column: _cell(column, cell.strip()) for column, cell in zip(columns, cells, strict=True) if cell.strip()
        }
    except RecordRefused as refused:
        return refused


def _cell(column: str, cell: str) -> Any:
    if column == "metadata" or (column in _NAMED and cell.startswith("[")):
        try:
            return parse_value(cell.encode("utf-8", "surrogatepass"))
        except RecordRefused as refused:
            raise RecordRefused(column, refused.reason) from None
    if column in ("tags", "specialisations", "capabilities"):
        return [item.strip() for item in cell.split(";") if item.strip()]
    if column == "skills":
        return [_skill(item.strip()) for item in cell.split(";") if item.strip()]
    return cell


def _skill(item: str) -> dict[str, Any]:
    found = _SKILL.fullmatch(item)
    return {name: value for name, value in (found.groupdict() if found else {"name": item}).items() if value}


class _Lines(Iterator[str]):
    """A table's lines as text, each at most 1 MiB, and no more than that since a row began."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._size = 0
        self.line = 0
        self.began = 1

    def begin(self) -> None:
        """A new row begins with the next line."""
        self._size = 0

    def __next__(self) -> str:
        line = self._stream.readline(MAX_RECORD + 1)
        if not line:
            raise StopIteration
        self.line += 1
        if not self._size:
            self.began = self.line
        self._size += len(line)
        if self._size > MAX_RECORD:
            while line and not line.endswith(b"\n"):
                line = self._stream.readline(MAX_RECORD)
            raise RecordRefused("", f"is longer than {MAX_RECORD} bytes")
        if self.line == 1:
            line = line.removeprefix(BOM)
        if b"\0" in line:
            raise RecordRefused("", "holds a NUL byte")
        try:
            return line.decode("utf-8")
        except UnicodeDecodeError as error:
            raise RecordRefused("", f"is not UTF-8 (byte {error.start} of line {self.line})") from None
