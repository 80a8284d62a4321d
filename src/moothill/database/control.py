"""Control tables: keys before a tenant is known, leases, cursors. Reached through definer functions only."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from .pool import Database, run_plain

__all__ = ["find_key", "find_tenant", "make_context_key", "record_key_uses"]


async def find_key(database: Database, digest: bytes) -> Mapping[str, Any] | None:
    """The key with this digest, with its tenant; one indexed look-up."""
    async with database.connection() as connection:
        rows = await run_plain(connection, "select * from gate_key_find(%(digest)s)", {"digest": digest})
    return rows[0] if rows else None


async def find_tenant(database: Database, reference: str) -> Mapping[str, Any] | None:
    """The tenant of a slug or id."""
    async with database.connection() as connection:
        rows = await run_plain(
            connection,
            "select id, slug, status from gate_tenants_match(%(reference)s)",
            {"reference": reference},
        )
    return rows[0] if rows else None


async def record_key_uses(database: Database, used: Mapping[UUID, datetime]) -> None:
    """Write last uses, to the minute, many at once."""
    moments = [moment.replace(second=0, microsecond=0) for moment in used.values()]
    async with database.connection() as connection:
        await run_plain(
            connection, "select gate_keys_used(%(ids)s, %(moments)s)", {"ids": list(used), "moments": moments}
        )


async def make_context_key(database: Database) -> Mapping[str, Any]:
    """A key for this process, with which it proves the tenant of untrusted SQL.

    Returns:
        `number`, `secret`, `seconds` to live, and the `moment` by the database's clock, in seconds of its epoch.
    """
    asking = (
        "select number, secret, seconds, extract(epoch from clock_timestamp())::double precision as moment "
        "from gate_context_key()"
    )
    async with database.connection() as connection:
        rows = await run_plain(connection, asking)
    return rows[0]
