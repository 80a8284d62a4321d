"""The command palette: screens, operations and agents by a few letters, with the keyboard alone."""

from collections.abc import Sequence
from dataclasses import dataclass

from nicegui import ui

from ..kernel.errors import MoothillError
from ..kernel.service import REGISTRY
from ..registry.agents import AgentFilter
from .screens import Screen, offered
from .visit import Visit
from .widgets.text import box, chip, quiet, text

__all__ = ["Palette"]

MOST_HITS = 12


@dataclass(frozen=True, slots=True)
class Hit:
    """One place to go."""

    icon: str
    words: str
    note: str
    address: str


class Palette:
    """The palette of one open page; built when first opened."""

    def __init__(self, visit: Visit, screens: Sequence[Screen]) -> None:
        self.visit = visit
        self.screens = screens
        self.hits: list[Hit] = []
        self.at = 0
        self.dialog: ui.dialog | None = None

    def open(self) -> None:
        """Show it, empty."""
        if self.dialog is None:
            self._build()
        assert self.dialog is not None
        self.field.value = ""
        self._show(self._fixed(""))
        self.dialog.open()

    def _build(self) -> None:
        with self.visit.client, ui.dialog().props("position=top") as self.dialog, box("sheet palette").mark("palette"):
            self.field = ui.input(placeholder="A screen, an operation, an agent").props("outlined autofocus dense")
            self.field.props('debounce=120 aria-label="Jump to"').mark("palette-field")
            with self.field.add_slot("prepend"):
                ui.icon("o_search")
            self.field.on_value_change(lambda event: self._look(event.value or ""))
            self.field.on("keydown.down.prevent", lambda: self._move(1))
            self.field.on("keydown.up.prevent", lambda: self._move(-1))
            self.field.on("keydown.enter", self._go)
            self.list = box("hits")
            with box("foot"):
                text("↑ ↓ choose")
                text("Enter open")
                text("Esc close")

    async def _look(self, words: str) -> None:
        found = self._fixed(words)
        self._show(found)
        if len(words.strip()) < 2 or not self.visit.may("agents.list"):
            return
        try:
            page = await self.visit.moot.agents.list(filter=AgentFilter(name_prefix=words.strip()), limit=5)
        except MoothillError:
            return
        if self.field.value == words:
            agents = [
                Hit("o_smart_toy", agent.name, f"agent {agent.agent_id}", self.visit.url(f"/agents/{agent.id}"))
                for agent in page.items
            ]
            self._show(agents + found)

    def _fixed(self, words: str) -> list[Hit]:
        """What needs no question to the server: screens and operations that hold all the words."""
        wanted = words.lower().replace(".", " ").split()

        def fits(*texts: str) -> bool:
            whole = " ".join(texts).lower().replace(".", " ")
            return all(word in whole for word in wanted)

        found = [
            Hit(screen.icon, screen.title, screen.section, self.visit.url(screen.path))
            for screen in offered(self.screens, self.visit)
            if fits(screen.title, screen.section, screen.words)
        ]
        if wanted:
            found += [
                Hit("o_terminal", name, operation.summary, self.visit.url("/explorer", operation=name))
                for name, operation in sorted(REGISTRY.items())
                if self.visit.may(name) and fits(name, operation.summary)
            ]
            found += [Hit("o_search", f"Search for “{words.strip()}”", "", self.visit.url("/search", q=words.strip()))]
        return found[: MOST_HITS * 2]

    def _show(self, hits: list[Hit]) -> None:
        self.hits, self.at = hits[:MOST_HITS], 0
        self.list.clear()
        with self.list:
            for place, hit in enumerate(self.hits):
                with box("hit at" if place == 0 else "hit").on("click", lambda hit=hit: self._open(hit)):
                    ui.icon(hit.icon)
                    text(hit.words, "clip").mark("hit-words")
                    quiet(hit.note, "small clip grow")
            if not self.hits:
                chip("Nothing fits")

    def _move(self, step: int) -> None:
        rows = list(self.list)
        if not self.hits:
            return
        rows[self.at].classes(remove="at")
        self.at = (self.at + step) % len(self.hits)
        rows[self.at].classes(add="at")

    def _go(self) -> None:
        if self.hits:
            self._open(self.hits[self.at])

    def _open(self, hit: Hit) -> None:
        assert self.dialog is not None
        self.dialog.close()
        self.visit.go(hit.address)
