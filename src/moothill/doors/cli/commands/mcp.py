"""`moothill mcp`: serve agents over MCP on standard input and output."""

from typing import Annotated

import typer

from ....kernel.errors import Invalid
from ..options import GlobalOptions, run
from ..render import fail

__all__ = ["add_to"]


def add_to(parent: typer.Typer, name: str) -> None:
    """Hang the command under `name`."""
    parent.command(name)(serve)


def serve(
    ctx: typer.Context,
    toolset: Annotated[str, typer.Option(help="agent, operator, read or all.")] = "agent",
    read_only: Annotated[bool, typer.Option("--read-only", help="Refuse everything that writes.")] = False,
    view_as: Annotated[str | None, typer.Option("--as", help="Act as this agent; recorded under both names.")] = None,
) -> None:
    """Serve agents over MCP on standard input and output."""
    options = ctx.find_object(GlobalOptions) or GlobalOptions()
    try:
        from ...mcp import TOOLSETS, serve_stdio
    except ImportError:
        fail(Invalid('The MCP door is not installed; run: pip install "moothill[mcp]"'), json_output=False)
    if toolset not in TOOLSETS:
        fail(Invalid(f"--toolset is one of {', '.join(TOOLSETS)}.", field="toolset"), json_output=False)

    async def work(moot: object) -> None:
        from ....moot import Moot

        assert isinstance(moot, Moot)
        executor = (moot.view_as(view_as) if view_as else moot).executor
        await serve_stdio(executor, toolset=toolset, reads_only=read_only)

    run(options, work)
