"""The MCP door, driven by the SDK's own client over standard input and output."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from mcp.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.shared.exceptions import MCPError

from moothill.database.embedded import EmbeddedServer
from moothill.doors.mcp.tools import call_tool, tools_of
from moothill.kernel.errors import Forbidden, Invalid, NotFound
from moothill.kernel.service import REGISTRY
from moothill.moot import Moot
from tests.conftest import DATABASE


@asynccontextmanager
async def client(server: EmbeddedServer, tenant: str, *options: str) -> AsyncIterator[Client]:
    parameters = StdioServerParameters(
        command=sys.executable,
        args=["-m", "moothill", "--dsn", server.dsn("app", DATABASE), "--tenant", tenant, "mcp", *options],
    )
    async with Client(stdio_client(parameters)) as connected:
        yield connected


async def test_an_outside_client_finds_describes_and_calls(server: EmbeddedServer, moot: Moot) -> None:
    slug = (await moot.keys.current()).tenant_slug
    async with client(server, slug) as outside:
        tools = {tool.name: tool for tool in (await outside.list_tools()).tools}
        assert {"operations_find", "operations_describe", "call_operation", "keys_current"} <= set(tools)
        assert tools["keys_current"].annotations is not None
        assert tools["keys_current"].annotations.read_only_hint is True
        current = await outside.call_tool("keys_current", {})
        assert current.structured_content["tenant_slug"] == slug
        found = await outside.call_tool("operations_find", {"text": "api keys"})
        assert isinstance(found.structured_content["result"], list)
        described = await outside.call_tool("operations_describe", {"operation": "keys.create"})
        assert described.structured_content["input"]["required"] == ["name", "scopes"]
        made = await outside.call_tool(
            "call_operation",
            {"operation": "keys.create", "arguments": {"name": "k", "scopes": ["agents:read"]}},
        )
        assert made.structured_content["secret"].startswith("moot_")
        read = await outside.read_resource("moothill://operations/describe/keys.list")
        assert '"keys.list"' in read.contents[0].text  # type: ignore[union-attr]
    assert len((await moot.keys.list()).items) == 1


async def test_errors_are_results_that_a_model_can_read(server: EmbeddedServer, moot: Moot) -> None:
    slug = (await moot.keys.current()).tenant_slug
    async with client(server, slug, "--read-only") as outside:
        unknown = await outside.call_tool("call_operation", {"operation": "keys.lst"})
        assert unknown.is_error
        assert "Did you mean" in unknown.content[0].text  # type: ignore[union-attr]
        assert unknown.structured_content["status"] == 404
        invalid = await outside.call_tool("call_operation", {"operation": "keys.list", "arguments": {"limit": -1}})
        assert invalid.structured_content["context"]["field"] == "limit"
        writing = await outside.call_tool(
            "call_operation",
            {"operation": "keys.create", "arguments": {"name": "k", "scopes": ["agents:read"]}},
        )
        assert writing.structured_content["kind"] == "forbidden"
        with pytest.raises(MCPError):
            await outside.read_resource("moothill://nowhere/at/all")
    assert (await moot.keys.list()).items == []


def test_the_default_set_is_small_and_every_set_is_well_formed() -> None:
    assert len(tools_of("agent")) <= 40
    assert len(tools_of("all")) > len(tools_of("agent"))
    for toolset in ("agent", "operator", "read", "all"):
        names = [tool.name for tool in tools_of(toolset)]
        assert len(names) == len(set(names))
        for tool in tools_of(toolset):
            assert tool.input_schema["type"] == "object"
            assert tool.name.replace("_", "").isalnum()
    assert all(tool.annotations and tool.annotations.read_only_hint for tool in tools_of("read")[:-1])


def test_a_tool_is_made_once() -> None:
    """Over HTTP the library asks for the list before each call; making all their schemas anew took 50 ms."""
    assert [id(tool) for tool in tools_of("all")[:-1]] == [id(tool) for tool in tools_of("all")[:-1]]


async def test_every_call_is_reachable_by_its_tool_name(moot: Moot) -> None:
    for name, operation in REGISTRY.items():
        if operation.kind == "stream":
            with pytest.raises(Invalid, match="stream"):
                await call_tool(moot.executor, name.replace(".", "_"), {})
    with pytest.raises(NotFound):
        await call_tool(moot.executor, "no_such_tool", {})
    with pytest.raises(Invalid, match="object"):
        await call_tool(moot.executor, "call_operation", {"operation": "keys.list", "arguments": "x"})
    with pytest.raises(Forbidden, match="reading only"):
        await call_tool(moot.executor, "keys_create", {"name": "k", "scopes": ["a:b"]}, reads_only=True)


async def test_a_dry_run_and_an_idempotency_key_go_beside_the_arguments(moot: Moot) -> None:
    made = await call_tool(moot.executor, "keys_create", {"name": "k", "scopes": ["agents:read"], "_reason": "a test"})
    plan = await call_tool(moot.executor, "keys_revoke", {"key": made["key"]["id"], "_dry_run": True})
    assert plan["counts"] == {"keys": 1}
    assert (await moot.keys.list()).items[0].revoked_at is None
