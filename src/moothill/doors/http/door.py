"""The door's own state: what all its requests share, from opening to draining."""

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from uuid import UUID

from ...database.pool import Database
from ...kernel.context import Context
from ...kernel.errors import MoothillError
from ...kernel.local import LocalExecutor, Runtime
from ...kernel.settings import Settings
from ...session import Session, begun_views
from .problems import ServerStopping, TooManyStreams
from .request import Scope, read_headers, request_id_of
from .security import Entrance

__all__ = ["Door"]

_log = logging.getLogger("moothill.http")

FLUSH_SECONDS = 30.0
STREAMS_OF_ONE_KEY = 32


@dataclass(slots=True)
class Door:
    """What the requests of one server process share.

    Attributes:
        stopping: set when the server drains; streams end and readiness fails.
        requests: answers given, by method and status.
        in_flight: requests that are being answered.
    """

    session: Session
    settings: Settings
    runtime: Runtime
    database: Database
    entrance: Entrance
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    requests: Counter[tuple[str, int]] = field(default_factory=Counter)
    streams: Counter[UUID | None] = field(default_factory=Counter)
    in_flight: int = 0

    @classmethod
    def of(cls, session: Session) -> "Door":
        """The door of a session that has a database; calls through it are limited per key."""
        assert session.runtime is not None
        assert session.database is not None
        session.runtime.instruments.rate_limit = session.settings.rate_limit
        entrance = Entrance(session.runtime, session.database, session.key_gate())
        return cls(session, session.settings, session.runtime, session.database, entrance)

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Hear of changed keys and write last uses now and then, until the end of the block."""
        nudges = self.runtime.nudges
        nudges.key_listeners.append(self.entrance.forget)
        nudges.hear()
        self.runtime.listeners.append(self._committed)
        flusher = asyncio.create_task(self._flush_now_and_then())
        try:
            async with self.session.sharing_rates():
                yield
        finally:
            flusher.cancel()
            await asyncio.wait([flusher])
            self.runtime.listeners.remove(self._committed)
            nudges.key_listeners.remove(self.entrance.forget)
            await self.flush()

    async def flush(self) -> None:
        """Write the last uses of keys; what cannot be written is not worth failing for."""
        try:
            await self.entrance.gate.flush()
        except MoothillError as error:
            _log.warning("last_uses_not_written", extra={"code": error.code})

    @contextlib.contextmanager
    def stream(self, key: UUID | None) -> Iterator[None]:
        """Count an open stream of a key.

        Raises:
            TooManyStreams: the key holds as many as it may.
            ServerStopping: no new ones.
        """
        if self.stopping.is_set():
            raise ServerStopping()
        if self.streams[key] >= STREAMS_OF_ONE_KEY:
            raise TooManyStreams(f"This key holds {STREAMS_OF_ONE_KEY} open streams; close one first.", retry_after=5)
        self.streams[key] += 1
        try:
            yield
        finally:
            self.streams[key] -= 1
            if not self.streams[key]:
                del self.streams[key]

    async def executor(self, scope: Scope) -> LocalExecutor:
        """The executor of whoever sends a request, for what is mounted beside the operations.

        Raises:
            MoothillError: nobody that may enter.
        """
        found = await self.entrance.executor(read_headers(scope, request_id_of(scope)))
        exchange = scope.get("moothill.exchange")
        if exchange is not None:
            exchange.principal = found.principal
        return LocalExecutor(found.runtime, found.principal, door="mcp", address=found.address)

    def _committed(self, call: Context) -> None:
        begun = begun_views(call)
        for agent in begun:
            self.entrance.begun(call.principal.key, call.tenant, agent)
        if sum(event.kind.startswith("agents.") for event in call.pending) > len(begun):
            self.entrance.forget_views()

    async def _flush_now_and_then(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_SECONDS)
            await self.flush()
