"""Nudges between processes: a short NOTIFY that wakes who waits; nothing depends on it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psycopg
import pytest

from moothill.database.embedded import EmbeddedServer
from moothill.kernel.errors import Unauthenticated
from moothill.kernel.settings import Settings
from moothill.moot import Moot
from moothill.session import Session, open_database
from tests.conftest import DATABASE
from tests.integration.worker.world import World, eventually


@asynccontextmanager
async def another_process(server: EmbeddedServer, settings: Settings, tenant: str) -> AsyncIterator[Moot]:
    """A second pool and runtime: what another process has."""
    moot = await open_database(server.dsn("app", DATABASE), settings, tenant)
    try:
        yield moot
    finally:
        await moot.close()


def session_of(moot: Moot) -> Session:
    assert moot.session is not None
    return moot.session


async def test_a_write_wakes_who_waits_in_another_process(
    server: EmbeddedServer, settings: Settings, moot: Moot
) -> None:
    identity = await moot.keys.current()
    async with another_process(server, settings, identity.tenant_slug) as elsewhere:
        session = session_of(elsewhere)
        assert session.runtime is not None
        assert session.nudge is not None
        with session.runtime.nudges.bell(identity.tenant) as bell:
            await asyncio.wait_for(session.nudge.ready.wait(), 5)
            # The ring that comes with being ready says: look once.
            assert await bell.wait(5)
            await moot.keys.create(name="k", scopes=["agents:read"])
            assert await bell.wait(5)


async def test_a_write_in_one_tenant_wakes_nobody_in_another(
    server: EmbeddedServer, settings: Settings, moot: Moot, other: Moot
) -> None:
    identity = await moot.keys.current()
    async with another_process(server, settings, identity.tenant_slug) as elsewhere:
        session = session_of(elsewhere)
        assert session.runtime is not None
        assert session.nudge is not None
        with (
            session.runtime.nudges.bell(identity.tenant) as ours,
            session.runtime.nudges.bell((await other.keys.current()).tenant) as theirs,
        ):
            await asyncio.wait_for(session.nudge.ready.wait(), 5)
            assert await ours.wait(5)
            assert await theirs.wait(5)
            await other.keys.create(name="k", scopes=["agents:read"])
            assert await theirs.wait(5)
            assert not await ours.wait(0)


async def test_a_revoked_key_is_forgotten_in_every_process(
    server: EmbeddedServer, settings: Settings, moot: Moot
) -> None:
    issued = await moot.keys.create(name="k", scopes=["keys:read"])
    identity = await moot.keys.current()
    async with another_process(server, settings, identity.tenant_slug) as elsewhere:
        session = session_of(elsewhere)
        assert session.nudge is not None
        session.nudge.listen()
        await asyncio.wait_for(session.nudge.ready.wait(), 5)
        keyed = elsewhere.with_key(issued.secret)
        assert (await keyed.keys.current()).actor_name == "k"
        assert session.gate is not None
        session.gate.keys.cache_seconds = 3600
        session.gate.forget()
        assert (await keyed.keys.current()).actor_name == "k"
        await moot.keys.revoke(key=issued.key.id)

        async def is_refused() -> bool:
            try:
                await elsewhere.with_key(issued.secret).keys.current()
            except Unauthenticated:
                return True
            return False

        await eventually(is_refused, within=5)


async def test_many_writes_make_few_notices(server: EmbeddedServer, moot: Moot) -> None:
    async with await psycopg.AsyncConnection.connect(server.dsn("app", DATABASE), autocommit=True) as listener:
        await listener.execute("listen moothill")
        for _ in range(40):
            await moot.keys.create(name="k", scopes=["agents:read"])
        tenant = str((await moot.keys.current()).tenant)
        heard = [notice.payload async for notice in listener.notifies(timeout=1)]
    ours = [text for text in heard if tenant in text or text.endswith("*")]
    assert ours
    assert len(ours) < 40
    assert all(len(text) < 8000 for text in heard)


async def test_the_listener_comes_back_when_its_connection_breaks(
    server: EmbeddedServer, settings: Settings, moot: Moot, caplog: pytest.LogCaptureFixture
) -> None:
    identity = await moot.keys.current()
    async with another_process(server, settings, identity.tenant_slug) as elsewhere:
        session = session_of(elsewhere)
        assert session.runtime is not None
        assert session.nudge is not None
        with session.runtime.nudges.bell(identity.tenant) as bell:
            await asyncio.wait_for(session.nudge.ready.wait(), 5)
            assert await bell.wait(5)
            async with await psycopg.AsyncConnection.connect(server.dsn("admin"), autocommit=True) as admin:
                await admin.execute(
                    "select pg_terminate_backend(pid) from pg_stat_activity where application_name like '% listener'"
                )
            assert await bell.wait(10), "it looks once when it listens again"
            await moot.keys.create(name="k", scopes=["agents:read"])
            assert await bell.wait(5)
    assert "nudges_not_heard" in caplog.text


async def test_a_notice_that_is_none_of_ours_is_passed_over(
    server: EmbeddedServer, settings: Settings, moot: Moot, caplog: pytest.LogCaptureFixture
) -> None:
    identity = await moot.keys.current()
    async with another_process(server, settings, identity.tenant_slug) as elsewhere:
        session = session_of(elsewhere)
        assert session.runtime is not None
        assert session.nudge is not None
        with session.runtime.nudges.bell(identity.tenant) as bell:
            await asyncio.wait_for(session.nudge.ready.wait(), 5)
            assert await bell.wait(5)
            async with await psycopg.AsyncConnection.connect(server.dsn("app", DATABASE), autocommit=True) as stranger:
                await stranger.execute("notify moothill, 'hello'")
            await moot.keys.create(name="k", scopes=["agents:read"])
            assert await bell.wait(5)
    assert "strange_nudge" in caplog.text


async def test_everything_works_when_no_nudge_ever_comes(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    session = session_of(world.moot)
    assert session.runtime is not None
    monkeypatch.setattr(session.runtime.nudges, "wrote", lambda tenant: None)
    assert session.database is not None
    session.database.written = None
    async with world.worker():
        asked = await world.of(world.moot).work(steps=1)
        await world.of(world.moot).happen(numbers=[5])

        async def done() -> bool:
            return (await world.moot.jobs.get(job=asked.id)).state == "completed"

        await eventually(done)
        await eventually(lambda: world.has_marks("first", [5, -1]))
