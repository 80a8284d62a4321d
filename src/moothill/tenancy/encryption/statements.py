"""The statements of encryption, and the way to what a transaction knows of its tenant's keys."""

from typing import cast

from ...database.pool import Database
from ...database.queries import Many, Maybe, One, Queries
from ...database.transaction import PooledTransaction
from ...kernel.context import context
from ...kernel.local import LocalExecutor
from ...kernel.service import Executor
from .models import KeyRow, StaleKey

__all__ = ["database_of", "sql", "unit"]


class Sql(Queries):
    """Statements of this subsystem."""

    keys: Many[KeyRow]
    active: Maybe[int]
    retire: Maybe[int]
    begin: Maybe[int]
    shred: Many[int]
    kept: One[bool]
    clear: Many[int]
    barrier: One[int]
    passed: One[bool]
    stale: Many[StaleKey]
    rewrap: One[bool]


sql = Sql()


def unit() -> PooledTransaction:
    """The transaction that runs, as the database knows it."""
    return cast(PooledTransaction, context().transaction)


def database_of(executor: Executor) -> Database:
    """The database of the process in which a body runs."""
    assert isinstance(executor, LocalExecutor), "a body runs on a local executor"
    return cast(Database, executor.runtime.database)
