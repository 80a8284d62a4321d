"""Behind the application's back, and a server for those who come by HTTP."""

from collections.abc import AsyncIterator
from typing import Any

import psycopg
import pytest_asyncio

from moothill.database.embedded import EmbeddedServer
from moothill.kernel.settings import Settings
from tests.conftest import DATABASE
from tests.serving import Live, serving


@pytest_asyncio.fixture
async def admin(server: EmbeddedServer) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
    """A superuser's connection."""
    async with await psycopg.AsyncConnection.connect(server.dsn("admin", DATABASE), autocommit=True) as connection:
        yield connection


@pytest_asyncio.fixture
async def live(server: EmbeddedServer, settings: Settings) -> AsyncIterator[Live]:
    """A server that answers."""
    async with serving(server.dsn("app", DATABASE), settings.model_copy(update={"rate_limit": 1_000_000})) as running:
        yield running
