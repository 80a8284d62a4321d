"""Operations explorer: every operation, its form, its result, and its words at every door."""

from itertools import groupby
from typing import Any

from nicegui import ui

from ...kernel.catalogue import find_operation
from ..screens import Query, Screen
from ..visit import Visit
from ..widgets.operation_sheet import OperationSheet
from ..widgets.panels import empty, page_head, panel
from ..widgets.text import box, link, text


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
            await OperationSheet(visit, card, find_operation(card.name)).build()


def _finder(visit: Visit, words: str, cards: Any) -> None:
    def look(value: str) -> None:
        visit.go(visit.url("/explorer", q=value.strip()))

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
