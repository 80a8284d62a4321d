"""Other processes that use an embedded server, and questions to one."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import psycopg

from moothill.database.embedded import EmbeddedServer
from moothill.database.embedded.folder import Folder
from moothill.database.embedded.process import PostmasterFile, ServerProcess, State

CLIENT = """
import asyncio, sys
from pathlib import Path
from moothill.database.embedded import EmbeddedServer

async def bootstrap(server):
    with open(Path(sys.argv[1]).parent / "bootstraps", "a") as file:
        file.write("x")

async def main():
    server = EmbeddedServer(Path(sys.argv[1]))
    print("here", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    await server.start(bootstrap=bootstrap)
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    if "stop" in sys.argv:
        print("stopped" if await server.stop() else "left", flush=True)

asyncio.run(main())
"""


class Client:
    """Another process that uses the server of a folder."""

    def __init__(self, folder: Path, *arguments: str, code: str = CLIENT) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", code, str(folder), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )

    def say(self) -> None:
        assert self.process.stdin
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    async def hear(self) -> str:
        assert self.process.stdout
        async with asyncio.timeout(20):
            return (await asyncio.to_thread(self.process.stdout.readline)).strip()

    async def ready(self) -> "Client":
        assert await self.hear() == "here"
        self.say()
        assert await self.hear() == "ready"
        return self

    async def ended(self) -> int:
        async with asyncio.timeout(20):
            return await asyncio.to_thread(self.process.wait)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def close(self) -> None:
        self.kill()
        for stream in (self.process.stdin, self.process.stdout):
            assert stream
            stream.close()


FORKING = """
import asyncio, os, sys
from pathlib import Path
from moothill.database.embedded import EmbeddedServer

server = EmbeddedServer(Path(sys.argv[1]))
print("here", flush=True)
sys.stdin.readline()
asyncio.run(server.start())
child = os.fork()
if child == 0:
    assert not server.started
    asyncio.run(server.stop())
    sys.exit(0)  # runs the hooks of the parent's atexit
assert os.waitpid(child, 0)[1] == 0
print("ready", flush=True)
sys.stdin.readline()
print("stopped" if asyncio.run(server.stop()) else "left", flush=True)
"""


@asynccontextmanager
async def connection(server: EmbeddedServer) -> AsyncIterator[psycopg.AsyncConnection]:
    async with await psycopg.AsyncConnection.connect(server.dsn("admin"), autocommit=True) as admin:
        yield admin


async def answer(server: EmbeddedServer, question: str) -> object:
    async with connection(server) as admin:
        row = await (await admin.execute(question)).fetchone()
        assert row
        return row[0]


def state(folder: Path) -> State:
    return ServerProcess(Folder.at(folder)).state()


def postmaster(folder: Path) -> int:
    told = PostmasterFile.read(folder / "postgres")
    assert told
    return told.process


async def until(condition: Callable[[], bool]) -> None:
    """Wait, for at most ten seconds, for something that no event tells of."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - what another process does sets no event here
            await asyncio.sleep(0)
