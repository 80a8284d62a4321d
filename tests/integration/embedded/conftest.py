"""Folders for embedded servers, and other processes that use them."""

import asyncio
import os
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from moothill.database.embedded import EmbeddedServer
from moothill.database.embedded.account import choose_account
from moothill.database.embedded.process import State
from tests.conftest import scratch
from tests.integration.embedded.clients import CLIENT, Client, connection, state


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    """A folder that the server's account can enter (pytest's own are closed to it)."""
    # Seventy servers are much disk traffic, and no test here takes the power away.
    path = Path(tempfile.mkdtemp(prefix="moothill-test-", dir=scratch()))
    path.chmod(0o711)
    yield path
    shutil.rmtree(path)


@pytest.fixture(scope="module")
async def pristine(place: Path) -> Path:
    """A folder with a database of one table, its server stopped."""
    folder = place / "pristine"
    async with EmbeddedServer(folder) as server, connection(server) as admin:
        await admin.execute("create table kept (number integer)")
    return folder


@pytest.fixture(scope="module")
async def running(place: Path, pristine: Path) -> AsyncIterator[EmbeddedServer]:
    """A server that runs, for tests that only look at it."""
    folder = place / "running"
    subprocess.run(["cp", "-a", pristine, folder], check=True)
    async with EmbeddedServer(folder) as server:
        yield server


@pytest.fixture
def new(place: Path) -> Iterator[Path]:
    """The name of a folder that is not there yet; its server is ended afterwards."""
    home = Path(tempfile.mkdtemp(dir=place))
    home.chmod(0o711)
    folder = home / "server"
    yield folder
    if folder.exists():
        for path in (folder / "credentials.json", folder):
            if path.exists():
                path.chmod(0o600 if path.is_file() else 0o700)
        asyncio.run(EmbeddedServer(folder).stop(force=True))
        assert state(folder) is State.ABSENT
    shutil.rmtree(home)


@pytest.fixture
def folder(new: Path, pristine: Path) -> Path:
    """A folder with a database of one table, its server not running."""
    subprocess.run(["cp", "-a", pristine, new], check=True)
    return new


@pytest.fixture
def mock_up(new: Path) -> Path:
    """What tells a server's folder, for tests in which no server may start."""
    (new / "postgres").mkdir(parents=True)
    new.chmod(0o700)
    (new / "postgres" / "PG_VERSION").write_text("18\n")
    if os.geteuid() == 0:
        account = choose_account()
        os.chown(new / "postgres", account.uid, account.gid)
    (new / "credentials.json").write_text('{"app": "a", "migrator": "m", "admin": "x"}')
    (new / "credentials.json").chmod(0o600)
    return new


@pytest.fixture
def client() -> Iterator[Callable[..., Client]]:
    """Makes other processes; they are killed afterwards."""
    made: list[Client] = []

    def make(*arguments: object, code: str = CLIENT) -> Client:
        made.append(Client(Path(str(arguments[0])), *map(str, arguments[1:]), code=code))
        return made[-1]

    yield make
    for one in made:
        one.close()
