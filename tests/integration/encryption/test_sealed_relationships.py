"""What a tenant that encrypts says of relationships lies sealed in the database, and is read as it was said."""

from decimal import Decimal

from moothill.moot import Moot
from moothill.registry.relationships import NewRelationship, Observation
from moothill.registry.relationships.models import RelationshipDetails, RelationshipPatch
from tests.integration.encryption.world import World

CANARY = "planned a canary release"


async def test_relationships_are_sealed_however_they_are_written(world: World, moot: Moot) -> None:
    for name in ("ada", "bela", "cleo", "dana"):
        await moot.agents.register(name=name.title(), agent_id=name)
    tenant = (await moot.sharing.level()).tenant
    await world.done(moot, await moot.encryption.enable())
    put = await moot.relationships.put(
        source="bela",
        target="ada",
        type="VALIDATES",
        confidence=Decimal("0.9"),
        context=CANARY,
        details=RelationshipDetails(metadata={"from": CANARY}),
    )
    await moot.relationships.load(
        relationships=[
            NewRelationship(source="ada", target="bela", type="VALIDATES", confidence=Decimal("0.8"), context=CANARY),
            NewRelationship(source="ada", target="cleo", type="VALIDATES", confidence=Decimal("0.8"), context=CANARY),
        ]
    )
    seen = [Observation(source="ada", target=target, type="VALIDATES") for target in ("bela", "dana")]
    assert (await moot.relationships.observe(observations=seen)).created == 1
    changed = await moot.relationships.update(
        relationship=put.id, version=2, changes=RelationshipPatch(metadata={"now": CANARY})
    )
    assert (changed.extraction_context, changed.metadata) == (CANARY, {"now": CANARY})
    shown = {each.target: each.extraction_context for each in (await moot.relationships.list()).items}
    assert sorted(shown.values()) == ["", CANARY, CANARY]
    for table in ("agent_relationships", "events"):
        rows = await world.ask(f"select to_jsonb(r) from moothill.{table} r where tenant_id = %s", tenant)
        assert "canary" not in str(rows), table
    removed = await moot.relationships.remove(relationship=put.id)
    assert removed.extraction_context == CANARY
