"""A service: the operations of one group, bound to an executor.

Defining a subclass registers its operations; what no door could render fails at import time.
Third parties register theirs through the entry point group `moothill.services`.
"""

from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar, Protocol, TypeVar

from .context import CallOptions
from .events import EventPayload
from .operation import Operation

__all__ = [
    "HANDLERS",
    "REGISTRY",
    "SCHEDULES",
    "Executor",
    "Handler",
    "Schedule",
    "Service",
    "handles",
    "scheduled",
]

F = TypeVar("F", bound=Callable[..., Any])


class Executor(Protocol):
    """Runs operations: here (local) or at a server (remote)."""

    def run(
        self, operation: Operation[Any, Any], arguments: Mapping[str, Any], options: CallOptions
    ) -> Coroutine[Any, Any, Any]:
        """Run a call and return its result."""
        ...

    def iterate(
        self, operation: Operation[Any, Any], arguments: Mapping[str, Any], options: CallOptions
    ) -> AsyncIterator[Any]:
        """Run a stream."""
        ...


@dataclass(frozen=True, slots=True)
class Schedule:
    """An operation without parameters that the worker runs by itself."""

    name: str
    service: type["Service"]
    method: str
    every: timedelta
    per_tenant: bool


@dataclass(frozen=True, slots=True)
class Handler:
    """A reaction to events: idempotent, ordered per subject, in a transaction with its cursor."""

    name: str
    service: type["Service"]
    method: str
    kinds: tuple[str, ...]


REGISTRY: dict[str, Operation[Any, Any]] = {}
SERVICES: dict[str, type["Service"]] = {}
SCHEDULES: dict[str, Schedule] = {}
HANDLERS: dict[str, Handler] = {}


def scheduled(*, every: timedelta, per_tenant: bool = False) -> Callable[[F], F]:
    """Let the worker run this method by itself, by one process at a time.

    The method takes no parameters and runs in a transaction as the system; `per_tenant` runs it
    once for each active tenant, in that tenant. A run that fails is logged and tried again at the next turn.
    """

    def mark(method: F) -> F:
        method.__moothill_schedule__ = (every, per_tenant)  # type: ignore[attr-defined]
        return method

    return mark


def handles(*kinds: type[EventPayload]) -> Callable[[F], F]:
    """Let the worker call this method with each event of these kinds, after its commit.

    Delivery is at least once across crashes of other systems and exactly once for what the method
    writes here: its writes and the cursor commit together. Events of one subject come in order.
    """

    def mark(method: F) -> F:
        method.__moothill_handles__ = tuple(kind.kind for kind in kinds)  # type: ignore[attr-defined]
        return method

    return mark


class Service:
    """Base of every subsystem's operations; subclass with `group="agents"`."""

    group: ClassVar[str] = ""
    operations: ClassVar[Mapping[str, Operation[Any, Any]]] = {}

    def __init__(self, executor: Executor) -> None:
        self.executor = executor

    def __init_subclass__(cls, *, group: str, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if group in SERVICES:
            raise TypeError(f"{cls.__qualname__}: the group {group!r} belongs to {SERVICES[group].__qualname__}")
        cls.group = group
        found: dict[str, Operation[Any, Any]] = {}
        for name, member in list(vars(cls).items()):
            if isinstance(member, Operation):
                member.group, member.verb = group, name.rstrip("_")
                _check(member)
                found[member.verb] = member
            elif marked := getattr(member, "__moothill_schedule__", None):
                SCHEDULES[f"{group}.{name}"] = Schedule(f"{group}.{name}", cls, name, *marked)
            elif kinds := getattr(member, "__moothill_handles__", None):
                HANDLERS[f"{group}.{name}"] = Handler(f"{group}.{name}", cls, name, kinds)
        cls.operations = found
        SERVICES[group] = cls
        REGISTRY.update({operation.name: operation for operation in found.values()})


def _check(operation: Operation[Any, Any]) -> None:
    """Refuse at import time what a door could not serve."""
    signature = operation.signature
    if not operation.summary:
        raise TypeError(f"{operation.name}: its docstring's first line serves every door; write it")
    if operation.effect == "destroy" and operation.plan_body is None:
        raise TypeError(f"{operation.name}: a destroying operation declares its dry run with @{operation.verb}.plan")
    for parameter in signature.parameters:
        if not parameter.description:
            raise TypeError(
                f"{operation.name}({parameter.name}): describe it in Annotated[..., Field(description=...)]"
            )
