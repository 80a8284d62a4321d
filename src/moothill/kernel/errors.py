"""The error tree: one root, eight kinds, one table that every door reads.

    MoothillError
    ├── NotFound          the thing named does not exist (or is not yours to know about)
    ├── Conflict          it exists, but not in the state or version that you assume
    ├── Invalid           the input breaks a rule; nothing was changed
    ├── Forbidden         you are known, and may not
    ├── Unauthenticated   you are not known
    ├── Exhausted         a limit was reached; later it may work
    ├── Unavailable       a part that is needed does not answer; later it may work
    └── Internal          our fault

A concrete error subclasses a kind; its docstring is its default message and its keyword
attributes are its context. Errors pickle, travel as problem documents (RFC 9457), and the
remote client rebuilds them from their code. Secrets never belong in a context.
"""

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

__all__ = [
    "KINDS",
    "Conflict",
    "DatabaseError",
    "Exhausted",
    "Forbidden",
    "Internal",
    "Invalid",
    "Kind",
    "MoothillError",
    "NotFound",
    "QuotaExceeded",
    "Unauthenticated",
    "Unavailable",
    "all_errors",
    "from_problem",
    "near_match",
    "register",
]


@dataclass(frozen=True, slots=True)
class Kind:
    """How one kind of error appears at each door.

    Attributes:
        status: HTTP status.
        exit_code: exit status of the command line.
        retryable: whether the same call may succeed later without being changed.
        title: the short text of a problem document.
    """

    status: int
    exit_code: int
    retryable: bool
    title: str


KINDS: Mapping[str, Kind] = {
    "not_found": Kind(404, 4, False, "Not found"),
    "conflict": Kind(409, 5, False, "Conflict"),
    "invalid": Kind(422, 2, False, "Invalid input"),
    "forbidden": Kind(403, 6, False, "Forbidden"),
    "unauthenticated": Kind(401, 7, False, "Not authenticated"),
    "exhausted": Kind(429, 8, True, "Limit reached"),
    "unavailable": Kind(503, 9, True, "Unavailable"),
    "internal": Kind(500, 1, False, "Internal error"),
}

_BY_CODE: dict[str, type["MoothillError"]] = {}


class MoothillError(Exception):
    """Something went wrong."""

    kind: ClassVar[str] = "internal"
    code: ClassVar[str] = "internal"
    http_status: ClassVar[int | None] = None  # where one error differs from its kind
    message: str
    context: dict[str, Any]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "kind" not in cls.__dict__ or "code" in cls.__dict__:
            cls.code = cls.__dict__.get("code", _snake(cls.__name__))
        if cls.kind not in KINDS:
            raise TypeError(f"{cls.__qualname__}: the kind {cls.kind!r} is none of {', '.join(KINDS)}")
        other = _BY_CODE.get(cls.code, cls)
        if (other.__module__, other.__qualname__) != (cls.__module__, cls.__qualname__):
            raise TypeError(
                f"{cls.__module__}.{cls.__qualname__}: the code {cls.code!r} is already that of "
                f"{other.__module__}.{other.__qualname__}; rename one"
            )
        _BY_CODE[cls.code] = cls

    def __init__(self, message: str | None = None, /, **context: Any) -> None:
        self.message = message or (type(self).__doc__ or "Something went wrong.").strip().splitlines()[0]
        self.context = context
        super().__init__(self.message)

    def __getattr__(self, name: str) -> Any:
        try:
            return self.__dict__["context"][name]
        except KeyError:
            raise AttributeError(name) from None

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self).code, type(self).kind, self.message, self.context)

    def to_problem(self, *, instance: str | None = None) -> dict[str, Any]:
        """This error as a problem document (RFC 9457), the shape of every door."""
        kind = KINDS[self.kind]
        problem = {
            "type": f"urn:moothill:error:{self.code}",
            "title": kind.title,
            "status": self.status,
            "detail": self.message,
            "kind": self.kind,
            "code": self.code,
            "retryable": kind.retryable,
            "context": self.context,
        }
        if instance is not None:
            problem["instance"] = instance
        return problem

    @property
    def status(self) -> int:
        """HTTP status of this error."""
        return self.http_status or KINDS[self.kind].status

    @property
    def exit_code(self) -> int:
        """Exit status of a command that ends with this error."""
        return KINDS[self.kind].exit_code

    @property
    def retryable(self) -> bool:
        """Whether the same call may succeed later without being changed."""
        return KINDS[self.kind].retryable


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


class NotFound(MoothillError):
    """There is no such thing here."""

    kind = "not_found"
    code = "not_found"


class Conflict(MoothillError):
    """The thing is not in the state that the call assumes."""

    kind = "conflict"
    code = "conflict"


class Invalid(MoothillError):
    """The input breaks a rule; nothing was changed."""

    kind = "invalid"
    code = "invalid"


class Forbidden(MoothillError):
    """This is not allowed with the credentials given."""

    kind = "forbidden"
    code = "forbidden"


class Unauthenticated(MoothillError):
    """The credentials are missing, unknown, expired or revoked."""

    kind = "unauthenticated"
    code = "unauthenticated"


class Exhausted(MoothillError):
    """A limit was reached; try again later."""

    kind = "exhausted"
    code = "exhausted"


class Unavailable(MoothillError):
    """A part that is needed does not answer; try again later."""

    kind = "unavailable"
    code = "unavailable"


class Internal(MoothillError):
    """Moothill failed; the request id finds the cause in the server's log."""

    kind = "internal"
    code = "internal"


class QuotaExceeded(Exhausted):
    """A quota of this tenant is used up; remove what is not needed, or ask the platform's operator for more."""


class OutcomeUnknown(Unavailable):
    """The answer to COMMIT did not come: the change may be stored or not. Look, or repeat it with the same key."""


class DatabaseError(Internal):
    """The database refused a statement; the request id finds the cause in the server's log."""


def register(error: type[MoothillError]) -> type[MoothillError]:
    """Make a class rebuildable from its code (subclassing does this; for late renames)."""
    _BY_CODE[error.code] = error
    return error


def all_errors() -> Mapping[str, type[MoothillError]]:
    """Every error by its code."""
    return dict(sorted(_BY_CODE.items()))


def _rebuild(code: str, kind: str, message: str, context: dict[str, Any]) -> MoothillError:
    """An error from its parts; an unknown code (a newer server's) becomes its kind."""
    error = _BY_CODE.get(code) or _BY_CODE.get(kind) or Internal
    return error(message, **{key: value for key, value in context.items() if key.isidentifier()})


def from_problem(problem: Mapping[str, Any]) -> MoothillError:
    """The typed error that a problem document describes."""
    kind = str(problem.get("kind", "internal"))
    if kind not in KINDS:
        kind = "internal"
    context = problem.get("context")
    return _rebuild(
        str(problem.get("code", kind)),
        kind,
        str(problem.get("detail", KINDS[kind].title)),
        dict(context) if isinstance(context, Mapping) else {},
    )


def near_match(name: str, known: Iterable[str]) -> str:
    """` Did you mean "x"?` when something close is known, else the empty text."""
    close = difflib.get_close_matches(name[:100], list(known), n=1, cutoff=0.6)
    return f' Did you mean "{close[0]}"?' if close else ""
