"""A service: the operations of one group, bound to an executor.

Defining a subclass registers its operations; what no door could render fails at import time.
Third parties register theirs through the entry point group `moothill.services`.
"""

from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar, Protocol, TypeVar

from .context import CallOptions
from .declarations import check_group, check_operation, check_tool_names
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
    prepare: str | None = None


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


def scheduled(*, every: timedelta, per_tenant: bool = False, prepare: str | None = None) -> Callable[[F], F]:
    """Let the worker run this method by itself, by one process at a time.

    The method takes no parameters and runs in a transaction as the system; `per_tenant` runs it
    once for each active tenant, in that tenant. A run that fails is logged and tried again at the next turn.
    `prepare` names the method for what takes long (network calls, heavy computing): it runs before BEGIN, and
    what it returns is `context().prepared`.
    """

    def mark(method: F) -> F:
        method.__moothill_schedule__ = (every, per_tenant, prepare)  # type: ignore[attr-defined]
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
    """Base of every subsystem's operations; subclass with `group="agents"`.

    Attributes:
        offline: commands that need no server: each takes the bytes of a file, and keywords that are texts or None,
            and gives a sentence or raises.
    """

    group: ClassVar[str] = ""
    operations: ClassVar[Mapping[str, Operation[Any, Any]]] = {}
    offline: ClassVar[Mapping[str, Callable[..., str]]] = {}

    def __init__(self, executor: Executor) -> None:
        self.executor = executor

    def __init_subclass__(cls, *, group: str, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if group in SERVICES:
            raise TypeError(f"{cls.__qualname__}: the group {group!r} belongs to {SERVICES[group].__qualname__}")
        check_group(cls.__qualname__, group)
        found: dict[str, Operation[Any, Any]] = {}
        schedules: dict[str, Schedule] = {}
        handlers: dict[str, Handler] = {}
        for name, member in list(vars(cls).items()):
            if isinstance(member, Operation):
                member.group, member.verb = group, name.rstrip("_")
                check_operation(member)
                found[member.verb] = member
            elif marked := getattr(member, "__moothill_schedule__", None):
                schedule = Schedule(f"{group}.{name}", cls, name, *marked)
                if schedule.prepare is not None and not hasattr(cls, schedule.prepare):
                    raise TypeError(f"{schedule.name} is prepared by {schedule.prepare}, which does not exist")
                schedules[schedule.name] = schedule
            elif kinds := getattr(member, "__moothill_handles__", None):
                handlers[f"{group}.{name}"] = Handler(f"{group}.{name}", cls, name, kinds)
        named = {operation.name: operation for operation in found.values()}
        check_tool_names(cls.__qualname__, named, REGISTRY)
        # Only a class that keeps every rule is known to anybody.
        cls.group = group
        cls.operations = found
        SERVICES[group] = cls
        SCHEDULES.update(schedules)
        HANDLERS.update(handlers)
        REGISTRY.update(named)
