"""Going over what is stored already, so that it is sealed by the active key, or by none in a tenant that stopped.

Each row is changed by a conditional statement: one that somebody changed meanwhile is as it has to be, for the
database let nothing else in.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import orjson

from ..transaction import PooledTransaction
from .envelope import WORD, Sealed, escaped, read
from .errors import SealBroken, ValueShredded
from .fields import SealedTable
from .keys import TenantKeys

__all__ = ["Batch", "Count", "count", "last_key", "rewrite"]

_TYPES = {"json": "jsonb", "text": "text", "bytes": "bytea"}
MOST_COUNTED = 5_000
_SALT = 16


@dataclass(frozen=True, slots=True)
class Batch:
    """What one step did.

    Attributes:
        after: key of the last row that was looked at; None when there was no row left.
        changed: values that were rewritten.
        unreadable: values that were left, since nobody can read them any more.
    """

    after: list[str] | None
    changed: int = 0
    unreadable: int = 0


@dataclass(frozen=True, slots=True)
class Count:
    """Values of one field; of at most 5,000 rows."""

    field: str
    active: int
    other: int
    plain: int
    is_all: bool


async def last_key(unit: PooledTransaction, table: SealedTable) -> list[str] | None:
    """Key of the last row of a table: those that come behind it from now on are as they have to be."""
    order = ", ".join(f"{column} desc" for column in table.order)
    keys = ", ".join(f"{column}::text as key_{place}" for place, column in enumerate(table.order))
    sql = f"select {keys} from {table.name} where tenant_id = %(tenant)s order by {order} limit 1"  # noqa: S608
    rows = await unit.fetch(sql, {"tenant": unit.keys.tenant})
    return [*rows[0].values()] if rows else None


async def rewrite(
    unit: PooledTransaction, table: SealedTable, after: Sequence[str] | None, until: Sequence[str]
) -> Batch:
    """Bring the next rows of a table behind a key into the state that the tenant's keys ask for.

    Args:
        unit: the transaction of the step.
        table: what is gone over.
        after: key of the last row of the step before; None at first.
        until: key of the last row to look at.

    Raises:
        KeyEncryptionMissing: a key that some of them need cannot be had; nothing of the step is kept.
    """
    values: dict[str, Any] = {"tenant": unit.keys.tenant, "wanted": unit.keys.active, "size": table.batch}
    values |= {f"after_{place}": each for place, each in enumerate(after or ())}
    values |= {f"until_{place}": each for place, each in enumerate(until)}
    rows = await unit.fetch(_scan(table.name, _shape(table), after is None), values)
    if not rows:
        return Batch(None)
    changed = unreadable = 0
    for column in table.columns:
        changes: list[dict[str, Any]] = []
        for row in rows:
            if not row[f"unfit_{column}"]:
                continue
            try:
                changes.append(_change(unit.keys, table, column, row))
            except (ValueShredded, SealBroken):
                unreadable += 1
        if changes:
            changed += await unit.fetch_many(_put(table.name, _shape(table), column), changes)
    last = rows[-1]
    return Batch([last[f"key_{place}"] for place in range(len(table.order))], changed, unreadable)


async def count(unit: PooledTransaction, table: SealedTable) -> list[Count]:
    """How many values of each field are sealed, by the active key or another, and how many are plain."""
    found: list[Count] = []
    for column in table.columns:
        sql = (
            f"select count(*) filter (where s.key = %(active)s) as active, "  # noqa: S608  # names of our own
            f"count(*) filter (where s.key <> coalesce(%(active)s, 0)) as other, "
            f"count(*) filter (where s.key is null and s.is_full) as plain, count(*) < %(most)s as is_all "
            f"from (select mt.seal_key(t.{column}) as key, mt.is_unfit(t.{column}, 0) as is_full "
            f"from {table.name} t where t.tenant_id = %(tenant)s and t.{column} is not null"
            f"{_not_open(table.name, column)} limit %(most)s) s"
        )
        values = {"tenant": unit.keys.tenant, "active": unit.keys.active, "most": MOST_COUNTED}
        (row,) = await unit.fetch(sql, values)
        found.append(Count(field=f"{table.name}.{column}", **row))
    return found


Shape = tuple[tuple[tuple[str, str], ...], tuple[tuple[str, str], ...], tuple[str, ...]]


def _shape(table: SealedTable) -> Shape:
    return tuple(table.columns.items()), tuple(table.order.items()), table.bound


@lru_cache(maxsize=64)
def _scan(name: str, shape: Shape, is_first: bool) -> str:
    """The next rows in the order of their key: those with a value to rewrite, and the last one."""
    columns, order, bound = shape
    keys = ", ".join(f"t.{column}" for column, _ in order)
    places = ", ".join(f"%(after_{place})s::{kind}" for place, (_, kind) in enumerate(order))
    ends = ", ".join(f"%(until_{place})s::{kind}" for place, (_, kind) in enumerate(order))
    parts = [f"t.{column}::text as key_{place}" for place, (column, _) in enumerate(order)]
    parts += [f"t.{column} as bound_{place}" for place, column in enumerate(bound)]
    parts += [f"t.{column}{'::text' if kind == 'json' else ''} as was_{column}" for column, kind in columns]
    parts += [
        f"coalesce(mt.is_unfit(t.{column}, %(wanted)s::integer){_not_open(name, column)}, false) as unfit_{column}"
        for column, _ in columns
    ]
    unfit = " or ".join(f"r.unfit_{column}" for column, _ in columns)
    behind = f" and ({keys}) <= ({ends})" + ("" if is_first else f" and ({keys}) > ({places})")
    return (
        f"with raw as materialized (select {', '.join(parts)}, row_number() over (order by {keys}) as number "  # noqa: S608
        f"from {name} t where t.tenant_id = %(tenant)s{behind} order by {keys} limit %(size)s) "
        f"select * from raw r where {unfit} or r.number = (select max(number) from raw) order by r.number"
    )


@lru_cache(maxsize=64)
def _put(name: str, shape: Shape, column: str) -> str:
    columns, order, _ = shape
    kind = _TYPES[dict(columns)[column]]
    if name == "events":
        return (
            f"select done from gate_event_reseal(%(key_0)s::uuid, '{column}', %(was)s::jsonb, %(becomes)s::jsonb, "  # noqa: S608
            f"%(salt)s, %(plain)s) as done where done and %(tenant)s::uuid = mt.tenant()"
        )
    same = " and ".join(f"{each} = %(key_{place})s::{type}" for place, (each, type) in enumerate(order))
    return (
        f"update {name} set {column} = %(becomes)s::{kind} "  # noqa: S608
        f"where tenant_id = %(tenant)s and {same} and {column} = %(was)s::{kind}"
    )


def _not_open(name: str, column: str) -> str:
    return " and not mt.is_open_event(t.kind)" if (name, column) == ("events", "payload") else ""


def _change(keys: TenantKeys, table: SealedTable, column: str, row: Any) -> dict[str, Any]:
    kind = table.columns[column]
    was = row[f"was_{column}"]
    identity = [row[f"bound_{place}"] for place in range(len(table.bound))]
    found: Sealed | None = None
    if kind != "json":
        found = read(kind, was)
    elif was.startswith(f'{{"{WORD}"'):
        found = read(kind, orjson.loads(was))
    salt = secrets.token_bytes(_SALT) if table.is_log else b""
    if found is None:
        plain = was if kind == "bytes" else was.encode()
    elif found.number == 0:
        plain = orjson.dumps(found.content) if kind == "json" else found.content
        plain = plain.encode() if isinstance(plain, str) else plain
    else:
        plain, salt = keys.opened(table, column, identity, found)
    if keys.active is None:
        becomes = escaped(kind, plain)
    else:
        proof = found.proof if found is not None else None
        becomes = keys.sealed(table, column, identity, plain, salt=salt, proof=proof)
    change = {"tenant": keys.tenant, "was": was, "becomes": becomes}
    change |= {f"key_{place}": row[f"key_{place}"] for place in range(len(table.order))}
    if table.is_log:
        # The server is told no more than it needs for the proof: servers log what statements are given.
        opens = keys.active is None
        change |= {"salt": salt if opens or found is None else None, "plain": plain.decode() if opens else None}
    return change
