"""Taking the rows of a view away: as CSV for a spreadsheet, or as JSON."""

import csv
import io
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol

from nicegui import ui
from pydantic import BaseModel

from ...kernel.errors import MoothillError
from ..act import tell
from .dialogs import button
from .words import counted

__all__ = ["as_csv", "export_buttons"]

MOST_ROWS, PER_PAGE = 5_000, 500
# A spreadsheet takes a cell that begins so for a formula; what agents wrote is never one.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class _Page(Protocol):
    @property
    def items(self) -> Sequence[Any]: ...

    @property
    def next(self) -> str | None: ...


Fetch = Callable[[int, str | None], Awaitable[Any]]


def as_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows as CSV; what is no plain value is JSON, and nothing is a formula."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(names)
    writer.writerows([_cell(row.get(name)) for name in names] for row in rows)
    return out.getvalue()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    shown = json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else str(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return shown
    return f"'{shown}" if shown.startswith(_FORMULA) else shown


def export_buttons(name: str, fetch: Fetch) -> None:
    """The two buttons.

    Args:
        name: of the file, without its ending.
        fetch: a page of the view: how many rows, and the cursor of the page before.
    """

    async def take(kind: str) -> None:
        rows: list[dict[str, Any]] = []
        cursor: str | None = None
        try:
            while len(rows) < MOST_ROWS:
                page: _Page = await fetch(min(PER_PAGE, MOST_ROWS - len(rows)), cursor)
                rows += [_row(item) for item in page.items]
                cursor = page.next
                if cursor is None:
                    break
        except MoothillError as error:
            tell(error)
            return
        whole = as_csv(rows) if kind == "csv" else json.dumps(rows, indent=2, ensure_ascii=False)
        ui.download.content(whole.encode(), f"{name}.{kind}", "text/csv" if kind == "csv" else "application/json")
        ui.notify(f"{counted(len(rows), 'row')} taken" + ("; there are more, filter first." if cursor else "."))

    for kind in ("csv", "json"):
        button(kind.upper(), "ghost", "o_download").on_click(lambda kind=kind: take(kind)).mark(f"export-{kind}")


def _row(item: Any) -> dict[str, Any]:
    return item.model_dump(mode="json") if isinstance(item, BaseModel) else dict(item)
