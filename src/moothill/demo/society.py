"""The demo society as one checked value, and the queries that judge searching in it."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from .agent_checks import check_agents
from .agents import Agent, Capability, Tenant
from .datafiles import read_text, records, refuse
from .judged import JudgedQuery
from .relation_checks import check_battles, check_brainstorms, check_edges, check_votes
from .relations import Battle, Brainstorm, Relationship, Trust, Vote
from .work import Achievement, Curriculum, Mentorship, Pool, Task
from .work_checks import check_achievements, check_mentorships, check_pools, check_tasks

__all__ = ["FILES", "Society", "build_society", "judged_queries", "load_judged", "load_society"]

FILES: Mapping[str, Mapping[str, type[Any]]] = {
    "tenants.toml": {"tenant": Tenant},
    "agents-default.toml": {"agent": Agent},
    "agents-acme.toml": {"agent": Agent},
    "tasks.toml": {"task": Task},
    "achievements.toml": {"achievement": Achievement},
    "relationships.toml": {"relationship": Relationship, "trust": Trust},
    "votes.toml": {"vote": Vote},
    "brainstorms.toml": {"brainstorm": Brainstorm},
    "battles.toml": {"battle": Battle},
    "mentorships.toml": {"mentorship": Mentorship, "curriculum": Curriculum},
    "resources.toml": {"pool": Pool},
}
"""Data files of the society, with the arrays of each."""


@dataclass(frozen=True, slots=True)
class Society:
    """Everything that the demo loads, checked: references resolve inside their tenant."""

    tenants: tuple[Tenant, ...]
    agents: tuple[Agent, ...]
    tasks: tuple[Task, ...]
    achievements: tuple[Achievement, ...]
    relationships: tuple[Relationship, ...]
    trust: tuple[Trust, ...]
    votes: tuple[Vote, ...]
    brainstorms: tuple[Brainstorm, ...]
    battles: tuple[Battle, ...]
    mentorships: tuple[Mentorship, ...]
    curriculum: tuple[Curriculum, ...]
    pools: tuple[Pool, ...]

    def of(self, tenant: str) -> "Society":
        """The part of one tenant; achievements and curriculum are shared by all.

        Raises:
            InvalidDemoData: there is no such tenant.
        """
        if tenant not in {one.slug for one in self.tenants}:
            refuse("tenants.toml", f"tenant {tenant}", "it is not part of the demo society")
        parts: dict[str, tuple[Any, ...]] = {field.name: getattr(self, field.name) for field in fields(self)}
        for name, items in parts.items():
            if name == "tenants":
                parts[name] = tuple(item for item in items if item.slug == tenant)
            elif name not in ("achievements", "curriculum"):
                parts[name] = tuple(item for item in items if item.tenant == tenant)
        return Society(**parts)

    def founding(self) -> tuple[Agent, ...]:
        """The ten agents of the development data."""
        return tuple(agent for agent in self.agents if agent.founding)

    def capabilities(self, tenant: str) -> dict[str, Capability]:
        """Capabilities of a tenant by `agent/capability`."""
        return {
            f"{agent.key}/{capability.key}": capability
            for agent in self.agents
            if agent.tenant == tenant
            for capability in agent.capabilities
        }


def load_society() -> Society:
    """The demo society from its data files.

    Raises:
        InvalidDemoData: a file breaks a rule; the message names file, thing and field.
    """
    return build_society({file: read_text(file) for file in FILES})


def build_society(texts: Mapping[str, str]) -> Society:
    """A society from the texts of its files, by the names in `FILES`.

    Raises:
        InvalidDemoData: a file is missing or breaks a rule.
    """
    arrays: dict[str, tuple[Any, ...]] = {}
    for file, kinds in FILES.items():
        if file not in texts:
            refuse(file, "the file", "it is missing")
        for name, items in records(file, texts[file], kinds).items():
            arrays[name] = arrays.get(name, ()) + items
    society = Society(
        tenants=arrays["tenant"],
        agents=arrays["agent"],
        tasks=arrays["task"],
        achievements=arrays["achievement"],
        relationships=arrays["relationship"],
        trust=arrays["trust"],
        votes=arrays["vote"],
        brainstorms=arrays["brainstorm"],
        battles=arrays["battle"],
        mentorships=arrays["mentorship"],
        curriculum=arrays["curriculum"],
        pools=arrays["pool"],
    )
    _check(society)
    return society


def _check(society: Society) -> None:
    slugs = {tenant.slug for tenant in society.tenants}
    if len(slugs) != len(society.tenants):
        refuse("tenants.toml", "tenant", "a slug is used twice")
    check_agents(society.agents)
    for agent in society.agents:
        if agent.tenant not in slugs:
            refuse(f"agents-{agent.tenant}.toml", f"agent {agent.key}", f"tenant {agent.tenant} is not there")
    agents = {agent.path: agent for agent in society.agents}
    check_tasks(society.tasks, agents)
    check_achievements(society.achievements, agents)
    check_edges(society.relationships, society.trust, agents)
    check_votes(society.votes, agents)
    check_brainstorms(society.brainstorms, agents)
    check_battles(society.battles, agents)
    check_mentorships(society.mentorships, society.curriculum, agents)
    check_pools(society.pools, agents)


def load_judged() -> tuple[JudgedQuery, ...]:
    """The judged queries, checked against the demo society.

    Raises:
        InvalidDemoData: a file breaks a rule, or a judgement names what is not there.
    """
    return judged_queries(read_text("judged.toml"), load_society())


def judged_queries(text: str, society: Society) -> tuple[JudgedQuery, ...]:
    """Judged queries from the text of their file, checked against a society.

    Raises:
        InvalidDemoData: the text breaks a rule, or a judgement names what is not there.
    """
    queries: tuple[JudgedQuery, ...] = records("judged.toml", text, {"query": JudgedQuery})["query"]
    seen: set[str] = set()
    for query in queries:
        thing = f"query {query.key}"
        if query.key in seen:
            refuse("judged.toml", thing, "it is listed twice")
        seen.add(query.key)
        if len(query.capabilities) != len(query.relevant):
            refuse("judged.toml", thing, "a capability is judged twice")
        if unknown := query.capabilities.keys() - society.capabilities(query.tenant).keys():
            refuse("judged.toml", thing, f"{min(unknown)} is not in tenant {query.tenant}")
        if 3 not in query.capabilities.values():
            refuse("judged.toml", thing, "nothing has grade 3")
    return queries
