"""Operations on relationships: how agents are connected, how surely and how strongly, and what shows it."""

from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field

from ...kernel import Page, Service, context, operation
from ...kernel.errors import Invalid
from ...kernel.events import dumps
from ...kernel.identifiers import NOBODY, uuid7
from ...kernel.operation import Plan
from ...kernel.paging import Cursor, PageSize, decode_cursor
from ...kernel.texts import AgentReference
from ..agents.lookup import find_agent
from .lookup import changed_meanwhile, find, find_ends, other_direction, sql
from .models import (
    Confidence,
    Connectivity,
    Context,
    Cooccurrences,
    Directional,
    Evidence,
    LoadReport,
    NewRelationship,
    Observation,
    ObservationReport,
    Relationship,
    RelationshipDetails,
    RelationshipEvidence,
    RelationshipFilter,
    RelationshipId,
    RelationshipOrder,
    RelationshipPatch,
    RelationshipRemoved,
    RelationshipsLoaded,
    RelationshipsObserved,
    RelationshipSummary,
    RelationshipType,
    RelationshipUpdated,
    Source,
    Strength,
    Target,
)
from .writing import agents_of, observed, record_put, write

__all__ = ["Relationships"]

Edges = Annotated[list[NewRelationship], Field(min_length=1, max_length=5_000, description="What to write.")]
Observations = Annotated[list[Observation], Field(min_length=1, max_length=1_000, description="Who was seen together.")]
OfAgent = Annotated[AgentReference | None, Field(description="Only of this agent.")]
_SOME = "018f0000-0000-7000-8000-000000000000"
Version = Annotated[int, Field(ge=1, description="The version that was read.")]


class Relationships(Service, group="relationships"):
    """How agents are connected, how surely and how strongly, and what shows it."""

    @operation(
        effect="write",
        scope="relationships:write",
        audience="agent",
        example={
            "source": "alderman",
            "target": "draper",
            "type": "COLLABORATES_WITH",
            "confidence": "0.9",
            "context": "planned a release together",
        },
    )
    async def put(
        self,
        *,
        source: Source,
        target: Target,
        type: RelationshipType,
        confidence: Confidence,
        directional: Directional = False,
        strength: Strength = Decimal(1),
        cooccurrences: Cooccurrences = 1,
        evidence: Evidence | None = None,
        context: Context = "",
        details: Annotated[RelationshipDetails | None, Field(description="What else there is to say.")] = None,
    ) -> Relationship:
        """Write a relationship: a new one, or in place of what was said of the same before.

        Raises:
            OwnRelationship: source and target are the same agent.
            SeenInFuture: it was seen later than now.
            OtherDirection: one of this type holds both ways where this one holds one way, or the other way round.
        """
        new = NewRelationship(
            source=source,
            target=target,
            type=type,
            directional=directional,
            confidence=confidence,
            strength=strength,
            cooccurrences=cooccurrences,
            evidence=evidence or [],
            context=context,
            **(details or RelationshipDetails()).model_dump(),
        )
        ends = await find_ends([source, target])
        (written,) = await write([new], ends)
        record_put(written)
        return Relationship(**written.model_dump(exclude={"created"}))

    @operation(
        effect="write",
        scope="relationships:load",
        example={
            "relationships": [
                {
                    "source": "alderman",
                    "target": "draper",
                    "type": "INFLUENCES",
                    "directional": True,
                    "confidence": "0.8",
                }
            ]
        },
    )
    async def load(self, *, relationships: Edges) -> LoadReport:
        """Write many relationships, all of them or none: new ones, or in place of what was said before."""
        ends = await find_ends([end for each in relationships for end in (each.source, each.target)])
        written = await write(relationships, ends)
        report = LoadReport(
            created=sum(each.created for each in written), updated=sum(not each.created for each in written)
        )
        context().record(
            RelationshipsLoaded(created=report.created, updated=report.updated), subjects=agents_of(ends.values())
        )
        return report

    @operation(
        effect="write",
        scope="relationships:observe",
        audience="agent",
        example={"observations": [{"source": "alderman", "target": "cartwright", "type": "COLLABORATES_WITH"}]},
    )
    async def observe(self, *, observations: Observations) -> ObservationReport:
        """Count agents seen together: raises co-occurrences and strength, keeps the task, makes what is new.

        An observation in a task counts once for each relationship, however often it is reported. One that goes one
        way counts on a relationship that holds both ways, when there is one.

        Raises:
            SeenInFuture: one is more than five minutes in the future.
            OtherDirection: seen both ways, where only one way is known; say which way.
        """
        ends = await find_ends([end for each in observations for end in (each.source, each.target)])
        rows = [observed(place, each, ends) for place, each in enumerate(observations)]
        edges = {(row["source_id"], row["target_id"], row["type"]): {**row, "id": uuid7()} for row in reversed(rows)}
        created = await sql.ensure(rows=dumps(list(edges.values())))
        counted = await sql.observe(rows=dumps(rows))
        for each in counted:
            if each.id is None:
                lost = observations[each.place]
                raise await other_direction(lost.type, ends[lost.source], ends[lost.target])
        by_edge = {each.id: each.counted for each in counted}
        total = sum(by_edge.values())
        given = sum(1 if each.task is not None else each.times for each in observations)
        report = ObservationReport(counted=total, repeated=given - total, relationships=len(by_edge), created=created)
        if total or created:
            context().record(RelationshipsObserved(counted=total, created=created), subjects=agents_of(ends.values()))
        return report

    @operation(
        effect="read",
        scope="relationships:read",
        audience="agent",
        mode="single",
        example={"relationship": _SOME},
    )
    async def get(self, *, relationship: RelationshipId) -> Relationship:
        """One relationship, by id."""
        return await find(relationship)

    @operation(effect="read", scope="relationships:read", audience="agent", example={"limit": 10})
    async def list(
        self,
        *,
        filter: Annotated[RelationshipFilter | None, Field(description="Which; none: all.")] = None,
        order: Annotated[
            RelationshipOrder, Field(description="recorded: as they were recorded; confidence: the surest first.")
        ] = "recorded",
        limit: PageSize = 50,
        cursor: Cursor = None,
    ) -> Page[Relationship]:
        """Relationships of all agents or of one, filtered."""
        chosen = filter or RelationshipFilter()
        query = ["relationships.list", context().tenant, order, chosen.model_dump(mode="json")]
        wanted: dict[str, Any] = chosen.model_dump(exclude={"agent", "direction"})
        if chosen.agent is not None:
            agent = await find_agent(chosen.agent)
            place = decode_cursor(query, cursor, parts=(Decimal, UUID)) or [Decimal(1), NOBODY]
            by_confidence = order == "confidence"
            rows = await sql.page_of_agent(
                **wanted,
                agent=agent.id,
                outward=chosen.direction != "in",
                inward=chosen.direction != "out",
                by_confidence=by_confidence,
                below=place[0],
                after_id=place[1],
                size=limit + 1,
            )
            return Page.cut(
                rows,
                limit=limit,
                query=query,
                key=lambda row: [row.confidence if by_confidence else Decimal(1), row.id],
            )
        if order == "confidence":
            place = decode_cursor(query, cursor, parts=(Decimal, UUID)) or [Decimal(1), NOBODY]
            rows = await sql.page_by_confidence(**wanted, below=place[0], after_id=place[1], size=limit + 1)
            return Page.cut(rows, limit=limit, query=query, key=lambda row: [row.confidence, row.id])
        place = decode_cursor(query, cursor, parts=(UUID,)) or [NOBODY]
        rows = await sql.page_by_record(**wanted, after_id=place[0], size=limit + 1)
        return Page.cut(rows, limit=limit, query=query, key=lambda row: [row.id])

    @operation(
        effect="write",
        scope="relationships:write",
        example={"relationship": _SOME, "version": 1, "changes": {"confidence": "0.95"}},
    )
    async def update(
        self,
        *,
        relationship: RelationshipId,
        version: Version,
        changes: Annotated[RelationshipPatch, Field(description="What to change; what is not given stays.")],
    ) -> Relationship:
        """Change what a relationship says, if nobody else changed it since it was read.

        Its agents, type and direction are what it is; for other ones, remove it and write another.

        Raises:
            RelationshipChanged: somebody did; the error has the current version.
        """
        found = await find(relationship)
        given = changes.model_dump(exclude_none=True)
        if not given:
            raise Invalid("Give at least one field to change.", field="changes")
        changed = await sql.update(
            id=found.id,
            version=version,
            source_id=found.source_id,
            target_id=found.target_id,
            type=found.type,
            confidence=given.get("confidence"),
            strength=given.get("strength"),
            extraction_context=given.get("context"),
            metadata=dumps(given["metadata"]) if "metadata" in given else None,
        )
        if changed is None:
            raise await changed_meanwhile(found, version)
        context().record(
            RelationshipUpdated(
                relationship=changed.id, type=changed.type, fields=sorted(given), record_version=changed.version
            ),
            subject=changed.source_id,
            subjects=[changed.source_id, changed.target_id],
            before=found,
            after=changed,
        )
        return changed

    @operation(effect="destroy", scope="relationships:write", example={"relationship": _SOME})
    async def remove(self, *, relationship: RelationshipId) -> Relationship:
        """Remove a relationship, with its evidence."""
        removed = await sql.remove(id=relationship)
        if removed is None:
            removed = await find(relationship)
        context().record(
            RelationshipRemoved(
                relationship=removed.id, type=removed.type, source=removed.source, target=removed.target
            ),
            subject=removed.source_id,
            subjects=[removed.source_id, removed.target_id],
            before=removed,
        )
        return removed

    @remove.plan
    async def _plan_remove(self, *, relationship: UUID) -> Plan:
        found = await find(relationship)
        arrow = "->" if found.directional else "-"
        return Plan(
            summary=f"{found.source} {arrow} {found.target} would no longer be connected by {found.type}.",
            counts={"relationships": 1, "evidence": found.evidence_count},
        )

    @operation(effect="read", scope="relationships:read", example={"relationship": _SOME})
    async def evidence(
        self, *, relationship: RelationshipId, limit: PageSize = 50, cursor: Cursor = None
    ) -> Page[RelationshipEvidence]:
        """The tasks in which the agents of a relationship were seen together, in the order of their ids."""
        found = await find(relationship)
        query = ["relationships.evidence", context().tenant, found.id]
        place = decode_cursor(query, cursor, parts=(UUID,)) or [NOBODY]
        rows = await sql.evidence(relationship=found.id, after=place[0], size=limit + 1)
        return Page.cut(rows, limit=limit, query=query, key=lambda row: [row.task_id])

    @operation(effect="read", scope="relationships:read", example={"agent": "alderman"})
    async def summary(
        self, *, agent: OfAgent = None, limit: PageSize = 50, cursor: Cursor = None
    ) -> Page[RelationshipSummary]:
        """The relationships that begin at each agent, by type, in numbers; undirected ones begin at both ends."""
        query = ["relationships.summary", context().tenant, agent]
        after, kind = decode_cursor(query, cursor, parts=(UUID, str)) or [NOBODY, ""]
        of = (await find_agent(agent)).id if agent is not None else None
        rows = await sql.summary(agent=of, after_id=after, after_type=kind, size=limit + 1)
        return Page.cut(rows, limit=limit, query=query, key=lambda row: [row.source_agent_id, row.type])

    @operation(effect="read", scope="relationships:read", example={"agent": "alderman"})
    async def connectivity(
        self, *, agent: OfAgent = None, limit: PageSize = 50, cursor: Cursor = None
    ) -> Page[Connectivity]:
        """How many relationships each agent has: out of it, into it, in all; in the order of registration."""
        query = ["relationships.connectivity", context().tenant, agent]
        (after,) = decode_cursor(query, cursor, parts=(UUID,)) or [NOBODY]
        of = (await find_agent(agent)).id if agent is not None else None
        rows = await sql.connectivity(agent=of, after_id=after, size=limit + 1)
        return Page.cut(rows, limit=limit, query=query, key=lambda row: [row.id])
