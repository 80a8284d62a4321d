"""A server over the database of the run, for workers and agents that come by HTTP."""

from collections.abc import AsyncIterator

import pytest_asyncio

from moothill.database.embedded import EmbeddedServer
from moothill.kernel.settings import Settings
from tests.conftest import DATABASE
from tests.serving import Live, serving


@pytest_asyncio.fixture
async def live(server: EmbeddedServer, settings: Settings) -> AsyncIterator[Live]:
    """A server that answers."""
    async with serving(server.dsn("app", DATABASE), settings.model_copy(update={"rate_limit": 1_000_000})) as running:
        yield running
