"""Operations on capabilities: what agents can do, and what shows it."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field

from ...database.queries import Many, Maybe, One, Queries
from ...kernel import Page, Service, context, operation
from ...kernel.errors import Invalid, near_match
from ...kernel.events import dumps
from ...kernel.identifiers import NOBODY
from ...kernel.operation import Plan
from ...kernel.paging import Cursor, PageSize, decode_cursor
from ...kernel.texts import AgentReference, Hundredths, Moment, Share, id_of
from ..agents.lookup import find_agent, find_live_agent
from ..search import Question, Search, SearchFilters, SearchResults, SearchTouch, Vectors
from . import rules, store
from .errors import (
    CapabilityChanged,
    CapabilityExists,
    CapabilityNotFound,
    CapabilityStatusConflict,
    DemonstratedInFuture,
    OwnCapability,
)
from .indexing import capability_entry, new_entry
from .models import (
    CapabilitiesAdded,
    Capability,
    CapabilityDemonstrated,
    CapabilityFilter,
    CapabilityOrder,
    CapabilityPatch,
    CapabilityReference,
    CapabilityRejected,
    CapabilityRemoved,
    CapabilitySummary,
    CapabilityUpdated,
    CapabilityValidated,
    Evidence,
    NewCapability,
    NewEvidence,
    Note,
    OfAgent,
    ValidationStatus,
)

__all__ = ["Capabilities"]

_SEARCHED = {"name", "description", "aliases", "tags"}
_EXAMPLE = {"capability": "Delegating work to agents", "agent": "alderman"}


class Sql(Queries):
    """Statements of this subsystem."""

    fragments = ("columns.sql",)

    by_id: Maybe[Capability]
    by_name: Maybe[Capability]
    names_of: Many[str]
    page_by_observation: Many[Capability]
    page_by_confidence: Many[Capability]
    update: Maybe[Capability]
    judge: Maybe[Capability]
    demonstrate: Maybe[Capability]
    remove: Maybe[Capability]
    evidence: Many[Evidence]
    evidence_of: Many[Evidence]
    evidence_count: One[int]
    summary: Many[CapabilitySummary]
    summary_of: Many[CapabilitySummary]


sql = Sql()


class Capabilities(Service, group="capabilities"):
    """What agents can do, under which names, how surely, and what shows it."""

    @operation(
        effect="write",
        scope="capabilities:write",
        audience="agent",
        example={"agent": "alderman", "capabilities": [{"name": "Reviewing contracts", "confidence": "0.8"}]},
    )
    async def add(
        self,
        *,
        agent: AgentReference,
        capabilities: Annotated[
            list[NewCapability], Field(min_length=1, max_length=200, description="What it can do.")
        ],
    ) -> Sequence[Capability]:
        """Add capabilities to an agent: all of them or none.

        Raises:
            CapabilityExists: it has one of these names already.
        """
        found = await find_live_agent(agent)
        added = await store.add(found, capabilities)
        vectors: Vectors = context().prepared
        await Search(self.executor).put([capability_entry(each) for each in added], vectors)
        context().record(
            CapabilitiesAdded(agent_id=found.agent_id, names=[each.name for each in added]),
            subject=found.id,
            subjects=[each.id for each in added],
        )
        return added

    @add.prepare
    async def _prepare_add(self, *, agent: str, capabilities: Sequence[NewCapability]) -> Vectors:
        # Ids do not matter to vectors; the real entries are made when they are known.
        return await Search(self.executor).vectors_of([new_entry(each, NOBODY, NOBODY) for each in capabilities])

    @operation(effect="read", scope="capabilities:read", audience="agent", mode="single", example=_EXAMPLE)
    async def get(self, *, capability: CapabilityReference, agent: OfAgent = None) -> Capability:
        """One capability, by id, or by name and agent."""
        return await _find(capability, agent)

    @operation(effect="read", scope="capabilities:read", audience="agent", example={"limit": 10})
    async def list(
        self,
        *,
        filter: Annotated[CapabilityFilter | None, Field(description="Which; none: all.")] = None,
        order: Annotated[
            CapabilityOrder, Field(description="observed: as they were added; confidence: the surest first.")
        ] = "observed",
        limit: PageSize = 50,
        cursor: Cursor = None,
    ) -> Page[Capability]:
        """Capabilities of all agents or of one, filtered."""
        chosen = filter or CapabilityFilter()
        query = ["capabilities.list", context().tenant, order, chosen.model_dump(mode="json")]
        wanted: dict[str, Any] = chosen.model_dump()
        wanted["agent"] = (await find_agent(chosen.agent)).id if chosen.agent else None
        wanted["name"] = rules.canonical_name(chosen.name) if chosen.name else None
        if order == "confidence":
            place = decode_cursor(query, cursor, parts=(Decimal, UUID)) or [Decimal(1), NOBODY]
            rows = await sql.page_by_confidence(**wanted, below=place[0], after_id=place[1], size=limit + 1)
            return Page.cut(rows, limit=limit, query=query, key=lambda row: [row.confidence, row.id])
        place = decode_cursor(query, cursor, parts=(UUID,)) or [NOBODY]
        rows = await sql.page_by_observation(**wanted, after_id=place[0], size=limit + 1)
        return Page.cut(rows, limit=limit, query=query, key=lambda row: [row.id])

    @operation(
        effect="write",
        scope="capabilities:write",
        example={**_EXAMPLE, "version": 1, "changes": {"tags": ["planning"]}},
    )
    async def update(
        self,
        *,
        capability: CapabilityReference,
        version: Annotated[int, Field(ge=1, description="The version that was read.")],
        changes: Annotated[CapabilityPatch, Field(description="What to change; what is not given stays.")],
        agent: OfAgent = None,
    ) -> Capability:
        """Change a capability, if nobody else changed it since it was read.

        Raises:
            CapabilityChanged: somebody did; the error has the current version.
            CapabilityExists: the agent has another one of the new name.
        """
        found = await _find(capability, agent)
        given = changes.model_dump(exclude_none=True)
        if not given:
            raise Invalid("Give at least one field to change.", field="changes")
        values: dict[str, Any] = {name: given.get(name) for name in CapabilityPatch.model_fields}
        values["canonical_name"] = rules.canonical_name(given["name"]) if "name" in given else None
        values["metadata"] = dumps(given["metadata"]) if "metadata" in given else None
        try:
            changed = await sql.update(id=found.id, version=version, **values)
        except CapabilityExists:
            raise CapabilityExists(
                f"Agent {found.agent_key} has another capability of this name.", agent=found.agent_key
            ) from None
        if changed is None:
            raise await _changed_meanwhile(found, version)
        if not given.keys().isdisjoint(("name", "aliases", "tags")):
            await store.label([(changed.id, changed.agent, changed.name, changed.aliases, changed.tags)])
        await self._index(changed, whole=not given.keys().isdisjoint(_SEARCHED))
        context().record(
            CapabilityUpdated(
                capability=changed.id, name=changed.name, fields=sorted(given), record_version=changed.version
            ),
            subject=changed.agent,
            before=found,
            after=changed,
        )
        return changed

    @update.prepare
    async def _prepare_update(self, **given: Any) -> None:
        await self._ready()

    @operation(effect="write", scope="capabilities:judge", example={**_EXAMPLE, "note": "seen in the last sprint"})
    async def validate(
        self, *, capability: CapabilityReference, agent: OfAgent = None, note: Note = None
    ) -> Capability:
        """Record that somebody checked a capability and found it so; never the agent itself."""
        found, judged = await self._judge(capability, agent, "validated")
        context().record(
            CapabilityValidated(capability=judged.id, name=judged.name, old=found.validation_status, note=note),
            subject=judged.agent,
            before={"validation_status": found.validation_status},
            after={"validation_status": judged.validation_status, "note": note},
        )
        return judged

    @validate.prepare
    async def _prepare_validate(self, **given: Any) -> None:
        await self._ready()

    @operation(
        effect="write",
        scope="capabilities:judge",
        example={"capability": "Work breakdown planning", "agent": "alderman", "note": "failed twice"},
    )
    async def reject(self, *, capability: CapabilityReference, agent: OfAgent = None, note: Note = None) -> Capability:
        """Record that somebody checked a capability and did not find it so; it is found no more."""
        found, judged = await self._judge(capability, agent, "rejected")
        context().record(
            CapabilityRejected(capability=judged.id, name=judged.name, old=found.validation_status, note=note),
            subject=judged.agent,
            before={"validation_status": found.validation_status},
            after={"validation_status": judged.validation_status, "note": note},
        )
        return judged

    @operation(
        effect="write",
        scope="capabilities:write",
        audience="agent",
        example={**_EXAMPLE, "success": "1"},
    )
    async def demonstrate(
        self,
        *,
        capability: CapabilityReference,
        agent: OfAgent = None,
        success: Annotated[Share, Field(description="How well it went: 1 a success, 0 a failure.")] = Decimal(1),
        at: Annotated[
            Moment | None, Field(description="When; default: now. At most five minutes in the future.")
        ] = None,
        evidence: Annotated[NewEvidence | None, Field(description="The place in a text that shows it.")] = None,
    ) -> Capability:
        """Record a demonstration: the count, the exact mean of successes, and what shows it.

        Raises:
            DemonstratedInFuture: it is more than five minutes in the future.
        """
        found = await _find(capability, agent)
        changed = await sql.demonstrate(id=found.id, success=success, at=at)
        if changed is None and at is not None and await sql.by_id(id=found.id) is not None:
            raise DemonstratedInFuture(
                f"{at.isoformat()} is more than five minutes in the future; set the clock that told it. "
                "Nothing was changed.",
                field="at",
            )
        if changed is None:
            raise await _unknown(capability, agent)
        shown = await store.show([(changed.id, evidence)]) if evidence else []
        context().record(
            CapabilityDemonstrated(
                capability=changed.id, name=changed.name, success=success, evidence=shown[0] if shown else None
            ),
            subject=changed.agent,
        )
        return changed

    @operation(effect="read", scope="capabilities:read", audience="agent", example=_EXAMPLE)
    async def evidence(
        self,
        *,
        capability: CapabilityReference,
        agent: OfAgent = None,
        limit: PageSize = 50,
        cursor: Cursor = None,
    ) -> Page[Evidence]:
        """What shows a capability: the texts, the words in them, and how they were found."""
        found = await _find(capability, agent)
        query = ["capabilities.evidence", context().tenant, found.id]
        place = decode_cursor(query, cursor, parts=(UUID,)) or [NOBODY]
        rows = await sql.evidence(capability=found.id, after_id=place[0], size=limit + 1)
        return Page.cut(rows, limit=limit, query=query, key=lambda row: [row.id])

    @operation(
        effect="destroy",
        scope="capabilities:write",
        example={"capability": "Work breakdown planning", "agent": "alderman"},
    )
    async def remove(self, *, capability: CapabilityReference, agent: OfAgent = None) -> Capability:
        """Take a capability from its agent, with its evidence."""
        found = await _find(capability, agent)
        removed = await sql.remove(id=found.id)
        if removed is None:
            raise await _unknown(capability, agent)
        await Search(self.executor).remove([removed.id])
        event = CapabilityRemoved(capability=removed.id, name=removed.name)
        context().record(event, subject=removed.agent, before=removed)
        return removed

    @remove.plan
    async def _plan_remove(self, *, capability: str, agent: str | None = None) -> Plan:
        found = await _find(capability, agent)
        return Plan(
            summary=f"{found.agent_key} would no longer have the capability {found.name!r}.",
            counts={"capabilities": 1, "evidence": await sql.evidence_count(capability=found.id)},
        )

    async def evidence_of(self, *, capabilities: Sequence[UUID], most: int) -> Sequence[Evidence]:
        """Of each of these capabilities the surest evidence, for search; in the caller's transaction."""
        return await sql.evidence_of(capabilities=list(capabilities), most=most)

    @operation(effect="read", scope="capabilities:read", example={"agent": "alderman"})
    async def summary(
        self,
        *,
        agent: Annotated[AgentReference | None, Field(description="Only of this agent.")] = None,
        limit: PageSize = 50,
        cursor: Cursor = None,
    ) -> Page[CapabilitySummary]:
        """The capabilities of each agent in numbers, in the order of registration."""
        query = ["capabilities.summary", context().tenant, agent]
        (after,) = decode_cursor(query, cursor, parts=(UUID,)) or [NOBODY]
        if agent is not None:
            return Page(items=await sql.summary_of(agent=(await find_agent(agent)).id))
        rows = await sql.summary(after_id=after, size=limit + 1)
        return Page.cut(rows, limit=limit, query=query, key=lambda row: [row.id])

    @operation(
        effect="read",
        scope="capabilities:read",
        example={"text": "reduce the time a query takes", "limit": 3},
    )
    async def similar(
        self,
        *,
        text: Annotated[
            str | None, Field(min_length=1, max_length=1000, description="What it should be like, in plain words.")
        ] = None,
        capability: CapabilityReference | None = None,
        agent: OfAgent = None,
        minimum_confidence: Annotated[Hundredths, Field(description="Only with at least this confidence.")] = Decimal(
            "0.7"
        ),
        limit: Annotated[int, Field(ge=1, le=100, description="Most capabilities.")] = 10,
    ) -> SearchResults:
        """Capabilities like a text, or like another capability, the likest first; rejected ones are left out."""
        asked: Question = context().prepared
        item = (await _find(capability, agent)).id if capability is not None else None
        filters = SearchFilters(minimum_confidence=minimum_confidence)
        return await Search(self.executor).similar(
            asked=asked, kind="capability", item=item, filters=filters, limit=limit
        )

    @similar.prepare
    async def _prepare_similar(
        self, *, text: str | None = None, capability: str | None = None, **others: Any
    ) -> Question:
        if (text is None) == (capability is None):
            raise Invalid("Give `text` or `capability`, one of them.", field="text")
        search = Search(self.executor)
        return await search.question_like() if text is None else await search.question(text=text)

    async def _ready(self) -> None:
        # Whether vectors are made here is asked before the transaction; the text is whole only within it.
        await Search(self.executor).vectors([])

    async def _judge(
        self, reference: str, agent: str | None, status: ValidationStatus
    ) -> tuple[Capability, Capability]:
        found = await _find(reference, agent)
        if found.agent == context().actor.id:
            raise OwnCapability(capability=str(found.id))
        judged = await sql.judge(id=found.id, status=status, origins=rules.origins(status))
        if judged is None:
            raise CapabilityStatusConflict(
                f"The capability {found.name!r} of {found.agent_key} is {found.validation_status}; "
                f"it cannot become {status}.",
                status=found.validation_status,
            )
        await self._index(judged, whole=found.validation_status == "rejected")
        return found, judged

    async def _index(self, capability: Capability, *, whole: bool) -> None:
        """Let search know of a change; `whole` when what is searched changed, not only what is filtered by.

        Nothing of a deactivated agent is in search, and no rejected capability; a touch of what is not there
        does nothing.
        """
        search = Search(self.executor)
        if capability.validation_status == "rejected":
            await search.remove([capability.id])
        elif not whole:
            touched = SearchTouch(
                id=capability.id,
                status=capability.validation_status,
                confidence=capability.confidence,
                tags=capability.tags,
            )
            await search.touch([touched])
        elif (await find_agent(str(capability.agent))).deactivated_at is None:
            entry = capability_entry(capability)
            await search.put([entry], await search.vectors_of([entry]))


async def _find(reference: str, agent: str | None) -> Capability:
    identifier = id_of(reference)
    found = await sql.by_id(id=identifier) if identifier is not None else None
    if found is None and identifier is None and agent is not None:
        found = await sql.by_name(name=rules.canonical_name(reference), agent=agent, agent_row=id_of(agent))
    if found is None:
        raise await _unknown(reference, agent)
    return found


async def _unknown(reference: str, agent: str | None) -> CapabilityNotFound:
    if agent is None:
        hint = "" if id_of(reference) else " Give its id, or say with `agent` whose it is."
        return CapabilityNotFound(f"There is no capability {reference!r} in this tenant.{hint}", capability=reference)
    call = context()
    if call.transaction is not None:
        call.transaction.follow_up()
    names = await sql.names_of(agent=agent, agent_row=id_of(agent))
    hint = near_match(reference, names) or " `capabilities.list` shows those that exist."
    return CapabilityNotFound(
        f"Agent {agent!r} has no capability {reference!r} in this tenant.{hint}", capability=reference, agent=agent
    )


async def _changed_meanwhile(found: Capability, version: int) -> CapabilityChanged | CapabilityNotFound:
    current = await sql.by_id(id=found.id)
    if current is None:
        return CapabilityNotFound(f"The capability {found.name!r} was just removed.", capability=str(found.id))
    return CapabilityChanged(
        f"The capability {current.name!r} has version {current.version}, not {version}; read it again and "
        f"repeat the change on that version.",
        version=current.version,
        given=version,
    )
