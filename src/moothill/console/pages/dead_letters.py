"""Dead letters: tasks that failed for good, why, and putting many of them back at once."""

from functools import partial
from typing import Any, cast

from nicegui import ui

from ..screens import Query, Screen
from ..visit import Visit
from ..widgets.dead_letters import Chosen, redrive_all, redrive_chosen
from ..widgets.dialogs import button
from ..widgets.fields import choice, search_line
from ..widgets.fresh import keep_fresh
from ..widgets.grid import grid_foot
from ..widgets.panels import empty, page_head, panel
from ..widgets.text import box
from ..widgets.words import counted

PAGE = 50
MOST_QUEUES = 200
FILTERS = ("queue", "kind")


async def build(visit: Visit, query: Query) -> None:
    """The filters, what is chosen, the list."""
    given = {name: value for name in FILTERS if (value := query.get(name))}
    wanted: dict[str, Any] = {**given, "status": "failed", "dead_letter": True}
    chosen = Chosen()
    every: ui.button | None = None

    def go(**changed: str | None) -> None:
        visit.go(visit.url("/dead-letters", **(given | changed)))

    async def look() -> Any:
        return await visit.moot.tasks.list(filter=cast(Any, wanted), limit=PAGE, cursor=query.get("cursor"))

    lead = "What failed for good waits here until somebody looks at it; nothing of it is archived or forgotten."
    with page_head("Dead letters", lead):
        if visit.may("tasks.redrive"):
            every = button("Redrive the oldest").on_click(partial(redrive_all, visit, given)).mark("redrive-all")
            some = button("Redrive chosen", "main", "o_replay").on_click(partial(redrive_chosen, visit, chosen))
            chosen.tells(some.mark("redrive-chosen"))
    queues = {queue.name: queue.name for queue in (await visit.moot.queues.list(limit=MOST_QUEUES)).items}
    with box("filters"):
        known = {"": "Every queue", **queues} | ({given["queue"]: given["queue"]} if "queue" in given else {})
        choice("", known, given.get("queue", ""), lambda value: go(queue=value)).mark("queue")
        search_line("Kind", given.get("kind", ""), lambda value: go(kind=value)).mark("kind")
        if given:
            button("Clear", "ghost").on_click(lambda: go(**dict.fromkeys(FILTERS))).mark("clear")
    page = await look()
    if every is not None:
        every.set_enabled(bool(page.items))
    with panel(flush=True):
        if page.items:
            chosen.show(visit, page.items, can_choose=visit.may("tasks.redrive"))
            following = visit.url("/dead-letters", **given, cursor=page.next) if page.next else None
            first = visit.url("/dead-letters", **given) if query.get("cursor") else None
            here = counted(len(page.items), "dead letter") + (" on this page" if following or first else "")
            grid_foot(here, following, first)
        else:
            empty("Nothing failed for good", "A task comes here when its last attempt failed.", "o_mark_email_read")

    async def renew() -> None:
        fresh = await look()
        if [task.id for task in fresh.items] != [task.id for task in page.items] and not chosen.ids:
            # What somebody is choosing is not taken from under their hands.
            visit.renew()

    keep_fresh(visit, renew, "tasks.failed", "tasks.redriven", "tasks.lost", "tasks.removed", gather=2.0)


SCREEN = Screen(
    "/dead-letters", "Dead letters", build, icon="o_unsubscribe", section="Work", key="m", needs=("tasks.list",),
    words="failed redrive retry errors",
)  # fmt: skip
