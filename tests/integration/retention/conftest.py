"""Fixtures: a database for each test, since retention looks at all tenants."""

from collections.abc import AsyncIterator
from pathlib import Path

import psycopg
import pytest_asyncio
from pydantic import SecretStr

from moothill.database.embedded import EmbeddedServer
from moothill.kernel.settings import Settings
from moothill.session import open_database
from moothill.tenancy.erasure.reports import new_key
from tests.conftest import cloned
from tests.integration.encryption.world import KEKS
from tests.integration.retention.house import House


@pytest_asyncio.fixture
async def house(server: EmbeddedServer, settings: Settings, tmp_path: Path) -> AsyncIterator[House]:
    """A fresh database, an empty archive, a new key."""
    secrets = {"signing_key": SecretStr(new_key()), "keks": SecretStr(KEKS)}
    own = settings.model_copy(update={"archive_folder": tmp_path / "archive", **secrets})
    async with cloned(server, "retention") as name:
        dsn = server.dsn("app", name)
        moot = await open_database(dsn, own, "default", sql_dsn=server.dsn("sql", name), create=True)
        try:
            async with await psycopg.AsyncConnection.connect(server.dsn("admin", name), autocommit=True) as admin:
                yield House(moot, own, tmp_path / "archive", dsn, admin)
        finally:
            await moot.close()
