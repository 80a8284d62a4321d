"""The ground itself: nothing is attacked in vain, and nothing new stays unattacked."""

from tests.integration.isolation.intruder import Ground
from tests.integration.isolation.societies import unfilled

# Tables without tenants that the application may read: they say nothing of anybody.
READABLE = {"incarnations", "embedding_models", "schema_migrations"}


async def test_every_tenant_table_and_partition_has_rows_of_both_societies(ground: Ground) -> None:
    """A22: a table that no test fills would pass every test of it."""
    assert await unfilled(ground.admin, ground.catalog, ground.ours, ground.theirs) == []
    assert len(ground.catalog.tables) >= 20
    assert len(ground.catalog.partitions) >= 6
    assert len(ground.catalog.views) >= 2
