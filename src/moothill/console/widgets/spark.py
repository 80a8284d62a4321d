"""A sparkline: counts over equal steps of time, drawn as a small picture without a library."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from nicegui import ui

from .text import box, with_property

__all__ = ["Sparkline", "buckets"]

WIDTH, HEIGHT, TOP = 600, 44, 3


def buckets(times: Iterable[datetime], *, end: datetime, step: timedelta, count: int) -> list[int]:
    """How many of the times fall into each of `count` steps that end at `end`, oldest first."""
    found = [0] * count
    for time in times:
        place = count - 1 - int((end - time) / step)
        if 0 <= place < count and time <= end:
            found[place] += 1
    return found


def points(values: Sequence[int]) -> str:
    """The line through the values, in the picture's own units."""
    most = max(max(values, default=0), 1)
    wide = WIDTH / max(1, len(values) - 1)
    return " ".join(
        f"{place * wide:.1f},{HEIGHT - (HEIGHT - TOP) * value / most:.1f}" for place, value in enumerate(values)
    )


class Sparkline:
    """The picture; `show` changes it in place."""

    def __init__(self, values: Sequence[int], label: str) -> None:
        with box("spark", "svg") as self.picture:
            with_property(self.picture, "viewBox", f"0 0 {WIDTH} {HEIGHT}")
            with_property(self.picture, "preserveAspectRatio", "none")
            with_property(self.picture, "role", "img")
            ground = box("", "line")
            for name, value in (("x1", 0), ("x2", WIDTH), ("y1", HEIGHT), ("y2", HEIGHT)):
                with_property(ground, name, value)
            self.area = ui.element("polygon")
            self.line = ui.element("polyline")
        self.show(values, label)

    def show(self, values: Sequence[int], label: str) -> None:
        """Draw other values; the label says them in words."""
        line = points(values)
        with_property(self.picture, "aria-label", label)
        with_property(self.line, "points", line)
        with_property(self.area, "points", f"0,{HEIGHT} {line} {WIDTH},{HEIGHT}")
