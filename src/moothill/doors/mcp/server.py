"""The server: tools, and reads as resources. It names no subsystem; it reads the registry."""

from collections.abc import Callable
from importlib import metadata
from typing import Any
from urllib.parse import quote, unquote

import mcp_types as types
import orjson
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.shared.exceptions import MCPError

from ...kernel.context import CallOptions
from ...kernel.errors import MoothillError, NotFound
from ...kernel.operation import Operation
from ...kernel.service import REGISTRY, Executor
from .tools import call_tool, tools_of

__all__ = ["build_server", "serve_stdio"]

ExecutorOf = Callable[[ServerRequestContext[Any, Any]], Executor]

_INSTRUCTIONS = (
    "Moothill is the system of record of a society of agents: who exists, what they can do, who did what. "
    "Start with search_find or agents_choose to find an agent. operations_find lists everything else that can be "
    "done; operations_describe tells how; call_operation does it."
)


def build_server(executor_of: ExecutorOf, *, toolset: str = "agent", reads_only: bool = False) -> Server[Any]:
    """An MCP server over the registry.

    Args:
        executor_of: from a request to the executor of its caller.
        toolset: which tools are listed; see `TOOLSETS`.
        reads_only: refuse everything that writes.
    """

    schemas: dict[str, dict[str, Any]] = {}

    def schema_of(name: str) -> dict[str, Any] | None:
        # The protocol's library asks at each call over HTTP, and would list all tools for it.
        if not schemas:
            schemas.update({each.name: each.input_schema for each in tools_of(toolset, reads_only=reads_only)})
        return schemas.get(name)

    async def list_tools(ctx: Any, params: Any) -> types.ListToolsResult:
        return types.ListToolsResult(tools=tools_of(toolset, reads_only=reads_only))

    async def call(ctx: Any, params: types.CallToolRequestParams) -> types.CallToolResult:
        try:
            result = await call_tool(executor_of(ctx), params.name, params.arguments or {}, reads_only=reads_only)
        except MoothillError as error:
            return types.CallToolResult(
                content=[types.TextContent(text=error.message)],
                structured_content=orjson.loads(orjson.dumps(error.to_problem(), default=str)),
                is_error=True,
            )
        text = orjson.dumps(result).decode()
        return types.CallToolResult(content=[types.TextContent(text=text)], structured_content=result)

    async def list_resources(ctx: Any, params: Any) -> types.ListResourcesResult:
        found = [
            types.Resource(
                uri=f"moothill://{each.group}/{each.verb}",
                name=each.name,
                description=each.summary,
                mime_type="application/json",
            )
            for each in REGISTRY.values()
            if _is_resource(each) and not any(parameter.required for parameter in each.signature.parameters)
        ]
        return types.ListResourcesResult(resources=found)

    async def list_templates(ctx: Any, params: Any) -> types.ListResourceTemplatesResult:
        found = []
        for each in REGISTRY.values():
            required = [parameter for parameter in each.signature.parameters if parameter.required]
            if _is_resource(each) and len(required) == 1 and required[0].is_positional:
                found.append(
                    types.ResourceTemplate(
                        uri_template=f"moothill://{each.group}/{each.verb}/{{{required[0].name}}}",
                        name=each.name,
                        description=each.summary,
                        mime_type="application/json",
                    )
                )
        return types.ListResourceTemplatesResult(resource_templates=found)

    async def read(ctx: Any, params: types.ReadResourceRequestParams) -> types.ReadResourceResult:
        try:
            text = await _read(executor_of(ctx), str(params.uri))
        except MoothillError as error:
            raise MCPError(-32002 if error.kind == "not_found" else -32602, error.message, error.to_problem()) from None
        contents = [types.TextResourceContents(uri=params.uri, mime_type="application/json", text=text)]
        return types.ReadResourceResult(contents=list(contents))

    return Server(
        "moothill",
        version=metadata.version("moothill"),
        instructions=_INSTRUCTIONS,
        get_tool_input_schema=schema_of,
        on_list_tools=list_tools,
        on_call_tool=call,
        on_list_resources=list_resources,
        on_list_resource_templates=list_templates,
        on_read_resource=read,
    )


def _is_resource(operation: Operation[Any, Any]) -> bool:
    return operation.effect == "read" and operation.kind == "call" and operation.audience != "operator"


async def _read(executor: Executor, uri: str) -> str:
    parts = [unquote(part) for part in uri.removeprefix("moothill://").split("/") if part]
    operation = REGISTRY.get(".".join(parts[:2]))
    if not uri.startswith("moothill://") or operation is None or not _is_resource(operation) or len(parts) > 3:
        raise NotFound(f"There is no resource {quote(uri[:200], safe=':/')}; list the resource templates.")
    required = [parameter.name for parameter in operation.signature.parameters if parameter.required]
    arguments = dict(zip(required, parts[2:], strict=False))
    result = await executor.run(operation, arguments, CallOptions())
    return orjson.dumps(operation.signature.dump(result)).decode()


async def serve_stdio(executor: Executor, *, toolset: str = "agent", reads_only: bool = False) -> None:
    """Serve one client on standard input and output until it leaves."""
    from mcp.server.stdio import stdio_server

    server = build_server(lambda ctx: executor, toolset=toolset, reads_only=reads_only)
    async with stdio_server() as (incoming, outgoing):
        await server.run(incoming, outgoing, server.create_initialization_options())
