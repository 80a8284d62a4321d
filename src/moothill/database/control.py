"""Control tables: keys before a tenant is known, leases, cursors. Reached through definer functions only."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from ..kernel.rates import Spent
from .pool import Database, run_plain

__all__ = [
    "find_key",
    "find_tenant",
    "find_token_actor",
    "handler_lags",
    "make_context_key",
    "record_key_uses",
    "share_rates",
]


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


async def share_rates(database: Database, spent: Sequence[Spent]) -> list[tuple[UUID, str, float]]:
    """Take what a process spent from the shared buckets; tenant, limit and what is left, of each."""
    asking = "select tenant_id, name, tokens from gate_rates_share(%(tenants)s, %(names)s, %(amounts)s, %(spent)s)"
    values = {
        "tenants": [each.tenant for each in spent],
        "names": [each.name for each in spent],
        "amounts": [each.amount for each in spent],
        "spent": [each.spent for each in spent],
    }
    async with database.connection() as connection:
        rows = await run_plain(connection, asking, values)
    return [(row["tenant_id"], row["name"], row["tokens"]) for row in rows]


async def handler_lags(database: Database) -> dict[str, float]:
    """For each handler of events the age of the oldest event, of any tenant, that waits for it, in seconds."""
    async with database.connection() as connection:
        rows = await run_plain(connection, "select handler, lag from relay_status(true)", {})
    return {row["handler"]: row["lag"] for row in rows}


async def find_token_actor(database: Database, tenant: str, kind: str, reference: str) -> Mapping[str, Any] | None:
    """The tenant and the actor that a verified token names; one look-up."""
    asking = "select * from gate_token_actor(%(tenant)s, %(kind)s, %(reference)s)"
    async with database.connection() as connection:
        rows = await run_plain(connection, asking, {"tenant": tenant, "kind": kind, "reference": reference})
    return rows[0] if rows else None


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
