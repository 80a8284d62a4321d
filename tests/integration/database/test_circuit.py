"""The circuit breaker: a database that is gone costs nobody a wait, and nobody waits when it is back."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import UUID

import pytest

from moothill.database import circuit
from moothill.database.address import DatabaseUnreachable
from moothill.database.circuit import FAILURES, SUCCESSES, Circuit
from moothill.database.embedded import EmbeddedServer
from moothill.database.pool import Database
from moothill.kernel.errors import MoothillError
from moothill.kernel.settings import Settings
from tests.conftest import DATABASE, DatabaseFactory
from tests.integration.database.conftest import administrator


class Line:
    """A way to the database that can be cut and mended."""

    def __init__(self, there: Path, here: Path) -> None:
        self.there, self.here = there, here
        self.listener: asyncio.Server | None = None
        self.ends: set[asyncio.StreamWriter] = set()
        self.tasks: set[asyncio.Task[None]] = set()

    async def mend(self) -> None:
        """Let connections through."""
        self.listener = await asyncio.start_unix_server(self._join, self.here)

    async def cut(self) -> None:
        """End every connection, and take no more."""
        assert self.listener is not None
        self.listener.close()
        self.here.unlink(missing_ok=True)
        await asyncio.sleep(0)  # whoever was just let in has a task from here on
        while self.tasks:
            for end in self.ends:
                end.transport.abort()
            await asyncio.gather(*self.tasks, return_exceptions=True)
        for end in self.ends:
            with suppress(ConnectionError):
                await end.wait_closed()
        self.ends.clear()

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        joining = asyncio.current_task()
        assert joining is not None
        self.tasks.add(joining)
        joining.add_done_callback(self.tasks.discard)
        self.ends.add(writer)
        far_reader, far_writer = await asyncio.open_unix_connection(self.there)
        self.ends.add(far_writer)
        for source, target in ((reader, far_writer), (far_reader, writer)):
            task = asyncio.create_task(self._pass(source, target))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)

    async def _pass(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(65536):
                target.write(data)
        except ConnectionError:
            pass
        target.close()


@asynccontextmanager
async def line_to(server: EmbeddedServer) -> AsyncIterator[tuple[Line, str]]:
    """A line, and the DSN that leads through it."""
    words = dict(word.split("=", 1) for word in server.dsn("app", DATABASE).split() if "=" in word)
    with TemporaryDirectory(prefix="line") as folder:
        name = f".s.PGSQL.{words['port'].strip(chr(39))}"
        line = Line(Path(words["host"].strip("'")) / name, Path(folder) / name)
        await line.mend()
        try:
            yield line, f"{server.dsn('app', DATABASE)} host='{folder}' requirepeer=''"
        finally:
            await line.cut()


def state_of(database: Database) -> str:
    """What may change between two questions."""
    return database.circuit.state


async def ask(database: Database) -> MoothillError | None:
    """One call; what became of it."""
    try:
        async with database.system(UUID(int=1)) as (unit, call):
            await unit.fetch("select 1 as one", {})
            await unit.finish(call)
    except MoothillError as error:
        return error
    return None


async def test_while_the_database_is_gone_calls_fail_at_once_and_soon_after_it_is_back_they_pass(
    server: EmbeddedServer, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    hurried = settings.model_copy(update={"connect_timeout": timedelta(seconds=3), "pool_min": 2, "pool_max": 4})
    async with line_to(server) as (line, dsn):
        database = Database(dsn, hurried)
        await database.open()
        try:
            assert await ask(database) is None
            await line.cut()
            with caplog.at_level(logging.WARNING, "moothill.database"):
                await asyncio.gather(*(ask(database) for _ in range(FAILURES + 4)))
                async with asyncio.timeout(10):
                    while not database.circuit.is_open:  # noqa: ASYNC110 - the probe sets no event
                        await asyncio.sleep(0)
                began = time.perf_counter()
                refused = [await ask(database) for _ in range(20)]
                assert time.perf_counter() - began < hurried.connect_timeout.total_seconds()
                assert all(isinstance(each, DatabaseUnreachable) and each.retry_after for each in refused)
                await line.mend()
                async with asyncio.timeout(10):
                    while state_of(database) != "half_open":  # noqa: ASYNC110 - the probe sets no event
                        await asyncio.sleep(0)
            assert [await ask(database) for _ in range(SUCCESSES)] == [None] * SUCCESSES
            assert state_of(database) == "closed"
            told = [each.message for each in caplog.records if each.message.startswith("database_circuit")]
            assert told == ["database_circuit_opened", "database_circuit_half_open"]
        finally:
            await database.close()


async def test_a_server_that_is_full_is_there_and_one_that_nobody_finds_is_not(
    server: EmbeddedServer, settings: Settings, fresh_database: DatabaseFactory
) -> None:
    """A full server must not shut those out who have a connection already."""
    name = await fresh_database()
    full = Database(server.dsn("app", name), settings)
    assert await full._answers()
    async with administrator(server) as admin:
        await admin.execute(f'alter database "{name}" connection limit 0'.encode())
    assert await full._answers()
    assert not await Database("host=127.0.0.1 port=1 dbname=x user=y", settings)._answers()


class Server:
    """What the probe hears."""

    def __init__(self) -> None:
        self.is_there = True
        self.asked = asyncio.Event()
        self.returned = 0

    async def answers(self) -> bool:
        """As if asked over the network."""
        await asyncio.sleep(0)
        self.asked.set()
        return self.is_there

    def back(self) -> None:
        """Called when it is there again."""
        self.returned += 1


async def settle() -> None:
    """Let the probe come to its next pause."""
    for _ in range(10):
        await asyncio.sleep(0)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """No pause between two questions."""
    monkeypatch.setattr(circuit, "PROBE_SECONDS", 0)


async def test_calls_that_are_given_up_cost_connections_but_do_not_open_it(quick: None) -> None:
    found = Server()
    breaker = Circuit(found.answers, found.back)
    for _ in range(3 * FAILURES):
        breaker.fail()
        await settle()
    assert found.asked.is_set()
    assert (breaker.state, found.returned) == ("closed", 0)


async def test_fewer_failures_in_a_row_do_not_even_ask(quick: None) -> None:
    found = Server()
    breaker = Circuit(found.answers, found.back)
    for _ in range(4):
        for _ in range(FAILURES - 1):
            breaker.fail()
        breaker.succeed()
    await settle()
    assert not found.asked.is_set()


async def test_a_failure_while_half_open_opens_it_again_and_three_successes_close_it(quick: None) -> None:
    found = Server()
    breaker = Circuit(found.answers, found.back)
    found.is_there = False
    for _ in range(FAILURES):
        breaker.fail()
    await settle()
    assert breaker.is_open
    found.is_there = True
    await settle()
    assert (breaker.state, found.returned) == ("half_open", 1)
    found.is_there = False
    breaker.succeed()
    breaker.fail()
    await settle()
    assert breaker.is_open
    found.is_there = True
    await settle()
    for _ in range(SUCCESSES):
        assert breaker.state == "half_open"
        breaker.succeed()
    assert breaker.state == "closed"
    await breaker.close()
