"""Finding the agents and the edges that references name, many at once."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from pydantic import BaseModel

from ...database.queries import Many, Maybe, One, Queries
from ...kernel.context import context
from ...kernel.texts import id_of
from ..agents.errors import AgentIsDeactivated
from ..agents.lookup import unknown_agent
from .errors import OtherDirection, OwnRelationship, RelationshipChanged, RelationshipNotFound, SeenInFuture
from .models import Connectivity, Relationship, RelationshipEvidence, RelationshipSummary

__all__ = [
    "End",
    "Written",
    "changed_meanwhile",
    "find",
    "find_ends",
    "other_direction",
    "refuse_future",
    "refuse_own",
    "sql",
]


class End(BaseModel):
    """An agent at an end, and the latest time at which it may have been seen, by the database's clock."""

    reference: str
    id: UUID
    agent_id: str
    deactivated_at: datetime | None
    by_key: bool
    latest: datetime


class Written(Relationship):
    """A relationship as a write left it."""

    created: bool


class Counted(BaseModel):
    """What one observation added; no id when there was no edge to count it on."""

    place: int
    id: UUID | None
    counted: int


class Sql(Queries):
    """Statements of this subsystem."""

    fragments = ("columns.sql",)

    agents: Many[End]
    put: Many[Written]
    by_id: Maybe[Relationship]
    between: Many[Relationship]
    page_by_record: Many[Relationship]
    page_by_confidence: Many[Relationship]
    page_of_agent: Many[Relationship]
    update: Maybe[Relationship]
    remove: Maybe[Relationship]
    evidence: Many[RelationshipEvidence]
    ensure: One[int]
    observe: Many[Counted]
    summary: Many[RelationshipSummary]
    connectivity: Many[Connectivity]


sql = Sql()


async def find_ends(references: Sequence[str]) -> Mapping[str, End]:
    """The agents of references, one statement for all.

    Raises:
        AgentNotFound: one names nobody; the message has a near match.
        AgentIsDeactivated: one was deactivated.
    """
    wanted = list(dict.fromkeys(references))
    ids = {each: found for each in wanted if (found := id_of(each)) is not None}
    rows = await sql.agents(references=wanted, named=list(ids), ids=list(ids.values()))
    # A key goes before an id that is written alike.
    ends = {row.reference: row for row in sorted(rows, key=lambda each: each.by_key)}
    for each in wanted:
        if each not in ends:
            raise await unknown_agent(each)
        if ends[each].deactivated_at is not None:
            raise AgentIsDeactivated(
                f"Agent {ends[each].agent_id} was deactivated; `agents.reactivate` brings it back.",
                agent=ends[each].agent_id,
            )
    return ends


async def find(identifier: UUID) -> Relationship:
    """The relationship of an id.

    Raises:
        RelationshipNotFound: there is none in this tenant.
    """
    found = await sql.by_id(id=identifier)
    if found is None:
        raise RelationshipNotFound(
            f"There is no relationship {identifier} in this tenant. `relationships.list` shows those that exist.",
            relationship=str(identifier),
        )
    return found


def refuse_own(source: End, target: End, *, field: str) -> None:
    """Refuse an edge from an agent to itself."""
    if source.id == target.id:
        raise OwnRelationship(
            f"A relationship has two agents, and {source.agent_id} stands at both ends; name another as `target`.",
            field=field,
        )


def refuse_future(end: End, moment: datetime | None, *, field: str) -> None:
    """Refuse what is said to have been seen later than now; it would stay the newest for as long."""
    if moment is not None and moment > end.latest:
        raise SeenInFuture(
            f"{moment.isoformat()} is more than five minutes in the future; set the clock that told it. "
            "Nothing was changed.",
            field=field,
        )


async def other_direction(kind: str, source: End, target: End) -> OtherDirection:
    """The error for an edge that stands there with the other direction, with its id."""
    call = context()
    if call.transaction is not None:
        call.transaction.follow_up()
    there = await sql.between(type=kind, first=source.id, second=target.id)
    stands = "both ways" if there and not there[0].directional else "one way only"
    which = str(there[0].id) if there else ""
    return OtherDirection(
        f"{source.agent_id} and {target.agent_id} have a relationship {kind} already that holds {stands} ({which}). "
        "Give that direction, or remove it first with `relationships.remove`.",
        relationship=which,
        type=kind,
    )


async def changed_meanwhile(found: Relationship, version: int) -> RelationshipChanged | RelationshipNotFound:
    """Why an update found nothing to change."""
    current = await sql.by_id(id=found.id)
    if current is None:
        return RelationshipNotFound(f"The relationship {found.id} was just removed.", relationship=str(found.id))
    return RelationshipChanged(
        f"The relationship has version {current.version}, not {version}; read it again and repeat the change on that "
        "version.",
        version=current.version,
        given=version,
    )
