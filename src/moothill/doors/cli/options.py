"""What every command takes: where to connect, and how to print."""

import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from ...moot import Moot

__all__ = ["GlobalOptions", "run"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class GlobalOptions:
    """The options before the command."""

    url: str | None = None
    dsn: str | None = None
    folder: str | None = None
    tenant: str | None = None
    json_output: bool = False

    @property
    def target(self) -> str | None:
        """What `connect()` takes: the first that was given."""
        return self.url or self.dsn or (os.path.abspath(self.folder) if self.folder else None)  # noqa: PTH100


def run(options: GlobalOptions, work: Callable[["Moot"], Awaitable[T]], **overrides: Any) -> T:
    """Connect, do the work, close. Errors become messages and exit codes.

    Raises:
        typer.Exit: with the exit code of the error's kind.
    """
    import asyncio

    from ...kernel.errors import MoothillError
    from ...session import connect
    from .render import fail

    async def whole() -> T:
        async with connect(options.target, tenant=options.tenant, **overrides) as moot:
            return await work(moot)

    try:
        return asyncio.run(whole())
    except MoothillError as error:
        fail(error, json_output=options.json_output)
    except KeyboardInterrupt:
        fail(None, json_output=options.json_output)
