"""Enabling, rotating and stopping while others write, while others hold old keys, and when the worker is killed."""

import asyncio
from uuid import UUID

import pytest

from moothill.kernel.errors import MoothillError
from moothill.moot import Moot
from moothill.registry.agents import AgentDetails, AgentPatch
from tests.integration.encryption.test_sealed_tenants import CANARY, fill, read, tenant_of
from tests.integration.encryption.world import World
from tests.integration.worker.world import eventually

WRITERS = 8
_HELD = "select 1 from pg_locks l where not l.granted and l.relation = 'moothill.capabilities'::regclass"


async def test_another_process_seals_from_the_commit_on(world: World, moot: Moot) -> None:
    """Its ring knows nothing of the key; the database refuses, and it writes again, sealed."""
    slug = (await moot.keys.current()).tenant_slug
    afar = await world.open(slug)
    tenant = await tenant_of(moot)
    await afar.agents.register(agent_id="before", name="B", details=AgentDetails(config={"said": CANARY}))
    await world.done(moot, await moot.encryption.enable())
    await afar.agents.register(agent_id="after", name="A", details=AgentDetails(config={"said": CANARY}))
    assert CANARY not in await world.raw(tenant)
    await world.done(moot, await moot.encryption.rotate())
    changed = await afar.agents.update(agent="before", version=1, changes=AgentPatch(metadata={"new": CANARY}))
    assert (changed.config, changed.metadata) == ({"said": CANARY}, {"new": CANARY})
    assert (await afar.agents.get(agent="after")).config == {"said": CANARY}
    assert '"k": 1,' not in await world.raw(tenant)
    await world.done(moot, await moot.encryption.disable())
    await afar.agents.register(agent_id="plain", name="P", details=AgentDetails(config={"said": CANARY}))
    assert "$sealed" not in await world.raw(tenant)


async def test_a_process_that_read_before_a_rotation_reads_after_it(world: World, moot: Moot) -> None:
    slug = (await moot.keys.current()).tenant_slug
    await world.done(moot, await moot.encryption.enable())
    await moot.agents.register(agent_id="ada", name="Ada", details=AgentDetails(config={"a": 1}))
    afar = await world.open(slug)
    assert (await afar.agents.get(agent="ada")).config == {"a": 1}
    await world.done(moot, await moot.encryption.rotate())
    assert (await afar.agents.get(agent="ada")).config == {"a": 1}


@pytest.mark.parametrize("goal", ["enable", "rotate", "disable"])
async def test_eight_writers_lose_nothing_while_keys_change(world: World, moot: Moot, goal: str) -> None:
    """Four processes, two writers each, from one barrier on: no write is lost, none lies as it must not."""
    tenant = await tenant_of(moot)
    slug = (await moot.keys.current()).tenant_slug
    for number in range(WRITERS):
        details = AgentDetails(config={"said": CANARY, "count": 0})
        await moot.agents.register(agent_id=f"w{number}", name="W", details=details)
    if goal != "enable":
        await world.done(moot, await moot.encryption.enable())
    processes = [await world.open(slug) for _ in range(WRITERS // 2)]
    barrier = asyncio.Barrier(WRITERS + 1)
    over = asyncio.Event()
    made: list[tuple[UUID, int]] = []

    async def write(number: int) -> int:
        own = processes[number % len(processes)]
        await barrier.wait()
        count = 0
        while not over.is_set() or count < 3:
            found = await own.agents.get(agent=f"w{number}")
            assert found.config["count"] == count
            count += 1
            patch = AgentPatch(config={"said": CANARY, "count": count})
            await own.agents.update(agent=f"w{number}", version=found.version, changes=patch)
            details = AgentDetails(metadata={"said": CANARY, "number": count})
            new = await own.agents.register(agent_id=f"n{number}-{count}", name="N", details=details)
            made.append((new.id, count))
        return count

    writing = [asyncio.create_task(write(number)) for number in range(WRITERS)]
    await barrier.wait()
    try:
        await world.done(moot, await getattr(moot.encryption, goal)())
    finally:
        over.set()
    counts = await asyncio.gather(*writing)
    raw = await world.raw(tenant)
    assert (CANARY in raw) is (goal == "disable")
    assert ("$sealed" in raw) is (goal != "disable")
    assert goal != "rotate" or '"k": 1,' not in raw
    for number, count in enumerate(counts):
        assert (await moot.agents.get(agent=f"w{number}")).config == {"said": CANARY, "count": count}
    for id, number in made:
        assert (await moot.agents.get(agent=str(id))).metadata == {"said": CANARY, "number": number}


async def test_who_looked_before_and_writes_after_is_waited_for(world: World, moot: Moot) -> None:
    """A transaction that is open while the keys change: what it wrote in the open is sealed once it ends."""
    tenant = await tenant_of(moot)
    beside = await world.beside()
    async with world.worker(moot):
        async with beside.transaction():
            await beside.execute("set local role moothill_app")
            await beside.execute(f"set local app.current_tenant = '{tenant}'".encode())
            await beside.execute(
                "insert into moothill.agents (tenant_id, id, agent_id, name, type, config) "
                "values (%s, gen_random_uuid(), 'slow', 'S', 'worker', jsonb_build_object('said', %s::text))",
                [tenant, CANARY],
            )
            job = await moot.encryption.enable()

            async def waits() -> bool:
                return "waits" in (await world.ask("select message from moothill.jobs where id = %s", job.id))[0][0]

            await eventually(waits)
            assert (await moot.encryption.status()).enabled
        await world.ended(moot, job)
    assert CANARY not in await world.raw(tenant)
    assert (await moot.agents.get(agent="slow")).config == {"said": CANARY}


async def test_a_transaction_of_the_callers_own_is_told_to_begin_again(world: World, moot: Moot) -> None:
    slug = (await moot.keys.current()).tenant_slug
    afar = await world.open(slug)
    await afar.agents.list()
    await world.done(moot, await moot.encryption.enable())

    async def block() -> None:
        async with afar.transaction():
            await afar.agents.register(agent_id="once", name="O", details=AgentDetails(config={"said": CANARY}))

    with pytest.raises(MoothillError) as told:
        await block()
    assert told.value.code == "tenant_keys_changed"
    await block()
    assert (await afar.agents.get(agent="once")).config == {"said": CANARY}


@pytest.mark.parametrize("goal", ["rotate", "disable"])
async def test_a_worker_killed_in_the_middle_loses_nothing(world: World, moot: Moot, goal: str) -> None:
    tenant = await tenant_of(moot)
    agents = [await fill(moot) for _ in range(3)]
    await world.done(moot, await moot.encryption.enable())
    before = [await read(moot, agent) for agent in agents]
    job = await getattr(moot.encryption, goal)()
    beside = await world.beside()
    async with beside.transaction():
        # The step that comes to this table waits; a lock alone is no transaction that the first step waits for.
        await beside.execute("lock table moothill.capabilities in share mode")
        killed = await world.spawn()
        await eventually(lambda: world.ask(_HELD), within=60)
        killed.kill()
        await killed.wait()
        state, cursor = (await world.ask("select state, cursor from moothill.jobs where id = %s", job.id))[0]
        assert state == "running"
        assert cursor is not None
    assert [await read(moot, agent) for agent in agents] == before
    raw = await world.raw(tenant)
    assert "$sealed" in raw
    await world.spawn()
    await world.ended(moot, job)
    assert [await read(moot, agent) for agent in agents] == before
    raw = await world.raw(tenant)
    assert (CANARY in raw) is (goal == "disable")
    assert ('"k": 1,' in raw) is False


async def test_a_later_change_takes_over_from_an_earlier_job(world: World, moot: Moot) -> None:
    tenant = await tenant_of(moot)
    await fill(moot)
    jobs = [await moot.encryption.enable(), await moot.encryption.rotate(), await moot.encryption.rotate()]
    async with world.worker(moot):
        for job in jobs:

            async def look(id: UUID = job.id) -> bool:
                return (await moot.jobs.get(job=id)).state in {"completed", "failed"}

            await eventually(look, within=60)
        # Whichever came first: the last word is carried through.
        await world.ended(moot, await moot.encryption.enable())
    active = (await moot.encryption.status()).key
    raw = await world.raw(tenant)
    assert CANARY not in raw
    assert active is not None
    assert all(f'"k": {number},' not in raw for number in range(1, active))


async def test_the_log_is_sealed_as_it_was_and_in_no_other_way(world: World, moot: Moot) -> None:
    """The exception to the append-only rule: who holds the application's rights cannot put other words into the log."""
    tenant = await tenant_of(moot)
    await moot.agents.register(agent_id="ada", name="Ada", details=AgentDetails(config={"said": CANARY}))
    (id, was) = (
        await world.ask(
            "select id, payload::text from moothill.events where tenant_id = %s and kind = 'agents.registered'", tenant
        )
    )[0]
    await world.done(moot, await moot.encryption.enable())
    (now,) = (await world.ask("select payload::text from moothill.events where id = %s", id))[0]
    forged = now.replace('"p": "', '"p": "AAAA')
    forms = (
        (now, forged, b"", was),
        (now, '{"name": "Eve"}', b"0" * 16, '{"name": "Eve"}'),
        (was, '{"$sealed": {"k": 1, "v": "AAAA", "p": "AAAA"}}', b"0" * 16, was),
    )
    for before, after, salt, plain in forms:
        async with world.admin.transaction(force_rollback=True):
            await world.ask("set local role moothill_app")
            await world.ask(f"set local app.current_tenant = '{tenant}'")
            with pytest.raises(Exception, match="not what was logged"):
                await world.ask(
                    "select moothill.gate_event_reseal(%s, 'payload', %s::jsonb, %s::jsonb, %s, %s)",
                    id,
                    before,
                    after,
                    salt,
                    plain,
                )
    # The right proof around another content: the reader sees it.
    replaced = now[:20] + now[20:].replace('"v": "', '"v": "AAAA', 1)
    async with world.admin.transaction():
        await world.ask("set local session_replication_role = replica")
        await world.ask("update moothill.events set payload = %s where id = %s", replaced, id)
    with pytest.raises(MoothillError) as told:
        await moot.audit.get(event=id)
    assert told.value.code == "seal_broken"
    for statement in (
        "update moothill.events set payload = '{}' where id = %s",
        "update moothill.events set actor_name = 'Eve', payload = '{}' where id = %s",
    ):
        with pytest.raises(Exception, match="append-only"):
            await world.ask(statement, id)
