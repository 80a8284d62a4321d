"""From an agent to its A2A card: the very bytes that came in, else a card made from its fields.

A made card is valid by A2A 1.0, with nothing claimed that the registry does not know: no streaming, no push
notifications, plain text in and out, and a skill for each capability (of the kinds CAPABILITY and TASK; one
for the agent itself when it has none). It is deterministic: the same agent gives the same bytes.
"""

import re
from collections.abc import Sequence
from typing import Any

import orjson
from pydantic import BaseModel, ConfigDict, Field

from moothill.kernel.errors import Invalid

from .entry import CapabilityEntry, CatalogueEntry

__all__ = ["CardInterface", "CardNeedsInterface", "export_card"]

# How an MCP server's own address is told apart from an A2A one: a binding of its own, named by a URI.
_MCP_BINDING = "https://modelcontextprotocol.io"
_SHOWN = ("CAPABILITY", "TASK")


class CardNeedsInterface(Invalid):
    """A card needs an address at which the agent answers; give the agent a url, or an interface."""


class CardInterface(BaseModel):
    """Where and how an agent answers."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str = Field(min_length=1, max_length=2048)
    binding: str = Field("JSONRPC", min_length=1, max_length=400, description="JSONRPC, GRPC, HTTP+JSON or a URI.")
    version: str = Field("1.0", min_length=1, max_length=20, description="Version of A2A.")


def export_card(entry: CatalogueEntry, *, interfaces: Sequence[CardInterface] = ()) -> bytes:
    """The agent's card: the original bytes when it came as a card, else one made from its fields.

    Args:
        entry: the agent.
        interfaces: where it answers, for a made card; without them its `url` (by JSON-RPC, or, for an agent
            imported from an MCP registry, by MCP).

    Raises:
        CardNeedsInterface: there is no original card, no interface and no url.
    """
    if entry.card is not None:
        return entry.card.content
    if not interfaces:
        if entry.url is None:
            raise CardNeedsInterface(
                f"The agent {entry.agent_id} has no url, and an A2A card needs one; give it a url or an interface.",
                agent=entry.agent_id,
            )
        of_mcp = entry.metadata.get("format") == "mcp"
        interfaces = [CardInterface(url=entry.url, binding=_MCP_BINDING if of_mcp else "JSONRPC")]
    card: dict[str, Any] = {
        "name": entry.name,
        "description": entry.description.strip() or entry.name,
        "supportedInterfaces": [
            {"url": item.url, "protocolBinding": item.binding, "protocolVersion": item.version} for item in interfaces
        ],
        "version": entry.version or "unversioned",
        "capabilities": {"streaming": False, "pushNotifications": False},
        "defaultInputModes": ["text/plain"],
        "defaultOutputModes": ["text/plain"],
        "skills": _skills(entry),
    }
    return orjson.dumps(card, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def _skills(entry: CatalogueEntry) -> list[dict[str, Any]]:
    shown = [capability for capability in entry.capabilities if capability.type in _SHOWN]
    if not shown:
        shown = [CapabilityEntry(name=entry.name, description=entry.description)]
    skills: dict[str, dict[str, Any]] = {}
    for capability in shown:
        stem = re.sub(r"[\W_]+", "-", capability.name.casefold()).strip("-")[:60].strip("-") or "skill"
        identifier, count = stem, 1
        while identifier in skills:
            count += 1
            identifier = f"{stem}-{count}"
        skills[identifier] = {
            "id": identifier,
            "name": capability.name,
            "description": capability.description.strip() or capability.name,
            "tags": list(capability.tags or entry.tags or (entry.type,)),
        }
    return list(skills.values())
