"""The worker of a process: jobs in every process, leadership of schedules and relay in one of them.

`moothill up` runs it, and an embedded connection runs one by itself. When nothing happens it asks the
database a handful of questions every few seconds; nudges wake it sooner.
"""

import asyncio
import logging
import os
import socket
from typing import Protocol

from ..database.pool import Database
from ..kernel.errors import MoothillError
from ..kernel.local import Runtime
from ..kernel.nudges import Bell
from ..kernel.settings import Settings
from . import upkeep  # noqa: F401  # registers its scheduled jobs
from .acting import describe
from .events.relay import Relay
from .jobs.runner import JobRunner
from .jobs.schedules import Scheduler
from .leader import Leadership, Reign
from .pace import Pace

__all__ = ["Gate", "Worker"]

_log = logging.getLogger("moothill.worker")
LEASE = "worker"


class Gate(Protocol):
    """What the worker does for who authenticates keys in this process."""

    def forget(self) -> None:
        """Trust no cached answer any more."""
        ...

    async def flush(self) -> None:
        """Write the last uses of keys."""
        ...


class Worker:
    """Runs jobs, scheduled jobs and event handlers of one database in this process.

    Args:
        runtime: shared with the executors of this process.
        database: the pool of this process.
        settings: of this process; `worker` is the caller's to heed.
        gate: told of changed keys, and flushed now and then.
        pace: leases, polling and tries; the defaults suit a server.
    """

    def __init__(
        self,
        runtime: Runtime,
        database: Database,
        settings: Settings,
        gate: Gate | None = None,
        *,
        pace: Pace | None = None,
    ) -> None:
        self.runtime = runtime
        self.database = database
        self.settings = settings
        self.gate = gate
        self.pace = pace or Pace()
        self.holder = f"{socket.gethostname()}:{os.getpid()}"
        self.reign: Reign | None = None
        self._stopping = asyncio.Event()
        self._bells: list[Bell] = []
        self._running: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Work until `stop()` is called. Failures of the database are waited out."""
        self._running = asyncio.current_task()
        nudges = self.runtime.nudges
        if self.gate is not None:
            nudges.key_listeners.append(self.gate.forget)
        try:
            with nudges.bell() as for_jobs, nudges.bell() as for_relay, nudges.bell() as for_schedules:
                self._bells = [for_jobs]
                runner = JobRunner(self.runtime, self.pace, for_jobs, self.holder)
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(runner.run(self._stopping))
                    tasks.create_task(self._lead(for_relay, for_schedules))
                    if self.gate is not None:
                        tasks.create_task(self._flush(self.gate))
        finally:
            if self.gate is not None:
                nudges.key_listeners.remove(self.gate.forget)

    @property
    def is_running(self) -> bool:
        """Whether `run()` was called and has not ended."""
        return self._running is not None and not self._running.done()

    async def stop(self) -> None:
        """Take nothing new, let what runs come to the end of its step or event, and give the lease back."""
        self._stopping.set()
        if self.reign is not None:
            self.reign.end()
        for bell in self._bells:
            bell.ring()
        if self._running is not None and self._running is not asyncio.current_task():
            await asyncio.wait([self._running])

    async def _lead(self, for_relay: Bell, for_schedules: Bell) -> None:
        leadership = Leadership(self.runtime, LEASE, self.holder, self.pace)
        while not self._stopping.is_set():
            try:
                self.reign = await leadership.acquire()
                if self.reign is not None:
                    if self._stopping.is_set():
                        self.reign.end()
                    _log.info("leading", extra={"epoch": self.reign.epoch})
                    relay = Relay(self.runtime, self.pace, for_relay)
                    scheduler = Scheduler(self.runtime, self.pace, for_schedules)
                    await leadership.rule(self.reign, relay.run, scheduler.run, drain=self.pace.drain.total_seconds())
            except MoothillError as error:
                _log.warning("worker_waits", extra={"error": describe(error)})
            except Exception:
                _log.exception("worker_failed")
            finally:
                self.reign = None
            await self._pause(self.pace.lease.total_seconds() / 3)

    async def _flush(self, gate: Gate) -> None:
        while not self._stopping.is_set():
            await self._pause(self.pace.flush.total_seconds())
            try:
                await gate.flush()
            except MoothillError as error:
                _log.warning("last_uses_not_written", extra={"code": error.code})

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            pass
