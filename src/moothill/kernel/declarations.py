"""What a declaration must keep, checked when its class is made: what no door could serve is refused by name."""

import inspect
import re
from collections.abc import Callable, Iterable
from typing import Any, get_args

from .operation import Audience, Effect, Operation
from .spelling import tool_name

__all__ = ["RESERVED_GROUPS", "RESERVED_VERBS", "check_group", "check_operation", "check_tool_names"]

# What the facade has under these names is no subsystem.
RESERVED_GROUPS = frozenset(
    {"batch", "close", "executor", "service", "session", "tenant", "transaction", "view_as", "with_key"}
)
# What every service has under these names is no operation.
RESERVED_VERBS = frozenset({"executor", "group", "offline", "operations"})
_WORD = re.compile(r"[a-z][a-z0-9_]*")
_SCOPE = re.compile(r"[a-z_]+:[a-z_]+")
_MODES = {"call": ("one", "single", "none"), "stream": ("none",), "job": ("steps",)}


def check_group(where: str, group: str) -> None:
    """Refuse a group that is no word, or that the facade uses otherwise.

    Raises:
        TypeError: naming the class and the group.
    """
    if not _WORD.fullmatch(group):
        raise TypeError(f"{where}: the group {group!r} is not made of lower-case letters, digits and underscores")
    if group in RESERVED_GROUPS:
        raise TypeError(
            f"{where}: the group {group!r} is reserved, Moot has something else of that name; choose another"
        )


def check_operation(operation: Operation[Any, Any]) -> None:
    """Refuse at import time what a door could not serve.

    Raises:
        TypeError: naming the operation, its parameter, and what to do.
    """
    _check_words(operation)
    _check_body(operation)
    signature = operation.signature
    for parameter in signature.parameters:
        if not parameter.description:
            raise TypeError(
                f"{operation.name}({parameter.name}): describe it in Annotated[..., Field(description=...)]"
            )
    for what, annotation in [("its result", signature.output_type), *((p.name, p.bare) for p in signature.parameters)]:
        if isinstance(annotation, Operation):
            raise TypeError(
                f"{operation.name}: the annotation of {what} is the operation {annotation.verb!r} of this class, which "
                "hides the builtin of that name; use Sequence[...] or an alias defined at module level"
            )
    for phase, body in (("prepare", operation.prepare_body), ("plan", operation.plan_body)):
        if body is not None:
            _check_phase(operation, phase, body)
    _check_example(operation)


def check_tool_names(where: str, names: Iterable[str], known: Iterable[str]) -> None:
    """Refuse two operations that would be one MCP tool, such as `a_b.c` and `a.b_c`.

    Raises:
        TypeError: naming both.
    """
    taken = {tool_name(name): name for name in known}
    for name in names:
        other = taken.setdefault(tool_name(name), name)
        if other != name:
            raise TypeError(f"{where}: {name} and {other} would both be the MCP tool {tool_name(name)!r}; rename one")


def _check_words(operation: Operation[Any, Any]) -> None:
    name = operation.name
    if not _WORD.fullmatch(operation.verb):
        raise TypeError(f"{name}: a verb is made of lower-case letters, digits and underscores")
    if operation.verb in RESERVED_VERBS:
        raise TypeError(f"{name}: the verb {operation.verb!r} is reserved, every service has it; choose another")
    if not operation.summary:
        raise TypeError(f"{name}: its docstring's first line serves every door; write it")
    if not _SCOPE.fullmatch(operation.scope):
        raise TypeError(f"{name}: the scope {operation.scope!r} is not of the form 'agents:read'")
    for what, value, allowed in (
        ("effect", operation.effect, get_args(Effect)),
        ("audience", operation.audience, get_args(Audience)),
        ("mode", operation.mode, _MODES[operation.kind]),
    ):
        if value not in allowed:
            raise TypeError(f"{name}: the {what} {value!r} is none of {', '.join(allowed)}")
    if operation.kind == "job" and operation.effect == "read":
        raise TypeError(f"{name}: a job writes or destroys; a long read is a stream")
    if operation.effect == "destroy" and operation.plan_body is None:
        raise TypeError(f"{name}: a destroying operation declares its dry run with @{operation.verb}.plan")


def _check_body(operation: Operation[Any, Any]) -> None:
    if operation.kind == "stream":
        if not inspect.isasyncgenfunction(operation.body):
            raise TypeError(f"{operation.name}: a stream is an async generator: `async def` with `yield`")
    elif not inspect.iscoroutinefunction(operation.body):
        raise TypeError(f"{operation.name}: its body must be `async def`, without `yield`")


def _check_phase(operation: Operation[Any, Any], phase: str, body: Callable[..., Any]) -> None:
    """The executor gives a plan or a prepare exactly the operation's keywords."""
    where = f"{operation.name}: its {phase}"
    if not inspect.iscoroutinefunction(body):
        raise TypeError(f"{where} must be `async def`")
    own = list(inspect.signature(body).parameters.values())[1:]
    named = {parameter.name for parameter in own if parameter.kind is inspect.Parameter.KEYWORD_ONLY}
    takes_rest = any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in own)
    if len(named) + takes_rest != len(own):
        raise TypeError(f"{where} takes keywords only")
    wanted = set(operation.signature.fields)
    differing = named - wanted if takes_rest else named ^ wanted
    if differing:
        names = ", ".join(sorted(differing))
        raise TypeError(f"{where} must take the same parameters as the operation; they differ in: {names}")


def _check_example(operation: Operation[Any, Any]) -> None:
    signature = operation.signature
    missing = [item.name for item in signature.parameters if item.required and item.name not in operation.example]
    if missing and operation.example:
        raise TypeError(f"{operation.name}: its example lacks {', '.join(missing)}")
    if missing:
        raise TypeError(f"{operation.name} has no example; give example={{...}} with: {', '.join(missing)}")
    unknown = sorted(set(operation.example) - set(signature.fields))
    if unknown:
        raise TypeError(f"{operation.name}: its example gives {', '.join(unknown)}, which it does not take")
