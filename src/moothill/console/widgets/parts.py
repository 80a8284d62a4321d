"""Parts of a screen that are shown anew only when what they show is another."""

from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from nicegui import ui

from ..visit import Visit
from .guarded import guarded
from .text import box

__all__ = ["Part"]

T = TypeVar("T")


class Part(Generic[T]):
    """One of them; it keeps its place, and focus and scrolling in it stay while nothing changes.

    Args:
        ask: gives what is shown.
        show: makes the elements of it.
    """

    def __init__(
        self, visit: Visit, ask: Callable[[], Awaitable[T]], show: Callable[[T], None], classes: str = "stack close"
    ) -> None:
        self.visit, self.ask, self.show = visit, ask, show
        self.place: ui.element = box(classes)
        self.shown: T | None = None

    async def renew(self) -> None:
        """Ask, and show it if it is another."""
        with self.place:
            await guarded(self.visit, self._renew)

    async def _renew(self) -> None:
        found = await self.ask()
        if found != self.shown:
            self.shown = found
            self.place.clear()
            self.show(found)
