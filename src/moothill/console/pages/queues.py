"""Queues: what lies in each, how much gets done, what is held for long, and the shares of groups."""

from collections.abc import Sequence
from datetime import timedelta

from ...work.tasks.models import TaskSummary
from ..screens import Query, Screen
from ..visit import Visit
from ..widgets.fields import choice
from ..widgets.fresh import keep_fresh
from ..widgets.grid import grid, grid_foot, set_rows
from ..widgets.panels import empty, page_head, panel
from ..widgets.parts import Part
from ..widgets.queues import QUEUES, queue_detail, queue_rows
from ..widgets.tasks import held_by, place_of
from ..widgets.text import box, link, quiet, text, time_ago
from ..widgets.throughput import SPANS, ThroughputPicture, aligned
from ..widgets.words import counted, now

PAGE = 50
STUCK_SECONDS, MOST_STUCK = 3600, 8
# Beside a chosen queue there is room for these.
_BESIDE = 5
GATHER_SECONDS = 1.0


async def build(visit: Visit, query: Query) -> None:
    """The picture, the queues, what is held for long."""
    tasks, queues = visit.moot.tasks, visit.moot.queues
    range = query.one_of("range", *SPANS)
    name = query.get("queue")

    def go(**changed: str | None) -> None:
        here = {"range": range if range != "24h" else None, "queue": name, "cursor": query.get("cursor")}
        visit.go(visit.url("/queues", **(here | changed)))

    with page_head("Queues", "What waits where, how much gets done, and who gets which share."):
        choice("", {key: words for key, (words, _, _) in SPANS.items()}, range, lambda value: go(range=value)).mark(
            "range"
        )
    _, hours, seconds = SPANS[range]
    with panel("What ended", "completed above the line, failed and cancelled below it"):
        picture = ThroughputPicture()
    page = await queues.list(limit=PAGE, cursor=query.get("cursor"))
    chosen = next((queue for queue in page.items if queue.name == name), None)
    columns = QUEUES[:_BESIDE] if chosen else QUEUES
    with box("columns side" if chosen else "stack"):
        with panel("Queues", flush=True):
            if page.items:
                rows = queue_rows(page.items, await tasks.summary())
                table = grid(columns, rows, chosen=lambda queue: go(queue=queue), picked=name).mark("queues")
                following = visit.url("/queues", range=range, cursor=page.next) if page.next else None
                first = visit.url("/queues", range=range) if query.get("cursor") else None
                grid_foot(counted(len(page.items), "queue"), following, first)
            else:
                table = None
                empty("There is no queue", "One is there as soon as a task is added to it.", "o_queue")
        if chosen:
            await queue_detail(visit, chosen)

    async def stuck() -> Sequence[TaskSummary]:
        return await tasks.stuck(seconds=STUCK_SECONDS, limit=MOST_STUCK)

    with panel("Held for long", "more than an hour, the longest first", flush=True):
        held = Part(visit, stuck, lambda found: _stuck(visit, found), "stack")

    async def renew() -> None:
        spans = await tasks.throughput(hours=hours, span_seconds=seconds)
        at = now()
        shown = aligned(spans, end=at, seconds=seconds, hours=hours)
        picture.show(shown, begins=at - timedelta(hours=hours), seconds=seconds)
        await held.renew()

    async def renew_all() -> None:
        await renew()
        fresh = await queues.list(limit=PAGE, cursor=query.get("cursor"))
        if fresh.items != page.items:
            visit.renew()
        elif table is not None:
            set_rows(table, columns, queue_rows(fresh.items, await tasks.summary()))

    await renew()
    keep_fresh(visit, renew_all, "tasks.", "queues.", gather=GATHER_SECONDS)


def _stuck(visit: Visit, found: Sequence[TaskSummary]) -> None:
    if not found:
        quiet("Nothing is held for more than an hour.", "padded-note")
        return
    with box("list").mark("stuck"):
        for task in found:
            with link("", visit.url(f"/tasks/{task.id}"), "entry"):
                text(task.title, "grow clip")
                quiet(place_of(task), "small clip")
                quiet(held_by(task), "small clip who")
                time_ago(task.claimed_at, "late")


SCREEN = Screen(
    "/queues", "Queues", build, icon="o_layers", section="Work", key="y",
    needs=("queues.list", "tasks.summary", "tasks.throughput", "tasks.stuck"), words="pause resume groups throughput",
)  # fmt: skip
