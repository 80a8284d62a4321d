"""Tasks for people: their states in words, their filters, and a task as a row."""

from collections.abc import Callable, Mapping
from typing import Any, get_args

from ...work.tasks.models import PRIORITIES, Status, TaskSummary
from ..screens import Query
from ..theme import State, state_of
from ..visit import Visit
from .dialogs import button
from .fields import choice, search_line
from .grid import Column
from .text import box
from .words import ago, moment

__all__ = [
    "ENDED", "FILTERS", "HELD", "TASKS", "called", "filter_line", "given_filters", "held_by", "look", "place_of",
    "task_row", "tried", "words_of",
]  # fmt: skip

_WORDS: Mapping[str, str] = {
    "in_progress": "in progress",
    "waiting": "waits for an answer",
    "retry": "to be retried",
    "timed_out": "timed out",
}
HELD = ("assigned", "in_progress")
ENDED = ("completed", "failed", "cancelled", "archived")
FILTERS = ("queue", "group", "kind", "priority", "agent", "tag", "text")
TASKS = (
    Column("title", "Task", "link", share=4, tip="key"),
    Column("status", "State", "state", 158, tip="note"),
    Column("priority", "Priority", width=96),
    Column("kind", "Kind", share=2),
    Column("place", "Queue", "quiet", share=2),
    Column("agent", "Holder", "link", share=2),
    Column("tried", "Attempts", "number", 96),
    Column("added", "Added", "quiet", 104, tip="created"),
    Column("ended", "Ended", "quiet", 104),
)


def words_of(status: str) -> str:
    """A state, or an end of an attempt, in words."""
    return _WORDS.get(status, status)


def look(status: str) -> State:
    """Its colour and shape."""
    return state_of(words_of(status))


def place_of(task: TaskSummary) -> str:
    """Queue and group."""
    return f"{task.queue} / {task.group}" if task.group else task.queue


def called(task: TaskSummary) -> str:
    """What is said of a task in a sentence."""
    return task.task_id or task.title


def tried(task: TaskSummary) -> str:
    """How often it was handed out, and what of that failed."""
    return f"{task.attempt}, {task.failures} of {task.max_attempts} failed" if task.failures else str(task.attempt)


def held_by(task: TaskSummary) -> str:
    """Who holds it, or held it last."""
    return task.agent_name or task.agent or ("a worker" if task.worker_id else "")


def task_row(visit: Visit, task: TaskSummary) -> dict[str, Any]:
    """A task in a table."""
    return {
        "id": str(task.id),
        "title": task.title,
        "title_address": visit.url(f"/tasks/{task.id}"),
        "key": task.task_id or "",
        "status": "dead letter" if task.dead_letter else words_of(task.status),
        "note": task.note or "",
        "priority": task.priority,
        "kind": task.kind,
        "place": place_of(task),
        "agent": held_by(task),
        "agent_address": visit.url(f"/agents/{task.agent_id}") if task.agent_id else None,
        "tried": f"{task.attempt} / {task.max_attempts}",
        "added": ago(task.created_at),
        "created": moment(task.created_at),
        "ended": ago(task.ended_at) if task.ended_at else "",
    }


def given_filters(query: Query) -> dict[str, str]:
    """What the address asks for; the operation's own rules judge it."""
    return {name: value for name in FILTERS if (value := query.get(name))}


def filter_line(given: Mapping[str, str], queues: Mapping[str, str], go: Callable[..., None], status: str = "") -> None:
    """The filters of tasks; `go` is told what changed."""
    with box("filters").mark("filters"):
        if status:
            states = {"any": "Any state"} | {word: words_of(word).capitalize() for word in get_args(Status)}
            choice("", states, status, lambda value: go(status=value)).mark("status")
        if len(queues) > 1 or "queue" in given:
            known = {"": "Every queue", **queues} | ({given["queue"]: given["queue"]} if "queue" in given else {})
            choice("", known, given.get("queue", ""), lambda value: go(queue=value)).mark("queue")
        priorities = {"": "Any priority"} | {word: word.capitalize() for word in PRIORITIES}
        choice("", priorities, given.get("priority", ""), lambda value: go(priority=value)).mark("priority")
        search_line("Group", given.get("group", ""), lambda value: go(group=value)).mark("group")
        search_line("Kind", given.get("kind", ""), lambda value: go(kind=value)).mark("kind")
        search_line("Held by agent", given.get("agent", ""), lambda value: go(agent=value)).mark("agent")
        search_line("Tag", given.get("tag", ""), lambda value: go(tag=value)).mark("tag")
        if status:
            search_line("In the title", given.get("text", ""), lambda value: go(text=value)).mark("text")
        if given:
            button("Clear", "ghost").on_click(lambda: go(**dict.fromkeys(FILTERS))).mark("clear")
