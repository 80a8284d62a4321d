"""From a file to entries: which format it has, and every record of it as what it is."""

import io
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, BinaryIO

from moothill.kernel.errors import near_match

from .agent_card import read_card
from .entry import BadRecord, CatalogueEntry, CatalogueItem, SkippedRecord
from .mcp_registry import PAGE_KEY, Superseded, read_server
from .own_columns import delimiter_of, read_columns, rows
from .parsing import parse
from .records import BOM, CHUNK, RawRecord, read_head, split
from .refusal import RecordRefused, UnknownFormat

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

__all__ = ["DETECTION_BYTES", "Format", "detect", "format_named", "read"]

# How much of a file `detect` looks at; give it at least this much where there is so much.
DETECTION_BYTES = CHUNK

_TOKEN = re.compile(rb'"((?:[^"\\]|\\.)*)"\s*(:?)|[{}\[\]]', re.DOTALL)
# Keys that only a card, or only a registry's record, has.
_CARD_KEYS = (
    *("supportedInterfaces", "supported_interfaces", "additionalInterfaces", "preferredTransport"),
    *("defaultInputModes", "default_input_modes", "defaultOutputModes", "default_output_modes"),
    *("protocolVersion", "securitySchemes"),
)
_SERVER_KEYS = (
    *("$schema", "_meta", "packages", "remotes", "repository", "server", "servers"),
    *("version_detail", "websiteUrl", "website_url"),
)


class Format(StrEnum):
    """The formats of catalogues that can be imported."""

    MCP = "mcp"
    A2A = "a2a"
    JSONL = "jsonl"
    CSV = "csv"


def format_named(name: str) -> Format:
    """The format of that name.

    Raises:
        UnknownFormat: there is none; the message has the near match.
    """
    try:
        return Format(name.strip().lower())
    except ValueError:
        known = [str(format) for format in Format]
        raise UnknownFormat(
            f'There is no catalogue format "{name[:50]}".{near_match(name, known)} Known: {", ".join(known)}.',
            field="format",
        ) from None


def detect(head: bytes) -> Format:
    """The format of a file, from its first bytes: the keys of its first object, or the names of its columns.

    Raises:
        UnknownFormat: it is none of ours, or has no record to tell by.
    """
    text = head.removeprefix(BOM).lstrip()
    if not text:
        raise UnknownFormat("The catalogue is empty.", field="format")
    if head.startswith((b"\x1f\x8b", b"PK\x03\x04", b"\xff\xfe", b"\xfe\xff")):
        raise UnknownFormat("The catalogue is compressed or not UTF-8; give it unpacked, as UTF-8.", field="format")
    if text[:1] in (b"{", b"["):
        keys = _first_keys(text)
        if "agent_id" in keys:
            return Format.JSONL
        if keys.intersection(_CARD_KEYS):
            return Format.A2A
        if keys.intersection(_SERVER_KEYS):
            return Format.MCP
    elif delimiter_of(text.split(b"\n", 1)[0].decode("utf-8", "replace")) is not None:
        return Format.CSV
    raise UnknownFormat(
        f"The format of the catalogue cannot be told from its beginning; say which it is "
        f"({', '.join(Format)}). A table's first line must name the columns agent_id and name.",
        field="format",
    )


def _first_keys(text: bytes) -> set[str]:
    """The keys of the first object, as far as they stand in `text`."""
    keys: set[str] = set()
    depth = 0
    for token in _TOKEN.finditer(text):
        mark = token.group()
        if mark in (b"{", b"["):
            # A list around the records is not a depth of its own.
            depth += not (mark == b"[" and depth == 0)
        elif mark in (b"}", b"]"):
            depth -= 1
            if depth <= 0:
                break
        elif depth == 1 and token.group(2):
            keys.add(token.group(1).decode("utf-8", "replace"))
    return keys


def read(source: bytes | BinaryIO, *, file: str = "-", format: Format | str | None = None) -> Iterator[CatalogueItem]:
    """The records of a catalogue, in order: entries, bad records, and records passed over.

    At first only what tells the format is read. A second record with the same `agent_id` is a bad record.
    One record at a time is in memory (besides the ids seen).

    Args:
        source: the bytes, or a binary stream that is read once from where it stands.
        file: its name, for the reports.
        format: what it is; None looks.

    Raises:
        UnknownFormat: at once, when the format is not told and cannot be seen.
        InvalidHeader: with the first item, when a table's header is not ours.
    """
    stream = io.BytesIO(source) if isinstance(source, bytes) else source
    if format is None:
        head = read_head(stream)
        format = detect(head)
        stream = io.BufferedReader(_Rejoined(head, stream))
    chosen = format if isinstance(format, Format) else format_named(format)
    reading = _Reading(file, chosen)
    return reading.table(stream) if chosen is Format.CSV else reading.json(stream)


@dataclass(slots=True)
class _Reading:
    """One pass over one file."""

    file: str
    format: Format
    # Which record brought an agent's id: a second one is a mistake of the file.
    seen: dict[str, int] = field(default_factory=dict)

    def json(self, stream: BinaryIO) -> Iterator[CatalogueItem]:
        for raw in split(stream, page_key=PAGE_KEY if self.format is Format.MCP else None):
            if not raw.page:
                yield self._item(raw.number, raw.line, partial(self._entry, raw))
            elif (refused := _page_fault(raw)) is not None:
                yield self._bad(raw.number, raw.line, refused)

    def table(self, stream: BinaryIO) -> Iterator[CatalogueItem]:
        for row in rows(stream):
            if isinstance(row.cells, RecordRefused):
                yield self._bad(row.number, row.line, row.cells)
            else:
                yield self._item(row.number, row.line, partial(read_columns, row.cells))

    def _entry(self, raw: RawRecord) -> CatalogueEntry:
        data = parse(raw)
        if self.format is Format.MCP:
            return read_server(data, alone=raw.alone)
        if self.format is Format.A2A:
            return read_card(data, raw.data)
        return read_columns(data)

    def _item(self, number: int, line: int, make: Callable[[], CatalogueEntry]) -> CatalogueItem:
        try:
            entry = make()
            before = self.seen.setdefault(entry.agent_id, number)
            if before != number:
                raise RecordRefused("agent_id", f"is the same as that of record {before}")
        except Superseded as passed:
            return SkippedRecord(file=self.file, record=number, agent_id=passed.field, reason=passed.reason, line=line)
        except RecordRefused as refused:
            return self._bad(number, line, refused)
        return entry.model_copy(update={"record": number})

    def _bad(self, number: int, line: int, refused: RecordRefused) -> BadRecord:
        return BadRecord(file=self.file, record=number, field=refused.field, reason=refused.reason, line=line)


def _page_fault(raw: RawRecord) -> RecordRefused | None:
    """What is wrong with the object around a page's list, if anything."""
    try:
        parse(raw)
    except RecordRefused as refused:
        return RecordRefused(refused.field, f"{refused.reason} (in the page around the records)")
    return None


class _Rejoined(io.RawIOBase):
    """A stream with the bytes read from it put back before it; closing it leaves the stream open."""

    def __init__(self, head: bytes, rest: BinaryIO) -> None:
        self._head = head
        self._rest = rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        view = memoryview(buffer)
        if self._head:
            piece, self._head = self._head[: len(view)], self._head[len(view) :]
        else:
            piece = self._rest.read(len(view))
        view[: len(piece)] = piece
        return len(piece)
