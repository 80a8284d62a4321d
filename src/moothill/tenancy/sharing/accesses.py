"""Writing down who came from outside: in the tenant that was accessed, before the caller gets an answer."""

import hashlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from ...kernel.context import Context
from ...kernel.identifiers import uuid7
from ...kernel.local import Transactions, entered
from ...kernel.operation import Operation
from ...kernel.signature import canonical_arguments
from .models import AccessKind
from .statements import sql

__all__ = ["Accesses", "Visit"]


@dataclass(frozen=True, slots=True)
class Visit:
    """One access from outside.

    Attributes:
        accessor: the tenant that the accessor belongs to.
        rows: how many were given out; None where that is not known, as for a write or a stream.
    """

    accessor: UUID
    kind: AccessKind
    data_class: str
    operation: Operation[Any, Any]
    arguments: Mapping[str, Any]
    rows: int | None


@dataclass(frozen=True, slots=True)
class Accesses:
    """The access log of one database."""

    database: Transactions

    async def visited(
        self, call: Context, operation: Operation[Any, Any], arguments: Mapping[str, Any], rows: int | None
    ) -> None:
        """A key of one tenant was used in another: log its call there.

        Args:
            call: what was called; its principal says from where.
            operation: which operation.
            arguments: its arguments.
            rows: how many a read gave out.

        Raises:
            MoothillError: it could not be written; then the answer must not be given either.
        """
        assert call.principal.home is not None
        kind: AccessKind = "read" if operation.effect == "read" or call.options.dry_run else "write"
        visit = Visit(call.principal.home, kind, operation.group, operation, arguments, rows)
        async with self._inside(call):
            await sql.log_access(**_values(call, visit))

    async def log_shared(self, call: Context, visit: Visit, grant: UUID) -> bool:
        """Log a read by a grant, if the grant still holds; false when it does not, and nothing may be given out.

        Args:
            call: its principal is in the owner's tenant.
            visit: what was read.
            grant: by which grant.

        Raises:
            MoothillError: it could not be written; then the answer must not be given either.
        """
        async with self._inside(call):
            return await sql.log_shared(**_values(call, visit), grant=grant) is not None

    @asynccontextmanager
    async def _inside(self, call: Context) -> AsyncIterator[None]:
        """A transaction of its own in the tenant that is accessed."""
        principal = replace(call.principal, home=None)
        own = Context(principal=principal, operation=call.operation, request_id=call.request_id, owner=call.owner)
        async with self.database.begin(own, single=True) as unit:
            own.transaction = unit
            with entered(own):
                yield


def _values(call: Context, visit: Visit) -> dict[str, Any]:
    real = call.principal.real_actor
    signature = visit.operation.signature
    said = visit.operation.name.encode() + b"\x00" + canonical_arguments(signature, signature.validate(visit.arguments))
    return {
        "id": uuid7(),
        "accessor": visit.accessor,
        "kind": visit.kind,
        "data_class": visit.data_class,
        "operation": visit.operation.name,
        "digest": hashlib.sha256(said).digest(),
        "rows": visit.rows,
        "who": call.actor.id,
        "who_kind": call.actor.kind,
        "who_name": call.actor.name,
        "real_actor": real.id if real else None,
        "address": call.address,
        "request": call.request_id,
    }
