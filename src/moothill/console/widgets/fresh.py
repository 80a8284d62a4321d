"""Keeping a part of a screen fresh: renewed soon after events that concern it, and now and then anyway."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from nicegui import background_tasks, ui

from ...kernel.errors import MoothillError
from ...kernel.events import Event
from ..visit import Visit

__all__ = ["keep_fresh"]

_log = logging.getLogger("moothill.console")
SAFETY_SECONDS = 30.0
# Many events in a row are one renewal.
GATHER_SECONDS = 0.4


def keep_fresh(visit: Visit, renew: Callable[[], Awaitable[None]], *kinds: str, gather: float = GATHER_SECONDS) -> None:
    """Call `renew` after events whose kind begins with one of `kinds`, and every half minute; never while paused.

    Args:
        renew: changes elements in place.
        kinds: for example `agents.`; none: only every half minute.
        gather: seconds for which further events wait for the same renewal.
    """
    place = ui.context.slot.parent
    is_due = False

    async def go(wait: float = 0.0) -> None:
        nonlocal is_due
        await asyncio.sleep(wait)
        is_due = False
        if not visit.is_live or place.is_deleted:
            return
        try:
            await renew()
        except MoothillError as error:
            # What is shown stays; the next turn may succeed, and the header tells of a lost connection.
            _log.warning("not_renewed", extra={"code": error.code, "tenant": visit.tenant})

    def heard(events: Sequence[Event]) -> None:
        nonlocal is_due
        if not is_due and any(event.kind.startswith(kinds) for event in events):
            is_due = True
            background_tasks.create(go(gather), name="renew", context=place)

    if kinds and visit.may("events.follow"):
        visit.listen(heard)
    ui.timer(SAFETY_SECONDS, go, immediate=False)
