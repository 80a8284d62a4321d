"""The arithmetic of tasks: where they may go, in what order they wait, and who waits for whom."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from types import MappingProxyType
from typing import Any
from uuid import UUID, uuid5

import orjson

from .models import PRIORITIES

__all__ = [
    "ENDED",
    "HELD",
    "LIVE",
    "TRANSITIONS",
    "WORTH",
    "backoff",
    "cycle",
    "lane_of",
    "next_look",
    "origins",
    "priority_number",
]

WORTH: Mapping[str, timedelta] = MappingProxyType(
    {
        "critical": timedelta(days=-3650),
        "high": timedelta(),
        "normal": timedelta(hours=1),
        "low": timedelta(hours=4),
        "background": timedelta(hours=12),
    }
)
"""How much later than it is a task of this priority counts: an hour of waiting makes a normal one as urgent as a high
one that comes now, so that nothing is starved; critical ones go before everything else. The database has the same."""

TRANSITIONS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "pending": ("assigned", "in_progress", "blocked", "paused", "failed", "cancelled"),
        "blocked": ("pending", "scheduled", "paused", "failed", "cancelled"),
        "scheduled": ("pending", "blocked", "paused", "failed", "cancelled"),
        "assigned": ("in_progress", "pending", "scheduled", "retry", "waiting", "completed", "failed", "cancelled"),
        "in_progress": ("pending", "scheduled", "retry", "waiting", "completed", "failed", "cancelled"),
        "waiting": ("pending", "failed", "cancelled"),
        "paused": ("pending", "blocked", "scheduled", "failed", "cancelled"),
        "retry": ("pending", "blocked", "paused", "failed", "cancelled"),
        "completed": ("archived",),
        "failed": ("pending", "archived"),
        "cancelled": ("pending", "archived"),
        "archived": (),
    }
)
"""Where a task may go from where it is; every statement that moves one asks for its origins by itself."""

HELD = ("assigned", "in_progress")
ENDED = ("completed", "failed", "cancelled", "archived")
LIVE = tuple(state for state in TRANSITIONS if state not in ENDED)

_LANES = UUID("6e3d7a52-0f0e-5d3b-9a55-2f6f1f0c7a01")


def origins(state: str) -> list[str]:
    """The states from which a task may come into one."""
    return [here for here, beyond in TRANSITIONS.items() if state in beyond]


def priority_number(name: str) -> int:
    """How a priority is stored: 0 is critical.

    Raises:
        ValueError: there is none of this name.
    """
    return PRIORITIES.index(name)


def lane_of(
    queue: str,
    group: str,
    skills: Mapping[str, int] | None = None,
    capability: str | None = None,
    agent_type: str | None = None,
    agent: UUID | None = None,
) -> UUID:
    """The id of a lane, made of all that decides who may take its tasks: equal parts give the equal id."""
    parts: list[Any] = [queue, group, sorted((skills or {}).items()), capability, agent_type, str(agent or "")]
    return uuid5(_LANES, orjson.dumps(parts).decode())


def backoff(failures: int, chance: float, *, base: float = 5, factor: float = 2, most: float = 3600) -> float:
    """Seconds before the next attempt: base times factor for each failure before this one, at most `most`.

    Args:
        failures: how many there were, this one included; at least 1.
        chance: 0 to 1; half of the pause is left to it, so that what failed together does not come back together.
        base: after the first failure, seconds.
        factor: by which each further failure multiplies it.
        most: never longer than this, seconds.
    """
    pause: float = min(most, base * factor ** min(failures - 1, 60))
    return pause * (0.5 + 0.5 * chance)


def next_look(vain: int, chance: float, *, longest: float, due: float | None = None) -> tuple[float, float]:
    """How long to wait for tasks before the next look, when nothing wakes and when something does, seconds.

    Args:
        vain: looks in a row that something woke and that found nothing: others are woken by the same, so that each
            holds back the longer the more often it comes in vain, up to half a second.
        chance: 0 to 1; spreads the looks of those who began to wait together.
        longest: without a wake-up, look after this long at the latest, seconds.
        due: when the next task becomes due, seconds from now.
    """
    by_itself = longest * (0.75 + 0.25 * chance)
    if due is not None:
        by_itself = min(by_itself, max(0.0, due) + 0.01 * chance)
    return by_itself, 0.0 if vain == 0 else min(0.5, 0.02 * 2 ** min(vain - 1, 10)) * chance


def cycle(edges: Mapping[int, Iterable[int]], count: int) -> list[int]:
    """A circle among things that wait for each other; empty when there is none. O(things + edges).

    Kahn (1962): whatever waits for nothing is taken away until nothing more can be; the rest holds a circle.

    Args:
        edges: thing -> those that it waits for.
        count: how many things there are.
    """
    waits = {here: set(there) for here, there in edges.items() if there}
    dependents: dict[int, list[int]] = {}
    for here, there in waits.items():
        for one in there:
            dependents.setdefault(one, []).append(here)
    left = {here: len(waits[here]) for here in waits}
    free = [here for here in range(count) if here not in left]
    while free:
        for here in dependents.get(free.pop(), ()):
            left[here] -= 1
            if left[here] == 0:
                del left[here]
                free.append(here)
    if not left:
        return []
    # Each thing that is left waits for one that is left: walking on comes back to where it was.
    walk: list[int] = [min(left)]
    places = {walk[0]: 0}
    while True:
        beyond = min(each for each in waits[walk[-1]] if each in left)
        if beyond in places:
            return walk[places[beyond] :]
        places[beyond] = len(walk)
        walk.append(beyond)


def shown(names: Sequence[str], most: int = 5) -> str:
    """A few names for a message."""
    listed = ", ".join(repr(each) for each in names[:most])
    return f"{listed} and {len(names) - most} others" if len(names) > most else listed
