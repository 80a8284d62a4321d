"""The tree of commands. Only what is called is built, so that `moothill --help` stays quick."""

import os
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Annotated

import typer

from ... import __version__
from .groups import COMMANDS, GROUPS
from .options import GlobalOptions

__all__ = ["build", "run", "spelled_out"]

# What keeps its natural name here, though no operation can be called by a Python keyword: (group, word) -> the verb.
ALIASES: Mapping[tuple[str, ...], str] = {("agents", "import"): "load"}
# What a group does with a word that can be no verb, as it holds a blank: group -> the verb.
STATEMENTS: Mapping[str, str] = {"sql": "query"}
_VALUED = {"--url", "--dsn", "--folder", "--tenant", "-t"}


def build(named: str | None = None) -> typer.Typer:
    """The command line; only the group or command `named` is built whole, the others for the help.

    Args:
        named: what is about to be called; None builds placeholders only.
    """
    app = typer.Typer(
        name="moothill",
        no_args_is_help=True,
        rich_markup_mode="markdown",
        pretty_exceptions_enable=False,
        suggest_commands=True,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_root)
    for name, (module, summary) in COMMANDS.items():
        if name == named:
            import_module(f".commands.{module}", __package__).add_to(app, name)
        else:
            app.command(name, help=summary)(_nothing)
    groups = dict(GROUPS)
    if named is not None and named not in COMMANDS:
        from .operations import group_app, group_summaries

        groups = group_summaries()
        if named in groups:
            app.add_typer(group_app(named), name=named, rich_help_panel="Operations")
            del groups[named]
    for name in sorted(groups):
        sub = typer.Typer(help=groups[name])
        sub.command("nothing")(_nothing)
        app.add_typer(sub, name=name, rich_help_panel="Operations")
    return app


def _nothing() -> None:
    """Stand in for a command that is not called."""


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"moothill {__version__}")
        raise typer.Exit


def _root(
    ctx: typer.Context,
    url: Annotated[str | None, typer.Option(help="Address of a running server.")] = None,
    dsn: Annotated[str | None, typer.Option(help="PostgreSQL DSN of moothill_app.")] = None,
    folder: Annotated[str | None, typer.Option(help="Folder of an embedded server.")] = None,
    tenant: Annotated[str | None, typer.Option("--tenant", "-t", help="Slug or id of the tenant.")] = None,
    json_output: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
    _: Annotated[bool, typer.Option("--version", help="Print the version.", is_eager=True, callback=_version)] = False,
) -> None:
    """The system of record for societies of AI agents, on PostgreSQL."""
    ctx.obj = GlobalOptions(url=url, dsn=dsn, folder=folder, tenant=tenant, json_output=json_output)


def _place(arguments: Sequence[str]) -> int:
    """Where the first word stands that is no option nor the value of one; behind the end where there is none."""
    skip = False
    for place, word in enumerate(arguments):
        if skip:
            skip = False
        elif word in _VALUED:
            skip = True
        elif not word.startswith("-"):
            return place
    return len(arguments)


def run(arguments: Sequence[str]) -> None:
    """Run a command and exit with its code."""
    given = spelled_out(arguments)
    words = _typed_words() if "_MOOTHILL_COMPLETE" in os.environ else given
    named = next(iter(words[_place(words) :]), None)
    build(named)(args=given, prog_name="moothill")


def spelled_out(arguments: Sequence[str]) -> list[str]:
    """A command without its short cuts: names that stand for a verb, and statements without one."""
    given = list(arguments)
    place = _place(given)
    if verb := ALIASES.get(tuple(given[place : place + 2])):
        given[place + 1] = verb
    if (verb := STATEMENTS.get("".join(given[place : place + 1]))) and _hold_statement(given[place + 1 :]):
        given.insert(place + 1, verb)
    return given


def _hold_statement(words: Sequence[str]) -> bool:
    """Whether a statement comes, at once or behind options, and no verb before it."""
    found = [len(word.split()) > 1 for word in words]
    return any(found) and (found[0] or words[0].startswith("-"))


def _typed_words() -> list[str]:
    """What stands on the line that a shell wants completed: bash says it in one variable, the others in another."""
    return (os.environ.get("COMP_WORDS") or os.environ.get("_TYPER_COMPLETE_ARGS", "")).split()[1:]
