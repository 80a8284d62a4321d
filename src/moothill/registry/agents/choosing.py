"""Choosing: the agents that can take work now, by what they can do, how free they are, and how they stand."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, Field

from ...database.queries import Many, Queries
from ...kernel.context import context
from ...kernel.events import dumps
from ...kernel.operation import operation
from ...kernel.service import Service
from ...kernel.texts import Label, LongName, canonical
from ..search import Question, Search, SearchHit
from . import rules
from .models import AgentSummary, AgentType, Proficiency
from .reports import Choice, Choices, MatchedCapability, ScorePart

__all__ = ["choose"]

_FOUND = 100
_NAMED = 1_000
_LOOKED_AT = 10_000
_COMPARED = 200

Wanted = Annotated[
    LongName | None,
    Field(
        description="What is to be done: the name of a capability, or a description.", examples=["review a contract"]
    ),
]


class _Named(BaseModel):
    agent: UUID
    capability: UUID


class _Candidate(AgentSummary):
    relevance: Decimal | None
    capability_id: UUID | None
    capability_name: str | None
    confidence: Decimal | None
    validation_status: str | None
    proficiency: int | None
    looked_at: int = 0


class Sql(Queries):
    """Statements of choosing."""

    file = "choosing.sql"
    fragments = ("columns.sql",)

    named: Many[_Named]
    able: Many[_Candidate]
    free: Many[_Candidate]
    free_tagged: Many[_Candidate]


sql = Sql()


@operation(
    effect="read",
    scope="agents:read",
    audience="agent",
    example={"capability": "plan a project", "limit": 3},
)
async def choose(
    self: Service,
    *,
    capability: Wanted = None,
    type: Annotated[AgentType | None, Field(description="Only agents of this type.")] = None,
    skill: Annotated[Label | None, Field(description="Only agents with this skill.")] = None,
    proficiency: Annotated[Proficiency, Field(description="At least this proficiency in the skill.")] = 0,
    tags: Annotated[list[Label] | None, Field(max_length=20, description="Only agents with all of these tags.")] = None,
    limit: Annotated[int, Field(ge=1, le=50, description="Most agents.")] = 5,
) -> Choices:
    """The agents to give work to now, best first, each with the reasons.

    Compared are agents that are idle or active: by what they can do, how free they are, how reliably they
    succeeded, and the society's trust. A capability is looked for by its very name first and by meaning
    besides. What is compared is bounded: 100 found by meaning and 1,000 by name, or, when no capability is
    asked for, the 200 least loaded of the first 10,000.
    """
    wanted = [*dict.fromkeys(tags or [])]
    given = {
        "type": type,
        "skill": rules.canonical_skill(skill) if skill else None,
        "proficiency": proficiency,
    }
    if capability is None:
        bounds = {"bound": _LOOKED_AT, "size": _COMPARED}
        if wanted:
            candidates = await sql.free_tagged(**given, **bounds, tags=wanted)
        else:
            candidates = await sql.free(**given, **bounds)
        looked_at = candidates[0].looked_at if candidates else 0
        bounded = looked_at > _COMPARED
    else:
        asked: Question = context().prepared
        found = await Search(self.executor).similar(asked=asked, kind="agent", limit=_FOUND)
        named = await sql.named(name=canonical(capability), bound=_NAMED)
        matches = dumps(_matches(named, found.hits))
        unstated = rules.UNSTATED_CONFIDENCE
        candidates = await sql.able(**given, tags=wanted, matches=matches, unstated=unstated)
        bounded = len(found.hits) == _FOUND or len(named) == _NAMED
    choices = sorted((_choice(each) for each in candidates), key=lambda choice: (-choice.score, choice.agent.id))
    return Choices(choices=choices[:limit], considered=len(candidates), bounded=bounded)


@choose.prepare
async def _prepare(
    self: Service,
    *,
    capability: str | None = None,
    type: AgentType | None = None,
    skill: str | None = None,
    proficiency: int = 0,
    tags: list[str] | None = None,
    limit: int = 5,
) -> Question | None:
    return None if capability is None else await Search(self.executor).question(text=capability)


def _matches(named: Sequence[_Named], hits: Sequence[SearchHit]) -> list[dict[str, object]]:
    by_name: list[dict[str, object]] = [
        {"agent": each.agent, "capability": each.capability, "relevance": Decimal(1)} for each in named
    ]
    best = max((hit.score for hit in hits), default=0.0)
    by_meaning: list[dict[str, object]] = [
        {
            "agent": hit.agent.id,
            "capability": hit.why.through.id if hit.why.through else None,
            "relevance": rules.relevance(hit.score, best, hit.why.similarity),
        }
        for hit in hits
        if hit.agent is not None and rules.answers(len(hit.why.words), hit.why.similarity)
    ]
    return by_name + by_meaning


def _choice(candidate: _Candidate) -> Choice:
    confidence = candidate.confidence if candidate.confidence is not None else rules.UNSTATED_CONFIDENCE
    values = rules.score(
        rules.Standing(
            fit=rules.fit(candidate.relevance, confidence, candidate.proficiency),
            status=candidate.status,
            utilisation=candidate.utilisation,
            active_tasks=candidate.active_tasks,
            queued_tasks=candidate.queued_tasks,
            success_rate=candidate.success_rate,
            tasks_ended=candidate.tasks_completed + candidate.tasks_failed,
            trust=candidate.trust,
        )
    )
    matched = None
    if candidate.capability_id is not None and candidate.relevance is not None:
        matched = MatchedCapability(
            id=candidate.capability_id,
            name=candidate.capability_name or "",
            confidence=confidence,
            validation_status=candidate.validation_status or "unvalidated",
            relevance=candidate.relevance,
        )
    reasons = _reasons(candidate)
    return Choice(
        agent=AgentSummary(**candidate.model_dump(include=set(AgentSummary.model_fields))),
        score=rules.total(values),
        capability=matched,
        parts=[
            ScorePart.model_validate(
                {"name": name, "value": value, "weight": rules.WEIGHTS[name], "reason": reasons[name]}
            )
            for name, value in values.items()
        ],
    )


def _reasons(candidate: _Candidate) -> dict[str, str]:
    ended = candidate.tasks_completed + candidate.tasks_failed
    fit = []
    if candidate.capability_name is not None:
        fit.append(f"can: {candidate.capability_name[:200]} (confidence {candidate.confidence})")
    elif candidate.relevance is not None:
        fit.append("its description fits")
    if candidate.proficiency is not None:
        fit.append(f"proficiency {candidate.proficiency} of 10")
    return {
        "fit": "; ".join(fit) or "nothing in particular was asked for",
        "load": f"{candidate.active_tasks} active and {candidate.queued_tasks} queued tasks, "
        f"{candidate.utilisation:.0%} of capacity in use",
        "success": f"{candidate.tasks_completed} of {ended} ended tasks completed" if ended else "no task ended yet",
        "trust": f"trust {candidate.trust}",
        "status": f"is {candidate.status}",
    }
