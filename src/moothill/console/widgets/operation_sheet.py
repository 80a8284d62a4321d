"""One operation: what it is, its form, its words at every door, and what came back."""

from collections.abc import Callable
from typing import Any

from nicegui import ui

from ...kernel.catalogue import OperationCard
from ...kernel.operation import Operation
from ...kernel.service import SERVICES
from ...kernel.spelling import spell
from ..act import Act
from ..sheets import DOORS, spelled
from ..visit import Visit
from .dialogs import button
from .form import Form
from .panels import panel
from .results import show_result
from .running import run_operation
from .schema import BadField, form_fields
from .text import box, chip, quiet, text

__all__ = ["OperationSheet"]


class OperationSheet:
    """An operation, ready to be called."""

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
        kind = SERVICES[self.operation.group]
        bound = self.operation.__get__(kind(self.visit.moot.executor), kind)
        ask = Act(f"Run {self.card.name}", "Run", self.card.summary, done=f"{self.card.name} is done.")
        show: Callable[[Any], None] = lambda result: show_result(self.answer, self.card.name, result)  # noqa: E731
        await run_operation(self.visit, bound, values, ask, dry=dry, show=show, answer=self.answer)
