"""Key-encryption keys: lost ones, new ones, and a key service over HTTP that answers, lags, and is gone."""

import asyncio
import subprocess
from pathlib import Path
from typing import Any

import pytest

from moothill.database.embedded import EmbeddedServer
from moothill.database.sealing import ring as rings
from moothill.kernel.errors import MoothillError
from moothill.moot import Moot
from moothill.registry.agents import AgentDetails
from tests.integration.encryption.test_sealed_tenants import CANARY, fill, read, tenant_of
from tests.integration.encryption.vault import TOKEN, Vault, running
from tests.integration.encryption.world import World, database_of, keks

TRANSIT = "moothill.database.sealing.transit:transit"


async def slug_of(moot: Moot) -> str:
    return (await moot.keys.current()).tenant_slug


def at(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Settings of a process that asks this service."""
    monkeypatch.setenv("VAULT_ADDR", vault.address)
    monkeypatch.setenv("VAULT_TOKEN", TOKEN)
    return {"keks": None, "kms": TRANSIT}


async def test_a_lost_kek_is_named_and_what_needs_no_key_goes_on(world: World, moot: Moot) -> None:
    await world.done(moot, await moot.encryption.enable())
    await moot.agents.register(agent_id="ada", name="Ada", details=AgentDetails(config={"a": 1}))
    for given in (keks("another"), None):
        lost = await world.open(await slug_of(moot), keks=given)
        for call in (lost.agents.get(agent="ada"), lost.agents.register(name="B")):
            with pytest.raises(MoothillError, match="'first' is not configured here") as told:
                await call
            assert (told.value.code, told.value.kind, told.value.kek) == (
                "key_encryption_missing",
                "unavailable",
                "first",
            )
        assert [each.agent_id for each in (await lost.agents.list()).items] == ["ada"]
        assert (await lost.encryption.status()).enabled
    assert (await (await world.open(await slug_of(moot))).agents.get(agent="ada")).config == {"a": 1}


async def test_enabling_without_a_kek_fails_and_changes_nothing(world: World, moot: Moot) -> None:
    bare = await world.open(await slug_of(moot), keks=None)
    failed = await world.done(bare, await bare.encryption.enable(), "failed")
    assert "No key-encryption key is configured" in failed.message
    assert not (await bare.encryption.status()).enabled


async def test_data_keys_move_to_the_newest_kek_and_the_old_one_can_go(world: World, moot: Moot) -> None:
    await world.done(moot, await moot.encryption.enable())
    await world.done(moot, await moot.encryption.rotate())
    agent = await fill(moot)
    before, raw = await read(moot, agent), await world.raw(await tenant_of(moot))
    assert raw.count('"kek":"first"') + raw.count('"kek": "first"') == 2
    both = await world.open(keks=keks("second", "first"))
    done, cursor = 0, None
    while True:
        told = await both.encryption.rewrap(limit=1, cursor=cursor)
        assert (told.kek, told.rewrapped + told.failed) == ("second", 1)
        done += told.rewrapped
        if (cursor := told.next) is None:
            break
    assert done >= 2
    assert (await both.encryption.rewrap(limit=500)).rewrapped == 0
    newest = await world.open(await slug_of(moot), keks=keks("second"))
    assert await read(newest, agent) == before
    assert (await newest.encryption.status()).kek == "second"
    # Back again, for the other tests of this database.
    back = await world.open(keks=keks("first", "second"))
    assert (await back.encryption.rewrap(limit=500)).rewrapped == done


async def test_a_key_service_wraps_and_unwraps_over_http(
    world: World, moot: Moot, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(Vault()) as vault:
        afar = await world.open(await slug_of(moot), **at(vault, monkeypatch))
        await world.done(afar, await afar.encryption.enable())
        agent = await fill(afar)
        before = await read(afar, agent)
        status = await afar.encryption.status()
        assert (status.kek, status.newest_kek) == ("transit:moothill:v1", "transit:moothill:v1")
        vault.rotate()
        await world.done(afar, await afar.encryption.rotate())
        assert (await afar.encryption.status()).kek == "transit:moothill:v2"
        fresh = await world.open(await slug_of(moot), **at(vault, monkeypatch))
        assert await read(fresh, agent) == before
        assert {path.rpartition("/")[0] for path in vault.asked} == {
            "/v1/transit/keys",
            "/v1/transit/encrypt",
            "/v1/transit/decrypt",
        }
        # Another tenant's wrapped key in this one's place does not unwrap.
        await world.ask(
            "update moothill.tenant_keys set number = number + 10 where tenant_id = %s", await tenant_of(moot)
        )
        moved = await world.open(await slug_of(moot), **at(vault, monkeypatch))
        with pytest.raises(MoothillError, match="cannot unwrap"):
            await moved.agents.register(name="B")


async def test_cached_keys_go_on_while_the_service_is_gone_and_then_it_says_so(
    world: World, moot: Moot, monkeypatch: pytest.MonkeyPatch
) -> None:
    vault = Vault()
    async with running(vault):
        port = int(vault.address.rpartition(":")[2])
        settings = at(vault, monkeypatch)
        afar = await world.open(await slug_of(moot), **settings)
        await world.done(afar, await afar.encryption.enable())
        await afar.agents.register(agent_id="ada", name="Ada", details=AgentDetails(config={"a": 1}))
    assert (await afar.agents.get(agent="ada")).config == {"a": 1}
    cold = await world.open(await slug_of(moot), **settings)
    with pytest.raises(MoothillError, match="does not answer") as told:
        await cold.agents.get(agent="ada")
    assert (told.value.code, told.value.kind) == ("key_encryption_unavailable", "unavailable")
    with pytest.raises(MoothillError, match="does not answer"):
        await cold.encryption.rotate()
    async with running(vault, port):
        database_of(cold).ring.forget(await tenant_of(moot))
        assert (await cold.agents.get(agent="ada")).config == {"a": 1}


async def test_a_service_that_lags_holds_a_call_up_for_a_bounded_time(
    world: World, moot: Moot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rings, "_PATIENCE", 0.2)
    async with running(Vault()) as vault:
        afar = await world.open(await slug_of(moot), **at(vault, monkeypatch))
        await world.done(afar, await afar.encryption.enable())
        await afar.agents.register(agent_id="ada", name="Ada", details=AgentDetails(config={"a": 1}))
        vault.slow = True
        cold = await world.open(await slug_of(moot), **at(vault, monkeypatch))
        async with asyncio.timeout(10):
            told = await asyncio.gather(*(cold.agents.get(agent="ada") for _ in range(8)), return_exceptions=True)
        assert {getattr(each, "code", each) for each in told} == {"key_encryption_unavailable"}


async def test_a_dump_of_the_whole_database_has_nothing_of_it(
    world: World, moot: Moot, server: EmbeddedServer, encryption_database: str, tmp_path: Path
) -> None:
    """Every table as it lies in the files that a copy of the database would have, the old versions of rows too."""
    word = f"{CANARY}-dumped"
    await fill(moot, word)
    await world.done(moot, await moot.encryption.enable())
    await fill(moot, word)
    tables = await world.ask(
        "select format('%%I.%%I', n.nspname, c.relname) from pg_class c join pg_namespace n on n.oid = c.relnamespace "
        "where c.relkind in ('r', 'm') and n.nspname in ('moothill', 'mt', 'public')"
    )
    dumped = tmp_path / "dump"
    with dumped.open("wb") as file:
        for (table,) in tables:
            async with world.admin.cursor() as cursor, cursor.copy(f"copy {table} to stdout".encode()) as copy:
                async for part in copy:
                    file.write(bytes(part))
    found = subprocess.run(["grep", "-c", word, str(dumped)], capture_output=True, text=True, check=False)
    assert found.stdout.strip() == "0"
    assert dumped.stat().st_size > 10_000
    hexed = subprocess.run(
        ["grep", "-c", word.encode().hex(), str(dumped)], capture_output=True, text=True, check=False
    )
    assert hexed.stdout.strip() == "0"
