"""Commands that need no server: a file goes in, a sentence comes out, or an error with its exit status."""

import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import orjson
import typer

from ...kernel.errors import Invalid, MoothillError
from .render import fail, harmless

__all__ = ["offline_command"]

_SAID = re.compile(r"^\s+(\w+): (.+(?:\n\s{12,}.+)*)", re.MULTILINE)


def offline_command(function: Callable[..., str]) -> Callable[..., None]:
    """A command from a function that takes the bytes of a file, and options that are texts."""
    doc = inspect.cleandoc(function.__doc__ or "")
    help_text, _, arguments = doc.partition("\nArgs:\n")
    said = {name: " ".join(text.split()) for name, text in _SAID.findall(arguments)}
    first, *options = inspect.signature(function).parameters

    def command(file: Path, json_output: bool, **given: str | None) -> None:
        try:
            told = function(file.read_bytes(), **given)
        except OSError as error:
            fail(Invalid(f"{file} cannot be read: {error.strerror}.", field="file"), json_output=json_output)
        except MoothillError as error:
            fail(error, json_output=json_output)
        typer.echo(orjson.dumps({"told": told}).decode() if json_output else harmless(told))

    keyword = inspect.Parameter.KEYWORD_ONLY
    wanted = [
        inspect.Parameter("file", keyword, annotation=Annotated[Path, typer.Argument(help=said.get(first, ""))]),
        *(
            inspect.Parameter(
                name, keyword, default=None, annotation=Annotated[str | None, typer.Option(help=said.get(name, ""))]
            )
            for name in options
        ),
        inspect.Parameter(
            "json_output",
            keyword,
            default=False,
            annotation=Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")],
        ),
    ]
    command.__signature__ = inspect.Signature(wanted)  # type: ignore[attr-defined]  # typer reads it
    command.__annotations__ = {each.name: each.annotation for each in wanted}
    command.__doc__ = help_text.strip()
    return command
