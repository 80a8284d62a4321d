"""Asking across tenants: the question in the address, what it would cost and how wrong it would be, then buying it."""

from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from nicegui import ui

from ...tenancy.privacy.models import Budget, Estimate
from ...tenancy.privacy.models import Query as Askable
from ..act import Act, act
from ..screens import Query
from ..visit import Visit
from .bars import bar
from .budgets import in_units
from .dialogs import button
from .fields import choice, line
from .panels import panel
from .text import box, fact, quiet, text
from .words import counted, number, percent

__all__ = ["asked_of", "question_form", "show_estimate"]

DEFAULTS = {"epsilon": "0.5", "delta": "0.000001", "k": "10"}
_WHOLE = {"k": "k_anonymity", "cells": "cells_per_tenant"}


def asked_of(query: Query) -> dict[str, Any]:
    """The arguments that an address asks with; what cannot be read is judged by the operation's own rules."""
    given: dict[str, Any] = {"query": query.get("query"), "epsilon": _decimal(query.get("epsilon"))}
    given["delta"] = _decimal(query.get("delta"))
    for name, parameter in _WHOLE.items():
        value = query.get(name)
        given[parameter] = int(value) if value and value.isdecimal() and len(value) < 10 else value
    given["labels"] = query.all("label") or None
    return {name: value for name, value in given.items() if value is not None}


def _decimal(words: str | None) -> Any:
    try:
        return Decimal(words) if words else None
    except InvalidOperation:
        return words


def question_form(visit: Visit, query: Query, queries: Sequence[Askable]) -> None:
    """The fields of a question; what is estimated stands in the address."""
    known = {each.name: each for each in queries}
    name = query.get("query") if query.get("query") in known else next(iter(known))
    assert name is not None
    found = known[name]
    with box("stack close").mark("question"):
        words = {each.name: each.name.replace("_", " ").capitalize() for each in queries}
        choice("Query", words, name, lambda value: visit.go(visit.url("/privacy", tab="ask", query=value))).mark(
            "query"
        )
        quiet(found.description, "small")
        with box("field-row"):
            epsilon = line(
                "Epsilon", query.get("epsilon") or DEFAULTS["epsilon"], note="More tells more, and costs more."
            )
            delta = line("Delta", query.get("delta") or DEFAULTS["delta"], note="Far below one in the tenants.")
            least = line("Least group", query.get("k") or DEFAULTS["k"], note="Smaller groups are left out.")
        epsilon.mark("ask-epsilon")
        labels = ui.input_chips(value=query.all("label"), new_value_mode="add-unique").props("outlined dense")
        labels.props('aria-label="Labels"').mark("ask-labels").set_visibility(found.labels_known)
        if found.labels_known:
            quiet("Names of capabilities; press Enter after each.", "small")

        def look() -> None:
            place = visit.url(
                "/privacy", tab="ask", query=name, epsilon=epsilon.value, delta=delta.value, k=least.value,
                label=labels.value if found.labels_known else None,
            )  # fmt: skip
            visit.go(place)

        with box("row-line"):
            button("Estimate", "main", "o_calculate").on_click(look).mark("estimate")
            quiet("An estimate looks at no data and costs nothing.", "small")


def show_estimate(visit: Visit, given: Mapping[str, Any], found: Estimate, budget: Budget, family: str) -> None:
    """What would be bought, beside what is left; the button asks once more, with the plan."""
    ledger = next((each for each in budget.ledgers if each.epoch == budget.epoch and each.family == family), None)
    share = float(found.share)
    spent = ledger.spent / ledger.cap if ledger and ledger.cap else 0.0
    with panel("Before it is bought", found.mechanism), box("stack close").mark("estimated"):
        with box("tiles flat"):
            for figure, what in (
                (f"± {number(found.error)}", "each sum, 95 times in 100"),
                (percent(found.share), "of the month's budget"),
                (number(found.tenants_needed), "tenants for a label to show"),
            ):
                with box("tile"):
                    text(figure, "figure")
                    text(what, "what")
        parts = [(spent, "spent", f"{percent(spent)} spent so far"), (share, "asked", f"{percent(share)} for this")]
        label = f"{family}: {percent(spent)} of the month's budget is spent, this would take {percent(share)}"
        bar(parts, label=label)
        text(found.advice, "note", "div")
        with box("facts"):
            fact("Cost", f"{in_units(found.cost)} {found.unit}, spent for good")
            fact("Left out below", number(found.threshold))
            fact("Ledger", f"{family}, {budget.epoch}")
        if spent + share > 1:
            text("The month's budget does not reach; it would be refused, and nothing spent.", "note bad", "div")
        if visit.may("privacy.release"):

            async def buy() -> None:
                ask = Act(
                    "Buy a release",
                    "Buy it",
                    facts={
                        "Query": found.query,
                        "Each sum is off by": f"at most {number(found.error)}, 95 times in 100",
                        "Needs about": counted(found.tenants_needed, "tenant") + " for a label to show",
                    },
                    done="Released.",
                )
                made = await act(visit, ask, visit.moot.privacy.release, **given)
                if made is not None:
                    visit.go(visit.url("/privacy", release=made.id))

            with box("row-line"):
                button("Buy this release", "danger", "o_paid").on_click(buy).mark("buy")
        else:
            quiet("Buying needs the scope privacy:release.", "small")
