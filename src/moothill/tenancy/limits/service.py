"""Operations on limits. The platform's operator sets them, in the tenant that they are for; the tenant sees them."""

from typing import Annotated

from pydantic import Field

from ...database.queries import Many, Maybe, One, Queries, Run
from ...kernel import Service, context, operation
from ...kernel.errors import Conflict, Invalid, NotFound
from . import rules
from .models import Limit, LimitChanged, LimitName, LimitRow

__all__ = ["Limits"]

_MOST_LIMITS = 100
_LARGEST = 1_000_000_000_000


class LimitNotFound(NotFound):
    """This tenant has no such limit; `limits.list` shows those that it has."""


class TooManyLimits(Conflict):
    """A tenant has at most 100 limits; clear one first."""


class Sql(Queries):
    """Statements of this subsystem."""

    lock: Run
    one: Maybe[LimitRow]
    all: Many[LimitRow]
    count: One[int]
    put: Run
    begin: One[int]
    clear: Maybe[int]


sql = Sql()


class Limits(Service, group="limits"):
    """Limits: what a tenant may use at most, and how much of it it uses."""

    @operation(
        effect="write",
        scope="platform:limits",
        audience="operator",
        example={"name": "agents", "amount": 1_000_000},
    )
    async def set(
        self,
        *,
        name: LimitName,
        amount: Annotated[int, Field(ge=0, le=_LARGEST, description="The most; of calls at least one.")],
    ) -> Limit:
        """Limit what this tenant may use; it counts at once, for what is stored already too.

        Where more is stored than is allowed from now on, nothing goes, and nothing comes until there is room.
        """
        if rules.is_rate(name) and amount < 1:
            raise Invalid(
                "Calls are limited to at least one a minute; `tenants.suspend` stops them all.", field="amount"
            )
        # Whoever counts against it now is waited for, so that the count below misses nothing.
        await sql.lock(name=name)
        before = await sql.one(name=name)
        if before is None and await sql.count() >= _MOST_LIMITS:
            raise TooManyLimits(limit=_MOST_LIMITS)
        await sql.put(name=name, amount=amount, actor=context().actor.id)
        if name in rules.QUOTAS:
            await sql.begin(name=name, amount=amount)
        after = await sql.one(name=name)
        assert after is not None
        old = None if before is None else {"amount": before.amount}
        context().record(
            LimitChanged(name=name, amount=amount), subject=context().tenant, before=old, after={"amount": amount}
        )
        return rules.shown(after)

    @operation(effect="write", scope="platform:limits", audience="operator", example={"name": "capabilities"})
    async def clear(self, *, name: LimitName) -> None:
        """Take a limit of this tenant away.

        Raises:
            LimitNotFound: it has none of this name.
        """
        await sql.lock(name=name)
        amount = await sql.clear(name=name)
        if amount is None:
            raise LimitNotFound(f"This tenant has no limit {name!r}; `limits.list` shows those that it has.", name=name)
        context().record(LimitChanged(name=name), subject=context().tenant, before={"amount": amount}, after={})

    @operation(effect="read", scope="limits:read", audience="operator", example={})
    async def list(self) -> list[Limit]:
        """The limits of this tenant and what it uses of each; at most 100."""
        return [rules.shown(row) for row in await sql.all(size=_MOST_LIMITS)]

    async def recount(self) -> None:
        """Count anew what is stored, after rows went by another way than the operations that count."""
        for name in ("agents", "capabilities"):
            await sql.lock(name=name)
            limit = await sql.one(name=name)
            if limit is not None:
                await sql.begin(name=name, amount=limit.amount)
