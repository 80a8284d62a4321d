"""Relationships: writing, observing, changing, listing, and what shows them."""

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest

from moothill.kernel.errors import Conflict, Invalid, NotFound
from moothill.moot import Moot
from moothill.registry.agents.errors import AgentIsDeactivated
from moothill.registry.relationships import NewRelationship, Observation, Relationship
from moothill.registry.relationships.errors import (
    OtherDirection,
    OwnRelationship,
    RelationshipChanged,
    SeenInFuture,
)
from moothill.registry.relationships.models import RelationshipDetails, RelationshipFilter, RelationshipPatch
from moothill.registry.relationships.rules import strength_after


async def people(moot: Moot, *names: str) -> None:
    for name in names:
        await moot.agents.register(name=name.title(), agent_id=name)


async def put(moot: Moot, source: str, target: str, **more: Any) -> Relationship:
    given: dict[str, Any] = {"type": "COLLABORATES_WITH", "confidence": Decimal("0.9"), **more}
    return await moot.relationships.put(source=source, target=target, **given)


async def test_a_relationship_is_written_read_and_written_over(moot: Moot) -> None:
    """A6: a change of an edge is no error, and its time moves."""
    await people(moot, "ada", "bela")
    tasks = [uuid4(), uuid4()]
    made = await put(
        moot,
        "ada",
        "bela",
        type="VALIDATES",
        directional=True,
        strength=Decimal("0.5"),
        evidence=tasks,
        context="Reviews what the other writes.",
        details=RelationshipDetails(metadata={"from": "reviews"}),
        cooccurrences=7,
    )
    assert (made.source, made.target, made.type, made.directional) == ("ada", "bela", "VALIDATES", True)
    assert (made.confidence, made.strength, made.cooccurrence_count) == (Decimal("0.90"), Decimal("0.5000"), 7)
    assert (made.evidence_count, made.version, made.mutual_information) == (2, 1, None)
    assert await moot.relationships.get(relationship=made.id) == made
    shown = await moot.relationships.evidence(relationship=made.id, limit=1)
    rest = await moot.relationships.evidence(relationship=made.id, cursor=shown.next)
    assert [each.task_id for each in (*shown.items, *rest.items)] == sorted(tasks)
    again = await put(
        moot, "ada", "bela", type="VALIDATES", directional=True, confidence=Decimal("0.7"), evidence=[*tasks, uuid4()]
    )
    assert (again.id, again.version, again.confidence, again.strength) == (
        made.id,
        2,
        Decimal("0.70"),
        Decimal("1.0000"),
    )
    # What was counted is not taken back.
    assert (again.cooccurrence_count, again.evidence_count, again.extraction_context) == (7, 3, "")
    assert again.updated_at > made.updated_at
    kinds = [event.kind for event in (await moot.events.list(subject=made.source_id)).items]
    assert kinds.count("relationships.put") == 2


async def test_an_undirected_one_stands_once_whichever_way_it_is_written(moot: Moot) -> None:
    """A26: it holds both ways, and is one row."""
    await people(moot, "ada", "bela")
    there = await put(moot, "ada", "bela")
    back = await put(moot, "bela", "ada", confidence=Decimal("0.6"))
    assert (there.id, there.source, there.target) == (back.id, back.source, back.target)
    assert back.confidence == Decimal("0.60")
    for agent in ("ada", "bela"):
        for direction in ("out", "in", "both"):
            filter = RelationshipFilter(agent=agent, direction=direction)
            (found,) = (await moot.relationships.list(filter=filter)).items
            assert found == back


async def test_both_ways_and_one_way_do_not_stand_beside_each_other(moot: Moot) -> None:
    """A25: neither the forward nor the backward edge of a type beside the undirected one; both directed may be."""
    await people(moot, "ada", "bela")
    await put(moot, "ada", "bela", directional=True)
    await put(moot, "bela", "ada", directional=True)
    for source, target in (("ada", "bela"), ("bela", "ada")):
        with pytest.raises(OtherDirection, match="one way only"):
            await put(moot, source, target)
    await put(moot, "ada", "bela", type="SIMILAR_TO")
    for source, target in (("ada", "bela"), ("bela", "ada")):
        with pytest.raises(OtherDirection, match="both ways"):
            await put(moot, source, target, type="SIMILAR_TO", directional=True)
        with pytest.raises(OtherDirection):
            edges = [
                NewRelationship(source="ada", target="bela", type="ENHANCES", confidence=Decimal(1)),
                NewRelationship(
                    source=source, target=target, type="SIMILAR_TO", directional=True, confidence=Decimal(1)
                ),
            ]
            await moot.relationships.load(relationships=edges)
    assert len((await moot.relationships.list()).items) == 3


@pytest.mark.parametrize("forms", [(False, False), (True, False), (False, True)])
async def test_of_two_that_race_only_one_form_stays(moot: Moot, forms: tuple[bool, bool]) -> None:
    """A25: A to B and B to A at the same moment; the unique indexes decide, not a look before."""
    await people(moot, "ada", "bela")
    for kind in ("COLLABORATES_WITH", "SIMILAR_TO", "COMPETES_WITH"):
        both = (
            put(moot, "ada", "bela", type=kind, directional=forms[0]),
            put(moot, "bela", "ada", type=kind, directional=forms[1]),
        )
        outcomes = await asyncio.gather(*both, return_exceptions=True)
        assert all(isinstance(each, Relationship | OtherDirection) for each in outcomes), outcomes
        (stays,) = (await moot.relationships.list(filter=RelationshipFilter(types=[kind]))).items
        ids = {each.id for each in outcomes if isinstance(each, Relationship)}
        assert ids == {stays.id}


async def test_many_are_written_in_one_call_all_or_none(moot: Moot) -> None:
    await people(moot, "ada", "bela", "cleo")
    edges = [
        NewRelationship(source="ada", target="bela", type="INFLUENCES", directional=True, confidence=Decimal("0.8")),
        NewRelationship(source="bela", target="cleo", type="SIMILAR_TO", confidence=Decimal("0.6")),
    ]
    report = await moot.relationships.load(relationships=edges)
    assert (report.created, report.updated) == (2, 0)
    report = await moot.relationships.load(
        relationships=[*edges, NewRelationship(source="cleo", target="ada", type="REPLACES", confidence=Decimal(1))]
    )
    assert (report.created, report.updated) == (1, 2)
    with pytest.raises(Invalid, match="twice"):
        await moot.relationships.load(relationships=[*edges, edges[0]])
    with pytest.raises(NotFound, match='"cleo"'):
        nobody = NewRelationship(source="ada", target="cleoo", type="REPLACES", confidence=Decimal(1))
        await moot.relationships.load(relationships=[edges[0].model_copy(update={"type": "ENHANCES"}), nobody])
    assert len((await moot.relationships.list()).items) == 3
    (event,) = (await moot.events.list(kind="relationships.loaded", limit=1)).items
    assert len(event.subjects) == 3


async def test_observations_raise_counts_and_strength_and_a_task_counts_once(moot: Moot) -> None:
    await people(moot, "ada", "bela", "cleo")
    made = await put(moot, "ada", "bela", strength=Decimal("0.5"))
    task = uuid4()
    seen = Observation(source="bela", target="ada", type="COLLABORATES_WITH", task=task)
    report = await moot.relationships.observe(observations=[seen, seen])
    assert (report.counted, report.repeated, report.relationships, report.created) == (1, 1, 1, 0)
    report = await moot.relationships.observe(observations=[seen])
    assert (report.counted, report.repeated) == (0, 1)
    found = await moot.relationships.get(relationship=made.id)
    assert (found.cooccurrence_count, found.evidence_count, found.version) == (2, 1, 1)
    assert found.strength == strength_after(Decimal("0.5"), 1) == Decimal("0.5500")
    assert found.last_observed_at > made.last_observed_at
    more = Observation(source="ada", target="cleo", type="INFLUENCES", directional=True, times=12)
    report = await moot.relationships.observe(observations=[more, seen.model_copy(update={"task": None, "times": 3})])
    assert (report.counted, report.created) == (15, 1)
    new = (await moot.relationships.list(filter=RelationshipFilter(agent="cleo"))).items[0]
    assert (new.cooccurrence_count, new.confidence) == (12, Decimal("0.50"))
    assert new.strength == strength_after(Decimal(0), 12)
    found = await moot.relationships.get(relationship=made.id)
    assert (found.cooccurrence_count, found.strength) == (5, strength_after(Decimal("0.5"), 4))


async def test_what_is_seen_one_way_counts_where_it_holds_both_ways_and_not_the_reverse(moot: Moot) -> None:
    await people(moot, "ada", "bela")
    both = await put(moot, "ada", "bela")
    for source, target in (("ada", "bela"), ("bela", "ada")):
        one_way = Observation(source=source, target=target, type="COLLABORATES_WITH", directional=True)
        await moot.relationships.observe(observations=[one_way])
    assert (await moot.relationships.get(relationship=both.id)).cooccurrence_count == 3
    await put(moot, "ada", "bela", type="VALIDATES", directional=True)
    with pytest.raises(OtherDirection, match="one way only"):
        await moot.relationships.observe(observations=[Observation(source="ada", target="bela", type="VALIDATES")])


async def test_observations_at_once_are_all_counted(moot: Moot) -> None:
    """B31: nothing is lost between reading and writing; edges made by several at once are one."""
    await people(moot, "ada", "bela", "cleo")
    tasks = [uuid4() for _ in range(8)]

    async def report(number: int) -> None:
        pairs = [("ada", "bela"), ("bela", "cleo"), ("cleo", "ada")]
        if number % 2:
            pairs.reverse()
        observations = [
            Observation(source=source, target=target, type="COLLABORATES_WITH", task=task)
            for source, target in pairs
            for task in (tasks[number % 8], None)
        ]
        await moot.relationships.observe(observations=observations)

    await asyncio.gather(*(report(number) for number in range(16)))
    found = (await moot.relationships.list()).items
    assert [(each.cooccurrence_count, each.evidence_count) for each in found] == [(24, 8)] * 3
    assert {each.strength for each in found} == {strength_after(Decimal(0), 24)}


async def test_a_change_is_made_on_the_version_that_was_read(moot: Moot) -> None:
    await people(moot, "ada", "bela")
    made = await put(moot, "ada", "bela")
    changed = await moot.relationships.update(
        relationship=made.id, version=1, changes=RelationshipPatch(strength=Decimal("0.25"), context="again")
    )
    assert (changed.version, changed.strength, changed.confidence) == (2, Decimal("0.2500"), Decimal("0.90"))
    assert changed.extraction_context == "again"
    with pytest.raises(RelationshipChanged, match="version 2, not 1"):
        await moot.relationships.update(
            relationship=made.id, version=1, changes=RelationshipPatch(confidence=Decimal("0.6"))
        )
    with pytest.raises(Invalid, match="at least one field"):
        await moot.relationships.update(relationship=made.id, version=2, changes=RelationshipPatch())


async def test_removing_shows_first_what_would_go(moot: Moot) -> None:
    await people(moot, "ada", "bela")
    made = await put(moot, "ada", "bela", evidence=[uuid4()])
    plan = await moot.relationships.remove.plan(relationship=made.id)
    assert plan.counts == {"relationships": 1, "evidence": 1}
    assert "ada" in plan.summary and "bela" in plan.summary
    assert await moot.relationships.get(relationship=made.id) == made
    assert (await moot.relationships.remove(relationship=made.id)).id == made.id
    with pytest.raises(NotFound, match=r"relationships\.list"):
        await moot.relationships.remove(relationship=made.id)
    # The way is free for the other direction.
    await put(moot, "bela", "ada", directional=True)


async def test_bad_edges_are_refused_with_field_rule_and_way_out(moot: Moot, other: Moot) -> None:
    await people(moot, "ada", "bela")
    await people(other, "cleo")
    stranger = await other.agents.get(agent="cleo")
    with pytest.raises(OwnRelationship, match="ada stands at both ends") as own:
        await put(moot, "ada", "ada")
    assert own.value.context["field"] == "target"
    with pytest.raises(NotFound, match=r"no agent .* in this tenant"):
        await put(moot, "ada", str(stranger.id))
    with pytest.raises(NotFound):
        await put(moot, "ada", "cleo")
    with pytest.raises(Invalid, match=r"confidence.*0\.5"):
        await put(moot, "ada", "bela", confidence=Decimal("0.4"))
    with pytest.raises(Invalid, match='Did you mean "COLLABORATES_WITH"'):
        await put(moot, "ada", "bela", type="COLABORATES_WITH")
    with pytest.raises(Invalid, match="The types are COLLABORATES_WITH"):
        await put(moot, "ada", "bela", type="qqq")
    await moot.agents.deactivate(agent="bela")
    with pytest.raises(AgentIsDeactivated, match=r"agents\.reactivate"):
        await put(moot, "ada", "bela")
    assert (await moot.relationships.list()).items == []


async def test_lists_are_filtered_ordered_and_paged(moot: Moot) -> None:
    await people(moot, "ada", "bela", "cleo", "dora")
    for place, (source, target) in enumerate(
        [("ada", "bela"), ("bela", "cleo"), ("cleo", "dora"), ("ada", "dora"), ("ada", "cleo")]
    ):
        await put(
            moot,
            source,
            target,
            type="DEPENDS_ON" if place % 2 else "INFLUENCES",
            directional=True,
            confidence=Decimal("0.5") + Decimal("0.1") * (place % 3),
        )

    async def all_of(**given: Any) -> list[tuple[str, str]]:
        found: list[tuple[str, str]] = []
        cursor = None
        while True:
            page = await moot.relationships.list(limit=2, cursor=cursor, **given)
            found += [(each.source, each.target) for each in page.items]
            if (cursor := page.next) is None:
                return found

    assert len(await all_of()) == 5
    assert (await all_of(order="confidence"))[0] == ("cleo", "dora")
    assert await all_of(filter=RelationshipFilter(agent="ada", direction="out")) == [
        ("ada", "bela"),
        ("ada", "dora"),
        ("ada", "cleo"),
    ]
    assert await all_of(filter=RelationshipFilter(agent="dora", direction="in"), order="confidence") == [
        ("cleo", "dora"),
        ("ada", "dora"),
    ]
    assert await all_of(filter=RelationshipFilter(agent="dora", direction="out")) == []
    assert len(await all_of(filter=RelationshipFilter(types=["DEPENDS_ON"]))) == 2
    assert len(await all_of(filter=RelationshipFilter(minimum_confidence=Decimal("0.6")))) == 3


async def test_summary_and_connectivity_count_undirected_ones_at_both_ends(moot: Moot) -> None:
    await people(moot, "ada", "bela", "cleo")
    await put(moot, "ada", "bela", confidence=Decimal("0.8"))
    await put(moot, "ada", "cleo", type="INFLUENCES", directional=True)
    rows = (await moot.relationships.summary()).items
    assert sorted((each.agent_id, each.type, each.relationship_count) for each in rows) == [
        ("ada", "COLLABORATES_WITH", 1),
        ("ada", "INFLUENCES", 1),
        ("bela", "COLLABORATES_WITH", 1),
    ]
    assert rows[0].avg_confidence in (Decimal("0.80000"), Decimal("0.90000"))
    first = await moot.relationships.summary(limit=1)
    second = await moot.relationships.summary(limit=5, cursor=first.next)
    assert [*first.items, *second.items] == rows
    counts = {
        each.agent_id: (each.outbound_relationships, each.inbound_relationships, each.total_relationships)
        for each in (await moot.relationships.connectivity()).items
    }
    assert counts == {"ada": (2, 1, 2), "bela": (1, 1, 1), "cleo": (0, 1, 1)}
    (one,) = (await moot.relationships.connectivity(agent="cleo")).items
    assert one.total_relationships == 1


async def test_edges_of_another_tenant_are_not_there(moot: Moot, other: Moot) -> None:
    """A22: edges have a tenant, and row security."""
    for each in (moot, other):
        await people(each, "ada", "bela")
    made = await put(moot, "ada", "bela")
    assert (await other.relationships.list()).items == []
    for call in (
        other.relationships.get(relationship=made.id),
        other.relationships.evidence(relationship=made.id),
        other.relationships.remove(relationship=made.id),
        other.relationships.update(
            relationship=made.id, version=1, changes=RelationshipPatch(confidence=Decimal("0.6"))
        ),
        other.relationships.remove.plan(relationship=made.id),
    ):
        with pytest.raises(NotFound):
            await call
    own = (await moot.agents.get(agent="ada")).id
    with pytest.raises(NotFound):
        await put(other, "bela", str(own))
    assert isinstance(made.id, UUID)
    with pytest.raises(Conflict):
        await put(moot, "ada", "bela", directional=True)


async def test_the_summary_pages_through_every_agent(moot: Moot) -> None:
    """A page that begins at an agent that was shown already is no shorter for it."""
    names = [f"a{number}" for number in range(8)]
    await people(moot, *names)
    for source, target in zip(names[::2], names[1::2], strict=True):
        await put(moot, source, target)
    shown: list[str] = []
    cursor = None
    while True:
        page = await moot.relationships.summary(limit=2, cursor=cursor)
        shown += [row.agent_id for row in page.items]
        cursor = page.next
        if cursor is None:
            break
    assert shown == names


async def test_of_one_edge_written_at_once_every_writer_is_told_that_it_stands(moot: Moot) -> None:
    await people(moot, "ada", *(f"a{number}" for number in range(60)))
    for number in range(60):
        made = await asyncio.gather(*(put(moot, "ada", f"a{number}") for _ in range(6)), return_exceptions=True)
        assert {type(each) for each in made} == {Relationship}, (number, made)


@pytest.mark.parametrize("when", ["9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00+12:00"])
async def test_a_time_that_nobody_could_read_again_is_refused(moot: Moot, when: str) -> None:
    """By UTC it lies in the year 10000, or 1 BC: the database holds it, and every list with its row would fail."""
    await people(moot, "ada", "bela")
    edge: dict[str, Any] = {"source": "ada", "target": "bela", "type": "VALIDATES"}
    observations: Any = [{**edge, "at": when}]
    with pytest.raises(Invalid, match=r"observations\.0\.at: .*years 1 to 9999"):
        await moot.relationships.observe(observations=observations)
    for field in ("first_observed_at", "last_observed_at"):
        details: Any = {field: when}
        with pytest.raises(Invalid, match=rf"details\.{field}: .*years 1 to 9999"):
            await put(moot, "ada", "bela", details=details)
    await moot.agents.register(name="Cleo", agent_id="cleo", capabilities=["Reading"])
    at: Any = when
    with pytest.raises(Invalid, match=r"at: .*years 1 to 9999"):
        await moot.capabilities.demonstrate(capability="Reading", agent="cleo", at=at)


async def test_what_is_seen_in_the_future_is_refused_whole(moot: Moot) -> None:
    """It would stay the newest for as long; clocks may differ by five minutes."""
    await people(moot, "ada", "bela", "cleo")
    soon, later = (datetime.now(UTC) + timedelta(minutes=minutes) for minutes in (4, 6))
    sound = Observation(source="ada", target="bela", type="VALIDATES", at=soon)
    with pytest.raises(SeenInFuture) as refused:
        await moot.relationships.observe(
            observations=[sound, Observation(source="ada", target="cleo", type="VALIDATES", at=later)]
        )
    assert refused.value.field == "observations.1.at"
    for name in ("first_observed_at", "last_observed_at"):
        with pytest.raises(SeenInFuture, match="set the clock"):
            await put(moot, "ada", "bela", details=RelationshipDetails.model_validate({name: later}))
    new = NewRelationship(
        source="ada", target="bela", type="REPLACES", confidence=Decimal("0.9"), last_observed_at=later
    )
    with pytest.raises(SeenInFuture):
        await moot.relationships.load(relationships=[new])
    assert (await moot.relationships.list()).items == []
    assert (await moot.relationships.observe(observations=[sound])).counted == 1
