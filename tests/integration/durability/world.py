"""Processes that are killed, the folder that they work on, and the account of what has to be in it."""

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import psycopg

import moothill
from moothill.database.embedded import EmbeddedServer
from moothill.database.embedded.folder import Folder
from moothill.database.embedded.process import PostmasterFile, ServerProcess, State
from moothill.kernel.settings import Settings

__all__ = ["ROUNDS", "SETTINGS", "Books", "Process", "World", "postmaster", "state", "until"]

ROOT = Path(__file__).resolve().parents[3]
PATIENCE = 60.0
LANES = 4
ROUNDS = 30 if os.environ.get("MOOTHILL_SOAK") else 2
SETTINGS = Settings.load({}, worker=False, pool_min=1, pool_max=4)

_ACCOUNT = """
select
  (select jsonb_object_agg(a.agent_id, c.demonstration_count) from moothill.agents a
   join moothill.capabilities c on c.tenant_id = a.tenant_id and c.agent_id = a.id
   where a.agent_id like 'counter-%') as counted,
  (select array_agg(agent_id order by agent_id) from moothill.agents where agent_id like 'write-%') as written,
  (select jsonb_object_agg(kind, n) from (select kind, count(*) as n from moothill.events group by kind) e) as events,
  (select count(*) from moothill.capabilities) as capabilities,
  (select count(*) from moothill.search_items) as items,
  (select count(*) from moothill.embedding_wordllama_256) as vectors,
  (select count(*) from moothill.idempotency_keys where result is not null) as keys,
  (select count(*) from moothill.idempotency_keys where result is null) as claimed,
  (select count(*) from moothill.events e where e.kind = 'agents.registered' and not exists (
     select from moothill.agents a where a.tenant_id = e.tenant_id and a.id = e.subject)) as orphans
"""


@dataclass(slots=True)
class Process:
    """A process of ours; what it says is read line by line."""

    process: asyncio.subprocess.Process

    async def line(self) -> str | None:
        """The next line that it says; None when it has ended."""
        assert self.process.stdout is not None
        async with asyncio.timeout(PATIENCE):
            said = await self.process.stdout.readline()
        return said.decode().strip() if said else None

    async def kill(self) -> None:
        """End it as a crash does."""
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGKILL)
        await self.process.wait()

    def say(self) -> None:
        """Give it a line: to begin, or to come to an end."""
        assert self.process.stdin is not None
        self.process.stdin.write(b"\n")

    async def ended(self) -> int:
        """Its exit status."""
        async with asyncio.timeout(PATIENCE):
            return await self.process.wait()


@dataclass(slots=True)
class Books:
    """What the writers were told: the next number of each lane.

    Attributes:
        places: of each lane, the first number that nobody has acknowledged.
        away: how often a writer found its server away.
    """

    places: list[int] = field(default_factory=lambda: [0] * LANES)
    away: int = 0

    @property
    def acknowledged(self) -> int:
        return sum(self.places)

    def enter(self, line: str) -> None:
        """Note what a writer said."""
        lane, _, number = line.partition(" ")
        if lane == "away":
            self.away += 1
        elif lane not in ("here", "done"):
            assert int(number) == self.places[int(lane)], f"{line}: a number was left out or acknowledged twice"
            self.places[int(lane)] += 1


@dataclass(slots=True)
class World:
    """A folder, and the processes that work on it."""

    folder: Path
    books: Books = field(default_factory=Books)
    chance: Random = field(default_factory=Random)
    _processes: list[Process] = field(default_factory=list)

    async def start(self, module: str, **arguments: Any) -> Process:
        """A process of this folder's tests."""
        started = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            f"tests.integration.durability.{module}",
            json.dumps(arguments),
            cwd=ROOT,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        self._processes.append(Process(started))
        return self._processes[-1]

    async def writer(self, target: str | None = None, *, key: str | None = None, until: int = 10**9) -> Process:
        """A writer that goes on where the acknowledged numbers end."""
        where = target or str(self.folder)
        return await self.start("writer", target=where, key=key, places=self.books.places, until=until)

    async def listen(self, writer: Process, acknowledgements: int) -> None:
        """Enter what a writer says until so many more numbers are acknowledged."""
        wanted = self.books.acknowledged + acknowledgements
        while self.books.acknowledged < wanted:
            line = await writer.line()
            assert line is not None, "the writer ended by itself"
            self.books.enter(line)

    async def drain(self, writer: Process) -> None:
        """Enter everything that is left in the pipe of a writer that was killed, or that comes to its end."""
        while (line := await writer.line()) is not None:
            self.books.enter(line)

    async def come_to_an_end(self, writer: Process | None = None) -> None:
        """Let a writer, or else a last one, bring all lanes to the same number, what was on its way included."""
        if writer is None:
            writer = await self.writer(until=max(self.books.places) + 2)
        else:
            writer.say()
        await self.drain(writer)
        assert await writer.ended() == 0
        assert len(set(self.books.places)) == 1

    async def settle(self) -> None:
        """Compare the folder with the books: everything that was acknowledged, once, and nothing by halves.

        Opening it runs the self-check of the guards.
        """
        numbers = self.books.places[0]
        odd, even = numbers // 2, (numbers + 1) // 2
        async with moothill.connect(self.folder, settings=SETTINGS) as moot, EmbeddedServer(self.folder) as server:
            assert (await moot.agents.get(agent="counter-0")).agent_id == "counter-0"
            async with await psycopg.AsyncConnection.connect(server.dsn("admin", "moothill")) as admin:
                cursor = await admin.execute(_ACCOUNT)
                assert cursor.description is not None
                names = [column.name for column in cursor.description]
                account = dict(zip(names, (await cursor.fetchall())[0], strict=True))
        lanes = range(LANES)
        assert account["counted"] == {f"counter-{lane}": even for lane in lanes}
        assert account["written"] == sorted(f"write-{lane}-{n}" for lane in lanes for n in range(1, numbers, 2))
        assert account["events"]["capabilities.demonstrated"] == even * LANES
        assert account["events"]["agents.registered"] == (odd + 1) * LANES
        assert account["capabilities"] == (odd + 1) * LANES
        assert account["items"] == account["vectors"] == 2 * (odd + 1) * LANES
        assert account["keys"] == (numbers + 1) * LANES
        assert account["claimed"] == account["orphans"] == 0

    async def close(self) -> None:
        """Leave no process behind."""
        for process in self._processes:
            await process.kill()
        await EmbeddedServer(self.folder).stop(force=True)


def state(folder: Path) -> State:
    """What the folder's server is doing."""
    return ServerProcess(Folder.at(folder)).state()


def postmaster(folder: Path) -> int:
    """Number of the folder's postmaster."""
    told = PostmasterFile.read(folder / "postgres")
    assert told is not None
    return told.process


async def until(condition: Callable[[], Any]) -> None:
    """Wait for something that another process does, which sets no event here."""
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0)


@asynccontextmanager
async def free_port() -> AsyncIterator[int]:
    """A port that is free now, for a server that has to come back to the same address."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
    yield port
