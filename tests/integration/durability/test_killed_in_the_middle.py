"""kill -9 at random moments: what was acknowledged is there exactly once, and nothing is there by halves.

Two kills of each sort in a normal run, thirty under MOOTHILL_SOAK=1. X2: idempotency keys make repeating
safe. X3, C22, C27: that a restart loses nothing is shown, by comparing content and not three counts.
"""

import json
import os
import signal
from pathlib import Path

import pytest

from moothill.database.embedded.process import State
from tests.integration.durability.world import ROUNDS, Process, World, free_port, postmaster, state

pytestmark = pytest.mark.soak


async def test_a_writer_that_is_killed_loses_nothing_that_it_was_told(world: World) -> None:
    """Its server lives on without users; the next writer finds it and repeats what was on its way."""
    for _ in range(ROUNDS):
        writer = await world.writer()
        await world.listen(writer, world.chance.randint(1, 30))
        await writer.kill()
        await world.drain(writer)
    await world.come_to_an_end()
    await world.settle()
    assert state(world.folder) is State.ABSENT


async def test_a_database_that_is_killed_recovers_what_it_acknowledged(world: World) -> None:
    """The writer lives on, starts the server again, and repeats what was on its way."""
    writer = await world.writer()
    for _ in range(ROUNDS):
        await world.listen(writer, world.chance.randint(4, 30))
        os.kill(postmaster(world.folder), signal.SIGKILL)
    await world.come_to_an_end(writer)
    assert world.books.away >= ROUNDS
    await world.settle()


async def up(world: World, port: int) -> tuple[Process, str]:
    """A server process that answers; the operator's key."""
    server = await world.start("server", folder=str(world.folder), port=port)
    told = await server.line()
    assert told is not None
    return server, Path(json.loads(told)["key_file"]).read_text(encoding="utf-8").strip()


async def test_a_server_that_is_killed_loses_nothing_that_it_acknowledged(world: World) -> None:
    """Now the server process alone, now the database under it too; the client knows its address and waits."""
    async with free_port() as port:
        url = f"http://127.0.0.1:{port}"
        server, key = await up(world, port)
        writer = await world.writer(url, key=key)
        for number in range(ROUNDS):
            await world.listen(writer, world.chance.randint(4, 30))
            if number % 2:
                os.kill(postmaster(world.folder), signal.SIGKILL)
            await server.kill()
            server, _ = await up(world, port)
        await world.come_to_an_end(writer)
        server.process.send_signal(signal.SIGTERM)
        assert await server.ended() == 0
    await world.settle()
