"""What happens to agents, as the log has it."""

from uuid import UUID

from pydantic import Field

from ...kernel.events import EventPayload
from .models import AgentStatus


class AgentRegistered(EventPayload, kind="agents.registered"):
    """An agent was registered."""

    agent_id: str = Field(description="Its own key.")
    name: str = Field(description="Its name.")
    type: str = Field(description="Its type.")
    capabilities: int = Field(0, description="Capabilities that it was registered with.")


class AgentUpdated(EventPayload, kind="agents.updated"):
    """The record of an agent changed."""

    agent_id: str = Field(description="Its own key.")
    fields: list[str] = Field(description="What was given.")
    record_version: int = Field(description="Its version from now on.")


class AgentStatusChanged(EventPayload, kind="agents.status_changed"):
    """The status of an agent changed; a heartbeat writes one for each agent whose status it changed."""

    agent_id: str = Field(description="Its own key.")
    old: AgentStatus = Field(description="Status before.")
    new: AgentStatus = Field(description="Status after.")
    reason: str | None = Field(None, description="Why.")


class AgentDeactivated(EventPayload, kind="agents.deactivated", changes_access=True):
    """An agent was deactivated; nothing of it is lost."""

    agent_id: str = Field(description="Its own key.")


class AgentReactivated(EventPayload, kind="agents.reactivated"):
    """A deactivated agent came back."""

    agent_id: str = Field(description="Its own key.")


class HeartbeatsReceived(EventPayload, kind="agents.heartbeats"):
    """A batch of heartbeats came in; the event's subjects are the agents that it was taken of."""

    accepted: int = Field(description="How many were taken.")
    stale: int = Field(description="How many were older than what is known.")


class SkillSet(EventPayload, kind="agents.skill_set"):
    """A skill of an agent was set."""

    agent_id: str = Field(description="Its own key.")
    skill: str = Field(description="Name of the skill.")
    proficiency: int = Field(description="Proficiency from now on.")


class SkillPractised(EventPayload, kind="agents.skill_practised"):
    """An agent practised a skill."""

    agent_id: str = Field(description="Its own key.")
    skill: str = Field(description="Name of the skill.")
    points: int = Field(description="Experience points gathered.")


class SkillRemoved(EventPayload, kind="agents.skill_removed"):
    """A skill was taken from an agent."""

    agent_id: str = Field(description="Its own key.")
    skill: str = Field(description="Name of the skill.")


class CatalogueLoaded(EventPayload, kind="agents.loaded"):
    """A catalogue was imported; the event's subjects are the agents created or updated."""

    file: str = Field(description="Name of the file.")
    format: str | None = Field(None, description="Format of the catalogue.")
    created: int = Field(description="Agents registered.")
    updated: int = Field(description="Agents updated.")
    unchanged: int = Field(description="Agents left as they were.")
    skipped: int = Field(description="Records passed over.")


class AgentViewedAs(EventPayload, kind="agents.viewed_as"):
    """An operator began to act as an agent; what it does is recorded under both names."""

    agent_id: str = Field(description="The agent's own key.")
    name: str = Field(description="The agent's name.")
    operator: UUID = Field(description="The operator.")
