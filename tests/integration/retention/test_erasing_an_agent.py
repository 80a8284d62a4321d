"""Erasure of an agent: nothing that it was, did or was called is left, and the log keeps its numbers."""

from decimal import Decimal
from uuid import UUID, uuid4

import pytest

from moothill.kernel.errors import Unauthenticated
from moothill.moot import Moot
from moothill.registry.agents import AgentDetails, Heartbeat, NewSkill
from moothill.registry.agents.errors import AgentNotFound
from moothill.registry.agents.models import AgentPatch
from moothill.registry.capabilities import NewCapability, NewEvidence
from moothill.tenancy.erasure import verify_report
from moothill.tenancy.erasure.errors import UnderLegalHold
from tests.integration.retention.house import House
from tests.integration.retention.scanning import holding

WORD = "zorblax"
SCOPES = ["agents:read", "agents:write", "agents:heartbeat", "search:write", "sharing:read", "jobs:write"]


async def lived(house: House, moot: Moot, tenant: UUID) -> UUID:
    """An agent that left a trace wherever an agent can; each of its texts holds the word."""
    register = moot.agents.register.options(idempotency_key="once", reason="to begin with")
    agent = await register(
        agent_id=f"{WORD}-1",
        name=f"Ada {WORD}",
        description=f"Reviews contracts for {WORD}.",
        capabilities=[f"Reviewing {WORD} contracts"],
        tags=[WORD],
        details=AgentDetails(
            specialisations=[f"law of {WORD}"],
            skills=[NewSkill(name=f"{WORD} lore", experience_points=3)],
            metadata={"said": WORD},
            config={"token": WORD},
        ),
    )
    (capability,) = await moot.capabilities.add(
        agent=agent.agent_id,
        capabilities=[
            NewCapability(
                name=f"Sealing {WORD} deeds",
                aliases=[f"alias of {WORD}"],
                tags=[WORD],
                confidence=Decimal("0.8"),
                evidence=[NewEvidence(chunk_id=uuid4(), chunk_type="task", mention=f"sealing for {WORD}")],
            )
        ],
    )
    await moot.capabilities.remove(capability=str(capability.id))
    await house.ask(
        "insert into moothill.agent_cards (tenant_id, agent_id, media_type, content, sha256) "
        "values (%s, %s, 'application/json', %s, sha256('x'))",
        *(tenant, agent.id, f"A card of {WORD}.".encode()),
    )
    await moot.agents.set_status(agent=agent.agent_id, status="maintenance", reason=f"because of {WORD}")
    key = await moot.keys.create(name=f"key of {WORD}", scopes=SCOPES, agent=str(agent.id))
    own = moot.with_key(key.secret)
    await own.agents.heartbeat(beats=[Heartbeat(agent=agent.agent_id, status="busy")])
    version = (await own.agents.get(agent=agent.agent_id)).version
    await own.agents.update(agent=agent.agent_id, version=version, changes=AgentPatch(name=f"Bela {WORD}"))
    # No operation lets an agent ask for a job yet; one may come.
    await house.ask(
        "insert into moothill.jobs (tenant_id, id, operation, arguments, state, message, actor, actor_kind, "
        "actor_name, scopes, request, ended_at) "
        "values (%s, gen_random_uuid(), 'search.reindex', jsonb_build_object('x', %s::text), "
        "'failed', %s, %s, 'agent', %s, '{}', gen_random_uuid(), now())",
        *(tenant, WORD, WORD, agent.id, WORD),
    )
    # It read in another tenant, whose log has its name.
    partner, _ = await house.tenant("partner")
    await partner.agents.register(agent_id="pa", name="Pa")
    await partner.sharing.set_level(level="shared")
    await partner.sharing.grant(tenant=tenant, data_class="agents")
    assert (await own.sharing.agents(owner="partner")).items
    await moot.view_as(agent.agent_id).agents.list()
    return agent.id


async def test_nothing_of_an_erased_agent_is_found_anywhere(house: House) -> None:
    """Every table is searched, whichever there are."""
    moot, tenant = await house.tenant("acme")
    await moot.agents.register(agent_id="other", name="Other", capabilities=["Reviewing contracts"])
    agent = await lived(house, moot, tenant)
    for source, target in ((f"{WORD}-1", "other"), ("other", f"{WORD}-1")):
        await moot.relationships.put(
            source=source,
            target=target,
            type="VALIDATES",
            directional=True,
            confidence=Decimal("0.9"),
            context=f"Seen by {WORD}.",
            evidence=[uuid4()],
        )
    own_events = await house.ask("select id, place, occurred_at from moothill.events where tenant_id = %s", tenant)
    before = await holding(house, WORD)
    assert {"agents", "agent_tags", "events", "api_keys", "access_log", "jobs", "search_items"} <= set(before)
    cursor = (await moot.events.list(limit=3)).next
    plan = await moot.erasure.erase_agent.plan(agent=f"{WORD}-1", reason="asked for")
    assert plan.counts["agents"] == 1
    assert await holding(house, WORD) == before
    job = await moot.erasure.erase_agent(agent=f"{WORD}-1", reason="asked for")
    ended = await house.done(moot, job)
    assert ended.state == "completed", ended.message
    assert await holding(house, WORD) == {}
    for table in ("agent_relationships", "agent_relationship_evidence"):
        assert await house.ask(f"select 1 from moothill.{table} where tenant_id = %s", tenant) == []
    # Its places in the log are there, empty; a reader goes on where it was.
    left = await house.ask("select id, place, occurred_at from moothill.events where tenant_id = %s", tenant)
    assert set(own_events) <= set(left)
    assert (await moot.events.list(cursor=cursor)).items
    assert (await moot.events.list(kind="retention.erased")).items
    # Nobody else lost anything.
    assert (await moot.agents.get(agent="other")).name == "Other"
    assert (await moot.search.find(text="reviewing contracts")).hits
    with pytest.raises(AgentNotFound):
        await moot.agents.get(agent=f"{WORD}-1")
    emptied = await moot.agents.get(agent=str(agent))
    assert emptied.deactivated_at is not None
    assert emptied.name == f"erased-{agent}"
    report = (await moot.erasure.report(number=1)).model_dump()
    body = verify_report(report, public_key=(await moot.erasure.public_key()).public_key)
    assert body["agent"] == str(agent)
    assert body["previous"] is None
    assert body["removed"]["agents"] == 1
    assert body["removed"]["events"] > 5
    assert WORD not in str(report)


async def test_a_hold_stands_in_the_way_and_says_which(house: House) -> None:
    moot, tenant = await house.tenant("acme")
    await moot.agents.register(agent_id="ada", name="Ada")
    await moot.agents.register(agent_id="bela", name="Bela")
    hold = await moot.retention.hold(agent="ada", reason="Case 17")
    with pytest.raises(UnderLegalHold, match=f"{hold.id}.*Case 17"):
        await moot.erasure.erase_agent.plan(agent="ada", reason="x")
    with pytest.raises(UnderLegalHold, match=str(hold.id)):
        await moot.erasure.erase_agent(agent="ada", reason="x")
    # One that was placed when the job was on its way stops it too.
    job = await moot.erasure.erase_agent(agent="bela", reason="x")
    later = await moot.retention.hold(agent="bela", reason="Case 18")
    ended = await house.done(moot, job)
    assert (ended.state, str(later.id) in ended.message) == ("failed", True)
    await moot.retention.release(hold=later.id)
    assert (await moot.agents.get(agent="ada")).name == "Ada"
    with pytest.raises(UnderLegalHold, match=str(hold.id)):
        await house.moot.erasure.erase_tenant.plan(tenant="acme", reason="x")
    ended = await house.done(moot, await moot.erasure.erase_agent(agent="bela", reason="x"))
    assert ended.state == "completed", ended.message
    await moot.retention.release(hold=hold.id)
    ended = await house.done(moot, await moot.erasure.erase_agent(agent="ada", reason="x"))
    assert ended.state == "completed", ended.message
    numbers = [each.number for each in (await moot.erasure.reports()).items]
    assert numbers == [2, 1]
    first, second = [(await moot.erasure.reports()).items[place].digest for place in (1, 0)]
    assert verify_report((await moot.erasure.report(number=2)).model_dump(), previous=first)["number"] == 2
    assert first != second
    assert await house.count("agents", tenant) == 2


async def test_archived_rows_of_an_agent_go_from_their_files(house: House) -> None:
    moot, tenant = await house.tenant("acme")
    agent = await moot.agents.register(agent_id="ada", name="Ada")
    await house.old_events(tenant, 400, 5, actor=agent.id, kind="agent")
    await house.old_events(tenant, 400, 5, kind="agent")
    await moot.retention.set(data_class="agent_activity", action="archive", days=90)
    await house.remove(tenant)
    folder = house.archive / str(tenant)
    assert [e.rows for e in (await moot.retention.archives()).items] == [10]
    ended = await house.done(moot, await moot.erasure.erase_agent(agent="ada", reason="x"))
    assert ended.state == "completed", ended.message
    (entry,) = (await moot.retention.archives()).items
    assert entry.rows == 5
    assert [path.name for path in folder.iterdir()] == [entry.file]
    assert str(agent.id).encode() not in (folder / entry.file).read_bytes()
    assert (await moot.erasure.report(number=1)).report["removed"]["archives"] == 5


async def test_a_key_of_an_agent_that_is_erased_opens_nothing(house: House) -> None:
    moot, _ = await house.tenant("acme")
    agent = await moot.agents.register(agent_id="ada", name="Ada")
    key = await moot.keys.create(name="k", scopes=SCOPES, agent=str(agent.id))
    ended = await house.done(moot, await moot.erasure.erase_agent(agent="ada", reason="x"))
    assert ended.state == "completed", ended.message
    with pytest.raises(Unauthenticated):
        await moot.with_key(key.secret).agents.list()
