"""`/metrics`: the counters of this process in Prometheus' text form, and how far behind the worker is.

Labels are operations, outcomes, handlers, methods and statuses: sets that the code bounds. Tenants, actors
and paths never become labels.
"""

import asyncio
import time
from collections.abc import Iterator, Mapping
from typing import get_args

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
    SummaryMetricFamily,
)
from prometheus_client.registry import Collector

from ...database.circuit import CircuitState
from ...database.control import handler_lags
from ...database.health import pool_health
from ...kernel.errors import MoothillError
from ...kernel.instruments import BUCKETS, Instruments
from .door import Door

__all__ = ["CONTENT_TYPE", "Exposition"]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

# Whoever asks more often is told the same again: the answer takes a look at the log for each handler.
_LAGS_FRESH_SECONDS = 10.0
_LAGS_PATIENCE_SECONDS = 2.0

# Counters of psycopg_pool, with what they mean.
_POOL_COUNTERS = {
    "requests_num": ("pool_requests", "Times a connection was asked for."),
    "requests_queued": ("pool_requests_queued", "Times the caller had to wait for a connection."),
    "requests_errors": ("pool_requests_errors", "Times no connection came in time."),
    "connections_num": ("pool_connections_opened", "Connections opened."),
    "connections_errors": ("pool_connections_failed", "Connections that could not be opened."),
    "connections_lost": ("pool_connections_lost", "Connections found dead."),
}


class Exposition:
    """Renders the metrics of one door."""

    def __init__(self, door: Door) -> None:
        self._lags = _Lags(door)
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(_DoorCollector(door, self._lags))
        ProcessCollector(registry=self._registry)

    async def render(self) -> bytes:
        """The metrics at this moment; the lags of handlers are some seconds old, or left out when nobody knows them."""
        await self._lags.look()
        return generate_latest(self._registry)


class _Lags:
    """How far behind the handlers of events are, as the database says."""

    def __init__(self, door: Door) -> None:
        self.known: Mapping[str, float] = {}
        self._door = door
        self._until = 0.0
        self._one_at_a_time = asyncio.Lock()

    async def look(self) -> None:
        """Ask the database, unless it was asked a moment ago."""
        async with self._one_at_a_time:
            if time.monotonic() < self._until:
                return
            try:
                async with asyncio.timeout(_LAGS_PATIENCE_SECONDS):
                    self.known = await handler_lags(self._door.database)
            except (MoothillError, TimeoutError):
                # A database that is gone or busy is told by other metrics; an old lag would be taken for a new one.
                self.known = {}
            self._until = time.monotonic() + _LAGS_FRESH_SECONDS


class _DoorCollector(Collector):
    def __init__(self, door: Door, lags: _Lags) -> None:
        self._door = door
        self._lags = lags

    def collect(self) -> Iterator[Metric]:
        yield from _of_calls(self._door.runtime.instruments)
        yield from _of_http(self._door)
        yield from _of_pool(self._door)
        yield from _of_subsystems(self._door.runtime.instruments)
        yield from _of_worker(self._door.runtime.instruments, self._lags.known)


def _of_calls(instruments: Instruments) -> Iterator[Metric]:
    calls = CounterMetricFamily(
        "moothill_calls",
        "Calls of operations, by outcome: ok or the code of the error.",
        labels=["operation", "outcome"],
    )
    for (operation, outcome), count in sorted(instruments.calls.items()):
        calls.add_metric([operation, outcome], count)
    yield calls
    durations = HistogramMetricFamily(
        "moothill_call_duration_seconds", "Time from a call to its result.", labels=["operation"]
    )
    for operation, counts in sorted(instruments.durations.items()):
        total = 0
        buckets = []
        for bound, count in zip([*map(str, BUCKETS), "+Inf"], counts, strict=True):
            total += count
            buckets.append((bound, float(total)))
        durations.add_metric([operation], buckets, instruments.seconds[operation])
    yield durations
    retries = CounterMetricFamily(
        "moothill_call_retries", "Retries after serialisation failures and deadlocks.", labels=["operation"]
    )
    for operation, count in sorted(instruments.retries.items()):
        retries.add_metric([operation], count)
    yield retries


def _of_http(door: Door) -> Iterator[Metric]:
    requests = CounterMetricFamily(
        "moothill_http_requests", "Answers given, by method and status.", labels=["method", "status"]
    )
    for (method, status), count in sorted(door.requests.items()):
        requests.add_metric([method, str(status)], count)
    yield requests
    yield _gauge("moothill_http_in_flight", "Requests that are being answered.", door.in_flight)
    yield _gauge("moothill_http_streams", "Streams that are open.", door.streams.total())


def _of_pool(door: Door) -> Iterator[Metric]:
    pool = pool_health(door.database)
    connections = GaugeMetricFamily("moothill_pool_connections", "Connections of the pool.", labels=["state"])
    connections.add_metric(["idle"], pool.idle)
    connections.add_metric(["active"], pool.active)
    yield connections
    yield _gauge("moothill_pool_connections_max", "Most connections the pool opens.", pool.largest)
    yield _gauge("moothill_pool_waiting", "Calls that wait for a connection.", pool.waiting)
    circuit = GaugeMetricFamily("moothill_database_circuit", "The circuit breaker: 1 at its state.", labels=["state"])
    for state in get_args(CircuitState):
        circuit.add_metric([state], door.database.circuit.state == state)
    yield circuit
    numbers = door.database.statistics()
    for name, (metric, meaning) in _POOL_COUNTERS.items():
        family = CounterMetricFamily(f"moothill_{metric}", meaning)
        family.add_metric([], numbers.get(name, 0))
        yield family


def _of_subsystems(instruments: Instruments) -> Iterator[Metric]:
    """What subsystems count themselves."""
    for name, (meaning, count) in sorted(instruments.counters.items()):
        family = CounterMetricFamily(f"moothill_{name}", meaning)
        family.add_metric([], count())
        yield family
    for name, (meaning, value) in sorted(instruments.gauges.items()):
        yield _gauge(f"moothill_{name}", meaning, value())


def _of_worker(instruments: Instruments, lags: Mapping[str, float]) -> Iterator[Metric]:
    lag = GaugeMetricFamily(
        "moothill_handler_lag_seconds",
        "Age of the oldest event that waits for a handler, in the whole database; 0 when none does.",
        labels=["handler"],
    )
    for handler, seconds in sorted(lags.items()):
        lag.add_metric([handler], seconds)
    yield lag
    waits = SummaryMetricFamily(
        "moothill_job_wait_seconds",
        "How long jobs that this process began had waited since they were asked for.",
        count_value=instruments.jobs_begun,
        sum_value=instruments.jobs_waited,
    )
    yield waits


def _gauge(name: str, meaning: str, value: float) -> Metric:
    family = GaugeMetricFamily(name, meaning)
    family.add_metric([], value)
    return family
