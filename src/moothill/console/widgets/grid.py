"""A dense table. Cells are text: every renderer below builds its element with `textContent`.

The grid's client evaluates each key of its options that begins with a colon, at any depth. So rows
hold only names that the columns declare, and only plain values; anything else is turned into text.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from nicegui import ui

from ..theme import state_of
from .dialogs import button
from .text import box, quiet

__all__ = ["Column", "cell_rows", "grid", "grid_foot", "set_rows"]

Kind = Literal["text", "link", "state", "meter", "number", "tags", "mono", "quiet"]
Cell = str | int | float | bool | None

ROW_HEIGHT, HEADER_HEIGHT = 34, 34
# More rows than this scroll within the table; fewer make the page longer.
MOST_ROWS_SHOWN = 60

# Scripts of ours, the same for every table; they receive values and make text nodes of them.
_RENDERERS: Mapping[str, str] = {
    "link": """params => {
        if (!params.value) return document.createTextNode("");
        const link = document.createElement("a");
        link.textContent = params.value;
        const target = params.data[params.colDef.field + "_address"];
        if (typeof target === "string" && target.startsWith("/") && !target.startsWith("//"))
            link.setAttribute("href", (window.path_prefix || "") + target);
        return link; }""",
    "state": """params => {
        const shown = document.createElement("span");
        const kinds = ["good", "busy", "warn", "bad", "off"];
        const kind = params.data[params.colDef.field + "_state"];
        shown.className = "state " + (kinds.includes(kind) ? kind : "off");
        shown.textContent = params.value ?? "";
        return shown; }""",
    "meter": """params => {
        const share = Math.max(0, Math.min(1, Number(params.value) || 0));
        const meter = document.createElement("span");
        meter.className = "meter";
        const track = document.createElement("span");
        track.className = "track";
        const bar = document.createElement("i");
        bar.style.width = (share * 100).toFixed(0) + "%";
        track.append(bar);
        const words = document.createElement("span");
        words.textContent = (share * 100).toFixed(0) + " %";
        meter.append(track, words);
        return meter; }""",
    "tags": """params => {
        const tags = document.createElement("span");
        tags.className = "cell-tags";
        for (const word of String(params.value ?? "").split("\\n").filter(Boolean)) {
            const tag = document.createElement("span");
            tag.className = "tag";
            tag.textContent = word;
            tags.append(tag);
        }
        return tags; }""",
}

_PICKED = 'params => params.data.id === params.context.picked ? "picked" : undefined'

# Enter does with the cell that has the focus what a click does with it.
_ENTERED = """event => {
    const cell = event.target.closest(".ag-cell");
    if (!cell) return;
    const link = cell.querySelector("a[href]");
    if (link) link.click();
    else emit(Number(cell.closest(".ag-row").getAttribute("row-index"))); }"""


@dataclass(frozen=True, slots=True)
class Column:
    """A column: the field it shows, its heading, and how.

    Attributes:
        width: in pixels; without one it takes a share of what is left.
        share: how large that share is.
        tip: field whose text is shown on hovering.
    """

    field: str
    title: str
    kind: Kind = "text"
    width: int | None = None
    share: int = 1
    tip: str = ""

    def definition(self) -> dict[str, Any]:
        """As the grid wants it."""
        found: dict[str, Any] = {"field": self.field, "headerName": self.title, "sortable": False, "resizable": True}
        if self.kind in _RENDERERS:
            found[":cellRenderer"] = _RENDERERS[self.kind]
        if self.kind == "number":
            found |= {"type": "rightAligned"}
        if self.kind in ("mono", "quiet"):
            found["cellClass"] = {"mono": "mono", "quiet": "second"}[self.kind]
        found |= {"width": self.width} if self.width else {"flex": self.share, "minWidth": 90}
        if self.tip:
            found["tooltipField"] = self.tip
        return found


def _cell(value: Any) -> Cell:
    if value is None or isinstance(value, str | int | float | bool):
        return value
    if isinstance(value, list | tuple | set | frozenset):
        return "\n".join(str(item) for item in value)
    return str(value)


def cell_rows(columns: Sequence[Column], rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Cell]]:
    """Rows as the grid may have them: declared names and plain values only."""
    names = {"id"}
    for column in columns:
        names |= {column.field, column.tip} - {""}
        if column.kind == "link":
            names.add(f"{column.field}_address")
    safe = []
    for row in rows:
        kept = {name: _cell(row[name]) for name in names if name in row}
        for column in columns:
            if column.kind == "state":
                kept[f"{column.field}_state"] = state_of(str(row.get(column.field)))
        safe.append(kept)
    return safe


def grid(
    columns: Sequence[Column],
    rows: Sequence[Mapping[str, Any]],
    *,
    chosen: Callable[[str], None] | None = None,
    picked: str | None = None,
) -> ui.aggrid:
    """A table of rows; `chosen` is told the `id` of a row that was clicked, `picked` is the one chosen already."""
    options: dict[str, Any] = {
        "columnDefs": [column.definition() for column in columns],
        "rowData": cell_rows(columns, rows),
        "rowHeight": ROW_HEIGHT,
        "headerHeight": HEADER_HEIGHT,
        "suppressCellFocus": False,
        "suppressFieldDotNotation": True,
        "suppressMovableColumns": True,
        "suppressRowHoverHighlight": False,
        "enableCellTextSelection": True,
        "animateRows": False,
        "tooltipShowDelay": 300,
    }
    if len(rows) <= MOST_ROWS_SHOWN:
        options["domLayout"] = "autoHeight"
    if chosen is not None:
        options["rowClass"] = "choosable"
    if picked is not None:
        options |= {"context": {"picked": picked}, ":getRowClass": _PICKED}
    made = ui.aggrid(options, theme="quartz", auto_size_columns=False)
    if len(rows) > MOST_ROWS_SHOWN:
        made.style(f"height: {HEADER_HEIGHT + ROW_HEIGHT * MOST_ROWS_SHOWN + 2}px")
    tell = chosen or (lambda _: None)
    if chosen is not None:
        made.on("cellClicked", lambda event: tell(str(event.args["data"]["id"])), ["data"])
    made.on("keydown.enter", lambda event: tell(str(made.options["rowData"][event.args]["id"])), js_handler=_ENTERED)
    return made


def set_rows(table: ui.aggrid, columns: Sequence[Column], rows: Sequence[Mapping[str, Any]]) -> None:
    """Change the rows of a table in place, without losing its scroll or selection."""
    safe = cell_rows(columns, rows)
    # The options are kept in step for whoever reads them, without the redraw that setting them would cause.
    with table.props.suspend_updates():
        table.options["rowData"] = safe
    table.run_grid_method("setGridOption", "rowData", safe)


def grid_foot(shown: str, next_address: str | None, first_address: str | None) -> None:
    """What stands below a page of a table: how much is shown, and the way on."""
    with box("grid-foot"):
        quiet(shown, "grow")
        if first_address:
            button("First page").on_click(lambda: ui.navigate.to(first_address))
        if next_address:
            button("Next page").on_click(lambda: ui.navigate.to(next_address)).mark("next-page")
