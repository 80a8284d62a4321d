"""Tasks: a live board by state, or all of them as a list."""

from functools import partial
from typing import Any, cast

from ..screens import Query, Screen
from ..visit import Visit
from ..widgets.board import Board
from ..widgets.dialogs import button
from ..widgets.fresh import keep_fresh
from ..widgets.grid import grid, grid_foot, set_rows
from ..widgets.panels import empty, page_head, panel, tabs
from ..widgets.task_sheets import enqueue
from ..widgets.tasks import FILTERS, TASKS, filter_line, given_filters, task_row
from ..widgets.words import counted

PAGE = 50
MOST_QUEUES = 200
# A board asks for many things at once, so bursts are gathered for longer.
GATHER_SECONDS = 1.0


async def build(visit: Visit, query: Query) -> None:
    """One of the two."""
    view = query.one_of("view", "board", "list")
    given = given_filters(query)
    status = query.get("status") or "any" if view == "list" else ""

    def go(**changed: str | None) -> None:
        here: dict[str, str | None] = {"view": "list", "status": status} if view == "list" else {}
        visit.go(visit.url("/tasks", **(here | given | changed)))

    with page_head("Tasks", "What there is to do, who is at it, and what waits for what."):
        if visit.may("tasks.enqueue"):
            button("Add a task", "main", "o_add").on_click(partial(enqueue, visit)).mark("enqueue")
    tabs(visit, "/tasks", view, [("board", "Board", None), ("list", "List", None)], "view", given)
    queues = {queue.name: queue.name for queue in (await visit.moot.queues.list(limit=MOST_QUEUES)).items}
    filter_line(given, queues, go, status)
    await (_list if view == "list" else _board)(visit, query, given)


async def _board(visit: Visit, query: Query, given: dict[str, str]) -> None:
    board = Board(visit, given)
    await board.build()
    keep_fresh(visit, board.renew, "tasks.", gather=GATHER_SECONDS)


async def _list(visit: Visit, query: Query, given: dict[str, str]) -> None:
    status = query.get("status")
    wanted: dict[str, Any] = {**given, "status": status} if status and status != "any" else dict(given)
    if parent := query.get("parent"):
        wanted["parent"] = parent

    async def look() -> Any:
        return await visit.moot.tasks.list(filter=cast(Any, wanted), limit=PAGE, cursor=query.get("cursor"))

    page = await look()
    with panel(flush=True):
        if not page.items:
            if wanted:
                empty("No task fits these filters", "Take one of them away.", "o_filter_alt_off")
            else:
                empty("No tasks yet", "tasks.enqueue adds one, tasks.enqueue_many a whole graph of them.", "o_task_alt")
            return
        table = grid(TASKS, [task_row(visit, task) for task in page.items]).mark("tasks")
        here = {"view": "list", "status": status, "parent": parent, **{name: given.get(name) for name in FILTERS}}
        following = visit.url("/tasks", **here, cursor=page.next) if page.next else None
        first = visit.url("/tasks", **here) if query.get("cursor") else None
        grid_foot(counted(len(page.items), "task") + (" on this page" if following or first else ""), following, first)

    async def renew() -> None:
        set_rows(table, TASKS, [task_row(visit, task) for task in (await look()).items])

    keep_fresh(visit, renew, "tasks.", gather=GATHER_SECONDS)


SCREEN = Screen(
    "/tasks", "Tasks", build, icon="o_view_kanban", section="Work", key="b", needs=("tasks.list", "tasks.summary"),
    words="board queue work todo",
)  # fmt: skip
