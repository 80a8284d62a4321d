"""From a JSON Schema of arguments to the fields of a form. Pure: no element is made here."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ...kernel.errors import Invalid

__all__ = ["BadField", "FieldKind", "FormField", "form_fields", "read_value", "shown_value"]

FieldKind = Literal["text", "long", "integer", "number", "flag", "choice", "list", "json"]
_LONG = 300


class BadField(Invalid):
    """A field of the form cannot be read."""


@dataclass(frozen=True, slots=True)
class FormField:
    """One field of a form.

    Attributes:
        choices: for `choice` (and for `list`, when only some words are allowed).
        is_required: it must be given.
    """

    name: str
    kind: FieldKind
    hint: str = ""
    choices: tuple[str, ...] = ()
    is_required: bool = False
    default: Any = None
    format: str = ""
    least: float | None = None
    most: float | None = None


def form_fields(schema: Mapping[str, Any]) -> list[FormField]:
    """The fields of an operation's input schema, required ones first."""
    required = set(schema.get("required", ()))
    definitions = schema.get("$defs", {})
    fields = [
        _field(name, property_, name in required, definitions)
        for name, property_ in schema.get("properties", {}).items()
    ]
    return sorted(fields, key=lambda field: not field.is_required)


def _field(name: str, property_: Mapping[str, Any], required: bool, definitions: Mapping[str, Any]) -> FormField:
    found = _resolved(property_, definitions)
    kind, choices = _kind(found, definitions)
    return FormField(
        name=name,
        kind=kind,
        hint=str(property_.get("description") or found.get("description") or ""),
        choices=choices,
        is_required=required,
        default=property_.get("default"),
        format=str(found.get("format", "")),
        least=found.get("minimum", found.get("exclusiveMinimum")),
        most=found.get("maximum", found.get("exclusiveMaximum")),
    )


def _resolved(property_: Mapping[str, Any], definitions: Mapping[str, Any]) -> Mapping[str, Any]:
    """Without references, and without the null of what is optional."""
    if "$ref" in property_:
        return _resolved(definitions[property_["$ref"].rpartition("/")[2]], definitions)
    if "anyOf" in property_:
        real = [option for option in property_["anyOf"] if option.get("type") != "null"]
        if len(real) == 1:
            return _resolved(real[0], definitions)
        if {option.get("type") for option in real} == {"number", "string"}:
            # An exact decimal, which travels as text.
            return {"type": "string", "format": "decimal"}
    return property_


def _kind(found: Mapping[str, Any], definitions: Mapping[str, Any]) -> tuple[FieldKind, tuple[str, ...]]:
    if "enum" in found or "const" in found:
        return "choice", tuple(str(word) for word in found.get("enum", [found.get("const")]))
    match found.get("type"):
        case "boolean":
            return "flag", ()
        case "integer":
            return "integer", ()
        case "number":
            return "number", ()
        case "string":
            return ("long" if found.get("maxLength", 0) > _LONG and "pattern" not in found else "text"), ()
        case "array":
            item = _resolved(found.get("items", {}), definitions)
            if item.get("type") in ("string", "integer", "number"):
                return "list", tuple(str(word) for word in item.get("enum", ()))
    return "json", ()


def read_value(field: FormField, given: Any) -> Any:
    """What a person put into a field, as JSON; None where it was left empty.

    Raises:
        BadField: it cannot be read; the field is named.
    """
    if given is None or given == "" or given == []:
        return None
    if field.kind == "flag":
        return bool(given)
    if field.kind in ("integer", "number"):
        return _read_number(field, str(given))
    if field.kind == "json":
        try:
            return json.loads(given)
        except ValueError as error:
            raise BadField(f"{field.name}: this is not valid JSON: {error}.", field=field.name) from None
    if field.kind == "list":
        return [str(item) for item in given]
    return str(given)


def _read_number(field: FormField, given: str) -> int | float:
    try:
        return int(given) if field.kind == "integer" else float(given)
    except ValueError:
        word = "a whole number" if field.kind == "integer" else "a number"
        raise BadField(f"{field.name}: give {word}.", field=field.name) from None


def shown_value(field: FormField, value: Any) -> Any:
    """A JSON value as the field's element shows it."""
    if value is None:
        return [] if field.kind == "list" else False if field.kind == "flag" else ""
    if field.kind == "json":
        return json.dumps(value, indent=2, ensure_ascii=False)
    if field.kind == "list":
        return [str(item) for item in value]
    return value if field.kind == "flag" else str(value)
