"""A live server on the shared database for the tests of this folder."""

from collections.abc import AsyncIterator

import httpx
import pytest_asyncio

from moothill.database.embedded import EmbeddedServer
from moothill.kernel.settings import Settings
from moothill.moot import Moot
from tests.conftest import DATABASE
from tests.serving import Live, serving

BODY_LIMIT = 20_000


@pytest_asyncio.fixture(scope="session")
async def live(server: EmbeddedServer, settings: Settings) -> AsyncIterator[Live]:
    """The server; generous with calls, strict with bodies."""
    generous = settings.model_copy(update={"rate_limit": 1_000_000, "body_limit": BODY_LIMIT})
    async with serving(server.dsn("app", DATABASE), generous) as running:
        yield running


@pytest_asyncio.fixture
async def client(live: Live, moot: Moot) -> AsyncIterator[httpx.AsyncClient]:
    """A client whose key holds every scope in a fresh tenant and above."""
    async with live.client(await live.key(moot)) as made:
        yield made
