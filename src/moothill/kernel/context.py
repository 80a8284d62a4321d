"""The context of a call: who, for which tenant, in which transaction, until when.

The local executor sets it; an operation's body reads it with `context()`. A nested call joins the
transaction of the call around it and sees that call as its parent.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol
from uuid import UUID

from .actors import ActorKind, KeyHolderKind
from .changes import Side, changes_of
from .errors import Internal
from .events import EventPayload, PendingEvent
from .identifiers import NOBODY, uuid7
from .scopes import covers
from .signature import InvalidArguments, check_plain

__all__ = [
    "EVERYTHING",
    "SYSTEM",
    "Actor",
    "ActorKind",
    "CallOptions",
    "Context",
    "KeyHolderKind",
    "Principal",
    "Transaction",
    "context",
    "current_context",
]

_LONGEST_TEXTS = {"idempotency_key": 200, "reason": 1000}

Progress = Callable[[int, int | None, str], None]


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts: an operator (a person), an agent, a service account (a program), or the system itself."""

    kind: ActorKind
    id: UUID
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """An actor in a tenant, with what it may do.

    `scopes` holds names such as `agents:read`; `agents:*` grants a group and `*` everything.
    `real_actor` is set while an operator views as an agent: what is done is recorded under both.
    `home` is set while a key is used outside of its own tenant: that is logged where it is used.
    `rates` are the limits of calls a minute of the key's own tenant, by name: `calls` and `calls:agents`.
    """

    tenant: UUID
    tenant_slug: str
    actor: Actor
    scopes: frozenset[str]
    key: UUID | None = None
    key_expires_at: datetime | None = None
    real_actor: Actor | None = None
    home: UUID | None = None
    rates: tuple[tuple[str, int], ...] = field(default=(), compare=False)

    def may(self, scope: str) -> bool:
        """Whether the scopes held cover `scope`. `*` covers a tenant, never the platform above it."""
        return covers(self.scopes, scope)


SYSTEM = Actor("system", NOBODY, "system")
EVERYTHING = frozenset({"*", "platform:*"})


@dataclass(frozen=True, slots=True, kw_only=True)
class CallOptions:
    """What a caller may say beside the arguments.

    Attributes:
        idempotency_key: the second call with this key returns the first one's result; up to 200 characters.
        deadline: longest time for the whole call, retries included.
        reason: why, kept with the event; up to 1,000 characters.
        dry_run: answer with the plan of a destroying operation instead of running it.
        request_id: the caller's id for this call, found again in logs and events.
        progress: called as long work proceeds here, with what is done, how much there is in all
            (None: unknown) and a word for a person; a server does not call it.
    """

    idempotency_key: str | None = None
    deadline: timedelta | None = None
    reason: str | None = None
    dry_run: bool = False
    request_id: UUID | None = None
    progress: Progress | None = None

    def __post_init__(self) -> None:
        for name, longest in _LONGEST_TEXTS.items():
            text = getattr(self, name)
            if text is None:
                continue
            if not 1 <= len(text) <= longest:
                raise InvalidArguments(f"{name} has 1 to {longest:,} characters.", field=name, rule="length")
            check_plain(text, field=name)


class Transaction(Protocol):
    """What a body may do with the database: run named statements (see `database.queries`)."""

    async def fetch(
        self, sql: str, parameters: Mapping[str, Any], seals: tuple[str, ...] = ()
    ) -> Sequence[Mapping[str, Any]]:
        """Run one statement; its rows as mappings. `seals` names the encrypted fields among both."""
        ...

    async def fetch_many(self, sql: str, rows: Sequence[Mapping[str, Any]], seals: tuple[str, ...] = ()) -> int:
        """Run one statement once per set of parameters in one round trip; rows affected."""
        ...

    def follow_up(self) -> None:
        """Let a `single` read ask once more (for a near name, when it found nothing)."""
        ...

    def enter(self) -> None:
        """A nested write begins: what it does can be undone by itself."""
        ...

    async def leave(self, *, failed: bool) -> None:
        """The nested write ended; when it failed, nothing of it is kept."""
        ...


@dataclass(slots=True, kw_only=True)
class Context:
    """One call in progress.

    Attributes:
        owner: the runtime that runs it; a call through another one cannot join its transaction.
        single: its only statement commits, so it must write its own event.
        marks: what is known of the whole call, nested ones included: `secret` (a result that is shown
            once), `committing` (COMMIT is on its way, so its outcome may stay unknown), `snapshot` (all its
            statements see the database as the first of them did), `quiet` (nobody waits for what it wrote).
        turn: held by the nested call that runs; others of the same body wait for it.
        address: network address of the caller, where a server saw one.
        joined: operation, arguments and rows of each call that joined this one from outside of the tenant.
    """

    principal: Principal
    operation: str
    request_id: UUID = field(default_factory=uuid7)
    options: CallOptions = field(default_factory=CallOptions)
    transaction: Transaction | None = None
    prepared: Any = None
    cursor: Mapping[str, Any] | None = None
    parent: "Context | None" = None
    door: str = "sdk"
    address: str | None = None
    read_only: bool = False
    single: bool = False
    expires: float | None = None
    owner: object = None
    pending: list[PendingEvent] = field(default_factory=list)
    marks: set[str] = field(default_factory=set)
    turn: asyncio.Lock = field(default_factory=asyncio.Lock, repr=False)
    joined: list[tuple[Any, Mapping[str, Any], int | None]] = field(default_factory=list, repr=False)

    @property
    def tenant(self) -> UUID:
        """The tenant of this call."""
        return self.principal.tenant

    @property
    def actor(self) -> Actor:
        """Who acts."""
        return self.principal.actor

    @property
    def remaining(self) -> float | None:
        """Seconds until the deadline; None without one."""
        return None if self.expires is None else max(0.0, self.expires - time.monotonic())

    def progress(self, done: int, total: int | None, message: str) -> None:
        """Tell whoever waits how far the work is."""
        if self.options.progress is not None:
            self.options.progress(done, total, message)

    def record(
        self,
        payload: EventPayload,
        *,
        subject: UUID | None = None,
        subjects: Sequence[UUID] = (),
        before: Side = None,
        after: Side = None,
    ) -> None:
        """Append an event to the log, in this call's own transaction, when it commits.

        Args:
            payload: what happened; its class names the kind.
            subject: the one thing it happened to.
            subjects: the things a batch call touched, when there are several.
            before: the thing as it was, for the audit; see `changes_of` for what is kept of it.
            after: the thing as it is from now on.
        """
        if self.read_only:
            raise Internal(f"{self.operation} is declared a read and may not record {payload.kind}.")
        if self.transaction is None:
            raise Internal(f"{self.operation} records {payload.kind} outside of a transaction; nothing would keep it.")
        if self.single:
            raise Internal(f"{self.operation} is declared single; its statement must write {payload.kind} itself.")
        self.pending.append(
            PendingEvent(
                kind=payload.kind,
                version=payload.version,
                subject=subject,
                subjects=tuple(subjects),
                operation=self.operation,
                reason=self.options.reason,
                payload=payload.model_dump(mode="json"),
                changes=None if before is None and after is None else changes_of(before, after),
            )
        )

    def hush(self) -> None:
        """Wake nobody when this commits, unless it is part of a call that does more."""
        if self.parent is None or self.parent.transaction is None:
            self.marks.add("quiet")

    def envelope(self) -> dict[str, Any]:
        """What a statement needs to write its own event, as a `single` write must.

        Returns:
            Parameters `event_id`, `actor`, `actor_kind`, `actor_name`, `real_actor`, `operation`, `request` and
            `reason`; the statement knows kind, version, subject and payload.
        """
        real = self.principal.real_actor
        return {
            "event_id": uuid7(),
            "actor": self.actor.id,
            "actor_kind": self.actor.kind,
            "actor_name": self.actor.name,
            "real_actor": real.id if real else None,
            "operation": self.operation,
            "request": self.request_id,
            "reason": self.options.reason,
        }


_current: ContextVar[Context | None] = ContextVar("moothill_context", default=None)


def context() -> Context:
    """The context of the call that is running.

    Raises:
        Internal: no operation is running here.
    """
    found = _current.get()
    if found is None:
        raise Internal("No operation is running here; call it through a Moot.")
    return found


def current_context() -> Context | None:
    """The context of the call that is running, or None outside of any."""
    return _current.get()
