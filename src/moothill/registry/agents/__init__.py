"""Agents: who is registered, how they are, what they are skilled in, and who can take work now."""

from .models import Agent, AgentDetails, AgentFilter, AgentPatch, AgentSummary, NewSkill, Skill
from .reports import Choice, Choices, Heartbeat, HeartbeatReport, ImportReport
from .service import Agents

__all__ = [
    "Agent",
    "AgentDetails",
    "AgentFilter",
    "AgentPatch",
    "AgentSummary",
    "Agents",
    "Choice",
    "Choices",
    "Heartbeat",
    "HeartbeatReport",
    "ImportReport",
    "NewSkill",
    "Skill",
]
