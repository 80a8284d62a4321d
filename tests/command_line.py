"""Calling the command line without a process of its own."""

import io
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson
import pytest

from moothill.doors.cli import main

__all__ = ["CommandLine", "Outcome", "exit_code"]


@dataclass(frozen=True)
class Outcome:
    """How a command ended and what it said."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """What it printed, as data."""
        return orjson.loads(self.out)

    @property
    def problem(self) -> Any:
        """The problem document that it printed as its last word."""
        return orjson.loads(self.err.splitlines()[-1])


def exit_code(words: Sequence[str]) -> int:
    """Run a command here; the code with which it would leave."""
    try:
        main(words)
    except SystemExit as leaving:
        return leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
    return 0


class CommandLine:
    """Runs commands and captures what they print.

    Attributes:
        options: put before every command, such as `--dsn`.
    """

    def __init__(self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *options: str) -> None:
        self.options = options
        self._capsys = capsys
        self._patch = monkeypatch

    def __call__(self, *words: str, stdin: bytes = b"", is_terminal: bool = False) -> Outcome:
        self._capsys.readouterr()
        with self._patch.context() as patch:
            patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin), encoding="utf-8"))
            for stream in (sys.stdin, sys.stdout, sys.stderr) if is_terminal else ():
                patch.setattr(stream, "isatty", lambda: True)
            code = exit_code([*self.options, *words])
        said = self._capsys.readouterr()
        return Outcome(code, said.out, said.err)
