"""The one listener of this process: follows each society that somebody looks at, once for all tabs.

A feed belongs to a key, a tenant and a pair of eyes, because another key may not see the same. It
follows while somebody is subscribed and goes on where it stopped after a broken connection.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal
from uuid import UUID
from weakref import WeakValueDictionary

from nicegui import Event as Signal

from ..kernel.errors import Forbidden, MoothillError, Unauthenticated
from ..kernel.events import Event
from ..moot import Moot
from .sessions import SignedIn

__all__ = ["Feed", "FeedState", "Listener"]

FeedState = Literal["off", "live", "lost", "refused"]

_log = logging.getLogger("moothill.console")
# Bursts reach the pages as one batch.
GATHER_SECONDS = 0.15
_MOST_GATHERED = 200
_FIRST_WAIT, _LONGEST_WAIT = 0.5, 15.0
_LINGER_SECONDS = 20.0


@dataclass(slots=True, eq=False, weakref_slot=True)
class Feed:
    """The events of one society as one pair of eyes sees them."""

    moot: Moot
    state: FeedState = "off"
    changed: "Signal[[]]" = field(default_factory=Signal)
    _happened: "Signal[[Sequence[Event]]]" = field(default_factory=Signal)
    _gathered: list[Event] = field(default_factory=list)
    _due: asyncio.TimerHandle | None = None
    _count: int = 0
    _cursor: str | None = None
    _task: asyncio.Task[None] | None = None
    _end: asyncio.TimerHandle | None = None

    def subscribe(self, heard: Callable[[Sequence[Event]], None]) -> None:
        """Tell somebody of new events, in batches; the first subscriber starts the listening."""
        self._happened.subscribe(heard, unsubscribe_on_delete=False)
        self._count += 1
        if self._end is not None:
            self._end.cancel()
            self._end = None
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._listen())

    def unsubscribe(self, heard: Callable[[Sequence[Event]], None]) -> None:
        """Stop telling; the listening ends a while after the last one left."""
        self._happened.unsubscribe(heard)
        self._count -= 1
        if self._count == 0 and self._end is None:
            self._end = asyncio.get_running_loop().call_later(_LINGER_SECONDS, self.stop)

    def stop(self) -> None:
        """End the listening."""
        self._end = None
        if self._task is not None:
            self._task.cancel()
            self._task = None
        self._become("off")

    async def _listen(self) -> None:
        wait = _FIRST_WAIT
        while True:
            try:
                newest = await self.moot.events.list(order="newest", limit=1)
                if self._cursor is None and newest.items:
                    self._cursor = newest.items[0].cursor
                self._become("live")
                wait = _FIRST_WAIT
                async for event in self.moot.events.follow(after=self._cursor):
                    self._cursor = event.cursor
                    self._gather(event)
            except (Forbidden, Unauthenticated) as error:
                _log.warning("feed_refused", extra={"code": error.code})
                self._become("refused")
                return
            except MoothillError as error:
                _log.warning("feed_lost", extra={"code": error.code})
            self._become("lost")
            await asyncio.sleep(wait)
            wait = min(_LONGEST_WAIT, wait * 2)

    def _gather(self, event: Event) -> None:
        self._gathered.append(event)
        if len(self._gathered) >= _MOST_GATHERED:
            self._tell()
        elif self._due is None:
            self._due = asyncio.get_running_loop().call_later(GATHER_SECONDS, self._tell)

    def _tell(self) -> None:
        if self._due is not None:
            self._due.cancel()
            self._due = None
        gathered, self._gathered = self._gathered, []
        if gathered:
            self._happened.emit(gathered)

    def _become(self, state: FeedState) -> None:
        if state != self.state:
            self.state = state
            self.changed.emit()


class Listener:
    """The feeds of this process."""

    def __init__(self) -> None:
        self._feeds: WeakValueDictionary[tuple[SignedIn, str, UUID | None], Feed] = WeakValueDictionary()

    def feed(self, key: SignedIn, tenant: str, moot: Moot, agent: UUID | None) -> Feed:
        """The feed of a key in a tenant, perhaps with an agent's eyes; one for all their tabs."""
        place = (key, tenant, agent)
        found = self._feeds.get(place)
        if found is None:
            found = self._feeds[place] = Feed(moot)
        return found

    def close(self) -> None:
        """Stop listening."""
        for feed in list(self._feeds.values()):
            feed.stop()
