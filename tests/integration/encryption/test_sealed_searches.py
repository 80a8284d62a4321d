"""What a tenant that encrypts searches for: no words, and no digest to try words against, lie in the database."""

import hashlib

from moothill.moot import Moot
from moothill.registry.search.sessions.recorder import recorder_of
from moothill.session import _settled
from tests.integration.encryption.world import World

WORDS = "a canary errand"


async def written(moot: Moot) -> None:
    await recorder_of((await _settled(moot.executor)).runtime).flush()


async def test_a_query_is_sealed_and_counted_by_a_keyed_digest(world: World, moot: Moot) -> None:
    await moot.search.find(text=WORDS, mode="text")
    await written(moot)
    tenant = (await moot.sharing.level()).tenant
    rows = "select query_text, query_hash from moothill.search_sessions where tenant_id = %s order by id"
    (before,) = await world.ask(rows, tenant)
    assert before == (WORDS, hashlib.sha256(WORDS.encode()).digest())
    await world.done(moot, await moot.encryption.enable())
    await moot.search.find(text="A  Canary errand", mode="text")
    await moot.search.find(text="a canary ERRAND", mode="text")
    await written(moot)
    was, first, second = await world.ask(rows, tenant)
    assert all(row[0].startswith("$sealed:1:") for row in (was, first, second))
    assert first[1] == second[1] != before[1]
    assert "canary" not in str(
        await world.ask("select to_jsonb(s) from moothill.search_sessions s where tenant_id = %s", tenant)
    )
    found = await moot.search.sessions(text=WORDS)
    assert [each.query_text for each in found.items] == ["a canary ERRAND", "A  Canary errand", WORDS]
    assert {each.query_text for each in await moot.search.popular(least=1)} == {"a canary ERRAND", WORDS}
    await world.done(moot, await moot.encryption.rotate())
    assert [each.query_text for each in (await moot.search.sessions(text=WORDS)).items][-1] == WORDS
    fields = {each.field: each for each in (await moot.encryption.status()).fields}
    assert fields["search_sessions.query_text"].active == 3
