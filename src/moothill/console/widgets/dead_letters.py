"""The list of dead letters, what is chosen of it, and putting it back."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any
from uuid import UUID

from nicegui import ui

from ...work.tasks.models import MOST_ATTEMPTS, TaskSummary
from ..act import Act, act
from ..visit import Visit
from .dialogs import button
from .guarded import guarded
from .tasks import held_by, place_of
from .text import box, link, quiet, text, time_ago, with_property
from .words import counted, number

__all__ = ["Chosen", "redrive_all", "redrive_chosen"]


class Chosen:
    """Which dead letters of a page are chosen."""

    def __init__(self) -> None:
        self.ids: list[UUID] = []
        self.boxes: dict[UUID, ui.checkbox] = {}
        self.action: ui.button | None = None

    def tells(self, action: ui.button) -> None:
        """The button that does something with what is chosen."""
        self.action = action
        self._tell()

    def show(self, visit: Visit, tasks: Sequence[TaskSummary], *, can_choose: bool) -> None:
        """The list."""
        if can_choose:
            with box("panel-tools"):
                every = ui.checkbox("All on this page").props("dense").mark("choose-all")
                every.on_value_change(lambda event: self._all(bool(event.value)))
        with box("list").mark("dead-letters"):
            for task in tasks:
                self._entry(visit, task, can_choose=can_choose)

    def _entry(self, visit: Visit, task: TaskSummary, *, can_choose: bool) -> None:
        with box("entry letter").mark("dead-letter"):
            if can_choose:
                tick = ui.checkbox().props("dense").mark("choose")
                with_property(tick, "aria-label", f"Choose {task.title}")
                tick.on_value_change(partial(self._turn, task.id))
                self.boxes[task.id] = tick
            with box("stack tight grow"):
                with box("row-line wrapping"):
                    link(task.title, visit.url(f"/tasks/{task.id}"), "strong")
                    quiet(f"{task.kind} in {place_of(task)}", "small")
                if task.note:
                    text(task.note, "note bad wrap")
                said = box("stack tight")
            failures = counted(task.failures, "failure") if task.failures else ""
            quiet(", ".join(word for word in (held_by(task), failures) if word), "small")
            why = button("Why", "ghost").mark("letter-why")
            why.on_click(partial(_say, visit, task, said, why))
            time_ago(task.ended_at, "quiet small late")

    def _turn(self, task: UUID, event: Any) -> None:
        if event.value and task not in self.ids:
            self.ids.append(task)
        elif not event.value and task in self.ids:
            self.ids.remove(task)
        self._tell()

    def _all(self, on: bool) -> None:
        for tick in self.boxes.values():
            tick.set_value(on)

    def _tell(self) -> None:
        if self.action is not None:
            self.action.set_enabled(bool(self.ids))
            self.action.set_text(f"Redrive {counted(len(self.ids), 'task')}" if self.ids else "Redrive chosen")


async def _say(visit: Visit, task: TaskSummary, place: ui.element, pressed: ui.button) -> None:
    """What the holder of its last attempt said."""

    async def say() -> None:
        found = await visit.moot.tasks.get(task=str(task.id))
        text(found.error or found.note or "Nobody said why.", "note bad wrap").mark("letter-error")

    pressed.set_visibility(False)
    with place:
        await guarded(visit, say)


async def redrive_chosen(visit: Visit, chosen: Chosen) -> None:
    """Put those back that were chosen: all of them or none."""
    ids = [str(task) for task in chosen.ids]
    words = "They go back to their queues as if nothing had failed yet; their attempts stay in their history."
    ask = Act(f"Redrive {counted(len(ids), 'task')}", "Redrive them", words, rows=len(ids), done="They are back.")
    if await act(visit, ask, visit.moot.tasks.redrive, tasks=ids) is not None:
        visit.renew()


async def redrive_all(visit: Visit, given: Mapping[str, str]) -> None:
    """Put dead letters back, the oldest first, as many as one call takes."""
    which = " and ".join(f"of {name} {value}" for name, value in given.items()) or "of every queue"
    ask = Act(
        "Redrive the oldest dead letters",
        "Redrive them",
        f"Dead letters {which} go back to their queues, the oldest first, at most {number(MOST_ATTEMPTS)}.",
        rows=MOST_ATTEMPTS,
        done="They are back in their queues.",
    )
    wanted: Any = {**given, "limit": MOST_ATTEMPTS}
    if await act(visit, ask, visit.moot.tasks.redrive, **wanted) is not None:
        visit.renew()
