"""Whether the demo's agents hang together: counters, states, tiers and the positions of evidence."""

from itertools import pairwise

from .agents import Agent, Capability
from .datafiles import refuse

__all__ = ["TIER_POINTS", "check_agents"]

TIER_POINTS = {"bronze": 0, "silver": 1_000, "gold": 5_000, "platinum": 15_000, "diamond": 50_000}
"""Points from which a tier begins."""

_WORKING = ("active", "busy")


def check_agents(agents: tuple[Agent, ...]) -> None:
    """Refuse the first agent whose fields contradict each other.

    Raises:
        InvalidDemoData: with the file, the agent and what contradicts what.
    """
    seen: set[str] = set()
    for agent in agents:
        if agent.path in seen:
            _refuse(agent, "it is listed twice")
        seen.add(agent.path)
        _check_counters(agent)
        _check_state(agent)
        _check_history(agent)
        names = [skill.name for skill in agent.skills]
        if len(set(names)) != len(names):
            _refuse(agent, "a skill is listed twice")
        _check_capabilities(agent)


def _refuse(agent: Agent, what: str) -> None:
    refuse(f"agents-{agent.tenant}.toml", f"agent {agent.key}", what)


def _check_counters(agent: Agent) -> None:
    if agent.tasks_attempted != agent.tasks_completed + agent.tasks_failed + agent.active_tasks:
        _refuse(agent, "tasks_attempted is not the sum of completed, failed and active tasks")
    if not agent.consecutive_active_days <= agent.total_active_days <= agent.registered_days_ago:
        _refuse(agent, "consecutive, total and registered days are not in order")
    tiers = [tier for tier, points in TIER_POINTS.items() if points <= agent.total_points]
    if agent.tier != tiers[-1]:
        _refuse(agent, f"{agent.total_points} points make {tiers[-1]}, not {agent.tier}")


def _check_state(agent: Agent) -> None:
    if (agent.status in _WORKING) != (agent.active_tasks > 0):
        _refuse(agent, f"status {agent.status} does not fit {agent.active_tasks} active tasks")
    if (agent.status == "busy") != (float(agent.utilisation) >= 0.8):
        _refuse(agent, f"status {agent.status} does not fit a utilisation of {agent.utilisation}")
    silent = agent.status in ("offline", "maintenance", "suspended")
    if silent != (agent.last_heartbeat_seconds_ago > 60):
        _refuse(agent, f"status {agent.status} does not fit a heartbeat {agent.last_heartbeat_seconds_ago} s ago")


def _check_history(agent: Agent) -> None:
    changes = agent.status_history
    if not changes:
        return
    for earlier, later in pairwise(changes):
        if earlier.to_status != later.from_status or earlier.minutes_ago <= later.minutes_ago:
            _refuse(agent, "status changes do not follow each other")
    if changes[-1].to_status != agent.status:
        _refuse(agent, "the last status change does not lead to the status")
    if any(change.from_status == change.to_status for change in changes):
        _refuse(agent, "a status change changes nothing")


def _check_capabilities(agent: Agent) -> None:
    keys: set[str] = set()
    names: set[str] = set()
    for capability in agent.capabilities:
        canonical = " ".join(capability.name.lower().split())
        if capability.key in keys or canonical in names:
            _refuse(agent, f"capability {capability.key} is listed twice")
        keys.add(capability.key)
        names.add(canonical)
        if not (
            capability.last_demonstrated_days_ago <= capability.first_observed_days_ago <= agent.registered_days_ago
        ):
            _refuse(agent, f"capability {capability.key}: days are not in order")
        _check_evidence(agent, capability)


def _check_evidence(agent: Agent, capability: Capability) -> None:
    seen: set[tuple[str, str]] = set()
    for evidence in capability.evidence:
        if evidence.sentence[evidence.start : evidence.end] != evidence.mention:
            _refuse(agent, f"capability {capability.key}: the mention does not stand at its position")
        if not evidence.chunk.startswith(f"{evidence.chunk_type}-"):
            _refuse(agent, f"capability {capability.key}: chunk {evidence.chunk} is no {evidence.chunk_type}")
        if (evidence.chunk, evidence.mention) in seen:
            _refuse(agent, f"capability {capability.key}: a mention is listed twice")
        seen.add((evidence.chunk, evidence.mention))
