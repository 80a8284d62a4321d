"""Folders of embedded servers that real processes work on and are killed at."""

import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

import moothill
from tests.conftest import scratch
from tests.integration.durability.world import SETTINGS, World


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    """A folder that the server's account can enter (pytest's own are closed to it)."""
    # What a killed process has written is the kernel's already; a power failure is not tested here.
    path = Path(tempfile.mkdtemp(prefix="moothill-test-", dir=scratch()))
    path.chmod(0o711)
    yield path
    shutil.rmtree(path)


@pytest_asyncio.fixture(scope="module")
async def pristine(place: Path) -> Path:
    """A folder with a migrated database of no content, its server stopped."""
    folder = place / "pristine"
    async with moothill.connect(folder, settings=SETTINGS):
        pass
    return folder


@pytest_asyncio.fixture
async def empty(place: Path) -> AsyncIterator[World]:
    """A folder that is not there yet."""
    home = Path(tempfile.mkdtemp(dir=place))
    home.chmod(0o711)
    world = World(home / "society")
    yield world
    await world.close()


@pytest_asyncio.fixture
async def world(empty: World, pristine: Path) -> World:
    """A folder with a database of no content."""
    subprocess.run(["cp", "-a", pristine, empty.folder], check=True)
    return empty
