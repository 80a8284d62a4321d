"""Leadership: a lease row with an epoch, which every write of the leader checks in its own transaction.

Time is the database's. A process that stalls and wakes up later finds its epoch stale and its writes
refused; a write that has checked its epoch is not overtaken before it ends.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from ..database.queries import One, Queries
from ..kernel.errors import Conflict, MoothillError
from ..kernel.local import Runtime
from ..kernel.nudges import Bell
from .acting import acting, system
from .pace import Pace

__all__ = ["Leadership", "Reign", "StaleEpoch", "check"]

_log = logging.getLogger("moothill.worker")


class StaleEpoch(Conflict):
    """Another process leads by now, so this write was refused."""


class Sql(Queries):
    """Statements about leases."""

    file = "leader.sql"
    acquire: One[int | None]
    renew: One[bool]
    release: One[bool]
    check: One[bool]


sql = Sql()


@dataclass(slots=True, eq=False)
class Reign:
    """The time during which this process leads.

    Attributes:
        name: what is led.
        epoch: of the lease; a higher one ends this reign.
        over: set when the lease is lost or the worker stops.
        bells: rung at the end, so that nobody waits on.
    """

    name: str
    epoch: int
    over: asyncio.Event = field(default_factory=asyncio.Event)
    bells: list[Bell] = field(default_factory=list)

    def end(self) -> None:
        """Let everything that leads come to its end."""
        self.over.set()
        for bell in self.bells:
            bell.ring()

    async def pause(self, seconds: float) -> None:
        """Wait, at most until the end."""
        try:
            async with asyncio.timeout(seconds):
                await self.over.wait()
        except TimeoutError:
            pass


async def check(reign: Reign) -> None:
    """Make sure, in the transaction at hand, that this process still leads and will until it ends.

    Raises:
        StaleEpoch: it does not.
    """
    if not await sql.check(name=reign.name, epoch=reign.epoch):
        raise StaleEpoch(epoch=reign.epoch)


class Leadership:
    """One lease, and the attempt of this process to hold it."""

    def __init__(self, runtime: Runtime, name: str, holder: str, pace: Pace) -> None:
        self._runtime = runtime
        self._name = name
        self._holder = holder
        self._seconds = pace.lease.total_seconds()

    async def acquire(self) -> Reign | None:
        """Take the lease when it is free or expired."""
        async with acting(self._runtime, system(), "worker.lead", single=True):
            epoch = await sql.acquire(name=self._name, holder=self._holder, seconds=self._seconds)
        return None if epoch is None else Reign(self._name, epoch)

    async def renew(self, reign: Reign) -> bool:
        """Extend it; false when it was lost."""
        async with acting(self._runtime, system(), "worker.lead", single=True):
            return await sql.renew(name=reign.name, epoch=reign.epoch, seconds=self._seconds)

    async def release(self, reign: Reign) -> None:
        """Give it back."""
        async with acting(self._runtime, system(), "worker.lead", single=True):
            await sql.release(name=reign.name, epoch=reign.epoch)

    async def rule(self, reign: Reign, *works: Callable[[Reign], Awaitable[None]], drain: float) -> None:
        """Do the leader's works until the reign is over; then let them end, and give the lease back."""
        tasks = [asyncio.create_task(_guarded(work, reign)) for work in works]
        keeping = asyncio.create_task(self._keep(reign))
        try:
            await reign.over.wait()
            _, late = await asyncio.wait(tasks, timeout=drain)
            if late:
                _log.warning("worker_cut_short", extra={"works": len(late)})
        finally:
            for task in (*tasks, keeping):
                task.cancel()
            await asyncio.gather(*tasks, keeping, return_exceptions=True)
        await self.release(reign)

    async def _keep(self, reign: Reign) -> None:
        """Renew the lease while the works run, at their end too."""
        held_until = time.monotonic() + self._seconds
        while True:
            await asyncio.sleep(self._seconds / 3)
            try:
                renewing = time.monotonic()
                if not await self.renew(reign):
                    _log.warning("lease_lost", extra={"lease": reign.name, "epoch": reign.epoch})
                    return reign.end()
                held_until = renewing + self._seconds
            except MoothillError as error:
                _log.warning("lease_not_renewed", extra={"lease": reign.name, "code": error.code})
                if time.monotonic() >= held_until:
                    return reign.end()


async def _guarded(work: Callable[[Reign], Awaitable[None]], reign: Reign) -> None:
    """One work of a leader; when it ends, whatever the reason, so does the reign."""
    try:
        await work(reign)
    except Exception:
        _log.exception("worker_failed")
    finally:
        reign.end()
