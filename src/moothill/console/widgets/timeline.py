"""A timeline of events: what happened to a thing and what it did, day by day."""

from collections.abc import Sequence

from nicegui import ui

from ...kernel.events import Event
from ..theme import State
from ..visit import Visit
from .events import described
from .panels import empty
from .text import box, link, quiet, text, time_ago
from .words import acting

__all__ = ["Timeline", "tone"]

_BAD = ("deactivated", "rejected", "failed", "revoked", "removed", "suspended", "dead_lettered")
_GOOD = ("registered", "validated", "completed", "demonstrated", "reactivated", "added")


def tone(kind: str) -> State:
    """The look of an event by its kind's last word."""
    word = kind.rpartition(".")[2]
    return "bad" if word in _BAD else "good" if word in _GOOD else "busy" if word == "viewed_as" else "off"


class Timeline:
    """Events along a line, newest first; grows at both ends."""

    def __init__(self, visit: Visit) -> None:
        self.visit = visit
        self.element = box("timeline").mark("timeline")
        self.size = 0

    def fill(self, events: Sequence[Event]) -> None:
        """Show these, newest first."""
        self.element.clear()
        self.size = 0
        self.extend(events)
        if not self.size:
            with self.element:
                empty(
                    "Nothing has happened to it yet",
                    "What it does, and what is done to it, appears here.",
                    "o_timeline",
                )

    def extend(self, events: Sequence[Event]) -> None:
        """Add older ones below."""
        with self.element:
            for event in events:
                self._moment(event)

    def add(self, events: Sequence[Event]) -> None:
        """Put new ones on top; `events` come oldest first."""
        if events and not self.size:
            self.element.clear()
        for event in events:
            with self.element:
                self._moment(event).classes("fresh").move(target_index=0)

    def _moment(self, event: Event) -> ui.element:
        self.size += 1
        with box("moment") as moment:
            text("", f"state {tone(event.kind)} knot")
            with box("grow"):
                with box("row-line"):
                    text(event.kind, "mono")
                    quiet(f"by {event.actor_name or acting('', event.actor_kind)}", "small")
                    if event.real_actor is not None:
                        quiet("through a view as it", "small")
                said = described(event)
                if said:
                    quiet(said, "wrap small")
                if event.reason:
                    text(event.reason, "note wrap")
            if self.visit.may("events.list"):
                link("event", self.visit.url("/events", subject=event.subject), "small more")
            time_ago(event.occurred_at, "quiet small")
        return moment
