"""What the contract suite asks of every operation: its example, and what is wrong with a call."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from pydantic import ValidationError

from moothill import moot as _facade  # noqa: F401  # registers every operation
from moothill.kernel.operation import Operation
from moothill.kernel.service import REGISTRY

__all__ = ["LONG", "Case", "cases_of", "operations"]

LONG = "x" * 10_000


@dataclass(frozen=True)
class Case:
    """One call.

    Attributes:
        scoped: with a key that holds everything; else with one that holds nothing of use.
        options: `dry_run`, `idempotency_key` and the like.
        is_shared: what is refused without a look at the database, so that the doors share such calls out.
    """

    name: str
    arguments: Mapping[str, Any]
    options: Mapping[str, Any] = field(default_factory=dict)
    scoped: bool = True
    is_shared: bool = False


def operations() -> list[Operation[Any, Any]]:
    """Every operation of the package; what destroys comes last, so that it spoils nothing."""
    own = [each for each in REGISTRY.values() if each.body.__module__.startswith("moothill.")]
    return sorted(own, key=lambda each: (each.effect == "destroy", each.name))


@cache
def cases_of(operation: Operation[Any, Any]) -> tuple[Case, ...]:
    """The cases of one operation, in the order in which they run."""
    return tuple(_cases(operation))


def _cases(operation: Operation[Any, Any]) -> Iterator[Case]:
    example = operation.example
    if operation.effect == "destroy":
        yield Case("dry run", example, {"dry_run": True})
    if operation.kind != "stream":
        # An accepted stream has no end; that its items are the same is tested with the streams.
        yield Case("example", example)
        if operation.effect != "read":
            yield Case("example with a key", example, {"idempotency_key": "contract"})
            yield Case("example with a key, again", example, {"idempotency_key": "contract"})
            yield Case("key too long", example, {"idempotency_key": "x" * 201})
        else:
            yield Case("a read with a key", example, {"idempotency_key": "contract"})
    if operation.effect != "destroy" and operation.kind != "stream":
        yield Case("dry run of what destroys nothing", example, {"dry_run": True})
    yield Case("without the scope", example, scoped=False)
    yield Case("unknown field", {**example, "no_such_field": 1})
    yield from _bad_arguments(operation, example)


# Parameters that take any JSON object.
_FREE = {"answer", "metadata", "payload", "result"}


def _bad_arguments(operation: Operation[Any, Any], example: Mapping[str, Any]) -> Iterator[Case]:
    deep: Any = "deep"
    for _ in range(100):
        deep = [deep]
    for parameter in operation.signature.parameters:
        name = parameter.name
        if parameter.required:
            missing = {key: value for key, value in example.items() if key != name}
            yield Case(f"without {name}", missing, is_shared=True)
        yield Case(f"{name} with NUL", {**example, name: "a\x00b"}, is_shared=True)
        long = {**example, name: LONG}
        yield Case(f"{name} of 10,000 characters", long, is_shared=_is_refused(operation, long))
        yield Case(f"{name} nested deeply", {**example, name: deep}, is_shared=True)
        # No object of any names is a wrong one where any object will do; a list is.
        wrong: Any = ["no", "such"] if parameter.name in _FREE else {"no": "such"}
        yield Case(f"{name} of a wrong type", {**example, name: wrong}, is_shared=True)
        if name == "limit":
            for number in (-1, 0, _most(operation, name) + 1):
                yield Case(f"limit {number}", {**example, "limit": number}, is_shared=True)
        if name in ("cursor", "after"):
            yield Case(f"forged {name}", {**example, name: "Zm9yZ2Vk"})


def _is_refused(operation: Operation[Any, Any], arguments: Mapping[str, Any]) -> bool:
    """Whether arguments are refused by their looks."""
    try:
        operation.signature.input_model.model_validate(dict(arguments))
    except ValidationError:
        return True
    return False


def _most(operation: Operation[Any, Any], name: str) -> int:
    return int(operation.signature.input_model.model_json_schema()["properties"][name]["maximum"])
