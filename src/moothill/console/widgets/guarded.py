"""Building a part of a screen so that what goes wrong is told where it would have stood."""

import logging
from collections.abc import Awaitable, Callable

from ...kernel.errors import Internal, MoothillError, Unauthenticated
from ...kernel.identifiers import uuid7
from ..visit import Visit
from .dialogs import button
from .panels import trouble

__all__ = ["guarded"]

_log = logging.getLogger("moothill.console")


async def guarded(visit: Visit, build: Callable[[], Awaitable[None]]) -> None:
    """Build it; an error becomes our message and its request id, never a trace."""
    try:
        await build()
    except Unauthenticated as error:
        trouble(error, "This key is of no more use here.")
        button("Sign in again").on_click(lambda: visit.client.open("/login"))
    except MoothillError as error:
        trouble(error)
    except Exception:
        failed = Internal(request_id=str(uuid7()))
        _log.exception("screen_failed", extra={"request": failed.context["request_id"], "tenant": visit.tenant})
        trouble(failed)
