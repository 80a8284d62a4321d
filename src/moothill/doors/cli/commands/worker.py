"""`moothill worker`: run the worker of an application in a process of its own."""

import importlib
import logging
import os
import sys
import threading
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ....kernel.errors import Invalid, MoothillError
from ..options import GlobalOptions, run
from ..render import fail

if TYPE_CHECKING:
    from .... import Worker

__all__ = ["add_to"]

_EXAMPLE = "name it as module:attribute, such as shop.tasks:worker"


def add_to(parent: typer.Typer, name: str) -> None:
    """Hang the command under `name`."""
    parent.command(name)(worker)


def worker(
    ctx: typer.Context,
    target: Annotated[str, typer.Argument(metavar="MODULE:WORKER", help="A moothill.Worker in a module of yours.")],
    queues: Annotated[str | None, typer.Option(help="Only from these queues, separated by commas.")] = None,
    concurrency: Annotated[int | None, typer.Option(min=1, max=10_000, help="How many tasks at once.")] = None,
    agent: Annotated[str | None, typer.Option(help="For which agent.")] = None,
    lease: Annotated[
        float | None, typer.Option(min=1, max=86_400, help="After how long a silence its tasks go to others, seconds.")
    ] = None,
    grace: Annotated[
        float | None, typer.Option(min=0, help="How long functions may go on at the end, seconds.")
    ] = None,
    every_tenant: Annotated[bool, typer.Option("--every-tenant", help="Serve all tenants that have work.")] = False,
    until_empty: Annotated[bool, typer.Option("--until-empty", help="End when there is nothing to take.")] = False,
    tenant: Annotated[str | None, typer.Option("--tenant", "-t", help="Slug or id of the tenant.")] = None,
    url: Annotated[str | None, typer.Option(help="Address of a running server.")] = None,
    dsn: Annotated[str | None, typer.Option(help="PostgreSQL DSN of moothill_app.")] = None,
    log_level: Annotated[str, typer.Option(help="Least level that is logged.")] = "INFO",
) -> None:
    """Run a worker: take tasks, run your functions on them, report how they end.

    SIGTERM or Ctrl-C lets what runs end within the grace time and hands the rest back; a second one ends at once.
    """
    options = ctx.find_object(GlobalOptions) or GlobalOptions()
    options = GlobalOptions(
        url=url or (None if dsn else options.url),
        dsn=dsn or options.dsn,
        folder=options.folder,
        tenant=tenant or options.tenant,
        json_output=options.json_output,
    )
    try:
        _log_to_stderr(log_level)
        found = load(target)
    except MoothillError as error:
        fail(error, json_output=options.json_output)
    given: dict[str, Any] = {"concurrency": concurrency, "agent": agent, "lease": lease, "grace": grace}
    given["queues"] = [each.strip() for each in queues.split(",")] if queues else None
    for name, value in given.items():
        if value is not None:
            setattr(found, name, value)
    found.every_tenant = found.every_tenant or every_tenant

    async def work(moot: Any) -> None:
        await found.run(moot, until_empty=until_empty)

    code = 0
    try:
        run(options, work)
    except typer.Exit as leaving:
        code = leaving.exit_code
    _leave(code)


def load(target: str) -> "Worker":
    """The worker that `module:attribute` names.

    Raises:
        Invalid: there is none, or its module cannot be imported.
    """
    from .... import Worker

    module_name, _, attribute = target.partition(":")
    if not module_name or not attribute:
        raise Invalid(f"{target!r} names no worker; {_EXAMPLE}.", field="target")
    if (here := os.getcwd()) not in sys.path:  # noqa: PTH109  # as `python -m` does
        sys.path.insert(0, here)
    try:
        found: Any = importlib.import_module(module_name)
    except ModuleNotFoundError as missing:
        if missing.name is None or not (module_name == missing.name or module_name.startswith(f"{missing.name}.")):
            raise
        raise Invalid(f"There is no module {module_name!r} here; {_EXAMPLE}.", field="target") from None
    for part in attribute.split("."):
        found = getattr(found, part, None)
    if not isinstance(found, Worker):
        raise Invalid(f"{target!r} is no moothill.Worker; {_EXAMPLE}.", field="target")
    if not found.handlers:
        raise Invalid(f"{target!r} has no function; give it one with @worker.task(kind).", field="target")
    return found


def _log_to_stderr(level: str) -> None:
    chosen = level.upper()
    if chosen not in logging.getLevelNamesMapping():
        raise Invalid(f"{level!r} is no level; use DEBUG, INFO, WARNING or ERROR.", field="log_level")
    from ...up.logs import configure_logging

    configure_logging(chosen)


def _leave(code: int) -> None:
    """End the process, also when a function in a thread does not."""
    late = [each for each in threading.enumerate() if each.name.startswith("moothill-task") and each.is_alive()]
    if late and code == 0:
        logging.getLogger("moothill.tasks.worker").warning("threads_left_behind", extra={"threads": len(late)})
    if late:
        sys.stdout.flush()
        sys.stderr.flush()
        # The interpreter would wait for them; their tasks were handed back.
        os._exit(code)
    if code:
        raise typer.Exit(code)
