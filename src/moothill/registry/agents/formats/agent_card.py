"""A2A agent cards of protocol 1.0: validated against the protocol's own definition, kept byte for byte.

The table below is the part of the protocol's message definitions that a card is made of. As in the
protocol's JSON mapping a field may be written in camelCase or snake_case, `null` means absent, and
unknown fields are let through (and kept, in the bytes). A required text must not be empty and a required
list must have an item.

Who it is
    agent_id    host (and port) of the first interface with a web address, its `tenant` if it names one,
                and the card's name as a slug: `agents.example.com/weather-agent`
    provider    `provider.organization`; url: that first interface's address
    tags        the skills' tags, in order, at most 100

What it can do
    CAPABILITY  each skill, under its name (with its id in brackets when two share one), its id as alias
    TECHNOLOGY  each distinct protocol binding, as `A2A JSONRPC`
Confidence 0.70 for skills (declared, never shown) and 0.90 for bindings; extraction 1.00; `rule-based`.
The mention is the name's place in the card's description, if it stands there. Skills of a card have no
proficiency, so none becomes a skill of the agent.

A card of protocol 0.3 (`url` at the top, no `supportedInterfaces`) is refused by that name.
"""

import hashlib
import re
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

from pydantic import JsonValue
from pydantic import ValidationError as PydanticError

from .card_schema import CARD, check
from .entry import CapabilityEntry, Card, CatalogueEntry, canonical_name, is_web_address, mention_of
from .fields import Fields
from .refusal import RecordRefused, refusal_of

__all__ = ["CARD_MEDIA_TYPE", "read_card"]

CARD_MEDIA_TYPE = "application/json"

_CLAIMED, _PUBLISHED, _VERBATIM = Decimal("0.70"), Decimal("0.90"), Decimal("1.00")


def read_card(data: dict[str, Any], content: bytes) -> CatalogueEntry:
    """A card as an entry.

    Args:
        data: the parsed card.
        content: its exact bytes, which the entry keeps.

    Raises:
        RecordRefused: the card breaks the protocol's rules or this catalogue's limits.
    """
    card = Fields(data)
    if card.has("url") and not card.has("supportedInterfaces", "supported_interfaces"):
        raise RecordRefused(
            "supportedInterfaces", "is missing: this is a card of A2A 0.3; publish it in the form of 1.0"
        )
    check(CARD, data, "")
    interfaces = card.objects("supportedInterfaces", "supported_interfaces")
    reachable = next((item for item in interfaces if is_web_address(item.text("url"))), None)
    if reachable is None:
        raise RecordRefused("supportedInterfaces[0].url", "is not an absolute http or https URL")
    name = card.line("name", most=255)
    description = card.prose("description", most=10_000)
    skills = card.objects("skills")
    provider = card.object("provider")
    try:
        return CatalogueEntry(
            agent_id=_agent_id(reachable, name),
            name=name,
            description=description,
            version=card.text("version"),
            provider=provider.text("organization"),
            url=reachable.text("url"),
            tags=tuple(dict.fromkeys(tag for skill in skills for tag in skill.texts("tags")))[:100],
            capabilities=_capabilities(skills, interfaces, description),
            card=Card(media_type=CARD_MEDIA_TYPE, content=content),
            metadata=_metadata(card, interfaces, provider),
        )
    except PydanticError as error:
        raise refusal_of(
            error,
            renamed={"agent_id": "name", "provider": "provider.organization", "url": reachable.at("url")},
        ) from None


def _agent_id(interface: Fields, name: str) -> str:
    try:
        address = urlsplit(interface.text("url"))
        host = (address.hostname or "") + (f":{address.port}" if address.port else "")
    except ValueError:
        raise RecordRefused(interface.at("url"), "is not a valid URL") from None
    slug = re.sub(r"[\W_]+", "-", name.casefold()).strip("-")
    slug = slug[:100] or hashlib.sha256(name.encode()).hexdigest()[:12]
    tenant = interface.line("tenant", most=100)
    return "/".join(part for part in (host, tenant, slug) if part)


def _capabilities(skills: list[Fields], interfaces: list[Fields], description: str) -> tuple[CapabilityEntry, ...]:
    found: dict[str, CapabilityEntry] = {}
    ids: dict[str, str] = {}
    for skill in skills:
        identifier, name = skill.text("id"), skill.text("name")
        if identifier in ids:
            raise RecordRefused(skill.at("id"), f"is the same as {ids[identifier]}")
        ids[identifier] = skill.at("id")
        if canonical_name(name) in found:
            name = f"{name} ({identifier})"
        try:
            capability = CapabilityEntry(
                name=name,
                description=skill.text("description"),
                aliases=(identifier,) if identifier != name else (),
                tags=tuple(skill.texts("tags")),
                confidence=_CLAIMED,
                extraction_confidence=_VERBATIM,
                extraction_method="rule-based",
                mention=mention_of(skill.text("name"), description),
            )
        except PydanticError as error:
            refused = refusal_of(error)
            raise RecordRefused(skill.at(refused.field), refused.reason) from None
        if canonical_name(name) in found:
            raise RecordRefused(skill.at("name"), "is the same as another skill's")
        found[canonical_name(name)] = capability
    for interface in interfaces:
        label = f"A2A {interface.line('protocolBinding', 'protocol_binding', most=400)}"
        found.setdefault(
            canonical_name(label),
            CapabilityEntry(
                name=label,
                type="TECHNOLOGY",
                confidence=_PUBLISHED,
                extraction_confidence=_VERBATIM,
                extraction_method="rule-based",
            ),
        )
    return tuple(found.values())


def _metadata(card: Fields, interfaces: list[Fields], provider: Fields) -> dict[str, JsonValue]:
    signatures = card.objects("signatures")
    versions = {item.text("protocolVersion", "protocol_version") for item in interfaces}
    fields: dict[str, JsonValue] = {
        "format": "a2a",
        "protocol_versions": list[JsonValue](sorted(versions)),
        "documentation": card.text("documentationUrl", "documentation_url"),
        "provider_url": provider.text("url"),
        "signatures": len(signatures),
    }
    return {key: value for key, value in fields.items() if value not in ("", 0, [])}
