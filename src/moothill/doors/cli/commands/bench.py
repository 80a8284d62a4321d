"""`moothill bench`: measure this machine and print the table."""

import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import orjson
import typer

from ....kernel.errors import Invalid, MoothillError, near_match
from ...loop import run_quickly
from ..options import GlobalOptions
from ..render import fail

if TYPE_CHECKING:
    from ....bench.report import Report, Row

__all__ = ["BENCHES", "add_to"]

SEED = 20_261_121
BENCHES = {
    "startup": "From an empty folder to the first answer.",
    "search": "Vector search: recall and latency at every size of tenant.",
    "tenancy": "What the tenant's transaction adds to a read.",
    "events": "Writers of one tenant, against a counter that orders them.",
    "hybrid": "Search by words, vector and relationships, with precision on a judged set.",
    "graph": "Walking relationships and finding paths, at three sizes of society.",
}


def add_to(parent: typer.Typer, name: str) -> None:
    """Hang the command under `name`."""
    parent.command(name)(bench)


def bench(
    ctx: typer.Context,
    name: Annotated[str | None, typer.Argument(help=f"One of {', '.join(BENCHES)}.")] = None,
    scale: Annotated[
        str,
        typer.Option(help="quick (under a minute), full (the published sizes), or million (search alone; an hour)."),
    ] = "quick",
    vectors: Annotated[
        int, typer.Option(min=1_000, max=5_000_000, help="Vectors of the scale million, to try it in small.")
    ] = 1_000_000,
    json_output: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Measure this machine and print the table. Each benchmark runs on a throw-away embedded server.

    What is being measured, and since when, is told on stderr.
    """
    if name is None:
        for each, summary in BENCHES.items():
            typer.echo(f"{each:<10} {summary}")
        return
    options = ctx.find_object(GlobalOptions) or GlobalOptions()
    as_json = json_output or options.json_output
    try:
        if name not in BENCHES:
            raise Invalid(f"There is no benchmark {name!r}.{near_match(name, BENCHES)}", field="name")
        if scale not in ("quick", "full") and (name, scale) != ("search", "million"):
            raise Invalid("--scale is quick or full; search also has million.", field="scale")
        report = _run(name, scale, vectors)
    except MoothillError as error:
        fail(error, json_output=as_json)
    if as_json:
        typer.echo(orjson.dumps(report.as_json(), option=orjson.OPT_INDENT_2).decode())
    else:
        _print(report)
    if any(row.ok is False for row in report.rows) and scale != "quick":
        raise typer.Exit(1)


def _run(name: str, scale: str, vectors: int) -> "Report":
    from ....bench.telling import shown, tell

    with shown():
        tell("starting a server")
        return run_quickly(_measure(name, scale, vectors))


async def _measure(name: str, scale: str, vectors: int) -> "Report":
    from ....bench import startup, tenancy
    from ....bench.report import Report, environment
    from ....database.embedded import EmbeddedServer
    from ....session import connect

    with tempfile.TemporaryDirectory(prefix="moothill-bench-") as folder:
        Path(folder).chmod(0o755)  # noqa: ASYNC240  # PostgreSQL may run as another user
        place = Path(folder) / "server"
        # No worker: its schedules would run beside what is measured.
        async with connect(place, worker=False) as moot:
            server = EmbeddedServer(place)
            await server.start()
            try:
                admin = server.dsn("admin", "moothill")
                report = Report(name, scale, await environment(admin, seed=SEED))
                runs: dict[str, Callable[[], Awaitable[list[Row]]]] = {
                    "startup": lambda: startup.run(scale=scale),
                    "tenancy": lambda: tenancy.run(moot, scale=scale, admin_dsn=admin),
                }
                if name == "search":
                    from ....bench import search

                    runs["search"] = lambda: search.run(moot, scale=scale, admin_dsn=admin, vectors=vectors)
                if name == "events":
                    from ....bench import events

                    runs["events"] = lambda: events.run(scale, admin)
                if name == "hybrid":
                    from ....bench import hybrid

                    runs["hybrid"] = lambda: hybrid.run(moot, scale=scale, admin_dsn=admin)
                if name == "graph":
                    from ....bench import graph

                    runs["graph"] = lambda: graph.run(moot, scale=scale, admin_dsn=admin)
                report.rows += await runs[name]()
            finally:
                await server.stop()
    return report


def _print(report: "Report") -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"bench {report.bench} ({report.scale})", box=None, title_justify="left")
    for column in ("case", "metric", "value", "target", "", "beside it", "ratio"):
        table.add_column(column, justify="right" if column in ("value", "target", "ratio") else "left")
    for row in report.rows:
        mark = {True: "reached", False: "MISSED", None: ""}[row.ok]
        target = "" if row.target is None else f"{'≤' if row.compare == 'at most' else '≥'} {row.target:g} {row.unit}"
        peer = "" if row.peer is None else f"{row.peer}: {row.peer_value:.4g} {row.unit}"
        ratio = "" if row.ratio is None else f"{row.ratio:.2f}"
        table.add_row(row.case, row.metric, f"{row.value:.4g} {row.unit}", target, mark, peer, ratio)
    Console(width=160).print(table)
