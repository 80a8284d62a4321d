"""Content that is not what it seems, months made late, jobs stopped half-way, readers with old keys, and statistics."""

import logging
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest

from moothill.database.wire import Wire
from moothill.kernel.context import Actor, Context, Principal
from moothill.kernel.errors import Forbidden
from moothill.moot import Moot
from moothill.registry.agents import AgentDetails, AgentPatch, Heartbeat
from moothill.registry.capabilities import NewCapability, NewEvidence
from tests.integration.encryption.test_sealed_tenants import CANARY, fill, read, tenant_of
from tests.integration.encryption.world import World, database_of
from tests.integration.worker.world import eventually

FORGED = '{"$sealed": {"k": 1, "v": "AAAA", "p": "AAAA"}}'


async def said(moot: Moot, sentence: str) -> list[str]:
    """A sentence of evidence as it comes back."""
    made = await moot.agents.register(agent_id=f"s{uuid4().hex[:8]}", name="S")
    evidence = [NewEvidence(chunk_id=uuid4(), chunk_type="task", mention="m", sentence=sentence)]
    found = [NewCapability(name="Speaking", confidence=Decimal("0.9"), evidence=evidence)]
    (added,) = await moot.capabilities.add(agent=made.agent_id, capabilities=found)
    return [each.sentence for each in (await moot.capabilities.evidence(capability=str(added.id))).items]


@pytest.mark.parametrize("sentence", ["null", "{}", "[]", " "])
async def test_a_text_that_would_be_empty_json_is_sealed_like_any_other(
    moot: Moot, world: World, sentence: str
) -> None:
    """A text of `null` was taken for an empty value, sent in the open, and refused for ever."""
    await world.done(moot, await moot.encryption.enable())
    assert await said(moot, sentence) == [sentence]
    assert "$sealed" in str(
        await world.ask("select sentence from moothill.capability_evidence where tenant_id = %s", await tenant_of(moot))
    )


@pytest.mark.parametrize(
    "value",
    [
        {"a": 1, "$sealed": {"k": 1, "v": "AAAA"}},
        {"$sealed": {"k": 1}, "z": None},
        {"$sealed": {"k": 999999999}, "b": [CANARY]},
    ],
)
@pytest.mark.parametrize("encrypts", [False, True])
async def test_a_value_with_a_seal_among_other_things_is_a_callers_own(
    world: World, moot: Moot, value: dict[str, object], encrypts: bool
) -> None:
    """The database took any object with such a key for a sealed one and refused it; what reads wants it alone."""
    if encrypts:
        await world.done(moot, await moot.encryption.enable())
    made = await moot.agents.register(agent_id="h", name="H", details=AgentDetails(config=value))
    assert made.config == value
    await world.done(moot, await (moot.encryption.disable() if encrypts else moot.encryption.enable()))
    assert (await moot.agents.get(agent="h")).config == value
    raw = await world.raw(await tenant_of(moot))
    assert encrypts or CANARY not in raw


@pytest.mark.parametrize("state", ["retired", "shredded", "plain"])
async def test_a_month_made_late_takes_over_events_whatever_sealed_them(world: World, moot: Moot, state: str) -> None:
    """Rows sealed by an older key, by one that was destroyed, or not yet, stopped the partition of a month for all."""
    tenant = await tenant_of(moot)
    month = {"retired": "2033-01-01", "shredded": "2033-02-01", "plain": "2033-03-01"}[state]
    payload = '{"said": "before"}' if state == "plain" else FORGED
    if state != "plain":
        await world.done(moot, await moot.encryption.enable())
    at = datetime.fromisoformat(month).replace(day=9, tzinfo=UTC)
    id = UUID(int=(int(at.timestamp() * 1000) << 80) | (7 << 76) | (2 << 62) | 1)
    await world.ask(
        "insert into moothill.events (tenant_id, id, kind, actor, actor_kind, operation, payload) "
        "values (%s, %s, 'x.strayed', %s, 'system', 'x', %s::jsonb)",
        *(tenant, id, UUID(int=0), payload),
    )
    if state == "plain":
        await world.done(moot, await moot.encryption.enable())
        await world.ask("alter table moothill.events_default disable trigger user")
        await world.ask("update moothill.events set payload = %s::jsonb where id = %s", payload, id)
        await world.ask("alter table moothill.events_default enable trigger user")
    elif state == "retired":
        await world.ask("update moothill.tenant_keys set state = 'retired' where tenant_id = %s", tenant)
    else:
        await world.ask(
            "update moothill.tenant_keys set state = 'shredded', wrapped = null where tenant_id = %s", tenant
        )
    async with world.admin.transaction(force_rollback=True):
        await world.ask("set local role moothill_owner")
        assert await world.ask("select mt.add_month('moothill.events', %s)", month) == [(True,)]
        await world.ask("set local role none")
        assert await world.ask("select tableoid::regclass::text from moothill.events where id = %s", id) == [
            (f"moothill.events_{month[:7].replace('-', '_')}",)
        ]
        # The guard is back, for what is written there from now on.
        guard = "select tgenabled::text from pg_trigger where tgname = 'sealed_rows' and tgrelid = %s::regclass"
        assert await world.ask(guard, f"moothill.events_{month[:7].replace('-', '_')}") == [("O",)]


async def test_an_opening_that_was_stopped_half_way_is_taken_up_again(world: World, moot: Moot) -> None:
    """Stopping was refused then, as the tenant did not encrypt any more, and what was sealed stayed so for ever."""
    agent = await fill(moot)
    await world.done(moot, await moot.encryption.enable())
    before = await read(moot, agent)
    job = await moot.encryption.disable()
    async with world.worker(moot):
        # The first step changes the keys; the next ones wait for this, a transaction that may have seen the old ones.
        beside = await world.beside()
        async with beside.transaction():
            await beside.execute("select pg_current_xact_id()")

            async def changed() -> bool:
                return not (await moot.encryption.status()).enabled

            await eventually(changed)
            await moot.jobs.cancel(job=job.id)
    status = await moot.encryption.status()
    assert not status.enabled
    assert sum(each.other for each in status.fields) > 0
    await world.done(moot, await moot.encryption.disable())
    assert sum(each.other for each in (await moot.encryption.status()).fields) == 0
    assert await read(moot, agent) == before


async def test_what_a_rotation_sends_is_sealed(world: World, moot: Moot) -> None:
    """The salt and the text of each logged event went to the server with its new seal, where statements are logged."""
    await fill(moot)
    await world.done(moot, await moot.encryption.enable())
    seen: list[str] = []
    real = Wire.dump

    def dump(self: Wire, statements: Sequence[tuple[Any, Mapping[str, Any]]]) -> Any:
        seen.extend(repr(values) for _, values in statements)
        return real(self, statements)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Wire, "dump", dump)
        await world.done(moot, await moot.encryption.rotate())
    assert any("$sealed" in each for each in seen)
    assert not any(CANARY in each for each in seen)


async def test_an_export_by_a_process_with_old_keys_tells_everything(world: World, moot: Moot) -> None:
    slug = (await moot.keys.current()).tenant_slug
    agent = await fill(moot)
    afar = await world.open(slug)
    await afar.agents.get(agent=str(agent))
    await world.done(moot, await moot.encryption.enable())
    text = ""
    async for piece in afar.retention.export():
        text += "\n".join(piece.lines)
    assert CANARY in text
    await world.done(moot, await moot.encryption.rotate())
    text = ""
    async for piece in afar.retention.export():
        text += "\n".join(piece.lines)
    assert CANARY in text
    assert "$sealed" not in text


async def test_keys_that_seal_nothing_any_more_go_when_a_tenant_stops(world: World, moot: Moot) -> None:
    agent = await fill(moot)
    await world.done(moot, await moot.encryption.enable())
    await world.done(moot, await moot.encryption.rotate())
    before = await read(moot, agent)
    await world.done(moot, await moot.encryption.disable())
    assert await read(moot, agent) == before
    status = await moot.encryption.status()
    assert [key.state for key in status.keys] == ["shredded", "shredded"]
    await world.done(moot, await moot.encryption.enable())
    assert (await moot.encryption.status()).key == 3
    await moot.agents.update(agent=str(agent), version=2, changes=AgentPatch(metadata={"x": CANARY}))


async def test_keys_that_an_archive_may_need_stay(world: World, moot: Moot) -> None:
    tenant = await tenant_of(moot)
    await world.done(moot, await moot.encryption.enable())
    await world.ask(
        "insert into moothill.retention_archives "
        "(tenant_id, id, class, file, rows, bytes, sha256, digest, state, cutoff, first_at, last_at) "
        "values (%s, gen_random_uuid(), 'events', 'events-1.parquet', 1, 1, repeat('a', 64), repeat('b', 64), "
        "'settled', now(), now(), now())",
        tenant,
    )
    await world.done(moot, await moot.encryption.disable())
    assert [key.state for key in (await moot.encryption.status()).keys] == ["retired"]
    # Asked again, it looks again, and finds the same.
    await world.done(moot, await moot.encryption.disable())
    assert [key.state for key in (await moot.encryption.status()).keys] == ["retired"]


async def test_statistics_of_the_server_keep_nothing_of_the_content(world: World, moot: Moot) -> None:
    """The planner keeps samples of columns, on disk and in physical backups, until the table is analysed again."""
    for _ in range(3):
        await fill(moot)
    tables = await world.ask(
        "select c.oid::regclass::text from pg_class c join pg_namespace n on n.oid = c.relnamespace "
        "where n.nspname = 'moothill' and c.relkind in ('r', 'p')"
    )
    for (table,) in tables:
        await world.ask(f"analyze {table}")
    await world.done(moot, await moot.encryption.enable())
    kept = await world.ask(
        "select tablename, attname from pg_stats where schemaname = 'moothill' "
        "and concat(most_common_vals::text, histogram_bounds::text) like %s",
        f"%{CANARY}%",
    )
    assert kept == []
    async with world.admin.transaction(force_rollback=True):
        await world.ask("set local role moothill_owner")
        await world.ask("select mt.add_month('moothill.events', '2034-01-01')")
        targets = await world.ask(
            "select attname::text from pg_attribute where attrelid = 'moothill.events_2034_01'::regclass "
            "and attnum > 0 and attstattarget = 0 order by 1"
        )
        assert targets == [("changes",), ("payload",)]


async def test_a_refusal_is_recorded_by_a_process_with_old_keys(world: World, moot: Moot) -> None:
    slug = (await moot.keys.current()).tenant_slug
    afar = await world.open(slug)
    await afar.agents.list()
    await world.done(moot, await moot.encryption.enable())
    tenant = await tenant_of(moot)
    tester = Actor("operator", UUID(int=7), "tester")
    principal = Principal(tenant=tenant, tenant_slug=slug, actor=tester, scopes=frozenset({"agents:read"}))
    await database_of(afar).log_denial(Context(principal=principal, operation="agents.register"), Forbidden())
    denied = "select payload ? '$sealed' from moothill.events where tenant_id = %s and kind = 'operations.denied'"
    assert await world.ask(denied, tenant) == [(True,)]


async def test_an_event_of_a_tenant_whose_key_is_lost_is_given_up_without_an_entry(
    world: World, moot: Moot, caplog: pytest.LogCaptureFixture
) -> None:
    """Its dead letter cannot be sealed; were it tried for ever, the events of all other tenants would wait for it."""
    tenant = await tenant_of(moot)
    await world.done(moot, await moot.encryption.enable())
    await moot.agents.register(agent_id="ada", name="Ada", details=AgentDetails(config={"said": CANARY}))
    await moot.agents.heartbeat(beats=[Heartbeat(agent="ada", status="busy")])
    other = await world.tenant()
    theirs = await other.agents.register(agent_id="bob", name="Bob")
    await other.agents.heartbeat(beats=[Heartbeat(agent="bob", status="busy")])
    lost = await world.open("default", keks=None)
    parked = "select dead from moothill.parked_events where tenant_id = %s"
    touched = (
        "select 1 from moothill.search_item_facets f where f.tenant_id = %s and f.facet = 'status' and f.value = 'busy'"
    )

    async def dead() -> bool:
        return await world.ask(parked, tenant) == [(True,)]

    async def went_on() -> bool:
        return await world.ask(touched, await tenant_of(other)) == [(1,)]

    with caplog.at_level(logging.WARNING, "moothill.relay"):
        async with world.worker(lost):
            await eventually(dead)
            await eventually(went_on)
    assert theirs.id
    assert any(each.message == "dead_letter_not_recorded" for each in caplog.records)
    assert CANARY not in caplog.text
