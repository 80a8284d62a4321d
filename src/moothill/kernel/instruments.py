"""What the executor measures and limits: calls, durations, retries, rates per key.

Counters are plain numbers read by `/metrics`; a process without that door pays almost nothing.
"""

import logging
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .errors import Exhausted
from .rates import WINDOW_SECONDS, Rates

if TYPE_CHECKING:
    from .context import Context
    from .operation import Operation

__all__ = ["BUCKETS", "Instruments", "RateLimited"]

# Upper bounds in seconds, close where our targets lie.
BUCKETS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

MOST_BUCKETS = 10_000

_log = logging.getLogger("moothill")


class RateLimited(Exhausted):
    """This key calls too often; slow down and try again after the time given."""


@dataclass(slots=True)
class _Bucket:
    tokens: float
    refilled: float


@dataclass(slots=True)
class Instruments:
    """Counters and token buckets of one process.

    Attributes:
        rate_limit: calls a minute for one key; None switches the limit off (embedded use).
        rates: the limits of whole tenants.
        counters: what subsystems count themselves, by the metric's name: what it means, and how many.
        gauges: what they have at the moment, likewise.
        jobs_begun: jobs whose first step this process took up.
        jobs_waited: how long these had waited, in seconds.
    """

    rate_limit: int | None = None
    calls: dict[tuple[str, str], int] = field(default_factory=lambda: defaultdict(int))
    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    durations: dict[str, list[int]] = field(default_factory=dict)
    retries: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    rates: Rates = field(default_factory=Rates)
    counters: dict[str, tuple[str, Callable[[], float]]] = field(default_factory=dict)
    gauges: dict[str, tuple[str, Callable[[], float]]] = field(default_factory=dict)
    jobs_begun: int = 0
    jobs_waited: float = 0.0
    _buckets: dict[Any, _Bucket] = field(default_factory=dict)

    def called(self, operation: "Operation[Any, Any]", call: "Context", outcome: str, seconds: float) -> None:
        """Count a finished call and log it (never its payload)."""
        name = operation.name
        self.calls[name, outcome] += 1
        self.seconds[name] += seconds
        histogram = self.durations.get(name)
        if histogram is None:
            histogram = self.durations[name] = [0] * (len(BUCKETS) + 1)
        histogram[next((i for i, bound in enumerate(BUCKETS) if seconds <= bound), len(BUCKETS))] += 1
        if outcome == "internal" or seconds > 1.0:
            _log.warning(
                "slow_or_failed_call",
                extra={
                    "operation": name,
                    "outcome": outcome,
                    "milliseconds": round(seconds * 1000, 1),
                    "tenant": str(call.tenant),
                    "actor": str(call.actor.id),
                    "request": str(call.request_id),
                },
            )

    def retried(self, operation: "Operation[Any, Any]") -> None:
        """Count a retry after a serialisation failure or a deadlock."""
        self.retries[operation.name] += 1

    def job_begun(self, waited: float) -> None:
        """Count a job that is begun for the first time, and the seconds since it was asked for."""
        self.jobs_begun += 1
        self.jobs_waited += waited

    def admit(self, call: "Context", operation: "Operation[Any, Any]") -> None:
        """Take a token of the caller's key, and of each limit of its tenant that covers the call.

        Raises:
            RateLimited, TenantRateLimited: with `retry_after`, in seconds.
        """
        if call.principal.rates:
            self.rates.admit(call.principal, operation.scope.partition(":")[0])
        key = call.principal.key
        if self.rate_limit is None or key is None:
            return
        now = time.monotonic()
        rate = self.rate_limit / 60
        bucket = self._buckets.get(key)
        if bucket is None:
            if len(self._buckets) >= MOST_BUCKETS:
                self._buckets.clear()
            bucket = self._buckets[key] = _Bucket(float(self.rate_limit), now)
        bucket.tokens = min(float(self.rate_limit), bucket.tokens + (now - bucket.refilled) * rate)
        bucket.refilled = now
        if bucket.tokens < 1:
            wait = (1 - bucket.tokens) / rate
            raise RateLimited(
                f"This key made more than {self.rate_limit} calls a minute; try again in {wait:.1f} s.",
                field="calls",
                limit=self.rate_limit,
                window=WINDOW_SECONDS,
                remaining=0,
                retry_after=round(wait, 3),
            )
        bucket.tokens -= 1
