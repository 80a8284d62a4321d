"""Showing any result: as a table where it is a list of flat things, and always as JSON."""

from collections.abc import Mapping, Sequence
from typing import Any

from nicegui import ui
from pydantic import BaseModel

from .grid import Column, grid
from .panels import panel
from .raw import json_view
from .text import box, quiet
from .words import counted

__all__ = ["as_table", "plain", "show_result"]

MOST_COLUMNS, MOST_ROWS = 12, 500


def plain(value: Any) -> Any:
    """A result as plain Python."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value


def as_table(value: Any) -> tuple[list[Column], list[dict[str, Any]]] | None:
    """Columns and rows, where the result is a page or a list of things."""
    items = value.get("items") if isinstance(value, Mapping) else value
    if not isinstance(items, Sequence) or isinstance(items, str) or not items:
        return None
    if not all(isinstance(item, Mapping) for item in items):
        return None
    names = list(dict.fromkeys(name for item in items for name, held in item.items() if not isinstance(held, Mapping)))
    # Names that a person chose may begin with anything; the grid gets numbers instead.
    shown = names[:MOST_COLUMNS]
    columns = [Column(f"c{place}", name) for place, name in enumerate(shown)]
    rows = [
        {f"c{place}": _short(item.get(name)) for place, name in enumerate(shown)} | {"id": str(number)}
        for number, item in enumerate(items[:MOST_ROWS])
    ]
    return columns, rows


def _short(value: Any) -> Any:
    if isinstance(value, list):
        return ", ".join(map(str, value))[:200]
    return str(value)[:200] if isinstance(value, Mapping) else value


def show_result(where: ui.element, name: str, result: Any) -> None:
    """Put a result into an element, in place of what was there."""
    value = plain(result)
    table = as_table(value)
    where.clear()
    with where, panel("Result", counted(len(table[1]), "row") if table else "", flush=True) as head:
        if table is None:
            json_view(value, f"{name}.json")
            return
        with head:
            look = ui.toggle({"table": "Table", "json": "JSON"}, value="table").props(
                "no-caps dense unelevated toggle-color=tint toggle-text-color=accent"
            )
            look.mark("look")
        with box("stack").bind_visibility_from(look, "value", value="table"):
            grid(*table)
            if isinstance(value, Mapping) and value.get("next"):
                quiet("There is a next page; give `next` as `cursor`.", "grid-foot")
        with box("stack").bind_visibility_from(look, "value", value="json"):
            json_view(value, f"{name}.json")
