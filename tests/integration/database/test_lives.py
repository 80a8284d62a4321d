"""A database that was restored or moved begins a new life: feeds go on without a gap."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psycopg
import pytest
import pytest_asyncio

from moothill.database import lives, migrate
from moothill.database.embedded import EmbeddedServer
from moothill.database.lives import NoSchemaYet, TooManyLives, WritersInTheWay, begin_life
from moothill.database.migrate import Migrator
from moothill.kernel.settings import Settings
from moothill.moot import Moot
from moothill.session import open_database
from tests.conftest import DatabaseFactory, bootstrap_as
from tests.integration.database.conftest import administrator, scalar, until

# An event of a server that had counted further.
_LATE = """
insert into moothill.events (tenant_id, id, txid, kind, actor, actor_kind, operation)
values (%s, mt.uuid7_floor(clock_timestamp()), 9000000000000, 'test.late', %s, 'operator', 'test')
"""
_EARLY = """
insert into events (tenant_id, id, kind, actor, actor_kind, operation)
values (%s, mt.uuid7_floor(clock_timestamp()), 'test.early', %s, 'operator', 'test')
"""
_WAITS = "select count(*) = %s from pg_locks where not granted and relation = 'moothill.events'::regclass"


@dataclass(frozen=True)
class Place:
    """A database of its own.

    Attributes:
        dsn: of the application.
        admin: a superuser's connection.
    """

    moot: Moot
    tenant: UUID
    dsn: str
    migrator: Migrator
    admin: psycopg.AsyncConnection[tuple[Any, ...]]

    async def write(self, name: str) -> int:
        """Make an event; the life that it is in."""
        made = await self.moot.keys.create(name=name, scopes=["agents:read"])
        life = await scalar(self.admin, "select incarnation from moothill.events where subject = %s", made.key.id)
        assert isinstance(life, int)
        return life

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[psycopg.AsyncConnection[tuple[Any, ...]]]:
        """A transaction that has written an event and goes on."""
        async with await psycopg.AsyncConnection.connect(self.dsn) as connection:
            await connection.execute("select mt.set_context(%s, %s, 'operator', 60000)", [self.tenant, self.tenant])
            await connection.execute(_EARLY, [self.tenant, self.tenant])
            yield connection


@pytest_asyncio.fixture
async def place(server: EmbeddedServer, settings: Settings, fresh_database: DatabaseFactory) -> AsyncIterator[Place]:
    name = await fresh_database()
    moot = await open_database(server.dsn("app", name), settings, "default", create=True)
    try:
        async with administrator(server, name) as admin:
            tenant = (await moot.keys.current()).tenant
            yield Place(moot, tenant, server.dsn("app", name), Migrator(server.dsn("migrator", name)), admin)
    finally:
        await moot.close()


async def test_what_is_written_after_a_restore_is_read_by_who_had_come_further(place: Place) -> None:
    """Without a new life, a server that counts transactions lower hides new events from every feed."""
    await place.admin.execute(_LATE, [place.tenant, place.tenant])
    assert await begin_life(place.migrator) == 2
    seen = [event.kind for event in (await place.moot.events.list(limit=100)).items]
    assert seen[-1] == "test.late"
    (last,) = (await place.moot.events.list(order="newest", limit=1)).items
    assert last.kind == "test.late"
    assert await place.write("afterwards") == 2

    async def followed() -> list[str]:
        return [event.kind for event in (await place.moot.events.list(cursor=last.cursor)).items]

    async with asyncio.timeout(10):
        # An event appears once no older transaction runs any more.
        while not (found := await followed()):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert found == ["keys.issued"]


async def test_each_restore_begins_one_more(place: Place) -> None:
    assert await place.write("before") == 1
    assert [await begin_life(place.migrator), await place.write("then")] == [2, 2]
    assert [await begin_life(place.migrator), await place.write("later")] == [3, 3]
    together = await asyncio.gather(begin_life(place.migrator), begin_life(place.migrator))
    assert sorted(together) == [4, 5]


async def test_writers_end_in_the_life_in_which_they_began_and_those_that_wait_come_after(place: Place) -> None:
    """What commits late in an old life would stand before what a reader has passed."""
    async with place.writing() as early:
        beginning = asyncio.create_task(begin_life(place.migrator))
        await until(place.admin, _WAITS, 1)
        waiting = asyncio.create_task(place.write("waiting"))
        await until(place.admin, _WAITS, 2)
        assert not beginning.done()
        await early.commit()
        assert await beginning == 2
        assert await waiting == 2
    rows = await place.admin.execute(
        "select incarnation from moothill.events where kind in ('test.early', 'keys.issued') order by place, id"
    )
    assert [row[0] for row in await rows.fetchall()] == [1, 2]


async def test_a_writer_that_does_not_end_is_told_and_nothing_changes(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrate, "_LOCK_TIMEOUT", "100ms")
    async with place.writing():
        with pytest.raises(WritersInTheWay):
            await begin_life(place.migrator)
    assert await place.write("after it") == 1


async def test_lives_end_where_places_cannot_tell_them(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lives, "_LAST", 2)
    assert await begin_life(place.migrator) == 2
    with pytest.raises(TooManyLives):
        await begin_life(place.migrator)
    assert await place.write("as before") == 2


async def test_a_database_without_our_schema_has_no_life(server: EmbeddedServer) -> None:
    name = "lifeless"
    await bootstrap_as(server, name)
    try:
        with pytest.raises(NoSchemaYet):
            await begin_life(Migrator(server.dsn("migrator", name)))
    finally:
        async with administrator(server, "postgres") as admin:
            await admin.execute(f'drop database "{name}" with (force)'.encode())
