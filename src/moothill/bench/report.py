"""The frame of every benchmark: rows of figures, their targets, and where they were measured."""

import os
import platform
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass, field
from importlib import metadata
from typing import Any, Literal

import psycopg

from .telling import counted

__all__ = ["Report", "Row", "environment", "interleaved", "percentile"]

Comparison = Literal["at most", "at least"]


@dataclass(frozen=True, slots=True)
class Row:
    """One figure.

    Attributes:
        case: what was measured.
        metric: which figure of it.
        value: in `unit`.
        target: what it must reach; None where there is no target.
        compare: whether the target is a ceiling or a floor.
        peer: what ran beside it, in the same run.
        peer_value: the peer's figure, in the same unit.
    """

    case: str
    metric: str
    value: float
    unit: str
    target: float | None = None
    compare: Comparison = "at most"
    peer: str | None = None
    peer_value: float | None = None

    @property
    def ok(self) -> bool | None:
        """Whether the target is reached; None without one."""
        if self.target is None:
            return None
        return self.value <= self.target if self.compare == "at most" else self.value >= self.target

    @property
    def ratio(self) -> float | None:
        """The figure against the peer's."""
        return None if not self.peer_value else self.value / self.peer_value

    def as_json(self) -> dict[str, Any]:
        """The row as programs read it."""
        return {**asdict(self), "ok": self.ok, "ratio": self.ratio}


@dataclass(slots=True)
class Report:
    """The rows of one benchmark, with where they came from."""

    bench: str
    scale: str
    environment: dict[str, Any]
    rows: list[Row] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """One object, the shape that `--json` prints."""
        return {
            "bench": self.bench,
            "scale": self.scale,
            "environment": self.environment,
            "rows": [row.as_json() for row in self.rows],
        }


async def environment(dsn: str, *, seed: int, **more: Any) -> dict[str, Any]:
    """Hardware, versions and settings under which a benchmark ran."""
    names = ("server_version", "fsync", "synchronous_commit", "shared_buffers", "max_connections")
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
        settings = {
            name: (await (await connection.execute("select current_setting(%s)", [name])).fetchone() or ("?",))[0]
            for name in names
        }
    return {
        "cores": os.cpu_count(),
        "machine": platform.machine(),
        "python": platform.python_version(),
        "moothill": metadata.version("moothill"),
        "postgresql": settings,
        "seed": seed,
        "load_before": round(os.getloadavg()[0], 2),
        **more,
    }


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which `share` of the sorted values lie (nearest rank)."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


async def interleaved(
    cases: dict[str, Callable[[], Awaitable[Any]]], *, rounds: int, each: int, what: str = "in turn"
) -> dict[str, list[float]]:
    """Time several cases in turn, so that a slow moment of the machine hits all of them.

    Args:
        cases: what is timed, by its name.
        rounds: how often it is every case's turn.
        each: calls of a case in its turn.
        what: what is measured, to be told meanwhile.

    Returns:
        Seconds per call, by case.
    """
    seconds: dict[str, list[float]] = {name: [] for name in cases}
    for call in cases.values():
        for _ in range(20):
            await call()
    for _ in counted(range(rounds), f"{what}: {', '.join(cases)}"):
        for name, call in cases.items():
            for _ in range(each):
                before = time.perf_counter()
                await call()
                seconds[name].append(time.perf_counter() - before)
    return seconds


def median_milliseconds(seconds: Sequence[float]) -> float:
    """The median in milliseconds."""
    return statistics.median(seconds) * 1000
