"""Lengths of time to look at, as an address has them: a word for a length, or two days."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from ..screens import Query
from .fields import choice, day_line
from .words import now

__all__ = ["RANGES", "Span", "span_filter", "span_of"]

RANGES: dict[str, tuple[str, timedelta | None]] = {
    "": ("Any time", None),
    "1h": ("Last hour", timedelta(hours=1)),
    "24h": ("Last 24 hours", timedelta(hours=24)),
    "7d": ("Last 7 days", timedelta(days=7)),
    "30d": ("Last 30 days", timedelta(days=30)),
}


@dataclass(frozen=True, slots=True)
class Span:
    """What the address says of time.

    Attributes:
        word: one of `RANGES`; empty where days are given, or nothing.
        first: the first day, in UTC.
        last: the last day.
    """

    word: str
    first: date | None
    last: date | None

    @property
    def since(self) -> datetime | None:
        """The moment from which on to look."""
        length = RANGES[self.word][1]
        return now() - length if length else _midnight(self.first)

    @property
    def until(self) -> datetime | None:
        """The moment before which to look."""
        return _midnight(self.last + timedelta(days=1)) if self.last else None

    @property
    def address(self) -> dict[str, str | None]:
        """As it stands behind the question mark."""
        days = {"from": self.first, "to": self.last}
        return {"since": self.word or None} | {name: day.isoformat() if day else None for name, day in days.items()}


def span_of(query: Query) -> Span:
    """Read an address; what is no day counts as not given."""
    first, last = _day(query.get("from")), _day(query.get("to"))
    word = query.one_of("since", *RANGES)
    return Span("" if first or last else word, first, last)


def span_filter(span: Span, go: Any) -> None:
    """The fields; `go` is told what changes in the address."""
    words = {name: shown for name, (shown, _) in RANGES.items()}
    choice("", words, span.word, lambda value: go(**{"since": value or None, "from": None, "to": None})).mark("since")
    day_line("From", span.first, lambda day: go(**{"from": day, "since": None})).mark("from")
    day_line("To", span.last, lambda day: go(to=day, since=None)).mark("to")


def _day(words: str | None) -> date | None:
    try:
        # The day after the last one must exist as well.
        return date.fromisoformat(words) if words and "1970" <= words < "9999" else None
    except ValueError:
        return None


def _midnight(day: date | None) -> datetime | None:
    return datetime(day.year, day.month, day.day, tzinfo=UTC) if day else None
