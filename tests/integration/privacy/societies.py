"""Tenants from which something can be learnt: a group of its own for each test, old enough to count."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import psycopg

from moothill.moot import Moot

__all__ = ["FAR", "Circle", "Shown"]

FAR = Decimal(100)
"""An epsilon of a tenant's own that no test exhausts."""

# Demonstrations and successes of a capability.
Shown = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Circle:
    """A group of tenants.

    Attributes:
        moot: above all tenants.
        admin: a connection that sees everything.
        group: the project of its tenants.
        asker: in the tenant that asks, which contributes nothing.
    """

    moot: Moot
    admin: psycopg.AsyncConnection[Any]
    group: str
    asker: Moot

    @classmethod
    async def begin(cls, moot: Moot, admin: psycopg.AsyncConnection[Any]) -> "Circle":
        """A group with nobody in it but who asks."""
        group, slug = f"circle-{uuid4().hex}", f"t-{uuid4().hex}"
        await moot.tenants.create(slug=slug, name="Asker", project=group)
        return cls(moot, admin, group, moot.tenant(slug))

    async def join(self, *tenants: Mapping[str, Shown], **settings: Any) -> list[UUID]:
        """Tenants that contribute, each with one agent and these capabilities. Put in behind the application's back.

        Args:
            *tenants: for each, its capabilities with demonstrations and successes.
            **settings: of their privacy, otherwise generous.
        """
        chosen = {
            "privacy_level": "differential",
            "noise_magnitude": 0,
            "k_anonymity": 2,
            "epsilon": FAR,
            "delta": Decimal("0.1"),
            "allow_cross_tenant_learning": True,
            "allowed_tenant_groups": [self.group],
            **settings,
        }
        ids = [uuid4() for _ in tenants]
        rows = [
            (tenant, uuid4(), label, *shown)
            for tenant, labels in zip(ids, tenants, strict=True)
            for label, shown in labels.items()
        ]
        async with self.admin.transaction():
            await self._put(
                "insert into moothill.tenants (id, slug, name, project, isolation_level, created_at) values "
                "(%s, %s, %s, %s, 'federated', now() - interval '1 year')",
                [(each, f"t-{each.hex}", f"Tenant {each}", self.group) for each in ids],
            )
            columns = ", ".join(chosen)
            await self._put(
                f"insert into moothill.tenant_privacy (tenant_id, {columns}) values (%s{', %s' * len(chosen)})",
                [(each, *chosen.values()) for each in ids],
            )
            await self._put(
                "insert into moothill.agents (tenant_id, id, agent_id, name, type) values (%s, %s, 'a', 'A', 'worker')",
                [(each, each) for each in ids],
            )
            await self._put(
                "insert into moothill.capabilities (tenant_id, id, agent_id, name, canonical_name, confidence, "
                "demonstration_count, success_total) values (%s, %s, %s, %s, %s, 1, %s, %s)",
                [(tenant, each, tenant, label, label, *shown) for tenant, each, label, *shown in rows],
            )
            await self._put(
                "insert into moothill.capability_labels (tenant_id, kind, label, capability_id, agent_id) "
                "values (%s, 'name', %s, %s, %s)",
                [(tenant, label, each, tenant) for tenant, each, label, *_ in rows],
            )
        return ids

    async def change(self, tenant: UUID, **settings: Any) -> None:
        """Change the privacy settings of a tenant behind the application's back."""
        changes = ", ".join(f"{name} = %s" for name in settings)
        await self.ask(f"update moothill.tenant_privacy set {changes} where tenant_id = %s", *settings.values(), tenant)

    async def ask(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """Ask the database behind everybody's back."""
        cursor = await self.admin.execute(statement.encode(), values)
        return await cursor.fetchall() if cursor.description else []

    async def charged(self, release: UUID) -> set[UUID]:
        """The tenants that a release was charged to."""
        return {
            row[0]
            for row in await self.ask("select tenant_id from moothill.privacy_charges where release_id = %s", release)
        }

    async def spent(self, family: str = "popularity") -> int:
        """What the ledger of this group says."""
        return sum(each.spent for each in (await self.asker.privacy.budget()).ledgers if each.family == family)

    async def _put(self, statement: str, rows: Sequence[tuple[Any, ...]]) -> None:
        async with self.admin.cursor() as cursor:
            await cursor.executemany(statement.encode(), rows)
