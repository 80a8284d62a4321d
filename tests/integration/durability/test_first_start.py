"""The first start of a folder: by two processes at once, and killed in each of its stages."""

import asyncio
import contextlib
import json
import os
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from moothill.database.embedded import EmbeddedServer
from moothill.database.embedded.process import PostmasterFile, State
from tests.integration.durability.world import LANES, World, state, until

SOAK = bool(os.environ.get("MOOTHILL_SOAK"))
NUMBERS = 4


async def test_two_processes_that_start_an_empty_folder_at_once_share_one_society(empty: World) -> None:
    """X2: both write the same numbers under the same keys; both are told so, and each is there once."""
    writers = [
        await empty.start("writer", target=str(empty.folder), places=[0] * LANES, until=NUMBERS, waits=True)
        for _ in range(2)
    ]
    assert [await writer.line() for writer in writers] == ["here", "here"]
    for writer in writers:
        writer.say()

    async def told(writer: int) -> list[str]:
        lines = []
        while (line := await writers[writer].line()) is not None:
            lines.append(line)
        return lines

    everything = sorted(f"{lane} {number}" for lane in range(LANES) for number in range(NUMBERS))
    for lines in await asyncio.gather(told(0), told(1)):
        assert sorted(lines) == [*everything, "done"]
    assert [await writer.ended() for writer in writers] == [0, 0]
    assert state(empty.folder) is State.ABSENT
    empty.books.places = [NUMBERS] * LANES
    await empty.settle()


def asked(folder: Path, database: str, question: str) -> object:
    """What the folder's server answers the superuser; None while it does not answer."""
    told = PostmasterFile.read(folder / "postgres")
    if told is None or told.status != "ready":
        return None
    secret = json.loads((folder / "credentials.json").read_text())["admin"]
    with (
        contextlib.suppress(psycopg.Error),
        psycopg.connect(host=str(told.socket), user="postgres", password=secret, dbname=database) as admin,
    ):
        row = admin.execute(question).fetchone()
        return row[0] if row else None
    return None


# What is seen from outside when a first start is in the middle of a stage.
STAGES: dict[str, Callable[[Path], object]] = {
    "making the data directory": lambda folder: (folder / "postgres.new" / "PG_VERSION").exists(),
    "starting the server": lambda folder: (folder / "postgres").exists(),
    "making roles and database": lambda folder: asked(
        folder, "postgres", "select 1 from pg_database where datname = 'moothill'"
    ),
    "beginning to migrate": lambda folder: (folder / "bootstrapped").exists(),
    "in the middle of migrating": lambda folder: asked(
        folder, "moothill", "select count(*) > 2 from moothill.schema_migrations"
    ),
}


async def test_a_first_start_that_is_killed_in_each_stage_is_finished_by_the_next(empty: World) -> None:
    """C22, C23: half a data directory, half a bootstrap and half a migration leave nothing in the way."""
    for stage, reached in STAGES.items():
        starter = await empty.writer()
        await until(lambda reached=reached: reached(empty.folder))  # type: ignore[misc]
        assert starter.process.returncode is None, stage
        await starter.kill()
        assert await starter.line() in ("here", None), stage
    await empty.come_to_an_end()
    await empty.settle()
    assert state(empty.folder) is State.ABSENT


async def test_a_start_waits_for_an_initialisation_that_outlived_its_caller(empty: World) -> None:
    """initdb goes on when whoever called it is killed; two of them in one directory would ruin each other's work."""
    starter = await empty.writer()
    await until(lambda: STAGES["making the data directory"](empty.folder))
    await starter.kill()
    async with EmbeddedServer(empty.folder):
        assert state(empty.folder) is State.READY
    assert not (empty.folder / "postgres.new").exists()


@pytest.mark.soak
@pytest.mark.skipif(not SOAK, reason="at full size only: MOOTHILL_SOAK=1")
async def test_a_first_start_that_is_killed_at_any_moment_is_finished_by_the_next(empty: World) -> None:
    for _ in range(30):
        starter = await empty.writer()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(starter.process.wait(), empty.chance.uniform(0, 8))
        await starter.kill()
        await empty.drain(starter)
    await empty.come_to_an_end()
    await empty.settle()
