"""Whether a database may be served, heard, and used from here."""

import asyncio
import logging
from typing import Any

import pytest
from pydantic import SecretStr

from moothill.database import guards
from moothill.database.embedded import EmbeddedServer
from moothill.database.guards import SchemaMissing, VulnerableServer, check_guards
from moothill.database.migrate import Migrator
from moothill.database.notices import NoticesBroke, can_hear, hear, notify
from moothill.database.pool import Database
from moothill.kernel.errors import Conflict
from moothill.kernel.settings import Settings
from tests.conftest import DATABASE
from tests.integration.database.conftest import OpenPool, administrator, scalar


async def test_a_schema_that_is_behind_is_not_served(
    server: EmbeddedServer, open_pool: OpenPool, fresh_database: Any
) -> None:
    name = await fresh_database()
    await Migrator(server.dsn("migrator", name)).rollback()
    with pytest.raises(SchemaMissing, match="moothill db migrate"):
        await check_guards(await open_pool(name))


async def test_a_minor_with_known_holes_is_named_or_refused(
    open_pool: OpenPool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(guards, "SAFE_MINORS", dict.fromkeys((16, 17, 18), 99))
    with caplog.at_level(logging.WARNING, "moothill.guards"):
        await check_guards(await open_pool())
    (told,) = [each for each in caplog.records if each.message == "vulnerable_server"]
    assert told.__dict__["safe"].endswith(".99")
    with pytest.raises(VulnerableServer, match=r"upgrade to \d+\.99"):
        await check_guards(await open_pool(strict=True))
    monkeypatch.setattr(guards, "SAFE_MINORS", {})
    await check_guards(await open_pool(strict=True))


def test_a_pool_belongs_to_the_loop_that_opened_it(server: EmbeddedServer, settings: Settings) -> None:
    async def opened() -> Database:
        database = Database(server.dsn("app", DATABASE), settings.model_copy(update={"pool_min": 0}))
        await database.open()
        await database.close()
        database._pool = object()  # type: ignore[assignment]  # as if it were open: it was closed to leave no task
        return database

    async def used(database: Database) -> None:
        with pytest.raises(Conflict, match="another event loop"):
            async with database.connection():
                pass

    asyncio.run(used(asyncio.run(opened())))


async def test_listeners_take_the_direct_way(server: EmbeddedServer, open_pool: OpenPool) -> None:
    database = await open_pool()
    assert can_hear(database) == database.dsn
    database.is_pooled_outside = True
    assert can_hear(database) is None
    direct = await open_pool(direct_dsn=SecretStr("host=direct"))
    direct.is_pooled_outside = True
    assert can_hear(direct) == "host=direct"


async def test_what_is_said_is_heard_until_the_line_breaks(server: EmbeddedServer, open_pool: OpenPool) -> None:
    database = await open_pool(application_name="hearing")
    heard: list[str | None] = []
    async with administrator(server) as admin:
        with pytest.raises(NoticesBroke):
            async for text in hear(database, database.dsn):
                heard.append(text)
                if text is None:
                    await notify(database, "one")
                else:
                    await scalar(
                        admin,
                        "select pg_terminate_backend(pid) from pg_stat_activity "
                        "where application_name = 'hearing listener'",
                    )
    assert heard == [None, "one"]
    with pytest.raises(NoticesBroke):
        async for _ in hear(database, "host=127.0.0.1 port=1"):
            pass
