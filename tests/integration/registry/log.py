"""The log of a tenant, read past the horizon that a feed waits for."""

from typing import Any

import psycopg

from moothill.database.embedded import EmbeddedServer
from moothill.moot import Moot
from tests.conftest import DATABASE


async def events_of(server: EmbeddedServer, moot: Moot, kind: str | None = None) -> list[tuple[Any, ...]]:
    """Kind, subjects, payload and operation of each event of a tenant, oldest first."""
    tenant = (await moot.keys.current()).tenant
    async with await psycopg.AsyncConnection.connect(server.dsn("admin", DATABASE)) as admin:
        rows = await admin.execute(
            "select kind, coalesce(subjects, '{}'), payload, operation from moothill.events "
            "where tenant_id = %s and (%s::text is null or kind = %s) order by id",
            [tenant, kind, kind],
        )
        return await rows.fetchall()
