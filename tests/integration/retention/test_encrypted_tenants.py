"""Tenants that encrypt: what leaves them is open, what is erased in them is gone, and their keys go with them."""

import json

from moothill.registry.agents import AgentDetails
from moothill.registry.capabilities.models import NewCapability
from tests.integration.retention.house import House
from tests.integration.retention.test_exporting import exported

CANARY = "a word that nobody else says"


async def test_an_export_is_open_and_holds_no_key(house: House) -> None:
    moot, tenant = await house.tenant("acme")
    await house.done(moot, await moot.encryption.enable())
    card = {
        "name": "Cara",
        "description": CANARY,
        "version": "1.0.0",
        "supportedInterfaces": [
            {"url": "https://cara.example/a2a", "protocolBinding": "JSONRPC", "protocolVersion": "1.0"}
        ],
        "capabilities": {},
        "defaultInputModes": ["text/plain"],
        "defaultOutputModes": ["text/plain"],
        "skills": [{"id": "s", "name": "Sealing", "description": "Seals.", "tags": ["law"]}],
    }
    await moot.agents.register(agent_id="ada", name="Ada", details=AgentDetails(metadata={"said": CANARY}))
    await moot.agents.load(content=json.dumps(card), format="a2a")
    await moot.capabilities.add(agent="ada", capabilities=[NewCapability(name="Sealing", metadata={"said": CANARY})])
    stored = await house.ask("select metadata from moothill.agents where tenant_id = %s and agent_id = 'ada'", tenant)
    assert CANARY not in json.dumps(stored)
    rows, _ = await exported(moot)
    assert {"said": CANARY} in [row["metadata"] for row in rows["agents"]]
    assert {"said": CANARY} in [row["metadata"] for row in rows["capabilities"]]
    assert CANARY in bytes.fromhex(rows["agent_cards"][0]["content"][2:]).decode()
    assert any(CANARY in json.dumps(row["changes"]) for row in rows["events"])
    assert "$sealed" not in json.dumps(rows)
    assert rows["tenant_keys"]
    assert all("wrapped" not in row for row in rows["tenant_keys"])


async def test_what_is_erased_in_an_encrypting_tenant_leaves_nothing_open_or_sealed(house: House) -> None:
    moot, tenant = await house.tenant("acme")
    await house.done(moot, await moot.encryption.enable())
    ada = await moot.agents.register(agent_id="ada", name="Ada", details=AgentDetails(metadata={"said": CANARY}))
    await moot.agents.register(agent_id="bob", name="Bob", details=AgentDetails(metadata={"said": "another"}))
    ended = await house.done(moot, await moot.erasure.erase_agent(agent="ada", reason="asked for"))
    assert ended.state == "completed", ended.message
    # The event of the erasure itself is all that the log tells of her.
    (left,) = (await moot.events.list(subject=ada.id)).items
    assert left.payload == {"report": 1}
    sealed = await house.ask(
        "select 1 from moothill.events "
        "where tenant_id = %s and actor = %s and (payload <> '{}' or changes is not null)",
        *(tenant, ada.id),
    )
    assert sealed == []
    assert (await moot.agents.get(agent="bob")).metadata == {"said": "another"}
    # What others wrote and sealed could not be searched for her name: the signed report says so.
    assert (await moot.erasure.report(number=1)).report["not_searched"] == ["sealed content"]


async def test_the_keys_go_with_their_tenant(house: House) -> None:
    moot, tenant = await house.tenant("acme")
    await house.done(moot, await moot.encryption.enable())
    await moot.agents.register(agent_id="ada", name="Ada", details=AgentDetails(metadata={"said": CANARY}))
    ended = await house.done(house.moot, await house.moot.erasure.erase_tenant(tenant="acme", reason="asked for"))
    assert ended.state == "completed", ended.message
    assert await house.count("tenant_keys", tenant) == 0
    removed = (await house.moot.erasure.report(number=1)).report["removed"]
    assert removed["tenant_keys"] == 1
