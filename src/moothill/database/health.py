"""Is the database there, and how busy is the pool: the words and thresholds of document A3.

Probes take a connection of their own, made and closed, so a pool that is busy is not mistaken for
a database that is gone.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal

import psycopg
from psycopg import AsyncConnection

from ..kernel.errors import Exhausted, MoothillError
from .address import DatabaseUnreachable, connection_string
from .guards import check_guards
from .pool import Database

__all__ = ["HealthChecks", "PoolHealth", "pool_health"]

DEGRADED_ABOVE, UNHEALTHY_ABOVE = 0.75, 0.90

_ANSWER_SECONDS = 2.0
_ANSWER_FRESH_SECONDS = 1.0
_GUARDS_FRESH_SECONDS = 30.0

HealthStatus = Literal["healthy", "degraded", "unhealthy"]


@dataclass(frozen=True, slots=True)
class PoolHealth:
    """How the pool stands at this moment.

    Attributes:
        waiting: calls that wait for a connection.
        status: degraded when more than 75 % of the largest pool are in use, unhealthy above 90 %.
    """

    total: int
    idle: int
    active: int
    waiting: int
    largest: int
    status: HealthStatus


def pool_health(database: Database) -> PoolHealth:
    """The pool's own numbers; nothing is asked of the server."""
    numbers = database.statistics()
    total, idle = numbers.get("pool_size", 0), numbers.get("pool_available", 0)
    largest, active = max(1, numbers.get("pool_max", 1)), total - idle
    used = active / largest
    status: HealthStatus = "unhealthy" if used > UNHEALTHY_ABOVE else "degraded" if used > DEGRADED_ABOVE else "healthy"
    return PoolHealth(total, idle, active, numbers.get("requests_waiting", 0), largest, status)


@dataclass(slots=True)
class _Remembered:
    """A check whose outcome counts for a while, so that probes from outside cost little."""

    check: Callable[[], Awaitable[None]]
    seconds: float
    _until: float = 0.0
    _outcome: MoothillError | None = None
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def __call__(self) -> MoothillError | None:
        async with self._lock:
            if time.monotonic() >= self._until:
                try:
                    await self.check()
                    self._outcome = None
                except Exhausted:
                    # Busy says nothing about the guards: the last answer stands.
                    return self._outcome
                except MoothillError as error:
                    self._outcome = error
                self._until = time.monotonic() + self.seconds
            return self._outcome


class HealthChecks:
    """Whether the database answers, and whether it may be served: cheap to ask often."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._answer = _Remembered(self._connect, _ANSWER_FRESH_SECONDS)
        self._guards = _Remembered(lambda: check_guards(database), _GUARDS_FRESH_SECONDS)

    async def answers(self) -> MoothillError | None:
        """None when the database answers, else what is wrong."""
        return await self._answer()

    async def servable(self) -> MoothillError | None:
        """None when the schema is current and every guard stands, else what is wrong."""
        return await self._guards()

    async def _connect(self) -> None:
        conninfo = connection_string(
            self.database.dsn, self.database.settings, purpose="health", timeout=timedelta(seconds=_ANSWER_SECONDS)
        )
        try:
            async with (
                asyncio.timeout(_ANSWER_SECONDS),
                await AsyncConnection.connect(conninfo, autocommit=True) as connection,
            ):
                await connection.execute("select")
        except (psycopg.Error, TimeoutError):
            raise DatabaseUnreachable() from None
