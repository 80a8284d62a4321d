"""Text elements. Whatever comes from an agent is passed as the text of an element, never as markup.

The framework evaluates properties whose name starts with a colon and parses property strings, so a
value never goes through `.props("...")`: it is set by name with `with_property`.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import TypeVar
from urllib.parse import urlsplit

from nicegui import ui
from nicegui.elements.mixins.text_element import TextElement

from ..theme import State, state_of
from .words import ago, moment

__all__ = [
    "box",
    "chip",
    "fact",
    "link",
    "outside",
    "quiet",
    "state",
    "tags",
    "text",
    "time_ago",
    "title",
    "with_property",
]

E = TypeVar("E", bound=ui.element)


def with_property(element: E, name: str, value: str | bool | int) -> E:
    """Set one property by name; the value is never parsed."""
    assert not name.startswith(":")
    element.props[name] = value
    return element


def box(classes: str = "", tag: str = "div") -> ui.element:
    """A plain element to put others in."""
    return ui.element(tag).classes(classes)


def text(words: object, classes: str = "", tag: str = "span") -> TextElement:
    """A piece of text in an element of its own; `set_text` changes it in place."""
    return TextElement(tag=tag, text=str(words)).classes(classes)


def title(words: str, level: int = 2) -> TextElement:
    """A heading."""
    return text(words, tag=f"h{level}")


def quiet(words: object, classes: str = "") -> TextElement:
    """Text that steps back."""
    return text(words, f"quiet {classes}")


def link(words: object, address: str, classes: str = "") -> ui.link:
    """A link within the console; `address` begins with a slash. Open it to put more into it."""
    assert address.startswith("/") and not address.startswith("//")
    return ui.link(str(words), address).classes(classes)


def outside(address: str | None) -> ui.element:
    """An address that an agent gave: a link only where it is plain http, opened without telling it of us."""
    if address is None:
        return quiet("none")
    if urlsplit(address).scheme not in ("http", "https"):
        return text(address, "mono")
    shown = with_property(text(address, "mono", "a"), "href", address)
    return with_property(with_property(shown, "rel", "noopener noreferrer nofollow"), "target", "_blank")


def state(word: str, kind: State | None = None, note: str | None = None) -> TextElement:
    """A state: its shape, its colour and its word."""
    element = text(word.replace("_", " "), f"state {kind or state_of(word)}")
    if note:
        with element:
            ui.tooltip(note)
    return element


def chip(words: object, classes: str = "") -> TextElement:
    """A small framed word."""
    return with_property(text(words, f"tag {classes}"), "title", str(words))


def tags(words: Iterable[str], most: int = 40) -> None:
    """Several framed words; a long list says how many it leaves out."""
    given = list(words)
    with box("tags"):
        for word in given[:most]:
            chip(word)
        if len(given) > most:
            quiet(f"and {len(given) - most} more", "small")
        if not given:
            quiet("none")


def fact(name: str, value: object = None) -> ui.element:
    """A row of a `facts` box: its name, then its value or what is put into the element returned."""
    text(name, "name")
    return box("value") if value is None else text(value, "value")


def time_ago(then: datetime | None, classes: str = "") -> TextElement:
    """How long ago, with the whole time behind it."""
    return with_property(text(ago(then), classes, "time"), "title", moment(then))
