"""What a task is: what is to be done, by whom, within which bounds, and what came out of it."""

from datetime import timedelta
from typing import Any

from ...work.tasks.models import Task
from ..visit import Visit
from .raw import json_view
from .tasks import held_by, place_of
from .text import box, fact, link, quiet, tags, text, time_ago
from .words import moment, number, percent, span

__all__ = ["needs_words", "task_facts", "task_results"]


def needs_words(requirements: dict[str, Any]) -> str:
    """Who may take it."""
    parts = [f"{each.get('name')} at {each.get('minimum', 1)} or better" for each in requirements.get("skills") or []]
    for name, words in (("capability", "the capability {}"), ("agent_type", "type {}"), ("agent", "only {}")):
        if requirements.get(name):
            parts.append(words.format(requirements[name]))
    return ", ".join(parts) or "anybody"


def _length(milliseconds: int) -> str:
    return f"{number(milliseconds)} ms" if milliseconds < 1000 else span(timedelta(milliseconds=milliseconds))


def task_facts(visit: Visit, task: Task) -> None:
    """What is to be done, and within which bounds."""
    text(task.description or "It has no description.", "wrap" if task.description else "quiet")
    with box("facts").mark("task-facts"):
        fact("Kind", task.kind)
        fact("Queue", place_of(task))
        fact("Who may take it", needs_words(task.requirements))
        if held_by(task) and task.agent_id is not None:
            with fact("Holder" if task.ended_at is None else "Last holder"):
                link(held_by(task), visit.url(f"/agents/{task.agent_id}"))
        if task.parent_id is not None:
            with fact("Added by the holder of"):
                link("another task", visit.url(f"/tasks/{task.parent_id}"))
        for name, then in (("Added", task.created_at), ("Due", task.due_at), ("Deadline", task.deadline),
                           ("Begun", task.started_at), ("Ended", task.ended_at)):  # fmt: skip
            if then is not None:
                with fact(name):
                    time_ago(then)
                    quiet(f" · {moment(then)}", "small")
        fact("May fail", f"{task.max_attempts} times; {task.failures} did")
        for name, value in _bounds(task):
            fact(name, value)
        fact("Mode", f"{task.execution_mode}, risk tier {task.risk_tier}")
        with fact("Tags"):
            tags(task.tags)
        fact("Version", task.version)


def _bounds(task: Task) -> list[tuple[str, str]]:
    found = []
    if task.complexity:
        found.append(("Complexity", task.complexity))
    if task.timeout_seconds is not None:
        found.append(("One attempt takes at most", span(timedelta(seconds=task.timeout_seconds))))
    if task.estimated_ms is not None:
        took = f"; it took {_length(task.actual_ms)}" if task.actual_ms is not None else ""
        found.append(("Estimated", _length(task.estimated_ms) + took))
    elif task.actual_ms is not None:
        found.append(("Took", _length(task.actual_ms)))
    for name, most, used in (
        ("Files", task.budget_files, task.files_used),
        ("Lines", task.budget_lines, task.lines_used),
    ):
        if most is not None or used is not None:
            found.append((name, f"{number(used or 0)} changed" + (f" of {number(most)}" if most is not None else "")))
    if task.quality is not None:
        found.append(("Quality", percent(task.quality)))
    return found


def task_results(task: Task) -> None:
    """What its holder works on, and what came out: each as JSON, where there is any."""
    for name, words, value in (
        ("result", "What came out of it", task.result),
        ("payload", "What its holder works on", task.payload),
        ("constraints", "What its holder has to keep to", task.constraints),
        ("metadata", "What else is known", task.metadata),
    ):
        if value:
            with box("stack tight").mark(f"task-{name}"):
                text(words, tag="h3")
                json_view(value, f"{task.task_id or task.id}-{name}.json")
