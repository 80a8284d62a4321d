"""A list of events that grows at the top."""

from collections.abc import Callable, Sequence
from typing import Any

from nicegui import ui

from ...kernel.events import Event
from ..visit import Visit
from .panels import empty
from .text import box, quiet, text, with_property
from .words import acting, clock, moment

__all__ = ["EventList", "described"]

_NOTHING = "Register an agent, or run any operation that changes something."
_FIELDS_SHOWN = 3
_FIELD_LENGTH = 80
# What says most about an event comes first; ids say least.
_TELLING = ("name", "title", "slug", "agent_id", "status", "old", "new", "operation", "skill", "message", "reason")


def described(event: Event) -> str:
    """An event's payload in a few words."""
    payload = event.payload
    plain = {name: _plain(value) for name, value in payload.items() if _is_telling(value)}
    if {"old", "new"} <= plain.keys():
        plain["new"] = f"{plain.pop('old')} → {plain['new']}"
    order = [name for name in _TELLING if name in plain] + [name for name in plain if name not in _TELLING]
    return " · ".join(f"{name} {plain[name][:_FIELD_LENGTH]}" for name in order[:_FIELDS_SHOWN])


def _is_telling(value: Any) -> bool:
    return value not in (None, "", []) and not isinstance(value, dict)


def _plain(value: Any) -> str:
    return ", ".join(map(str, value[:5])) if isinstance(value, list) else str(value)


class EventList:
    """Events, newest first; new ones come in at the top and the oldest leave at the bottom."""

    def __init__(self, visit: Visit, *, most: int, chosen: Callable[[Event], None] | None = None) -> None:
        self.visit = visit
        self.most = most
        self.chosen = chosen
        self.size = 0
        self.element = box("list").mark("events")

    def fill(self, events: Sequence[Event]) -> None:
        """Show these, newest first."""
        self.element.clear()
        self.size = 0
        with self.element:
            for event in events[: self.most]:
                self._entry(event)
            if not self.size:
                empty("Nothing has been written yet", _NOTHING, "o_bolt")

    def add(self, events: Sequence[Event]) -> None:
        """Put new ones on top; `events` come oldest first."""
        if not events:
            return
        if not self.size:
            self.element.clear()
        for event in events[-self.most :]:
            with self.element:
                entry = self._entry(event)
            entry.classes("fresh").move(target_index=0)
        for old in list(self.element)[self.most :]:
            old.delete()
            self.size -= 1

    def _entry(self, event: Event) -> ui.element:
        self.size += 1
        entry = box("entry choosable" if self.chosen else "entry").mark("event")
        with entry:
            with_property(text(clock(event.occurred_at), tag="time"), "title", moment(event.occurred_at))
            text(event.kind, "mono kind-of-event clip")
            quiet(described(event), "grow clip")
            quiet(event.actor_name or acting("", event.actor_kind), "small clip who")
        if self.chosen is not None:
            tell = self.chosen
            entry.on("click", lambda: tell(event))
        return entry
