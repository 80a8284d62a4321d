"""What the tests of privacy stand on."""

from collections.abc import AsyncIterator, Awaitable, Callable

import psycopg
import pytest
import pytest_asyncio

from moothill.database.embedded import EmbeddedServer
from moothill.moot import Moot
from tests.conftest import DATABASE
from tests.integration.privacy.societies import Circle


@pytest_asyncio.fixture
async def circle(server: EmbeddedServer, platform: Moot) -> AsyncIterator[Circle]:
    """A group of tenants of its own."""
    async with await psycopg.AsyncConnection.connect(server.dsn("admin", DATABASE), autocommit=True) as admin:
        yield await Circle.begin(platform, admin)


@pytest.fixture
def make_circle(circle: Circle) -> Callable[[], Awaitable[Circle]]:
    """Makes further groups."""
    return lambda: Circle.begin(circle.moot, circle.admin)
