"""Audit: who changed what, from what to what, and as whom."""

from typing import Any

from nicegui import ui

from ...tenancy.audit.models import AuditEntry
from ..screens import Query, Screen
from ..visit import Visit
from ..widgets.dialogs import button
from ..widgets.diff import diff_view, in_brief
from ..widgets.export import export_buttons
from ..widgets.fields import search_line
from ..widgets.grid import Column, grid, grid_foot
from ..widgets.panels import empty, page_head, panel
from ..widgets.spans import span_filter, span_of
from ..widgets.text import box, chip, fact, link, text, time_ago
from ..widgets.words import ago, counted, moment

PAGE = 50
FILTERS = ("kind", "actor", "subject", "changed")
_COLUMNS = (
    Column("ago", "When", "quiet", 104, tip="at"),
    Column("kind", "What", "mono", share=3, tip="kind"),
    Column("changed", "Changed", "quiet", share=3, tip="changed"),
    Column("actor", "Who", share=2),
    Column("reason", "Why", "quiet", share=3, tip="reason"),
)
_BESIDE = 3


async def build(visit: Visit, query: Query) -> None:
    """The writes that fit, newest first, and the chosen one beside them."""
    given = {name: query.get(name) for name in FILTERS}
    span = span_of(query)
    # Ids out of the address are judged by the operation's own rules.
    wanted: Any = {name: given[name] for name in ("kind", "actor", "subject")} | {"changed": given["changed"] == "yes"}
    wanted |= {"since": span.since, "until": span.until}

    def go(**changed: Any) -> None:
        visit.go(visit.url("/audit", **(given | span.address | changed)))

    async def fetch(limit: int, cursor: str | None) -> Any:
        return await visit.moot.audit.list(**wanted, limit=limit, cursor=cursor)

    lead = "Every write, and the fields that it changed. Secrets are never among them, and no role rewrites it."
    with page_head("Audit", lead):
        export_buttons(f"audit-{visit.tenant}", fetch)
    await _filters(visit, given, span, go)
    page = await fetch(PAGE, query.get("cursor"))
    chosen = await _chosen(visit, query, page.items)
    address = {**given, **span.address, "cursor": query.get("cursor")}
    with box("columns wide-side" if chosen else "stack"):
        with panel(flush=True):
            if page.items:
                rows = [_row(entry) for entry in page.items]
                columns = _COLUMNS[:_BESIDE] if chosen else _COLUMNS
                grid(
                    columns, rows, chosen=lambda entry: visit.go(visit.url("/audit", **address, entry=entry)),
                    picked=str(chosen.id) if chosen else None,
                ).mark("audit")  # fmt: skip
                here = {**address, "cursor": None}
                following = visit.url("/audit", **{**here, "cursor": page.next}) if page.next else None
                grid_foot(
                    counted(len(page.items), "write"),
                    following,
                    visit.url("/audit", **here) if query.get("cursor") else None,
                )
            else:
                with empty("Nothing was written that fits", "Take a filter away, or look at a longer time."):
                    button("Show all").on_click(lambda: visit.go(visit.url("/audit"))).mark("show-all")
        if chosen:
            _detail(visit, chosen, go)


async def _filters(visit: Visit, given: dict[str, str | None], span: Any, go: Any) -> None:
    kinds = sorted({kind.kind for kind in await visit.moot.events.kinds()}) if visit.may("events.kinds") else []
    groups = {"": "All kinds"} | {
        f"{name}.": f"{name}.*" for name in sorted({each.partition(".")[0] for each in kinds})
    }
    options = groups | {kind: kind for kind in kinds}
    if given["kind"] and given["kind"] not in options:
        options[given["kind"]] = given["kind"]
    with box("filters"):
        chosen = ui.select(options, value=given["kind"] or "", with_input=True).props("outlined dense options-dense")
        chosen.props('aria-label="Kind"').classes("wide").mark("kind")
        chosen.on_value_change(lambda event: go(kind=event.value or None))
        span_filter(span, go)
        search_line("Actor's id", given["actor"] or "", lambda value: go(actor=value), classes="wide").mark("actor")
        search_line("Subject's id", given["subject"] or "", lambda value: go(subject=value), classes="wide")
        ui.switch(
            "Only what changed fields",
            value=given["changed"] == "yes",
            on_change=lambda event: go(changed="yes" if event.value else None),
        ).props("dense").mark("changed")
        if any(given.values()) or any(span.address.values()):
            button("Clear", "ghost").on_click(lambda: visit.go(visit.url("/audit"))).mark("clear")


async def _chosen(visit: Visit, query: Query, items: list[AuditEntry]) -> AuditEntry | None:
    wanted: Any = query.get("entry")
    found = next((entry for entry in items if str(entry.id) == wanted), None)
    # A link may name one that is on another page.
    return await visit.moot.audit.get(event=wanted) if wanted and found is None else found


def _row(entry: AuditEntry) -> dict[str, Any]:
    return {
        "id": str(entry.id),
        "at": moment(entry.occurred_at),
        "ago": ago(entry.occurred_at),
        "kind": entry.kind,
        "actor": f"{entry.actor_name or entry.actor_kind}{' through a view' if entry.real_actor else ''}",
        "changed": in_brief(entry.changes),
        "reason": entry.reason,
    }


def _detail(visit: Visit, entry: AuditEntry, go: Any) -> None:
    with panel(entry.kind) as head, box("stack close").mark("audit-detail"):
        with head:
            time_ago(entry.occurred_at, "quiet small")
        diff_view(entry.changes)
        if entry.reason:
            text(entry.reason, "note wrap", "div")
        with box("facts"):
            fact("Who", f"{entry.actor_name or entry.actor} ({entry.actor_kind})")
            if entry.real_actor:
                fact("Behind the view", entry.real_actor).classes("mono")
            fact("Operation", entry.operation).classes("mono")
            fact("When", moment(entry.occurred_at))
            for name, value in (("Subject", entry.subject), ("Request", entry.request), ("Event", entry.id)):
                if value:
                    fact(name, value).classes("mono")
        with box("row-line wrapping"):
            chip("Only")
            button("this kind", "ghost").on_click(lambda: go(kind=entry.kind))
            button("this actor", "ghost").on_click(lambda: go(actor=str(entry.actor))).mark("only-actor")
            if entry.subject:
                button("this subject", "ghost").on_click(lambda: go(subject=str(entry.subject))).mark("only-subject")
            if visit.may("events.get"):
                link("The event", visit.url("/events", event=entry.id), "small").mark("to-event")


SCREEN = Screen(
    "/audit", "Audit", build, icon="o_history_edu", section="Oversight", key="u", needs=("audit.list",),
    words="log changes before after diff who",
)  # fmt: skip
