"""Capabilities: adding, changing, judging, demonstrating, and what shows them."""

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from moothill.kernel.errors import Conflict, Forbidden, Invalid, NotFound
from moothill.kernel.identifiers import uuid7
from moothill.moot import Moot
from moothill.registry.agents import AgentFilter
from moothill.registry.capabilities import Capability, NewCapability, NewEvidence
from moothill.registry.capabilities.errors import (
    CapabilityChanged,
    CapabilityExists,
    CapabilityStatusConflict,
    DemonstratedInFuture,
    OwnCapability,
)
from moothill.registry.capabilities.models import CapabilityFilter, CapabilityPatch, CapabilityRecord

CHUNK = UUID("01900000-0000-7000-8000-00000000c0de")
SENTENCE = "Ada reviewed forty contracts in a week."


def evidence(**changes: Any) -> NewEvidence:
    values: dict[str, Any] = {
        "chunk_id": CHUNK,
        "chunk_type": "task",
        "mention": "reviewed forty contracts",
        "sentence": SENTENCE,
        "start_position": 4,
        "end_position": 28,
        "method": "nlp",
        "confidence": "0.83",
    }
    return NewEvidence(**{**values, **changes})


async def reviewer(moot: Moot, **more: Any) -> Capability:
    await moot.agents.register(name="Ada")
    new = NewCapability(name="Reviewing  Contracts", **more)
    (added,) = await moot.capabilities.add(agent="ada", capabilities=[new])
    return added


async def test_a_capability_is_added_and_found_by_id_and_by_name(moot: Moot) -> None:
    added = await reviewer(
        moot,
        type="TASK",
        description="Finds what a contract hides.",
        aliases=["contract review"],
        tags=["law"],
        confidence=Decimal("0.94"),
        extraction_confidence=Decimal("0.5"),
        extraction_method="llm",
        metadata={"source": "interview"},
        evidence=[evidence()],
    )
    assert (added.agent_key, added.agent_name) == ("ada", "Ada")
    assert (added.name, added.canonical_name) == ("Reviewing  Contracts", "reviewing contracts")
    assert (added.confidence, added.extraction_confidence) == (Decimal("0.94"), Decimal("0.50"))
    assert (added.demonstration_count, added.success_rate, added.validation_status) == (0, None, "unvalidated")
    assert await moot.capabilities.get(capability=str(added.id)) == added
    assert await moot.capabilities.get(capability="REVIEWING contracts", agent="ada") == added
    assert await moot.capabilities.get(capability="reviewing contracts", agent=str(added.agent)) == added
    (shown,) = (await moot.capabilities.evidence(capability=str(added.id))).items
    assert (shown.mention, shown.sentence) == ("reviewed forty contracts", SENTENCE)
    assert shown.sentence[shown.start_position : shown.end_position] == shown.mention
    assert (shown.chunk_id, shown.chunk_type, shown.method, shown.confidence) == (CHUNK, "task", "nlp", Decimal("0.83"))


async def test_all_of_a_call_are_added_or_none(moot: Moot) -> None:
    """A24: unique for one agent of one tenant, and for nobody else."""
    await reviewer(moot)
    with pytest.raises(CapabilityExists, match="ada"):
        await moot.capabilities.add(
            agent="ada", capabilities=[NewCapability(name="New"), NewCapability(name="reviewing contracts")]
        )
    with pytest.raises(Invalid, match="twice"):
        await moot.capabilities.add(agent="ada", capabilities=[NewCapability(name="A"), NewCapability(name=" a ")])
    assert len((await moot.capabilities.list()).items) == 1
    await moot.agents.register(name="Bob")
    await moot.capabilities.add(agent="bob", capabilities=[NewCapability(name="reviewing contracts")])


@pytest.mark.parametrize(
    "capability",
    [
        {"name": ""},
        {"name": "x" * 501},
        {"name": "a\nb"},
        {"name": "x", "confidence": "0.69"},
        {"name": "x", "confidence": "1.01"},
        {"name": "x", "confidence": "0.855"},
        {"name": "x", "extraction_confidence": "-0.1"},
        {"name": "x", "type": "SKILL"},
        {"name": "x", "aliases": ["y"] * 51},
        {"name": "x", "evidence": [{"chunk_id": "no id", "chunk_type": "task", "mention": "y"}]},
        {"name": "x", "evidence": [{"chunk_id": str(CHUNK), "chunk_type": "rumour", "mention": "y"}]},
        {"name": "x", "evidence": [{"chunk_id": str(CHUNK), "chunk_type": "task", "mention": "y" * 501}]},
        {
            "name": "x",
            "evidence": [{"chunk_id": str(CHUNK), "chunk_type": "task", "mention": "y", "start_position": 3}],
        },
        {
            "name": "x",
            "evidence": [
                {"chunk_id": str(CHUNK), "chunk_type": "task", "mention": "y", "start_position": 3, "end_position": 3}
            ],
        },
        {"name": "x", "record": {"demonstration_count": -1}},
        {"name": "x", "surprise": 1},
    ],
)
async def test_bad_input_is_invalid_and_changes_nothing(moot: Moot, capability: dict[str, Any]) -> None:
    """C9: every number has its range, in the input and in the table."""
    await moot.agents.register(name="Ada")
    with pytest.raises(Invalid):
        await moot.capabilities.add(agent="ada", capabilities=[capability])  # type: ignore[list-item]
    assert (await moot.capabilities.list()).items == []


async def test_an_agent_has_at_most_a_thousand_capabilities(moot: Moot) -> None:
    await moot.agents.register(name="Ada")
    for start in range(0, 1000, 200):
        many = [NewCapability(name=f"thing {n}") for n in range(start, start + 200)]
        await moot.capabilities.add(agent="ada", capabilities=many)
    with pytest.raises(Invalid, match=r"1,000"):
        await moot.capabilities.add(agent="ada", capabilities=[NewCapability(name="one more")])


async def test_confidence_may_fall_below_the_floor_of_adding(moot: Moot) -> None:
    """A32: decay and correction never hit a rule that was meant for adding."""
    added = await reviewer(moot)
    changed = await moot.capabilities.update(
        capability=str(added.id), version=1, changes=CapabilityPatch(confidence=Decimal("0.05"))
    )
    assert (changed.confidence, changed.version) == (Decimal("0.05"), 2)


async def test_a_change_wants_the_version_that_was_read(moot: Moot) -> None:
    added = await reviewer(moot, aliases=["contract review"], tags=["law"])
    changed = await moot.capabilities.update(
        capability="reviewing contracts",
        agent="ada",
        version=1,
        changes=CapabilityPatch(name="Reading Contracts", aliases=[], tags=["paper"], description="Slowly."),
    )
    assert (changed.canonical_name, changed.aliases, changed.tags) == ("reading contracts", [], ["paper"])
    with pytest.raises(CapabilityChanged, match="version 2, not 1"):
        await moot.capabilities.update(capability=str(added.id), version=1, changes=CapabilityPatch(name="Lost"))
    with pytest.raises(Invalid, match="at least one"):
        await moot.capabilities.update(capability=str(added.id), version=2, changes=CapabilityPatch())
    assert (await moot.agents.list(filter=AgentFilter(capability="contract review"))).items == []
    assert len((await moot.agents.list(filter=AgentFilter(capability="reading contracts"))).items) == 1
    await moot.capabilities.add(agent="ada", capabilities=[NewCapability(name="Other")])
    with pytest.raises(CapabilityExists):
        await moot.capabilities.update(capability=str(added.id), version=2, changes=CapabilityPatch(name="OTHER"))


async def test_of_two_writers_of_one_version_one_is_told(moot: Moot) -> None:
    """X2: optimistic versions."""
    added = await reviewer(moot)

    async def write(number: int) -> Capability:
        patch = CapabilityPatch(description=f"text {number}")
        return await moot.capabilities.update(capability=str(added.id), version=1, changes=patch)

    outcomes = await asyncio.gather(*(write(n) for n in range(5)), return_exceptions=True)
    assert sum(isinstance(each, Capability) for each in outcomes) == 1
    assert sum(isinstance(each, CapabilityChanged) for each in outcomes) == 4


async def test_somebody_else_validates_and_rejects(moot: Moot) -> None:
    """B27: nobody judges himself."""
    added = await reviewer(moot)
    issued = await moot.keys.create(name="ada", scopes=["capabilities:*"], agent="ada")
    with pytest.raises(OwnCapability):
        await moot.with_key(issued.secret).capabilities.validate(capability=str(added.id))
    assert (await moot.capabilities.validate(capability=str(added.id))).validation_status == "validated"
    with pytest.raises(CapabilityStatusConflict, match="is validated"):
        await moot.capabilities.validate(capability=str(added.id))
    rejected = await moot.capabilities.reject(capability=str(added.id), note="failed twice")
    assert rejected.validation_status == "rejected"
    kinds = [event.kind for event in (await moot.agents.activity(agent="ada")).items]
    assert kinds[:2] == ["capabilities.rejected", "capabilities.validated"]


async def test_a_rejected_capability_is_found_and_chosen_no_more_until_it_is_validated(moot: Moot) -> None:
    added = await reviewer(moot)
    assert (await moot.capabilities.similar(text="contracts")).hits != []
    await moot.capabilities.reject(capability=str(added.id))
    assert (await moot.capabilities.similar(text="contracts")).hits == []
    assert (await moot.agents.choose(capability="reviewing contracts")).choices == []
    assert (await moot.agents.list(filter=AgentFilter(capability="reviewing contracts"))).items == []
    await moot.capabilities.update(capability=str(added.id), version=2, changes=CapabilityPatch(description="x"))
    assert (await moot.capabilities.similar(text="contracts")).hits == []
    await moot.capabilities.validate(capability=str(added.id))
    assert [hit.id for hit in (await moot.capabilities.similar(text="contracts")).hits] == [added.id]
    assert len((await moot.agents.choose(capability="reviewing contracts")).choices) == 1


async def test_the_mean_of_successes_is_exact_whatever_their_order(moot: Moot) -> None:
    """B5, B6, B7, B37: a sum and a count, so neither drift, nor overflow, nor an order that matters."""
    added = await reviewer(moot)
    reference = str(added.id)
    third = Decimal("0.3333")
    changed = added
    for success in (Decimal(1), third, Decimal(0), third, Decimal(1), third):
        changed = await moot.capabilities.demonstrate(capability=reference, success=success)
    assert changed.demonstration_count == 6
    assert changed.success_rate == ((2 + 3 * third) / 6).quantize(Decimal("0.00001"))
    assert changed.version == 1
    assert changed.last_demonstrated_at is not None


async def test_a_demonstration_in_the_future_is_refused(moot: Moot) -> None:
    """It would stay the last one for as long; clocks may differ by five minutes."""
    added = await reviewer(moot)
    soon, later = (datetime.now(UTC) + timedelta(minutes=minutes) for minutes in (4, 6))
    with pytest.raises(DemonstratedInFuture, match="set the clock"):
        await moot.capabilities.demonstrate(capability=str(added.id), at=later, evidence=evidence())
    assert (await moot.capabilities.get(capability=str(added.id))).demonstration_count == 0
    shown = await moot.capabilities.demonstrate(capability=str(added.id), at=soon)
    assert shown.last_demonstrated_at == soon


async def test_demonstrations_at_once_are_all_counted(moot: Moot) -> None:
    """B31: one statement, no lost update."""
    added = await reviewer(moot)
    await asyncio.gather(*(moot.capabilities.demonstrate(capability=str(added.id)) for _ in range(12)))
    found = await moot.capabilities.get(capability=str(added.id))
    assert (found.demonstration_count, found.success_rate) == (12, Decimal(1))


async def test_a_record_of_another_system_is_taken_over_from_operators_only(moot: Moot) -> None:
    """B7: 277 demonstrations at 0.942 go on exactly from there; so do nine million million."""
    record = CapabilityRecord(validation_status="validated", demonstration_count=277, success_rate=Decimal("0.942"))
    added = await reviewer(moot, record=record)
    assert (added.demonstration_count, added.success_rate) == (277, Decimal("0.94200"))
    assert added.validation_status == "validated"
    changed = await moot.capabilities.demonstrate(capability=str(added.id), success=Decimal(0))
    assert changed.success_rate == (Decimal("260.934") / 278).quantize(Decimal("0.00001"))
    huge = CapabilityRecord(demonstration_count=9_000_000_000_000_000, success_rate=Decimal("0.5"))
    await moot.capabilities.add(agent="ada", capabilities=[NewCapability(name="Old", record=huge)])
    again = await moot.capabilities.demonstrate(capability="old", agent="ada")
    assert again.success_rate == Decimal("0.50000")
    issued = await moot.keys.create(name="ada", scopes=["capabilities:write"], agent="ada")
    with pytest.raises(Forbidden, match="operator"):
        await moot.with_key(issued.secret).capabilities.add(
            agent="ada", capabilities=[NewCapability(name="Boast", record=record)]
        )


async def test_a_demonstration_may_bring_its_evidence_once(moot: Moot) -> None:
    added = await reviewer(moot)
    for _ in range(2):
        await moot.capabilities.demonstrate(capability=str(added.id), evidence=evidence())
    await moot.capabilities.demonstrate(
        capability=str(added.id), evidence=evidence(mention="a week", start_position=None, end_position=None)
    )
    first = await moot.capabilities.evidence(capability="reviewing contracts", agent="ada", limit=1)
    rest = await moot.capabilities.evidence(capability=str(added.id), limit=1, cursor=first.next)
    assert [each.mention for each in (*first.items, *rest.items)] == ["reviewed forty contracts", "a week"]
    assert rest.next is None


async def test_a_capability_goes_with_its_evidence_and_says_so_before(moot: Moot) -> None:
    added = await reviewer(moot, evidence=[evidence()])
    plan = await moot.capabilities.remove.plan(capability=str(added.id))
    assert plan.counts == {"capabilities": 1, "evidence": 1}
    assert await moot.capabilities.get(capability=str(added.id)) == added
    await moot.capabilities.remove(capability="reviewing contracts", agent="ada")
    with pytest.raises(NotFound):
        await moot.capabilities.get(capability=str(added.id))
    assert (await moot.capabilities.similar(text="contracts")).hits == []


async def test_lists_are_filtered_and_paged_in_two_orders(moot: Moot) -> None:
    await moot.agents.register(name="Ada")
    await moot.agents.register(name="Bob")
    for agent, count in (("ada", 5), ("bob", 2)):
        await moot.capabilities.add(
            agent=agent,
            capabilities=[
                NewCapability(
                    name=f"thing {n}",
                    type="CONCEPT" if n % 2 else "CAPABILITY",
                    confidence=Decimal("0.7") + Decimal(n % 3) / 10,
                    tags=["odd"] if n % 2 else [],
                    aliases=[f"object {n}"],
                )
                for n in range(count)
            ],
        )

    async def walk(order: Any, **wanted: Any) -> list[str]:
        found: list[str] = []
        cursor: str | None = None
        while True:
            page = await moot.capabilities.list(filter=CapabilityFilter(**wanted), order=order, limit=2, cursor=cursor)
            found += [f"{each.agent_key}/{each.name[-1]}" for each in page.items]
            cursor = page.next
            if cursor is None:
                return found

    assert await walk("observed") == ["ada/0", "ada/1", "ada/2", "ada/3", "ada/4", "bob/0", "bob/1"]
    assert await walk("confidence") == ["ada/2", "ada/1", "ada/4", "bob/1", "ada/0", "ada/3", "bob/0"]
    assert await walk("observed", agent="bob") == ["bob/0", "bob/1"]
    assert await walk("observed", name="Object  3") == ["ada/3"]
    assert await walk("confidence", tag="odd") == ["ada/1", "bob/1", "ada/3"]
    assert await walk("observed", type="CONCEPT", minimum_confidence="0.8") == ["ada/1", "bob/1"]
    assert await walk("observed", validation_status="validated") == []
    with pytest.raises(NotFound, match="nobody"):
        await walk("observed", agent="nobody")


async def test_an_unknown_capability_gets_a_near_match(moot: Moot) -> None:
    await reviewer(moot)
    with pytest.raises(NotFound, match='Did you mean "Reviewing  Contracts"'):
        await moot.capabilities.get(capability="Reviewing Contract", agent="ada")
    with pytest.raises(NotFound, match="say with `agent` whose"):
        await moot.capabilities.get(capability="reviewing contracts")
    with pytest.raises(NotFound, match=r"capabilities\.list"):
        await moot.capabilities.get(capability="x", agent="nobody")


async def test_another_tenants_capability_is_unknown(moot: Moot, other: Moot) -> None:
    """A22, A23: at every operation, by id and by name."""
    theirs = await reviewer(other, evidence=[evidence()])
    for reference in (str(theirs.id), str(uuid7())):
        for call in (
            moot.capabilities.get(capability=reference),
            moot.capabilities.update(capability=reference, version=1, changes=CapabilityPatch(name="mine")),
            moot.capabilities.validate(capability=reference),
            moot.capabilities.reject(capability=reference),
            moot.capabilities.demonstrate(capability=reference),
            moot.capabilities.evidence(capability=reference),
            moot.capabilities.remove(capability=reference),
            moot.capabilities.remove.plan(capability=reference),
            moot.capabilities.similar(capability=reference),
            moot.capabilities.get(capability="reviewing contracts", agent=str(theirs.agent)),
        ):
            with pytest.raises(NotFound, match="in this tenant"):
                await call
    assert (await moot.capabilities.list()).items == []
    assert (await moot.capabilities.similar(text="reviewing contracts")).hits == []
    assert await other.capabilities.get(capability=str(theirs.id)) == theirs


async def test_the_summary_counts_each_agents_capabilities(moot: Moot) -> None:
    """A34, A40: one row an agent, from columns that exist."""
    added = await reviewer(moot)
    await moot.agents.register(name="Bob")
    await moot.capabilities.add(
        agent="ada", capabilities=[NewCapability(name="Other", confidence=Decimal("0.9"), evidence=[evidence()])]
    )
    await moot.capabilities.demonstrate(capability=str(added.id), success=Decimal("0.5"))
    await moot.capabilities.validate(capability=str(added.id))
    first = await moot.capabilities.summary(limit=1)
    second = await moot.capabilities.summary(limit=1, cursor=first.next)
    ada, bob = first.items[0], second.items[0]
    assert (ada.agent_id, ada.capability_count, ada.validated_count) == ("ada", 2, 1)
    assert (ada.avg_confidence, ada.avg_success_rate) == (Decimal("0.80000"), Decimal("0.50000"))
    assert ada.last_activity is not None
    assert (bob.agent_id, bob.capability_count, bob.avg_confidence) == ("bob", 0, None)
    assert (await moot.capabilities.summary(agent="ada")).items == [ada]


async def test_likeness_is_asked_by_a_text_or_by_a_capability(moot: Moot) -> None:
    added = await reviewer(moot)
    await moot.agents.register(name="Bob")
    (like,) = await moot.capabilities.add(
        agent="bob", capabilities=[NewCapability(name="Reviewing legal contracts", confidence=Decimal("0.75"))]
    )
    await moot.capabilities.add(agent="bob", capabilities=[NewCapability(name="Baking bread")])
    by_capability = await moot.capabilities.similar(capability=str(added.id), limit=1)
    assert [hit.id for hit in by_capability.hits] == [like.id]
    sure = await moot.capabilities.similar(text="contracts", minimum_confidence=Decimal("0.72"))
    assert added.id not in [hit.id for hit in sure.hits]
    with pytest.raises(Invalid, match="one of them"):
        await moot.capabilities.similar()
    with pytest.raises(Invalid, match="one of them"):
        await moot.capabilities.similar(text="x", capability=str(added.id))


async def test_a_conflict_is_a_conflict(moot: Moot) -> None:
    await reviewer(moot)
    with pytest.raises(Conflict):
        await moot.capabilities.add(agent="ada", capabilities=[NewCapability(name="Reviewing contracts")])
