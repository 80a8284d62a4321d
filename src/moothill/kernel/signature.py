"""Reading a method's signature once: its input model, its output, and what no door could render."""

import base64
import enum
import inspect
import json
import types
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import cached_property
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints
from uuid import UUID

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    SecretStr,
    TypeAdapter,
    ValidationError,
    create_model,
)
from pydantic.fields import FieldInfo
from pydantic_core import PydanticSerializationError

from .errors import Internal, Invalid

__all__ = ["InvalidArguments", "Parameter", "Signature", "canonical_arguments", "check_plain", "read_signature"]

MAX_DEPTH = 32
_SCALARS = (str, int, float, bool, bytes, UUID, Decimal, datetime, date, timedelta)
_INPUT = ConfigDict(extra="forbid", arbitrary_types_allowed=False, populate_by_name=True)


class InvalidArguments(Invalid):
    """An argument breaks its rule; nothing was changed."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One keyword of an operation."""

    name: str
    annotation: Any
    required: bool
    default: Any
    description: str
    is_plain: bool
    is_list: bool
    bare: Any
    is_file: bool = False

    @property
    def is_positional(self) -> bool:
        """Whether the command line takes it by position: one plain value, required or the text that is asked about."""
        is_single = self.is_plain and not self.is_list and self.bare is not bool
        return is_single and (self.required or self.name == "text")


_HARMLESS = frozenset({int, float, bool, type(None), UUID, Decimal, datetime, date, timedelta})


@dataclass(frozen=True)
class Signature:
    """What goes in and out of an operation."""

    name: str
    parameters: tuple[Parameter, ...]
    fields: Mapping[str, Any]
    output_type: Any

    @cached_property
    def input_model(self) -> type[BaseModel]:
        """The keywords as one pydantic model."""
        title = "".join(part.title() for part in self.name.replace(".", "_").split("_"))
        return create_model(f"{title}Input", __config__=_INPUT, **self.fields)

    @cached_property
    def output(self) -> TypeAdapter[Any]:
        """Adapter of the result (of one item, for a stream)."""
        return TypeAdapter(self.output_type)

    @cached_property
    def has_secret(self) -> bool:
        """Whether the result carries a secret that is shown once."""
        model = self.output_type
        return (
            isinstance(model, type)
            and issubclass(model, BaseModel)
            and any(
                isinstance(field.json_schema_extra, dict) and field.json_schema_extra.get("secret")
                for field in model.model_fields.values()
            )
        )

    def validate(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments as the body wants them.

        Raises:
            InvalidArguments: one is missing, unknown, or breaks its rule; it is named.
        """
        check_plain(arguments)
        try:
            model = self.input_model.model_validate(dict(arguments))
        except ValidationError as error:
            raise _explain(self, error) from None
        return {name: getattr(model, name) for name in self.fields}

    def dump(self, result: Any) -> Any:
        """A result as JSON-ready Python.

        Raises:
            Internal: the operation returned what it does not declare; its value is not repeated.
        """
        try:
            return self.output.dump_python(result, mode="json")
        except (PydanticSerializationError, UnicodeError, AttributeError, RecursionError) as error:
            found = type(result).__name__
            raise Internal(f"{self.name} returned a {found} that its declared result cannot carry.") from error


def _explain(signature: Signature, error: ValidationError) -> InvalidArguments:
    problems = [
        {
            "field": ".".join(map(str, item["loc"])) or "(arguments)",
            "rule": item["type"],
            "message": item["msg"],
        }
        for item in error.errors(include_url=False, include_context=False, include_input=False)[:20]
    ]
    first = problems[0]
    hint = ""
    if first["rule"] == "extra_forbidden":
        known = ", ".join(signature.fields) or "none"
        hint = f" {signature.name} takes: {known}."
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    message = f"{signature.name}: {first['field']}: {first['message']}.{hint}{more}"
    return InvalidArguments(message, field=first["field"], rule=first["rule"], problems=problems)


def check_plain(value: Any, *, field: str = "") -> None:
    """Refuse what PostgreSQL cannot hold or what is built to hurt: NUL, lone surrogates, deep nesting.

    Raises:
        InvalidArguments: with the field and the rule.
    """
    # Looked at first, and named only where something is wrong: names cost ten times as much as the look.
    if not _is_plain(value, 0):
        _refuse_odd(value, field, 0)


def _is_plain(value: Any, depth: int) -> bool:
    if depth > MAX_DEPTH:
        return False
    kind = type(value)
    if kind is str:
        if value.isascii():
            return "\x00" not in value
        try:
            return b"\x00" not in value.encode()
        except UnicodeEncodeError:
            return False
    if kind in _HARMLESS:
        return True
    depth += 1
    if isinstance(value, BaseModel):
        # What was not given is a default of ours.
        return all(_is_plain(getattr(value, name), depth) for name in value.model_fields_set)
    if isinstance(value, Mapping):
        return all(_is_plain(key, depth) and _is_plain(item, depth) for key, item in value.items())
    if isinstance(value, list | tuple | set | frozenset):
        return (depth <= MAX_DEPTH and set(map(type, value)) <= _HARMLESS) or all(
            _is_plain(item, depth) for item in value
        )
    return not isinstance(value, str)


def _refuse_odd(value: Any, field: str, depth: int) -> None:
    """Name the first thing that is not plain."""
    if depth > MAX_DEPTH:
        raise InvalidArguments(
            f"{field or 'The arguments'} nests deeper than {MAX_DEPTH} levels; flatten it.",
            field=field,
            rule="depth",
        )
    if isinstance(value, str):
        if "\x00" in value:
            raise InvalidArguments(f"{field} holds a NUL character; remove it.", field=field, rule="nul")
        if not value.isascii():
            try:
                value.encode()
            except UnicodeEncodeError:
                raise InvalidArguments(
                    f"{field} holds a lone surrogate; send valid Unicode.", field=field, rule="surrogate"
                ) from None
    elif isinstance(value, Mapping):
        for key, item in value.items():
            _refuse_odd(key, f"{field} (a key)", depth + 1)
            _refuse_odd(item, f"{field}.{key}" if field else str(key), depth + 1)
    elif isinstance(value, BaseModel):
        for key, item in value:
            _refuse_odd(item, f"{field}.{key}" if field else key, depth + 1)
    elif isinstance(value, list | tuple | set | frozenset):
        for index, item in enumerate(value):
            _refuse_odd(item, f"{field}.{index}", depth + 1)


def read_signature(name: str, body: Callable[..., Any], *, stream: bool, output: Any = None) -> Signature:
    """The signature of an operation's body.

    Raises:
        TypeError: at import time, naming the parameter that no door could render.
    """
    hints = get_type_hints(body, include_extras=True)
    parameters: list[Parameter] = []
    fields: dict[str, Any] = {}
    for parameter in list(inspect.signature(body).parameters.values())[1:]:
        where = f"{name}({parameter.name})"
        if parameter.name.startswith("_"):
            raise TypeError(f"{where}: the name of a parameter does not begin with an underscore")
        if parameter.kind is not inspect.Parameter.KEYWORD_ONLY:
            raise TypeError(f"{where}: parameters of an operation are keyword-only")
        if parameter.name not in hints:
            raise TypeError(f"{where}: needs an annotation")
        annotation = hints[parameter.name]
        _refuse_unrenderable(where, annotation)
        required = parameter.default is inspect.Parameter.empty
        fields[parameter.name] = (annotation, ... if required else parameter.default)
        bare, is_list = _bare(annotation)
        if bare is AwareDatetime:
            bare = datetime  # what a door shows; the model keeps the rule
        parameters.append(
            Parameter(
                name=parameter.name,
                annotation=annotation,
                required=required,
                default=None if required else parameter.default,
                description=_description(annotation),
                is_plain=_is_scalar(bare),
                is_list=is_list,
                bare=bare,
                is_file=_extra(annotation).get("source") == "file",
            )
        )
    if "return" not in hints:
        raise TypeError(f"{name}: needs a return annotation")
    returned = output if output is not None else hints["return"]
    if stream:
        if get_origin(returned) is not AsyncIterator:
            raise TypeError(f"{name}: a stream returns AsyncIterator[...]")
        (returned,) = get_args(returned)
    return Signature(name, tuple(parameters), fields, returned)


def _strip(annotation: Any) -> Any:
    """Without Annotated and Optional."""
    while True:
        origin = get_origin(annotation)
        if origin is Annotated:
            annotation = get_args(annotation)[0]
        elif origin in (Union, types.UnionType):
            members = [member for member in get_args(annotation) if member is not type(None)]
            if len(members) != 1:
                return annotation
            annotation = members[0]
        elif isinstance(annotation, types.GenericAlias) or not hasattr(annotation, "__supertype__"):
            return annotation
        else:
            annotation = annotation.__supertype__


def _bare(annotation: Any) -> tuple[Any, bool]:
    inner = _strip(annotation)
    if get_origin(inner) in (list, set, frozenset, tuple) and get_args(inner):
        return _strip(get_args(inner)[0]), True
    return inner, False


def _is_scalar(bare: Any) -> bool:
    if get_origin(bare) is Literal:
        return True
    return isinstance(bare, type) and issubclass(bare, (*_SCALARS, enum.Enum))


def _refuse_unrenderable(where: str, annotation: Any) -> None:
    bare, _ = _bare(annotation)
    if get_origin(bare) in (Union, types.UnionType):
        raise TypeError(
            f"{where}: a union other than Optional cannot be an option of the command line; choose one type"
        )
    if bare is datetime:
        raise TypeError(f"{where}: a datetime without a zone is a guess; annotate it as pydantic.AwareDatetime")
    if bare in (inspect.Parameter.empty, Any):
        raise TypeError(f"{where}: Any cannot be documented; name the type")


def _description(annotation: Any) -> str:
    for item in getattr(annotation, "__metadata__", ()):
        if isinstance(item, FieldInfo) and item.description:
            return item.description
    inner = [argument for argument in get_args(annotation) if hasattr(argument, "__metadata__")]
    return _description(inner[0]) if inner else ""


def _extra(annotation: Any) -> Mapping[str, Any]:
    """What a field says beside its schema: `{"source": "file"}` marks text that usually lies in a file."""
    for item in getattr(annotation, "__metadata__", ()):
        if isinstance(item, FieldInfo) and isinstance(item.json_schema_extra, dict):
            return item.json_schema_extra
    return {}


def canonical_arguments(signature: Signature, valid: Mapping[str, Any]) -> bytes:
    """Validated arguments as bytes: equal for equal arguments, in every process, however they were written.

    Sets and keys are sorted, a moment is one in UTC, 1 and 1.0 and -0.0 and 0.0 are the same number.
    Values that JSON does not have carry their type, so that no text passes for one. Secrets stand in
    it as they are: hash it, never keep it.
    """
    canonical = _canonical({name: valid[name] for name in signature.fields if name in valid})
    return f"{signature.name}\n{_compact(canonical)}".encode("utf-8", "surrogatepass")


def _compact(canonical: Any) -> str:
    return json.dumps(canonical, separators=(",", ":"))


def _canonical(value: Any) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, enum.Enum):
        return _canonical(value.value)
    if isinstance(value, str):
        return str(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        # A whole number travels as 1 or as 1.0, as each client writes it; the rest has one shortest form.
        return int(value) if value.is_integer() else ["float", repr(float(value))]
    if isinstance(value, BaseModel):
        value = dict(value)
    if isinstance(value, Mapping):
        return ["map", sorted(([_canonical(key), _canonical(item)] for key, item in value.items()), key=_compact)]
    if isinstance(value, set | frozenset):
        return ["set", sorted((_canonical(item) for item in value), key=_compact)]
    if isinstance(value, list | tuple):
        return ["list", [_canonical(item) for item in value]]
    return _canonical_scalar(value)


def _canonical_scalar(value: Any) -> list[Any]:
    if isinstance(value, bytes | bytearray):
        return ["bytes", base64.b64encode(value).decode()]
    if isinstance(value, Decimal):
        return ["decimal", _canonical_decimal(value)]
    if isinstance(value, datetime):
        return ["datetime", (value.astimezone(UTC) if value.tzinfo else value).isoformat()]
    if isinstance(value, timedelta):
        return ["microseconds", value // timedelta(microseconds=1)]
    if isinstance(value, SecretStr):
        return ["secret", value.get_secret_value()]
    return [type(value).__name__, str(value)]


def _canonical_decimal(value: Decimal) -> str:
    """Without trailing zeros, and without rounding to a context's precision."""
    sign, digits, exponent = value.as_tuple()
    if not isinstance(exponent, int):  # NaN and the infinities
        return str(value)
    text = "".join(map(str, digits)).lstrip("0")
    kept = text.rstrip("0")
    return f"{'-' if sign and kept else ''}{kept or '0'}e{exponent + len(text) - len(kept) if kept else 0}"
