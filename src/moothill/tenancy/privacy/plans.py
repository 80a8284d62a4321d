"""What may be asked across tenants: a short table, to which a later part adds a line or two.

A plan says what is summed and how it is bounded; the function in the database that its statement calls
keeps those bounds. A query says how the noisy sums of a plan are told. Two queries of one plan share
its releases: the second costs nothing.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal

import orjson

from ...database.queries import Many
from ...kernel.errors import near_match
from ...kernel.texts import canonical
from .errors import LabelsNotTaken, LabelsWanted, QueryUnknown
from .models import Contribution, Estimate, Query, ReleasedCell, StoredCell
from .rules import Noise, gaussian_noise, laplace_noise
from .statements import sql

__all__ = ["PLANS", "QUERIES", "Plan", "Question", "cells_of", "described", "question"]

PRIOR_STRENGTH = 20
"""A prior counts for at most so many observations, however many tenants it was learnt from."""

Finish = Callable[[Sequence[int], "Plan"], Mapping[str, Decimal]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is summed.

    Attributes:
        name: part of the question, and of the key by which lots are drawn.
        version: rises when the same question would sum something else.
        family: whose ledger is charged.
        data_class: what contributors find in their access logs.
        labels_known: the asker names the labels, and Gaussian noise is added to the sums of each; else the
            common ones are found, with Laplace noise and a threshold, and a tenant adds 1 to each.
        amounts: how many whole numbers are summed for each label; not negative, together at most `largest`.
        per_tenant: most labels to which a tenant contributes, unless asked otherwise.
        read: the statement that gives the contributions, bounded already.
    """

    name: str
    version: int
    family: str
    data_class: str
    labels_known: bool
    amounts: int
    largest: int
    per_tenant: int
    read: Many[Contribution]

    def __post_init__(self) -> None:
        if not self.labels_known and (self.amounts, self.largest) != (1, 1):
            raise TypeError(f"{self.name}: where labels are found, a tenant adds 1 to each and no other number")

    @property
    def mechanism(self) -> str:
        """How the noise is distributed, in words."""
        return "discrete Gaussian" if self.labels_known else "discrete Laplace, thresholded"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Query:
    plan: Plan
    description: str
    values: tuple[str, ...]
    finish: Finish


def _popularity(sums: Sequence[int], plan: Plan) -> Mapping[str, Decimal]:
    return {"tenants": Decimal(sums[0])}


def _success(sums: Sequence[int], plan: Plan) -> Mapping[str, Decimal]:
    attempts, rate = sum(sums), _rate(sums)
    return {"attempts": Decimal(attempts), "success_rate": rate.quantize(Decimal("0.0001"), ROUND_HALF_EVEN)}


def _prior(sums: Sequence[int], plan: Plan) -> Mapping[str, Decimal]:
    """Beta(alpha, beta) around the rate: 1 and 1, and at most one observation for each tenant that was surely there."""
    strength = min(PRIOR_STRENGTH, sum(sums) // plan.largest)
    hits = (strength * _rate(sums)).quantize(Decimal("0.0001"), ROUND_HALF_EVEN)
    return {"alpha": 1 + hits, "beta": 1 + strength - hits}


def _rate(sums: Sequence[int]) -> Decimal:
    """Successes among attempts: noise may have made either of them negative."""
    attempts = max(1, sum(sums))
    return Decimal(min(max(0, sums[0]), attempts)) / attempts


_LABELS = Plan(
    name="capability_labels",
    version=1,
    family="popularity",
    data_class="capabilities",
    labels_known=False,
    amounts=1,
    largest=1,
    per_tenant=4,
    read=sql.labels,
)
_SUCCESS = Plan(
    name="capability_success",
    version=1,
    family="performance",
    data_class="capabilities",
    labels_known=True,
    amounts=2,
    largest=20,
    per_tenant=8,
    read=sql.success,
)
PLANS: Mapping[str, Plan] = {plan.name: plan for plan in (_LABELS, _SUCCESS)}
QUERIES: Mapping[str, _Query] = {
    "popular_labels": _Query(
        plan=_LABELS,
        description="Names of capabilities that many tenants have, and in how many each was counted.",
        values=("tenants",),
        finish=_popularity,
    ),
    "success_rates": _Query(
        plan=_SUCCESS,
        description="How often capabilities of these names were shown, and how often with success.",
        values=("attempts", "success_rate"),
        finish=_success,
    ),
    "reputation_priors": _Query(
        plan=_SUCCESS,
        description="Beta(alpha, beta) for each name, from the sums of success_rates: a first guess for a new tenant.",
        values=("alpha", "beta"),
        finish=_prior,
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked: all of it public, and all of the noise follows from it."""

    query: str
    plan: Plan
    labels: tuple[str, ...]
    epsilon: Decimal
    delta: Decimal
    k: int
    per_tenant: int
    floor: Decimal
    noise: Noise

    @property
    def digest(self) -> bytes:
        """The same for the same question, whoever asks it and for which query of the plan."""
        said = {
            "plan": self.plan.name,
            "version": self.plan.version,
            "labels": self.labels,
            "epsilon": f"{self.epsilon:.4f}",
            "delta": f"{self.delta:.12f}",
            "k": self.k,
            "per_tenant": self.per_tenant,
            "floor": f"{self.floor:.4f}",
        }
        return hashlib.sha256(orjson.dumps(said, option=orjson.OPT_SORT_KEYS)).digest()

    def estimate(self, cap: int, cap_delta: int) -> Estimate:
        """What it would cost of a budget, and how wrong it would be."""
        noise = self.noise
        # Amounts of one label are noised each for itself.
        spread = noise.error * self.plan.amounts
        needed = -(-(noise.threshold + spread) // self.plan.largest)
        share = max(Decimal(noise.cost) / max(cap, 1), Decimal(noise.cost_delta) / max(cap_delta, 1))
        return Estimate(
            query=self.query,
            mechanism=self.plan.mechanism,
            unit=noise.unit,
            cost=noise.cost,
            cost_delta=noise.cost_delta,
            share=share.quantize(Decimal("0.0001")),
            deviation=noise.deviation,
            error=noise.error,
            threshold=noise.threshold,
            noise_ratio=noise.ratio,
            tenants_needed=needed,
            advice=(
                f"A label that fewer than about {needed} tenants share will hardly show; each sum is off by up to "
                f"{noise.error}, where one tenant adds at most {self.plan.largest}."
            ),
        )


def question(
    *,
    query: str,
    epsilon: Decimal,
    delta: Decimal,
    k_anonymity: int,
    labels: Sequence[str] | None,
    cells_per_tenant: int | None,
    noise_magnitude: Decimal,
) -> Question:
    """The question that these arguments ask.

    Raises:
        QueryUnknown: there is no such query.
        LabelsWanted: it is about labels, and none are named.
        LabelsNotTaken: it finds the labels itself.
    """
    found = QUERIES.get(query)
    if found is None:
        hint = near_match(query, QUERIES) or " `privacy.queries` lists those that may be asked."
        raise QueryUnknown(f"There is no query {query!r}.{hint}", query=query)
    plan = found.plan
    if plan.labels_known and not labels:
        raise LabelsWanted(f"{query} is about labels that you name; give some as `labels`.", field="labels")
    if labels and not plan.labels_known:
        raise LabelsNotTaken(f"{query} finds the common labels itself; give no `labels`.", field="labels")
    names = tuple(sorted({canonical(label) for label in labels or ()}))
    per_tenant = cells_per_tenant or plan.per_tenant
    if names:
        # Whoever has no more labels than these contributes to no more of them.
        per_tenant = min(per_tenant, len(names))
        noise = gaussian_noise(
            per_tenant=per_tenant,
            largest=plan.largest,
            amounts=plan.amounts,
            epsilon=epsilon,
            delta=delta,
            k=k_anonymity,
            floor=noise_magnitude,
        )
    else:
        noise = laplace_noise(per_tenant=per_tenant, epsilon=epsilon, delta=delta, k=k_anonymity, floor=noise_magnitude)
    return Question(
        query=query,
        plan=plan,
        labels=names,
        epsilon=epsilon,
        delta=delta,
        k=k_anonymity,
        per_tenant=per_tenant,
        floor=noise_magnitude,
        noise=noise,
    )


def cells_of(query: str, stored: Sequence[StoredCell]) -> list[ReleasedCell]:
    """Noisy sums as a query tells them; that costs no privacy, since it looks at nothing else."""
    found = QUERIES[query]
    return [ReleasedCell(label=each.cell, values=dict(found.finish(each.sums, found.plan))) for each in stored]


def described() -> list[Query]:
    """The table of queries, for those who ask."""
    return [
        Query(
            name=name,
            description=each.description,
            family=each.plan.family,
            mechanism=each.plan.mechanism,
            labels_known=each.plan.labels_known,
            values=list(each.values),
            largest=each.plan.largest,
            cells_per_tenant=each.plan.per_tenant,
        )
        for name, each in QUERIES.items()
    ]
