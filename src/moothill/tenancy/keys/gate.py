"""The gate: from a secret to a principal, with one indexed look-up, cached for at most five seconds.

Uses are collected and written in batches, so authenticating stays a read.
"""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID

from ...database.control import find_key, record_key_uses
from ...database.pool import Database
from ...kernel.context import Actor, Principal
from ..accounts.rules import scopes_in_force
from . import rules
from .errors import KeyExpired, KeyMissing, KeyMistyped, KeyOfNobody, KeyRevoked, KeyUnknown, TenantSuspended

CACHE_SECONDS = 5.0
_CACHE_SIZE = 10_000


@dataclass(slots=True)
class KeyGate:
    """Authenticates secrets against one database.

    Attributes:
        cache_seconds: how long an answer is trusted; revocation takes effect at once in this
            process and within this time in others.
    """

    database: Database
    cache_seconds: float = CACHE_SECONDS
    _cache: dict[bytes, tuple[float, Principal]] = field(default_factory=dict)
    _generation: int = 0
    _used: dict[UUID, datetime] = field(default_factory=dict)
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def authenticate(self, secret: str | None) -> Principal:
        """The principal of a secret.

        Raises:
            KeyMissing, KeyUnknown, KeyMistyped, KeyExpired, KeyRevoked, KeyOfNobody: no principal.
            TenantSuspended: its tenant rests.
        """
        if not secret:
            raise KeyMissing()
        if not rules.is_secret(secret):
            raise KeyUnknown()
        if not rules.is_whole(secret):
            raise KeyMistyped()
        digest = rules.digest(secret)
        now = time.monotonic()
        cached = self._cache.get(digest)
        if cached is not None and now < cached[0]:
            principal = cached[1]
        else:
            generation = self._generation
            principal = await self._look_up(digest)
            if len(self._cache) >= _CACHE_SIZE:
                self._cache.clear()
            if generation == self._generation:
                # What was read while a key changed may be the state before; then it is not trusted.
                self._cache[digest] = (now + self.cache_seconds, principal)
        assert principal.key is not None
        self._used[principal.key] = datetime.now(UTC)
        return principal

    def forget(self) -> None:
        """Trust no cached answer any more (a key or a tenant changed)."""
        self._generation += 1
        self._cache.clear()

    async def flush(self) -> None:
        """Write the last uses collected so far."""
        used, self._used = self._used, {}
        if not used:
            return
        await record_key_uses(self.database, used)

    async def _look_up(self, digest: bytes) -> Principal:
        row = await find_key(self.database, digest)
        if row is None:
            raise KeyUnknown()
        if row["revoked_at"] is not None:
            raise KeyRevoked()
        if row["tenant_status"] != "active":
            raise TenantSuspended(f"Tenant {row['tenant_slug']} is suspended; ask the platform's operator.")
        if not row["usable"]:
            raise KeyExpired()
        if row["is_actor_gone"]:
            raise KeyOfNobody(f"{row['actor_name']}, whose key this is, was deactivated; ask an operator.")
        return Principal(
            tenant=row["tenant_id"],
            tenant_slug=row["tenant_slug"],
            actor=Actor(row["actor_kind"], row["actor_id"], row["actor_name"]),
            scopes=scopes_in_force(row["scopes"], row["ceiling"]),
            key=row["id"],
            key_expires_at=row["expires_at"],
            rates=rates_of(row["rates"]),
        )


def rates_of(limits: Mapping[str, int] | None) -> tuple[tuple[str, int], ...]:
    """The limits of calls of a tenant, as a principal carries them."""
    return tuple(sorted(limits.items())) if limits else ()
