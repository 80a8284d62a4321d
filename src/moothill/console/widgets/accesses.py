"""Accesses from outside: the summary as bars, and one access whole."""

from collections.abc import Callable, Sequence
from typing import Any

from ...tenancy.sharing.models import Access, AccessSummary
from ..visit import Visit
from .bars import compared
from .dialogs import button
from .panels import panel
from .text import box, chip, fact, link, quiet, text, time_ago
from .words import counted, moment, number, short_id

__all__ = ["access_detail", "summary_rows"]

MOST_ROWS = 8


def summary_rows(found: Sequence[AccessSummary], go: Callable[..., Any], *, whole: bool) -> None:
    """Who came, how often, and how much went out; each row leads to its accesses."""
    ordered = sorted(found, key=lambda each: (-each.accesses, -each.rows, str(each.accessor)))
    shown = ordered if whole else ordered[:MOST_ROWS]
    most = max((each.accesses for each in found), default=0)
    rows = max((each.rows for each in found), default=0)
    with box("list").mark("summary"):
        for each in shown:
            with (
                box("entry choosable centred summary-row", "button").props('type="button"').mark("summary-row") as entry
            ):
                with box("stack tight whose"):
                    text(f"…{short_id(each.accessor)}", "mono")
                    quiet(f"{each.kind} of {each.data_class}", "small clip")
                compared(each.accesses, most, counted(each.accesses, "access", "accesses"))
                compared(each.rows, rows, f"{number(each.rows)} rows out")
                time_ago(each.last_at, "late")
            entry.on("click", lambda each=each: go(accessor=str(each.accessor), kind=each.kind, cursor=None))
        if len(ordered) > len(shown):
            with box("entry"):
                quiet(f"and {counted(len(ordered) - len(shown), 'other')}", "grow")
                button("Show all", "ghost").on_click(lambda: go(summary="whole"))


def access_detail(visit: Visit, found: Access, go: Callable[..., Any]) -> None:
    """One access whole."""
    with panel(f"{found.kind.capitalize()} of {found.data_class}"), box("stack close").mark("access-detail"):
        with box("facts"):
            fact("From the tenant", found.accessor).classes("mono")
            fact("Who", f"{found.actor_name or found.actor} ({found.actor_kind})")
            if found.real_actor:
                fact("Behind the view", found.real_actor).classes("mono")
            fact("Operation", found.operation).classes("mono")
            fact("Rows given out", number(found.rows) if found.rows is not None else "not counted: a write")
            fact("When", moment(found.accessed_at))
            fact("Address", found.address or "not seen by a server")
            for name, value in (("Request", found.request), ("Digest of the call", found.query_digest)):
                if value:
                    fact(name, value).classes("mono")
        with box("row-line wrapping"):
            chip("Only")
            button("this tenant", "ghost").on_click(lambda: go(accessor=str(found.accessor))).mark("only-accessor")
            if visit.may("audit.list") and found.kind == "write":
                link("What it changed", visit.url("/audit", actor=found.actor), "small")
