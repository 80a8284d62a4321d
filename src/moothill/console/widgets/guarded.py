"""Building a part of a screen so that what goes wrong is told where it would have stood."""

import logging
from collections.abc import Awaitable, Callable

from ...kernel.errors import Forbidden, Internal, Invalid, MoothillError, NotFound, Unauthenticated
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
        with trouble(error, "This key is of no more use here."):
            button("Sign in again").on_click(lambda: visit.client.open("/login"))
    except Forbidden as error:
        with trouble(error, "This key does not cover this."):
            button("Add another key", icon="o_key").on_click(lambda: visit.client.open("/login")).mark("add-key")
            button("Go to the overview", "ghost").on_click(lambda: visit.go(visit.url("/")))
    except MoothillError as error:
        with trouble(error):
            if isinstance(error, Invalid | NotFound):
                button("Show it without filters").on_click(lambda: _plainly(visit)).mark("plainly")
            else:
                button("Try again", icon="o_refresh").on_click(lambda: visit.renew()).mark("again")
    except Exception:
        failed = Internal(request_id=str(uuid7()))
        _log.exception("screen_failed", extra={"request": failed.context["request_id"], "tenant": visit.tenant})
        trouble(failed)


def _plainly(visit: Visit) -> None:
    """The same screen without filters: one of them may be what was refused."""
    path, _, query = visit.client.sub_pages_router.current_path.partition("?")
    visit.go(path if query else visit.url("/"))
