"""Limits of calls a minute that a tenant has: buckets of this process, shared with the others now and then.

A call takes a token here, without asking anybody. What was spent is told to the database in batches, once a second,
and what all processes together have left comes back; a bucket only ever falls by that. So one process holds a limit
exactly, and several overshoot it by at most what they can spend between two meetings.
"""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from .context import Principal
from .errors import Exhausted

__all__ = ["MOST_BUCKETS", "Rates", "Spent", "TenantRateLimited"]

WINDOW_SECONDS = 60
MOST_BUCKETS = 10_000
ALL = "calls"


class TenantRateLimited(Exhausted):
    """This tenant makes more calls than it may; slow down and try again after the time given."""


@dataclass(frozen=True, slots=True)
class Spent:
    """What this process spent of one limit since it last told."""

    tenant: UUID
    name: str
    amount: int
    spent: int


@dataclass(slots=True)
class _Bucket:
    amount: int
    tokens: float
    refilled: float
    spent: int = 0

    def refill(self, amount: int, now: float) -> None:
        if amount != self.amount:
            # A limit that was changed begins as full as the old one was.
            self.tokens *= amount / self.amount
            self.amount = amount
        self.tokens = min(float(amount), self.tokens + (now - self.refilled) * amount / WINDOW_SECONDS)
        self.refilled = now


class Rates:
    """The buckets of one process."""

    def __init__(self) -> None:
        self._buckets: dict[tuple[UUID, str], _Bucket] = {}

    def admit(self, principal: Principal, group: str) -> None:
        """Take a token of each limit that covers a call.

        Args:
            principal: who calls; its `rates` are the limits.
            group: scope group of the operation, such as `agents`.

        Raises:
            TenantRateLimited: with `limit`, `window`, `remaining` and `retry_after`; nothing was taken.
        """
        now = time.monotonic()
        tenant = principal.home or principal.tenant
        taken: list[_Bucket] = []
        for name, amount in principal.rates:
            if name not in (ALL, f"{ALL}:{group}"):
                continue
            bucket = self._bucket(tenant, name, amount, now)
            if bucket.tokens < 1:
                raise _refusal(name, bucket)
            taken.append(bucket)
        for bucket in taken:
            bucket.tokens -= 1
            bucket.spent += 1

    def collect(self) -> list[Spent]:
        """What to tell: what was spent since the last time, and a nothing for each bucket that is not full again."""
        now = time.monotonic()
        found: list[Spent] = []
        for (tenant, name), bucket in list(self._buckets.items()):
            bucket.refill(bucket.amount, now)
            if not bucket.spent and bucket.tokens >= bucket.amount:
                del self._buckets[tenant, name]
                continue
            found.append(Spent(tenant, name, bucket.amount, bucket.spent))
            bucket.spent = 0
        return found

    def restore(self, untold: Iterable[Spent]) -> None:
        """Take back what could not be told."""
        for each in untold:
            if bucket := self._buckets.get((each.tenant, each.name)):
                bucket.spent += each.spent

    def adopt(self, tenant: UUID, name: str, tokens: float) -> None:
        """What all processes together have left; what was spent here since it was told comes off."""
        if bucket := self._buckets.get((tenant, name)):
            bucket.tokens = min(bucket.tokens, tokens - bucket.spent)

    def _bucket(self, tenant: UUID, name: str, amount: int, now: float) -> _Bucket:
        bucket = self._buckets.get((tenant, name))
        if bucket is None:
            if len(self._buckets) >= MOST_BUCKETS:
                self._buckets.clear()
            bucket = self._buckets[tenant, name] = _Bucket(amount, float(amount), now)
        else:
            bucket.refill(amount, now)
        return bucket


def _refusal(name: str, bucket: _Bucket) -> TenantRateLimited:
    wait = (1 - bucket.tokens) * WINDOW_SECONDS / bucket.amount
    what = "calls" if name == ALL else f"calls of {name.partition(':')[2]}"
    return TenantRateLimited(
        f"This tenant may make {bucket.amount:,} {what} a minute; try again in {wait:.1f} s, "
        "or ask the platform's operator for more.",
        field=name,
        limit=bucket.amount,
        window=WINDOW_SECONDS,
        remaining=0,
        retry_after=round(wait, 3),
    )
