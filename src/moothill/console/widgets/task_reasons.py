"""Where a task stands, and why."""

from collections.abc import Mapping

from nicegui import ui

from ...work.tasks.models import Task
from ...work.tasks.service import WaitingReasons
from ..visit import Visit
from .tasks import look, words_of
from .text import box, chip, link, quiet, text, time_ago

__all__ = ["state_line", "task_reasons"]

_ICONS: Mapping[str, str] = {
    "dependency": "o_link",
    "time": "o_schedule",
    "pause": "o_pause_circle",
    "limit": "o_data_usage",
    "rate": "o_speed",
    "skill": "o_school",
    "capability": "o_school",
    "agent": "o_smart_toy",
    "answer": "o_contact_support",
    "holder": "o_play_circle",
    "turn": "o_format_list_numbered",
    "ended": "o_flag",
}


def state_line(task: Task) -> None:
    """Its state, and what it is called by."""
    text(words_of(task.status), f"state {look(task.status)}").mark("task-status")
    if task.dead_letter:
        text("dead letter", f"state {look('dead letter')}")
    text(task.priority, f"tag {task.priority}")
    if task.task_id:
        chip(task.task_id, "kind")
    chip(str(task.id), "kind")
    if task.cancel_asked_at is not None:
        text("its holder was asked to stop", "state warn")


def task_reasons(visit: Visit, task: Task, found: WaitingReasons) -> None:
    """What keeps it, the most important first; and what was said about it."""
    for reason in found.reasons:
        with box("reason").mark("reason-why"):
            ui.icon(_ICONS[reason.what])
            with box("stack tight grow"):
                text(reason.text, "wrap")
                if reason.until is not None:
                    with box("row-line small"):
                        quiet("Until")
                        time_ago(reason.until)
            if reason.task is not None:
                link("Show that task", visit.url(f"/tasks/{reason.task}"), "small")
    if task.note and task.status not in ("waiting", "paused"):
        text(task.note, "note wrap").mark("task-note")
    if task.error:
        text(task.error, "note bad wrap").mark("task-error")
