"""The board: tasks by state, with how many there are and the newest of each. It changes in place."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, cast
from uuid import UUID

from nicegui.elements.mixins.text_element import TextElement

from ...work.tasks.models import QueueSummary, TaskSummary, Throughput
from ..visit import Visit
from .tasks import ENDED, HELD, held_by, look, place_of, words_of
from .text import box, link, quiet, text, time_ago, with_property
from .words import ago, count, moment, span

__all__ = ["COLUMNS", "DAY", "Board", "counts_of"]

COLUMNS: Sequence[tuple[str, Sequence[str]]] = (
    ("Ready", ("pending",)),
    ("At work", ("in_progress", "assigned")),
    ("Waiting", ("waiting", "blocked")),
    ("Later", ("retry", "scheduled", "paused")),
    ("Ended", ("failed", "cancelled", "completed")),
)
DAY = 24
_MOST = {1: 10, 2: 6, 3: 5}
# What the sums of a queue are split by; other filters leave only what is shown to be counted.
_SUMMED = {"queue", "priority"}


def counts_of(
    rows: Sequence[QueueSummary], ended: Sequence[Throughput], given: Mapping[str, str]
) -> dict[str, tuple[int, float]]:
    """Tasks in each state and the longest wait there, seconds; what these filters leave uncounted is missing."""
    if given.keys() - _SUMMED:
        return {}
    found: dict[str, tuple[int, float]] = {state: (0, 0.0) for _, states in COLUMNS for state in states}
    for row in rows:
        if row.priority == given.get("priority", row.priority) and row.status in found:
            tasks, longest = found[row.status]
            found[row.status] = tasks + row.tasks, max(longest, row.longest_wait_seconds)
    for state in ENDED:
        if given:
            found.pop(state, None)
        elif state in found:
            found[state] = sum(getattr(span, state) for span in ended), 0.0
    return found


@dataclass(slots=True)
class _Card:
    """One task; its changing words are kept."""

    visit: Visit
    holder: TextElement = field(init=False)
    since: TextElement = field(init=False)
    place: TextElement = field(init=False)
    priority: TextElement = field(init=False)

    def build(self, task: TaskSummary) -> None:
        """Make the elements."""
        with link("", self.visit.url(f"/tasks/{task.id}"), "card").mark("card"):
            text(task.title, "card-title")
            with box("row-line wrapping"):
                self.priority = text("", "")
                self.place = quiet("", "small clip")
            with box("row-line spread"):
                self.holder = text("", "small clip")
                self.since = time_ago(task.created_at, "quiet small")
        self.show(task)

    def show(self, task: TaskSummary) -> None:
        """Show how it stands now."""
        self.priority.set_text(task.priority if task.priority in ("critical", "high") else "")
        self.priority.classes(replace=f"tag {task.priority}" if self.priority.text else "hidden")
        self.place.set_text(f"{task.kind} in {place_of(task)}")
        self.holder.set_text(_said(task))
        since = _since(task)
        self.since.set_text(ago(since))
        with_property(self.since, "title", moment(since))


def _said(task: TaskSummary) -> str:
    if task.status == "blocked":
        return f"waits for {task.blockers}"
    if task.status in ("paused", "waiting") and task.note:
        return task.note
    who = held_by(task) if task.status in (*HELD, *ENDED) else ""
    again = f"attempt {task.attempt} of {task.max_attempts}" if task.failures else ""
    return ", ".join(word for word in (who, again) if word)


def _since(task: TaskSummary) -> datetime:
    if task.status in HELD:
        return task.started_at or task.claimed_at or task.created_at
    return task.ended_at or task.due_at or task.created_at


class _Part:
    """The tasks of one state."""

    def __init__(self, board: "Board", status: str, most: int) -> None:
        self.board, self.status, self.most = board, status, most
        self.shown: list[UUID] = []
        self.cards: dict[UUID, _Card] = {}
        with box("part").mark(f"part-{status}"):
            with link("", board.address(status), f"part-head state {look(status)}"):
                text(words_of(status).capitalize(), "grow")
                self.figure = text("", "figure")
            self.age = quiet("", "small part-age")
            self.place = box("cards")
            self.more = link("", board.address(status), "small part-more")

    async def renew(self, found: tuple[int, float] | None) -> None:
        """Ask for the newest of them and show these."""
        items: Sequence[TaskSummary] = ()
        more = False
        # What a sum says is empty need not be asked for.
        if found is None or found[0] or self.status in ENDED:
            page = await self.board.visit.moot.tasks.list(
                filter=cast(Any, {**self.board.given, "status": self.status}), limit=self.most
            )
            items, more = page.items, page.next is not None
        if found is None:
            found = len(items), 0.0
            self.figure.set_text(count(len(items), capped=more))
        else:
            self.figure.set_text(count(found[0]) + (f" in {DAY} h" if self.status in ENDED else ""))
            more = more or found[0] > len(items)
        self.figure.classes(replace="figure" if found[0] else "figure zero")
        self.age.set_text(f"longest {_length(found[1])}" if found[1] >= 1 else "")
        self.age.set_visibility(found[1] >= 1)
        self.more.set_text("All of them")
        self.more.set_visibility(more)
        self._show(items)

    def _show(self, items: Sequence[TaskSummary]) -> None:
        ids = [task.id for task in items]
        if ids != self.shown:
            self.shown = ids
            self.place.clear()
            self.cards = {}
            with self.place:
                for task in items:
                    self.cards[task.id] = _Card(self.board.visit)
                    self.cards[task.id].build(task)
            return
        for task in items:
            self.cards[task.id].show(task)


def _length(seconds: float) -> str:
    return span(timedelta(seconds=seconds))


class Board:
    """All columns.

    Args:
        given: the filters.
    """

    def __init__(self, visit: Visit, given: Mapping[str, str]) -> None:
        self.visit, self.given = visit, given
        self.parts: list[_Part] = []

    def address(self, status: str) -> str:
        """The list of a state under the same filters."""
        return self.visit.url("/tasks", view="list", status=status, **self.given)

    async def build(self) -> None:
        """Make the elements, and fill them."""
        whole = with_property(with_property(box("board").mark("board"), "tabindex", 0), "role", "region")
        with with_property(whole, "aria-label", "Tasks by state"):
            for words, states in COLUMNS:
                with box("board-column"):
                    text(words, "board-head", "h2")
                    self.parts += [_Part(self, status, _MOST[len(states)]) for status in states]
        await self.renew()

    async def renew(self) -> None:
        """Ask anew and change what changed."""
        tasks = self.visit.moot.tasks
        queue: Any = self.given.get("queue")
        counts: Mapping[str, tuple[int, float]] = {}
        if not self.given.keys() - _SUMMED:
            ended = () if self.given else await tasks.throughput(hours=DAY, span_seconds=86_400)
            counts = counts_of(await tasks.summary(queue=queue), ended, self.given)
        for part in self.parts:
            await part.renew(counts.get(part.status))
