"""Nudges: what waits for writes is woken instead of asking all the time.

A nudge says only "something was written in this tenant"; who is woken reads the rest, and everything
still works when no nudge ever comes. Nudges are coalesced: the first goes out at once, those that
follow within the interval go out together at its end. `worker.nudge` carries them between processes.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING
from uuid import UUID

from .events import EVENT_KINDS

if TYPE_CHECKING:
    from .context import Context

__all__ = ["COALESCE_SECONDS", "Bell", "Nudges"]

COALESCE_SECONDS = 0.05
LONGEST_WAIT_SECONDS = 5.0


class Bell:
    """Something to wait for."""

    __slots__ = ("_rung",)

    def __init__(self) -> None:
        self._rung = asyncio.Event()

    def ring(self) -> None:
        """Wake who waits, or who will wait next."""
        self._rung.set()

    async def wait(self, seconds: float) -> bool:
        """Wait until it rings, at most so long; whether it rang. A ring before the call counts."""
        try:
            async with asyncio.timeout(seconds):
                await self._rung.wait()
        except TimeoutError:
            return False
        self._rung.clear()
        return True


class Nudges:
    """The nudges of one process.

    Attributes:
        carriers: told what was written here (None: everywhere) and whether keys or tenants changed.
        key_listeners: told that keys or tenants changed, here or in another process.
        on_wait: called when somebody begins to wait; starts listening to other processes.
        longest_wait: seconds after which who waits looks by itself.
        is_over: what answers here is about to end; who waits should answer with what there is.
    """

    def __init__(self, coalesce: float = COALESCE_SECONDS, longest_wait: float = LONGEST_WAIT_SECONDS) -> None:
        self.coalesce = coalesce
        self.longest_wait = longest_wait
        self.carriers: list[Callable[[frozenset[UUID], bool], None]] = []
        self.key_listeners: list[Callable[[], None]] = []
        self.on_wait: list[Callable[[], None]] = []
        self.is_over = False
        self._bells: dict[UUID | None, list[Bell]] = {}
        self._written: set[UUID] = set()
        self._keys_changed = False
        self._due: asyncio.TimerHandle | None = None
        self._sent = 0.0

    @contextmanager
    def bell(self, tenant: UUID | None = None, *, from_afar: bool = True) -> Iterator[Bell]:
        """A bell that rings after writes in a tenant, or in any; `from_afar` also after those elsewhere."""
        bell = Bell()
        self._bells.setdefault(tenant, []).append(bell)
        if from_afar:
            self.hear()
        try:
            yield bell
        finally:
            self._bells[tenant].remove(bell)
            if not self._bells[tenant]:
                del self._bells[tenant]

    def hear(self) -> None:
        """Begin to hear other processes, for who caches keys and does not wait for anything."""
        for begin in self.on_wait:
            begin()

    def end(self) -> None:
        """Let everybody who waits come to an end, as the doors of this process do."""
        self.is_over = True
        self._ring(None)

    def wrote(self, tenant: UUID) -> None:
        """A transaction of this process committed in a tenant."""
        self._written.add(tenant)
        if self._due is None:
            loop = asyncio.get_running_loop()
            self._due = loop.call_later(max(0.0, self._sent + self.coalesce - loop.time()), self.flush)

    def committed(self, call: "Context") -> None:
        """A call of this process committed these events; those that change access concern who caches keys."""
        if any(EVENT_KINDS[event.kind].changes_access for event in call.pending):
            self._keys_changed = True
            self._tell_of_keys()

    def flush(self) -> None:
        """Send what is collected, now."""
        if self._due is not None:
            self._due.cancel()
            self._due = None
        if not self._written:
            return
        written, self._written = frozenset(self._written), set()
        keys_changed, self._keys_changed = self._keys_changed, False
        self._sent = asyncio.get_running_loop().time()
        self._ring(written)
        for carry in self.carriers:
            carry(written, keys_changed)

    def heard(self, tenants: Iterable[UUID] | None, *, keys_changed: bool) -> None:
        """Another process wrote in these tenants; None: it does not say in which."""
        if keys_changed:
            self._tell_of_keys()
        self._ring(tenants)

    def _ring(self, tenants: Iterable[UUID] | None) -> None:
        for place in tuple(self._bells) if tenants is None else (None, *tenants):
            for bell in self._bells.get(place, ()):
                bell.ring()

    def _tell_of_keys(self) -> None:
        for listener in self.key_listeners:
            listener()
