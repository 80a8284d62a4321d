"""The dependencies of a picture as a table, for reading."""

from typing import Any
from uuid import UUID

from nicegui import ui

from ...work.tasks.linking import TaskGraph
from ..visit import Visit
from .grid import Column, grid
from .tasks import called, words_of

__all__ = ["task_links"]

_LINKS = (
    Column("task", "Task", "link", share=3),
    Column("on", "Waits for", "link", share=3),
    Column("state", "Which is", "state", 152),
    Column("how", "How", "quiet", 92),
    Column("met", "Still", "quiet", 76),
)


def task_links(visit: Visit, graph: TaskGraph, here: UUID) -> None:
    """Those of the task itself come first."""
    tasks = {task.id: task for task in graph.tasks}
    edges = sorted(graph.edges, key=lambda edge: here not in (edge.task_id, edge.depends_on))
    rows: list[dict[str, Any]] = [
        {
            "id": f"{edge.task_id} {edge.depends_on}",
            "task": called(tasks[edge.task_id]),
            "task_address": visit.url(f"/tasks/{edge.task_id}"),
            "on": called(tasks[edge.depends_on]),
            "on_address": visit.url(f"/tasks/{edge.depends_on}"),
            "state": words_of(tasks[edge.depends_on].status),
            "how": edge.type,
            "met": "no" if edge.met else "yes",
        }
        for edge in edges
    ]
    with ui.expansion("The same as a table").classes("folded padded").props("dense"):
        grid(_LINKS, rows).mark("task-links")
