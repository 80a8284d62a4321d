"""Agent cards: the bytes that came in, else a card made from what the registry knows."""

import hashlib
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, Field

from ...database.queries import Maybe, Queries
from ...kernel.operation import operation
from ...kernel.service import Service
from ...kernel.texts import AgentReference
from ..capabilities.models import Capability
from ..capabilities.store import capabilities_of
from .formats import CapabilityEntry, CardInterface, CatalogueEntry, export_card
from .lookup import find_agent
from .models import Agent, WebAddress
from .reports import ExportedCard

__all__ = ["card"]

_MADE = "application/json"


class _Card(BaseModel):
    agent_id: UUID
    media_type: str
    content: bytes


class Sql(Queries):
    """The statement of cards."""

    file = "cards.sql"

    card: Maybe[_Card]


sql = Sql()


@operation(
    effect="read",
    scope="agents:read",
    audience="agent",
    example={"agent": "alderman", "url": "https://agents.example.com/alderman"},
)
async def card(
    self: Service,
    *,
    agent: AgentReference,
    url: Annotated[
        WebAddress | None, Field(description="Where it answers, for a card that is made; default: its own `url`.")
    ] = None,
) -> ExportedCard:
    """An agent's A2A card: byte for byte as it came in, else made from its fields.

    Raises:
        CardNeedsInterface: it came without a card, and nobody says where it answers.
    """
    found = await find_agent(agent)
    kept = await sql.card(agent=found.id)
    if kept is not None:
        content = kept.content
    else:
        entry = _entry(found, await capabilities_of([found.id]))
        content = export_card(entry, interfaces=[CardInterface(url=url)] if url else ())
    return ExportedCard(
        agent_id=found.agent_id,
        media_type=kept.media_type if kept is not None else _MADE,
        content=content.decode(),
        sha256=hashlib.sha256(content).hexdigest(),
        original=kept is not None,
    )


def _entry(agent: Agent, capabilities: list[Capability]) -> CatalogueEntry:
    return CatalogueEntry.model_construct(
        agent_id=agent.agent_id,
        name=agent.name,
        description=agent.description,
        type=agent.type,
        version=agent.model_version,
        tags=tuple(agent.tags),
        provider=agent.provider,
        url=agent.url,
        # An agent's metadata may say anything; only the catalogue's own format says how it answers.
        metadata={"format": agent.source_format},
        capabilities=tuple(
            CapabilityEntry.model_construct(
                name=each.name, description=each.description, type=each.type, tags=tuple(each.tags)
            )
            for each in capabilities
        ),
        card=None,
    )
