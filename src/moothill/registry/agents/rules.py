"""Arithmetic and states of agents."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from ...kernel.texts import canonical, slug
from .models import AgentStatus

# From each status, the statuses into which somebody may move the agent. A suspended agent comes back
# unemployed: it is given work only after it has said that it is there.
TRANSITIONS: Mapping[AgentStatus, tuple[AgentStatus, ...]] = {
    "active": ("idle", "busy", "offline", "maintenance", "suspended"),
    "idle": ("active", "busy", "offline", "maintenance", "suspended"),
    "busy": ("active", "idle", "offline", "maintenance", "suspended"),
    "offline": ("active", "idle", "busy", "maintenance", "suspended"),
    "maintenance": ("active", "idle", "offline", "suspended"),
    "suspended": ("idle", "offline", "maintenance"),
}
# Statuses that a heartbeat cannot end, and that an agent's own key can neither begin nor end.
HELD: tuple[AgentStatus, ...] = ("suspended", "maintenance")
# Statuses in which an agent can take work.
AVAILABLE: tuple[AgentStatus, ...] = ("idle", "active")

WEIGHTS: Mapping[str, Decimal] = {
    "fit": Decimal("0.50"),
    "load": Decimal("0.20"),
    "success": Decimal("0.15"),
    "trust": Decimal("0.10"),
    "status": Decimal("0.05"),
}
# Of an agent whose description fits, but of which no capability is stated.
UNSTATED_CONFIDENCE = Decimal("0.5")
# What matches no word of what was asked for, and is no more like it than this, is no answer: a vector is
# nearest to something, whatever there is.
LIKENESS_FLOOR = 0.25
_PLACES = Decimal("0.0001")


def origins(status: AgentStatus) -> list[AgentStatus]:
    """The statuses from which an agent may come into this one."""
    return [origin for origin, targets in TRANSITIONS.items() if status in targets]


def key_from_name(name: str) -> str:
    """An agent's own key, where none is given: `Ada Lovelace` -> `ada-lovelace`; empty when there are no words."""
    return slug(name)


def canonical_skill(name: str) -> str:
    """The form under which skills are compared."""
    return canonical(name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What a score looks at; shares are 0 to 1."""

    fit: Decimal
    status: AgentStatus
    utilisation: Decimal
    active_tasks: int
    queued_tasks: int
    success_rate: Decimal
    tasks_ended: int
    trust: Decimal


def fit(relevance: Decimal | None, confidence: Decimal, proficiency: int | None) -> Decimal:
    """How well an agent answers what was asked for, 0 to 1.

    Args:
        relevance: of its best capability; None when no capability was asked for.
        confidence: how sure that capability is.
        proficiency: in the skill asked for, 0 to 10; None when none was.
    """
    parts = [relevance * confidence] if relevance is not None else []
    if proficiency is not None:
        parts.append(Decimal(proficiency) / 10)
    return _share(sum(parts, Decimal(0)) / len(parts)) if parts else Decimal(1)


def answers(words: int, similarity: float | None) -> bool:
    """Whether something found answers at all, by how many words matched and the cosine of the vectors."""
    return words > 0 or (similarity is not None and similarity >= LIKENESS_FLOOR)


def relevance(score: float, best: float, similarity: float | None) -> Decimal:
    """How well something found answers what was asked for, 0 to 1, from what search says of it.

    Args:
        score: fused score, which compares hits of one search only.
        best: highest score of that search.
        similarity: cosine of the vectors, which compares across searches; None when words alone matched.

    Returns:
        Half from its place in the search, half from its likeness: the best of a poor search stays below
        what has the very name, which is 1.
    """
    place = score / best if best > 0 else 0.0
    likeness = max(0.0, similarity) if similarity is not None else 0.0
    return min(Decimal("0.95"), _share(Decimal(str(round(0.5 * place + 0.5 * likeness, 6)))))


def freedom(utilisation: Decimal, active_tasks: int, queued_tasks: int) -> Decimal:
    """How free an agent is, 0 to 1: unused capacity, halved by the first task that waits for it, and so on.

    Work that is said only as numbers of tasks counts too: an agent with four tasks is not wholly free
    because it does not know its capacity.
    """
    by_tasks = Decimal(1) / (1 + Decimal(active_tasks) / 4)
    return _share(min(1 - utilisation, by_tasks) / (1 + queued_tasks))


def reliability(success_rate: Decimal, tasks_ended: int) -> Decimal:
    """Success as far as it is known: two imagined tasks, one of them a success, stand before the real ones.

    So a newcomer is neither above nor below everybody, and one lucky task proves little.
    """
    return _share((success_rate * tasks_ended + 1) / (tasks_ended + 2))


def score(standing: Standing) -> dict[str, Decimal]:
    """The parts of an agent's score, each 0 to 1, by the names of `WEIGHTS`."""
    return {
        "fit": standing.fit,
        "load": freedom(standing.utilisation, standing.active_tasks, standing.queued_tasks),
        "success": reliability(standing.success_rate, standing.tasks_ended),
        "trust": _share(standing.trust),
        "status": Decimal(1) if standing.status == "idle" else Decimal("0.5"),
    }


def total(parts: Mapping[str, Decimal]) -> Decimal:
    """The weighted sum of the parts, 0 to 1."""
    return _share(sum((WEIGHTS[name] * value for name, value in parts.items()), Decimal(0)))


def _share(value: Decimal) -> Decimal:
    return min(Decimal(1), max(Decimal(0), value)).quantize(_PLACES)
