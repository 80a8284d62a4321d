"""`moothill up`: the server process."""

from pathlib import Path
from typing import Annotated

import typer

from ....kernel.errors import Invalid, MoothillError
from ....kernel.settings import Settings
from ..options import GlobalOptions
from ..render import fail

__all__ = ["add_to"]


def add_to(parent: typer.Typer, name: str) -> None:
    """Hang the command under `name`."""
    parent.command(name)(up)


def up(
    ctx: typer.Context,
    host: Annotated[str, typer.Option(help="Address to listen at.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Port; 0 for any that is free.")] = 8080,
    console: Annotated[bool, typer.Option("--console/--no-console", help="Run the web console too.")] = True,
    console_port: Annotated[
        int | None, typer.Option(min=0, max=65_535, help="Port of the console; default: the next one.")
    ] = None,
    show: Annotated[bool, typer.Option("--open", help="Show the console in this machine's browser.")] = False,
    demo: Annotated[bool, typer.Option("--demo", help="Load the example society.")] = False,
    folder: Annotated[str | None, typer.Option(help="Folder of an embedded server.")] = None,
    dsn: Annotated[
        str | None, typer.Option(help="PostgreSQL DSN of moothill_app, instead of an embedded server.")
    ] = None,
    certfile: Annotated[Path | None, typer.Option(help="Certificate chain, for TLS.")] = None,
    keyfile: Annotated[Path | None, typer.Option(help="Its private key.")] = None,
) -> None:
    """Start the server: HTTP, console, worker and, where no database is named, an embedded one.

    Ends with Ctrl-C or SIGTERM, after running calls have ended.
    """
    options = ctx.find_object(GlobalOptions) or GlobalOptions()
    folder, dsn = folder or options.folder, dsn or options.dsn
    try:
        if options.url is not None:
            raise Invalid("`up` starts a server; it takes --dsn or --folder instead of a server's URL.", field="url")
        try:
            from ...up import run
        except ModuleNotFoundError as missing:
            if (missing.name or "").startswith("moothill"):
                raise
            raise Invalid('The server is not installed; run: pip install "moothill[server]"') from None
        run(
            Settings.load(),
            host=host,
            port=port,
            folder=Path(folder) if folder else None,
            dsn=dsn,
            demo=demo,
            console=console,
            console_port=console_port,
            open_console=show,
            certfile=certfile,
            keyfile=keyfile,
            announce=typer.echo,  # at once, also into a file or a pipe
        )
    except MoothillError as error:
        fail(error, json_output=options.json_output)
