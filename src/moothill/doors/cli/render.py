"""Results for people (tables, panels) and for programs (JSON)."""

import sys
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

import orjson
import typer

from ...kernel.errors import MoothillError
from ...kernel.operation import Operation
from ...kernel.paging import Page

__all__ = ["fail", "show", "show_item"]

_WIDEST = 60


def fail(error: MoothillError | None, *, json_output: bool) -> NoReturn:
    """Print an error and leave with the code of its kind; None stands for an interruption."""
    if error is None:
        typer.echo("Interrupted.", err=True)
        raise typer.Exit(130)
    if json_output:
        typer.echo(orjson.dumps(error.to_problem(), default=str).decode(), err=True)
    else:
        typer.secho(error.message, fg=typer.colors.RED, err=True)
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
        typer.echo(orjson.dumps(plain, option=orjson.OPT_INDENT_2).decode())
    elif is_page:
        _table(plain["items"])
        if plain["next"]:
            typer.secho(f"More: --cursor {plain['next']} (or --all)", dim=True, err=True)
    elif isinstance(plain, list):
        _table(plain)
    elif isinstance(plain, Mapping):
        _record(plain)
    elif plain is not None:
        typer.echo(plain)


def show_item(plain: Any, *, json_output: bool) -> None:
    """Print one item of a stream, at once."""
    if json_output or not isinstance(plain, Mapping):
        typer.echo(orjson.dumps(plain).decode())
    else:
        typer.echo("  ".join(f"{_cell(value)}" for value in plain.values() if value not in (None, "", [], {})))
    sys.stdout.flush()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return orjson.dumps(value).decode()
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(_cell(item) for item in value)
    return str(value)


def _table(rows: Sequence[Any]) -> None:
    """A table of the columns that say something; agents' text is never read as markup."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    if not rows:
        typer.secho("Nothing found.", dim=True, err=True)
        return
    if not isinstance(rows[0], Mapping):
        for row in rows:
            typer.echo(_cell(row))
        return
    columns = [name for name in rows[0] if any(row.get(name) not in (None, "", [], {}) for row in rows)]
    console = Console(width=None if sys.stdout.isatty() else 220)
    shown = columns[: 7 if console.width < 160 else 11]
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in shown:
        table.add_column(name, overflow="ellipsis", no_wrap=True, max_width=_WIDEST)
    for row in rows:
        table.add_row(*(Text(_cell(row.get(name))) for name in shown))
    console.print(table)
    if len(shown) < len(columns):
        typer.secho(f"Not shown: {', '.join(columns[len(shown) :])}; --json shows all.", dim=True, err=True)


def _record(plain: Mapping[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    nested: list[tuple[str, Sequence[Any]]] = []
    for name, value in plain.items():
        if isinstance(value, list) and value and isinstance(value[0], Mapping):
            nested.append((name, value))
        elif value not in (None, "", [], {}):
            table.add_row(name, Text(_cell(value)))
    Console(width=None if sys.stdout.isatty() else 220).print(table)
    for name, rows in nested:
        typer.secho(f"\n{name}", bold=True)
        _table(rows)
