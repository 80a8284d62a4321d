"""How many tasks ended, span by span: what was completed above the line, what failed or was cancelled below it."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from ...work.tasks.models import Throughput
from .text import box, quiet, text, with_property
from .words import moment, number
from .words import span as _span

__all__ = ["SPANS", "ThroughputPicture", "aligned"]

# Words, hours, and seconds of one span.
SPANS: Mapping[str, tuple[str, float, int]] = {
    "24h": ("Last 24 hours", 24, 1_800),
    "1h": ("Last hour", 1, 120),
    "7d": ("Last 7 days", 168, 14_400),
    "30d": ("Last 30 days", 720, 86_400),
}
_STEP, _BAR, _HIGH, _LOW = 10, 8, 60, 24


def aligned(spans: Sequence[Throughput], *, end: datetime, seconds: int, hours: float) -> list[Throughput | None]:
    """One for each span up to `end`, oldest first; None where nothing ended."""
    length = timedelta(seconds=seconds)
    last = end - timedelta(seconds=end.timestamp() % seconds)
    known = {span.starts_at: span for span in spans}
    size = int(hours * 3600 / seconds) + 1
    return [known.get(last - length * back) for back in reversed(range(size))]


def _bars(heights: Sequence[tuple[float, float]]) -> str:
    """Upright bars as one path: each from one height to another."""
    return " ".join(
        f"M{place * _STEP + 1} {start:.1f}h{_BAR}V{end:.1f}h-{_BAR}z"
        for place, (start, end) in enumerate(heights)
        if start != end
    )


class ThroughputPicture:
    """The picture and its sums; `show` changes them in place."""

    def __init__(self) -> None:
        with box("throughput", "svg").mark("throughput") as self.picture:
            with_property(self.picture, "preserveAspectRatio", "none")
            with_property(self.picture, "role", "img")
            self.done, self.failed, self.cancelled = (box(look, "path") for look in ("good", "bad", "off"))
            self.ground = box("", "line")
        with box("row-line spread"):
            self.first, self.last = quiet("", "small"), quiet("now", "small")
        with box("legend"):
            self.keys = [text("", f"state {look}") for look in ("good", "bad", "off")]
            self.took, self.peak = quiet(""), quiet("")

    def show(self, spans: Sequence[Throughput | None], *, begins: datetime, seconds: int) -> None:
        """Draw other values; the label says them in words."""
        most = max((span.completed for span in spans if span), default=0) or 1
        worst = max((span.failed + span.cancelled for span in spans if span), default=0) or 1
        up, down, off = [], [], []
        for span in spans:
            completed, failed, cancelled = (span.completed, span.failed, span.cancelled) if span else (0, 0, 0)
            # A bar that is there at all is seen.
            up.append((_HIGH, _HIGH - (max(2, _HIGH * completed / most) if completed else 0)))
            middle = _HIGH + (max(2, _LOW * failed / worst) if failed else 0)
            down.append((_HIGH, middle))
            off.append((middle, middle + (max(2, _LOW * cancelled / worst) if cancelled else 0)))
        wide = _STEP * len(spans)
        with_property(self.picture, "viewBox", f"0 0 {wide} {_HIGH + _LOW + 4}")
        for shape, bars in ((self.done, up), (self.failed, down), (self.cancelled, off)):
            with_property(shape, "d", _bars(bars))
        for name, value in (("x1", 0), ("x2", wide), ("y1", _HIGH), ("y2", _HIGH)):
            with_property(self.ground, name, value)
        self._sums(spans, begins)
        peak = max((span.completed for span in spans if span), default=0)
        self.peak.set_text(f"at most {number(peak)} completed in {_span(timedelta(seconds=seconds))}" if peak else "")

    def _sums(self, spans: Sequence[Throughput | None], begins: datetime) -> None:
        sums = {
            word: sum(getattr(span, word) for span in spans if span) for word in ("completed", "failed", "cancelled")
        }
        for key, (word, size) in zip(self.keys, sums.items(), strict=True):
            key.set_text(f"{number(size)} {word}")
        weighed = [(span.average_ms, span.completed) for span in spans if span and span.average_ms is not None]
        total = sum(size for _, size in weighed)
        took = round(sum(average * size for average, size in weighed) / total) if total else None
        self.took.set_text("" if took is None else f"took {number(took)} ms on average")
        self.first.set_text(moment(begins))
        with_property(self.picture, "aria-label", ", ".join(f"{number(size)} {word}" for word, size in sums.items()))
