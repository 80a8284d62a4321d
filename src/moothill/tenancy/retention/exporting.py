"""Everything of a tenant, as it is in one moment: pages of one transaction that sees one snapshot."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

from pydantic import BaseModel

from ...database.queries import Many, Queries
from ...database.sealing.errors import ValueShredded
from ...database.sealing.fields import SEALED
from ...database.transaction import PooledTransaction
from ...kernel.context import Context, context
from ...kernel.events import dumps
from ...kernel.local import LocalExecutor, entered
from ...kernel.retrying import retried
from ...kernel.service import Executor
from . import rules
from .models import Exported, ExportPiece, TableDigest

__all__ = ["snapshot"]

_ROWS = 1_000
# How sealed bytes begin, in the hexadecimal digits of JSON: `$sealed`, NUL, 1.
_SEALED_BYTES = "\\\\x247365616c65640001"
# A door may be ahead of a slow reader by a few hundred pieces.
_BYTES = 131_072


class _Table(BaseModel):
    relation: str
    rows: int


class _Line(BaseModel):
    line: str
    key: Mapping[str, Any]


class Sql(Queries):
    """Statements of the export."""

    file = "exporting.sql"
    tables: Many[_Table]
    page: Many[_Line]


sql = Sql()


@asynccontextmanager
async def snapshot(executor: Executor) -> AsyncIterator[AsyncIterator[ExportPiece]]:
    """The pieces of an export; the transaction that they come from ends with the block.

    That it was asked for is in the log before the first piece is given out.
    """
    assert isinstance(executor, LocalExecutor), "a body runs on a local executor"
    around = context()
    database = executor.runtime.database

    def calling(**more: Any) -> Context:
        return Context(
            principal=around.principal,
            operation=around.operation,
            request_id=around.request_id,
            options=around.options,
            door=around.door,
            address=around.address,
            owner=executor.runtime,
            **more,
        )

    looking = calling(read_only=True, marks={"snapshot"})

    async def note() -> None:
        noting = calling()
        async with database.begin(noting, single=False) as unit:
            noting.transaction = unit
            with entered(noting):
                noting.record(Exported(rows=sum(each.rows for each in await sql.tables())))
            await unit.finish(noting)

    # From here on this process has the tenant's keys of now: with older ones the entry would have been refused.
    await retried(note)
    async with database.begin(looking, single=False) as unit:
        looking.transaction = unit
        pieces = _pieces(looking)
        try:
            yield pieces
        finally:
            await pieces.aclose()  # type: ignore[attr-defined]  # it is a generator
            looking.transaction = None


async def _pieces(call: Context) -> AsyncIterator[ExportPiece]:
    # The context is current while a statement runs, not while somebody else works with a piece.
    with entered(call):
        tables = await sql.tables()
    total = sum(table.rows for table in tables)
    done = 0
    manifest: dict[str, TableDigest] = {}
    for table in tables:
        digest = rules.LineDigest()
        after: Mapping[str, Any] = {}
        while True:
            with entered(call):
                page = await sql.page(relation=table.relation, after=dumps(after), size=_ROWS, most_bytes=_BYTES)
            if not page:
                break
            lines = [_opened(call, table.relation, row.line) for row in page]
            digest.add(lines)
            done += len(lines)
            after = page[-1].key
            yield ExportPiece(table=table.relation, lines=lines, done=done, total=total)
        manifest[table.relation] = TableDigest(rows=digest.rows, sha256=digest.sha256)
    yield ExportPiece(table="", done=done, total=total, manifest=manifest)


def _opened(call: Context, relation: str, line: str) -> str:
    """A row as its tenant reads it: what is sealed in it comes out open, but for what was shredded."""
    sealed = SEALED.get(relation)
    if sealed is None or ("$sealed" not in line and _SEALED_BYTES not in line):
        return line
    assert isinstance(call.transaction, PooledTransaction)
    row = json.loads(line)
    identity = [row[name] for name in sealed.bound]
    for name, kind in sealed.columns.items():
        value = bytes.fromhex(row[name][2:]) if kind == "bytes" and row[name] else row[name]
        with suppress(ValueShredded):
            shown = call.transaction.keys.shown(sealed, name, identity, value)
            row[name] = "\\x" + shown.hex() if isinstance(shown, bytes) else shown
    return json.dumps(row, ensure_ascii=False)
