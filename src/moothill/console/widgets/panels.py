"""Panels, page heads, tiles, tabs, and what stands where there is nothing."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType

from nicegui import ui
from nicegui.elements.mixins.text_element import TextElement

from ...kernel.errors import MoothillError
from ..calls import request_of
from ..theme import State, state_of
from ..visit import Visit
from .text import box, link, quiet, text, title

__all__ = ["empty", "page_head", "panel", "tabs", "tile", "tiles", "trouble"]


@contextmanager
def page_head(words: str, lead: str = "", *, crumb: tuple[str, str] | None = None) -> Iterator[None]:
    """The head of a screen; actions go into the block.

    Args:
        words: the title.
        lead: a sentence about what is shown.
        crumb: words and address of the screen above.
    """
    with box("page-head"):
        with box("words"):
            if crumb:
                link(*crumb, "crumb")
            title(words, 1)
            if lead:
                text(lead, tag="p")
        with box("row-line"):
            yield


@contextmanager
def panel(words: str = "", note: str = "", *, flush: bool = False) -> Iterator[ui.element]:
    """A framed part of a screen; gives its head, for a link or a button there."""
    with box("panel"):
        head = box("panel-head") if words else box("hidden")
        with head:
            if words:
                title(words)
            if note:
                quiet(note)
            box("grow")
        with box("panel-body flush" if flush else "panel-body"):
            yield head


def tiles() -> ui.element:
    """A row of counts."""
    return box("tiles")


def tile(figure: str, what: str, address: str | None, *, status: str = "", kind: State | None = None) -> TextElement:
    """A count that leads to what it counts; gives the figure, to be changed in place."""
    with link("", address, "tile") if address else box("tile"):
        shown = text(figure, "figure")
        text(what, f"state {kind or state_of(status)}" if status or kind else "what")
    return shown


def tabs(
    visit: Visit,
    path: str,
    here: str,
    choices: Sequence[tuple[str, str, int | None]],
    parameter: str = "tab",
    kept: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Tabs as addresses: name in the address, words, and a count where one is known.

    Args:
        parameter: of the address, which names the tab.
        kept: what else the addresses say.
    """
    with box("tabs", "nav"):
        for name, words, size in choices:
            first = name == choices[0][0]
            address = visit.url(path, **{parameter: None if first else name}, **kept)
            with link(words, address, "here" if name == here else ""):
                if size is not None:
                    text(size, "count")


def empty(words: str, advice: str = "", icon: str = "o_inbox") -> ui.element:
    """What stands where there is nothing: what it means and what to do; buttons go into the element returned."""
    with box("empty"):
        ui.icon(icon)
        text(words, tag="b")
        if advice:
            text(advice, tag="p")
        return box("row-line")


def trouble(error: MoothillError, words: str = "This could not be loaded.") -> ui.element:
    """An error as a person needs it: our message, and the request id to ask about; ways out go into what it gives."""
    with box("trouble").mark("trouble"):
        text(words, tag="b")
        text(error.message, "wrap")
        request = request_of(error)
        if request:
            quiet(f"Request {request}", "small mono")
        return box("row-line wrapping ways")
