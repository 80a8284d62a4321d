"""SQL that agents wrote, run by a role that can prove one tenant and read little.

One trip for a statement, on a connection of moothill_sql: BEGIN, a grant, the statement, COMMIT. The grant names
the tenant, is signed here with a key that the database gave to this process, and travels as a parameter, so
that no statement sees it. The database makes the token of that one transaction of it, which the policies believe.
Whoever holds the application's connection may enter any tenant anyhow: the key adds nothing to what it can do.

A statement that is new, or was priced more than a minute ago, is described and priced first, in a trip of its
own. The price is that of the plan for any values of its parameters, which is the plan that runs.

The statement comes from `tenancy.untrusted`, which wrote it anew from what it had checked. What stands here
holds though that check were passed by: the role, its limits, and row security that believes a token only.
"""

import asyncio
import hashlib
import hmac
import logging
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeVar
from uuid import UUID

import psycopg
from psycopg import AsyncConnection
from psycopg.pq import TransactionStatus
from psycopg.pq.abc import PGresult
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from ..kernel.context import Context
from ..kernel.errors import Conflict, Exhausted, Invalid, MoothillError, Unavailable
from .address import connection_string, unreachable
from .control import make_context_key
from .pool import Database
from .roles import UNTRUSTED
from .sqlstate import ConnectionLost, from_psycopg, translate
from .wire import Statement, Wire, WireConnection, compile_statement

__all__ = ["TENANT", "Answer", "Question", "UntrustedSql"]

K = TypeVar("K")
V = TypeVar("V")

_log = logging.getLogger("moothill.database")
# Stands for the tenant in a checked statement: a character that no text, name or number can hold.
TENANT = "\x00"
_BEGIN = compile_statement("begin read only")
_LIMIT = compile_statement("select set_config('statement_timeout', %(milliseconds)s::text, true)")
_DESCRIBE = compile_statement("fetch 0 from answer")
_CLOSE = compile_statement("close answer")
_PRICE = compile_statement("select moothill.sql_price(%(statement)s) as cost")
_ENTER = compile_statement("select moothill.sql_enter(%(grant)s, %(milliseconds)s) as tenant")
_COMMIT = compile_statement("commit")
_ROLLBACK = compile_statement("rollback")
_FORGET = compile_statement("deallocate all")
# No name of an agent begins with pg_, so nothing in the statement can be taken for this one.
_ROWS = ("select moothill.sql_line(pg_answer, {bytes}) as line from (", ") as pg_answer limit {rows}")
_PRICED_SECONDS = 60.0
_MOST_KNOWN = 512
# Statements prepared on one connection; beyond that all of them are given up.
_MOST_PREPARED = 64
# A grant outlives the statement that it lets in by this; its token is looked at when that begins.
_MARGIN_SECONDS = 10
# A key is renewed this long before it ends: longer than any grant lives.
_RENEWED_SECONDS = 600
_LONGEST_MESSAGE = 300


class SqlNotConfigured(Conflict):
    """Agents cannot ask in SQL here: no DSN of moothill_sql is set; make the role, then set MOOTHILL_SQL_DSN."""


class WrongSqlRole(Conflict):
    """The DSN for SQL of agents does not log in as moothill_sql, the one role that may run it."""


class SqlBusy(Exhausted):
    """All connections for SQL of agents are busy; try again in a moment."""

    http_status = 503


class SqlMistaken(Invalid):
    """The database found a mistake in this statement."""


class SqlTooCostly(Invalid):
    """This statement would cost more than is allowed; narrow it with WHERE, or join fewer rows."""


class SqlTooSlow(Invalid):
    """This statement ran for longer than is allowed and was ended; narrow it with WHERE, or ask for less."""


class SqlTooLarge(Invalid):
    """This statement needs more memory or room than is allowed; ask for fewer rows or shorter values."""


class ContextNotProved(Unavailable):
    """The tenant of this statement was not proved, so it saw no row; try again."""


@dataclass(frozen=True, slots=True)
class Question:
    """A checked statement.

    Attributes:
        text: with `$1`, `$2` and so on, and with `TENANT` wherever the tenant stands.
        values: of the parameters, in the order of their numbers.
    """

    text: str
    values: Sequence[Any]

    def priced(self, tenant: UUID) -> tuple[Statement, Mapping[str, Any]]:
        """The question what it costs, in this tenant and for any values."""
        return _PRICE, {"statement": self._within(tenant)}

    def described(self, tenant: UUID) -> tuple[Statement, Mapping[str, Any]]:
        """A cursor on it, which tells its columns before anything runs."""
        values = {f"p{number}": value for number, value in enumerate(self.values, 1)}
        text = f"declare answer no scroll cursor for {self._within(tenant)}"
        return Statement(text.encode(), tuple(values), is_kept=False), values

    def run(self, tenant: UUID, rows: int, most_bytes: int) -> tuple[Statement, Mapping[str, Any]]:
        """It, within limits, a row as one JSON object."""
        values = {f"p{number}": value for number, value in enumerate(self.values, 1)}
        values.update(tenant=tenant, rows=rows + 1, bytes=most_bytes)
        return _limited(self.text, len(self.values)), values

    def _within(self, tenant: UUID) -> str:
        return self.text.replace(TENANT, f"cast('{tenant}' as pg_catalog.uuid)")


@lru_cache(maxsize=_MOST_KNOWN)
def _limited(text: str, parameters: int) -> Statement:
    names = [f"p{number}" for number in range(1, parameters + 1)]
    if TENANT in text:
        names.append("tenant")
        text = text.replace(TENANT, f"${len(names)}")
    names += ["rows", "bytes"]
    before, after = (part.format(rows=f"${len(names) - 1}", bytes=f"${len(names)}") for part in _ROWS)
    return Statement(f"{before}{text}{after}".encode(), tuple(names))


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a statement.

    Attributes:
        columns: name and type of each, in order; names may repeat.
        lines: rows as JSON objects, in order, their members in the order of the columns.
        is_cut: there are more rows.
        cost: what the planner thinks it costs, in its own unit.
        seconds: time in the database, the ways there and back included.
    """

    columns: Sequence[tuple[str, str]]
    lines: Sequence[str]
    is_cut: bool
    cost: float
    seconds: float


@dataclass(frozen=True, slots=True)
class _Key:
    """A key of this process.

    Attributes:
        until: when it is renewed, by our monotonic clock.
        ahead: how far the database's clock is ahead of that one, in seconds.
    """

    number: int
    secret: bytes
    until: float
    ahead: float


class _Recent(OrderedDict[K, V]):
    """The last few hundred."""

    def keep(self, key: K, value: V) -> V:
        self[key] = value
        if len(self) > _MOST_KNOWN:
            self.popitem(last=False)
        return value


class UntrustedSql:
    """The small pool of moothill_sql; opened by the first statement.

    Args:
        database: gives the key for the tokens.
        dsn: of moothill_sql, on the same database; without one every statement is answered by how to set it.
    """

    def __init__(self, database: Database, dsn: str | None) -> None:
        self._database = database
        self._dsn = dsn
        self._settings = database.settings
        self._pool: AsyncConnectionPool[WireConnection] | None = None
        self._opening = asyncio.Lock()
        self._renewing = asyncio.Lock()
        self._prepares = True
        self._key: _Key | None = None
        self._share = max(1, int(self._settings.sql_pool_max * self._settings.tenant_share))
        self._running: dict[UUID, asyncio.Semaphore] = {}
        self._columns: _Recent[str, list[tuple[str, str]]] = _Recent()
        self._prices: _Recent[tuple[UUID, str], tuple[float, float]] = _Recent()

    async def close(self) -> None:
        """Let running statements end and close every connection."""
        pool, self._pool = self._pool, None
        if pool is not None:
            await pool.close(timeout=10)

    async def run(self, call: Context, question: Question, *, rows: int) -> Answer:
        """Run a statement in the tenant of a call.

        Args:
            call: whose tenant and actor are proved.
            question: what was checked; nothing else may come here.
            rows: how many are wanted at most.

        Raises:
            SqlNotConfigured, WrongSqlRole: it cannot be run here.
            SqlMistaken: the database found a mistake; what it said is in the message.
            SqlTooCostly, SqlTooSlow, SqlTooLarge: beyond a limit.
            SqlBusy: no connection came free in time.
            ContextNotProved: the grant was not believed.
        """
        try:
            return await self._tried(call, question, rows)
        except (ConnectionLost, ContextNotProved):
            # The server may have been restarted, or restored from a backup that does not know our key: a read may
            # be tried again, with a new key and past the connections that are gone.
            self._key = None
            if self._pool is not None:
                await self._pool.check()
            return await self._tried(call, question, rows)

    async def _tried(self, call: Context, question: Question, rows: int) -> Answer:
        seconds = self._settings.sql_timeout.total_seconds()
        if call.remaining is not None:
            seconds = min(seconds, call.remaining)
        async with self._connection(call.tenant) as connection:
            try:
                return await self._asked(connection, call, question, rows, seconds)
            except psycopg.Error as error:
                raise self._explained(error, call, seconds) from None
            finally:
                await _end(connection)

    async def _asked(
        self, connection: WireConnection, call: Context, question: Question, rows: int, seconds: float
    ) -> Answer:
        wire, began = connection.wire, time.perf_counter()
        assert wire is not None
        milliseconds = max(1, int(seconds * 1000))
        columns, cost = await self._known(wire, call.tenant, question, milliseconds)
        if cost > self._settings.sql_cost:
            raise SqlTooCostly(
                f"The planner expects this statement to cost {cost:,.0f}, and {self._settings.sql_cost:,.0f} is "
                "allowed. Narrow it with WHERE, or join fewer rows; every join needs a condition.",
                cost=cost,
                limit=self._settings.sql_cost,
            )
        _, (proved, _), (lines, _), _ = await wire.trip(
            [
                (_BEGIN, {}),
                (_ENTER, {"grant": await self._grant(call, seconds), "milliseconds": milliseconds}),
                question.run(call.tenant, rows, self._settings.sql_bytes),
                (_COMMIT, {}),
            ]
        )
        if proved[0]["tenant"] != call.tenant:
            _log.error("context_not_proved", extra={"operation": call.operation, "tenant": str(call.tenant)})
            raise ContextNotProved()
        return Answer(
            columns=columns,
            lines=[row["line"] for row in lines[:rows]],
            is_cut=len(lines) > rows,
            cost=cost,
            seconds=time.perf_counter() - began,
        )

    async def _known(
        self, wire: Wire, tenant: UUID, question: Question, milliseconds: int
    ) -> tuple[list[tuple[str, str]], float]:
        """The columns of a statement and its price, asked for where they are not known; no tenant is entered for it."""
        columns = self._columns.get(question.text)
        cost, until = self._prices.get((tenant, question.text), (0.0, 0.0))
        if columns is not None and until > time.monotonic():
            return columns, cost
        if wire.kept > _MOST_PREPARED:
            wire.forget()
            await wire.trip([(_FORGET, {})])
        results = await wire.results(
            wire.dump(
                [
                    (_BEGIN, {}),
                    (_LIMIT, {"milliseconds": milliseconds}),
                    question.described(tenant),
                    (_DESCRIBE, {}),
                    (_CLOSE, {}),
                    question.priced(tenant),
                    (_COMMIT, {}),
                ]
            )
        )
        cost = wire.read(results[5])[0][0]["cost"]
        self._prices.keep((tenant, question.text), (cost, time.monotonic() + _PRICED_SECONDS))
        return self._columns.keep(question.text, _columns(wire.connection, results[3])), cost

    async def _grant(self, call: Context, seconds: float) -> str:
        """What lets a transaction into the tenant of a call, for as long as its statement may take."""
        key = self._key
        if key is None or key.until < time.monotonic():
            key = await self._renewed()
        expiry = int(time.monotonic() + key.ahead + seconds) + _MARGIN_SECONDS
        said = f"{key.number}.{call.tenant}.{call.actor.id}.{expiry}"
        return f"{said}.{hmac.new(key.secret, b'grant.' + said.encode(), hashlib.sha256).hexdigest()}"

    async def _renewed(self) -> _Key:
        async with self._renewing:
            if self._key is None or self._key.until < time.monotonic():
                asked = time.monotonic()
                made = await make_context_key(self._database)
                until = asked + made["seconds"] - _RENEWED_SECONDS
                # Not later than it is there: a grant must not outlive what it says.
                ahead = made["moment"] - time.monotonic()
                self._key = _Key(made["number"], bytes(made["secret"]), until, ahead)
            return self._key

    def _explained(self, error: psycopg.Error, call: Context, seconds: float) -> MoothillError:
        """What a failure means to whoever wrote the statement: the server's first line, never its details."""
        failure = from_psycopg(error)
        state = failure.sqlstate
        if state == "57014":
            return SqlTooSlow(
                f"This statement ran for longer than the {seconds:g} s that it may take, and was ended; "
                "narrow it with WHERE, or ask for less.",
                seconds=seconds,
            )
        if state.startswith(("53", "54")) and state != "53300":
            return SqlTooLarge(
                f"This statement needs more room than is allowed (an answer has at most {self._settings.sql_bytes:,} "
                "bytes); ask for fewer rows or columns, or for shorter values.",
                limit=self._settings.sql_bytes,
            )
        if state.startswith(("21", "22", "42")) and state != "42501":
            said = " ".join(failure.primary.split())[:_LONGEST_MESSAGE].removesuffix(".")
            hint = " `sql.schema` lists what can be asked." if state.startswith("42") else ""
            return SqlMistaken(f"The database found a mistake: {said}.{hint}")
        return translate(failure, call.operation)

    @asynccontextmanager
    async def _connection(self, tenant: UUID) -> AsyncIterator[WireConnection]:
        """A connection, of which a tenant may hold its share at a time."""
        pool = self._pool or await self._opened()
        turn = self._running.get(tenant)
        if turn is None:
            turn = self._running[tenant] = asyncio.Semaphore(self._share)
        patience = self._settings.connect_timeout.total_seconds()
        if turn.locked():
            try:
                await asyncio.wait_for(turn.acquire(), patience)
            except TimeoutError:
                raise SqlBusy(retry_after=1) from None
        else:
            await turn.acquire()
        try:
            async with pool.connection(timeout=patience) as connection:
                yield connection
        except PoolTimeout:
            raise SqlBusy(retry_after=1) from None
        finally:
            turn.release()
            if len(self._running) > _MOST_KNOWN:
                self._running = {kept: held for kept, held in self._running.items() if held._value < self._share}

    async def _opened(self) -> AsyncConnectionPool[WireConnection]:
        if self._dsn is None:
            raise SqlNotConfigured(
                "Agents cannot ask in SQL here: no DSN of the role moothill_sql is set. `moothill db roles` makes the "
                "role; give it a password and set MOOTHILL_SQL_DSN (or sql_dsn)."
            )
        async with self._opening:
            if self._pool is None:
                conninfo = connection_string(self._dsn, self._settings, purpose="sql")
                await self._look(conninfo)
                pool = AsyncConnectionPool(
                    conninfo,
                    connection_class=WireConnection,
                    kwargs={"autocommit": True, "row_factory": dict_row, "prepare_threshold": None},
                    min_size=0,
                    max_size=self._settings.sql_pool_max,
                    timeout=self._settings.connect_timeout.total_seconds(),
                    max_idle=self._settings.idle_timeout.total_seconds(),
                    max_lifetime=self._settings.max_lifetime.total_seconds(),
                    configure=self._configure,
                    open=False,
                    name="moothill-sql",
                )
                await pool.open()
                self._pool = pool
            return self._pool

    async def _look(self, conninfo: str) -> None:
        """See once that the DSN leads to the right role, which reads text as we write it."""
        try:
            async with await AsyncConnection.connect(conninfo, autocommit=True, row_factory=dict_row) as first:
                cursor = await first.execute(
                    "select session_user::text as role, pg_backend_pid() as pid, "
                    "current_setting('standard_conforming_strings') = 'on' "
                    "and current_setting('search_path') = 'pg_catalog' as fit"
                )
                found = await cursor.fetchone()
                assert found is not None
                self._prepares = found["pid"] == first.info.backend_pid
        except psycopg.OperationalError as error:
            raise unreachable(error) from None
        if found["role"] != UNTRUSTED:
            raise WrongSqlRole(
                f"The DSN for SQL of agents logs in as {found['role']}; only {UNTRUSTED} may run it. "
                "Change MOOTHILL_SQL_DSN."
            )
        if not found["fit"]:
            raise WrongSqlRole(f"The role {UNTRUSTED} has lost its settings; run `moothill db roles` once more.")

    async def _configure(self, connection: WireConnection) -> None:
        connection.wire = Wire(connection, prepares=self._prepares)


def _columns(connection: WireConnection, described: PGresult) -> list[tuple[str, str]]:
    return [
        ((described.fname(place) or b"").decode(), _type_name(connection, described.ftype(place)))
        for place in range(described.nfields)
    ]


def _type_name(connection: WireConnection, oid: int) -> str:
    known = connection.adapters.types.get(oid)
    if known is None:
        return "other"
    return f"{known.name}[]" if oid == known.array_oid else known.name


async def _end(connection: WireConnection) -> None:
    """Leave no transaction open behind a statement that failed."""
    if connection.closed or connection.pgconn.transaction_status == TransactionStatus.IDLE:
        return
    wire = connection.wire
    assert wire is not None
    with suppress(psycopg.Error):
        await wire.trip([(_ROLLBACK, {})])
        return
    await connection.close()
