"""The command line in a process of its own that takes one command after another, so that Python starts once.

A line of its standard input holds a command, a line of its standard output tells how it ended.
"""

import io
import os
import sys
from asyncio import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, redirect_stderr, redirect_stdout
from dataclasses import asdict
from functools import cache
from pathlib import Path

import orjson
from typer import main as typer_main

from moothill.doors.cli import app
from tests.command_line import Outcome, exit_code

__all__ = ["CommandLineProcess", "command_line_process"]

_OURS = ("MOOTHILL_", "DB_", "POSTGRES_", "DATABASE_URL")
_LONGEST_LINE = 2**24


class CommandLineProcess:
    """Runs commands, one at a time."""

    def __init__(self, process: subprocess.Process) -> None:
        self._process = process

    async def __call__(self, *words: str, stdin: str = "", **environ: str) -> Outcome:
        """How a command ended; what `environ` sets stays set for those that follow."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(orjson.dumps({"words": words, "stdin": stdin, "environ": environ}) + b"\n")
        await self._process.stdin.drain()
        answer = await self._process.stdout.readline()
        assert answer, "the process ended; its standard error says why"
        return Outcome(**orjson.loads(answer))


@asynccontextmanager
async def command_line_process() -> AsyncIterator[CommandLineProcess]:
    """A process that lasts as long as the block, with nothing of ours in its environment."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
    process = await subprocess.create_subprocess_exec(
        sys.executable,
        *("-W", "error", "-m", "tests.command_line_process"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        limit=_LONGEST_LINE,
        cwd=Path(__file__).resolve().parents[1],
        env=environ,
    )
    try:
        yield CommandLineProcess(process)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        await process.wait()


def _serve() -> None:
    # A tree of commands is built once, as in a process that runs one command.
    app.build = cache(app.build)
    typer_main.get_command = cache(typer_main.get_command)
    asked, told = sys.stdin.buffer, sys.stdout.buffer
    for line in asked:
        command = orjson.loads(line)
        os.environ.update(command["environ"])
        sys.stdin = io.TextIOWrapper(io.BytesIO(command["stdin"].encode()), encoding="utf-8")
        with redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()) as err:
            code = exit_code(command["words"])
        told.write(orjson.dumps(asdict(Outcome(code, out.getvalue(), err.getvalue()))) + b"\n")
        told.flush()


if __name__ == "__main__":
    _serve()
