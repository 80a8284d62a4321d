"""What privacy was spent, as bars: a tenant's own, and the ledgers of its group."""

from collections.abc import Sequence
from decimal import Decimal

from ...tenancy.privacy.models import Budget, Ledger, OwnBudget, PrivacySettings, Release
from .bars import bar
from .grid import Column
from .panels import empty
from .text import box, fact, quiet, text
from .words import ago, moment, number, percent

__all__ = ["RELEASES", "group_budget", "in_units", "own_budget", "release_cells", "release_facts", "release_row"]

NANO = Decimal(10**9)
PICO = Decimal(10**12)

RELEASES = (
    Column("at", "Paid for", "quiet", 96),
    Column("query", "Query", share=3, tip="query"),
    Column("state", "State", "state", 104),
    Column("cost", "Cost", "number", 136),
    Column("error", "Off by", "number", 84),
    Column("cells", "Labels told", "number", 104),
    Column("k", "Least group", "number", 106),
    Column("epoch", "Month", "quiet", 96),
)


def in_units(billionths: int) -> str:
    """Billionths as the number they stand for, exactly."""
    return f"{(Decimal(billionths) / NANO).normalize():f}"


def in_short(value: Decimal) -> str:
    """A small number with two digits: `1.2e-6`."""
    return f"{value:.1e}" if value else "0"


def _share(part: int | Decimal, whole: int | Decimal) -> float:
    return float(part) / float(whole) if whole else 0.0


def own_budget(own: PrivacySettings, spent: OwnBudget) -> None:
    """What this month took of the tenant's own epsilon and delta."""
    used, left = spent.epsilon_spent, spent.epsilon_left
    with box("stack close").mark("own-budget"):
        if not own.allow_cross_tenant_learning or own.privacy_level == "basic":
            text("Nothing is learnt from this tenant, so nothing is spent.", "note", "div")
        with box("row-line wide"):
            text("Epsilon of its own", "strong grow")
            text(f"{_figure(left)} of {_figure(own.epsilon)} left", "figure-words")
        share = _share(used, own.epsilon)
        words = f"{_figure(used)} spent ({percent(share)})"
        bar([(share, "spent", words)], label=f"Epsilon of this tenant in {spent.epoch}: {words}")
        with box("facts"):
            fact("Month", spent.epoch)
            fact("Delta spent", f"{in_short(Decimal(spent.pico_delta) / PICO)} of {in_short(own.delta)}")


def group_budget(found: Budget) -> None:
    """The ledgers of the group: this month's as bars, those before as numbers."""
    current = [ledger for ledger in found.ledgers if ledger.epoch == found.epoch]
    before = [ledger for ledger in found.ledgers if ledger.epoch != found.epoch]
    with box("stack").mark("group-budget"):
        for ledger in current:
            _ledger(ledger)
        if not current:
            empty("Nothing was asked this month", f"The whole budget of {found.epoch} is left.", "o_savings")
        with box("facts"):
            fact("Group", found.group)
            fact(
                "All months together",
                f"epsilon {_figure(found.cumulative_epsilon)}, at a delta of one in a million more",
            )
            if before:
                told = "; ".join(
                    f"{ledger.epoch} {ledger.family}: {percent(_share(ledger.spent, ledger.cap))}"
                    for ledger in before[:6]
                )
                fact("Months before", told)


def _ledger(ledger: Ledger) -> None:
    spent, delta = _share(ledger.spent, ledger.cap), _share(ledger.spent_delta, ledger.cap_delta)
    with box("stack tight"):
        with box("row-line wide"):
            text(ledger.family.capitalize(), "strong grow")
            text(f"{in_units(ledger.left)} of {in_units(ledger.cap)} {ledger.unit} left", "figure-words")
        words = f"{in_units(ledger.spent)} spent ({percent(spent)})"
        bar([(spent, "spent", words)], label=f"{ledger.unit} of {ledger.family} in {ledger.epoch}: {words}")
        quiet(f"Delta: {percent(delta)} spent", "small")


def _figure(value: Decimal) -> str:
    return f"{value:.4f}".rstrip("0").rstrip(".") if value else "0"


def release_row(found: Release) -> dict[str, object]:
    """A row of `RELEASES`."""
    return {
        "id": str(found.id),
        "at": ago(found.charged_at),
        "query": found.query,
        "state": found.state,
        "cost": f"{in_units(found.cost)} {found.unit}",
        "error": f"± {number(found.error)}",
        "cells": number(len(found.cells)) if found.state == "released" else "",
        "k": number(found.k_anonymity),
        "epoch": found.epoch,
    }


def release_facts(found: Release) -> None:
    """All that a release was charged for."""
    with box("facts"):
        fact("Off by at most", f"{number(found.error)}, 95 times in 100")
        fact("Left out below", number(found.threshold))
        fact("Cost", f"{in_units(found.cost)} {found.unit} and a delta of {in_short(Decimal(found.cost_delta) / PICO)}")
        fact("Ledger", f"{in_units(found.spent_before)} → {in_units(found.spent_after)} {found.unit}")
        fact(
            "Asked for", f"epsilon {found.epsilon.normalize():f}, delta {in_short(found.delta)}, k {found.k_anonymity}"
        )
        fact("Noise", f"{found.mechanism}, scale {found.scale:.2f}, drawn by {found.library}")
        fact("Paid for", moment(found.charged_at))
        fact("Told", moment(found.released_at) if found.released_at else "never drawn")


def release_cells(found: Release) -> Sequence[Column]:
    """Columns for what came out."""
    names = list(dict.fromkeys(name for cell in found.cells for name in cell.values))
    return [
        Column("label", "Label", share=3),
        *(Column(f"v{at}", name, "number", 120) for at, name in enumerate(names)),
    ]
