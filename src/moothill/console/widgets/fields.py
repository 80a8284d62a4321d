"""Fields of forms and filters: a word above, the control below, one look."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any

from nicegui import ui

from .text import box, quiet, text, with_property

__all__ = ["area", "choice", "day_line", "line", "search_line", "several"]


def _labelled(words: str, note: str, classes: str) -> ui.element:
    place = box(f"field {classes}")
    with place:
        if words:
            text(words, tag="label")
    if note:
        with place:
            quiet(note, "small after")
    return place


def line(words: str, value: str = "", *, note: str = "", most: int = 255, focus: bool = False) -> ui.input:
    """A line of text."""
    with _labelled(words, note, ""):
        made = ui.input(value=value).props("outlined dense")
        with_property(made, "maxlength", most)
        with_property(made, "aria-label", words)
    return made.props("autofocus") if focus else made


def area(words: str, *, most: int, focus: bool = False) -> ui.textarea:
    """Several lines of text."""
    with _labelled(words, "", ""):
        made = ui.textarea().props('outlined dense autogrow input-style="min-height: 46px"')
        with_property(made, "maxlength", most)
        with_property(made, "aria-label", words)
    return made.props("autofocus") if focus else made


def choice(
    words: str,
    options: Mapping[str, str],
    value: str,
    changed: Callable[[str], Any] | None = None,
    *,
    classes: str = "",
) -> ui.select:
    """One out of a few."""
    with _labelled(words, "", classes):
        made = ui.select(dict(options), value=value if value in options else next(iter(options)))
        made.props("outlined dense options-dense")
        with_property(made, "aria-label", words or next(iter(options.values())))
    if changed is not None:
        tell = changed
        made.on_value_change(lambda event: tell(event.value))
    return made


def several(words: str, options: Sequence[str]) -> ui.select:
    """Some out of many, found by typing."""
    with _labelled(words, "", ""):
        made = ui.select(list(options), multiple=True, with_input=True)
        made.props("outlined dense use-chips options-dense")
        return with_property(made, "aria-label", words)


def search_line(hint: str, value: str, entered: Callable[[str], Any], *, classes: str = "") -> ui.input:
    """A line that acts when Enter is pressed, or when it is cleared."""
    made = ui.input(value=value, placeholder=hint).props("outlined dense clearable").classes(classes)
    with_property(made, "aria-label", hint)
    made.on("keydown.enter", lambda: entered((made.value or "").strip()))
    made.on("clear", lambda: entered(""))
    return made


def day_line(hint: str, value: date | None, entered: Callable[[str], Any]) -> ui.input:
    """A day, in UTC; acts when it is whole."""
    made = ui.input(value=value.isoformat() if value else "").props('outlined dense type="date" debounce="500"')
    with_property(with_property(made.classes("day"), "aria-label", hint), "prefix", hint)
    return made.on_value_change(lambda event: entered(event.value or ""))
