"""A form made from an operation's input schema."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from nicegui import ui

from .schema import FormField, read_value, shown_value
from .text import box, quiet, text, with_property

__all__ = ["Form"]


class Form:
    """The fields of an operation, as elements; `values()` reads them."""

    def __init__(self, fields: Sequence[FormField], given: Mapping[str, Any]) -> None:
        self.fields = fields
        self.elements: dict[str, Any] = {}
        with box("stack close"):
            for field in fields:
                with box("stack tight").mark(f"field-{field.name}"):
                    with box("row-line"):
                        text(field.name, "mono", tag="label")
                        if field.is_required:
                            quiet("required", "small")
                        if field.format:
                            quiet(field.format, "small")
                    value = given.get(field.name, field.default)
                    self.elements[field.name] = _element(field, shown_value(field, value))
                    if field.hint:
                        quiet(field.hint, "small")
            if not fields:
                quiet("This operation takes no arguments.")

    def on_change(self, changed: Callable[[], None]) -> None:
        """Tell when a field changes."""
        for element in self.elements.values():
            element.on_value_change(changed)

    def fill(self, given: Mapping[str, Any]) -> None:
        """Put values into the fields; a field that is not given gets its default."""
        for field in self.fields:
            shown = shown_value(field, given.get(field.name, field.default))
            if field.kind == "choice" and shown not in self.elements[field.name].options:
                shown = self.elements[field.name].options[0]
            self.elements[field.name].value = shown

    def values(self) -> dict[str, Any]:
        """The arguments given, as JSON; defaults and empty fields are left out.

        Raises:
            BadField: one cannot be read.
        """
        found: dict[str, Any] = {}
        for field in self.fields:
            value = read_value(field, self.elements[field.name].value)
            if value is not None and (field.is_required or value != field.default):
                found[field.name] = value
        return found


def _element(field: FormField, value: Any) -> Any:
    match field.kind:
        case "flag":
            return ui.switch(value=value).props("dense")
        case "choice":
            options = list(field.choices) if field.is_required else ["", *field.choices]
            chosen = value if value in options else options[0]
            return _named(field, ui.select(options, value=chosen).props("outlined dense options-dense"))
        case "list" if field.choices:
            chosen = [word for word in value if word in field.choices]
            made = ui.select(list(field.choices), value=chosen, multiple=True)
            return _named(field, made.props("outlined dense options-dense use-chips"))
        case "list":
            made_chips = ui.input_chips(value=value, new_value_mode="add-unique")
            return _named(field, made_chips.props("outlined dense"))
        case "json":
            return _named(field, ui.textarea(value=value).props("outlined dense autogrow").classes("mono"))
        case "long":
            return _named(field, ui.textarea(value=value).props("outlined dense autogrow"))
        case "integer" | "number":
            return _named(field, ui.input(value=value).props('outlined dense inputmode="decimal"'))
        case _:
            return _named(field, ui.input(value=value).props("outlined dense"))


def _named(field: FormField, element: Any) -> Any:
    return with_property(element, "aria-label", field.name)
