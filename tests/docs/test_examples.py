"""Examples of the pages: every command is one that there is, and the README's first lines do what they say."""

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import typer.main
from typer._click.core import Command  # Typer carries its own copy of click
from typer._click.exceptions import UsageError
from typer.core import TyperGroup

from moothill.doors.cli.app import build, spelled_out
from tests.conftest import scratch

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
FENCE = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
GLOBAL = {"-t", "--tenant", "--url", "--dsn", "--folder"}


def commands(page: Path) -> Iterator[list[str]]:
    """The commands of a page that call `moothill`, as words."""
    for language, text in FENCE.findall(page.read_text(encoding="utf-8")):
        if language != "sh":
            continue
        for line in text.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            while "|" in words:
                words = words[words.index("|") + 1 :]
            while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
                words = words[1:]
            if words[:1] == ["moothill"]:
                yield words[1:]


def parse(words: list[str]) -> None:
    """Read a command as the command line would, and run nothing."""
    given = spelled_out(words)
    plain = [
        word for place, word in enumerate(given) if word not in GLOBAL and (not place or given[place - 1] not in GLOBAL)
    ]
    command: Command = typer.main.get_command(build(next(word for word in plain if not word.startswith("-"))))
    context = command.make_context("moothill", list(given))
    while isinstance(command, TyperGroup):
        rest = [*context._protected_args, *context.args]
        name, found, rest = command.resolve_command(context, rest)
        assert found is not None
        command = found
        context = command.make_context(name, rest, parent=context)


@pytest.mark.parametrize("page", [page for page in PAGES if any(commands(page))], ids=lambda page: page.stem)
def test_every_command_on_a_page_is_one_that_there_is(page: Path) -> None:
    wrong = []
    for words in commands(page):
        try:
            parse(words)
        except UsageError as error:
            wrong.append(f"moothill {shlex.join(words)}: {error.format_message()}")
    assert not wrong, "\n".join(wrong)


def test_a_command_that_does_not_exist_would_be_noticed() -> None:
    for line in ("agents summon ada", "agents get", "agents get ada --loudly"):
        with pytest.raises(UsageError):
            parse(line.split())


def test_the_first_lines_of_the_readme_do_what_they_say() -> None:
    (program,) = (text for language, text in FENCE.findall((ROOT / "README.md").read_text()) if language == "python")
    with TemporaryDirectory(prefix="moothill-", dir=scratch()) as folder:
        # The account that the database runs as may have to pass through.
        Path(folder).chmod(0o711)
        done = subprocess.run(
            [sys.executable, "-c", program],
            env={"MOOTHILL_HOME": f"{folder}/home"},
            capture_output=True,
            text=True,
            timeout=120,
        )
    assert done.returncode == 0, done.stderr
    assert "Ada" in done.stdout
