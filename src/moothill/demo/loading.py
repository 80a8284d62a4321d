"""Loading the example society into a server, through public operations only.

Loading twice changes nothing: an agent that is there is left alone.
"""

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from ..kernel.errors import Conflict
from ..registry.agents.models import AgentDetails, AgentRecord, NewSkill, ReportedStatus
from ..registry.agents.reports import Heartbeat
from ..registry.capabilities.models import CapabilityRecord, NewCapability, NewEvidence
from ..registry.relationships import NewRelationship
from ..registry.search.quality.models import NewJudgement
from ..work.tasks.models import TaskRecord
from .agents import Agent, Capability
from .society import Society, load_judged, load_society
from .work import Task

if TYPE_CHECKING:
    from ..moot import Moot

__all__ = ["load"]

_REPORTED: dict[str, ReportedStatus] = {"active": "active", "idle": "idle", "busy": "busy", "offline": "offline"}


async def load(moot: "Moot", society: Society | None = None) -> int:
    """Load the society; each tenant that is missing is made.

    Args:
        moot: above all tenants.
        society: by default the one in the data files.

    Returns:
        How many agents were registered now.
    """
    whole = society or load_society()
    made = 0
    for tenant in whole.tenants:
        with suppress(Conflict):  # it is there already
            await moot.tenants.create(slug=tenant.slug, name=tenant.name, project=tenant.project)
        own = whole.of(tenant.slug)
        made += await _load_agents(moot.tenant(tenant.slug), own.agents)
        await _load_relationships(moot.tenant(tenant.slug), own)
        await _load_tasks(moot.tenant(tenant.slug), own.tasks)
    await _load_bounds(moot.tenant(whole.tenants[0].slug))
    if society is None:
        await _load_judgements(moot.tenant(whole.tenants[0].slug), whole)
    return made


async def _load_judgements(moot: "Moot", whole: Society) -> None:
    """The judged queries of the first tenant, by agent; `search.evaluate` measures by them."""
    await moot.search.judge(
        judged_set="demo",
        judgements=[
            NewJudgement(query=query.text, item=agent, grade=grade, kinds=["agent"])
            for query in load_judged()
            if query.tenant == whole.tenants[0].slug
            for agent, grade in query.agents.items()
        ],
    )


async def _load_relationships(moot: "Moot", society: Society) -> None:
    """How the agents are connected; what was observed since, when there is any, stays."""
    now = datetime.now(UTC)
    if not society.relationships or (await moot.relationships.list(limit=1)).items:
        return
    # An undirected one begins at the smaller id here, whatever the smaller key is.
    await moot.relationships.load(
        relationships=[
            NewRelationship(
                source=each.source,
                target=each.target,
                type=each.type,
                directional=each.directional,
                confidence=each.confidence,
                strength=each.strength,
                cooccurrences=each.cooccurrences,
                context=each.context,
                last_observed_at=now - timedelta(days=each.last_observed_days_ago),
            )
            for each in society.relationships
        ]
    )


async def _load_tasks(moot: "Moot", tasks: tuple[Task, ...]) -> None:
    """What there is to do in every state; nothing when there are tasks already."""
    if not tasks or (await moot.tasks.list(limit=1)).items:
        return
    now = datetime.now(UTC)
    await moot.tasks.load(tasks=[_task(task, now) for task in tasks])


def _task(task: Task, now: datetime) -> TaskRecord:
    def ago(minutes: int | None) -> datetime | None:
        return None if minutes is None else now - timedelta(minutes=minutes)

    soon = {"retry": timedelta(minutes=30), "scheduled": timedelta(days=2)}.get(task.status)
    return TaskRecord.model_validate(
        {
            "task_id": task.key,
            "title": task.title,
            "description": task.description,
            "kind": task.kind,
            "priority": task.priority,
            "complexity": task.complexity,
            "risk_tier": task.risk_tier,
            "requirements": {"skills": [{"name": skill} for skill in task.required_skills]},
            "tags": list(task.tags),
            "depends_on": list(task.depends_on),
            "estimated_ms": task.estimated_minutes * 60_000,
            "due_at": now + soon if soon else None,
            "deadline": None if task.deadline_in_minutes is None else now + timedelta(minutes=task.deadline_in_minutes),
            "status": task.status,
            "agent": task.assigned_to,
            "attempts": task.attempts,
            "created_at": ago(task.created_minutes_ago),
            "started_at": ago(task.started_minutes_ago),
            "ended_at": ago(task.ended_minutes_ago),
            "quality": task.quality,
            "result": {"summary": task.result} if task.result else None,
            "note": task.error,
        }
    )


async def _load_bounds(moot: "Moot") -> None:
    """A program beside the agents, and a limit far above what the society needs."""
    with suppress(Conflict):
        await moot.accounts.register(
            name="catalogue-sync",
            description="Reads agents from the company's catalogue at night.",
            scopes=["agents:read", "agents:load"],
        )
        await moot.limits.set(name="capabilities", amount=100_000)


async def _load_agents(moot: "Moot", agents: tuple[Agent, ...]) -> int:
    now = datetime.now(UTC)
    made: list[Agent] = []
    for agent in agents:
        try:
            await moot.agents.register(
                name=agent.name,
                agent_id=agent.key,
                type=agent.type,
                description=agent.description,
                tags=["founding"] if agent.founding else [],
                model_family=agent.model_family,
                details=_details(agent, now),
            )
        except Conflict:
            continue
        capabilities = [_capability(agent, one, now) for one in agent.capabilities]
        await moot.capabilities.add(agent=agent.key, capabilities=capabilities)
        made.append(agent)
        for change in sorted(agent.status_history, key=lambda each: -each.minutes_ago):
            await moot.agents.set_status(agent=agent.key, status=change.to_status, reason=change.reason)
    beats = [
        Heartbeat(
            agent=agent.key,
            status=_REPORTED.get(agent.status),
            active_tasks=agent.active_tasks,
            queued_tasks=agent.queued_tasks,
            utilisation=agent.utilisation,
            at=now - timedelta(seconds=agent.last_heartbeat_seconds_ago),
        )
        for agent in made
    ]
    if beats:
        await moot.agents.heartbeat(beats=beats)
    return len(made)


def _details(agent: Agent, now: datetime) -> AgentDetails:
    return AgentDetails(
        status="idle" if agent.status_history else agent.status,
        specialisations=list(agent.specialisations),
        skills=[
            NewSkill(
                name=skill.name,
                proficiency=skill.proficiency,
                experience_points=skill.experience,
                last_practised_at=now - timedelta(days=skill.last_practised_days_ago),
            )
            for skill in agent.skills
        ],
        record=AgentRecord(
            tasks_attempted=agent.tasks_attempted,
            tasks_completed=agent.tasks_completed,
            tasks_failed=agent.tasks_failed,
            average_quality=agent.average_quality,
            average_task_time_ms=agent.average_task_ms,
            total_points=agent.total_points,
            tier=agent.tier,
            rating=float(agent.rating),
            trust=agent.trust,
            consecutive_active_days=agent.consecutive_active_days,
            total_active_days=agent.total_active_days,
            registered_at=now - timedelta(days=agent.registered_days_ago),
            last_active_at=now - timedelta(minutes=agent.last_active_minutes_ago),
        ),
    )


def _capability(agent: Agent, capability: Capability, now: datetime) -> NewCapability:
    return NewCapability(
        name=capability.name,
        type=capability.kind,
        description=capability.description,
        aliases=list(capability.aliases),
        confidence=capability.confidence,
        extraction_confidence=capability.extraction_confidence,
        evidence=[
            NewEvidence(
                chunk_id=one.chunk_id(agent.tenant),
                chunk_type=one.chunk_type,
                mention=one.mention,
                sentence=one.sentence,
                start_position=one.start,
                end_position=one.end,
                method=one.method,
                confidence=one.confidence,
            )
            for one in capability.evidence
        ],
        record=CapabilityRecord(
            validation_status=capability.validation,
            demonstration_count=capability.demonstrations,
            success_rate=capability.success_rate,
            first_observed_at=now - timedelta(days=capability.first_observed_days_ago),
            last_demonstrated_at=now - timedelta(days=capability.last_demonstrated_days_ago),
        ),
    )
