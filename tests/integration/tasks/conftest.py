"""Behind the application's back."""

from collections.abc import AsyncIterator
from typing import Any

import psycopg
import pytest_asyncio

from moothill.database.embedded import EmbeddedServer
from tests.conftest import DATABASE


@pytest_asyncio.fixture
async def admin(server: EmbeddedServer) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
    """A superuser's connection."""
    async with await psycopg.AsyncConnection.connect(server.dsn("admin", DATABASE), autocommit=True) as connection:
        yield connection
