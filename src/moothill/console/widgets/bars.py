"""Bars: one that says how much of a whole is used, and one beside a number to compare it with its neighbours."""

from collections.abc import Sequence

from ..theme import State
from .text import box, quiet, text, with_property

__all__ = ["Part", "bar", "clamped", "compared"]

# Share of the whole from 0 to 1, its look, and what it is.
Part = tuple[float, State | str, str]


def clamped(share: float) -> float:
    """A share between nothing and all."""
    return max(0.0, min(1.0, share))


def bar(parts: Sequence[Part], *, label: str) -> None:
    """A whole and its parts; each has a pattern of its own, and the label says all of it in words."""
    left = 1.0
    with with_property(with_property(box("bar-whole"), "role", "img"), "aria-label", label):
        for share, look, words in parts:
            width = min(clamped(share), left)
            left -= width
            if width > 0:
                with_property(box(f"part {look}").style(f"width: {width * 100:.3f}%"), "title", words)
    with box("legend"):
        for _, look, words in parts:
            text(words, f"key {look}")


def compared(value: int, most: int, words: str) -> None:
    """A number with a bar as long as it is large among its neighbours."""
    with box("compared"):
        with box("track"):
            box("part").style(f"width: {clamped(value / most if most else 0) * 100:.1f}%")
        quiet(words, "small")
