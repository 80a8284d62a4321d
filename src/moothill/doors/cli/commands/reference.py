"""`moothill reference`: write the generated pages of the documentation, or say which are stale."""

from pathlib import Path
from typing import Annotated

import typer

from ....kernel.errors import Conflict
from ....reference import pages
from ..render import fail

__all__ = ["add_to"]


def add_to(parent: typer.Typer, name: str) -> None:
    """Hang the command under `name`."""
    parent.command(name)(reference)


def reference(
    folder: Annotated[Path, typer.Argument(help="Where the pages lie.")] = Path("docs/reference"),
    check: Annotated[bool, typer.Option("--check", help="Change nothing; fail when a page is stale.")] = False,
) -> None:
    """Write the generated pages of the documentation."""
    wanted = pages()
    generated = {path for path in folder.rglob("*.md") if path.read_text(encoding="utf-8").startswith("<!-- Generated")}
    stale = [name for name, text in wanted.items() if _text(folder / name) != text]
    orphans = [path for path in generated if str(path.relative_to(folder)) not in wanted]
    if check:
        if stale or orphans:
            names = ", ".join([*stale, *(str(path.relative_to(folder)) for path in orphans)][:10])
            fail(Conflict(f"Stale pages: {names}. Run `./dev docs` and commit them."), json_output=False)
        return
    for name in stale:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(wanted[name], encoding="utf-8")
    for path in orphans:
        path.unlink()
    typer.echo(f"{len(stale)} page(s) written, {len(orphans)} removed.")


def _text(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.is_file() else None
