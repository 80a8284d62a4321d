"""Retention: what is old goes as each tenant decided, what is held stays, and nobody else may."""

import asyncio

import psycopg
import pytest

from moothill.kernel.errors import Forbidden
from moothill.tenancy.retention.errors import ClassUnknown, HoldNotFound, PolicyRefused
from tests.integration.retention.house import House
from tests.integration.worker.world import eventually


async def test_every_class_has_a_default_and_a_tenant_may_decide_otherwise(house: House) -> None:
    """A: `tenants.data_retention` has one effect, and it is tested."""
    moot, _ = await house.tenant("acme")
    found = {each.data_class: each for each in await moot.retention.policies()}
    assert (found["access_log"].action, found["access_log"].days, found["access_log"].source) == (
        "delete",
        90,
        "default",
    )
    assert found["events"].days == 365
    assert found["privacy_ledger"].action == "retain"
    changed = await moot.retention.set(data_class="access_log", action="delete", days=180)
    assert (changed.days, changed.source) == (180, "tenant")
    assert {e.data_class: e.days for e in await house.moot.retention.policies()}["access_log"] == 90
    assert (await moot.retention.clear(data_class="access_log")).source == "default"
    said = await moot.audit.list(kind="retention.", changed=True)
    assert said.items[-1].changes is not None


@pytest.mark.parametrize(
    ("data_class", "action", "days", "error"),
    [
        ("nonsense", "delete", 90, ClassUnknown),
        ("access_log", "delete", None, PolicyRefused),
        ("access_log", "delete", 29, PolicyRefused),
        ("access_log", "retain", 90, PolicyRefused),
        ("privacy_ledger", "delete", 90, PolicyRefused),
        ("idempotency", "retain", None, PolicyRefused),
        ("idempotency", "archive", 2, PolicyRefused),
    ],
)
async def test_a_policy_out_of_bounds_is_refused(
    house: House, data_class: str, action: str, days: int | None, error: type[Exception]
) -> None:
    with pytest.raises(error):
        await house.moot.retention.set(data_class=data_class, action=action, days=days)  # type: ignore[arg-type]


async def test_only_what_is_old_goes_and_only_in_its_own_tenant(house: House) -> None:
    """Bounded, resumable batches; each class by its own policy; lag is told."""
    (acme, a), (_, b) = await house.tenant("acme"), await house.tenant("globex")
    for tenant in (a, b):
        await house.old_events(tenant, 400, 30)
        await house.old_events(tenant, 100, 30)
        await house.old_events(tenant, 400, 20, kind="agent")
        await house.old_accesses(tenant, 100, 10)
        await house.old_accesses(tenant, 10, 10)
    await acme.retention.set(data_class="events", action="delete", days=90)
    await acme.retention.set(data_class="agent_activity", action="retain")
    lag = {each.data_class: each.overdue_seconds for each in await acme.retention.policies()}
    assert lag["events"] is not None
    assert 309 * 86_400 < lag["events"] < 311 * 86_400
    assert lag["jobs"] is None
    await house.remove(a)
    assert await house.count("events", a, "kind = 'test.old'") == 20
    assert await house.count("access_log", a) == 10
    assert await house.count("events", b, "kind = 'test.old'") == 80
    await house.remove(b)
    assert await house.count("events", b, "kind = 'test.old'") == 30
    assert all(each.overdue_seconds is None for each in await acme.retention.policies())


async def test_jobs_at_their_end_and_old_answers_go(house: House) -> None:
    """Finished jobs were kept for ever; a first result is kept for a day."""
    moot, tenant = await house.tenant("acme")
    job = await moot.search.reindex.options(idempotency_key="once")()
    other = await moot.search.reindex()
    await moot.jobs.cancel(job=job.id)
    await moot.jobs.cancel(job=other.id)
    await house.ask("update moothill.jobs set ended_at = now() - interval '91 days' where id = %s", job.id)
    await house.ask("update moothill.idempotency_keys set claimed_at = now() - interval '25 hours'")
    await house.remove(tenant)
    assert await house.count("jobs", tenant) == 1
    assert await house.count("idempotency_keys", tenant) == 0


async def test_what_is_held_stays(house: House) -> None:
    """A hold on a tenant keeps everything, one on an agent what is of that agent; from its commit on."""
    moot, tenant = await house.tenant("acme")
    agent = await moot.agents.register(name="Ada", agent_id="ada")
    await house.old_events(tenant, 400, 5, actor=agent.id, kind="agent")
    await house.old_events(tenant, 400, 5, kind="agent")
    hold = await moot.retention.hold(reason="Case 17")
    await house.remove(tenant)
    assert await house.count("events", tenant, "kind = 'test.old'") == 10
    of_agent = await moot.retention.hold(agent="ada", reason="Case 18")
    await moot.retention.release(hold=hold.id)
    await house.remove(tenant)
    assert await house.count("events", tenant, "kind = 'test.old'") == 5
    assert [each.id for each in (await moot.retention.holds()).items] == [of_agent.id]
    await moot.retention.release(hold=of_agent.id)
    await house.remove(tenant)
    assert await house.count("events", tenant, "kind = 'test.old'") == 0


async def test_the_logs_stay_append_only_but_for_the_one_exception(house: House) -> None:
    """Neither the app, nor the owner, nor a superuser rewrites a log; moothill_jobs deletes, but not what is held."""
    moot, tenant = await house.tenant("acme")
    await house.old_events(tenant, 400, 2)
    attempts = ["delete from moothill.events", "update moothill.events set payload = '{}'", "truncate moothill.events"]
    for role in ("postgres", "moothill_jobs"):
        for attempt in attempts[role == "moothill_jobs" :]:
            with pytest.raises(psycopg.Error):
                async with house.admin.transaction():
                    await house.ask(f"set local role {role}")
                    await house.ask(attempt)
    await moot.retention.hold(reason="Case 17")
    with pytest.raises(psycopg.errors.RestrictViolation, match="legal hold"):
        async with house.admin.transaction():
            await house.ask("set local role moothill_jobs")
            await house.ask("delete from moothill.events where tenant_id = %s", tenant)
    assert await house.count("events", tenant, "kind = 'test.old'") == 2


async def test_a_month_goes_as_a_whole_only_when_every_tenant_lets_it(house: House) -> None:
    """decisions.md: a partition is dropped only if every tenant's policy allows."""
    (acme, a), (globex, b) = await house.tenant("acme"), await house.tenant("globex")
    month = (await house.ask("select (date_trunc('month', now()) - interval '20 months')::date"))[0][0]
    days = (await house.ask("select (now()::date - %s::date) - 10", month))[0][0]
    for tenant in (a, b):
        await house.old_events(tenant, days)
    async with house.admin.transaction():
        await house.ask("set local role moothill_owner")
        assert (await house.ask("select mt.add_month('moothill.events', %s)", month))[0][0]
    name = f"events_{month:%Y_%m}"
    # The rows lay in the net; now they lie in their month, which is protected like every other.
    assert (await house.ask(f"select count(*) from moothill.{name}"))[0][0] == 6
    hold = await globex.retention.hold(reason="Case 17")

    async def drop() -> bool:
        return name in str((await house.ask("select moothill.jobs_drop_months()"))[0][0])

    assert not await drop()
    await globex.retention.release(hold=hold.id)
    await acme.retention.set(data_class="agent_activity", action="retain")
    assert not await drop()
    await acme.retention.set(data_class="agent_activity", action="delete", days=3000)
    assert not await drop()
    await acme.retention.clear(data_class="agent_activity")
    assert await drop()
    assert await house.ask("select to_regclass(%s)", f"moothill.{name}") == [(None,)]
    assert await house.count("events", a, "kind = 'test.old'") == 0


async def test_a_month_takes_over_what_lay_in_the_net(house: House) -> None:
    """B2: rows of a month in the default partition made add_month fail, in append-only logs too."""
    _, tenant = await house.tenant("acme")
    await house.old_events(tenant, 1000, 4)
    await house.old_accesses(tenant, 1000, 4)
    await house.old_events(tenant, 2000, 2)
    before = await house.ask("select id, place, txid, payload from moothill.events where kind = 'test.old' order by id")
    month = (await house.ask("select (now() - interval '1000 days')::date"))[0][0]
    async with house.admin.transaction():
        await house.ask("set local role moothill_owner")
        for log in ("events", "access_log"):
            assert (await house.ask("select mt.add_month(%s::regclass, %s)", f"moothill.{log}", month))[0][0]
    assert (
        await house.ask("select id, place, txid, payload from moothill.events where kind = 'test.old' order by id")
        == before
    )
    assert (await house.ask("select count(*) from moothill.events_default"))[0][0] == 2
    assert (await house.ask("select count(*) from moothill.access_log_default"))[0][0] == 0
    for name in ("events_default", f"events_{month:%Y_%m}", f"access_log_{month:%Y_%m}"):
        assert await house.ask(
            "select relrowsecurity, relforcerowsecurity from pg_class where oid = %s::regclass", f"moothill.{name}"
        ) == [(True, True)]
        with pytest.raises(psycopg.errors.RestrictViolation):
            await house.ask(f"delete from moothill.{name}")


async def test_a_hold_waits_for_a_batch_that_is_on_its_way_and_then_holds(house: House) -> None:
    """From its commit on: no batch that began before it commits after it."""
    moot, tenant = await house.tenant("acme")
    await house.old_events(tenant, 400, 6)
    async with house.admin.transaction():
        await house.ask("select mt.set_context(%s, gen_random_uuid(), 'system', 30000)", tenant)
        assert await house.ask("select moothill.jobs_retain('events', 2)") == [(2,)]
        holding = asyncio.create_task(moot.retention.hold(reason="Case 17"))

        async def waits() -> bool:
            return bool(await house.ask("select 1 from pg_locks where locktype = 'advisory' and not granted"))

        await eventually(waits)
        assert not holding.done()
    await holding
    await house.remove(tenant)
    assert await house.count("events", tenant, "kind = 'test.old'") == 4


async def test_nobody_is_told_of_policies_and_holds_of_another_tenant(house: House) -> None:
    """A17, A22: two hostile tenants, the same names."""
    (acme, _), (globex, _) = await house.tenant("acme"), await house.tenant("globex")
    await acme.retention.set(data_class="events", action="delete", days=77)
    hold = await acme.retention.hold(reason="a secret of acme")
    secret = (await globex.keys.create(name="k", scopes=["*"])).secret
    hostile = globex.with_key(secret)
    assert all(each.source == "default" for each in await hostile.retention.policies())
    assert (await hostile.retention.holds(released=True)).items == []
    with pytest.raises(HoldNotFound):
        await hostile.retention.release(hold=hold.id)
    with pytest.raises(Forbidden):
        await hostile.erasure.erase_tenant(tenant="acme", reason="x")
    with pytest.raises(Forbidden):
        await hostile.erasure.all_reports()
    assert (await acme.retention.holds()).items[0].released_at is None
