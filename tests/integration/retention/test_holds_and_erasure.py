"""Holds and erasure together: nothing that a hold covers goes, whoever is erased, and the report names what stayed."""

from uuid import UUID, uuid4

import orjson
import psycopg
import pytest

from moothill.kernel.errors import QuotaExceeded
from moothill.kernel.local import LocalExecutor
from moothill.registry.agents.models import AgentPatch
from moothill.tenancy.erasure.errors import UnderLegalHold
from moothill.tenancy.erasure.work import go_on, sql
from moothill.tenancy.retention.errors import HoldNotFound, HoldOfPlatform
from moothill.worker.acting import acting, system
from tests.integration.retention.house import House
from tests.integration.retention.scanning import holding

PLACE = {"done": 0, "total": 0}
RELEASE = {
    "id": "018f0000-0000-7000-8000-00000000abcd",
    "tenant_group": "g",
    "family": "f",
    "epoch": "2026-01",
    "place": 1,
    "state": "charged",
    "query": "q",
    "plan": "p",
    "plan_version": 1,
    "data_class": "agents",
    "digest": "\\x" + "00" * 32,
    "cells": [],
    "per_tenant": 1,
    "largest": 1,
    "amounts": 1,
    "k_anonymity": 2,
    "minimum_age": "1 day",
    "mechanism": "m",
    "library": "l",
    "scale": 1,
    "noise_ratio": 1,
    "threshold": 1,
    "epsilon": 1,
    "delta": 0,
    "unit": "u",
    "cost": 1,
    "cost_delta": 0,
    "spent_before": 0,
    "spent_after": 1,
    "delta_before": 0,
    "delta_after": 0,
    "charged_at": "2026-01-01T00:00:00Z",
}


async def test_a_hold_on_the_tenant_stops_an_erasure_between_two_steps(house: House) -> None:
    """What was not taken yet stays, and the erasure goes on after the release (the hold came when it had begun)."""
    moot, tenant = await house.tenant("acme")
    agent = await moot.agents.register(agent_id="ada", name="Ada", tags=["x"])
    await begun(house, tenant, agent.id)
    hold = await moot.retention.hold(reason="Case 19")
    before = await holding(house, str(agent.id))
    erasure = str((await house.ask("select id from moothill.erasures"))[0][0])
    for stage in ("rows", "agent", "log", "traces", "files", "end"):
        async with acting(house.runtime, system(tenant), "erasure.erase_agent"):
            with pytest.raises(UnderLegalHold, match=f"{hold.id}.*Case 19"):
                await go_on(LocalExecutor(house.runtime, system(tenant)), {**PLACE, "erasure": erasure, "stage": stage})
    for step in (
        "rows(%s, 100)",
        "agent(%s)",
        "log(%s, 0, '00000000-0000-0000-0000-000000000000', 100)",
        "traces(%s, 100)",
    ):
        with pytest.raises(psycopg.errors.RestrictViolation, match=str(hold.id)):
            await house.ask(
                f"select set_config('app.current_tenant', '{tenant}', false), moothill.jobs_erase_{step} "
                f"from (select id from moothill.erasures) e".replace("%s", "e.id")
            )
    after = await holding(house, str(agent.id))
    assert {name: after[name] for name in ("agents", "agent_tags")} == {
        name: before[name] for name in ("agents", "agent_tags")
    }
    assert (await moot.agents.get(agent="ada")).name == "Ada"
    await moot.retention.release(hold=hold.id)
    ended = await house.done(moot, await moot.erasure.erase_agent(agent="ada", reason="x"))
    assert ended.state == "completed", ended.message


async def begun(house: House, tenant: UUID, agent: UUID) -> None:
    """The erasure of an agent, begun and not gone on with."""
    async with acting(house.runtime, system(tenant), "erasure.erase_agent"):
        assert await sql.begin(id=uuid4(), owner=tenant, agent=agent, asked_by="k", reason="x")


async def test_what_another_agent_under_hold_did_stays_and_the_report_says_so(house: House) -> None:
    moot, tenant = await house.tenant("acme")
    ada = await moot.agents.register(agent_id="ada", name="Ada")
    bela = await moot.agents.register(agent_id="bela", name="Bela")
    await moot.retention.hold(agent="bela", reason="Case 20")
    await house.ask(
        "insert into moothill.events (tenant_id, id, kind, subject, actor, actor_kind, operation, payload) "
        "values (%s, mt.uuid7_floor(now()), 'test.met', %s, %s, 'agent', 'test', '{}')",
        *(tenant, ada.id, bela.id),
    )
    ended = await house.done(moot, await moot.erasure.erase_agent(agent="ada", reason="x"))
    assert ended.state == "completed", ended.message
    assert await house.count("events", tenant, "kind = 'test.met'") == 1
    assert (await moot.erasure.report(number=1)).report["kept"] == {"events": 1}


async def test_what_is_held_elsewhere_stays_and_the_report_names_it(house: House) -> None:
    """Another tenant's legal hold covers its grants, answers, jobs and releases too, not its logs alone."""
    moot, tenant = await house.tenant("acme")
    partner, other = await house.tenant("partner")
    await partner.agents.register(agent_id="pa", name="Pa")
    for each in (moot, partner):
        await each.sharing.set_level(level="shared")
    grant = partner.sharing.grant.options(idempotency_key="once")
    await grant(tenant=tenant, data_class="agents")
    assert (await moot.sharing.agents(owner="partner")).items
    await house.ask(
        "insert into moothill.jobs (tenant_id, id, operation, arguments, state, message, actor, actor_kind, "
        "actor_name, scopes, request, ended_at) values (%s, gen_random_uuid(), 'search.reindex', "
        "jsonb_build_object('x', %s::text), 'failed', 'm', gen_random_uuid(), 'operator', 'o', '{}', "
        "gen_random_uuid(), now())",
        *(other, str(tenant)),
    )
    asked = await released(house, tenant, other)
    hold = await partner.retention.hold(reason="Case 21")
    evidence = ("access_log", "events", "idempotency_keys", "jobs", "sharing_grants")
    before = {name: await rows_of(house, name, other) for name in evidence}
    ended = await house.done(house.moot, await house.moot.erasure.erase_tenant(tenant="acme", reason="x"))
    assert ended.state == "completed", ended.message
    for name in evidence:
        after = await rows_of(house, name, other)
        assert set(before[name]) <= set(after), name
    assert await house.ask("select asked_by from moothill.privacy_releases where id = %s", asked) == [(tenant,)]
    (last, *_) = (await house.moot.erasure.all_reports()).items
    kept = (await house.moot.erasure.report(number=last.number)).report["kept"]
    assert kept.keys() == {*evidence, "privacy_releases"}
    assert (kept["sharing_grants"], kept["jobs"], kept["privacy_releases"]) == (1, 1, 1)
    await partner.retention.release(hold=hold.id)


async def rows_of(house: House, table: str, tenant: UUID) -> list[str]:
    rows = await house.ask(f"select t::text from moothill.{table} t where t.tenant_id = %s", tenant)
    return [row[0] for row in rows]


async def released(house: House, asker: UUID, charged: UUID) -> UUID:
    """A release that one tenant asked for, and another was charged for: of whatever columns there are."""
    (row,) = await house.ask(
        "insert into moothill.privacy_releases select (jsonb_populate_record(null::moothill.privacy_releases, "
        "%s::jsonb)).* returning id",
        orjson.dumps(RELEASE | {"asked_by": str(asker)}).decode(),
    )
    await house.ask("insert into moothill.privacy_charges (tenant_id, release_id) values (%s, %s)", charged, row[0])
    found: UUID = row[0]
    return found


async def test_a_tenant_does_not_release_a_hold_that_the_platform_placed(house: House) -> None:
    """Everything beneath the platform, `*`, is not enough to let evidence go."""
    moot, _ = await house.tenant("acme")
    own = moot.with_key((await moot.keys.create(name="k", scopes=["*"])).secret)
    hold = await moot.retention.hold(reason="Case 22")
    assert hold.by_platform
    for refused in (own.retention.release, own.retention.release.plan):
        with pytest.raises(HoldOfPlatform, match="who alone releases it"):
            await refused(hold=hold.id)
    assert [each.id for each in (await own.retention.holds()).items] == [hold.id]
    mine = await own.retention.hold(reason="Case 23")
    assert not mine.by_platform
    assert (await own.retention.release(hold=mine.id)).released_at is not None
    assert (await moot.retention.release(hold=hold.id)).released_at is not None
    with pytest.raises(HoldNotFound):
        await own.retention.release(hold=hold.id)


async def test_a_used_up_quota_keeps_nobody_from_holding_or_erasing(house: House) -> None:
    """What a court or a law asks for does not wait until midnight; what is stored is counted right afterwards."""
    moot, _ = await house.tenant("acme")
    own = moot.with_key((await moot.keys.create(name="k", scopes=["*"])).secret)
    leaked = await own.keys.create(name="leaked", scopes=["agents:read"])
    for name in ("ada", "bela"):
        await own.agents.register(agent_id=name, name=name)
    _, partner = await house.tenant("partner")
    await own.sharing.set_level(level="shared")
    grant = await own.sharing.grant(tenant=partner, data_class="agents")
    await moot.limits.set(name="agents", amount=2)
    await moot.limits.set(name="events", amount=1)
    with pytest.raises(QuotaExceeded):
        await own.retention.set(data_class="jobs", action="delete", days=5)
    hold = await own.retention.hold(reason="Case 24")
    assert (await own.retention.release(hold=hold.id)).released_at is not None
    await own.sharing.revoke(grant=grant.id)
    await own.sharing.set_level(level="strict")
    await own.keys.revoke(key=leaked.key.id)
    assert [piece async for piece in own.retention.export()]
    ended = await house.done(moot, await own.erasure.erase_agent(agent="ada", reason="x"))
    assert ended.state == "completed", ended.message
    await moot.limits.set(name="events", amount=1_000)
    # Its place is free, once.
    await own.agents.register(agent_id="cara", name="cara")
    with pytest.raises(QuotaExceeded):
        await own.agents.register(agent_id="dora", name="dora")


@pytest.mark.parametrize("called", ["name", "status", "reason", "%", "a_a"])
async def test_whoever_is_called_like_everything_takes_only_itself_along(house: House, called: str) -> None:
    """An agent chooses its key: erased, it takes neither the tenant's audit nor its jobs and answers with it."""
    moot, tenant = await house.tenant("acme")
    await moot.agents.register(agent_id=called, name="Mallory")
    ada = moot.agents.register.options(idempotency_key="once")
    other = await ada(agent_id="aba", name="Ada")
    await moot.agents.update(agent="aba", version=other.version, changes=AgentPatch(name="Adah"))
    await moot.agents.set_status(agent="aba", status="maintenance", reason="x")
    await house.ask(
        "insert into moothill.jobs (tenant_id, id, operation, arguments, state, message, actor, actor_kind, "
        "actor_name, scopes, request, ended_at) values (%s, gen_random_uuid(), 'search.reindex', "
        "jsonb_build_object('name', 'aba', 'status', 'name', 'reason', 'status'), 'failed', 'm', "
        "gen_random_uuid(), 'operator', 'o', '{}', gen_random_uuid(), now())",
        tenant,
    )
    kept = {"idempotency_keys": "true", "jobs": "message = 'm'", "events": f"subject = '{other.id}'"}
    before = {name: await house.count(name, tenant, condition) for name, condition in kept.items()}
    ended = await house.done(moot, await moot.erasure.erase_agent(agent=called, reason="x"))
    assert ended.state == "completed", ended.message
    assert {name: await house.count(name, tenant, condition) for name, condition in kept.items()} == before
    assert (await moot.agents.get(agent="aba")).name == "Adah"
