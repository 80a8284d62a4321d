"""Retention for people: what happens to each class of data, holds, and archives."""

from collections.abc import Mapping
from datetime import timedelta
from functools import partial
from typing import Any

from nicegui import ui

from ...tenancy.retention.models import Action, Archive, Hold, RetentionPolicy
from ..act import Act, act, tell
from ..visit import Visit
from .dialogs import answered, button, sheet
from .fields import choice, line
from .grid import Column
from .numbers import NotANumber, whole
from .panels import panel
from .text import box, fact, link, quiet, state, text, time_ago
from .words import ago, counted, number, span

__all__ = [
    "ARCHIVES", "HOLDS", "POLICIES", "archive_row", "hold_detail", "hold_row", "place_hold", "policy_detail",
    "policy_row", "what_happens",
]  # fmt: skip

POLICIES = (
    Column("name", "Class of data", "mono", 170),
    Column("what", "What happens", share=3),
    Column("source", "Decided by", "quiet", 130),
    Column("due", "Now", "state", 110, tip="late"),
    Column("table", "Table", "quiet", share=2),
    Column("purpose", "What it is", "quiet", share=5, tip="purpose"),
)
HOLDS = (
    Column("what", "Holds", share=2),
    Column("state", "State", "state", 120),
    Column("reason", "Why", share=4, tip="reason"),
    Column("by", "Placed by", "quiet", share=2),
    Column("placed", "Placed", "quiet", 110),
)
ARCHIVES = (
    Column("name", "Class", "mono", 150),
    Column("state", "State", "state", 120),
    Column("rows", "Rows", "number", 100),
    Column("size", "Kilobytes", "number", 110),
    Column("file", "File", "mono", share=4, tip="sha256"),
    Column("first", "Oldest row", "quiet", 120),
    Column("made", "Written", "quiet", 120),
)
_ACTIONS: Mapping[Action, str] = {
    "delete": "Delete it",
    "archive": "Write it to a file, then delete it",
    "retain": "Keep it for ever",
}


def what_happens(action: Action, days: int | None) -> str:
    """A policy in words."""
    if action == "retain" or days is None:
        return "stays for ever"
    return f"{'archived' if action == 'archive' else 'deleted'} after {counted(days, 'day')}"


def policy_row(found: RetentionPolicy) -> dict[str, Any]:
    """A row of `POLICIES`."""
    late = found.overdue_seconds
    return {
        "id": found.data_class,
        "name": found.data_class,
        "what": what_happens(found.action, found.days),
        "source": "this tenant" if found.source == "tenant" else "the default",
        "due": "on time" if late is None else "late",
        "late": "Nothing waits."
        if late is None
        else f"What ought to be gone waits for {span(timedelta(seconds=late))}.",
        "table": found.table,
        "purpose": found.purpose,
    }


def policy_detail(visit: Visit, found: RetentionPolicy) -> None:
    """One class with its policy, and the form that changes it."""
    with panel(found.data_class), box("stack close").mark("policy-detail"):
        quiet(found.purpose, "wrap")
        with box("facts"):
            fact("What happens", what_happens(found.action, found.days))
            fact("Decided by", "this tenant" if found.source == "tenant" else "nobody: the default holds")
            fact("Stays at least", counted(found.least_days, "day"))
            with fact("Oldest that ought to be gone"):
                time_ago(found.oldest_due) if found.oldest_due else text("nothing waits")
        if not visit.may("retention.set"):
            quiet("Changing it needs the scope retention:write.")
            return
        given: dict[str, str] = {word: _ACTIONS[word] for word in found.actions}
        action = choice("What is to happen", given, found.action).mark("policy-action")
        days = line("After how many days", str(found.days or found.least_days), most=5, note="Not with keeping.")
        days.mark("policy-days")
        with box("row-line wrapping"):
            deciding = partial(_decide, visit, found, action, days)
            button("Change it", "main").on_click(deciding).mark("set-policy")
            if found.source == "tenant":
                button("Back to the default").on_click(partial(_undecide, visit, found)).mark("clear-policy")


async def _decide(visit: Visit, found: RetentionPolicy, action: ui.select, days: ui.input) -> None:
    wanted: Action = action.value
    try:
        after = None if wanted == "retain" else whole("After how many days", days.value)
    except NotANumber as error:
        return tell(error)
    facts = {"Now": what_happens(found.action, found.days), "Then": what_happens(wanted, after)}
    ask = Act(f"Change what happens to {found.data_class}", "Change it", facts=facts, done="The policy is changed.")
    changing = visit.moot.retention.set
    if await act(visit, ask, changing, data_class=found.data_class, action=wanted, days=after) is not None:
        visit.renew()


async def _undecide(visit: Visit, found: RetentionPolicy) -> None:
    ask = Act(f"Back to the default for {found.data_class}", "Go back", done="The default holds again.")
    if await act(visit, ask, visit.moot.retention.clear, data_class=found.data_class) is not None:
        visit.renew()


# ------------------------------------------------------------------------------------------ holds


def _held(found: Hold) -> str:
    return f"agent {found.agent}" if found.agent else "the whole tenant"


def hold_row(found: Hold) -> dict[str, Any]:
    """A row of `HOLDS`."""
    return {
        "id": str(found.id),
        "what": _held(found),
        "state": "ended" if found.released_at else "stands",
        "reason": found.reason,
        "by": found.placed_by_name + (" (platform)" if found.by_platform else ""),
        "placed": ago(found.placed_at),
    }


def hold_detail(visit: Visit, found: Hold) -> None:
    """One hold, and its release."""
    with panel("Legal hold"), box("stack close").mark("hold-detail"):
        state("ended" if found.released_at else "stands")
        text(found.reason, "wrap")
        with box("facts"):
            with fact("Holds"):
                link(_held(found), visit.url(f"/agents/{found.agent}")) if found.agent else text(_held(found))
            fact("Placed by", found.placed_by_name + (", for the platform" if found.by_platform else ""))
            for name, then in (("Placed", found.placed_at), ("Released", found.released_at)):
                if then is not None:
                    with fact(name):
                        time_ago(then)
            fact("Id", found.id).classes("mono")
        if found.released_at is None and visit.may("retention.release"):
            button("Release", icon="o_lock_open").on_click(partial(_release, visit, found)).mark("release-hold")


async def _release(visit: Visit, found: Hold) -> None:
    facts = {"Holds": _held(found), "Why": found.reason}
    ask = Act("Release a legal hold", "Release it", facts=facts, done="It holds nothing any more.")
    if await act(visit, ask, visit.moot.retention.release, hold=found.id) is not None:
        visit.go(visit.url("/retention", tab="holds", released="yes", hold=found.id))


async def place_hold(visit: Visit) -> None:
    """Ask what is to be held, and hold it; the reason of the dialog is the hold's own."""
    with visit.client:
        lead = "Nothing of what it holds is removed until it is released."
        with sheet("Place a legal hold", lead) as (dialog, body, foot):
            with body:
                agent = line("Agent", note="Its key or id; empty: the whole tenant.", focus=True).mark("held-agent")
            with foot:
                button("Cancel").on_click(lambda: dialog.submit(None))
                button("Go on", "main").on_click(lambda: dialog.submit(True)).mark("go-on")
        going = await answered(dialog)
    if not going:
        return
    named = (agent.value or "").strip() or None
    what = f"agent {named}" if named else "the whole tenant"
    ask = Act("Place a legal hold", "Hold it", "Retention and erasure leave it alone from the commit on.",
              facts={"Holds": what}, done="It is held.")  # fmt: skip
    hold: Any = visit.moot.retention.hold
    placed: Hold | None = await act(visit, ask, hold, agent=named)
    if placed is not None:
        visit.go(visit.url("/retention", tab="holds", hold=placed.id))


# --------------------------------------------------------------------------------------- archives


def archive_row(found: Archive) -> dict[str, Any]:
    """A row of `ARCHIVES`."""
    return {
        "id": str(found.id),
        "name": found.data_class,
        "state": found.state,
        "rows": number(found.rows),
        "size": number(-(-found.bytes // 1000)),
        "file": found.file,
        "sha256": f"SHA-256 {found.sha256}",
        "first": ago(found.first_at),
        "made": ago(found.made_at),
    }
