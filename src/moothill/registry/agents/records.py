"""An agent's record: registering it, and changing it."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any

from pydantic import Field

from ...database.queries import Maybe, One, Queries, Run
from ...kernel.context import context
from ...kernel.errors import Invalid
from ...kernel.events import dumps
from ...kernel.identifiers import NOBODY, uuid7
from ...kernel.operation import operation
from ...kernel.service import Service
from ...kernel.texts import AgentReference, Label, Line, LongName, Prose
from ..capabilities import store
from ..capabilities.errors import RecordNotYours
from ..capabilities.indexing import capability_entry, new_entry
from ..capabilities.models import NewCapability
from ..search import Search, Vectors
from . import rules
from .errors import AgentChanged, AgentExists
from .events import AgentRegistered, AgentUpdated
from .indexing import agent_entry, described_entry
from .lookup import find_live_agent
from .models import Agent, AgentDetails, AgentPatch, AgentRecord, AgentType
from .skillset import put_skills

__all__ = ["register", "update"]

_SEARCHED = {"name", "description", "specialisations", "provider", "tags"}


class Sql(Queries):
    """Statements of records."""

    file = "records.sql"
    fragments = ("columns.sql",)

    register: One[Agent]
    tag: Run
    update: Maybe[Agent]


sql = Sql()


@operation(
    effect="write",
    scope="agents:write",
    example={"name": "Ada", "type": "specialist", "capabilities": ["Reviewing contracts"], "tags": ["law"]},
)
async def register(
    self: Service,
    *,
    name: Annotated[Line, Field(description="Name for people; need not be unique.")],
    agent_id: Annotated[
        Line | None, Field(description="Your own key for it, unique in the tenant; default: made from the name.")
    ] = None,
    type: Annotated[AgentType, Field(description="Its part in the society.")] = "specialist",
    description: Annotated[Prose, Field(description="What it is, in prose.")] = "",
    capabilities: Annotated[
        list[LongName] | None,
        Field(max_length=200, description="Names of what it can do; `capabilities.add` says more of each."),
    ] = None,
    tags: Annotated[list[Label] | None, Field(max_length=100, description="Labels.")] = None,
    model_family: Annotated[Line, Field(max_length=50, description="Family of the model behind it.")] = "unknown",
    details: Annotated[AgentDetails | None, Field(description="What is seldom said.")] = None,
) -> Agent:
    """Register an agent, with what it can do.

    Raises:
        AgentExists: there is one with this `agent_id`, possibly deactivated.
    """
    more = details or AgentDetails()
    key = agent_id or rules.key_from_name(name)
    if not key:
        raise Invalid("This name gives no key; give an `agent_id`.", field="agent_id")
    if more.record is not None and context().actor.kind == "agent":
        raise RecordNotYours(field="details.record")
    try:
        agent = await sql.register(
            id=uuid7(),
            agent_id=key,
            name=name,
            description=description,
            type=type,
            tags=_once(tags or []),
            model_family=model_family,
            **_detailed(more),
        )
    except AgentExists:
        raise AgentExists(
            f"Agent {key!r} exists already; give another `agent_id`, or change it with `agents.update`.", agent=key
        ) from None
    if agent.tags or agent.specialisations:
        await sql.tag(id=agent.id, tags=agent.tags, specialisations=agent.specialisations)
    await put_skills([(agent.id, skill) for skill in more.skills])
    added = await store.add(agent, [NewCapability(name=each) for each in capabilities or []])
    vectors: Vectors = context().prepared
    await Search(self.executor).put([agent_entry(agent), *map(capability_entry, added)], vectors)
    context().record(
        AgentRegistered(agent_id=key, name=name, type=type, capabilities=len(added)),
        subject=agent.id,
        subjects=[each.id for each in added],
        after=agent,
    )
    return agent


@register.prepare
async def _prepare_register(
    self: Service,
    *,
    name: str,
    description: str = "",
    capabilities: list[str] | None = None,
    **others: Any,
) -> Vectors:
    texts = [described_entry(identifier=NOBODY, agent_id="", name=name, description=description)]
    texts += [new_entry(NewCapability(name=each), NOBODY, NOBODY) for each in capabilities or []]
    return await Search(self.executor).vectors_of(texts)


@operation(
    effect="write",
    scope="agents:write",
    example={"agent": "alderman", "version": 1, "changes": {"tags": ["lead", "planning"]}},
)
async def update(
    self: Service,
    *,
    agent: AgentReference,
    version: Annotated[int, Field(ge=1, description="The version that was read.")],
    changes: Annotated[AgentPatch, Field(description="What to change; what is not given stays.")],
) -> Agent:
    """Change an agent's record, if nobody else changed it since it was read.

    Raises:
        AgentChanged: somebody did; the error has the current version.
    """
    found = await find_live_agent(agent)
    given = changes.model_dump(exclude_none=True)
    sets_url = "url" in changes.model_fields_set
    if not given and not sets_url:
        raise Invalid("Give at least one field to change.", field="changes")
    values: dict[str, Any] = {name: given.get(name) for name in AgentPatch.model_fields}
    for name in ("config", "metadata"):
        values[name] = dumps(given[name]) if name in given else None
    for name in ("tags", "specialisations"):
        values[name] = _once(given[name]) if name in given else None
    changed = await sql.update(id=found.id, agent_id=found.agent_id, version=version, sets_url=sets_url, **values)
    if changed is None:
        current = await find_live_agent(str(found.id))
        raise AgentChanged(
            f"Agent {current.agent_id} has version {current.version}, not {version}; read it again and repeat the "
            f"change on that version.",
            version=current.version,
            given=version,
        )
    if "tags" in given or "specialisations" in given:
        await sql.tag(id=changed.id, tags=changed.tags, specialisations=changed.specialisations)
    if "description" in given:
        await store.forget_stale([changed.id])
    if not _SEARCHED.isdisjoint(given):
        search = Search(self.executor)
        entry = agent_entry(changed)
        await search.put([entry], await search.vectors_of([entry]))
    context().record(
        AgentUpdated(
            agent_id=changed.agent_id, fields=sorted(changes.model_fields_set), record_version=changed.version
        ),
        subject=changed.id,
        before=found,
        after=changed,
    )
    return changed


@update.prepare
async def _prepare_update(self: Service, **given: Any) -> None:
    # Whether vectors are made here is asked before the transaction; the text is whole only within it.
    await Search(self.executor).vectors([])


def _once(texts: list[str]) -> list[str]:
    return [*dict.fromkeys(texts)]


def _detailed(more: AgentDetails) -> dict[str, Any]:
    """The columns of the details, what another system knew among them; sums stand for its means."""
    record = more.record or AgentRecord()
    rated = record.tasks_completed if record.average_quality is not None else 0
    times: dict[str, datetime | None] = {
        "registered_at": record.registered_at,
        "last_active_at": record.last_active_at,
    }
    return {
        "status": more.status,
        "model_version": more.model_version,
        "specialisations": _once(more.specialisations),
        "provider": more.provider,
        "url": more.url,
        "config": dumps(more.config),
        "metadata": dumps(more.metadata),
        "tasks_attempted": max(record.tasks_attempted, record.tasks_completed + record.tasks_failed),
        "tasks_completed": record.tasks_completed,
        "tasks_failed": record.tasks_failed,
        "quality_total": (record.average_quality or Decimal(0)) * rated,
        "quality_count": rated,
        "task_time_total_ms": (record.average_task_time_ms or 300_000) * record.tasks_completed,
        "total_points": record.total_points,
        "tier": record.tier,
        "rating": record.rating,
        "trust": record.trust,
        "consecutive_active_days": record.consecutive_active_days,
        "total_active_days": record.total_active_days,
        **times,
    }
