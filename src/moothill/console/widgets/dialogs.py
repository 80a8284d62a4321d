"""Dialogs: a sheet with a head, a body and a foot."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from nicegui import ui

from .text import box, quiet, title

__all__ = ["answered", "button", "copy_button", "sheet"]


@contextmanager
def sheet(words: str, lead: str = "", *, wide: bool = False) -> Iterator[tuple[ui.dialog, ui.element, ui.element]]:
    """A dialog being built; gives itself, its body and its foot."""
    with ui.dialog() as dialog, box("sheet wide" if wide else "sheet"):
        with box("sheet-head"):
            title(words)
            if lead:
                quiet(lead)
        body = box("sheet-body")
        foot = box("sheet-foot")
        yield dialog, body, foot


async def answered(dialog: ui.dialog) -> Any:
    """Wait for what a dialog was closed with, and take it away; None where the page went away meanwhile."""
    given = await dialog
    if not dialog.is_deleted:
        dialog.delete()
    return given


def button(words: str, look: str = "plain", icon: str = "") -> ui.button:
    """A button; looks are plain, main, danger, ghost."""
    made = ui.button(words, icon=icon or None, color=None)
    return made.props("unelevated no-caps dense" if look != "ghost" else "flat no-caps dense").classes(look)


def copy_button(value: str, words: str = "Copy") -> ui.button:
    """A button that copies a text and says so."""

    def copy() -> None:
        ui.clipboard.write(value)
        ui.notify("Copied.", timeout=1200)

    return button(words, "ghost", "o_content_copy").on_click(copy)
