"""Operations: declared once on a service, served at every door.

`@operation`, `@stream` and `@job` turn an async method into a descriptor. Bound to a service it
is callable with exactly the method's keywords, and it also answers `.options(...)`, `.plan(...)`
(dry run) and `.call(...)` (an entry of a batch). Type checkers see the true signature.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import (
    TYPE_CHECKING,
    Any,
    Concatenate,
    Generic,
    Literal,
    NoReturn,
    ParamSpec,
    Protocol,
    Self,
    TypeVar,
    overload,
)
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from .context import CallOptions, Progress
from .errors import Invalid
from .signature import Signature, read_signature

if TYPE_CHECKING:
    from .service import Service

__all__ = [
    "Audience",
    "BatchCall",
    "BoundOperation",
    "BoundStream",
    "Effect",
    "Job",
    "Mode",
    "Operation",
    "Plan",
    "Step",
    "Stream",
    "job",
    "operation",
    "stream",
]

P = ParamSpec("P")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)
S = TypeVar("S", bound="Service")

FileBody = Callable[[AsyncIterator[Any], Path, Progress], Awaitable[str]]
Effect = Literal["read", "write", "destroy"]
Mode = Literal["one", "single", "none", "steps"]
Audience = Literal["agent", "operator", "anyone"]


class Plan(BaseModel):
    """What a destroying operation would do: counts, with no lock taken and nothing touched."""

    model_config = ConfigDict(frozen=True)

    summary: str = Field(description="One sentence for a person.")
    counts: dict[str, int] = Field(default_factory=dict, description="Rows or things that would go, by name.")


class Step(BaseModel):
    """What one step of a job reports; a step without a cursor was the last."""

    model_config = ConfigDict(frozen=True)

    done: int = Field(ge=0, description="Units done so far.")
    total: int | None = Field(None, ge=0, description="Units in all, when known.")
    cursor: dict[str, Any] | None = Field(None, description="Where the next step goes on; null at the end.")
    message: str = Field("", description="For a person.")


class Job(BaseModel):
    """Long work that runs step by step in the background."""

    model_config = ConfigDict(frozen=True)

    id: UUID = Field(description="Ask `jobs.get` with it.")
    operation: str = Field(description="What is being done.")
    state: Literal["waiting", "running", "completed", "failed", "cancelled"] = Field(description="Where it stands.")
    done: int = Field(0, description="Units done so far.")
    total: int | None = Field(None, description="Units in all, when known.")
    message: str = Field("", description="Last word of the work, or why it failed.")


@dataclass(frozen=True, slots=True)
class BatchCall:
    """One entry of a batch; `.result` stands for its outcome in later entries."""

    operation: "Operation[Any, Any]"
    arguments: Mapping[str, Any]
    label: str

    @property
    def result(self) -> Any:
        """A reference to this entry's result: `first.result["id"]`."""
        return Reference((self.label,))


class Reference:
    """A place in an earlier result of the same batch."""

    __slots__ = ("path",)
    # Any key is a place, so that walking along them would never end.
    __iter__ = None

    def __init__(self, path: tuple[str | int, ...]) -> None:
        self.path = path

    def __getitem__(self, key: str | int) -> "Reference":
        return Reference((*self.path, key))

    def __getattr__(self, name: str) -> "Reference":
        if name.startswith("__"):
            raise AttributeError(name)
        return self[name]

    def as_json(self) -> dict[str, list[str | int]]:
        """The wire form."""
        return {"$result": list(self.path)}


class Operation(Generic[P, R]):
    """One declared operation; see the attributes for what every door may know of it."""

    def __init__(
        self,
        body: Callable[..., Any],
        *,
        kind: Literal["call", "stream", "job"],
        effect: Effect,
        scope: str,
        audience: Audience,
        mode: Mode,
        example: Mapping[str, Any] | None,
    ) -> None:
        self.body = body
        self.kind = kind
        self.effect: Effect = effect
        self.scope = scope
        self.audience: Audience = audience
        self.mode: Mode = mode
        self.example = dict(example or {})
        self.group = ""
        self.verb = body.__name__
        self.__doc__ = body.__doc__
        self.prepare_body: Callable[..., Awaitable[Any]] | None = None
        self.plan_body: Callable[..., Awaitable[Plan]] | None = None
        self.file_body: FileBody | None = None
        self._signature: Signature | None = None

    @property
    def name(self) -> str:
        """`group.verb`, the same at every door."""
        return f"{self.group}.{self.verb}"

    @property
    def summary(self) -> str:
        """First line of the docstring."""
        return (self.body.__doc__ or "").strip().partition("\n")[0]

    @property
    def signature(self) -> Signature:
        """Input model, output adapter and parameters."""
        if self._signature is None:
            output = Job if self.kind == "job" else None
            self._signature = read_signature(self.name, self.body, stream=self.kind == "stream", output=output)
        return self._signature

    @property
    def answers_get(self) -> bool:
        """Whether HTTP may also serve it by GET: a read whose parameters are scalars or short lists."""
        return self.effect == "read" and all(parameter.is_plain for parameter in self.signature.parameters)

    def prepare(self, body: Callable[..., Awaitable[R_co]]) -> Callable[..., Awaitable[R_co]]:
        """Declare the phase before BEGIN: the only place for network calls and heavy computing."""
        self.prepare_body = body
        return body

    def plan(self, body: Callable[..., Awaitable[Plan]]) -> Callable[..., Awaitable[Plan]]:
        """Declare the dry run of a destroying operation."""
        self.plan_body = body
        return body

    def file(self, body: "FileBody") -> "FileBody":
        """Declare how the items of a stream become a file, for doors that write one where the caller is.

        It takes the items, the path and a callback for progress, and tells what it wrote in a sentence.
        """
        self.file_body = body
        return body

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...
    @overload
    def __get__(self, instance: "Service", owner: type) -> "BoundOperation[P, R]": ...
    def __get__(self, instance: "Service | None", owner: type) -> "Self | BoundOperation[P, R]":
        return self if instance is None else BoundOperation(self, instance)

    def check_example(self) -> None:
        """Validate the example, which builds the input model: for a test, not for every start.

        Raises:
            TypeError: it breaks a rule of the operation's own parameters.
        """
        try:
            self.signature.validate(self.example)
        except Invalid as error:
            raise TypeError(f"{self.name}: its example is not valid: {error.message}") from None

    def __getitem__(self, item: Any) -> NoReturn:
        # Reached where an annotation such as list[str] stands below an operation called `list`.
        raise TypeError(
            f"the operation {self.verb!r} hides the builtin of that name in the rest of its class; annotate with "
            "Sequence[...] or an alias defined at module level"
        )

    def __repr__(self) -> str:
        return f"<operation {self.name}>"


class Stream(Operation[P, R]):
    """An operation that returns an async iterator; doors render it as SSE or NDJSON."""

    @overload  # type: ignore[override]  # a stream binds to an iterator, not to an awaitable
    def __get__(self, instance: None, owner: type) -> Self: ...
    @overload
    def __get__(self, instance: "Service", owner: type) -> "BoundStream[P, R]": ...
    def __get__(self, instance: "Service | None", owner: type) -> "Self | BoundStream[P, R]":
        return self if instance is None else BoundStream(self, instance)


@dataclass(frozen=True, slots=True)
class BoundOperation(Generic[P, R]):
    """An operation of one service, ready to be called."""

    operation: Operation[P, R]
    service: "Service"
    call_options: CallOptions = CallOptions()

    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, R]:
        """Call it with its keywords."""
        _keywords_only(self.operation, args)
        return self.service.executor.run(self.operation, kwargs, self.call_options)

    def options(
        self,
        *,
        idempotency_key: str | None = None,
        deadline: timedelta | None = None,
        reason: str | None = None,
        request_id: UUID | None = None,
    ) -> "BoundOperation[P, R]":
        """The same operation with these call options, and those it has already; see `CallOptions`."""
        given: dict[str, Any] = {
            "idempotency_key": idempotency_key,
            "deadline": deadline,
            "reason": reason,
            "request_id": request_id,
        }
        chosen = {name: value for name, value in given.items() if value is not None}
        return replace(self, call_options=replace(self.call_options, **chosen))

    def plan(self, /, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, Plan]:
        """What the call would do, without doing it (destroying operations only)."""
        _keywords_only(self.operation, args)
        dry = replace(self.call_options, dry_run=True)
        return self.service.executor.run(self.operation, kwargs, dry)

    def call(self, /, *args: P.args, **kwargs: P.kwargs) -> BatchCall:
        """This call as an entry of a batch; arguments may hold `earlier.result[...]`."""
        _keywords_only(self.operation, args)
        return BatchCall(self.operation, kwargs, f"c{id(kwargs):x}")


@dataclass(frozen=True, slots=True)
class BoundStream(Generic[P, R]):
    """A stream of one service, ready to be iterated."""

    operation: Stream[P, R]
    service: "Service"
    call_options: CallOptions = CallOptions()

    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> AsyncIterator[R]:
        """Iterate it with its keywords."""
        _keywords_only(self.operation, args)
        return self.service.executor.iterate(self.operation, kwargs, self.call_options)


def _keywords_only(operation: Operation[Any, Any], positional: Sequence[object]) -> None:
    if positional:
        names = ", ".join(f"{name}=..." for name in operation.signature.fields)
        raise TypeError(f"{operation.name} takes keywords only: {operation.name}({names})")


class _OperationDecorator(Protocol):
    def __call__(self, body: Callable[Concatenate[S, P], Awaitable[R]], /) -> Operation[P, R]: ...


class _StreamDecorator(Protocol):
    def __call__(self, body: Callable[Concatenate[S, P], AsyncIterator[R]], /) -> Stream[P, R]: ...


class _JobDecorator(Protocol):
    def __call__(self, body: Callable[Concatenate[S, P], Awaitable[Step]], /) -> Operation[P, Job]: ...


def operation(
    *,
    effect: Effect,
    scope: str,
    audience: Audience = "anyone",
    mode: Literal["one", "single", "none"] = "one",
    example: Mapping[str, Any] | None = None,
) -> _OperationDecorator:
    """Declare an operation.

    Args:
        effect: `read`, `write`, or `destroy` (which must declare a plan).
        scope: what a key needs, for example `agents:read`.
        audience: `agent` puts it among the tools that agents see first, `operator` keeps it from
            agents, `anyone` leaves it to the meta-tools.
        mode: `one` transaction; `single` promises exactly one statement, so that BEGIN, statement
            and COMMIT share a round trip; `none` opens no transaction.
        example: arguments that work in the example society; every door's documentation shows them.
    """

    def declare(body: Callable[..., Any], /) -> Operation[Any, Any]:
        return Operation(body, kind="call", effect=effect, scope=scope, audience=audience, mode=mode, example=example)

    return declare


def stream(*, scope: str, audience: Audience = "anyone", example: Mapping[str, Any] | None = None) -> _StreamDecorator:
    """Declare a read that returns an async iterator; it takes a short transaction per page."""

    def declare(body: Callable[..., Any], /) -> Stream[Any, Any]:
        return Stream(body, kind="stream", effect="read", scope=scope, audience=audience, mode="none", example=example)

    return declare


def job(
    *,
    effect: Literal["write", "destroy"],
    scope: str,
    audience: Audience = "operator",
    example: Mapping[str, Any] | None = None,
) -> _JobDecorator:
    """Declare long work: the call returns a `Job` at once and a worker runs the body step by step.

    Each step is a transaction of its own; it finds its place in `context().cursor` (None at first)
    and returns a `Step`. A crash repeats at most the step that had not committed.
    """

    def declare(body: Callable[..., Any], /) -> Operation[Any, Any]:
        return Operation(body, kind="job", effect=effect, scope=scope, audience=audience, mode="steps", example=example)

    return declare
