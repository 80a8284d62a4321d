"""JSON catalogues, cut into records without reading them whole.

The outer forms, told apart by the first bytes, nest as their publishers do:

* one value after another, one to a line (JSON Lines): a broken line costs that line alone;
* one value after another, printed over several lines;
* an array of records;
* where a `page_key` is given, objects whose array under that key holds the records (a registry's
  pages), alone, in an array, or one to a line.

A record longer than 1 MiB or nested deeper than 32 is never parsed. Broken punctuation between
records ends the reading of the file, or of the line, because nothing after it can be trusted.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import BinaryIO

__all__ = ["BOM", "CHUNK", "MAX_DEPTH", "MAX_RECORD", "RawRecord", "is_lines", "read_head", "split"]

MAX_RECORD = 1_048_576
MAX_DEPTH = 32
BOM = b"\xef\xbb\xbf"
CHUNK = 65_536

_OUTSIDE = re.compile(rb"[^ \t\r\n]")
_STRUCTURE = re.compile(rb'["{}\[\]]')
_SCALAR_END = re.compile(rb'[\s,{}\[\]"]')
_IN_TEXT = re.compile(rb'["\\]')


@dataclass(frozen=True, slots=True)
class RawRecord:
    """One record's bytes.

    Attributes:
        number: from 1.
        line: line on which it begins, from 1.
        data: its bytes, from its first brace to its last; the whole file where it is a file of its own.
        alone: it is a file of its own, not one of a list.
        problem: why it cannot be parsed, or "".
        page: it is what surrounds a page's list: to be checked, not to be imported.
    """

    number: int
    line: int
    data: bytes
    alone: bool = False
    problem: str = ""
    page: bool = False


def split(stream: BinaryIO, *, page_key: str | None = None) -> Iterator[RawRecord]:
    """The records of a JSON catalogue, in order; at most one of them is in memory at a time."""
    whole = bytearray()
    records = _cut(stream, page_key, whole)
    first = next(records, None)
    if first is None:
        return
    second = next(records, None)
    if second is None:
        exact = bytes(whole) if len(whole) <= MAX_RECORD else first.data
        yield replace(first, data=exact) if first.alone else first
        return
    for record in chain((first, second), records):
        yield replace(record, alone=False)


def _cut(stream: BinaryIO, page_key: str | None, whole: bytearray) -> Iterator[RawRecord]:
    """The records as the machine finds them; `whole` gathers the file while it is short enough to matter."""
    chunk = read_head(stream)
    whole += chunk
    chunk = chunk.removeprefix(BOM)
    lines = is_lines(chunk)
    machine = _Machine(page_key)
    while chunk:
        for part in chunk.splitlines(keepends=True) if lines else [chunk]:
            machine.feed(part)
            if lines and part.endswith(b"\n"):
                machine.finish()
                machine = _Machine(page_key, machine.number, machine.line, machine.found)
        yield from machine.take()
        chunk = stream.read(CHUNK)
        if len(whole) <= MAX_RECORD:
            whole += chunk
    machine.finish()
    yield from machine.take()


def read_head(stream: BinaryIO) -> bytes:
    """The first 64 KiB, or all there is; a pipe may hand them over in pieces."""
    head = b""
    while len(head) < CHUNK and (piece := stream.read(CHUNK - len(head))):
        head += piece
    return head


def is_lines(head: bytes) -> bool:
    """Whether a catalogue beginning so has one value to a line, so that a broken line can be passed over."""
    rows = [row.strip() for row in head.splitlines() if row.strip()]
    if not rows or not rows[0].startswith(b"{"):
        return False
    if len(rows) == 1:
        return True
    # An object printed over several lines has a second line that opens no object (unless the first line
    # announces a value), and somewhere a line with nothing but its opening brace.
    return rows[1].startswith(b"{") and rows[0][-1:] not in (b"[", b",", b":") and b"{" not in rows[:-1]


@dataclass(slots=True)
class _Machine:
    """Cuts a stream of JSON values; fed in chunks, it keeps no more than one record."""

    page_key: str | None
    number: int = 0
    line: int = 1
    found: list[RawRecord] = field(default_factory=list)
    # Open lists of records. None: an array. Bytes: a page, with what stood in it before its list.
    frames: list[bytes | None] = field(default_factory=list)
    # What may come next in a list: "first" (a record or the end), "comma" (a comma or the end), "record".
    expects: str = "first"
    buffer: bytearray = field(default_factory=bytearray)
    depth: int = 0
    state: str = "outside"  # outside, inside, text, escaped, scalar, stopped
    page: bool = False
    problem: str = ""
    began: int = 1

    def take(self) -> list[RawRecord]:
        """The records found since the last call."""
        found, self.found = self.found, []
        return found

    def feed(self, chunk: bytes) -> None:
        """Read on."""
        steps = {
            "outside": self._outside,
            "inside": self._inside,
            "text": self._text,
            "escaped": self._escaped,
            "scalar": self._scalar,
        }
        position = 0
        while position < len(chunk) and self.state != "stopped":
            end = steps[self.state](chunk, position)
            self.line += chunk.count(b"\n", position, end)
            position = end

    def finish(self) -> None:
        """There is no more: whatever is still open is a problem."""
        if self.state == "scalar":
            self._end()
        elif self.state in ("inside", "text", "escaped"):
            self._end("does not end: a brace, bracket or quotation mark is missing")
        elif self.frames and self.state == "outside":
            self._stop("the list of records does not end")

    def _outside(self, chunk: bytes, position: int) -> int:
        match = _OUTSIDE.search(chunk, position)
        if match is None:
            return len(chunk)
        byte = match.group()
        in_array = bool(self.frames)
        if byte == b"," and in_array and self.expects == "comma":
            self.expects = "record"
        elif byte == b"]" and in_array and self.expects != "record":
            self._close_list()
        elif byte == b"[" and not in_array:
            self.frames.append(None)
            self.expects = "first"
        elif byte in (b",", b":", b"]", b"}") or (in_array and self.expects == "comma"):
            # Count the lines up to here, so that the report names the right one.
            self.line += chunk.count(b"\n", position, match.start())
            self._stop("this is not JSON: a comma, bracket or brace is wrong or missing")
        else:
            self.number += 1
            self.began = self.line + chunk.count(b"\n", position, match.start())
            self.depth = int(byte in (b"{", b"["))
            self.state = "text" if byte == b'"' else "inside" if self.depth else "scalar"
            self._keep(chunk, match.start(), match.end())
        return match.end()

    def _inside(self, chunk: bytes, position: int) -> int:
        match = _STRUCTURE.search(chunk, position)
        end = match.end() if match else len(chunk)
        self._keep(chunk, position, end)
        byte = match.group() if match else b""
        if byte == b'"':
            self.state = "text"
        elif byte == b"[" and self._opens_page():
            pass
        elif byte in (b"{", b"["):
            self.depth += 1
            if self.depth > MAX_DEPTH:
                self._refuse(f"is nested deeper than {MAX_DEPTH}")
        elif byte in (b"}", b"]"):
            self.depth -= 1
            if not self.depth:
                self._end()
        return end

    def _text(self, chunk: bytes, position: int) -> int:
        match = _IN_TEXT.search(chunk, position)
        end = match.end() if match else len(chunk)
        self._keep(chunk, position, end)
        if match and match.group() == b"\\":
            self.state = "escaped"
        elif match:
            self.state = "inside"
            if not self.depth:
                self._end()
        return end

    def _escaped(self, chunk: bytes, position: int) -> int:
        self._keep(chunk, position, position + 1)
        self.state = "text"
        return position + 1

    def _scalar(self, chunk: bytes, position: int) -> int:
        match = _SCALAR_END.search(chunk, position)
        end = match.start() if match else len(chunk)
        self._keep(chunk, position, end)
        if match:
            self._end()
        return end

    def _opens_page(self) -> bool:
        """Whether the bracket just kept opens a page's list; if so, what follows are its records."""
        if self.page_key is None or self.depth != 1 or self.page or self.problem or any(self.frames):
            return False
        before = bytes(self.buffer[-256:])
        if not re.search(rb'[{,]\s*"' + re.escape(self.page_key.encode()) + rb'"\s*:\s*\[$', before):
            return False
        self.frames += [bytes(self.buffer[:-1]), None]
        self.number -= 1
        self.state, self.depth, self.expects = "outside", 0, "first"
        self.buffer.clear()
        return True

    def _close_list(self) -> None:
        self.frames.pop()
        self.expects = "comma"
        if self.frames and self.frames[-1] is not None:
            # What follows in the page joins what stood before its list, to be checked as one object.
            self.buffer = bytearray(self.frames.pop() or b"") + b"[]"
            self.state, self.depth, self.page = "inside", 1, True

    def _keep(self, chunk: bytes, start: int, end: int) -> None:
        if not self.problem:
            self.buffer += chunk[start:end]
            if len(self.buffer) > MAX_RECORD:
                self._refuse(f"is longer than {MAX_RECORD} bytes")

    def _refuse(self, problem: str) -> None:
        self.problem = self.problem or problem
        self.buffer.clear()

    def _end(self, problem: str = "") -> None:
        self.found.append(
            RawRecord(
                number=max(1, self.number),
                line=self.began,
                data=bytes(self.buffer),
                alone=not self.frames and not self.page,
                problem=self.problem or problem,
                page=self.page,
            )
        )
        self.buffer.clear()
        self.problem, self.depth, self.page = "", 0, False
        self.state, self.expects = "outside", "comma"

    def _stop(self, problem: str) -> None:
        self.state = "stopped"
        self.number += 1
        self.found.append(RawRecord(self.number, self.line, b"", problem=f"{problem}; what follows was not read"))
