"""A circuit breaker before the pool: while the server is gone, calls fail at once instead of waiting for it.

Losing connections alone does not open it, since whoever gives up a call may cost one: the server is asked first.
While it is open, the server is asked every half second, so that nobody waits longer than that after it is back.
The counts are those of the described system C.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Literal

__all__ = ["Circuit", "CircuitState"]

_log = logging.getLogger("moothill.database")

FAILURES, SUCCESSES = 5, 3
PROBE_SECONDS = 0.5

CircuitState = Literal["closed", "half_open", "open"]


class Circuit:
    """Closed: calls pass. Open: they fail at once. Half-open: they pass, and three that succeed close it.

    Args:
        answers: asks the server, in seconds at most, whether it is there.
        returned: called when it is there again.
    """

    def __init__(self, answers: Callable[[], Awaitable[bool]], returned: Callable[[], None]) -> None:
        self.state: CircuitState = "closed"
        self._answers = answers
        self._returned = returned
        self._failed = 0
        self._succeeded = 0
        self._probing: asyncio.Task[None] | None = None

    @property
    def is_open(self) -> bool:
        """Whether calls fail at once."""
        return self.state == "open"

    def succeed(self) -> None:
        """A call had a connection that still lives."""
        self._failed = 0
        if self.state == "half_open":
            self._succeeded += 1
            if self._succeeded >= SUCCESSES:
                self.state = "closed"

    def fail(self, failures: int = 1) -> None:
        """A call lost its connection, or waited in vain for one, which says as much as several that did not wait."""
        self._failed += failures
        due = self._failed >= FAILURES or self.state == "half_open"
        if due and (self._probing is None or self._probing.done()):
            self._probing = asyncio.create_task(self._probe(), name="circuit-probe")

    async def close(self) -> None:
        """Ask no longer."""
        if self._probing is not None:
            self._probing.cancel()
            await asyncio.gather(self._probing, return_exceptions=True)

    async def _probe(self) -> None:
        while not await self._answers():
            if self.state != "open":
                _log.error("database_circuit_opened", extra={"failures": self._failed})
            self.state = "open"
            await asyncio.sleep(PROBE_SECONDS)
        self._failed = self._succeeded = 0
        if self.state == "open":
            self.state = "half_open"
            _log.warning("database_circuit_half_open")
            self._returned()
