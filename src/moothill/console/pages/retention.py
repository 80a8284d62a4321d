"""Retention: what happens to each class of data, what is held, what was archived, and what was erased."""

from functools import partial
from typing import Any

from nicegui import ui

from ..screens import Query, Screen
from ..visit import Visit
from ..widgets.dialogs import button
from ..widgets.erasures import REPORTS, report_row, show_report
from ..widgets.grid import grid, grid_foot
from ..widgets.guarded import guarded
from ..widgets.panels import empty, page_head, panel, tabs
from ..widgets.retention import (
    ARCHIVES,
    HOLDS,
    POLICIES,
    archive_row,
    hold_detail,
    hold_row,
    place_hold,
    policy_detail,
    policy_row,
)
from ..widgets.text import box, quiet, state, text, time_ago
from ..widgets.words import counted

PAGE = 50
_REMOVING = "retention.remove"
# Beside what is chosen there is room for these.
_BESIDE = 4


async def build(visit: Visit, query: Query) -> None:
    """One side of it, as the address says."""
    tab = query.one_of("tab", "policies", "holds", "archives", "erasures")
    with page_head("Retention", "How long data stays, what holds it, where it goes, and what was erased."):
        if visit.may("retention.hold"):
            button("Place a hold", "main", "o_gavel").on_click(partial(place_hold, visit)).mark("place-hold")
    choices = [("policies", "Policies", None), ("holds", "Legal holds", None), ("archives", "Archives", None)]
    if visit.may("erasure.reports"):
        choices.append(("erasures", "Erasures", None))
    tabs(visit, "/retention", tab, choices)
    shown = {"policies": _policies, "holds": _holds, "archives": _archives, "erasures": _erasures}
    await shown[tab](visit, query)


async def _policies(visit: Visit, query: Query) -> None:
    found = await visit.moot.retention.policies()
    chosen = next((policy for policy in found if policy.data_class == query.get("class")), None)
    if visit.may("jobs.schedules"):
        await guarded(visit, lambda: _last_run(visit))
    with box("columns wide-side" if chosen else "stack"):
        with panel(flush=True):
            grid(
                POLICIES[:_BESIDE] if chosen else POLICIES,
                [policy_row(policy) for policy in found],
                chosen=lambda name: visit.go(visit.url("/retention", **{"class": name})),
                picked=chosen.data_class if chosen else None,
            ).mark("policies")
            grid_foot(counted(len(found), "class", "classes"), None, None)
        if chosen:
            policy_detail(visit, chosen)


async def _last_run(visit: Visit) -> None:
    runs = await visit.moot.jobs.schedules()
    run = next((each for each in runs if each.name == _REMOVING), None)
    if run is not None:
        with box("row-line wrapping").mark("last-run"):
            quiet("The last run")
            state("paused" if run.paused else run.outcome or "waiting")
            time_ago(run.ended_at, "quiet")
            text(run.message, "quiet wrap grow")


async def _holds(visit: Visit, query: Query) -> None:
    ended = query.get("released") == "yes"
    page = await visit.moot.retention.holds(released=ended, limit=PAGE, cursor=query.get("cursor"))
    chosen = next((hold for hold in page.items if str(hold.id) == query.get("hold")), None)
    here: dict[str, Any] = {"tab": "holds", "released": "yes" if ended else None}

    def go(**changed: Any) -> None:
        visit.go(visit.url("/retention", **{**here, "cursor": query.get("cursor"), **changed}))

    with box("columns wide-side" if chosen else "stack"):
        with panel(flush=True):
            with box("panel-tools"):
                switch = ui.switch("Released ones too", value=ended).props("dense").mark("released")
                switch.on_value_change(lambda event: go(released="yes" if event.value else None, cursor=None))
            if page.items:
                rows = [hold_row(hold) for hold in page.items]
                columns = HOLDS[:_BESIDE] if chosen else HOLDS
                grid(columns, rows, chosen=lambda hold: go(hold=hold)).mark("holds")
                following = visit.url("/retention", **here, cursor=page.next) if page.next else None
                first = visit.url("/retention", **here) if query.get("cursor") else None
                grid_foot(counted(len(page.items), "hold"), following, first)
            else:
                empty(
                    "Nothing is held", "A hold keeps everything, or one agent, from retention and erasure.", "o_gavel"
                )
        if chosen:
            hold_detail(visit, chosen)


async def _archives(visit: Visit, query: Query) -> None:
    page = await visit.moot.retention.archives(limit=PAGE, cursor=query.get("cursor"))
    with panel(flush=True):
        if not page.items:
            empty("Nothing was archived", "A policy that archives writes rows to files first.", "o_inventory_2")
            return
        grid(ARCHIVES, [archive_row(found) for found in page.items]).mark("archives")
        following = visit.url("/retention", tab="archives", cursor=page.next) if page.next else None
        first = visit.url("/retention", tab="archives") if query.get("cursor") else None
        grid_foot(counted(len(page.items), "file"), following, first)


def _go(visit: Visit, here: dict[str, Any], report: str) -> None:
    visit.go(visit.url("/retention", **here, report=report))


async def _erasures(visit: Visit, query: Query) -> None:
    page = await visit.moot.erasure.reports(limit=PAGE, cursor=query.get("cursor"))
    number = next((found.number for found in page.items if str(found.number) == query.get("report")), None)
    here = {"tab": "erasures", "cursor": query.get("cursor")}
    with box("columns even" if number else "stack"):
        with panel(flush=True):
            if not page.items:
                empty("Nothing was erased", "erasure.erase_agent, in Operations, removes one.", "o_delete")
                return
            rows = [report_row(each) for each in page.items]
            choosing = partial(_go, visit, here)
            grid(REPORTS, rows, chosen=choosing).mark("reports")
            following = visit.url("/retention", tab="erasures", cursor=page.next) if page.next else None
            first = visit.url("/retention", tab="erasures") if query.get("cursor") else None
            grid_foot(counted(len(page.items), "report"), following, first)
        if number:
            await guarded(visit, lambda: show_report(visit, number))


SCREEN = Screen(
    "/retention", "Retention", build, icon="o_auto_delete", section="Governance", key="d",
    needs=("retention.policies", "retention.holds"), words="data policy legal hold archive erasure report",
)  # fmt: skip
