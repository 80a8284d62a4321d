"""From contributions to sums. The database bounded them; here nothing that is not bounded goes on."""

from collections.abc import Iterable

from .errors import ContributionOutOfBounds
from .models import Contribution
from .plans import Question

__all__ = ["summed"]


def summed(question: Question, contributions: Iterable[Contribution]) -> dict[str, list[int]]:
    """The sums of each cell.

    Raises:
        ContributionOutOfBounds: a tenant contributes to more cells than it may, twice to one, more than the
            largest amount, or to a cell that nobody asked for. It is not told which.
    """
    plan = question.plan
    sums: dict[str, list[int]] = {}
    cells: dict[int, set[str]] = {}
    for each in contributions:
        own = cells.setdefault(each.contributor, set())
        if (
            each.cell in own
            or len(own) >= question.per_tenant
            or len(each.amounts) != plan.amounts
            or min(each.amounts) < 0
            or sum(each.amounts) > plan.largest
            or (plan.labels_known and each.cell not in question.labels)
        ):
            raise ContributionOutOfBounds()
        own.add(each.cell)
        total = sums.setdefault(each.cell, [0] * plan.amounts)
        for place, amount in enumerate(each.amounts):
            total[place] += amount
    return sums
