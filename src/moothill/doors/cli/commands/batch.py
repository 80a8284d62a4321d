"""`moothill batch`: a file of operations in one transaction."""

from typing import Annotated, Any

import orjson
import typer

from ....kernel.context import CallOptions
from ....kernel.errors import MoothillError
from ..options import GlobalOptions, run
from ..render import fail

__all__ = ["add_to"]


def add_to(parent: typer.Typer, name: str) -> None:
    """Hang the command under `name`."""
    parent.command(name)(batch)


def batch(
    ctx: typer.Context,
    file: Annotated[str, typer.Argument(help="JSON list of {operation, arguments, label}; - for standard input.")],
    idempotency_key: Annotated[str | None, typer.Option(help="The second call returns the first's results.")] = None,
) -> None:
    """Run a file of operations in one transaction: all of them or none.

    An argument `{"$result": ["label", "field"]}` stands for a place in an earlier result.
    """
    from ....kernel.service import REGISTRY
    from ..operations import _json

    options = ctx.find_object(GlobalOptions) or GlobalOptions()
    try:
        calls = _json("file", file if file == "-" else f"@{file}")
    except MoothillError as error:
        fail(error, json_output=options.json_output)

    async def work(moot: Any) -> Any:
        return await moot.executor.run(
            REGISTRY["operations.batch"], {"calls": calls}, CallOptions(idempotency_key=idempotency_key)
        )

    outcome = run(options, work)
    typer.echo(orjson.dumps(outcome.model_dump(mode="json"), option=orjson.OPT_INDENT_2).decode())
