"""What the tests of untrusted SQL share: a tenant with a few agents, and a way to log in as the role itself."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import psycopg
import pytest
import pytest_asyncio
from pydantic import SecretStr

from moothill.database.embedded import EmbeddedServer
from moothill.kernel.settings import Settings
from moothill.moot import Moot
from moothill.session import open_database
from tests.conftest import DATABASE

Login = Callable[[], AbstractAsyncContextManager[psycopg.AsyncConnection[Any]]]
WithSettings = Callable[..., Awaitable[Moot]]


@pytest_asyncio.fixture
async def society(moot: Moot) -> Moot:
    """A fresh tenant with three agents."""
    for key, name, tags in (("ada", "Ada", ["law", "latin"]), ("bela", "Béla", ["law"]), ("cleo", 'Cleo "C"', [])):
        await moot.agents.register(agent_id=key, name=name, tags=tags, capabilities=[f"Reading for {key}"])
    return moot


@pytest.fixture
def login(server: EmbeddedServer) -> Login:
    """Logs in as the role for untrusted SQL, with nothing in between."""

    @asynccontextmanager
    async def made() -> AsyncIterator[psycopg.AsyncConnection[Any]]:
        dsn = server.dsn("sql", DATABASE)
        async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
            yield connection

    return made


@pytest_asyncio.fixture
async def with_settings(server: EmbeddedServer, settings: Settings, society: Moot) -> AsyncIterator[WithSettings]:
    """Opens the same tenant once more, under other settings."""
    opened: list[Moot] = []
    slug = (await society.keys.current()).tenant_slug

    async def make(**changes: Any) -> Moot:
        wanted = {"sql_dsn": SecretStr(server.dsn("sql", DATABASE)), **changes}
        opened.append(await open_database(server.dsn("app", DATABASE), settings.model_copy(update=wanted), slug))
        return opened[-1]

    yield make
    for each in opened:
        await each.close()
