"""Places for drawing: the same graph always looks the same, and nothing has to be computed in a browser."""

import math
from collections.abc import Mapping, Sequence
from uuid import UUID

__all__ = ["rings", "springs"]

_ROUNDS = 80


def rings(hops: Mapping[UUID, int], parents: Mapping[UUID, UUID | None]) -> dict[UUID, tuple[float, float]]:
    """Agents around one: each hop a ring, each agent within the sector of its parent.

    Args:
        hops: how far each agent is from the middle, in the order in which they are to stand.
        parents: the agent before each; none for the middle.
    """
    children: dict[UUID | None, list[UUID]] = {}
    for agent in hops:
        children.setdefault(parents.get(agent), []).append(agent)
    leaves: dict[UUID, int] = {}
    for agent in sorted(hops, key=lambda each: -hops[each]):
        leaves[agent] = max(1, sum(leaves[child] for child in children.get(agent, ())))
    outermost = max(1, max(hops.values(), default=1))
    places: dict[UUID, tuple[float, float]] = {}

    def put(agent: UUID, begin: float, end: float) -> None:
        middle, radius = (begin + end) / 2, hops[agent] / outermost
        places[agent] = (round(radius * math.cos(middle), 4), round(radius * math.sin(middle), 4))
        share = (end - begin) / leaves[agent]
        for child in children.get(agent, ()):
            put(child, begin, begin + share * leaves[child])
            begin += share * leaves[child]

    for middle in children.get(None, ()):
        put(middle, 0.0, 2 * math.pi)
    return places


def springs(agents: Sequence[UUID], edges: Sequence[tuple[UUID, UUID, float]]) -> dict[UUID, tuple[float, float]]:
    """Agents without a middle: all repel each other and relationships pull (Fruchterman and Reingold, 1991).

    Args:
        agents: at most a few hundred: the work grows with their square.
        edges: two agents and how strongly they pull.
    """
    import numpy as np  # not for those who only walk

    count = len(agents)
    if count == 0:
        return {}
    number = {agent: place for place, agent in enumerate(agents)}
    # Begins on a sunflower, so that the same graph always ends in the same places.
    turn = np.arange(count) * math.pi * (3 - math.sqrt(5))
    far = np.sqrt((np.arange(count) + 0.5) / count)
    at = np.stack([far * np.cos(turn), far * np.sin(turn)], axis=1)
    first = np.array([number[a] for a, _, _ in edges], dtype=np.int64)
    second = np.array([number[b] for _, b, _ in edges], dtype=np.int64)
    pull = np.array([weight for _, _, weight in edges])
    ideal = math.sqrt(math.pi / count)
    for turn_number in range(_ROUNDS):
        apart = at[:, None, :] - at[None, :, :]
        distance = np.sqrt((apart**2).sum(axis=2)) + 1e-6
        move = (apart * (ideal**2 / distance**2)[:, :, None]).sum(axis=1)
        if len(edges):
            along = at[first] - at[second]
            force = along * (np.sqrt((along**2).sum(axis=1)) / ideal * pull)[:, None]
            np.add.at(move, first, -force)
            np.add.at(move, second, force)
        # Towards the middle, so that what is not connected does not drift away.
        move -= at * ideal
        length = np.sqrt((move**2).sum(axis=1))[:, None] + 1e-9
        at += move / length * np.minimum(length, 0.1 * (1 - turn_number / _ROUNDS))
    at -= (at.max(axis=0) + at.min(axis=0)) / 2
    at /= max(1e-9, float(np.abs(at).max()))
    return {agent: (round(float(x), 4), round(float(y), 4)) for agent, (x, y) in zip(agents, at, strict=True)}
