"""A command for each operation, made from its signature."""

import inspect
import re
import sys
from collections.abc import Callable, Mapping
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

# Importing the facade registers every service.
from ... import moot as _services  # noqa: F401
from ...kernel.context import CallOptions
from ...kernel.errors import Invalid, MoothillError
from ...kernel.operation import Operation
from ...kernel.service import SERVICES
from ...kernel.settings import parse_duration
from ...kernel.signature import Parameter
from .offline import offline_command
from .options import GlobalOptions, run
from .progress import ProgressBar
from .render import fail, harmless, show, show_item

__all__ = ["group_app", "group_summaries"]


def group_summaries() -> dict[str, str]:
    """Every group with the first line of its documentation."""
    return {
        name: (service.__doc__ or "").strip().partition("\n")[0]
        for name, service in SERVICES.items()
        if service.operations
    }


def group_app(group: str) -> typer.Typer:
    """The commands of one group."""
    service = SERVICES[group]
    app = typer.Typer(help=(service.__doc__ or "").strip(), no_args_is_help=True)
    # With this it stays a group though it may have one command only.
    app.callback()(lambda: None)
    for verb, operation in service.operations.items():
        app.command(
            verb.replace("_", "-"),
            help=_help(operation),
            rich_help_panel={"read": "Read", "write": "Write", "destroy": "Destroy"}[operation.effect],
        )(_command(operation))
    for name, function in service.offline.items():
        app.command(name, rich_help_panel="Offline")(offline_command(function))
    return app


def _help(operation: Operation[Any, Any]) -> str:
    from ...kernel.spelling import spell_cli

    # The sections for programmers (arguments, results, errors) are no use here.
    text = re.split(r"\n(?:Args|Returns|Raises|Yields):\n", inspect.cleandoc(operation.body.__doc__ or ""))[0].strip()
    return f"{text}\n\nExample: `{spell_cli(operation, operation.example)}`" if operation.example else text


_EXTRA: Mapping[str, Any] = {
    "all_pages": Annotated[bool, typer.Option("--all", help="Every page, not only the first.")],
    "dry_run": Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")],
    "yes": Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")],
    "idempotency_key": Annotated[
        str | None, typer.Option(help="The second call with this key returns the first one's result.")
    ],
    "reason": Annotated[str | None, typer.Option("--because", help="Why, kept with the event.")],
    "deadline": Annotated[str | None, typer.Option(help="Longest time, such as 500ms or 30s.")],
    "out": Annotated[str | None, typer.Option(help="Write it to this file.")],
    "json_here": Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")],
}


def _extras(operation: Operation[Any, Any]) -> list[str]:
    names = ["deadline", "json_here"]
    if operation.effect != "read":
        names += ["idempotency_key", "reason"]
    if operation.effect == "destroy":
        names += ["dry_run", "yes"]
    if operation.file_body is not None:
        names.append("out")
    if _is_paged(operation):
        names.append("all_pages")
    return names


def _is_paged(operation: Operation[Any, Any]) -> bool:
    return any(parameter.name == "cursor" for parameter in operation.signature.parameters)


def _command(operation: Operation[Any, Any]) -> Callable[..., None]:
    parameters = operation.signature.parameters
    # Two options of one name: the operation's own parameter wins.
    extras = [name for name in _extras(operation) if name not in {each.name for each in parameters}]

    def command(ctx: typer.Context, **given: Any) -> None:
        options = ctx.find_object(GlobalOptions) or GlobalOptions()
        extra = {name: given.pop(name) for name in extras}
        _run(operation, options, given, extra)

    # Required arguments come first, as on any command line.
    ordered = sorted(parameters, key=lambda each: (not (each.is_positional or each.is_file), not each.required))
    wanted = [_parameter(each) for each in ordered]
    wanted += [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            annotation=_EXTRA[name],
            default=None if name in ("idempotency_key", "reason", "deadline", "out") else False,
        )
        for name in extras
    ]
    context = inspect.Parameter("ctx", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)
    command.__signature__ = inspect.Signature([context, *wanted])  # type: ignore[attr-defined]  # typer reads it
    command.__annotations__ = {each.name: each.annotation for each in (context, *wanted)}
    command.__name__ = operation.verb
    return command


def _parameter(parameter: Parameter) -> inspect.Parameter:
    flag = "--" + parameter.name.replace("_", "-")
    help_text = parameter.description
    annotation: Any
    default: Any = None
    if parameter.is_positional and parameter.required:
        annotation = Annotated[str, typer.Argument(help=help_text, show_default=False)]
        default = inspect.Parameter.empty
    elif parameter.is_positional:
        annotation = Annotated[str | None, typer.Argument(help=help_text, show_default=False)]
    elif parameter.is_file:
        annotation = Annotated[str | None, typer.Argument(metavar="FILE|-", help=help_text, show_default=False)]
    elif _is_numbers(parameter):
        annotation = Annotated[
            list[str] | None,
            typer.Option(flag, metavar="JSON|@FILE|-", help=f"{help_text} A JSON array, or repeat for several."),
        ]
    elif parameter.is_plain and parameter.is_list:
        annotation = Annotated[list[str] | None, typer.Option(flag, help=f"{help_text} Repeat for several.")]
    elif parameter.bare is bool:
        annotation = Annotated[bool | None, typer.Option(f"{flag}/--no{flag[1:]}", help=help_text)]
    elif parameter.is_plain:
        shown = "" if parameter.default is None else f" Default: {parameter.default}."
        annotation = Annotated[str | None, typer.Option(flag, help=help_text + shown)]
    else:
        annotation = Annotated[str | None, typer.Option(flag, metavar="JSON|@FILE|-", help=help_text)]
    return inspect.Parameter(parameter.name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation, default=default)


def _run(
    operation: Operation[Any, Any], options: GlobalOptions, given: Mapping[str, Any], extra: Mapping[str, Any]
) -> None:
    json_output = options.json_output or bool(extra.get("json_here"))
    bar = ProgressBar()
    try:
        arguments = {
            each.name: _value(each, given[each.name])
            for each in operation.signature.parameters
            if given.get(each.name) not in (None, [])
        }
        for each in operation.signature.parameters:
            # A report that names the file is better than one that names a dash.
            if each.is_file and given.get(each.name) not in (None, "-") and "file" in given:
                arguments.setdefault("file", str(given[each.name]))
        deadline = extra.get("deadline")
        call_options = CallOptions(
            idempotency_key=extra.get("idempotency_key"),
            reason=extra.get("reason"),
            dry_run=bool(extra.get("dry_run")),
            deadline=_duration(deadline) if deadline else None,
            progress=bar,
        )
    except MoothillError as error:
        fail(error, json_output=json_output)
    if operation.effect == "destroy" and not call_options.dry_run and not extra.get("yes"):
        _confirm(operation, options, arguments, json_output)

    async def work(moot: Any) -> None:
        if extra.get("out"):
            assert operation.file_body is not None
            items = moot.executor.iterate(operation, arguments, call_options)
            try:
                told = await operation.file_body(items, Path(extra["out"]), bar)
            finally:
                bar.stop()
            typer.echo(orjson.dumps({"written": told}).decode() if json_output else harmless(told))
            return
        if operation.kind == "stream":
            async for item in moot.executor.iterate(operation, arguments, call_options):
                show_item(operation.signature.dump(item), json_output=json_output)
            return
        try:
            result = await moot.executor.run(operation, arguments, call_options)
        finally:
            bar.stop()
        if extra.get("all_pages"):
            items = list(result.items)
            while result.next is not None:
                result = await moot.executor.run(operation, {**arguments, "cursor": result.next}, call_options)
                items += result.items
            result = result.model_copy(update={"items": items})
        show(operation, result, json_output=json_output, dry_run=call_options.dry_run)

    run(GlobalOptions(**{**_fields(options), "json_output": json_output}), work)


def _fields(options: GlobalOptions) -> dict[str, Any]:
    return {name: getattr(options, name) for name in ("url", "dsn", "folder", "tenant", "json_output")}


def _confirm(
    operation: Operation[Any, Any], options: GlobalOptions, arguments: Mapping[str, Any], json_output: bool
) -> None:
    """Show the plan and ask; a program must say --yes."""
    if not sys.stdin.isatty():
        fail(
            Invalid(f"{operation.name} destroys; add --yes to do it or --dry-run to see what it would do."),
            json_output=json_output,
        )

    async def plan(moot: Any) -> Any:
        return await moot.executor.run(operation, arguments, CallOptions(dry_run=True))

    typer.echo(harmless(run(options, plan).summary), err=True)
    typer.confirm("Do it?", abort=True, err=True)


def _duration(text: str) -> timedelta:
    try:
        found: timedelta = parse_duration(text)
    except ValueError as error:
        raise Invalid(f"{text!r} is no duration: {error}.", field="deadline") from None
    return found


def _value(parameter: Parameter, text: Any) -> Any:
    """An option's text as JSON-ready Python; pydantic does the rest, the same as at every door."""
    if parameter.bare is timedelta and isinstance(text, str):
        try:
            return parse_duration(text).total_seconds()
        except ValueError:
            return text
    if parameter.is_file:
        return _read(parameter.name, str(text))
    if _is_numbers(parameter) and len(text) == 1 and (text[0] == "-" or text[0][:1] in ("@", "[")):
        return _json(parameter.name, text[0])
    if parameter.is_plain:
        return text
    return _json(parameter.name, str(text))


def _is_numbers(parameter: Parameter) -> bool:
    """Whether it is a list of numbers: hundreds of them, such as a vector, come from a file and not by hand."""
    return parameter.is_list and parameter.bare in (int, float, Decimal)


def _read(name: str, path: str) -> str:
    """The text of a file, or of standard input."""
    try:
        raw = sys.stdin.buffer.read() if path == "-" else Path(path).read_bytes()
        return raw.decode("utf-8")
    except OSError as error:
        raise Invalid(f"{path} cannot be read: {error.strerror}.", field=name) from None
    except UnicodeDecodeError:
        raise Invalid(f"{path} is not UTF-8 text.", field=name) from None


def _json(name: str, text: str) -> Any:
    """Inline JSON, `@file`, or `-` for standard input."""
    try:
        if text == "-":
            return orjson.loads(sys.stdin.buffer.read())
        if text.startswith("@"):
            return orjson.loads(Path(text[1:]).read_bytes())
        return orjson.loads(text)
    except OSError as error:
        raise Invalid(f"--{name}: {text[1:]} cannot be read: {error.strerror}.", field=name) from None
    except orjson.JSONDecodeError as error:
        raise Invalid(f"--{name} takes JSON, @FILE or -: {error}.", field=name) from None
