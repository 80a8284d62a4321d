"""Operations explorer: every operation, its form, its result, and its words at every door."""

from collections.abc import Callable
from itertools import groupby
from typing import Any

from nicegui import ui

from ...kernel.catalogue import OperationCard, find_operation
from ...kernel.operation import Operation
from ...kernel.service import SERVICES
from ...kernel.spelling import spell
from ..act import Act
from ..screens import Query, Screen
from ..sheets import DOORS, spelled
from ..visit import Visit
from ..widgets.dialogs import button
from ..widgets.form import Form
from ..widgets.panels import empty, page_head, panel
from ..widgets.results import show_result
from ..widgets.running import run_operation
from ..widgets.schema import BadField, form_fields
from ..widgets.text import box, chip, link, quiet, text


async def build(visit: Visit, query: Query) -> None:
    """All operations on the left, the chosen one on the right."""
    words, chosen = query.get("q") or "", query.get("operation")
    with page_head("Operations", "Everything that can be done here, at every door under the same name."):
        pass
    cards = await visit.moot.operations.find(text=words)
    with box("columns left"):
        with panel(flush=True):
            _finder(visit, words, cards)
        if chosen is None:
            with panel():
                empty("Choose an operation", "The list on the left has all that your key may call.", "o_terminal")
        else:
            card = await visit.moot.operations.describe(operation=chosen)
            await _Sheet(visit, card, find_operation(card.name)).build()


def _finder(visit: Visit, words: str, cards: Any) -> None:
    def look(value: str) -> None:
        ui.navigate.to(visit.url("/explorer", q=value.strip()))

    with box("panel-body padded"):
        field = ui.input(value=words, placeholder="Words of a name or summary").props("outlined dense clearable")
        field.on("keydown.enter", lambda: look(field.value or "")).on("clear", lambda: look("")).mark("find")
    with box("list scrolled"):
        for group, members in groupby(cards, lambda card: card.name.partition(".")[0]):
            text(group, "group-name", "div")
            for card in members:
                verb = card.name.partition(".")[2]
                place = visit.url("/explorer", operation=card.name, q=words)
                with link("", place, "entry").mark(f"operation-{card.name}"):
                    text(verb, "mono grow clip")
                    if card.effect != "read":
                        text(card.effect, f"tag {card.effect}")
        if not cards:
            empty("No operation holds these words", "Try fewer of them.")


class _Sheet:
    """One operation: what it is, its form, and what came back."""

    def __init__(self, visit: Visit, card: OperationCard, operation: Operation[Any, Any]) -> None:
        self.visit = visit
        self.card = card
        self.operation = operation

    async def build(self) -> None:
        """Make the elements."""
        card = self.card
        with box("stack"):
            with panel(card.name, card.kind if card.kind != "call" else "") as head:
                with head:
                    text(card.effect, f"tag {card.effect}")
                    chip(card.scope, "kind")
                    if card.audience != "anyone":
                        chip(f"for {card.audience}s")
                text(card.description, "wrap", "div")
                if not self.visit.may(card.name):
                    quiet("Your key does not cover this operation.", "note warn")
                self.form = Form(form_fields(card.input or {}), {})
                self.complaint = quiet("", "note warn").mark("complaint")
                self.complaint.set_visibility(False)
                self._buttons()
            with panel("The same call at another door"):
                self.door = (
                    ui.toggle(DOORS, value="python")
                    .props("no-caps dense unelevated toggle-color=tint toggle-text-color=accent")
                    .mark("door")
                )
                self.spelling = box("stack")
                self.door.on_value_change(self._spell)
            self.answer = box("stack").mark("answer")
        self.form.on_change(self._spell)
        self._spell()

    def _buttons(self) -> None:
        with box("row-line"):
            run = button("Run", "danger" if self.card.effect == "destroy" else "main", "o_play_arrow").mark("run")
            run.on_click(self._run).set_enabled(self.visit.may(self.card.name))
            if self.card.effect == "destroy":
                dry = button("Dry run", icon="o_preview").on_click(lambda: self._run(dry=True)).mark("dry-run")
                dry.set_enabled(self.visit.may(self.card.name))
            if self.card.example:
                button("Fill in the example", "ghost").on_click(self._fill).mark("example")

    def _fill(self) -> None:
        self.form.fill(self.card.example or {})
        self._spell()

    def _values(self) -> dict[str, Any] | None:
        try:
            values = self.form.values()
        except BadField as error:
            self.complaint.set_text(error.message)
            self.complaint.set_visibility(True)
            return None
        self.complaint.set_visibility(False)
        return values

    def _spell(self) -> None:
        values = self._values()
        if values is not None:
            self.spelling.clear()
            with self.spelling:
                spelled(spell(self.operation, values), self.door.value)

    async def _run(self, *_: Any, dry: bool = False) -> None:
        values = self._values()
        if values is None:
            return
        bound = getattr(SERVICES[self.operation.group](self.visit.moot.executor), self.operation.body.__name__)
        ask = Act(f"Run {self.card.name}", "Run", self.card.summary, done=f"{self.card.name} is done.")
        show: Callable[[Any], None] = lambda result: show_result(self.answer, self.card.name, result)  # noqa: E731
        await run_operation(self.visit, bound, values, ask, dry=dry, show=show, answer=self.answer)


SCREEN = Screen(
    "/explorer",
    "Operations",
    build,
    icon="o_terminal",
    section="Platform",
    key="x",
    needs=("operations.find",),
    words="explorer api call",
)
