"""Dialogs of the frame: the keys of the keyboard, and this page's calls in the words of every door."""

from collections.abc import Sequence

from nicegui import ui

from ..kernel.spelling import spell
from .screens import Screen, offered
from .visit import Visit
from .widgets.dialogs import button, copy_button, sheet
from .widgets.text import box, quiet, text

__all__ = ["DOORS", "show_calls", "show_shortcuts", "spelled"]

DOORS = {"python": "Python", "http": "HTTP", "cli": "Command line", "mcp": "MCP"}


def show_shortcuts(visit: Visit, screens: Sequence[Screen]) -> None:
    """List the shortcuts."""
    keys = [("Ctrl K", "Jump anywhere"), ("/", "Search"), ("r", "Hold or release live updates"), ("?", "This list")]
    keys += [(f"g {screen.key}", screen.title) for screen in offered(screens, visit) if screen.key]
    with sheet("Keys") as (dialog, body, foot):
        with body, box("facts"):
            for key, words in keys:
                text(key, tag="kbd")
                text(words)
        with foot:
            button("Close").on_click(dialog.close)
    dialog.open()


def spelled(words: dict[str, str], door: str) -> None:
    """One call in the words of one door, to be copied."""
    with box("row-line wide"):
        text(words[door], "json wrapped code grow", "pre").mark(f"spelled-{door}")
        copy_button(words[door])


def show_calls(visit: Visit) -> None:
    """What this screen asked for, in the words of every door."""
    calls = visit.calls
    with sheet("This page, from elsewhere", "Every screen is made of public operations.", wide=True) as parts:
        dialog, body, foot = parts
        with body:
            door = ui.toggle(DOORS, value="python").props(
                "no-caps dense unelevated toggle-color=tint toggle-text-color=accent"
            )
            for call in calls:
                with box("stack tight"):
                    quiet(f"{call.operation.name}: {call.operation.summary}")
                    if call.tenant:
                        quiet(f"In the tenant {call.tenant}: moot.tenant({call.tenant!r}), --tenant, Moothill-Tenant.")
                    words = spell(call.operation, call.arguments)
                    for name in DOORS:
                        with box("stack").bind_visibility_from(door, "value", value=name):
                            spelled(words, name)
            if not calls:
                quiet("This screen has asked for nothing yet.")
        with foot:
            button("Close").on_click(dialog.close)
    dialog.open()
