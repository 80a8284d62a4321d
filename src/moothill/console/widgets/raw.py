"""Raw JSON: exact, copyable, downloadable."""

import json
from typing import Any

from nicegui import ui
from pydantic import BaseModel

from .dialogs import button, copy_button
from .text import box, text

__all__ = ["as_json", "json_view"]

MOST_CHARACTERS = 400_000


def as_json(value: Any) -> str:
    """Any result as indented JSON; numbers stay exact."""
    if isinstance(value, BaseModel):
        return value.model_dump_json(indent=2)
    return json.dumps(value, indent=2, ensure_ascii=False, default=str)


def json_view(value: Any, name: str = "result.json") -> None:
    """A value as JSON text with its two buttons; what is too long to show is still whole in the file."""
    whole = value if isinstance(value, str) else as_json(value)
    shown = whole if len(whole) <= MOST_CHARACTERS else whole[:MOST_CHARACTERS] + "\n… the file has the rest"
    with box("stack tight"):
        with box("row-line end wide"):
            copy_button(whole)
            button("Download", "ghost", "o_download").on_click(
                lambda: ui.download.content(whole.encode(), name, "application/json")
            )
        text(shown, "json", "pre").mark("json")
