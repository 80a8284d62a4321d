"""Pools and connections of these tests' own, on the shared server."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import psycopg
import pytest_asyncio
from psycopg import sql

from moothill.database.embedded import EmbeddedServer
from moothill.database.pool import Database
from moothill.kernel.context import Actor, Context, Principal
from moothill.kernel.settings import Settings
from moothill.moot import Moot
from tests.conftest import DATABASE

ASLEEP = "select count(*) = 1 from pg_stat_activity where pid = %s and wait_event = 'PgSleep'"

OpenPool = Callable[..., Awaitable[Database]]


@asynccontextmanager
async def administrator(server: EmbeddedServer, database: str = DATABASE) -> AsyncIterator[psycopg.AsyncConnection]:
    """A superuser's connection."""
    async with await psycopg.AsyncConnection.connect(server.dsn("admin", database), autocommit=True) as admin:
        yield admin


async def scalar(connection: psycopg.AsyncConnection, text: str, *values: Any) -> Any:
    """The first value of the first row."""
    row = await (await connection.execute(sql.SQL(text), values)).fetchone()
    return row and row[0]


async def until(admin: psycopg.AsyncConnection, question: str, *values: Any) -> None:
    """Wait, for at most five seconds, for what only the server can tell."""
    async with asyncio.timeout(5):
        while not await scalar(admin, question, *values):  # noqa: ASYNC110 - another process sets no event here
            await asyncio.sleep(0.005)


def call_in(tenant: UUID, operation: str = "tests.call", **more: Any) -> Context:
    """A call of the local operator in a tenant."""
    actor = Actor("operator", UUID(int=7), "tester")
    principal = Principal(tenant=tenant, tenant_slug="", actor=actor, scopes=frozenset({"*"}))
    return Context(principal=principal, operation=operation, **more)


@pytest_asyncio.fixture
async def open_pool(server: EmbeddedServer, settings: Settings, platform: Moot) -> AsyncIterator[OpenPool]:
    """Opens pools with settings of their own; they are closed afterwards."""
    opened: list[Database] = []

    async def open_one(database: str = DATABASE, *, dsn: str | None = None, **changes: Any) -> Database:
        made = Database(dsn or server.dsn("app", database), settings.model_copy(update=changes))
        opened.append(made)
        await made.open()
        return made

    yield open_one
    for each in opened:
        await each.close()
