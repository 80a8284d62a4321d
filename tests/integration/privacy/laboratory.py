"""Neighbouring databases: the same group with and without one of its tenants, read through the real statements.

What a plan gives for a release is read exactly as a release reads it (paid, opened, contributions), and then
undone, as often as wanted. A function of the database can be broken on purpose, to see that it would be noticed.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from moothill.tenancy.privacy.accountant import Policy, pay
from moothill.tenancy.privacy.models import Contribution
from moothill.tenancy.privacy.plans import Question, question
from moothill.tenancy.privacy.statements import sql
from tests.integration.privacy.societies import Circle

__all__ = ["BROKEN", "Laboratory", "added", "asked", "distances"]

POLICY = Policy(Decimal(100), Decimal("0.01"), timedelta(days=1))

_BY_LOT = "partition by h.tenant_id order by"
# What a careless change would do: to which function, and what it would put where.
BROKEN: Mapping[str, tuple[str, str, str]] = {
    "as many labels as a tenant has": ("privacy_labels", "where d.place <= r.per_tenant", "where true"),
    "the first labels that come, of all tenants": ("privacy_labels", _BY_LOT, "order by h.tenant_id,"),
    "amounts of any size": ("privacy_success", "least(h.attempts, r.largest)", "h.attempts"),
    "sums for all labels of a tenant": ("privacy_success", "where d.place <= r.per_tenant", "where true"),
    "the first sums that come, of all tenants": ("privacy_success", _BY_LOT, "order by h.tenant_id,"),
}


def asked(query: str, **changed: Any) -> Question:
    """A question of a loose kind: what is tested are the bounds, not the noise."""
    given = {
        "query": query,
        "epsilon": Decimal(1),
        "delta": Decimal("0.000001"),
        "k_anonymity": 2,
        "labels": ["a", "b", "c", "d"] if query != "popular_labels" else None,
        "cells_per_tenant": 2,
        "noise_magnitude": Decimal(0),
        **changed,
    }
    return question(**given)


class _Undone(Exception):
    """Nothing of it is kept."""


@dataclass(frozen=True, slots=True)
class Laboratory:
    """One group in a database of its own."""

    circle: Circle

    async def contributions(self, to: Question, *, without: UUID | None = None) -> list[Contribution]:
        """What a release would read, in this database or in one that lacks a tenant."""
        found: list[Contribution] = []
        if without is not None:
            await self.circle.change(without, allow_cross_tenant_learning=False)
        try:
            async with self.circle.asker.transaction():
                paid, _ = await pay(to, POLICY, "laboratory")
                assert await sql.open_(release=paid.id)
                found = await to.plan.read(release=paid.id)
                raise _Undone
        except _Undone:
            pass
        finally:
            if without is not None:
                await self.circle.change(without, allow_cross_tenant_learning=True)
        return found

    @asynccontextmanager
    async def broken(self, how: str) -> AsyncIterator[None]:
        """One of the functions, broken for a block."""
        name, part, replacement = BROKEN[how]
        ((definition,),) = await self.circle.ask(f"select pg_get_functiondef('moothill.{name}(uuid)'::regprocedure)")
        plain = " ".join(definition.split())
        assert part in plain, f"{name} has no {part!r} any more"
        await self.circle.ask(plain.replace(part, replacement))
        try:
            yield
        finally:
            await self.circle.ask(plain)


def added(contributions: list[Contribution]) -> dict[tuple[str, int], int]:
    """Sums by cell and amount, with no bound asserted."""
    sums: dict[tuple[str, int], int] = {}
    for each in contributions:
        for place, amount in enumerate(each.amounts):
            sums[each.cell, place] = sums.get((each.cell, place), 0) + amount
    return sums


def distances(one: Mapping[tuple[str, int], int], other: Mapping[tuple[str, int], int]) -> tuple[int, int]:
    """L1 distance, and the square of the L2 distance."""
    apart = [one.get(cell, 0) - other.get(cell, 0) for cell in one.keys() | other.keys()]
    return sum(map(abs, apart)), sum(each * each for each in apart)
