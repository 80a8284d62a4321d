"""Where a worker's tasks come from: its own tenant, or all tenants in turn."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from uuid import UUID

from ...kernel.errors import MoothillError
from .site import Site

if TYPE_CHECKING:
    from .shift import Shift

__all__ = ["Rounds"]

# A tenant's first claim tells soon enough; between looks at all tenants a worker over a URL rests.
_ROUND_SECONDS = 1.0


class Rounds:
    """Claims tasks for a shift as long as there is room.

    Args:
        shift: whose room it fills.
        until_empty: stop the shift when there is nothing to claim and nothing is held.
        poll: how long one claim waits for tasks, seconds.
    """

    def __init__(self, shift: "Shift", *, until_empty: bool, poll: float) -> None:
        self._shift = shift
        self._until_empty = until_empty
        self._poll = poll
        self._after: UUID | None = None

    async def run(self) -> None:
        """Claim until cancelled, or until there is nothing left where that was asked for."""
        turn = self._everywhere if self._shift.worker.every_tenant else self._here
        while True:
            try:
                found = await turn()
            except MoothillError as error:
                await self._shift.stumble(error, "nothing_claimed")
                continue
            self._shift.failures = 0
            if not found and self._until_empty:
                if not self._shift.held:
                    return self._shift.stop()
                await self._shift.left()

    async def _here(self) -> int:
        """One claim in the tenant of the connection."""
        shift = self._shift
        site = shift.sites.get(None)
        if site is None:
            site = shift.sites[None] = Site(shift.moot, shift.claims)
        room = await shift.has_room()
        with shift.reserved(room):
            taken = await site.claim(room) if self._until_empty else await site.next(room, self._poll)
            shift.begin(site, taken)
        shift.found(len(taken), room)
        return len(taken)

    async def _everywhere(self) -> int:
        """One round: the tenants that have work, each its share of the room."""
        shift = self._shift
        room = await shift.has_room()
        async with self._woken() as wait:
            found = 0
            waiting = await shift.moot.tasks.tenants(
                queues=list(shift.claims.queues) if shift.claims.queues else None,
                after=self._after,
                limit=min(room, 100),
            )
            for place, each in enumerate(waiting):
                site = shift.sites.get(each.id)
                if site is None:
                    site = shift.sites[each.id] = Site(shift.moot.tenant(each.slug), shift.claims)
                # What earlier tenants did not use is shared by the later ones.
                share = max(1, shift.room // (len(waiting) - place))
                with shift.reserved(share):
                    taken = await site.claim(share)
                    shift.begin(site, taken)
                found += len(taken)
                self._after = each.id
                if shift.room <= 0:
                    break
            if not found and not self._until_empty:
                await wait()
            return found

    @asynccontextmanager
    async def _woken(self) -> AsyncIterator[Callable[[], Awaitable[object]]]:
        """What to wait for after a round in vain: a write in any tenant, or a while."""
        session = self._shift.moot.session
        seconds = _ROUND_SECONDS * random.uniform(0.75, 1.25)  # noqa: S311  # jitter, no secret
        if session is None or session.runtime is None:
            yield lambda: asyncio.sleep(seconds)
            return
        with session.runtime.nudges.bell() as bell:
            yield lambda: bell.wait(seconds)
