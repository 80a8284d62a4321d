"""How often somebody may try to sign in: failures cost a place, successes do not."""

import time
from collections import deque
from collections.abc import Callable
from math import ceil

from ..kernel.errors import Exhausted

__all__ = ["Attempts", "TooManyAttempts"]

WINDOW_SECONDS = 60.0
MOST_FAILURES = 5
MOST_FAILURES_OF_ALL = 60
_MOST_ADDRESSES = 10_000


class TooManyAttempts(Exhausted):
    """Too many failed attempts to sign in; wait a minute and try again."""


class Attempts:
    """Failed attempts of the last minute, by address and of all together."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._of_all: deque[float] = deque()
        self._by_address: dict[str, deque[float]] = {}

    def admit(self, address: str) -> None:
        """Let an attempt pass.

        Raises:
            TooManyAttempts: with `retry_after`, in seconds.
        """
        for failures, most in (
            (self._by_address.get(address), MOST_FAILURES),
            (self._of_all, MOST_FAILURES_OF_ALL),
        ):
            if failures is not None and len(self._recent(failures)) >= most:
                wait = ceil(failures[0] + WINDOW_SECONDS - self._clock())
                raise TooManyAttempts(
                    f"Too many failed attempts to sign in; try again in {wait} seconds.", retry_after=wait
                )

    def failed(self, address: str) -> None:
        """Count a failure."""
        if len(self._by_address) >= _MOST_ADDRESSES:
            self._by_address = {
                known: failures for known, failures in self._by_address.items() if self._recent(failures)
            }
        moment = self._clock()
        self._of_all.append(moment)
        self._by_address.setdefault(address, deque()).append(moment)

    def _recent(self, failures: deque[float]) -> deque[float]:
        oldest = self._clock() - WINDOW_SECONDS
        while failures and failures[0] <= oldest:
            failures.popleft()
        return failures
