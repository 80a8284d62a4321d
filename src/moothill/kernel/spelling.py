"""One call, spelled for each door: what a screen offers as "copy as Python / HTTP / CLI / MCP"."""

import json
import shlex
from collections.abc import Mapping
from typing import Any

from .operation import Operation

__all__ = ["spell", "spell_cli", "spell_http", "spell_mcp", "spell_python", "tool_name"]


def tool_name(name: str) -> str:
    """`agents.get` as an MCP tool: some models' interfaces refuse dots."""
    return name.replace(".", "_")


def spell(operation: Operation[Any, Any], arguments: Mapping[str, Any]) -> dict[str, str]:
    """A call in the words of every door. Arguments are JSON-ready."""
    return {
        "python": spell_python(operation, arguments),
        "http": spell_http(operation, arguments),
        "cli": spell_cli(operation, arguments),
        "mcp": spell_mcp(operation, arguments),
    }


def spell_python(operation: Operation[Any, Any], arguments: Mapping[str, Any]) -> str:
    """The call in the SDK."""
    words = ", ".join(f"{name}={value!r}" for name, value in arguments.items())
    call = f"moot.{operation.group}.{operation.verb}({words})"
    return f"async for item in {call}:\n    print(item)" if operation.kind == "stream" else f"await {call}"


def spell_http(operation: Operation[Any, Any], arguments: Mapping[str, Any]) -> str:
    """The call with curl; address and key come from the environment."""
    body = shlex.quote(json.dumps(arguments, default=str))
    return (
        f'curl -sS "$MOOTHILL_URL/v1/{operation.group}/{operation.verb}" '
        f'-H "Authorization: Bearer $MOOTHILL_KEY" -H "Content-Type: application/json" -d {body}'
    )


def spell_cli(operation: Operation[Any, Any], arguments: Mapping[str, Any]) -> str:
    """The call on the command line: positional parameters as they are, the others as options."""
    piped = ""
    by_place: list[str] = []
    options: list[str] = []
    for parameter in operation.signature.parameters:
        value = arguments.get(parameter.name)
        flag = f"--{parameter.name.replace('_', '-')}"
        if value is None:
            continue
        if parameter.is_file:
            piped = f"printf %s {_word(value)} | "
            by_place.append("-")
        elif parameter.is_positional:
            by_place.append(_word(value))
        elif isinstance(value, bool):
            options.append(flag if value else f"--no-{parameter.name.replace('_', '-')}")
        elif parameter.is_plain and parameter.is_list and isinstance(value, list):
            options += [_option(flag, item) for item in value]
        else:
            options.append(_option(flag, value if parameter.is_plain else json.dumps(value, default=str)))
    if any(word != "-" and word.startswith(("-", "'-")) for word in by_place):
        options, by_place = [*options, "--", *by_place], []
    return piped + " ".join(["moothill", operation.group, operation.verb.replace("_", "-"), *by_place, *options])


def spell_mcp(operation: Operation[Any, Any], arguments: Mapping[str, Any]) -> str:
    """The call as an MCP `tools/call` request."""
    return json.dumps(
        {"method": "tools/call", "params": {"name": tool_name(operation.name), "arguments": dict(arguments)}},
        indent=2,
        default=str,
    )


def _word(value: Any) -> str:
    return shlex.quote(value if isinstance(value, str) else json.dumps(value, default=str))


def _option(flag: str, value: Any) -> str:
    """An option with its value; one that begins with a dash would be taken for another option."""
    word = _word(value)
    return f"{flag}={word}" if word.startswith(("-", "'-")) else f"{flag} {word}"
