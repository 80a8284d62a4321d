"""Skills: how well an agent has them, and what practice adds."""

from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

from pydantic import Field

from ...database.queries import Many, Maybe, Queries
from ...kernel.context import context
from ...kernel.errors import near_match
from ...kernel.events import dumps
from ...kernel.operation import Plan, operation
from ...kernel.paging import Cursor, Page, PageSize, decode_cursor
from ...kernel.service import Service
from ...kernel.texts import AgentReference
from . import rules
from .errors import SkillNotFound
from .events import SkillPractised, SkillRemoved, SkillSet
from .lookup import find_agent, find_live_agent
from .models import Agent, NewSkill, Proficiency, Skill, SkillName

__all__ = ["practise", "put_skills", "remove_skill", "set_skill", "skills"]

Points = Annotated[int, Field(ge=1, le=1_000_000)]


class _KeyedSkill(Skill):
    skill: str


class Sql(Queries):
    """Statements of skills."""

    file = "skillset.sql"

    page: Many[_KeyedSkill]
    put: Many[Skill]
    practise: Maybe[Skill]
    remove: Maybe[Skill]


sql = Sql()


async def put_skills(new: Sequence[tuple[UUID, NewSkill]]) -> list[Skill]:
    """Give skills to agents, many at once; of one named twice the last counts."""
    rows = {
        (agent, rules.canonical_skill(skill.name)): {
            **skill.model_dump(mode="json"),
            "agent_id": agent,
            "skill": rules.canonical_skill(skill.name),
        }
        for agent, skill in new
    }
    # In the order of the key, so that two writers cannot wait for each other.
    return await sql.put(skills=dumps([rows[key] for key in sorted(rows)])) if rows else []


@operation(effect="read", scope="agents:read", audience="agent", example={"agent": "alderman"})
async def skills(self: Service, *, agent: AgentReference, limit: PageSize = 100, cursor: Cursor = None) -> Page[Skill]:
    """Skills of an agent, in the order of their names."""
    found = await find_agent(agent)
    query = ["agents.skills", context().tenant, found.id]
    place = decode_cursor(query, cursor, parts=(str,))
    rows = await sql.page(agent=found.id, after=place[0] if place else "", size=limit + 1)
    page = Page[_KeyedSkill].cut(rows, limit=limit, query=query, key=lambda row: [row.skill])
    return Page[Skill](items=[Skill(**row.model_dump(exclude={"skill"})) for row in page.items], next=page.next)


@operation(
    effect="write",
    scope="agents:write",
    example={"agent": "alderman", "skill": "risk management", "proficiency": 9},
)
async def set_skill(
    self: Service,
    *,
    agent: AgentReference,
    skill: SkillName,
    proficiency: Annotated[Proficiency, Field(description="0 to 10; 8 and above is expert.")],
    experience_points: Annotated[
        int | None,
        Field(ge=0, le=2**53 - 1, description="Experience points; never lowered, and left alone when not given."),
    ] = None,
) -> Skill:
    """Give a skill to an agent, or say how well it has it."""
    found = await find_live_agent(agent)
    new = NewSkill(name=skill, proficiency=proficiency, experience_points=experience_points or 0)
    (written,) = await put_skills([(found.id, new)])
    context().record(
        SkillSet(agent_id=found.agent_id, skill=written.name, proficiency=written.proficiency), subject=found.id
    )
    return written


@operation(
    effect="write",
    scope="agents:write",
    audience="agent",
    example={"agent": "alderman", "skill": "delegation", "points": 5},
)
async def practise(
    self: Service,
    *,
    agent: AgentReference,
    skill: SkillName,
    points: Annotated[Points, Field(description="Experience points to add.")] = 1,
) -> Skill:
    """Record that an agent practised a skill: its experience grows."""
    found = await find_live_agent(agent)
    practised = await sql.practise(agent=found.id, skill=rules.canonical_skill(skill), points=points)
    if practised is None:
        raise await _unknown_skill(found, skill)
    context().record(SkillPractised(agent_id=found.agent_id, skill=practised.name, points=points), subject=found.id)
    return practised


@operation(effect="destroy", scope="agents:write", example={"agent": "alderman", "skill": "technical writing"})
async def remove_skill(self: Service, *, agent: AgentReference, skill: SkillName) -> Skill:
    """Take a skill from an agent, with its experience."""
    found = await find_live_agent(agent)
    removed = await sql.remove(agent=found.id, skill=rules.canonical_skill(skill))
    if removed is None:
        raise await _unknown_skill(found, skill)
    event = SkillRemoved(agent_id=found.agent_id, skill=removed.name)
    context().record(event, subject=found.id, before=removed)
    return removed


@remove_skill.plan
async def _plan_remove(self: Service, *, agent: str, skill: str) -> Plan:
    found = await find_live_agent(agent)
    wanted = rules.canonical_skill(skill)
    held = [each for each in await sql.page(agent=found.id, after="", size=1000) if each.skill == wanted]
    if not held:
        raise await _unknown_skill(found, skill)
    return Plan(
        summary=f"{found.agent_id} would lose {held[0].name} with {held[0].experience_points} experience points.",
        counts={"skills": 1},
    )


async def _unknown_skill(agent: Agent, skill: str) -> SkillNotFound:
    held = await sql.page(agent=agent.id, after="", size=200)
    hint = near_match(rules.canonical_skill(skill), [each.skill for each in held])
    return SkillNotFound(
        f"Agent {agent.agent_id} has no skill {skill!r}.{hint or ' `agents.skills` shows those that it has.'}",
        agent=agent.agent_id,
        skill=skill,
    )
