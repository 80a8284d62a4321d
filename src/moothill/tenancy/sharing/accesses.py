"""Writing down who came from outside: in the tenant that was accessed, before the caller gets an answer."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from ...kernel.context import Context
from ...kernel.identifiers import uuid7
from ...kernel.local import Transactions, entered
from ...kernel.operation import Operation
from ...kernel.paging import Page
from ...kernel.signature import canonical_arguments
from .models import AccessKind
from .statements import sql

__all__ = ["Accesses"]


@dataclass(frozen=True, slots=True)
class Accesses:
    """The access log of one database."""

    database: Transactions

    async def visited(
        self, call: Context, operation: Operation[Any, Any], arguments: Mapping[str, Any], result: Any = None
    ) -> None:
        """A key of one tenant was used in another: log its call there.

        Args:
            call: what was called; its principal says from where.
            operation: which operation.
            arguments: its arguments.
            result: what a read gives out.
        """
        assert call.principal.home is not None
        read = operation.effect == "read"
        await self.log(
            call,
            tenant=call.tenant,
            accessor=call.principal.home,
            kind="read" if read else "write",
            data_class=operation.group,
            operation=operation,
            arguments=arguments,
            rows=counted(result) if read else None,
        )

    async def log(
        self,
        call: Context,
        *,
        tenant: UUID,
        accessor: UUID,
        kind: AccessKind,
        data_class: str,
        operation: Operation[Any, Any],
        arguments: Mapping[str, Any],
        rows: int | None,
    ) -> None:
        """Write one entry into a tenant, in a transaction of its own.

        Raises:
            MoothillError: it could not be written; then the answer must not be given either.
        """
        principal = replace(call.principal, tenant=tenant, tenant_slug="", home=None)
        visit = Context(principal=principal, operation=operation.name, request_id=call.request_id, owner=call.owner)
        real = call.principal.real_actor
        async with self.database.begin(visit, single=True) as unit:
            visit.transaction = unit
            with entered(visit):
                await sql.log_access(
                    id=uuid7(),
                    accessor=accessor,
                    kind=kind,
                    data_class=data_class,
                    operation=operation.name,
                    digest=_digest(operation, arguments),
                    rows=rows,
                    who=call.actor.id,
                    who_kind=call.actor.kind,
                    who_name=call.actor.name,
                    real_actor=real.id if real else None,
                    address=call.address,
                    request=call.request_id,
                )


def counted(result: Any) -> int:
    """How many rows a result gives out."""
    if isinstance(result, Page):
        return len(result.items)
    hits = getattr(result, "hits", None)
    if isinstance(hits, list):
        return len(hits)
    if isinstance(result, list):
        return len(result)
    return int(result is not None)


def _digest(operation: Operation[Any, Any], arguments: Mapping[str, Any]) -> bytes:
    valid = operation.signature.validate(arguments)
    return hashlib.sha256(operation.name.encode() + b"\x00" + canonical_arguments(operation.signature, valid)).digest()
