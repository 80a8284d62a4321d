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
    """The call on the command line: required plain parameters by position, the others as options."""
    piped = ""
    words = ["moothill", operation.group, operation.verb.replace("_", "-")]
    for parameter in operation.signature.parameters:
        if parameter.name not in arguments:
            continue
        value = arguments[parameter.name]
        flag = f"--{parameter.name.replace('_', '-')}"
        if parameter.is_file:
            piped = f"printf %s {_word(value)} | "
            words.append("-")
        elif parameter.is_positional:
            words.append(_word(value))
        elif isinstance(value, bool):
            words.append(flag if value else f"--no-{parameter.name.replace('_', '-')}")
        elif parameter.is_plain and parameter.is_list and isinstance(value, list):
            for item in value:
                words += [flag, _word(item)]
        elif value is not None:
            words += [flag, _word(value) if parameter.is_plain else shlex.quote(json.dumps(value, default=str))]
    return piped + " ".join(words)


def spell_mcp(operation: Operation[Any, Any], arguments: Mapping[str, Any]) -> str:
    """The call as an MCP `tools/call` request."""
    return json.dumps(
        {"method": "tools/call", "params": {"name": tool_name(operation.name), "arguments": dict(arguments)}},
        indent=2,
        default=str,
    )


def _word(value: Any) -> str:
    return shlex.quote(value if isinstance(value, str) else json.dumps(value, default=str))
