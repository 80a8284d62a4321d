"""`moothill scan`: our keys in files or on standard input, whether they still work, and ending them.

What is found is never printed whole: place and first characters are enough to act. Without `--ask` or `--revoke`
nothing is connected to; the checksum in a key tells it from a look-alike.
"""

import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Annotated, Any

import typer

from ....kernel.errors import Invalid, MoothillError, NotFound
from ....kernel.key_texts import find_secrets, hint
from ..options import GlobalOptions, run
from ..render import fail, harmless, print_json

__all__ = ["FOUND", "add_to", "scan_file"]

# The status with which the command ends when it found keys; no kind of error has it.
FOUND = 3
_PIECE = 1_048_576
# A key that lies across two pieces is seen whole with the end of the first before the second.
_OVERLAP = 64
_MOST_FOUND = 10_000
_SKIPPED = {".git", ".hg", ".svn", "node_modules", ".venv", "__pycache__"}


@dataclass(slots=True)
class _Find:
    """A key and where it lies; the key itself stays in this process."""

    path: str
    line: int
    secret: str
    known: Any = None
    revoked: bool = False

    @property
    def works(self) -> bool:
        """Whether it is known to open something."""
        return self.known is not None and self.known.is_live and not self.revoked

    def told(self) -> dict[str, Any]:
        """What may be printed."""
        found: dict[str, Any] = {"path": self.path, "line": self.line, "begins_with": hint(self.secret)}
        if self.known is not None:
            found |= {"key": str(self.known.id), "name": self.known.name, "tenant": self.known.tenant_slug}
            found |= {"is_live": self.works, "revoked_now": self.revoked}
        return found


def add_to(parent: typer.Typer, name: str) -> None:
    """Hang the command under `name`."""
    parent.command(name)(scan)


def scan(
    ctx: typer.Context,
    paths: Annotated[
        list[str] | None, typer.Argument(help="Files or folders; - or nothing for standard input.")
    ] = None,
    ask: Annotated[bool, typer.Option("--ask", help="Ask whose they are and whether they still work.")] = False,
    revoke: Annotated[bool, typer.Option("--revoke", help="Revoke those that still work.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="With --revoke: say what would be revoked, and do nothing.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="With --revoke: do not ask.")] = False,
    everywhere: Annotated[
        bool, typer.Option("--everywhere", help="Keys of any tenant; needs the scope platform:keys.")
    ] = False,
    json_here: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
) -> None:
    """Look for our keys in files or standard input. Ends with 3 when it finds some."""
    options = ctx.find_object(GlobalOptions) or GlobalOptions()
    as_json = json_here or options.json_output
    try:
        found = list(_search(paths or ["-"]))
    except MoothillError as error:
        fail(error, json_output=as_json)
    if revoke and not (yes or dry_run or sys.stdin.isatty()):
        fail(
            Invalid("--revoke destroys; add --yes to do it or --dry-run to see what it would do.", field="revoke"),
            json_output=as_json,
        )
    if found and (ask or revoke or everywhere):

        async def look_up(moot: Any) -> None:
            await _look_up(moot, found, everywhere=everywhere)

        async def end(moot: Any) -> None:
            await _revoke(moot, found)

        run(options, look_up)
        doomed = {each.secret for each in found if each.works}
        if revoke and doomed and not dry_run:
            if not yes:
                _show(found, as_json=False, err=True)
                typer.confirm(f"Revoke {len(doomed)} of them?", abort=True, err=True)
            run(options, end)
    _show(found, as_json=as_json)
    if found:
        raise typer.Exit(FOUND)


def _search(paths: Sequence[str]) -> Iterator[_Find]:
    count = 0
    for path, stream in _opened(paths):
        with stream:
            for line, secret in scan_file(stream):
                count += 1
                if count > _MOST_FOUND:
                    raise Invalid(f"More than {_MOST_FOUND:,} keys were found; scan less at a time.", field="paths")
                yield _Find(path, line, secret)


def _opened(paths: Sequence[str]) -> Iterator[tuple[str, IO[bytes]]]:
    for given in paths:
        if given == "-":
            yield "-", os.fdopen(os.dup(sys.stdin.fileno()), "rb") if _has_number(sys.stdin) else sys.stdin.buffer
            continue
        path = Path(given)
        if path.is_dir():
            for folder, inner, names in os.walk(path):
                inner[:] = sorted(each for each in inner if each not in _SKIPPED)
                for name in sorted(names):
                    file = Path(folder) / name
                    # No pipe that never ends, and nothing twice.
                    if file.is_file() and not file.is_symlink():
                        yield from _one(file)
        elif path.exists():
            yield from _one(path)
        else:
            raise NotFound(f"There is no file or folder {given!r}.", field="paths")


def _one(path: Path) -> Iterator[tuple[str, IO[bytes]]]:
    try:
        yield str(path), path.open("rb")
    except OSError as error:
        raise Invalid(f"{path} cannot be read: {error.strerror}.", field="paths") from None


def _has_number(stream: Any) -> bool:
    try:
        stream.fileno()
    except (OSError, ValueError):
        return False
    return True


def scan_file(stream: IO[bytes]) -> Iterator[tuple[int, str]]:
    """Line and text of each key in a stream of bytes, whatever its encoding, piece by piece."""
    before, lines, begun = "", 1, 0
    ended = False
    while not ended:
        piece = stream.read(_PIECE)
        ended = not piece
        # Without the zeros that UTF-16 puts between letters.
        text = before + piece.replace(b"\x00", b"").decode("latin-1")
        # What lies near the end may go on; it is looked at with the next piece.
        certain = len(text) if ended else max(0, len(text) - _OVERLAP)
        for place, secret in find_secrets(text):
            if begun <= place < certain:
                yield lines + text.count("\n", 0, place), secret
        # One character that was looked at stays, so that the start of a key is told from its middle.
        kept = max(0, certain - 1)
        lines += text.count("\n", 0, kept)
        before, begun = text[kept:], certain - kept


async def _look_up(moot: Any, found: Sequence[_Find], *, everywhere: bool) -> None:
    known: dict[str, Any] = {}
    for secret in dict.fromkeys(each.secret for each in found):
        # One by one: what is found does not say by which of several secrets.
        answer = await moot.keys.find_leaked(suspects=[{"secret": secret}], everywhere=everywhere)
        if answer:
            known[secret] = answer[0]
    for each in found:
        each.known = known.get(each.secret)


async def _revoke(moot: Any, found: Sequence[_Find]) -> None:
    """Revoke what still works; the key that this is done with goes last, or the rest would be left."""
    ended: set[str] = set()
    own = await moot.keys.current()
    mine = moot.session.settings.key
    in_use = mine.get_secret_value() if mine else None
    if any(each.works and each.secret == in_use for each in found):
        typer.echo("One of them is the key in use: it is revoked last, and nothing more can be done with it.", err=True)
    for each in sorted(found, key=lambda each: each.secret == in_use):
        if not each.works:
            continue
        if each.secret not in ended:
            there = moot if each.known.tenant_slug == own.tenant_slug else moot.tenant(each.known.tenant_slug)
            reason = f"leaked: found in {each.path}:{each.line}"[:1000]
            await there.keys.revoke.options(reason=harmless(reason))(key=each.known.id)
            ended.add(each.secret)
        each.revoked = True


def _show(found: Sequence[_Find], *, as_json: bool, err: bool = False) -> None:
    if as_json:
        print_json([each.told() for each in found])
        return
    for each in found:
        said = each.told()
        state = ""
        if each.known is not None:
            state = "revoked now" if each.revoked else "works" if said["is_live"] else "ended"
            state = f" {said['name']} of {said['tenant']}: {state}"
        typer.echo(harmless(f"{said['path']}:{said['line']}: {said['begins_with']}…{state}"), err=err)
    typer.echo(f"{len(found)} key(s) found.", err=True)
