"""One transaction: context and first statement in one round trip, events and COMMIT in one.

A `single` transaction sends COMMIT with its only statement too, so the whole call costs one round
trip. Tenant and actor are set inside the transaction by `mt.set_context`, which issues SET LOCAL.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from typing import Any
from uuid import UUID

import psycopg
from psycopg.pq import TransactionStatus

from ..kernel.context import Context
from ..kernel.errors import Conflict, Internal, OutcomeUnknown
from ..kernel.events import EVENT_KINDS, PendingEvent, dumps
from ..kernel.identifiers import uuid7
from ..kernel.local import Remembered
from .sealing.errors import TenantKeysChanged
from .sealing.fields import OPEN_EVENTS, SEALED
from .sealing.keys import TenantKeys
from .sealing.statements import open_rows, seal_parameters
from .sqlstate import KEYS_CHANGED, SqlFailure, TransactionFailed, from_psycopg, translate
from .wire import Statement, Wire, WireConnection, compile_statement

__all__ = ["PooledTransaction"]

_BEGIN = {True: compile_statement("begin read only"), False: compile_statement("begin")}
_SNAPSHOT = compile_statement("begin isolation level repeatable read read only")
_COMMIT = compile_statement("commit")
_ROLLBACK = compile_statement("rollback")
_CONTEXT = compile_statement("select mt.set_context(%(tenant)s, %(actor)s, %(kind)s, %(milliseconds)s)")
_EVENT = compile_statement("""
insert into events (tenant_id, id, kind, version, subject, subjects, actor, actor_kind, actor_name,
                    real_actor, operation, request, reason, payload, changes)
values (%(tenant)s, %(id)s, %(kind)s, %(version)s, %(subject)s, %(subjects)s, %(actor)s, %(actor_kind)s,
        %(actor_name)s, %(real_actor)s, %(operation)s, %(request)s, %(reason)s, %(payload)s::jsonb, %(changes)s::jsonb)
""")
_QUOTA = compile_statement("select quota_move('events', %(events)s::bigint)")
_CLAIM_KEY = """
insert into idempotency_keys (tenant_id, actor, operation, key, digest, claimed_at)
values (%(tenant)s, %(actor)s, %(operation)s, %(key)s, %(digest)s, now())
on conflict (tenant_id, actor, operation, key) do update
   set digest = excluded.digest, claimed_at = excluded.claimed_at, result = null
 where idempotency_keys.claimed_at < excluded.claimed_at - interval '24 hours'
returning true as claimed
"""
_READ_KEY = """
select actor, operation, key, digest, result
from idempotency_keys
where tenant_id = %(tenant)s and actor = %(actor)s and operation = %(operation)s and key = %(key)s
"""
_STORE_RESULT = """
update idempotency_keys
set result = %(result)s::jsonb
where tenant_id = %(tenant)s and actor = %(actor)s and operation = %(operation)s and key = %(key)s
"""
_RESULT = ("idempotency_keys.result",)


@lru_cache(maxsize=256)
def _savepoint(command: str, depth: int) -> Statement:
    return compile_statement(f"{command} nested_{depth}")


class TransactionOver(Conflict):
    """The transaction that this call would join has ended; await what you start inside of one before it ends."""


class PooledTransaction:
    """A transaction on a pooled connection; the executor opens, fills and finishes it."""

    __slots__ = (
        "_call",
        "_connection",
        "_depth",
        "_finished",
        "_forget",
        "_over",
        "_prelude",
        "_single",
        "_started",
        "_statement_timeout",
        "_wire",
        "keys",
    )

    def __init__(
        self,
        connection: WireConnection,
        call: Context,
        *,
        single: bool,
        statement_timeout: float,
        keys: TenantKeys | None = None,
        forget: Callable[[int | None], None] = lambda sought: None,
    ) -> None:
        self.keys = keys or TenantKeys(call.tenant)
        self._forget = forget
        self._connection = connection
        self._wire = connection.wire or Wire(connection)
        self._call = call
        self._single = single
        self._statement_timeout = statement_timeout
        self._started = False
        self._finished = False
        self._over = False
        # Savepoints travel with the next statement, so that they cost no round trip of their own.
        self._prelude: list[Statement] = []
        self._depth = 0

    @property
    def wrote(self) -> bool:
        """Whether it was committed and may have written what somebody waits for."""
        return self._finished and self._started and not self._call.read_only and "quiet" not in self._call.marks

    async def fetch(
        self, sql: str, parameters: Mapping[str, Any], seals: tuple[str, ...] = ()
    ) -> Sequence[Mapping[str, Any]]:
        """Run one statement, opening the transaction with the first."""
        if not seals:
            return await self._fetch(sql, parameters)
        rows = await self._fetch(sql, seal_parameters(self.keys, seals, parameters))
        try:
            open_rows(self.keys, seals, rows)
        except TenantKeysChanged as error:
            self._forget(error.context.get("key"))
            raise
        return rows

    def adopt(self, keys: TenantKeys) -> None:
        """Seal with other keys from here on, which this transaction itself has made."""
        self.keys = keys
        self._forget(None)

    async def _fetch(self, sql: str, parameters: Mapping[str, Any]) -> list[dict[str, Any]]:
        trip = [(compile_statement(sql), parameters)]
        if not self._single:
            return (await self._trip(trip))[0][0]
        if self._started:
            raise Internal(f"{self._call.operation} is declared single but ran a second statement.")
        self._commits()
        answers = await self._trip([*trip, (_COMMIT, {})])
        self._finished = True
        return answers[0][0]

    def enter(self) -> None:
        """A nested write begins: what it does can be undone by itself."""
        self._depth += 1
        self._prelude.append(_savepoint("savepoint", self._depth))

    async def leave(self, *, failed: bool) -> None:
        """The nested write ended; when it failed, nothing of it is kept."""
        began = _savepoint("savepoint", self._depth)
        release = _savepoint("release savepoint", self._depth)
        back = _savepoint("rollback to savepoint", self._depth)
        self._depth -= 1
        if began in self._prelude:
            # It sent no statement, so there is nothing to release or to undo.
            del self._prelude[self._prelude.index(began) :]
        elif not failed:
            self._prelude.append(release)
        elif not self._over and not self._connection.closed:
            self._prelude.clear()
            with suppress(psycopg.Error):
                await self._wire.trip([(back, {}), (release, {})])

    def follow_up(self) -> None:
        """Let a single read ask once more, in a transaction of its own; elsewhere there is nothing to let."""
        if self._single and self._call.read_only:
            self._started = self._finished = False

    async def fetch_many(self, sql: str, rows: Sequence[Mapping[str, Any]], seals: tuple[str, ...] = ()) -> int:
        """Run one statement for each set of parameters, in one round trip; how many rows were touched."""
        statement = compile_statement(sql)
        if seals:
            rows = [seal_parameters(self.keys, seals, row) for row in rows]
        return sum(count for _, count in await self._trip([(statement, row) for row in rows]))

    async def finish(self, context: Context) -> None:
        """Append the pending events and commit, together."""
        if self._finished:
            if context.pending:
                raise Internal(f"{context.operation} is declared single; its statement must write its own event.")
            return
        if not self._started and not context.pending:
            self._finished = True
            return
        if self._connection.pgconn.transaction_status == TransactionStatus.INERROR:
            # The server would answer this COMMIT with a rollback, and no error: the body passed over a failure.
            raise TransactionFailed()
        self._commits()
        events = [(_EVENT, self._event_values(context, event)) for event in context.pending]
        if counted := self._counted(context):
            events.insert(0, (_QUOTA, {"events": counted}))
        try:
            await self._trip([*events, (_COMMIT, {})])
        except SqlFailure as failure:
            if failure.sqlstate.startswith(("08", "57P")) and not self._call.read_only:
                raise OutcomeUnknown(operation=context.operation) from None
            raise translate(failure, "commit") from None
        self._finished = True

    def _counted(self, context: Context) -> int:
        """How many of the events a day's quota counts: never those beyond it, nor what the system does."""
        if context.actor.kind == "system":
            return 0
        return sum(not EVENT_KINDS[event.kind].beyond_quota for event in context.pending)

    def _commits(self) -> None:
        if not self._call.read_only:
            self._call.marks.add("committing")

    async def remember(self, key: str, digest: str) -> Remembered | None:
        """Claim an idempotency key; a concurrent claim waits here until the first call ends."""
        values = {**self._key_values(key), "digest": digest}
        try:
            if await self.fetch(_CLAIM_KEY, values):
                return None
            rows = await self.fetch(_READ_KEY, values, _RESULT)
        except SqlFailure as failure:
            raise translate(failure, "idempotency") from None
        return Remembered(rows[0]["digest"], rows[0]["result"])

    async def store_result(self, key: str, result: Any) -> None:
        """Keep the result for replays."""
        await self.fetch(_STORE_RESULT, {**self._key_values(key), "result": dumps(result)}, _RESULT)

    async def abandon(self) -> None:
        """Roll back whatever was not committed; nothing runs in this transaction any more."""
        self._over = True
        if self._connection.closed or self._connection.pgconn.transaction_status == TransactionStatus.IDLE:
            return
        try:
            await self._wire.trip([(_ROLLBACK, {})])
        except psycopg.Error:
            await self._connection.close()

    async def _trip(
        self, statements: Sequence[tuple[Statement, Mapping[str, Any]]]
    ) -> list[tuple[list[dict[str, Any]], int]]:
        if self._over or self._finished:
            # Its connection may serve another tenant by now.
            raise TransactionOver()
        opening: list[tuple[Statement, Mapping[str, Any]]] = []
        if not self._started:
            begin = _SNAPSHOT if "snapshot" in self._call.marks else _BEGIN[self._call.read_only]
            opening = [(begin, {}), (_CONTEXT, self._context_values())]
        opening += [(statement, {}) for statement in self._prelude]
        try:
            ready = self._wire.dump([*opening, *statements])
            # Only what can be sent opens the transaction: a value that cannot must not leave it half open.
            self._started = True
            self._prelude.clear()
            answers = await self._wire.send(ready)
        except psycopg.Error as error:
            failure = from_psycopg(error)
            if failure.sqlstate == KEYS_CHANGED:
                self._forget(None)
            raise failure from None
        return answers[len(opening) :]

    def _context_values(self) -> dict[str, Any]:
        call = self._call
        seconds = self._statement_timeout
        if (remaining := call.remaining) is not None:
            seconds = min(seconds, remaining)
        return {
            "tenant": call.tenant,
            "actor": call.actor.id,
            "kind": call.actor.kind,
            "milliseconds": max(1, int(seconds * 1000)),
        }

    def _key_values(self, key: str) -> dict[str, Any]:
        call = self._call
        return {"tenant": call.tenant, "actor": call.actor.id, "operation": call.operation, "key": key}

    def _event_values(self, call: Context, event: PendingEvent) -> dict[str, Any]:
        real = call.principal.real_actor
        id = uuid7()
        return {
            "tenant": call.tenant,
            "id": id,
            "kind": event.kind,
            "version": event.version,
            "subject": event.subject,
            "subjects": list(event.subjects) or None,
            "actor": call.actor.id,
            "actor_kind": call.actor.kind,
            "actor_name": call.actor.name,
            "real_actor": real.id if real else None,
            "operation": event.operation,
            "request": call.request_id,
            "reason": event.reason,
            "payload": self._logged("payload", id, event.payload, is_open=event.kind in OPEN_EVENTS),
            "changes": self._logged("changes", id, event.changes),
        }

    def _logged(self, column: str, id: UUID, value: Mapping[str, Any] | None, *, is_open: bool = False) -> Any:
        if value is None or is_open:
            return None if value is None else dumps(value)
        return self.keys.stored(SEALED["events"], column, [id], dumps(value).encode())
