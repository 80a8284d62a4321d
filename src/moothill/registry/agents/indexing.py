"""What search holds of agents. Deactivated ones are not in it."""

from collections.abc import Sequence
from uuid import UUID

from ..search import SearchEntry
from .models import AgentSummary

__all__ = ["agent_entry", "described_entry"]


def agent_entry(agent: AgentSummary) -> SearchEntry:
    """The entry of an agent."""
    return described_entry(
        identifier=agent.id,
        agent_id=agent.agent_id,
        name=agent.name,
        description=agent.description,
        specialisations=agent.specialisations,
        provider=agent.provider,
        tags=agent.tags,
        status=agent.status,
    )


def described_entry(
    *,
    identifier: UUID,
    agent_id: str,
    name: str,
    description: str,
    specialisations: Sequence[str] = (),
    provider: str = "",
    tags: Sequence[str] = (),
    status: str = "idle",
) -> SearchEntry:
    """The entry of an agent that is being written; its vector is made of name and description alone."""
    return SearchEntry(
        kind="agent",
        id=identifier,
        key=agent_id,
        title=name,
        body=description,
        agent=identifier,
        keywords=[agent_id, *specialisations, *tags, *([provider] if provider else [])],
        status=status,
        tags=tags,
    )
