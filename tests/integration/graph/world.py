"""A tenant with agents a0, a1, ... and relationships among them."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, cast
from uuid import UUID

import psycopg

from moothill.database.embedded import EmbeddedServer
from moothill.moot import Moot
from moothill.registry.relationships import NewRelationship
from tests.conftest import DATABASE
from tests.integration.graph.reference import Plain

__all__ = ["expand", "settle"]


async def settle(moot: Moot, count: int, edges: Sequence[Plain]) -> list[UUID]:
    """Register agents and write relationships; the ids of the agents."""
    ids = [(await moot.agents.register(name=f"A{number}", agent_id=f"a{number}")).id for number in range(count)]
    if edges:
        await moot.relationships.load(
            relationships=[
                NewRelationship(
                    source=f"a{each.source}",
                    target=f"a{each.target}",
                    type=cast(Any, each.type),
                    directional=each.directional,
                    confidence=Decimal(each.confidence) / 100,
                    strength=Decimal(each.strength) / 100,
                )
                for each in edges
            ]
        )
    return ids


async def expand(server: EmbeddedServer, moot: Moot, *, session: UUID | None = None, **given: Any) -> list[Any]:
    """What `graph_expand` gives in the tenant of `moot`, called as the application calls it."""
    tenant = (await moot.sharing.level()).tenant
    values = {"types": None, "lowest": Decimal("0.5"), "fan": 1000, "most": 1000, **given, "tenant": tenant}
    async with await psycopg.AsyncConnection.connect(server.dsn("app", DATABASE)) as connection:
        inside = session or tenant
        await connection.execute("select mt.set_context(%s, %s, 'system', 30000)", [inside, inside])
        cursor = await connection.execute(
            "select * from moothill.graph_expand(%(tenant)s, %(seeds)s::uuid[], %(weights)s::float8[], %(hops)s, "
            "%(types)s::text[], %(lowest)s, %(fan)s, %(most)s)",
            values,
        )
        return await cursor.fetchall()
