"""The accountant: what may be spent, and paying for a release before it is drawn."""

import logging
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Self

from ...kernel.context import context
from ...kernel.errors import Internal
from ...kernel.events import dumps
from ...kernel.identifiers import uuid7
from ...kernel.local import LocalExecutor
from ...kernel.service import Executor
from ...kernel.settings import Settings
from .errors import PrivacyBudgetExhausted, ReleaseInProgress
from .models import Ledger, LedgerRow, PrivacyCharged, ReleaseRow, Unit
from .plans import Question
from .rules import PICO, nano, rho_of
from .statements import sql

__all__ = ["PATIENCE", "Policy", "ledger_of", "pay"]

_log = logging.getLogger("moothill.privacy")

PATIENCE = timedelta(minutes=2)
"""A release that was paid for and is not drawn by then is lost; the next who asks pays anew."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What the operator of this process allows each family of releases to spend of a group in an epoch.

    Attributes:
        epsilon: pure epsilon; or, at `delta`, what the rho of a family may come to.
        delta: the sum of the deltas of thresholds.
        minimum_age: younger tenants do not count, lest somebody make some to be counted.
    """

    epsilon: Decimal
    delta: Decimal
    minimum_age: timedelta

    @classmethod
    def of(cls, executor: Executor) -> Self:
        """The policy in the settings of the process in which a service's body runs."""
        assert isinstance(executor, LocalExecutor), "a body runs on a local executor"
        settings = getattr(executor.runtime.database, "settings", None)
        if not isinstance(settings, Settings):
            raise Internal("The database of this process carries no settings.")
        return cls(
            # By way of the text: the exact value of a binary float has too many digits.
            Decimal(str(settings.privacy_epsilon)),
            Decimal(str(settings.privacy_delta)),
            settings.privacy_minimum_age,
        )

    def cap(self, unit: Unit) -> int:
        """The most that a family may spend, in billionths of a unit, rounded down."""
        return nano(self.epsilon) if unit == "epsilon" else rho_of(self.epsilon, self.delta)

    @property
    def cap_delta(self) -> int:
        """The most delta that a family may spend, in million millionths, rounded down."""
        return int(self.delta * PICO)


async def pay(asked: Question, policy: Policy, library: str) -> tuple[ReleaseRow, bool]:
    """Pay for a release, in a transaction that does nothing else; or find the answer that was paid for.

    Returns:
        The release, and whether it was answered before.

    Raises:
        PrivacyBudgetExhausted: the ledger does not reach; nothing was spent.
        ReleaseInProgress: somebody asked the same a moment ago.
    """
    noise, plan = asked.noise, asked.plan
    said = {
        "id": uuid7(),
        "family": plan.family,
        "query": asked.query,
        "plan": plan.name,
        "plan_version": plan.version,
        "data_class": plan.data_class,
        "digest": "\\x" + asked.digest.hex(),
        "cells": list(asked.labels),
        "per_tenant": asked.per_tenant,
        "largest": plan.largest,
        "amounts": plan.amounts,
        "k_anonymity": asked.k,
        "minimum_age": f"{policy.minimum_age.total_seconds():.0f} seconds",
        "mechanism": plan.mechanism,
        "library": library,
        "scale": noise.scale,
        "noise_ratio": str(noise.ratio),
        "threshold": noise.threshold,
        "epsilon": str(asked.epsilon),
        "delta": f"{asked.delta:.12f}",
        "unit": noise.unit,
        "cost": noise.cost,
        "cost_delta": noise.cost_delta,
    }
    most = policy.cap(noise.unit)
    came = await sql.charge(asked=dumps(said), most=most, most_delta=policy.cap_delta, patience=PATIENCE)
    if came.outcome == "busy":
        raise ReleaseInProgress()
    if came.release is None:
        _log.warning("privacy_budget_exhausted", extra={"tenant": str(context().tenant), "family": plan.family})
        left = max(0, (came.cap or 0) - (came.spent or 0))
        raise PrivacyBudgetExhausted(
            f"This release costs {noise.cost} billionths of {noise.unit}, and of this month's budget for {plan.family} "
            f"{left} are left; nothing was spent. A smaller epsilon costs less; a new budget begins with the month.",
            cost=noise.cost,
            left=left,
        )
    row = await sql.release(release=came.release)
    if came.outcome == "released":
        return row, True
    context().record(
        PrivacyCharged(
            query=asked.query,
            digest=asked.digest.hex(),
            group=row.tenant_group,
            family=row.family,
            epoch=row.epoch,
            unit=row.unit,
            cost=row.cost,
            cost_delta=row.cost_delta,
            spent_before=row.spent_before,
            spent_after=row.spent_after,
        ),
        subject=row.id,
    )
    return row, False


def ledger_of(row: LedgerRow) -> Ledger:
    """A ledger as it is shown."""
    return Ledger(
        family=row.family,
        epoch=row.epoch,
        unit=row.unit,
        spent=row.spent,
        cap=row.cap,
        left=max(0, row.cap - row.spent),
        spent_delta=row.spent_delta,
        cap_delta=row.cap_delta,
    )
