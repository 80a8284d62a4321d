"""Cutting a file of SQL into its statements, as psql does: each is sent in a message of its own."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from ..kernel.errors import Invalid

__all__ = ["Piece", "read_statements"]

_TOKEN = re.compile(
    r"""(?P<line>--[^\n]*)
    |(?P<block>/\*)
    |(?P<quoted>
        [Ee]'(?:[^'\\]|\\.|'')*'
        |'(?:[^']|'')*'
        |"(?:[^"]|"")*"
        |\$(?P<tag>(?:[^\W\d]\w*)?)\$.*?\$(?P=tag)\$)
    |(?P<open>['"]|\$(?:[^\W\d]\w*)?\$)
    |(?P<word>[^\W\d][\w$]*)
    |(?P<end>;)
    |(?P<other>\S)""",
    re.DOTALL | re.VERBOSE,
)
_COMMENT_EDGE = re.compile(r"/\*|\*/")
# The first words by which a statement would begin or end the transaction around it.
_CONTROL = {"abort", "begin", "commit", "end", "release", "rollback", "savepoint", "start"}


@dataclass(frozen=True, slots=True)
class Piece:
    """One statement of a file.

    Attributes:
        text: without the comments before it and without its semicolon.
        line: where it starts, from 1.
        controls: whether it begins or ends a transaction.
    """

    text: str
    line: int
    controls: bool


def read_statements(text: str) -> Iterator[Piece]:
    """The statements of a file, with their places.

    Raises:
        Invalid: a text, name or comment is not closed, or a function has a BEGIN ATOMIC body, whose
            semicolons only the server's own grammar can tell from ends; with the line.
    """
    start: int | None = None
    words: list[str] = []
    position = 0
    while match := _TOKEN.search(text, position):
        position = match.end()
        kind = match.lastgroup
        if kind == "line":
            continue
        if kind == "block":
            position = _end_of_comment(text, match.start())
            continue
        if kind == "open":
            raise Invalid(f"Line {_line(text, match.start())}: what {match[0]} opens is not closed.", field="sql")
        if kind == "end":
            if start is not None:
                yield _piece(text, start, match.start(), words)
            start, words = None, []
            continue
        start = match.start() if start is None else start
        # Strings and signs stand between words too, so that `begin` and `atomic` are neighbours only where they are.
        words.append(match[0].lower() if kind == "word" else "")
        if words[-2:] == ["begin", "atomic"]:
            raise Invalid(
                f"Line {_line(text, match.start())}: write the body of this function as a text ($$ ... $$); "
                "BEGIN ATOMIC cannot be cut into statements.",
                field="sql",
            )
    if start is not None:
        yield _piece(text, start, len(text), words)


def _piece(text: str, start: int, end: int, words: list[str]) -> Piece:
    controls = words[0] in _CONTROL or words[:2] == ["prepare", "transaction"]
    return Piece(text[start:end].strip(), _line(text, start), controls)


def _end_of_comment(text: str, start: int) -> int:
    """Comments of SQL nest."""
    depth = 0
    for edge in _COMMENT_EDGE.finditer(text, start):
        depth += 1 if edge[0] == "/*" else -1
        if depth == 0:
            return edge.end()
    raise Invalid(f"Line {_line(text, start)}: the comment is not closed.", field="sql")


def _line(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1
