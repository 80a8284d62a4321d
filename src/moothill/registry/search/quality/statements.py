"""The statements about quality, and transactions of their own for what asks many searches."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import cast
from uuid import UUID

from pydantic import BaseModel

from ....database.queries import Many, Maybe, One, Queries, Run
from ....database.sealing.keys import TenantKeys
from ....database.transaction import PooledTransaction
from ....kernel.context import context
from ....kernel.local import LocalExecutor, entered
from ....kernel.service import Executor
from .models import JudgedSet, Judgement, Verdict

__all__ = ["AskedQuery", "Said", "alone", "keys", "sql"]


class _Place(BaseModel):
    query_hash: bytes
    position: int | None


class _Item(BaseModel):
    reference: str
    id: UUID


class _Judged(BaseModel):
    id: UUID
    query_hash: bytes


class Said(BaseModel):
    """What one search said of one hit."""

    query_hash: bytes
    item_id: UUID
    session_id: UUID
    verdicts: list[Verdict]


class _Words(BaseModel):
    id: UUID
    query_hash: bytes
    query_text: str
    kinds: list[str] | None


class AskedQuery(BaseModel):
    """A judged query with its judgements, in three lists of one order."""

    id: UUID
    query_text: str
    kinds: list[str] | None
    items: list[UUID]
    grades: list[int]
    there: list[bool]


class _Size(BaseModel):
    queries: int
    judgements: int


class Sql(Queries):
    """Statements about quality."""

    session_of: Maybe[_Place]
    give: Maybe[bool]
    items: Many[_Item]
    judged: Many[_Judged]
    add_queries: Run
    put_judgements: Many[UUID]
    said: Many[Said]
    words: Many[_Words]
    page: Many[Judgement]
    to_ask: Many[AskedQuery]
    sets: Many[JudgedSet]
    count_set: One[_Size]
    forget: Many[UUID]


sql = Sql()


def keys() -> TenantKeys:
    """The keys of the tenant of the transaction that runs."""
    return cast(PooledTransaction, context().transaction).keys


@asynccontextmanager
async def alone(executor: Executor, *, read_only: bool = True) -> AsyncIterator[None]:
    """A short transaction of its own, in an operation that opens none."""
    assert isinstance(executor, LocalExecutor)
    call = replace(context(), transaction=None, pending=[], read_only=read_only)
    async with executor.runtime.database.begin(call, single=False) as unit:
        call.transaction = unit
        try:
            with entered(call):
                yield
            await unit.finish(call)
        finally:
            call.transaction = None
    executor.runtime.committed(call)
