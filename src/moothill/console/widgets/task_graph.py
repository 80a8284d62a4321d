"""A picture of tasks that wait for each other. The server says where each stands.

The tasks are links, so that they can be reached by keyboard, read aloud and coloured like the rest;
only the lines between them are drawn.
"""

from collections.abc import Mapping, Sequence
from uuid import UUID

from ...work.tasks.linking import TaskEdge, TaskGraph
from ...work.tasks.models import TaskSummary
from ..visit import Visit
from .layers import Place, placed
from .task_links import task_links
from .tasks import held_by, look, words_of
from .text import box, link, quiet, text, with_property
from .words import counted

__all__ = ["around_task", "task_graph"]

WIDE, HIGH = 188, 52
_GAP_X, _GAP_Y, _EDGE = 64, 14, 16
# Taller layers than this begin at the top, where they are seen without scrolling.
_CENTRED = 9


def task_graph(visit: Visit, graph: TaskGraph, here: UUID) -> None:
    """The picture: what comes first stands on the left."""
    ids = [task.id for task in graph.tasks]
    places = placed(ids, [(edge.depends_on, edge.task_id) for edge in graph.edges])
    spots = _spots(places)
    wide = max(x for x, _ in spots.values()) + WIDE + _EDGE
    high = max(y for _, y in spots.values()) + HIGH + _EDGE
    frame = with_property(with_property(box("graph").mark("task-graph"), "tabindex", 0), "role", "region")
    with_property(frame, "aria-label", f"{counted(len(ids), 'task')}; those on the left come first.")
    with frame, box("graph-ground").style(f"width: {wide}px; height: {high}px"):
        _lines(graph.edges, spots, wide, high)
        for task in sorted(graph.tasks, key=lambda task: (places[task.id].layer, places[task.id].row)):
            _node(visit, task, spots[task.id], is_here=task.id == here)
    with box("legend padded-note"):
        for kind, words in (("blocks", "has to complete"), ("optional", "has to end"), ("soft", "is not waited for")):
            if any(edge.type == kind for edge in graph.edges):
                with box("row-line small"):
                    box(f"graph-key {kind}")
                    text(words)
        if any(not edge.met for edge in graph.edges):
            with box("row-line small"):
                box("graph-key open")
                text("still waited for")
    if not graph.complete:
        quiet("There are more around it than are drawn here.", "small padded-note").mark("truncated")


def around_task(visit: Visit, graph: TaskGraph, here: UUID) -> None:
    """The picture and its table, or that there is nothing to draw."""
    if not graph.edges:
        quiet("Nothing: it waits for no other task, and none waits for it.", "padded-note")
        return
    task_graph(visit, graph, here)
    task_links(visit, graph, here)


def _spots(places: Mapping[UUID, Place]) -> dict[UUID, tuple[int, int]]:
    sizes: dict[int, int] = {}
    for place in places.values():
        sizes[place.layer] = sizes.get(place.layer, 0) + 1
    tallest = max(sizes.values(), default=0)
    step = HIGH + _GAP_Y

    def top(layer: int) -> int:
        return (tallest - sizes[layer]) * step // 2 if tallest <= _CENTRED else 0

    return {
        id: (_EDGE + place.layer * (WIDE + _GAP_X), _EDGE + top(place.layer) + place.row * step)
        for id, place in places.items()
    }


def _lines(edges: Sequence[TaskEdge], spots: Mapping[UUID, tuple[int, int]], wide: int, high: int) -> None:
    with box("", "svg") as picture:
        for name, value in (("viewBox", f"0 0 {wide} {high}"), ("width", wide), ("height", high)):
            with_property(picture, name, value)
        with_property(picture, "aria-hidden", "true")
        # What is still waited for lies on top.
        for edge in sorted(edges, key=lambda edge: not edge.met):
            x, y = spots[edge.depends_on]
            end, level = spots[edge.task_id]
            start, middle, target = x + WIDE, y + HIGH // 2, level + HIGH // 2
            bend = max(28, (end - start) // 2)
            look = f"{edge.type} {'' if edge.met else 'open'}"
            path = f"M{start} {middle} C{start + bend} {middle} {end - bend - 7} {target} {end - 7} {target}"
            with_property(box(f"line {look}", "path"), "d", path)
            tip = f"{end - 1},{target} {end - 8},{target - 4} {end - 8},{target + 4}"
            with_property(box(f"tip {look}", "polygon"), "points", tip)


def _node(visit: Visit, task: TaskSummary, spot: tuple[int, int], *, is_here: bool) -> None:
    left, top = spot
    node = link("", visit.url(f"/tasks/{task.id}"), f"node {'here' if is_here else ''}").mark("node")
    node.style(f"left: {left}px; top: {top}px; width: {WIDE}px; height: {HIGH}px")
    if is_here:
        with_property(node, "aria-current", "page")
    with with_property(node, "title", task.title):
        text(task.title, "clip node-title")
        with box("row-line spread"):
            text(words_of(task.status), f"state {look(task.status)} small clip")
            quiet(held_by(task), "small clip")
