"""Live event feed: what is written, as it is written, with filters and pause."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from nicegui import ui

from ...kernel.events import Event
from ..screens import Query, Screen
from ..visit import Visit
from ..widgets.dialogs import button, sheet
from ..widgets.events import EventList
from ..widgets.fields import choice
from ..widgets.panels import page_head, panel
from ..widgets.raw import json_view
from ..widgets.text import box, quiet, text
from ..widgets.words import acting, moment, now

MOST_SHOWN = 200
RANGES: dict[str, tuple[str, timedelta | None]] = {
    "": ("Any time", None),
    "1h": ("Last hour", timedelta(hours=1)),
    "24h": ("Last 24 hours", timedelta(hours=24)),
    "7d": ("Last 7 days", timedelta(days=7)),
}


async def build(visit: Visit, query: Query) -> None:
    """The newest events, and those that come."""
    group, actor, subject = query.get("kind"), query.get("actor"), query.get("subject")
    since = query.one_of("since", *RANGES)
    with page_head("Events", "The log of writes, as it grows. It holds still while this tab is out of sight."):
        pass
    kinds = await visit.moot.events.kinds()
    groups = sorted({kind.kind.partition(".")[0] for kind in kinds})

    def go(**changed: str | None) -> None:
        visit.go(visit.url("/events", **{"kind": group, "actor": actor, "subject": subject, "since": since, **changed}))

    with box("filters"):
        options = {"": "All kinds"} | {f"{name}.": f"{name}.*" for name in groups}
        options |= {kind.kind: kind.kind for kind in kinds}
        chosen = ui.select(options, value=group if group in options else "", with_input=True)
        chosen.props("outlined dense options-dense").classes("wide").mark("kind")
        chosen.on_value_change(lambda event: go(kind=event.value or None))
        choice("", {name: words for name, (words, _) in RANGES.items()}, since, lambda value: go(since=value))
        for name, value in (("actor", actor), ("subject", subject)):
            if value:
                quiet(f"{name} {value}", "tag mono")
        if group or actor or subject:
            button("Show all", "ghost").on_click(lambda: visit.go(visit.url("/events")))

    span = RANGES[since][1]
    # Ids out of the address are judged by the operation's own rules.
    wanted: Any = {"kind": group, "actor": actor, "subject": subject, "since": now() - span if span else None}
    page = await visit.moot.events.list(**wanted, order="newest", limit=100)
    with panel("Newest first", flush=True):
        shown = EventList(visit, most=MOST_SHOWN, chosen=lambda event: _show(visit, event))
        shown.fill(page.items)

    def fits(event: Event) -> bool:
        return (
            event.kind.startswith(group or "")
            and (not actor or str(event.actor) == actor)
            and (not subject or subject in map(str, (event.subject, *event.subjects)))
        )

    def heard(events: Sequence[Event]) -> None:
        shown.add([event for event in events if fits(event)])

    visit.listen(heard)
    named: Any = query.get("event")
    if named:
        _show(visit, await visit.moot.events.get(event=named))


def _show(visit: Visit, event: Event) -> None:
    with visit.client, sheet(event.kind, moment(event.occurred_at), wide=True) as (dialog, body, foot):
        with body:
            with box("facts"):
                for name, value in (
                    ("Actor", acting(event.actor_name or str(event.actor), event.actor_kind)),
                    ("On behalf of", event.real_actor),
                    ("Subject", event.subject),
                    ("Operation", event.operation),
                    ("Reason", event.reason),
                    ("Request", event.request),
                    ("Event", event.id),
                ):
                    if value is not None:
                        text(name, "name")
                        text(value, "value")
            json_view(event, f"event-{event.id}.json")
        with foot:
            if event.subject is not None:
                button("All of this subject", "ghost").on_click(
                    lambda: visit.go(visit.url("/events", subject=event.subject))
                )
            button("Close").on_click(dialog.close)
    dialog.open()


SCREEN = Screen(
    "/events",
    "Events",
    build,
    icon="o_bolt",
    section="Society",
    key="e",
    needs=("events.list", "events.follow"),
    words="feed log live",
)
