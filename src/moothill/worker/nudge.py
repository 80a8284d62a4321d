"""Nudges between processes: NOTIFY carries the tenants that were written in, and nothing else.

A process sends at most one for each interval of `kernel.nudges`, outside of any transaction, on a
connection of the pool. It listens on a connection of its own, from the moment somebody waits. Where it
cannot listen (a pooler and no direct DSN), or when a notice is lost, everything is found by polling.
"""

import asyncio
import logging
import os
from uuid import UUID

from ..database.notices import LONGEST_NOTICE, can_hear, hear, notify
from ..database.pool import Database
from ..kernel.errors import MoothillError
from ..kernel.local import Runtime

__all__ = ["Nudge"]

_log = logging.getLogger("moothill.worker")
_MOST_TENANTS = (LONGEST_NOTICE - 20) // 37
_EVERYWHERE = "*"
_LONGEST_PAUSE = 30.0


class Nudge:
    """Carries the nudges of this process to others and theirs to it."""

    def __init__(self, runtime: Runtime, database: Database, *, listens: bool = True) -> None:
        self._nudges = runtime.nudges
        self._database = database
        self._sender = os.urandom(6).hex()
        self._listens = listens
        self._tenants: set[UUID] = set()
        self._keys_changed = False
        self._sending: asyncio.Task[None] | None = None
        self._listening: asyncio.Task[None] | None = None
        self.ready = asyncio.Event()

    def attach(self) -> None:
        """Begin to carry."""
        self._database.written = self._nudges.wrote
        self._nudges.carriers.append(self._carry)
        if self._listens:
            self._nudges.on_wait.append(self.listen)

    def listen(self) -> None:
        """Hear other processes from now on."""
        dsn = can_hear(self._database)
        if self._listening is None and dsn is not None:
            self._listening = asyncio.create_task(self._hear(dsn), name="nudge")

    async def close(self) -> None:
        """Send what is left, and hear no more."""
        self._nudges.end()
        self._nudges.flush()
        self._database.written = None
        if self._carry in self._nudges.carriers:
            self._nudges.carriers.remove(self._carry)
        if self.listen in self._nudges.on_wait:
            self._nudges.on_wait.remove(self.listen)
        if self._sending is not None:
            await self._sending
        if self._listening is not None:
            self._listening.cancel()
            await asyncio.gather(self._listening, return_exceptions=True)
            self._listening = None

    def _carry(self, tenants: frozenset[UUID], keys_changed: bool) -> None:
        self._tenants |= tenants
        self._keys_changed |= keys_changed
        if self._sending is None or self._sending.done():
            self._sending = asyncio.create_task(self._send())

    async def _send(self) -> None:
        while self._tenants:
            tenants, self._tenants = self._tenants, set()
            keys_changed, self._keys_changed = self._keys_changed, False
            try:
                await notify(self._database, compose(self._sender, tenants, keys_changed))
            except MoothillError as error:
                # Who waits polls anyway.
                _log.info("nudge_not_sent", extra={"code": error.code})

    async def _hear(self, dsn: str) -> None:
        pause = 0.1
        while True:
            try:
                async for text in hear(self._database, dsn):
                    pause = 0.1
                    if text is None:
                        self.ready.set()
                        # Whatever was sent before we listened is found by looking once.
                        self._nudges.heard(None, keys_changed=True)
                    else:
                        self._heard(text)
            except MoothillError as error:
                _log.warning("nudges_not_heard", extra={"code": error.code})
            except Exception:
                _log.exception("nudges_not_heard")
            self.ready.clear()
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)

    def _heard(self, text: str) -> None:
        try:
            sender, tenants, keys_changed = read(text)
        except ValueError:
            _log.warning("strange_nudge")
            return
        if sender != self._sender:
            self._nudges.heard(tenants, keys_changed=keys_changed)


def compose(sender: str, tenants: set[UUID], keys_changed: bool) -> str:
    """The text of a nudge."""
    listed = ",".join(map(str, sorted(tenants))) if len(tenants) <= _MOST_TENANTS else _EVERYWHERE
    return f"{sender} {'keys' if keys_changed else '-'} {listed}"


def read(text: str) -> tuple[str, list[UUID] | None, bool]:
    """Sender, tenants (None: any) and whether keys changed.

    Raises:
        ValueError: it is not one of ours.
    """
    sender, flag, listed = text.split(" ")
    tenants = None if listed == _EVERYWHERE else [UUID(each) for each in listed.split(",")]
    return sender, tenants, flag == "keys"
