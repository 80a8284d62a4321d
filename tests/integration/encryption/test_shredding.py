"""Crypto-shredding: what was sealed is lost for good, and whoever reads is told so."""

import pytest

from moothill.kernel import Service, operation
from moothill.kernel.errors import MoothillError
from moothill.kernel.service import REGISTRY, SERVICES
from moothill.moot import Moot
from moothill.registry.agents import AgentDetails
from moothill.tenancy.encryption import shred
from tests.integration.encryption.test_sealed_tenants import CANARY, fill, read, tenant_of
from tests.integration.encryption.world import World


class Erasing(Service, group="erasing"):
    """Calls the hook as an erasure does."""

    @operation(effect="write", scope="erasing:write")
    async def shred(self) -> int:
        """Destroy the keys."""
        return await shred()


OURS = {name: REGISTRY.pop(name) for name in list(REGISTRY) if name.startswith("erasing.")}
SERVICES.pop("erasing")


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SERVICES, "erasing", Erasing)
    for name, found in OURS.items():
        monkeypatch.setitem(REGISTRY, name, found)


@pytest.mark.usefixtures("known")
async def test_what_was_sealed_is_lost_and_reads_say_so(world: World, moot: Moot) -> None:
    tenant = await tenant_of(moot)
    other = await world.tenant()
    await world.done(other, await other.encryption.enable())
    theirs = await fill(other)
    await world.done(moot, await moot.encryption.enable())
    agent = await fill(moot)
    await world.done(moot, await moot.encryption.rotate())
    details = AgentDetails(config={"said": CANARY})
    once = moot.agents.register.options(idempotency_key="once")
    await once(agent_id="once", name="O", details=details)
    # With arguments, so that there is something to lose.
    waiting = await moot.search.reindex(model="wordllama_256")
    assert await Erasing(moot.executor).shred() == 2
    assert await Erasing(moot.executor).shred() == 0
    assert await world.ask(
        "select count(*)::int, count(wrapped)::int from moothill.tenant_keys where tenant_id = %s", tenant
    ) == [(2, 0)]
    found = await read(moot, agent)
    assert found["config"] == found["metadata"] == found["capability"] == {"$shredded": True}
    assert found["sentence"] == ["[shredded]"]
    assert all(each.before is None for _, _, changes in found["audit"] for each in changes)
    cards = [each for each in (await moot.agents.list()).items if each.name.startswith("Card")]
    with pytest.raises(MoothillError) as told:
        await moot.agents.card(agent=cards[0].agent_id)
    assert told.value.code == "value_shredded"
    with pytest.raises(MoothillError) as told:
        await once(agent_id="once", name="O", details=details)
    assert told.value.code == "value_shredded"
    assert "destroyed" in (await world.done(moot, waiting, "failed")).message
    # The others are as they were, and this one goes on, in the open, or with a key of its own again.
    assert (await read(other, theirs))["config"] == {"said": CANARY}
    await moot.agents.register(agent_id="new", name="N", details=AgentDetails(config={"a": 1}))
    await world.done(moot, await moot.encryption.enable())
    status = await moot.encryption.status()
    assert (status.key, [key.state for key in status.keys]) == (3, ["active", "shredded", "shredded"])
    assert (await moot.agents.get(agent="new")).config == {"a": 1}
    assert (await read(moot, agent))["config"] == {"$shredded": True}


async def test_a_tenant_without_keys_has_nothing_to_shred(moot: Moot, known: None) -> None:
    assert await Erasing(moot.executor).shred() == 0
