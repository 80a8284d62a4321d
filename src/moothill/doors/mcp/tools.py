"""Operations as tools: a curated set first, and three meta-tools that reach the rest.

A model that is shown every operation pays for all their schemas in its context. So a toolset shows
what its audience needs daily; `operations_find`, `operations_describe` and `call_operation` find,
explain and call anything else that the key allows.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any, Literal, TypeVar

import mcp_types as types

from ...kernel.catalogue import find_operation
from ...kernel.context import CallOptions
from ...kernel.errors import Forbidden, Invalid
from ...kernel.operation import Operation
from ...kernel.service import REGISTRY, Executor
from ...kernel.spelling import tool_name

__all__ = ["CALL_TOOL", "TOOLSETS", "Toolset", "call_tool", "tools_of"]

T = TypeVar("T")
Toolset = Literal["agent", "operator", "read", "all"]
TOOLSETS: Mapping[str, str] = {
    "agent": "What an agent does daily.",
    "operator": "The agent's set and what is meant for operators.",
    "read": "Everything that only reads.",
    "all": "Every operation; large.",
}
CALL_TOOL = "call_operation"
# Keywords beside the operation's own; the kernel's parameters never begin with an underscore.
_KEY, _REASON, _DRY_RUN = "_idempotency_key", "_reason", "_dry_run"


def tools_of(toolset: str, *, reads_only: bool = False) -> list[types.Tool]:
    """The tools of a set, in the order of their names, the meta-tool last."""
    chosen = [
        tool(operation)
        for name, operation in sorted(REGISTRY.items())
        if operation.kind != "stream"
        and _belongs(operation, toolset)
        and not (reads_only and operation.effect != "read")
    ]
    return [*chosen, _call_operation()]


def _belongs(operation: Operation[Any, Any], toolset: str) -> bool:
    if toolset == "all":
        return True
    if toolset == "read":
        return operation.effect == "read"
    if toolset == "operator":
        return operation.audience in ("agent", "operator")
    return operation.audience == "agent"


@cache
def tool(operation: Operation[Any, Any]) -> types.Tool:
    """One operation as a tool; made once, for over HTTP the protocol's library lists the tools at every call."""
    description = (operation.body.__doc__ or "").strip()
    return types.Tool(
        name=tool_name(operation.name),
        title=operation.summary.rstrip("."),
        description=description,
        input_schema=_input_schema(operation),
        annotations=types.ToolAnnotations(
            read_only_hint=operation.effect == "read",
            destructive_hint=operation.effect == "destroy",
            idempotent_hint=operation.effect == "read",
            open_world_hint=False,
        ),
    )


def _input_schema(operation: Operation[Any, Any]) -> dict[str, Any]:
    schema = operation.signature.input_model.model_json_schema()
    schema.setdefault("properties", {})
    if operation.effect != "read":
        schema["properties"][_KEY] = {
            "type": "string",
            "maxLength": 200,
            "description": "The second call with this key returns the first one's result.",
        }
        schema["properties"][_REASON] = {
            "type": "string",
            "maxLength": 1000,
            "description": "Why, for the record.",
        }
    if operation.effect == "destroy":
        schema["properties"][_DRY_RUN] = {
            "type": "boolean",
            "description": "Say what would be done; do nothing.",
        }
    return schema


def _call_operation() -> types.Tool:
    return types.Tool(
        name=CALL_TOOL,
        title="Call any operation by name",
        description=(
            "Call an operation that is not among the tools. Find it with operations_find and learn its arguments "
            "with operations_describe first."
        ),
        input_schema={
            "type": "object",
            "properties": {
                "operation": {"type": "string", "description": "Name, for example agents.get."},
                "arguments": {"type": "object", "description": "Its arguments."},
            },
            "required": ["operation"],
            "additionalProperties": False,
        },
        annotations=types.ToolAnnotations(open_world_hint=False),
    )


def _beside(arguments: Mapping[str, Any], name: str, kind: type[T]) -> T | None:
    value = arguments.get(name)
    if value is not None and not isinstance(value, kind):
        raise Invalid(f"{name} is a {'text' if kind is str else 'boolean'}.", field=name)
    return value


async def call_tool(
    executor: Executor, name: str, arguments: Mapping[str, Any], *, reads_only: bool = False
) -> dict[str, Any]:
    """Call a tool; its result as a JSON object (lists and plain values stand under `result`).

    Raises:
        MoothillError: as at every door.
    """
    if name == CALL_TOOL:
        operation = find_operation(str(arguments.get("operation", "")))
        given = arguments.get("arguments") or {}
        if not isinstance(given, Mapping):
            raise Invalid("arguments is an object.", field="arguments")
        beside = {key: value for key, value in arguments.items() if key not in ("operation", "arguments")}
        if unknown := [key for key in beside if key not in (_KEY, _REASON, _DRY_RUN)]:
            raise Invalid(f"{CALL_TOOL} takes operation and arguments, not {unknown[0]}.", field=unknown[0])
        arguments = {**given, **beside}
    else:
        by_tool = {tool_name(each): each for each in REGISTRY}
        operation = find_operation(by_tool.get(name, name.replace("_", ".", 1)))
    if operation.kind == "stream":
        raise Invalid(f"{operation.name} is a stream; take it over HTTP, or read its list page by page.")
    if reads_only and operation.effect != "read":
        raise Forbidden(f"This server was started for reading only, and {operation.name} writes.")
    own = {key: value for key, value in arguments.items() if key not in (_KEY, _REASON, _DRY_RUN)}
    options = CallOptions(
        idempotency_key=_beside(arguments, _KEY, str),
        reason=_beside(arguments, _REASON, str),
        dry_run=_beside(arguments, _DRY_RUN, bool) or False,
    )
    result = await executor.run(operation, own, options)
    plain = result.model_dump(mode="json") if options.dry_run else operation.signature.dump(result)
    return plain if isinstance(plain, dict) else {"result": plain}
