"""A bar on the terminal for calls that tell how far they are; nothing is drawn where nobody watches."""

import sys
from typing import TYPE_CHECKING

from .render import harmless

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

__all__ = ["ProgressBar"]


class ProgressBar:
    """What a call reports its progress to; drawn from the first report on, gone when it stops."""

    def __init__(self) -> None:
        self._drawn: tuple[Progress, TaskID] | None = None

    def __call__(self, done: int, total: int | None, message: str) -> None:
        """Show how far the work is."""
        if not sys.stderr.isatty():
            return
        from rich.console import Console
        from rich.markup import escape
        from rich.progress import Progress

        shown = escape(harmless(message))
        if self._drawn is None:
            bar = Progress(console=Console(stderr=True), transient=True)
            self._drawn = (bar, bar.add_task(shown, completed=done, total=total))
            bar.start()
        else:
            drawn, task = self._drawn
            drawn.update(task, completed=done, total=total, description=shown)

    def stop(self) -> None:
        """Give the terminal back, before something else is printed on it."""
        if self._drawn is not None:
            self._drawn[0].stop()
            self._drawn = None
