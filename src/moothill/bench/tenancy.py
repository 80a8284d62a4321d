"""`moothill bench tenancy`: what the tenant's transaction adds to a read.

The peer is the same operation in the same process, but in autocommit, without a tenant's context,
as a role that row security does not bind. Below it, the bare statement over our wire and over
psycopg: in autocommit, through its pipeline mode, and with one command per round trip.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import psycopg
from psycopg.rows import dict_row

from ..database.pool import Database
from ..database.wire import Wire, WireConnection, compile_statement
from ..kernel.context import Context
from ..kernel.local import LocalExecutor, Runtime
from ..moot import Moot
from . import limits, untrusted
from .report import Row, interleaved, median_milliseconds, percentile

__all__ = ["run"]

_SCALES = {"quick": (6, 100), "full": (25, 400)}
_READ = "select id, slug, name, status, version, created_at from tenants where id = %(tenant)s"
TARGET = 1.35


class _PlainUnit:
    """Statements in autocommit: no transaction, no context."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    async def fetch(
        self, sql: str, parameters: Mapping[str, Any], seals: tuple[str, ...] = ()
    ) -> Sequence[Mapping[str, Any]]:
        ((rows, _),) = await self._wire.trip([(compile_statement(sql), parameters)])
        return rows

    async def finish(self, context: Context) -> None:
        """Nothing is open."""


class _Untenanted(Database):
    """A database without tenancy, for the peer only."""

    @asynccontextmanager
    async def begin(self, context: Context, *, single: bool) -> AsyncIterator[Any]:
        async with self.connection(context.tenant) as connection:
            yield _PlainUnit(connection.wire or Wire(connection))


async def run(moot: Moot, *, scale: str, admin_dsn: str) -> list[Row]:
    """Measure on the connection of `moot`.

    Args:
        moot: a local one.
        scale: quick or full.
        admin_dsn: of a role that row security does not bind, for the peer.
    """
    session = moot.session
    assert session is not None
    assert isinstance(moot.executor, LocalExecutor)
    await moot.agents.register(agent_id="bench", name="Bench")
    unbound = _Untenanted(_with_path(admin_dsn), session.settings)
    await unbound.open()
    peer = Moot(LocalExecutor(Runtime(unbound), moot.executor.principal))
    rounds, each = _SCALES[scale]
    try:
        seconds = await interleaved(
            {
                "tenant": lambda: moot.agents.get(agent="bench"),
                "plain": lambda: peer.agents.get(agent="bench"),
            },
            rounds=rounds,
            each=each,
            what="a read with and without a tenant",
        )
        limited = await limits.run(moot, rounds=rounds, each=each)
        asked = await untrusted.run(moot, rounds=rounds, each=each)
        statements = await _statements(moot, admin_dsn, rounds, each)
    finally:
        await unbound.close()
    tenant, plain = (median_milliseconds(seconds[name]) for name in ("tenant", "plain"))
    beside = "the same operation in autocommit, without tenancy"
    return [
        Row("agents.get", "cost", tenant / plain, "x", TARGET, peer=beside, peer_value=1.0),
        Row("agents.get", "median", tenant, "ms", peer=beside, peer_value=plain),
        Row("agents.get", "p95", percentile(seconds["tenant"], 0.95) * 1000, "ms"),
        *limited,
        *asked,
        *statements,
    ]


async def _statements(moot: Moot, admin_dsn: str, rounds: int, each: int) -> list[Row]:
    """The bare statement, by several ways."""
    identity = await moot.keys.current()
    values = {"tenant": identity.tenant}
    context = {"tenant": identity.tenant, "actor": identity.actor_id, "kind": identity.actor_kind, "ms": 30_000}
    set_context = "select mt.set_context(%(tenant)s, %(actor)s, %(kind)s, %(ms)s)"
    nothing: dict[str, Any] = {}
    begin, setting = (compile_statement("begin read only"), nothing), (compile_statement(set_context), context)
    read, commit = (compile_statement(_READ), values), (compile_statement("commit"), nothing)
    async with (
        await WireConnection.connect(_with_path(admin_dsn), autocommit=True, row_factory=dict_row) as short,
        await psycopg.AsyncConnection.connect(
            _with_path(admin_dsn), autocommit=True, row_factory=dict_row, prepare_threshold=2
        ) as driver,
    ):
        wire = Wire(short)

        async def autocommit() -> None:
            await (await driver.execute(_READ, values)).fetchall()

        async def one_by_one() -> None:
            await driver.execute("begin read only")
            await driver.execute(set_context, context)
            await (await driver.execute(_READ, values)).fetchall()
            await driver.execute("commit")

        async def pipelined() -> None:
            async with driver.pipeline():
                await driver.execute("begin read only")
                await driver.execute(set_context, context)
                cursor = await driver.execute(_READ, values)
                await driver.execute("commit")
            await cursor.fetchall()

        seconds = await interleaved(
            {
                "psycopg, autocommit": autocommit,
                "our wire, autocommit": lambda: wire.trip([read]),
                "our wire, tenant's transaction": lambda: wire.trip([begin, setting, read, commit]),
                "psycopg's pipeline mode, tenant's transaction": pipelined,
                "psycopg, one command a trip, tenant's transaction": one_by_one,
            },
            rounds=rounds,
            each=each,
            what="the bare statement",
        )
    base = median_milliseconds(seconds["psycopg, autocommit"])
    return [
        Row(name, "median", median_milliseconds(each), "ms", peer="psycopg, autocommit", peer_value=base)
        for name, each in seconds.items()
    ]


def _with_path(dsn: str) -> str:
    return psycopg.conninfo.make_conninfo(dsn, options="-c search_path=moothill,public")
