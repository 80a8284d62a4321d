"""What a write changed: each field before and after, line by line where it has several."""

import json
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from typing import Any, Literal

from ...tenancy.audit.models import Change
from .text import box, quiet, text

__all__ = ["diff_lines", "diff_view", "in_brief"]

Side = Literal["same", "minus", "plus"]
_SIGNS: dict[Side, str] = {"same": " ", "minus": "\N{MINUS SIGN}", "plus": "+"}
_WORDS: dict[Side, str] = {"same": "", "minus": "before: ", "plus": "after: "}
MOST_LINES, LONGEST_LINE, _AROUND = 200, 2_000, 2


def in_brief(changes: Sequence[Change], most: int = 3) -> str:
    """The names of the fields that changed."""
    names = [change.field.replace("_", " ") for change in changes]
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def diff_lines(before: Any, after: Any) -> list[tuple[Side, str]]:
    """Lines that went and lines that came, with a little of what stayed around them."""
    old, new = _lines(before), _lines(after)
    found: list[tuple[Side, str]] = []
    for tag, i, j, k, m in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if tag == "equal":
            found += [("same", line) for line in _shortened(old[i:j])]
        else:
            found += [("minus", line) for line in old[i:j]]
            found += [("plus", line) for line in new[k:m]]
    return found


def _lines(value: Any) -> list[str]:
    if value is None:
        return []
    shown = value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False, default=str)
    return [line[:LONGEST_LINE] for line in (shown.splitlines() or [""])[:MOST_LINES]]


def _shortened(lines: Sequence[str]) -> Iterator[str]:
    if len(lines) <= 2 * _AROUND + 1:
        yield from lines
        return
    yield from lines[:_AROUND]
    yield f"… {len(lines) - 2 * _AROUND} lines alike"
    yield from lines[-_AROUND:]


def diff_view(changes: Sequence[Change]) -> None:
    """Every field that changed; said by signs and words too, not by colour alone."""
    with box("diff").mark("diff"):
        for change in changes:
            text(change.field, "mono field-name")
            with box("lines"):
                for side, line in diff_lines(change.before, change.after):
                    with box(f"line {side}"):
                        text(_SIGNS[side], "sign").props('aria-hidden="true"')
                        if _WORDS[side]:
                            text(_WORDS[side], "for-readers")
                        text(line, "wrap")
        if not changes:
            quiet("The event says it all: nothing was changed from one value to another.")
