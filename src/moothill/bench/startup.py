"""`moothill bench startup`: from an empty folder to the first answer, and again with the folder there."""

import asyncio
import shutil
import socket
import sys
import tempfile
import time
from pathlib import Path

import httpx

from .report import Row
from .telling import counted

__all__ = ["run"]

_SCALES = {"quick": 1, "full": 5}
_PATIENCE = 60.0
TARGET = 5.0


async def run(*, scale: str) -> list[Row]:
    """Start `moothill up` on loopback and ask until it answers."""
    first: list[float] = []
    again: list[float] = []
    for _ in counted(range(_SCALES[scale]), "starting on an empty folder, and again"):
        folder = Path(tempfile.mkdtemp(prefix="moothill-bench-"))
        folder.chmod(0o755)  # noqa: ASYNC240  # nobody waits
        try:
            first.append(await _start(folder / "moothill"))
            again.append(await _start(folder / "moothill"))
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    first.sort()
    again.sort()
    return [
        Row("moothill up, empty folder", "median to first answer", first[len(first) // 2], "s", TARGET),
        Row("moothill up, existing folder", "median to first answer", again[len(again) // 2], "s", TARGET),
    ]


async def _start(folder: Path) -> float:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    before = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "moothill",
        "--folder",
        str(folder),
        "up",
        "--port",
        str(port),
        "--no-console",
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with httpx.AsyncClient() as client:
            while time.perf_counter() - before < _PATIENCE:
                try:
                    if (await client.get(f"http://127.0.0.1:{port}/health/ready")).status_code == 200:
                        return time.perf_counter() - before
                except httpx.TransportError:
                    await asyncio.sleep(0.02)
        return _PATIENCE
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()
