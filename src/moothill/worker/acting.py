"""Transactions of the worker: as the system or as a job's actor, in one tenant or above all of them."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, TypeVar
from uuid import UUID

from ..kernel.context import EVERYTHING, SYSTEM, CallOptions, Context, Principal
from ..kernel.errors import MoothillError
from ..kernel.identifiers import NOBODY, uuid7
from ..kernel.local import LocalExecutor, Runtime, entered
from ..kernel.nudges import Nudges
from ..kernel.service import Service

__all__ = ["acting", "describe", "nudges_of", "preparing", "system"]

T = TypeVar("T")
_LONGEST_DESCRIPTION = 500


def system(tenant: UUID = NOBODY, slug: str = "") -> Principal:
    """The system itself, in a tenant or, without one, above all of them."""
    return Principal(tenant=tenant, tenant_slug=slug, actor=SYSTEM, scopes=EVERYTHING)


@asynccontextmanager
async def acting(
    runtime: Runtime,
    principal: Principal,
    operation: str,
    *,
    single: bool = False,
    cursor: Mapping[str, Any] | None = None,
    prepared: Any = None,
    request: UUID | None = None,
    reason: str | None = None,
) -> AsyncIterator[Context]:
    """A transaction around a block: committed with its events at the end, rolled back when it raises.

    Args:
        runtime: of this process.
        principal: who acts, in which tenant.
        operation: name for log, events and the database.
        single: the block runs exactly one statement, which is sent with BEGIN and COMMIT.
        cursor: the place that a step of a job finds in its context.
        prepared: what the step's preparation gave.
        request: id of the call that all this goes back to.
        reason: why, as that caller said.
    """
    call = _context(principal, operation, cursor, request, reason)
    call.prepared, call.owner = prepared, runtime
    async with runtime.database.begin(call, single=single) as unit:
        call.transaction = unit
        try:
            with entered(call):
                yield call
            await unit.finish(call)
        finally:
            call.transaction = None
    runtime.committed(call)


async def preparing(
    body: Callable[[], Awaitable[T]],
    principal: Principal,
    operation: str,
    *,
    cursor: Mapping[str, Any] | None = None,
    request: UUID | None = None,
    reason: str | None = None,
) -> T:
    """What the phase before a step's transaction gives; its arguments are those of `acting`."""
    with entered(_context(principal, operation, cursor, request, reason)):
        return await body()


def _context(
    principal: Principal, operation: str, cursor: Mapping[str, Any] | None, request: UUID | None, reason: str | None
) -> Context:
    return Context(
        principal=principal,
        operation=operation,
        request_id=request or uuid7(),
        options=CallOptions(reason=reason),
        door="worker",
        cursor=cursor,
    )


def nudges_of(service: Service) -> Nudges:
    """The nudges of the process in which a service's body runs."""
    assert isinstance(service.executor, LocalExecutor), "a body runs on a local executor"
    return service.executor.runtime.nudges


def describe(error: BaseException) -> str:
    """An error in one line, for people."""
    text = f"{type(error).__name__}: {error}"
    if isinstance(error, MoothillError):
        text = f"{error.code}: {error.message}"
    # The text may be anybody's, and it will be stored: what PostgreSQL cannot hold is left out.
    storable = text.replace("\x00", "").encode("utf-8", "replace").decode()
    return " ".join(storable.split())[:_LONGEST_DESCRIPTION]
