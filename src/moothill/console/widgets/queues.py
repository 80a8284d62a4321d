"""Queues: what lies in each, whether it is open, and the shares and limits of its groups."""

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import Any

from ...work.queues.models import Queue, QueueGroup
from ...work.tasks.models import QueueSummary
from ..act import Act, act
from ..visit import Visit
from .dialogs import button
from .fields import line
from .grid import Column
from .guarded import guarded
from .numbers import whole
from .panels import empty, panel
from .task_sheets import asked
from .text import box, fact, link, state, text, time_ago
from .words import counted, number, span

__all__ = ["QUEUES", "queue_detail", "queue_rows"]

QUEUES = (
    Column("name", "Queue", share=3),
    Column("state", "State", "state", 108),
    Column("pending", "Ready", "number", 92),
    Column("held", "At work", "number", 92),
    Column("blocked", "Waiting", "number", 92),
    Column("later", "Later", "number", 92),
    Column("longest", "Longest ready", "quiet", 128),
)
_LATER = ("scheduled", "retry", "paused")


def queue_rows(queues: Sequence[Queue], sums: Sequence[QueueSummary]) -> list[dict[str, Any]]:
    """Queues with what lies in each."""
    found = []
    for queue in queues:
        own = [row for row in sums if row.queue == queue.name]

        def count(*states: str, own: Sequence[QueueSummary] = own) -> str:
            return number(sum(row.tasks for row in own if row.status in states))

        longest = max((row.longest_wait_seconds for row in own if row.status == "pending"), default=0.0)
        found.append(
            {
                "id": queue.name,
                "name": queue.name,
                "state": "paused" if queue.paused_at else "live",
                "pending": count("pending"),
                "held": count("assigned", "in_progress"),
                "blocked": count("blocked", "waiting"),
                "later": count(*_LATER),
                "longest": span(timedelta(seconds=longest)) if longest else "",
            }
        )
    return found


async def queue_detail(visit: Visit, queue: Queue) -> None:
    """A queue that was chosen."""
    with panel(queue.name), box("stack close").mark("queue-detail"):
        with box("row-line wrapping"):
            state("paused" if queue.paused_at else "live")
            if queue.paused_at:
                time_ago(queue.paused_at, "quiet")
        if queue.pause_reason:
            text(queue.pause_reason, "note warn wrap")
        with box("row-line wrapping"):
            if queue.paused_at and visit.may("queues.resume"):
                button("Resume", "main", "o_play_arrow").on_click(partial(_resume, visit, queue)).mark("resume-queue")
            elif not queue.paused_at and visit.may("queues.pause"):
                button("Pause", icon="o_pause").on_click(partial(_pause, visit, queue)).mark("pause-queue")
            if visit.may("queues.configure"):
                button("Set a group").on_click(partial(configure, visit, queue.name, None)).mark("new-group")
            link("Its tasks", visit.url("/tasks", queue=queue.name))
        text("Shares and limits of its groups", tag="h3")
        await guarded(visit, lambda: _groups(visit, queue))


async def _groups(visit: Visit, queue: Queue) -> None:
    page = await visit.moot.queues.groups(queue=queue.name, limit=200)
    if not page.items:
        empty("No group has its own", "All groups share alike, and nothing bounds them.", "o_balance")
        return
    whole_weight = sum(group.weight for group in page.items)
    for group in page.items:
        with box("stack tight").mark("group"):
            with box("row-line wide"):
                text(group.group or "tasks without a group", "strong grow clip")
                if visit.may("queues.configure"):
                    change = button("Change", "ghost").on_click(partial(configure, visit, queue.name, group))
                    change.mark(f"change-{group.group or 'none'}")
            with box("facts"):
                fact("Weight", f"{group.weight} of {whole_weight} among these")
                most = "any number" if group.max_running is None else f"{group.running} of {group.max_running} taken"
                fact("At once", most)
                rate = f"{number(group.rate_limit)} in {group.rate_seconds} s" if group.rate_limit else "at any rate"
                fact("Begun", rate)


async def _pause(visit: Visit, queue: Queue) -> None:
    words = "Nothing is handed out of it until somebody resumes it. Tasks can be added, and those that are held go on."
    ask = Act(f"Pause the queue {queue.name}", "Pause it", words, done="It is paused.")
    # The reason, which it keeps, comes with the dialog.
    bound: Any = visit.moot.queues.pause
    if await act(visit, ask, bound, queue=queue.name) is not None:
        visit.renew()


async def _resume(visit: Visit, queue: Queue) -> None:
    ask = Act(f"Resume the queue {queue.name}", "Resume it", "Its tasks are handed out again.", done="It is open.")
    if await act(visit, ask, visit.moot.queues.resume, queue=queue.name) is not None:
        visit.renew()


_NUMBERS: Mapping[str, tuple[str, str]] = {
    "weight": ("Weight", "Its share beside the other groups; others have 1."),
    "max_running": ("At once", "How many may be held at once. Empty: any number."),
    "rate_limit": ("Begun", "How many may be begun in the seconds beside. Empty: any number."),
    "rate_seconds": ("In seconds", ""),
}


async def configure(visit: Visit, queue: str, group: QueueGroup | None) -> None:
    """Ask for the share and the limits of a group; then set all of them."""

    def fields() -> Callable[[], dict[str, Any]]:
        name = line("Group", group.group if group else "", note="Empty: tasks without one.", most=100).mark(
            "group-name"
        )
        name.set_enabled(group is None)
        shown = {}
        with box("field-row pairs"):
            for field, (words, note) in _NUMBERS.items():
                value = getattr(group, field) if group else (1 if field == "weight" else None)
                shown[field] = line(words, "" if value is None else str(value), note=note, most=9).mark(
                    f"group-{field}"
                )

        def read() -> dict[str, Any]:
            numbers = {
                field: whole(_NUMBERS[field][0], element.value) if (element.value or "").strip() else None
                for field, element in shown.items()
            }
            return {"group": (name.value or "").strip(), **numbers, "weight": numbers["weight"] or 1}

        return read

    given = await asked(
        visit, f"Shares and limits in {queue}", "They hold for what is handed out from then on.", fields
    )
    if given is None:
        return
    facts = {
        "Group": given["group"] or "tasks without one",
        "Weight": str(given["weight"]),
        "At once": counted(given["max_running"], "task") if given["max_running"] else "any number",
        "Begun": f"{given['rate_limit']} in {given['rate_seconds']} s" if given["rate_limit"] else "at any rate",
    }
    ask = Act("Set share and limits", "Set them", "What is held already stays held.", facts=facts, done="They are set.")
    if await act(visit, ask, visit.moot.queues.configure, queue=queue, **given) is not None:
        visit.renew()
