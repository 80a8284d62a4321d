"""The local executor: validate, authorise, one transaction, the body, its events, commit.

Retries, idempotency, deadlines, rate limits, the per-tenant share of the pool, metrics and
tracing live here and nowhere else. What it needs of the database stands in `Transactions`.
"""

import asyncio
import hashlib
import random
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Protocol
from uuid import UUID

from . import errors
from .authority import authorise
from .context import CallOptions, Context, Principal, Transaction, _current
from .identifiers import uuid7
from .instruments import Instruments
from .nudges import Nudges
from .operation import Operation
from .service import REGISTRY, SERVICES, Service
from .signature import canonical_arguments
from .visits import Visits, counted

__all__ = ["RETRIES", "LocalExecutor", "Runtime", "Transactions", "Unit", "entered"]

RETRIES = 6


class DeadlineExceeded(errors.Unavailable):
    """The deadline passed before the call was done; nothing was changed."""


class IdempotencyConflict(errors.Conflict):
    """This idempotency key was used with other arguments; choose a new key."""


class AlreadyIssued(errors.Conflict):
    """This call already issued its secret, which is shown only once; revoke it and issue another."""


class ForeignTransaction(errors.Conflict):
    """Somebody else's transaction is open here, and a call through another Moot cannot join it; end it first."""


class Unit(Transaction, Protocol):
    """A transaction as the executor sees it."""

    async def finish(self, context: Context) -> None:
        """Append the pending events and commit, in one round trip; nothing to do when already committed."""
        ...

    async def remember(self, key: str, digest: str) -> "Remembered | None":
        """Claim an idempotency key, or tell what the first call with it left."""
        ...

    async def store_result(self, key: str, result: Any) -> None:
        """Keep the result for the key claimed in this transaction."""
        ...


@dataclass(frozen=True, slots=True)
class Remembered:
    """What the first call with an idempotency key left."""

    digest: str
    result: Any


class Transactions(Protocol):
    """What the executor needs of a database."""

    def begin(self, context: Context, *, single: bool) -> AbstractAsyncContextManager[Unit]:
        """A transaction with tenant and actor set; rolled back unless finished."""
        ...

    async def log_denial(self, context: Context, error: errors.MoothillError) -> None:
        """Record a refusal in a transaction of its own."""
        ...

    async def shown(self, tenant: UUID, table: str, row: Mapping[str, Any]) -> dict[str, Any]:
        """A row of a tenant's table, read above all tenants, with what is encrypted in it as it was."""
        ...


@dataclass(slots=True)
class Runtime:
    """What all local executors of a process share."""

    database: Transactions
    instruments: Instruments = field(default_factory=Instruments)
    providers: dict[str, Any] = field(default_factory=dict)
    listeners: list[Callable[[Context], None]] = field(default_factory=list)
    nudges: Nudges = field(default_factory=Nudges)
    visits: Visits | None = None

    def committed(self, call: Context) -> None:
        """Tell the listeners of this process what a call wrote; other processes hear a nudge."""
        if call.pending:
            self.nudges.committed(call)
            for listener in self.listeners:
                listener(call)


class LocalExecutor:
    """Runs operations in this process, for one principal."""

    def __init__(
        self, runtime: Runtime, principal: Principal, *, door: str = "sdk", address: str | None = None
    ) -> None:
        self.runtime = runtime
        self.principal = principal
        self.door = door
        self.address = address

    async def run(self, operation: Operation[Any, Any], arguments: Mapping[str, Any], options: CallOptions) -> Any:
        """Run one call; see the module docstring for the order of things."""
        around = _current.get()
        if around is not None and around.transaction is not None:
            return await self._run_nested(operation, arguments, options, around)
        if around is not None and around.read_only and operation.effect != "read" and around.owner is self.runtime:
            raise errors.Internal(f"{around.operation} is declared a read and may not call {operation.name}.")
        started = time.perf_counter()
        call = self._context(operation, options)
        call.parent = around
        outcome = "ok"
        try:
            async with _deadline(call):
                return await self._run_root(operation, arguments, call)
        except errors.MoothillError as error:
            outcome = error.code
            if isinstance(error, errors.Forbidden) and operation.effect != "read":
                await self.runtime.database.log_denial(call, error)
            raise
        except asyncio.CancelledError:
            outcome = "cancelled"
            raise
        except Exception:
            outcome = "internal"
            raise
        finally:
            self.runtime.instruments.called(operation, call, outcome, time.perf_counter() - started)

    async def iterate(
        self, operation: Operation[Any, Any], arguments: Mapping[str, Any], options: CallOptions
    ) -> AsyncIterator[Any]:
        """Run a stream: its body opens a short transaction per page by calling other operations."""
        around = _current.get()
        if around is not None and around.transaction is not None:
            raise errors.Invalid(f"{operation.name} is a stream and cannot join a transaction; iterate it outside.")
        call = self._context(operation, options)
        self.runtime.instruments.admit(call, operation)
        authorise(operation, call.principal)
        valid = operation.signature.validate(arguments)
        if call.principal.home is not None and self.runtime.visits is not None:
            await self.runtime.visits.visited(call, operation, arguments, None)
        iterator = operation.body(self.service_of(operation), **valid)
        try:
            while True:
                token = _current.set(call)
                try:
                    item = await anext(iterator)
                except StopAsyncIteration:
                    return
                finally:
                    _current.reset(token)
                yield item
        finally:
            await iterator.aclose()

    def service_of(self, operation: Operation[Any, Any]) -> Service:
        """The service that the operation belongs to, on this executor."""
        return SERVICES[operation.group](self)

    @asynccontextmanager
    async def transaction(self, options: CallOptions | None = None) -> AsyncIterator[None]:
        """Group calls in one transaction: every call inside joins it. Never retried: the block is yours."""
        if _current.get() is not None:
            raise errors.Conflict("A transaction is already open here; calls inside it join it.")
        call = Context(
            principal=self.principal,
            operation="transaction",
            options=options or CallOptions(),
            door=self.door,
            owner=self.runtime,
        )
        async with self.runtime.database.begin(call, single=False) as unit:
            call.transaction = unit
            token = _current.set(call)
            try:
                yield
            finally:
                _current.reset(token)
                call.transaction = None
                if call.joined:
                    await self._log_joined(call)
            await unit.finish(call)
        self.runtime.committed(call)

    def _context(self, operation: Operation[Any, Any], options: CallOptions) -> Context:
        expires = None if options.deadline is None else time.monotonic() + options.deadline.total_seconds()
        return Context(
            principal=self.principal,
            operation=operation.name,
            request_id=options.request_id or uuid7(),
            options=options,
            door=self.door,
            address=self.address,
            read_only=operation.effect == "read" or options.dry_run,
            expires=expires,
            owner=self.runtime,
        )

    async def _run_root(self, operation: Operation[Any, Any], arguments: Mapping[str, Any], call: Context) -> Any:
        if call.parent is None:
            # A page of a stream is no call of its own: a busy feed must not use up its reader's rate.
            self.runtime.instruments.admit(call, operation)
        authorise(operation, call.principal)
        valid = operation.signature.validate(arguments)
        if call.principal.home is None or call.parent is not None or self.runtime.visits is None:
            return await self._perform(operation, valid, call)
        return await self._visit(operation, arguments, valid, call, self.runtime.visits)

    async def _visit(
        self,
        operation: Operation[Any, Any],
        arguments: Mapping[str, Any],
        valid: dict[str, Any],
        call: Context,
        visits: Visits,
    ) -> Any:
        """A call from outside of the tenant: no write without its entry in the access log, and no answer either."""
        reads = operation.effect == "read" or call.options.dry_run
        if not reads:
            await visits.visited(call, operation, arguments, None)
        rows = 0
        try:
            result = await self._perform(operation, valid, call)
            rows = counted(result)
            return result
        finally:
            if reads:
                await visits.visited(call, operation, arguments, rows)
            await self._log_joined(call)

    async def _log_joined(self, call: Context) -> None:
        """Log what joined a transaction that came from outside: each call of a batch is one of its own."""
        assert self.runtime.visits is not None
        for operation, arguments, rows in call.joined:
            await self.runtime.visits.visited(call, operation, arguments, rows)

    async def _perform(self, operation: Operation[Any, Any], valid: dict[str, Any], call: Context) -> Any:
        service = self.service_of(operation)
        body = operation.body
        if call.options.dry_run:
            if operation.plan_body is None:
                raise errors.Invalid(f"{operation.name} destroys nothing, so it has no dry run.", field="dry_run")
            body = operation.plan_body
        elif operation.kind == "job":
            operation, valid = _enqueueing(operation, valid)
            service, body = self.service_of(operation), operation.body
        if call.options.idempotency_key is not None and operation.effect == "read":
            raise errors.Invalid(f"{operation.name} is a read and takes no idempotency key.", field="idempotency_key")
        if operation.prepare_body is not None and not call.options.dry_run:
            with entered(call):
                call.prepared = await operation.prepare_body(service, **valid)
        if operation.mode == "none":
            with entered(call):
                return await body(service, **valid)
        for attempt in range(RETRIES):
            # A task that an earlier attempt left behind holds that attempt's context, which is over.
            trying = replace(call, pending=[])
            try:
                return await self._attempt(operation, body, service, valid, trying)
            except errors.MoothillError as error:
                lost = error.context.get("lost") and operation.effect == "read" and attempt == 0
                if not (error.context.get("retry") or lost) or attempt == RETRIES - 1:
                    raise
                self.runtime.instruments.retried(operation)
            # Jitter keeps two losers of a deadlock from meeting again.
            await asyncio.sleep(random.uniform(0.25, 1.0) * 0.004 * 2**attempt)  # noqa: S311  # no secret
        raise AssertionError("the last attempt returns or raises")

    async def _attempt(
        self,
        operation: Operation[Any, Any],
        body: Any,
        service: Service,
        valid: dict[str, Any],
        call: Context,
    ) -> Any:
        # A plan writes nothing, so there is nothing to repeat.
        key = None if call.options.dry_run else call.options.idempotency_key
        single = call.single = operation.mode == "single" and key is None and not call.options.dry_run
        async with self.runtime.database.begin(call, single=single) as unit:
            if key is not None:
                digest = _digest(operation, valid)
                earlier = await unit.remember(key, digest)
                if earlier is not None:
                    return _replay(operation, earlier, digest)
            call.transaction = unit
            try:
                with entered(call):
                    result = await body(service, **valid)
                if key is not None:
                    secret = operation.signature.has_secret or "secret" in call.marks
                    kept = {"secret": True} if secret else {"result": operation.signature.dump(result)}
                    await unit.store_result(key, kept)
                await unit.finish(call)
            finally:
                call.transaction = None
        self.runtime.committed(call)
        return result

    async def _run_nested(
        self, operation: Operation[Any, Any], arguments: Mapping[str, Any], options: CallOptions, around: Context
    ) -> Any:
        if self.principal != around.principal or self.runtime is not around.owner:
            raise ForeignTransaction(operation=operation.name)
        authorise(operation, around.principal)
        if options.idempotency_key is not None:
            raise errors.Invalid(
                f"{operation.name} joins a transaction; an idempotency key belongs to the outermost call.",
                field="idempotency_key",
            )
        is_read = operation.effect == "read" or options.dry_run
        if around.read_only and not is_read:
            raise errors.Internal(f"{around.operation} is declared a read and may not call {operation.name}.")
        if operation.mode in ("none", "steps"):
            raise errors.Invalid(
                f"{operation.name} manages its own transactions and cannot join one; call it by itself.",
                operation=operation.name,
            )
        body = operation.body
        if options.dry_run:
            if operation.plan_body is None:
                raise errors.Invalid(f"{operation.name} destroys nothing, so it has no dry run.", field="dry_run")
            body = operation.plan_body
        valid = operation.signature.validate(arguments)
        service = self.service_of(operation)
        inner = replace(
            around,
            operation=operation.name,
            parent=around,
            prepared=None,
            single=False,
            turn=asyncio.Lock(),
            read_only=is_read,
            options=replace(around.options, reason=options.reason or around.options.reason),
            expires=_sooner(around.expires, options),
        )
        if operation.prepare_body is not None and not options.dry_run:
            # Inside somebody else's transaction there is no "before BEGIN"; the work is done here.
            inner.prepared = await operation.prepare_body(service, **valid)
        if operation.signature.has_secret:
            around.marks.add("secret")
        # Calls that a body starts at once take turns: what one of them undoes must be its own.
        async with _deadline(inner), around.turn:
            visited = around.principal.home is not None and self.runtime.visits is not None
            if not is_read:
                if visited:
                    around.joined.append((operation, arguments, None))
                return await self._undoable(body, service, valid, inner)
            rows = 0
            try:
                with entered(inner):
                    result = await body(service, **valid)
                rows = counted(result)
                return result
            finally:
                if visited:
                    around.joined.append((operation, arguments, rows))

    async def _undoable(self, body: Any, service: Service, valid: dict[str, Any], inner: Context) -> Any:
        """Run a nested write so that, when it fails and the body around it goes on, nothing of it is kept."""
        assert inner.transaction is not None
        before = len(inner.pending)
        inner.transaction.enter()
        try:
            with entered(inner):
                result = await body(service, **valid)
        except BaseException:
            del inner.pending[before:]
            await inner.transaction.leave(failed=True)
            raise
        await inner.transaction.leave(failed=False)
        return result


def _enqueueing(operation: Operation[Any, Any], valid: dict[str, Any]) -> tuple[Operation[Any, Any], dict[str, Any]]:
    """The operation that puts a job in the queue, and its arguments; whoever may do the job may queue it."""
    arguments = operation.signature.input_model.model_construct(**valid).model_dump(mode="json", warnings=False)
    return REGISTRY["jobs.enqueue"], {"operation": operation.name, "arguments": arguments}


def _digest(operation: Operation[Any, Any], valid: Mapping[str, Any]) -> str:
    canonical = canonical_arguments(operation.signature, valid)
    return hashlib.sha256(operation.name.encode() + b"\x00" + canonical).hexdigest()


def _replay(operation: Operation[Any, Any], earlier: Remembered, digest: str) -> Any:
    if earlier.digest != digest:
        raise IdempotencyConflict(operation=operation.name)
    if earlier.result is None or "secret" in earlier.result:
        raise AlreadyIssued(operation=operation.name)
    return operation.signature.output.validate_python(earlier.result["result"], strict=False)


def _sooner(expires: float | None, options: CallOptions) -> float | None:
    if options.deadline is None:
        return expires
    wanted = time.monotonic() + options.deadline.total_seconds()
    return wanted if expires is None else min(expires, wanted)


class entered:
    """Makes a context current for a block."""

    __slots__ = ("call", "token")

    def __init__(self, call: Context) -> None:
        self.call = call

    def __enter__(self) -> None:
        self.token = _current.set(self.call)

    def __exit__(self, *exception: object) -> None:
        _current.reset(self.token)


@asynccontextmanager
async def _deadline(call: Context) -> AsyncIterator[None]:
    if call.remaining is None:
        yield
        return
    limit = asyncio.timeout(call.remaining)
    try:
        async with limit:
            yield
    except TimeoutError:
        if not limit.expired():
            raise
        if "committing" in call.marks:
            raise errors.OutcomeUnknown(operation=call.operation) from None
        raise DeadlineExceeded(operation=call.operation) from None
