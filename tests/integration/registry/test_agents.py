"""Agents: their record, their life, their history, and who may touch what."""

import asyncio
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest

from moothill.kernel.errors import Forbidden, Invalid, NotFound
from moothill.kernel.identifiers import uuid7
from moothill.moot import Moot
from moothill.registry.agents import AgentDetails, AgentFilter, AgentPatch, NewSkill
from moothill.registry.agents.errors import AgentChanged, AgentExists, AgentIsDeactivated, AgentStatusConflict
from moothill.registry.agents.models import AgentRecord


async def test_an_agent_is_registered_and_read_back_by_key_and_by_id(moot: Moot) -> None:
    made = await moot.agents.register(agent_id="ada", name="Ada", capabilities=["Review code", "Write tests"])
    assert made.status == "idle"
    assert made.version == 1
    assert await moot.agents.get(agent="ada") == made
    assert await moot.agents.get(agent=str(made.id)) == made
    assert await moot.agents.get(agent=str(made.id).upper()) == made
    names = [each.name for each in (await moot.capabilities.list(filter={"agent": "ada"})).items]  # type: ignore[arg-type]
    assert names == ["Review code", "Write tests"]


async def test_a_key_is_made_from_the_name_where_none_is_given(moot: Moot) -> None:
    assert (await moot.agents.register(name="Ada Lovelace")).agent_id == "ada-lovelace"
    with pytest.raises(Invalid, match="agent_id"):
        await moot.agents.register(name="!!!")


async def test_everything_that_is_said_of_an_agent_is_kept(moot: Moot) -> None:
    made = await moot.agents.register(
        name="Zoë",
        type="monitor",
        description="Watches.\nAlways.",
        tags=["night", "day", "night"],
        model_family="owl-2",
        details=AgentDetails(
            status="maintenance",
            model_version="2.1",
            specialisations=["logs", "traces"],
            skills=[NewSkill(name="Reading logs", proficiency=8, experience_points=120)],
            provider="Owl Works",
            url="https://owl.example/a2a?x=1",
            config={"depth": 3},
            metadata={"note": [1, None, "x"]},
        ),
    )
    assert (made.type, made.status, made.model_family, made.model_version) == ("monitor", "maintenance", "owl-2", "2.1")
    assert (made.tags, made.specialisations) == (["night", "day"], ["logs", "traces"])
    assert (made.config, made.metadata) == ({"depth": 3}, {"note": [1, None, "x"]})
    assert (made.provider, made.url) == ("Owl Works", "https://owl.example/a2a?x=1")
    assert (await moot.agents.skills(agent="zoë")).items[0].proficiency == 8


async def test_what_another_system_knew_is_taken_over_exactly(moot: Moot) -> None:
    """B5, B6, B7: rates come from sums and counts, so they neither overflow nor leave their range."""
    made = await moot.agents.register(
        name="Old hand",
        details=AgentDetails(
            record=AgentRecord(
                tasks_attempted=1,
                tasks_completed=2_999_999_999,
                tasks_failed=1_000_000_000,
                average_quality=Decimal("0.9551"),
                average_task_time_ms=754_000,
                tier="diamond",
                total_points=53_724,
                rating=1707.5,
                trust=Decimal("0.899"),
                total_active_days=525,
            )
        ),
    )
    assert made.tasks_attempted == 3_999_999_999
    assert made.success_rate == Decimal("0.75000")
    assert made.average_quality == Decimal("0.95510")
    assert made.average_task_time_ms == 754_000
    assert (made.tier, made.total_points, made.rating, made.trust) == ("diamond", 53_724, 1707.5, Decimal("0.8990"))


async def test_a_newcomer_has_the_rates_of_nobody_known(moot: Moot) -> None:
    made = await moot.agents.register(name="New")
    assert (made.success_rate, made.average_quality, made.average_task_time_ms) == (Decimal(1), Decimal("0.5"), 300_000)


async def test_an_agent_id_exists_once_in_a_tenant_and_in_each(moot: Moot, other: Moot) -> None:
    """A24: what one tenant names, another may name too; names of people need not be unique at all."""
    await moot.agents.register(agent_id="ada", name="Ada")
    with pytest.raises(AgentExists, match="'ada' exists already"):
        await moot.agents.register(agent_id="ada", name="Ada again")
    await moot.agents.register(agent_id="ada-2", name="Ada")
    assert (await other.agents.register(agent_id="ada", name="Ada")).agent_id == "ada"


async def test_a_refused_registration_leaves_nothing_behind(moot: Moot) -> None:
    with pytest.raises(Invalid, match="twice"):
        await moot.agents.register(name="Half", capabilities=["Reading", "  READING "])
    with pytest.raises(NotFound):
        await moot.agents.get(agent="half")
    assert (await moot.agents.list()).items == []


async def test_an_unknown_agent_gets_a_near_match_and_a_stranger_is_unknown(moot: Moot, other: Moot) -> None:
    await moot.agents.register(agent_id="alderman", name="The Chair")
    with pytest.raises(NotFound, match='Did you mean "alderman"'):
        await moot.agents.get(agent="aldermann")
    with pytest.raises(NotFound, match='Did you mean "alderman"'):
        await moot.agents.get(agent="the chairs")
    with pytest.raises(NotFound, match=r"agents\.list"):
        await moot.agents.get(agent="zzz")
    theirs = await other.agents.register(agent_id="stranger", name="Stranger")
    unknown = uuid7()
    for reference in (str(theirs.id), str(unknown)):
        with pytest.raises(NotFound) as refused:
            await moot.agents.get(agent=reference)
        assert str(refused.value) == (
            f"There is no agent {reference!r} in this tenant. `agents.list` shows those that exist."
        )


async def test_every_operation_takes_another_tenants_agent_for_unknown(moot: Moot, other: Moot) -> None:
    """A22, A24: another tenant's id behaves exactly as one that does not exist."""
    theirs = await other.agents.register(agent_id="theirs", name="Theirs", capabilities=["Reading"])
    await other.agents.set_skill(agent="theirs", skill="reading", proficiency=5)
    reference = str(theirs.id)
    calls = [
        moot.agents.get(agent=reference),
        moot.agents.update(agent=reference, version=1, changes=AgentPatch(name="Mine")),
        moot.agents.set_status(agent=reference, status="busy"),
        moot.agents.deactivate(agent=reference),
        moot.agents.deactivate.plan(agent=reference),
        moot.agents.reactivate(agent=reference),
        moot.agents.heartbeat(beats=[{"agent": reference}]),  # type: ignore[list-item]
        moot.agents.skills(agent=reference),
        moot.agents.set_skill(agent=reference, skill="reading", proficiency=9),
        moot.agents.practise(agent=reference, skill="reading"),
        moot.agents.remove_skill(agent=reference, skill="reading"),
        moot.agents.activity(agent=reference),
        moot.agents.status_history(agent=reference),
        moot.agents.card(agent=reference),
        moot.agents.view_as(agent=reference),
        moot.capabilities.add(agent=reference, capabilities=[{"name": "x"}]),  # type: ignore[list-item]
        moot.capabilities.summary(agent=reference),
        moot.keys.create(name="k", scopes=["agents:read"], agent=reference),
    ]
    for call in calls:
        with pytest.raises(NotFound):
            await call
    assert await other.agents.get(agent="theirs") == theirs
    assert (await other.agents.skills(agent="theirs")).items[0].proficiency == 5
    assert (await moot.agents.statistics()).total == 0


@pytest.mark.parametrize(
    "arguments",
    [
        {"name": ""},
        {"name": "x" * 10_000},
        {"name": "a\x00b"},
        {"name": "a\nb"},
        {"name": "\ud800"},
        {"name": "Ada", "type": "wizard"},
        {"name": "Ada", "agent_id": "x" * 256},
        {"name": "Ada", "description": "x" * 10_001},
        {"name": "Ada", "tags": ["x"] * 101},
        {"name": "Ada", "tags": ["x" * 101]},
        {"name": "Ada", "capabilities": ["x" * 501]},
        {"name": "Ada", "capabilities": ["x"] * 201},
        {"name": "Ada", "capabilities": ["ﷺ" * 100]},
        {"name": "Ada", "details": {"url": "javascript:alert(1)"}},
        {"name": "Ada", "details": {"config": {"a": "x" * 70_000}}},
        {"name": "Ada", "details": {"metadata": {"a": 2**70}}},
        {"name": "Ada", "details": {"skills": [{"name": "s", "proficiency": 11}]}},
        {"name": "Ada", "details": {"surprise": 1}},
        {"name": "Ada", "wings": 2},
    ],
)
async def test_bad_input_is_invalid_and_changes_nothing(moot: Moot, arguments: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        await moot.agents.register(**arguments)
    assert (await moot.agents.statistics()).total == 0


async def test_deep_json_is_refused(moot: Moot) -> None:
    deep: dict[str, Any] = {}
    for _ in range(40):
        deep = {"a": deep}
    with pytest.raises(Invalid, match="deeper"):
        await moot.agents.register(name="Ada", details={"config": deep})  # type: ignore[arg-type]


async def test_a_change_wants_the_version_that_was_read(moot: Moot) -> None:
    made = await moot.agents.register(name="Ada", tags=["a"], details=AgentDetails(url="https://a.example"))
    changed = await moot.agents.update(
        agent="ada",
        version=made.version,
        changes=AgentPatch(name="Ada L.", tags=["b", "c"], specialisations=["law"], metadata={"x": 1}),
    )
    assert (changed.name, changed.tags, changed.specialisations, changed.version) == ("Ada L.", ["b", "c"], ["law"], 2)
    assert changed.url == "https://a.example"
    assert changed.updated_at > made.updated_at
    with pytest.raises(AgentChanged, match="version 2, not 1") as refused:
        await moot.agents.update(agent="ada", version=1, changes=AgentPatch(name="Lost"))
    assert refused.value.context["version"] == 2
    cleared = await moot.agents.update(agent="ada", version=2, changes=AgentPatch(url=None))
    assert cleared.url is None
    with pytest.raises(Invalid, match="at least one"):
        await moot.agents.update(agent="ada", version=3, changes=AgentPatch())
    assert [agent.agent_id for agent in (await moot.agents.list(filter=AgentFilter(tag="b"))).items] == ["ada"]
    assert (await moot.agents.list(filter=AgentFilter(tag="a"))).items == []


async def test_of_two_writers_of_one_version_one_is_told(moot: Moot) -> None:
    """X2: optimistic versions; nothing is lost in silence."""
    made = await moot.agents.register(name="Ada")

    async def write(name: str) -> str:
        changed = await moot.agents.update(agent="ada", version=made.version, changes=AgentPatch(name=name))
        return changed.name

    outcomes = await asyncio.gather(*(write(f"Ada {n}") for n in range(6)), return_exceptions=True)
    winners = [each for each in outcomes if isinstance(each, str)]
    assert len(winners) == 1
    assert sum(isinstance(each, AgentChanged) for each in outcomes) == 5
    kept = await moot.agents.get(agent="ada")
    assert (kept.name, kept.version) == (winners[0], 2)


async def test_a_status_changes_with_its_reason_and_history(moot: Moot) -> None:
    await moot.agents.register(name="Ada")
    await moot.agents.set_status(agent="ada", status="busy", reason="a long task")
    await moot.agents.set_status(agent="ada", status="busy", reason="again")
    back = await moot.agents.set_status(agent="ada", status="offline")
    assert (back.status, back.status_reason) == ("offline", None)
    changes = (await moot.agents.status_history(agent="ada")).items
    assert [(c.old_status, c.new_status, c.reason) for c in changes] == [
        ("busy", "offline", None),
        ("idle", "busy", "a long task"),
    ]
    assert changes[0].actor_name == "local operator"


async def test_a_suspended_agent_cannot_go_straight_back_to_work(moot: Moot) -> None:
    """B38: the way between states is declared, and enforced by one conditional statement."""
    await moot.agents.register(name="Ada")
    await moot.agents.set_status(agent="ada", status="suspended", reason="review")
    with pytest.raises(AgentStatusConflict, match="possible: idle, offline, maintenance"):
        await moot.agents.set_status(agent="ada", status="active")
    assert (await moot.agents.set_status(agent="ada", status="idle")).status == "idle"


async def test_an_agent_neither_suspends_nor_frees_itself(moot: Moot) -> None:
    await moot.agents.register(name="Ada")
    issued = await moot.keys.create(name="ada", scopes=["agents:write", "agents:read"], agent="ada")
    ada = moot.with_key(issued.secret)
    assert (await ada.agents.set_status(agent="ada", status="busy")).status == "busy"
    with pytest.raises(Forbidden):
        await ada.agents.set_status(agent="ada", status="suspended")
    await moot.agents.set_status(agent="ada", status="suspended")
    with pytest.raises(Forbidden, match="only an operator"):
        await ada.agents.set_status(agent="ada", status="idle")
    with pytest.raises(Forbidden):
        await ada.agents.register(name="B", details=AgentDetails(record=AgentRecord()))


async def test_deactivating_takes_an_agent_away_and_loses_nothing(moot: Moot) -> None:
    """B29: soft, and never a cascade."""
    made = await moot.agents.register(name="Ada", capabilities=["Review contracts"])
    await moot.agents.set_skill(agent="ada", skill="law", proficiency=7)
    plan = await moot.agents.deactivate.plan(agent="ada")
    assert plan.counts == {"agents": 1, "capabilities no longer found": 1}
    assert (await moot.agents.get(agent="ada")).deactivated_at is None
    gone = await moot.agents.deactivate(agent="ada", reason="replaced")
    assert (gone.status, gone.status_reason) == ("offline", "replaced")
    assert gone.deactivated_at is not None
    assert (await moot.agents.list()).items == []
    assert (await moot.agents.active()).items == []
    assert (await moot.agents.choose(capability="Review contracts")).choices == []
    assert (await moot.search.find(text="review contracts")).hits == []
    assert [a.id for a in (await moot.agents.list(filter=AgentFilter(include_deactivated=True))).items] == [made.id]
    for call in (
        moot.agents.deactivate(agent="ada"),
        moot.agents.update(agent="ada", version=gone.version, changes=AgentPatch(name="x")),
        moot.agents.set_status(agent="ada", status="idle"),
        moot.agents.heartbeat(beats=[{"agent": "ada"}]),  # type: ignore[list-item]
        moot.agents.set_skill(agent="ada", skill="law", proficiency=8),
        moot.agents.view_as(agent="ada"),
        moot.keys.create(name="k", scopes=["agents:read"], agent="ada"),
    ):
        with pytest.raises(AgentIsDeactivated, match="deactivated"):
            await call
    back = await moot.agents.reactivate(agent="ada")
    assert (back.deactivated_at, back.status) == (None, "offline")
    assert (await moot.agents.skills(agent="ada")).items[0].proficiency == 7
    assert (await moot.search.find(text="review contracts")).hits != []
    assert await moot.agents.reactivate(agent="ada") == back
    with pytest.raises(AgentExists):
        await moot.agents.register(agent_id="ada", name="Another Ada")


async def test_activity_holds_what_happened_to_an_agent_and_what_it_did(moot: Moot) -> None:
    await moot.agents.register(name="Ada")
    await moot.agents.register(name="Bob")
    await moot.agents.set_status(agent="ada", status="busy")
    issued = await moot.keys.create(name="ada", scopes=["agents:*"], agent="ada")
    await moot.with_key(issued.secret).agents.set_skill(agent="bob", skill="law", proficiency=3)
    kinds = [event.kind for event in (await moot.agents.activity(agent="ada")).items]
    assert kinds == ["agents.skill_set", "agents.status_changed", "agents.registered"]
    first = await moot.agents.activity(agent="ada", limit=2)
    second = await moot.agents.activity(agent="ada", limit=2, cursor=first.next)
    assert [event.kind for event in (*first.items, *second.items)] == kinds
    assert second.next is None
    with pytest.raises(Invalid, match="cursor"):
        await moot.agents.activity(agent="bob", cursor=first.next)


async def test_viewing_as_an_agent_is_recorded_under_both_names(moot: Moot) -> None:
    await moot.agents.register(name="Ada")
    seen = moot.view_as("ada")
    await seen.agents.set_skill(agent="ada", skill="law", proficiency=2)
    events = (await moot.agents.activity(agent="ada")).items
    assert [event.kind for event in events[:2]] == ["agents.skill_set", "agents.viewed_as"]
    assert (events[0].actor_kind, events[0].actor_name) == ("agent", "Ada")
    assert events[0].real_actor is not None


async def test_a_view_is_recorded_once_however_many_first_calls_there_are(moot: Moot) -> None:
    await moot.agents.register(name="Ada")
    seen = moot.view_as("ada")
    await asyncio.gather(*(seen.agents.get(agent="ada") for _ in range(5)))
    assert len((await moot.events.list(kind="agents.viewed_as")).items) == 1
    begun = moot.view_as("ada", begun=True)
    assert (await begun.keys.current()).actor_name == "Ada"
    assert len((await moot.events.list(kind="agents.viewed_as")).items) == 1
    await moot.agents.deactivate(agent="ada")
    with pytest.raises(AgentIsDeactivated):
        await moot.view_as("ada", begun=True).keys.current()


async def test_skills_are_set_practised_and_removed(moot: Moot) -> None:
    await moot.agents.register(name="Ada")
    await moot.agents.set_skill(agent="ada", skill="Risk  Management", proficiency=4, experience_points=50)
    again = await moot.agents.set_skill(agent="ada", skill="risk management", proficiency=6)
    assert (again.proficiency, again.experience_points) == (6, 50)
    practised = await moot.agents.practise(agent="ada", skill="RISK management", points=7)
    assert practised.experience_points == 57
    assert practised.last_practised_at is not None
    await moot.agents.set_skill(agent="ada", skill="accounting", proficiency=1)
    page = await moot.agents.skills(agent="ada", limit=1)
    rest = await moot.agents.skills(agent="ada", limit=1, cursor=page.next)
    assert [skill.name for skill in (*page.items, *rest.items)] == ["accounting", "risk management"]
    with pytest.raises(NotFound, match='Did you mean "accounting"'):
        await moot.agents.practise(agent="ada", skill="acounting")
    plan = await moot.agents.remove_skill.plan(agent="ada", skill="accounting")
    assert plan.counts == {"skills": 1}
    await moot.agents.remove_skill(agent="ada", skill="accounting")
    assert len((await moot.agents.skills(agent="ada")).items) == 1
    for call in (
        moot.agents.remove_skill(agent="ada", skill="accounting"),
        moot.agents.remove_skill.plan(agent="ada", skill="accounting"),
    ):
        with pytest.raises(NotFound, match="no skill"):
            await call
    for bad in (-1, 11):
        with pytest.raises(Invalid):
            await moot.agents.set_skill(agent="ada", skill="x", proficiency=bad)


async def test_a_repeated_registration_with_a_key_returns_the_first_agent(moot: Moot) -> None:
    register = moot.agents.register.options(idempotency_key="once")
    first = await register(name="Ada", capabilities=["Reading"])
    assert await register(name="Ada", capabilities=["Reading"]) == first
    assert (await moot.agents.statistics()).total == 1


async def test_registering_and_adding_in_one_batch_is_all_or_nothing(moot: Moot) -> None:
    made = moot.agents.register.call(name="Ada")
    added = moot.capabilities.add.call(agent=made.result["agent_id"], capabilities=[{"name": "Reading"}])  # type: ignore[list-item]
    agent, capabilities = await moot.batch([made, added])
    assert capabilities[0].agent == agent.id
    with pytest.raises(NotFound):
        await moot.batch(
            [moot.agents.register.call(name="Bob"), moot.agents.set_status.call(agent="nobody", status="busy")]
        )
    with pytest.raises(NotFound):
        await moot.agents.get(agent="bob")


async def test_statistics_count_by_status_and_type(moot: Moot) -> None:
    for number, kind in enumerate(("worker", "worker", "monitor")):
        await moot.agents.register(name=f"Agent {number}", type=kind)  # type: ignore[arg-type]
    await moot.agents.set_status(agent="agent-0", status="busy")
    found = await moot.agents.statistics()
    assert {(c.status, c.type): c.agents for c in found.counts} == {
        ("busy", "worker"): 1,
        ("idle", "monitor"): 1,
        ("idle", "worker"): 1,
    }
    assert (found.total, found.capped) == (3, False)


async def test_active_agents_are_those_that_the_view_shows(moot: Moot) -> None:
    """B9: each once."""
    for name in ("Ada", "Bob", "Cid"):
        await moot.agents.register(name=name)
    await moot.agents.set_status(agent="bob", status="suspended")
    first = await moot.agents.active(limit=1)
    second = await moot.agents.active(limit=1, cursor=first.next)
    assert [agent.agent_id for agent in (*first.items, *second.items)] == ["ada", "cid"]
    assert second.next is None


async def test_a_card_is_made_where_none_came_in(moot: Moot) -> None:
    await moot.agents.register(name="Ada", capabilities=["Review contracts"])
    with pytest.raises(Invalid, match="url"):
        await moot.agents.card(agent="ada")
    made = await moot.agents.card(agent="ada", url="https://ada.example/a2a")
    assert not made.original
    assert '"Review contracts"' in made.content


async def test_an_inactive_agent_is_found_by_how_long_it_was_not_at_work(moot: Moot) -> None:
    record = AgentRecord.model_validate({"last_active_at": "2020-01-01T00:00:00Z"})
    await moot.agents.register(name="Old", details=AgentDetails(record=record))
    await moot.agents.register(name="New")
    found = await moot.agents.list(filter=AgentFilter(inactive_for=timedelta(days=30)))
    assert [agent.agent_id for agent in found.items] == ["old"]
    ordered = await moot.agents.list(order="last_active")
    assert [agent.agent_id for agent in ordered.items] == ["new", "old"]


async def test_an_agent_id_that_looks_like_an_id_names_its_own_agent(moot: Moot) -> None:
    key = str(uuid4())
    made = await moot.agents.register(agent_id=key, name="Robot")
    assert (await moot.agents.get(agent=key)).id == made.id
    await moot.agents.heartbeat(beats=[{"agent": key, "status": "busy"}])  # type: ignore[list-item]
    assert (await moot.agents.get(agent=str(made.id))).status == "busy"
