"""One task: what it is, where it stands and why, who did what, and what hangs on it."""

from typing import Any

from nicegui import ui

from ...kernel import Page
from ...kernel.events import Event
from ...work.tasks.models import Task
from ..screens import Query, Screen
from ..visit import Visit
from ..widgets.fields import choice
from ..widgets.fresh import keep_fresh
from ..widgets.panels import page_head, panel
from ..widgets.parts import Part
from ..widgets.raw import json_view
from ..widgets.task_actions import task_actions
from ..widgets.task_attempts import attempt_list
from ..widgets.task_facts import task_facts, task_results
from ..widgets.task_graph import around_task
from ..widgets.task_reasons import state_line, task_reasons
from ..widgets.text import box, link
from ..widgets.timeline import Timeline
from ..widgets.words import now

STEPS = {"2": "2 steps around it", "1": "1 step around it", "4": "4 steps around it", "10": "10 steps around it"}
MOST_DRAWN = 100
MOST_ATTEMPTS, MOST_EVENTS = 200, 30
GATHER_SECONDS = 1.0


async def build(visit: Visit, query: Query) -> None:
    """The four questions; each answer is renewed in its place when it is another."""
    steps = query.one_of("steps", *STEPS)
    tasks = visit.moot.tasks
    task = await tasks.get(task=query["task"])
    ui.page_title(f"{task.title} · {visit.tenant} · Moothill")

    async def itself() -> Any:
        return task

    async def why() -> Any:
        return task, await tasks.why(task=str(task.id))

    async def attempts() -> Any:
        page = await tasks.attempts(task=str(task.id), limit=MOST_ATTEMPTS)
        # How long it is held goes on by itself.
        return task, page, now().replace(second=0, microsecond=0) if task.expires_at else None

    async def around() -> Any:
        return await tasks.graph(task=str(task.id), steps=int(steps), limit=MOST_DRAWN)

    async def events() -> Any:
        return await visit.moot.events.list(subject=task.id, order="newest", limit=MOST_EVENTS)

    with page_head(task.title, crumb=("Tasks", visit.url("/tasks"))):
        parts = [Part(visit, itself, lambda found: task_actions(visit, found), "row-line wrapping")]
    parts.append(Part(visit, itself, state_line, "row-line wide wrapping"))
    with box("columns two"):
        with box("stack"):
            with panel("Where it stands, and why"):
                parts.append(Part(visit, why, lambda found: task_reasons(visit, *found)))
            with panel("Who did what", "its attempts, in order", flush=True):
                parts.append(Part(visit, attempts, lambda found: attempt_list(visit, found[0], found[1].items)))
            if visit.may("events.list"):
                with panel("What happened to it", "newest first", flush=True):
                    parts.append(Part(visit, events, lambda found: _events(visit, found)))
        with box("stack"), panel("What it is"):
            parts.append(Part(visit, itself, lambda found: _what(visit, found)))
    with panel("What hangs on it", flush=True) as head:
        with head:
            choice("", STEPS, steps, lambda value: visit.go(visit.url(f"/tasks/{task.id}", steps=value))).mark("steps")
        parts.append(Part(visit, around, lambda found: around_task(visit, found, task.id), "stack tight"))
    for part in parts:
        await part.renew()

    async def renew() -> None:
        nonlocal task
        task = await tasks.get(task=str(task.id))
        for part in parts:
            await part.renew()

    keep_fresh(visit, renew, "tasks.", "queues.", gather=GATHER_SECONDS)


def _what(visit: Visit, task: Task) -> None:
    task_facts(visit, task)
    task_results(task)
    with ui.expansion("All of it, as tasks.get gives it").classes("folded").props("dense"):
        json_view(task, f"{task.task_id or task.id}.json")


def _events(visit: Visit, page: Page[Event]) -> None:
    Timeline(visit).fill(page.items)
    if page.next and page.items[0].subject is not None:
        link("All of them", visit.url("/events", subject=page.items[0].subject), "small padded-note")


SCREEN = Screen("/tasks/{task}", "Task", build, needs=("tasks.get",))
