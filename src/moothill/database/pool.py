"""The one pool of a process, and transactions on it.

Sized 2 to 20 by default. A tenant may hold at most its share of it; callers beyond that wait, and
are told `exhausted` when the wait is too long. Behind a pooler that hides the backend, server-side
preparation is switched off.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
import psycopg
from psycopg import AsyncConnection
from psycopg.rows import DictRow, dict_row
from psycopg.types.json import JsonbDumper, set_json_loads
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from ..kernel.context import SYSTEM, CallOptions, Context, Principal
from ..kernel.errors import Conflict, Exhausted, MoothillError, Unavailable
from ..kernel.identifiers import NOBODY
from ..kernel.settings import Settings
from .address import DatabaseUnreachable, connection_string, unreachable
from .circuit import FAILURES, PROBE_SECONDS, Circuit
from .denials import OperationDenied
from .sealing.errors import TenantKeysChanged
from .sealing.fields import SEALED
from .sealing.ring import KeyRing
from .sealing.wrapping import key_encryption_from
from .sqlstate import SqlFailure, from_psycopg, translate
from .transaction import PooledTransaction
from .wire import Plans, Statement, Wire, WireConnection, compile_statement, is_stale_plan

__all__ = ["Database", "run_plain"]

_log = logging.getLogger("moothill.database")
_LARGEST_SKEW = 300.0
_RECONNECT_SECONDS = 5.0
_PROBE_TIMEOUT = timedelta(seconds=2)
MOST_GATES = 10_000
# A tenant that a session-level SET left on the connection, against all rules, is nobody's here.
_NO_TENANT = compile_statement("reset app.current_tenant")
_READ_ONLY = compile_statement("begin read only")
_COMMIT = compile_statement("commit")
_CONTEXT = compile_statement("select mt.set_context(%(tenant)s, %(actor)s, %(kind)s, %(milliseconds)s)")
_KEYS = compile_statement(
    "select number, wrapped, kek, state from tenant_keys where tenant_id = mt.tenant() order by number"
)


class PoolExhausted(Exhausted):
    """All database connections of this process are busy; try again in a moment."""

    http_status = 503


class TenantShareExhausted(Exhausted):
    """This tenant already uses its share of the database connections; try again in a moment."""

    http_status = 503


class ClockSkew(Unavailable):
    """This machine's clock is more than five minutes off the database's; set it before serving."""


class Database:
    """A pool with tenant context, health and statistics."""

    def __init__(self, dsn: str, settings: Settings, *, own_keks: Path | None = None) -> None:
        self.settings = settings
        self.ring = KeyRing(
            key_encryption_from(settings, own_keks), self._keys_of, seconds=settings.encryption_cache.total_seconds()
        )
        self._dsn = dsn
        self._pool: AsyncConnectionPool[WireConnection] | None = None
        self._gates: dict[UUID, asyncio.Semaphore] = {}
        self._share = max(1, int(settings.pool_max * settings.tenant_share))
        self._plans = Plans()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._sweeping: asyncio.Task[None] | None = None
        self.circuit = Circuit(self._answers, self._sweep)
        self.is_pooled_outside = False
        self.written: Callable[[UUID], None] | None = None

    async def open(self) -> None:
        """Open the pool after one connection proved that the server answers and the clocks agree.

        Raises:
            BadDsn: the DSN is none.
            DatabaseUnreachable: nobody answers.
            PoolExhausted: the server has no room for the smallest pool.
            ClockSkew: the clocks differ by more than five minutes.
        """
        self._loop = asyncio.get_running_loop()
        conninfo = connection_string(self._dsn, self.settings)
        try:
            async with await AsyncConnection.connect(conninfo, autocommit=True, row_factory=dict_row) as first:
                await self._inspect(first)
        except psycopg.OperationalError as error:
            _log.error("database_unreachable", extra={"detail": str(error).splitlines()[0]})
            raise unreachable(error) from None
        self._pool = AsyncConnectionPool(
            conninfo,
            connection_class=WireConnection,
            kwargs={
                "autocommit": True,
                "row_factory": dict_row,
                # The wire prepares; psycopg would deallocate everything after a ROLLBACK it sees.
                "prepare_threshold": None,
            },
            min_size=self.settings.pool_min,
            max_size=max(self.settings.pool_min, self.settings.pool_max),
            timeout=self.settings.connect_timeout.total_seconds(),
            max_idle=self.settings.idle_timeout.total_seconds(),
            max_lifetime=self.settings.max_lifetime.total_seconds(),
            # Its pauses double: after a longer one, nobody would get a connection to a server that is back.
            reconnect_timeout=_RECONNECT_SECONDS,
            configure=self._configure,
            # With a reset, a worker of the pool takes connections back: in the caller's task, a second
            # cancellation could interrupt that and lose the connection for good.
            reset=_nothing,
            open=False,
            name="moothill",
        )
        try:
            await self._pool.open(wait=True, timeout=self.settings.connect_timeout.total_seconds())
        except PoolTimeout:
            await self.close()
            raise PoolExhausted(retry_after=1) from None

    async def close(self) -> None:
        """Let running calls end, then close every connection."""
        await self.circuit.close()
        await self.ring.close()
        if self._sweeping is not None:
            self._sweeping.cancel()
            await asyncio.gather(self._sweeping, return_exceptions=True)
        if self._pool is not None:
            await self._pool.close(timeout=10)
            self._pool = None

    @asynccontextmanager
    async def connection(self, tenant: UUID | None = None) -> AsyncIterator[WireConnection]:
        """A connection of the pool, within the tenant's share of it."""
        if self._pool is None:
            raise Unavailable("The database is closed; use the Moot inside its `async with`.")
        if self._loop is not asyncio.get_running_loop():
            raise Conflict("This Moot was opened in another event loop; open one for each loop.")
        if self.circuit.is_open:
            raise DatabaseUnreachable(retry_after=PROBE_SECONDS)
        gate = self._gate(tenant)
        wait = self.settings.connect_timeout.total_seconds()
        if gate.locked():
            try:
                await asyncio.wait_for(gate.acquire(), wait)
            except TimeoutError:
                raise TenantShareExhausted(retry_after=1) from None
        else:
            await gate.acquire()
        try:
            async with self._pool.connection(timeout=wait) as connection:
                try:
                    yield connection
                finally:
                    if connection.closed:
                        self._sweep()
                        self.circuit.fail()
                    else:
                        self.circuit.succeed()
        except PoolTimeout:
            if await self._answers():
                raise PoolExhausted(retry_after=1) from None
            self.circuit.fail(FAILURES)
            raise DatabaseUnreachable(retry_after=1) from None
        finally:
            gate.release()

    def _sweep(self) -> None:
        """Look at every idle connection: where one is lost, the server may have gone, and all others with it."""
        if self._pool is not None and (self._sweeping is None or self._sweeping.done()):
            self._sweeping = asyncio.create_task(self._pool.check(), name="pool-sweep")

    async def _answers(self) -> bool:
        """Whether the server is there, however full it is. libpq's own ping would stop this whole process meanwhile."""
        conninfo = connection_string(self._dsn, self.settings, purpose="probe", timeout=_PROBE_TIMEOUT)
        try:
            async with await AsyncConnection.connect(conninfo, autocommit=True):
                return True
        except psycopg.OperationalError as error:
            # Whoever refuses us is there, but for one that starts or stops.
            return "FATAL" in str(error) and "the database system is" not in str(error)

    @asynccontextmanager
    async def begin(self, context: Context, *, single: bool) -> AsyncIterator[PooledTransaction]:
        """A transaction with tenant and actor set; rolled back unless finished."""
        # Before a connection is taken: reading keys takes one too, and callers would wait for each other.
        keys = await self.ring.of(context.tenant)
        async with self.connection(context.tenant) as connection:
            unit = PooledTransaction(
                connection,
                context,
                single=single,
                statement_timeout=self.settings.statement_timeout.total_seconds(),
                keys=keys,
                forget=lambda sought: self.ring.forget(context.tenant, sought),
            )
            try:
                yield unit
            except SqlFailure as failure:
                raise translate(failure, context.operation) from None
            finally:
                await unit.abandon()
                if unit.keys is not keys:
                    # It changed the keys; whoever asked meanwhile was told the old ones.
                    self.ring.forget(context.tenant)
        # Nobody waits for what the system does above all tenants (leases, cursors).
        if self.written is not None and unit.wrote and context.tenant != NOBODY:
            self.written(context.tenant)

    async def log_denial(self, context: Context, error: MoothillError) -> None:
        """Record a refusal in a transaction of its own."""
        call = Context(
            principal=context.principal,
            operation=context.operation,
            request_id=context.request_id,
            options=CallOptions(reason=context.options.reason),
        )
        rule, part = error.context.get("rule"), error.context.get("construct")
        denied = OperationDenied(operation=context.operation, code=error.code, rule=rule, part=part)
        for may_repeat in (True, False):
            try:
                async with self.begin(call, single=False) as unit:
                    call.transaction, call.pending = unit, []
                    call.record(denied)
                    return await unit.finish(call)
            except MoothillError as failure:
                if not (may_repeat and failure.context.get("retry")):
                    return _log.warning(
                        "denial_not_recorded", extra={"operation": context.operation, "code": failure.code}
                    )

    @asynccontextmanager
    async def system(self, tenant: UUID, slug: str = "") -> AsyncIterator[tuple[PooledTransaction, Context]]:
        """A transaction of the system itself in a tenant (worker, start-up); the caller finishes it."""
        principal = Principal(tenant=tenant, tenant_slug=slug, actor=SYSTEM, scopes=frozenset("*"))
        call = Context(principal=principal, operation="system", door="worker")
        async with self.begin(call, single=False) as unit:
            call.transaction = unit
            yield unit, call

    async def shown(self, tenant: UUID, table: str, row: Mapping[str, Any]) -> dict[str, Any]:
        """A row of a tenant's table, read above all tenants, with what is encrypted in it as it was."""
        sealed = SEALED[table]
        keys = await self.ring.of(tenant)
        identity = [row[name] for name in sealed.bound]
        try:
            opened = {name: keys.shown(sealed, name, identity, row[name]) for name in sealed.columns if name in row}
        except TenantKeysChanged as error:
            self.ring.forget(tenant, error.context.get("key"))
            raise
        return {**row, **opened}

    async def _keys_of(self, tenant: UUID) -> list[dict[str, Any]]:
        """The data keys of a tenant as they are stored, in a transaction of its own."""
        timeout = max(1, int(self.settings.statement_timeout.total_seconds() * 1000))
        context = {"tenant": tenant, "actor": NOBODY, "kind": "system", "milliseconds": timeout}
        async with self.connection(tenant) as connection:
            wire = connection.wire or Wire(connection)
            try:
                answers = await wire.trip([(_READ_ONLY, {}), (_CONTEXT, context), (_KEYS, {}), (_COMMIT, {})])
            except psycopg.Error as error:
                if not connection.closed:
                    await connection.rollback()
                raise translate(from_psycopg(error), "tenant_keys") from None
        return answers[2][0]

    def statistics(self) -> dict[str, int]:
        """The pool's counters, as psycopg_pool names them."""
        return {} if self._pool is None else {key: int(value) for key, value in self._pool.get_stats().items()}

    @property
    def dsn(self) -> str:
        """The DSN, secrets included: for connections that are not pooled, never for a log."""
        return self._dsn

    def _gate(self, tenant: UUID | None) -> asyncio.Semaphore:
        key = tenant or UUID(int=0)
        gate = self._gates.get(key)
        if gate is None:
            if len(self._gates) > MOST_GATES:
                self._gates = {kept: held for kept, held in self._gates.items() if held._value < self._share}
            gate = self._gates[key] = asyncio.Semaphore(self._share)
        return gate

    async def _inspect(self, connection: AsyncConnection[DictRow]) -> None:
        cursor = await connection.execute("select clock_timestamp() as now, pg_backend_pid() as pid")
        row = await cursor.fetchone()
        assert row is not None
        skew = abs((datetime.now(UTC) - row["now"]).total_seconds())
        if skew > _LARGEST_SKEW:
            raise ClockSkew(seconds=round(skew))
        self.is_pooled_outside = row["pid"] != connection.info.backend_pid

    async def _configure(self, connection: WireConnection) -> None:
        connection.adapters.register_dumper(dict, _Document)
        set_json_loads(orjson.loads, connection)
        connection.wire = Wire(connection, prepares=not self.is_pooled_outside, plans=self._plans)
        if not self.is_pooled_outside:
            # Behind a pooler it would reach other clients; there the time limit of a statement ends the wait.
            milliseconds = max(1, int(self.settings.lock_timeout.total_seconds() * 1000))
            await connection.execute("select set_config('lock_timeout', %s, false)", [f"{milliseconds}ms"])


async def _nothing(connection: WireConnection) -> None:
    """Tenant and actor are set inside transactions only, so nothing stays behind on a connection."""


class _Document(JsonbDumper):
    """Mappings as JSON; ids, moments and decimals in them as text."""

    @staticmethod
    def _dumps(value: Any) -> bytes:
        return orjson.dumps(value, default=str)


async def run_plain(
    connection: WireConnection, sql: str, parameters: Mapping[str, Any] | None = None
) -> list[dict[str, Any]]:
    """Run one statement outside of an operation and of any tenant, with our errors."""
    wire = connection.wire or Wire(connection)
    trip: list[tuple[Statement, Mapping[str, Any]]] = [(_NO_TENANT, {}), (compile_statement(sql), parameters or {})]
    try:
        try:
            (_, (rows, _)) = await wire.trip(trip)
        except psycopg.Error as error:
            # Outside of a transaction nothing stands in the way of preparing it anew.
            if not is_stale_plan(error):
                raise
            (_, (rows, _)) = await wire.trip(trip)
    except psycopg.Error as error:
        raise translate(from_psycopg(error), "statement") from None
    return rows
