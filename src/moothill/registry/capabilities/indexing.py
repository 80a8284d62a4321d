"""What search holds of capabilities."""

from decimal import Decimal
from typing import Protocol
from uuid import UUID

from ..search import SearchEntry
from .models import Capability, NewCapability

__all__ = ["capability_entry", "new_entry"]


class _Named(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def description(self) -> str: ...
    @property
    def aliases(self) -> list[str]: ...
    @property
    def tags(self) -> list[str]: ...
    @property
    def confidence(self) -> Decimal: ...


def capability_entry(capability: Capability) -> SearchEntry:
    """The entry of a capability."""
    return _entry(capability, capability.id, capability.agent, capability.validation_status)


def new_entry(capability: NewCapability, identifier: UUID, agent: UUID, status: str = "unvalidated") -> SearchEntry:
    """The entry of a capability that is being written; for its vector, ids do not matter."""
    return _entry(capability, identifier, agent, status)


def _entry(named: _Named, identifier: UUID, agent: UUID, status: str) -> SearchEntry:
    return SearchEntry(
        kind="capability",
        id=identifier,
        title=named.name,
        body=named.description,
        agent=agent,
        keywords=named.aliases,
        status=status,
        confidence=named.confidence,
        tags=named.tags,
    )
