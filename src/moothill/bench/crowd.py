"""A society of any size, made from the texts of the demo, with the demo's judged queries over it.

Each agent and capability is made from one capability of the demo, its craft: from its names, descriptions and the
sentences that prove it, mixed anew, with a remark that says nothing and, in half of them, a passing mention of another
craft. A query of the demo judges it as it judges the craft, so whatever the size of the society, each query has far
more than ten relevant items, and a passing mention is irrelevant. So precision at ten can be measured at all: in the
demo itself a query has one to five relevant capabilities.
"""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from ..demo import load_judged, load_society
from ..demo.agents import Capability
from ..registry.agents.formats.entry import CapabilityEntry, CatalogueEntry

__all__ = ["Crowd", "crowd"]

_TENANT = "default"
_NAMES = ("Ash", "Birch", "Cedar", "Elder", "Fir", "Hazel", "Larch", "Maple", "Oak", "Pine", "Rowan", "Willow")
_SAYINGS = (
    "Works in both offices.",
    "Joined the society last spring.",
    "Answers within the hour.",
    "Keeps a record of each piece of work.",
    "Prefers short messages.",
    "Has a colleague who stands in at weekends.",
    "Was trained on the examples of the first year.",
    "Reports to the lead of its group.",
)
_MENTIONS = (
    "For {}, ask somebody else.",
    "Sits beside a colleague who does {}.",
    "Hands its results over to {}.",
    "Does not do {}.",
)


@dataclass(slots=True)
class Crowd:
    """Agents to be loaded, and what judges searching among them.

    Attributes:
        agents: with their capabilities.
        crafts: craft of each agent, in order; its capability has the same one.
        queries: text of each judged query, with the grade of each craft that answers it.
    """

    agents: Sequence[CatalogueEntry]
    crafts: Sequence[str]
    queries: Mapping[str, Mapping[str, int]] = field(default_factory=dict)


def crowd(agents: int, capabilities: int, *, seed: int) -> Crowd:
    """A society, the same for the same seed.

    Args:
        agents: how many.
        capabilities: how many of them have one, written down as an item of its own.
        seed: of what is drawn.
    """
    chance = random.Random(seed)  # noqa: S311  # no secret
    crafts = [
        (f"{agent.key}/{one.key}", one) for agent in load_society().of(_TENANT).agents for one in agent.capabilities
    ]
    queries = {query.text: query.capabilities for query in load_judged() if query.tenant == _TENANT}
    able = set(chance.sample(range(agents), capabilities))
    made: list[CatalogueEntry] = []
    chosen: list[str] = []
    for number in range(agents):
        key, craft = chance.choice(crafts)
        other = chance.choice([one for name, one in crafts if name != key])
        mention = chance.choice(_MENTIONS).format(other.name[:1].lower() + other.name[1:])
        text = [*_said(chance, craft), chance.choice(_SAYINGS), *([mention] if chance.random() < 0.5 else [])]
        made.append(
            CatalogueEntry(
                agent_id=f"agent-{number}",
                name=f"{chance.choice(_NAMES)} {number}",
                description=" ".join(text),
                capabilities=(_capability(chance, craft),) if number in able else (),
            )
        )
        chosen.append(key)
    return Crowd(made, chosen, queries)


def _names(craft: Capability) -> list[str]:
    return [craft.name, *craft.aliases]


def _said(chance: random.Random, craft: Capability) -> Iterator[str]:
    """One or two texts about a craft, and now and then its name."""
    texts = [craft.description, *(each.sentence for each in craft.evidence)]
    yield from chance.sample(texts, chance.choice((1, 2)) if len(texts) > 1 else 1)
    if chance.random() < 0.5:
        yield f"{chance.choice(_names(craft)).capitalize()}."


def _capability(chance: random.Random, craft: Capability) -> CapabilityEntry:
    name, *rest = chance.sample(_names(craft), len(_names(craft)))
    return CapabilityEntry(
        name=name,
        description=" ".join(_said(chance, craft)),
        aliases=tuple(rest[: chance.randint(0, len(rest))]),
        confidence=Decimal(chance.randint(70, 100)) / 100,
    )
