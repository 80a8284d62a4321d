"""Writing relationships, many at once: what putting, loading and observing share."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from ...kernel.context import context
from ...kernel.errors import Invalid
from ...kernel.events import dumps
from ...kernel.identifiers import uuid7
from . import rules
from .errors import OtherDirection
from .lookup import End, Written, other_direction, refuse_future, refuse_own, sql
from .models import NewRelationship, Observation, RelationshipPut

__all__ = ["agents_of", "observed", "record_put", "write"]


async def write(new: Sequence[NewRelationship], ends: Mapping[str, End]) -> list[Written]:
    """Write relationships between agents that were found, in one statement.

    Raises:
        Invalid: one comes twice, or is from an agent to itself.
        SeenInFuture: one was seen later than now.
        OtherDirection: one stands there with the other direction.
    """
    rows: list[dict[str, Any]] = []
    for place, each in enumerate(new):
        source, target = ends[each.source], ends[each.target]
        refuse_own(source, target, field="target" if len(new) == 1 else f"relationships.{place}.target")
        for name in ("first_observed_at", "last_observed_at"):
            told = name if len(new) == 1 else f"relationships.{place}.{name}"
            refuse_future(source, getattr(each, name), field=told)
        first, second = rules.ends(source.id, target.id, directional=each.directional)
        rows.append(
            {
                "id": uuid7(),
                "source_id": first,
                "target_id": second,
                "type": each.type,
                "directional": each.directional,
                "confidence": each.confidence,
                "strength": each.strength,
                "cooccurrence_count": each.cooccurrences,
                "evidence": each.evidence,
                "extraction_context": each.context,
                "metadata": each.metadata,
                "first_observed_at": each.first_observed_at,
                "last_observed_at": each.last_observed_at,
            }
        )
    double = rules.first_double((row["source_id"], row["target_id"], row["type"]) for row in rows)
    if double is not None:
        each = new[double]
        raise Invalid(
            f"The relationship {each.source} {each.type} {each.target} comes twice in one call; give it once.",
            field=f"relationships.{double}",
        )
    try:
        written = await sql.put(rows=dumps(rows))
    except OtherDirection:
        # The transaction can be asked nothing more. A backward edge and an undirected one collide like this; so do
        # two writers of one new edge at one moment, since only the key that `put` names arbitrates between them. The
        # call is repeated, and then sees what stands there.
        raise _collided(new, ends) from None
    if len(written) != len(rows):
        there = {(each.source_id, each.target_id, each.type) for each in written}
        lost = next(
            place for place, row in enumerate(rows) if (row["source_id"], row["target_id"], row["type"]) not in there
        )
        raise await other_direction(new[lost].type, ends[new[lost].source], ends[new[lost].target])
    return written


def _collided(new: Sequence[NewRelationship], ends: Mapping[str, End]) -> OtherDirection:
    """What to say of an edge that stands there with the other direction, when it cannot be looked at."""
    if len(new) > 1:
        return OtherDirection(
            "Two of these agents have a relationship of the same type with the other direction: one way instead of "
            "both, or both instead of one. `relationships.list` shows it; give its direction, or remove it first.",
            retry=True,
        )
    (one,) = new
    stands = "both ways" if one.directional else "one way only"
    return OtherDirection(
        f"{ends[one.source].agent_id} and {ends[one.target].agent_id} have a relationship {one.type} already that "
        f"holds {stands}; `relationships.list` shows it. Give that direction, or remove it first with "
        "`relationships.remove`.",
        type=one.type,
        retry=True,
    )


def observed(place: int, each: Observation, ends: Mapping[str, End]) -> dict[str, Any]:
    """An observation as a row for the statement that counts it."""
    source, target = ends[each.source], ends[each.target]
    refuse_own(source, target, field=f"observations.{place}.target")
    refuse_future(source, each.at, field=f"observations.{place}.at")
    first, second = rules.ends(source.id, target.id, directional=each.directional)
    return {
        "place": place,
        "source_id": first,
        "target_id": second,
        "type": each.type,
        "directional": each.directional,
        "confidence": each.confidence,
        "task": each.task,
        "times": each.times,
        "at": each.at,
    }


def record_put(written: Written) -> None:
    """Record that a relationship was written."""
    context().record(
        RelationshipPut(
            relationship=written.id,
            type=written.type,
            source=written.source,
            target=written.target,
            created=written.created,
        ),
        subject=written.source_id,
        subjects=[written.source_id, written.target_id],
        after=written,
    )


def agents_of(ends: Iterable[End]) -> list[UUID]:
    """Ids of the agents, each once."""
    return sorted({each.id for each in ends})
