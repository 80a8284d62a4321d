"""Writing capabilities, many at once: what adding, registering and importing share.

Each function runs in the transaction of the operation that calls it, and none loops over round trips.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from pydantic import BaseModel

from ...database.queries import Many, One, Queries, Run
from ...kernel.context import context
from ...kernel.errors import Invalid
from ...kernel.events import dumps
from ...kernel.identifiers import uuid7
from ..agents.models import Agent
from . import rules
from .errors import CapabilityExists, RecordNotYours, TooManyCapabilities
from .models import Capability, CapabilityRecord, NewCapability, NewEvidence, ValidationStatus

__all__ = [
    "CatalogueCapability",
    "Merged",
    "add",
    "capabilities_of",
    "forget_stale",
    "label",
    "merge",
    "replace",
    "show",
]


class Merged(BaseModel):
    """A capability as a merge left it."""

    id: UUID
    agent: UUID
    canonical_name: str
    validation_status: ValidationStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogueCapability:
    """What a catalogue says of one capability of one agent; `new` has no record."""

    agent: UUID
    new: NewCapability


class Sql(Queries):
    """Statements that write capabilities."""

    file = "store.sql"
    fragments = ("columns.sql",)

    count_of: One[int]
    add: Many[Capability]
    merge: Many[Merged]
    forget: Many[UUID]
    label: Run
    drop_stale: Run
    show: Run
    of_agents: Many[Capability]


sql = Sql()


async def add(agent: Agent, new: Sequence[NewCapability]) -> list[Capability]:
    """Add capabilities to an agent, in the order given.

    Raises:
        Invalid: a name comes twice, or the agent would have too many.
        CapabilityExists: the agent has one of these names.
        RecordNotYours: an agent brings a record.
    """
    if not new:
        return []
    if context().actor.kind == "agent" and any(each.record for each in new):
        raise RecordNotYours(field="record")
    double = rules.first_double(each.name for each in new)
    if double is not None:
        raise Invalid(f"The capability {double[:100]!r} comes twice in one call.", field="capabilities")
    if await sql.count_of(agent=agent.id) + len(new) > rules.MOST_PER_AGENT:
        raise TooManyCapabilities(agent=agent.agent_id)
    rows = [_row(uuid7(), agent.id, each) for each in new]
    try:
        added = await sql.add(rows=dumps(rows))
    except CapabilityExists:
        raise CapabilityExists(
            f"Agent {agent.agent_id} has one of these capabilities already; `capabilities.list` shows them, "
            f"`capabilities.update` changes one.",
            agent=agent.agent_id,
        ) from None
    await label([(each.id, agent.id, each.name, each.aliases, each.tags) for each in added])
    await show([(row["id"], evidence) for row, each in zip(rows, new, strict=True) for evidence in each.evidence])
    return added


async def merge(given: Sequence[CatalogueCapability]) -> list[Merged]:
    """Write what a catalogue says, in place of what it said before; what was learnt since stays.

    Returns:
        One for each given, in no order.
    """
    if not given:
        return []
    rows = [_row(uuid7(), each.agent, each.new) for each in given]
    # In the order of the key, so that two imports wait for each other instead of killing each other.
    rows.sort(key=lambda row: (row["agent_id"], row["canonical_name"]))
    merged = await sql.merge(rows=dumps(rows))
    ids = {(each.agent, each.canonical_name): each.id for each in merged}
    await label([(_id_of(ids, each), each.agent, each.new.name, each.new.aliases, each.new.tags) for each in given])
    await show([(_id_of(ids, each), evidence) for each in given for evidence in each.new.evidence])
    return merged


async def replace(agents: Sequence[UUID], merged: Sequence[Merged]) -> list[UUID]:
    """Take back what earlier imports brought to these agents and `merged` no longer has; ids of what is gone."""
    return await sql.forget(agents=list(agents), kept=[each.id for each in merged]) if agents else []


async def forget_stale(agents: Sequence[UUID]) -> None:
    """Forget evidence in the descriptions of these agents whose words no longer stand at their place."""
    if agents:
        await sql.drop_stale(agents=list(agents))


async def label(given: Sequence[tuple[UUID, UUID, str, Sequence[str], Sequence[str]]]) -> None:
    """Make capabilities be found under these names: (capability, agent, name, aliases, tags) of each."""
    if not given:
        return
    rows = [
        {"capability_id": capability, "agent_id": agent, "kind": kind, "label": text}
        for capability, agent, name, aliases, tags in given
        for kind, text in rules.labels(name, aliases, tags)
    ]
    await sql.label(rows=dumps(rows), capabilities=[capability for capability, *_ in given])


async def show(given: Sequence[tuple[UUID, NewEvidence]]) -> list[UUID]:
    """Record evidence of capabilities; a mention that is known stays as it is. The ids of those given."""
    rows = [
        {**evidence.model_dump(mode="json"), "id": uuid7(), "capability_id": capability}
        for capability, evidence in given
    ]
    if rows:
        await sql.show(rows=dumps(rows))
    return [row["id"] for row in rows]


async def capabilities_of(agents: Sequence[UUID]) -> list[Capability]:
    """Capabilities of agents, rejected ones left out: by agent, the surest first."""
    return await sql.of_agents(agents=list(agents)) if agents else []


def _row(identifier: UUID, agent: UUID, new: NewCapability) -> dict[str, Any]:
    record = new.record or CapabilityRecord()
    return {
        **new.model_dump(mode="json", exclude={"record", "evidence"}),
        **record.model_dump(mode="json", exclude={"success_rate"}),
        "success_total": record.success_rate * record.demonstration_count,
        "id": identifier,
        "agent_id": agent,
        "canonical_name": rules.canonical_name(new.name),
    }


def _id_of(ids: Mapping[tuple[UUID, str], UUID], each: CatalogueCapability) -> UUID:
    return ids[each.agent, rules.canonical_name(each.new.name)]
