"""Choosing: the agents that can take work now, and why."""

from decimal import Decimal

import pytest

from moothill.kernel.errors import Invalid
from moothill.moot import Moot
from moothill.registry.agents import AgentDetails, Heartbeat, NewSkill
from moothill.registry.agents.models import AgentRecord
from moothill.registry.capabilities import NewCapability


async def society(moot: Moot) -> None:
    for name, capability in (
        ("Ada", "Reviewing contracts"),
        ("Bob", "Reviewing legal agreements"),
        ("Cid", "Baking bread"),
        ("Dan", "Reviewing contracts"),
    ):
        await moot.agents.register(name=name, capabilities=[capability], tags=["human"] if name == "Cid" else [])
    await moot.agents.heartbeat(
        beats=[
            Heartbeat(agent="ada", status="idle", utilisation=Decimal("0.9"), queued_tasks=4),
            Heartbeat(agent="dan", status="idle", utilisation=Decimal("0.1")),
        ]
    )


async def test_those_who_can_come_first_and_the_freer_before_the_busier(moot: Moot) -> None:
    await society(moot)
    found = await moot.agents.choose(capability="reviewing contracts")
    chosen = {choice.agent.agent_id: choice for choice in found.choices}
    assert next(iter(chosen)) == "dan"
    dan, ada = chosen["dan"], chosen["ada"]
    assert dan.capability is not None
    assert (dan.capability.name, dan.capability.relevance) == ("Reviewing contracts", Decimal(1))
    assert dan.score > ada.score
    assert {part.name: part.value for part in dan.parts}["load"] == Decimal("0.9")
    weighted = sum((part.value * part.weight for part in dan.parts), Decimal(0))
    assert dan.score == weighted.quantize(Decimal("0.0001"))
    assert all(part.reason for part in dan.parts)
    assert list(chosen).index("ada") > list(chosen).index("bob")
    assert "cid" not in list(chosen)[:3]
    assert found.considered <= 4
    assert not found.bounded


async def test_those_who_cannot_take_work_now_are_left_out(moot: Moot) -> None:
    await society(moot)
    await moot.agents.set_status(agent="dan", status="busy")
    await moot.agents.set_status(agent="ada", status="offline")
    found = await moot.agents.choose(capability="reviewing contracts")
    assert not {"dan", "ada"} & {choice.agent.agent_id for choice in found.choices}
    await moot.agents.set_status(agent="dan", status="active")
    assert (await moot.agents.choose(capability="reviewing contracts")).choices[0].agent.agent_id == "dan"


async def test_standing_and_confidence_weigh_in(moot: Moot) -> None:
    for name, trust, completed in (("Good", "0.9", 90), ("Poor", "0.1", 10)):
        record = AgentRecord(trust=Decimal(trust), tasks_completed=completed, tasks_failed=100 - completed)
        await moot.agents.register(name=name, capabilities=["Reading"], details=AgentDetails(record=record))
    found = await moot.agents.choose(capability="reading")
    assert [choice.agent.agent_id for choice in found.choices] == ["good", "poor"]
    await moot.agents.register(name="Sure")
    await moot.capabilities.add(agent="sure", capabilities=[NewCapability(name="reading", confidence=Decimal("1.00"))])
    assert (await moot.agents.choose(capability="reading", limit=1)).choices[0].agent.agent_id == "sure"


async def test_an_alias_is_as_good_as_the_name(moot: Moot) -> None:
    await moot.agents.register(name="Ada")
    await moot.capabilities.add(
        agent="ada", capabilities=[NewCapability(name="Reviewing contracts", aliases=["Paper shield"])]
    )
    (choice,) = (await moot.agents.choose(capability="paper  SHIELD")).choices
    assert choice.capability is not None
    assert choice.capability.relevance == 1


async def test_an_agent_is_found_by_its_own_description_too(moot: Moot) -> None:
    await moot.agents.register(name="Ada", description="Repairs espresso machines and grinders.")
    (choice,) = (await moot.agents.choose(capability="repair an espresso machine")).choices
    assert choice.capability is None
    assert choice.parts[0].reason == "its description fits"


async def test_skill_type_and_tags_narrow_the_choice(moot: Moot) -> None:
    for name, level in (("Ada", 9), ("Bob", 5)):
        skills = [NewSkill(name="Contract Law", proficiency=level)]
        await moot.agents.register(name=name, tags=["law", name], details=AgentDetails(skills=skills))
    await moot.agents.register(name="Cid", type="worker", tags=["law"])
    found = await moot.agents.choose(skill="contract law")
    assert [choice.agent.agent_id for choice in found.choices] == ["ada", "bob"]
    assert [c.agent.agent_id for c in (await moot.agents.choose(skill="contract law", proficiency=8)).choices] == [
        "ada"
    ]
    assert [c.agent.agent_id for c in (await moot.agents.choose(type="worker")).choices] == ["cid"]
    assert [c.agent.agent_id for c in (await moot.agents.choose(tags=["law", "Bob", "law"])).choices] == ["bob"]
    assert len((await moot.agents.choose(tags=["law"])).choices) == 3
    assert (await moot.agents.choose(tags=["law", "nothing"])).choices == []
    assert (await moot.agents.choose(capability="anything", tags=["nothing"])).choices == []
    assert len((await moot.agents.choose(limit=2)).choices) == 2


async def test_one_tenant_chooses_none_of_another(moot: Moot, other: Moot) -> None:
    await society(other)
    assert (await moot.agents.choose(capability="reviewing contracts")).choices == []
    assert (await moot.agents.choose()).choices == []


async def test_the_same_question_has_the_same_answer(moot: Moot) -> None:
    await society(moot)
    first = await moot.agents.choose(capability="review a contract")
    assert await moot.agents.choose(capability="review a contract") == first


@pytest.mark.parametrize("arguments", [{"limit": 0}, {"limit": 51}, {"proficiency": 11}, {"capability": ""}])
async def test_bad_input_is_invalid(moot: Moot, arguments: dict[str, object]) -> None:
    with pytest.raises(Invalid):
        await moot.agents.choose(**arguments)  # type: ignore[arg-type]
