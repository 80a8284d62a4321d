"""Results for people (tables, panels) and for programs (JSON).

What agents wrote is shown, never obeyed: it is no markup, and what a terminal would act upon (escape
sequences, carriage returns, marks that turn the direction of text around) appears as `\\x1b`.
"""

import io
import json
import re
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

import orjson
import typer

from ...kernel.errors import MoothillError
from ...kernel.operation import Operation
from ...kernel.paging import Page
from ...kernel.tables import Table as Tabular

if TYPE_CHECKING:
    from rich.console import RenderableType

__all__ = ["fail", "harmless", "print_json", "show", "show_item"]

# Of one cell of a table; of a table in a file or a pipe; of a record there, where no value is broken.
_WIDEST, _WIDE, _UNBROKEN = 60, 220, 1_000_000
_TURNING = "\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069"
_OBEYED = re.compile(f"[\x00-\x08\x0b-\x1f\x7f-\x9f{_TURNING}\ud800-\udfff]")
# In JSON text the line breaks are ours, and what stands below U+0020 is escaped already.
_OBEYED_IN_JSON = re.compile(f"[\x7f-\x9f{_TURNING}\ud800-\udfff]")
_EMPTY: tuple[Any, ...] = (None, "", [], {})


def harmless(text: str, *, lines: bool = False) -> str:
    """Text from outside for a terminal: what it would obey is spelled out.

    Args:
        text: what somebody wrote.
        lines: keep line breaks and tabs; else each run of white space becomes one blank.
    """
    return _OBEYED.sub(_spelled, text if lines else " ".join(text.split()))


def print_json(value: Any, *, indent: bool = True, err: bool = False) -> None:
    """Print JSON; what a terminal would obey stands in it as an escape, which means the same."""
    try:
        text = orjson.dumps(value, default=str, option=orjson.OPT_INDENT_2 if indent else 0).decode()
    except TypeError:  # half a character, as in an argument that is not UTF-8
        text = json.dumps(value, default=str, indent=2 if indent else None)
    typer.echo(_OBEYED_IN_JSON.sub(_escaped, text), err=err)


def fail(error: MoothillError | None, *, json_output: bool) -> NoReturn:
    """Print an error and leave with the code of its kind; None stands for an interruption."""
    if error is None:
        typer.echo("Interrupted.", err=True)
        raise typer.Exit(130)
    if json_output:
        print_json(error.to_problem(), indent=False, err=True)
    else:
        typer.secho(harmless(error.message), fg=typer.colors.RED, err=True)
    raise typer.Exit(error.exit_code)


def show(operation: Operation[Any, Any], result: Any, *, json_output: bool, dry_run: bool = False) -> None:
    """Print a result."""
    if dry_run:
        plain = result.model_dump(mode="json")
        is_page = False
    else:
        plain = operation.signature.dump(result)
        is_page = isinstance(result, Page)
    if json_output:
        print_json(plain)
    elif is_page:
        _table(plain["items"])
        if plain["next"]:
            typer.secho(f"More: --cursor {plain['next']} (or --all)", dim=True, err=True)
    elif isinstance(plain, list):
        _table(plain)
    elif isinstance(result, Tabular):
        _columns(plain)
    elif isinstance(plain, Mapping):
        _record(plain)
    elif plain is not None:
        typer.echo(harmless(str(plain), lines=True))


def show_item(plain: Any, *, json_output: bool) -> None:
    """Print one item of a stream, at once."""
    if json_output or not isinstance(plain, Mapping):
        print_json(plain, indent=False)
    else:
        typer.echo("  ".join(harmless(_cell(value)) for value in plain.values() if value not in _EMPTY))
    sys.stdout.flush()


def _spelled(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape").decode()


def _escaped(match: re.Match[str]) -> str:
    return f"\\u{ord(match[0]):04x}"


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        # A thing inside a row is told by its name; --json shows the whole of it.
        called = value.get("name") or value.get("title")
        return called if isinstance(called, str) else orjson.dumps(value).decode()
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(_cell(item) for item in value)
    return str(value)


def _table(rows: Sequence[Any]) -> None:
    """A table of the columns that say something."""
    from rich.table import Table
    from rich.text import Text

    if not rows:
        typer.secho("Nothing found.", dim=True, err=True)
        return
    if not isinstance(rows[0], Mapping):
        for row in rows:
            typer.echo(harmless(_cell(row)))
        return
    columns = [name for name in rows[0] if any(row.get(name) not in _EMPTY for row in rows)]
    shown = columns[: 7 if _width() < 160 else 11]
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in shown:
        table.add_column(Text(harmless(name)), overflow="ellipsis", no_wrap=True, max_width=_WIDEST)
    for row in rows:
        table.add_row(*(Text(harmless(_cell(row.get(name)))) for name in shown))
    _print(table, elsewhere=_WIDE)
    if len(shown) < len(columns):
        hidden = harmless(", ".join(columns[len(shown) :]))
        typer.secho(f"Not shown: {hidden}; --json shows all.", dim=True, err=True)


def _columns(plain: Mapping[str, Any]) -> None:
    """A table with all of its columns, whatever they are called, and what else the result says below it."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in plain["columns"]:
        table.add_column(Text(harmless(column["name"])), overflow="ellipsis", no_wrap=True, max_width=_WIDEST)
    for row in plain["rows"]:
        table.add_row(*(Text(harmless(_cell(value))) for value in row))
    _print(table, elsewhere=_UNBROKEN)
    beside = {name: value for name, value in plain.items() if name not in ("columns", "rows") and value is not False}
    said = ", ".join(f"{harmless(name)}: {harmless(_cell(value))}" for name, value in beside.items())
    count = len(plain["rows"])
    typer.secho(f"{count} row{'' if count == 1 else 's'}. {said}".strip(), dim=True, err=True)


def _record(plain: Mapping[str, Any]) -> None:
    """Names and values, then what has parts of its own."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    parts = {name: value for name, value in plain.items() if value not in _EMPTY and _has_parts(value)}
    for name, value in plain.items():
        if value not in _EMPTY and name not in parts:
            table.add_row(Text(harmless(name)), Text(harmless(_cell(value), lines=True)))
    if table.row_count:
        _print(table, elsewhere=_UNBROKEN)
    for name, value in parts.items():
        typer.secho(f"\n{harmless(name)}", bold=True)
        if isinstance(value, Mapping):
            _record(value)
        else:
            _table(value)


def _has_parts(value: Any) -> bool:
    return isinstance(value, Mapping) or (isinstance(value, list) and isinstance(value[0], Mapping))


def _width() -> int:
    from rich.console import Console

    return Console().width if sys.stdout.isatty() else _WIDE


def _print(table: "RenderableType", *, elsewhere: int) -> None:
    """As wide as the terminal; into a file or a pipe plain, as wide as said, without blanks at the ends of lines."""
    from rich.console import Console

    if sys.stdout.isatty():
        Console().print(table)
        return
    text = io.StringIO()
    Console(file=text, width=elsewhere, color_system=None).print(table)
    typer.echo("\n".join(line.rstrip() for line in text.getvalue().splitlines()))
