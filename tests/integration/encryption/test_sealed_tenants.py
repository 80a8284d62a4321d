"""A tenant that encrypts: nothing of its content lies open, and nobody who calls notices."""

import json
import logging
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest

from moothill.kernel.errors import MoothillError
from moothill.moot import Moot
from moothill.registry.agents import AgentDetails, AgentPatch, Heartbeat
from moothill.registry.capabilities import NewCapability, NewEvidence
from moothill.registry.capabilities.models import CapabilityFilter
from tests.integration.encryption.world import World
from tests.integration.worker.world import shown

CANARY = "canary-7f3a91"


async def fill(moot: Moot, word: str = CANARY) -> UUID:
    """Content in every designated field; the id of the agent."""
    key = f"k{uuid4().hex[:8]}"
    made = await moot.agents.register.options(idempotency_key=f"i{uuid4().hex}")(
        agent_id=key,
        name="Ada",
        details=AgentDetails(config={"said": word}, metadata={"deep": [{"said": word}]}),
    )
    await moot.agents.update(agent=key, version=1, changes=AgentPatch(metadata={"again": word}))
    (added,) = await moot.capabilities.add(
        agent=key,
        capabilities=[
            NewCapability(
                name="Reading",
                metadata={"said": word},
                confidence=Decimal("0.9"),
                evidence=[
                    NewEvidence(chunk_id=uuid4(), chunk_type="task", mention="reads", sentence=f"It reads {word}.")
                ],
            )
        ],
    )
    card = {
        "name": f"Card {uuid4().hex[:8]}",
        "description": "A card.",
        "version": "1",
        "supportedInterfaces": [{"url": "https://example.com", "protocolBinding": "JSONRPC", "protocolVersion": "1.0"}],
        "capabilities": {},
        "defaultInputModes": ["text/plain"],
        "defaultOutputModes": ["text/plain"],
        "skills": [{"id": "s", "name": "Answering", "description": "Answers.", "tags": ["a"]}],
        "documentationUrl": f"https://example.com/{word}",
    }
    await moot.agents.load(content=json.dumps(card), format="a2a")
    await moot.agents.heartbeat(beats=[Heartbeat(agent=key, status="busy")])
    assert added.metadata == {"said": word}
    return made.id


async def read(moot: Moot, agent: UUID) -> dict[str, Any]:
    """What callers see of it."""
    found = await moot.agents.get(agent=str(agent))
    (capability,) = (await moot.capabilities.list(filter=CapabilityFilter(agent=str(agent)))).items
    evidence = (await moot.capabilities.evidence(capability=str(capability.id))).items
    audit = (await moot.audit.list(subject=agent)).items
    return {
        "config": found.config,
        "metadata": found.metadata,
        "capability": capability.metadata,
        "sentence": [each.sentence for each in evidence],
        "audit": [(each.id, each.payload, each.changes) for each in audit],
    }


async def everything(moot: Moot) -> list[tuple[UUID, dict[str, Any]]]:
    """Every event of the log, as the audit shows it."""
    found: list[tuple[UUID, dict[str, Any]]] = []
    cursor = None
    while True:
        page = await moot.audit.list(limit=200, cursor=cursor)
        found += [(each.id, each.payload) for each in page.items if not each.kind.startswith(("encryption.", "jobs."))]
        if (cursor := page.next) is None:
            return found


async def tenant_of(moot: Moot) -> UUID:
    return (await moot.keys.current()).tenant


async def test_what_was_there_and_what_comes_is_sealed_and_reads_as_before(world: World, moot: Moot) -> None:
    tenant = await tenant_of(moot)
    old = await fill(moot)
    before, log = await read(moot, old), await everything(moot)
    assert CANARY in await world.raw(tenant)
    done = await world.done(moot, await moot.encryption.enable())
    assert done.done > 0
    assert CANARY not in await world.raw(tenant)
    assert await read(moot, old) == before
    assert [each for each in await everything(moot) if each in log] == log
    new = await fill(moot)
    assert CANARY not in await world.raw(tenant)
    assert (await read(moot, new))["metadata"] == {"again": CANARY}
    status = await moot.encryption.status()
    assert (status.enabled, status.key, status.kek, status.newest_kek) == (True, 1, "first", "first")
    assert {each.field for each in status.fields if each.plain or each.other} == set()
    assert all(each.is_all for each in status.fields)
    assert next(each for each in status.fields if each.field == "agents.config").active == 2


async def test_a_rotation_seals_everything_anew(world: World, moot: Moot) -> None:
    tenant = await tenant_of(moot)
    agent = await fill(moot)
    await world.done(moot, await moot.encryption.enable())
    before, raw = await read(moot, agent), await world.raw(tenant)
    await world.done(moot, await moot.encryption.rotate())
    assert await read(moot, agent) == before
    assert CANARY not in (sealed := await world.raw(tenant))
    assert '"k": 1' in raw
    assert '"k": 1,' not in sealed
    assert '"k": 2' in sealed
    assert [key.state for key in (await moot.encryption.status()).keys] == ["active", "retired"]


async def test_a_tenant_that_stops_has_its_content_as_it_was(world: World, moot: Moot) -> None:
    tenant = await tenant_of(moot)
    agent = await fill(moot)
    columns = "select config, metadata from moothill.agents where tenant_id = %s order by id"
    logged = "select id, payload, changes from moothill.events where tenant_id = %s and id <= %s order by id"
    before, plain = await read(moot, agent), await world.ask(columns, tenant)
    (last,) = (await world.ask("select id from moothill.events where tenant_id = %s order by id desc limit 1", tenant))[
        0
    ]
    log = await world.ask(logged, tenant, last)
    await world.done(moot, await moot.encryption.enable())
    born_sealed = await fill(moot)
    plan = await moot.encryption.disable.plan()
    assert plan.counts["agents.config"] == 2
    await world.done(moot, await moot.encryption.disable())
    assert await world.ask(columns + " limit 2", tenant) == plain
    assert await world.ask(logged, tenant, last) == log
    assert "$sealed" not in await world.raw(tenant)
    assert await read(moot, agent) == before
    assert (await read(moot, born_sealed))["config"] == {"said": CANARY}
    await world.done(moot, await moot.encryption.enable())
    assert (await moot.encryption.status()).key == 2


async def test_what_needs_a_key_says_so(world: World, moot: Moot) -> None:
    for asked in (await moot.encryption.rotate(), await moot.encryption.disable()):
        assert "does not encrypt" in (await world.done(moot, asked, "failed")).message
    assert (await moot.encryption.disable.plan()).summary.startswith("This tenant does not encrypt")


async def test_a_repeated_call_answers_from_the_sealed_result(world: World, moot: Moot) -> None:
    await world.done(moot, await moot.encryption.enable())
    register = moot.agents.register.options(idempotency_key="once")
    details = AgentDetails(config={"said": CANARY})
    first = await register(name="Ada", details=details)
    assert await register(name="Ada", details=details) == first
    (kept,) = await world.ask(
        "select result from moothill.idempotency_keys where key = 'once' and tenant_id = %s", await tenant_of(moot)
    )
    assert kept[0].keys() == {"$sealed"}


async def test_feeds_and_handlers_get_events_as_they_were(world: World, moot: Moot) -> None:
    await world.done(moot, await moot.encryption.enable())
    agent = await fill(moot)
    events = await shown(moot, 1, kind="agents.registered")
    assert events[-1].payload["name"] == "Ada"
    activity = await moot.agents.activity(agent=str(agent))
    assert {each.payload.get("name") for each in activity.items if each.kind == "agents.registered"} == {"Ada"}
    history = await moot.agents.status_history(agent=str(agent))
    assert [(each.old_status, each.new_status) for each in history.items] == [("idle", "busy")]


HOSTILE: tuple[dict[str, Any], ...] = (
    {"$sealed": {"k": 1, "v": "AAAA"}},
    {"$sealed": {"k": 0, "v": {"$sealed": 1}}},
    {"$sealed": None},
    {"$sealed": {"k": 2**62, "v": ""}},
    {"$sealed": {"k": -1, "v": []}},
    {"$sealed": {"k": 1.5, "v": "x"}},
    {"$sealed": "x", "beside": 1},
    {"$shredded": True},
    {"a": {"$sealed": {"k": 1, "v": "AAAA"}}},
)


@pytest.mark.parametrize("encrypts", [False, True])
async def test_a_callers_own_value_that_looks_sealed_comes_back_as_it_was(
    world: World, moot: Moot, encrypts: bool
) -> None:
    """Hostile input: neither can it pass for a sealed value, nor hold up the guard, the jobs or the reader."""
    if encrypts:
        await world.done(moot, await moot.encryption.enable())
    keys = []
    for number, value in enumerate(HOSTILE):
        made = await moot.agents.register(
            agent_id=f"h{number}", name="H", details=AgentDetails(config=value, metadata=value)
        )
        assert (made.config, made.metadata) == (value, value)
        (added,) = await moot.capabilities.add(
            agent=made.agent_id,
            capabilities=[
                NewCapability(
                    name="Lying",
                    metadata=value,
                    confidence=Decimal("0.9"),
                    evidence=[
                        NewEvidence(chunk_id=uuid4(), chunk_type="task", mention="m", sentence="$sealed:1:AAAA"),
                        NewEvidence(chunk_id=uuid4(), chunk_type="task", mention="n", sentence="$sealed:0:x"),
                    ],
                )
            ],
        )
        assert added.metadata == value
        keys.append((made.id, value, added.id))

    async def check() -> None:
        for agent, value, capability in keys:
            found = await moot.agents.get(agent=str(agent))
            assert (found.config, found.metadata) == (value, value)
            assert (await moot.capabilities.get(capability=str(capability))).metadata == value
            said = {each.sentence for each in (await moot.capabilities.evidence(capability=str(capability))).items}
            assert said == {"$sealed:1:AAAA", "$sealed:0:x"}

    await check()
    await world.done(moot, await (moot.encryption.disable() if encrypts else moot.encryption.enable()))
    await check()
    await world.done(moot, await (moot.encryption.enable() if encrypts else moot.encryption.disable()))
    await check()


async def test_no_log_and_no_table_has_a_key(world: World, moot: Moot, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    await world.done(moot, await moot.encryption.enable())
    ring = world.platform.session.database.ring  # type: ignore[union-attr]
    keys = await ring.of(await tenant_of(moot))
    key = keys.known[1]
    assert repr(key) == "<DataKey 1>"
    assert "cipher" not in repr(keys)
    with pytest.raises(TypeError):
        __import__("copy").copy(key)
    kek = bytes(range(32))
    said = caplog.text + "".join(str(record.__dict__) for record in caplog.records)
    for secret in (kek.hex(), "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"):
        assert secret not in said
        assert secret not in await world.raw(await tenant_of(moot))
    assert "AAECAwQFBgcI" not in repr(database_settings(world))


def database_settings(world: World) -> object:
    assert world.platform.session is not None
    return world.platform.session.settings


async def test_two_tenants_have_nothing_of_each_other(world: World, moot: Moot) -> None:
    """Two hostile tenants: neither sees the other's keys, nor reads what it copied out of the other's rows."""
    other = await world.tenant()
    for each in (moot, other):
        await world.done(each, await each.encryption.enable())
    mine, theirs = await tenant_of(moot), await tenant_of(other)
    for each in (moot, other):
        await each.agents.register(agent_id="ada", name="Ada", details=AgentDetails(config={"of": "nobody else"}))
    await world.ask(
        "update moothill.agents a set config = b.config from moothill.agents b "
        "where a.tenant_id = %s and b.tenant_id = %s and a.agent_id = 'ada' and b.agent_id = 'ada'",
        mine,
        theirs,
    )
    with pytest.raises(MoothillError) as told:
        await moot.agents.get(agent="ada")
    assert told.value.code == "seal_broken"
    assert (await other.agents.get(agent="ada")).config == {"of": "nobody else"}
    assert len((await moot.encryption.status()).keys) == 1


@pytest.mark.parametrize(
    ("what", "change"),
    [
        (
            "row",
            "update moothill.agents a set config = b.config from moothill.agents b where a.tenant_id = %(t)s "
            "and b.tenant_id = %(t)s and a.agent_id = 'ada' and b.agent_id = 'bela'",
        ),
        ("field", "update moothill.agents set config = metadata where tenant_id = %(t)s and agent_id = 'ada'"),
        (
            "byte",
            "update moothill.agents set config = jsonb_set(config, '{$sealed,v}', to_jsonb(encode(set_byte(v, 20, "
            "get_byte(v, 20) # 1), 'base64'))) from (select decode(translate(config -> '$sealed' ->> 'v', E'\\n', ''), "
            "'base64') v from moothill.agents where tenant_id = %(t)s and agent_id = 'ada') s "
            "where tenant_id = %(t)s and agent_id = 'ada'",
        ),
        (
            "short",
            'update moothill.agents set config = \'{"$sealed": {"k": 1, "v": "AAAA"}}\' '
            "where tenant_id = %(t)s and agent_id = 'ada'",
        ),
    ],
)
async def test_what_was_moved_or_changed_is_not_believed(world: World, moot: Moot, what: str, change: str) -> None:
    await world.done(moot, await moot.encryption.enable())
    for key in ("ada", "bela"):
        details = AgentDetails(config={"of": key}, metadata={"of": key})
        await moot.agents.register(agent_id=key, name=key, details=details)
    assert (await world.admin.execute(change.encode(), {"t": await tenant_of(moot)})).rowcount == 1
    with pytest.raises(MoothillError, match=r"agents\.config of ada") as told:
        await moot.agents.get(
            agent="ada",
        )
    assert told.value.code == "seal_broken"
    assert "bela" not in told.value.message
    assert (await moot.agents.get(agent="bela")).config == {"of": "bela"}


async def test_the_database_itself_lets_nothing_in_unsealed(world: World, moot: Moot) -> None:
    """Whatever program writes: the guard is in the database, not in this one."""
    await world.done(moot, await moot.encryption.enable())
    tenant = await tenant_of(moot)
    await moot.agents.register(agent_id="ada", name="Ada", details=AgentDetails(config={"a": 1}))
    for value in (
        '{"a": 1}',
        '{"$sealed": {"k": 2, "v": "AAAA"}}',
        '{"$sealed": {"k": 0, "v": {}}}',
        "[1]",
        '"x"',
        "1",
    ):
        with pytest.raises(Exception, match="is not sealed as the keys of its tenant want it"):
            await world.ask("update moothill.agents set config = %s where tenant_id = %s", value, tenant)
    await world.ask("update moothill.agents set config = '{}' where tenant_id = %s", tenant)
    assert (await moot.agents.get(agent="ada")).config == {}


async def test_a_nul_is_refused_alike_sealed_or_not(world: World, moot: Moot) -> None:
    told = []
    for _ in range(2):
        with pytest.raises(MoothillError) as error:
            await moot.agents.register(name="N", details=AgentDetails(config={"a": ["\x00"]}))
        told.append(error.value.code)
        await world.done(moot, await moot.encryption.enable())
    assert told[0] == told[1]
