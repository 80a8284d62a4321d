"""The doors, as the contract suite sees them: each takes a call and gives its outcome as JSON.

A door joins the suite with one entry in `DOORS`. What it has no words for, its adapter says in the outcome.
"""

import json
import re
from collections.abc import AsyncIterator, Callable, Mapping, Set
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import httpx
import httpx2
from mcp.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import TextContent

import moothill
from moothill.doors.mcp.tools import CALL_TOOL
from moothill.kernel.context import CallOptions
from moothill.kernel.errors import KINDS, MoothillError
from moothill.kernel.operation import Operation, Plan
from moothill.kernel.spelling import tool_name
from moothill.moot import Moot
from tests.command_line_process import CommandLineProcess, command_line_process
from tests.contract.cases import Case
from tests.contract.words import fits_text, misused, wordless, words_of
from tests.serving import Live

__all__ = ["DOORS", "DoorAdapter", "Outcome", "Site", "masked"]

Json = Any


@dataclass(frozen=True)
class Outcome:
    """A result or a problem document, in JSON's types.

    Attributes:
        unsaid: instead of both, why a call cannot be said at this door; it must be one that all doors refuse.
    """

    result: Json = None
    problem: Mapping[str, Json] | None = None
    unsaid: str = ""


@dataclass(frozen=True)
class Site:
    """A society with its own database and server, the same at the start for every door.

    Attributes:
        moot: the local operator.
        dsn: of the application role.
        keys: secret of a key by whether it holds every scope.
    """

    live: Live
    moot: Moot
    dsn: str
    keys: Mapping[bool, str]


class DoorAdapter(Protocol):
    """One door, open."""

    async def call(self, operation: Operation[Any, Any], case: Case) -> Outcome:
        """The outcome of a call."""
        ...


class _Sdk:
    """The SDK, on a database or on a server: one Moot for each key."""

    def __init__(self, moots: Mapping[bool, Moot]) -> None:
        self._moots = moots

    async def call(self, operation: Operation[Any, Any], case: Case) -> Outcome:
        executor = self._moots[case.scoped].executor
        try:
            options = CallOptions(**case.options)
            if operation.kind == "stream":
                await anext(executor.iterate(operation, case.arguments, options))
                raise AssertionError("a stream was accepted")
            result = await executor.run(operation, case.arguments, options)
        except MoothillError as error:
            return Outcome(problem=error.to_problem())
        if case.options.get("dry_run"):
            assert isinstance(result, Plan)
            return Outcome(result=result.model_dump(mode="json"))
        return Outcome(result=operation.signature.dump(result))


@asynccontextmanager
async def local_sdk(site: Site) -> AsyncIterator[DoorAdapter]:
    """The SDK on the database."""
    yield _Sdk({scoped: site.moot.with_key(key) for scoped, key in site.keys.items()})


@asynccontextmanager
async def remote_sdk(site: Site) -> AsyncIterator[DoorAdapter]:
    """The SDK on the server."""
    async with (
        moothill.connect(site.live.url, key=site.keys[True]) as full,
        moothill.connect(site.live.url, key=site.keys[False]) as empty,
    ):
        yield _Sdk({True: full, False: empty})


class _Http:
    def __init__(self, clients: Mapping[bool, httpx.AsyncClient], *, gets: bool) -> None:
        self._clients = clients
        self._gets = gets

    async def call(self, operation: Operation[Any, Any], case: Case) -> Outcome:
        headers = {}
        if "idempotency_key" in case.options:
            headers["Idempotency-Key"] = case.options["idempotency_key"]
        if case.options.get("dry_run"):
            headers["Moothill-Dry-Run"] = "true"
        client, path = self._clients[case.scoped], f"/v1/{operation.group}/{operation.verb}"
        lists = {parameter.name for parameter in operation.signature.parameters if parameter.is_list}
        fits = all(fits_text(value, is_list=name in lists) for name, value in case.arguments.items())
        if self._gets and operation.answers_get and fits:
            answer = await client.get(path, params=dict(case.arguments), headers=headers)
        else:
            answer = await client.post(path, json=dict(case.arguments), headers=headers)
        if answer.is_success:
            return Outcome(result=answer.json())
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.status_code == answer.json()["status"]
        return Outcome(problem=answer.json())


def http(*, gets: bool) -> Callable[[Site], AbstractAsyncContextManager[DoorAdapter]]:
    """Plain HTTP, by POST, or by GET where that is answered and the arguments fit a query."""

    @asynccontextmanager
    async def opened(site: Site) -> AsyncIterator[DoorAdapter]:
        async with site.live.client(site.keys[True]) as full, site.live.client(site.keys[False]) as empty:
            yield _Http({True: full, False: empty}, gets=gets)

    return opened


class _Mcp:
    def __init__(self, clients: Mapping[bool, Client], listed: Set[str]) -> None:
        self._clients = clients
        self._listed = listed

    async def call(self, operation: Operation[Any, Any], case: Case) -> Outcome:
        beside = {f"_{name}": value for name, value in case.options.items()}
        name = tool_name(operation.name)
        if name in self._listed:
            arguments = {**case.arguments, **beside}
        else:
            name = CALL_TOOL
            arguments = {"operation": operation.name, "arguments": dict(case.arguments), **beside}
        answer = await self._clients[case.scoped].call_tool(name, arguments)
        (told,) = answer.content
        assert isinstance(told, TextContent)
        content = answer.structured_content
        if not answer.is_error:
            assert json.loads(told.text) == content
            # The protocol knows objects only.
            return Outcome(result=content["result"] if content.keys() == {"result"} else content)
        assert told.text == content["detail"]
        if operation.kind == "stream":
            assert content["kind"] == "invalid"
            return Outcome(unsaid="a tool gives one answer, never a stream")
        return Outcome(problem=content)


@asynccontextmanager
async def _mcp_client(site: Site, key: str) -> AsyncIterator[Client]:
    headers = {"Authorization": f"Bearer {key}"}
    async with (
        httpx2.AsyncClient(headers=headers, trust_env=False, timeout=20) as sender,
        Client(streamable_http_client(f"{site.live.url}/mcp", http_client=sender)) as client,
    ):
        yield client


def mcp(*, own_tools: bool) -> Callable[[Site], AbstractAsyncContextManager[DoorAdapter]]:
    """MCP over HTTP, through the tool that calls any operation, or through its own where that is listed."""

    @asynccontextmanager
    async def opened(site: Site) -> AsyncIterator[DoorAdapter]:
        async with _mcp_client(site, site.keys[True]) as full, _mcp_client(site, site.keys[False]) as empty:
            tools = (await full.list_tools()).tools if own_tools else []
            yield _Mcp({True: full, False: empty}, {each.name for each in tools})

    return opened


class _CommandLine:
    """Each call as `spell_cli` spells it; the key comes from the environment."""

    def __init__(self, run: CommandLineProcess, site: Site) -> None:
        self._run = run
        self._site = site

    async def call(self, operation: Operation[Any, Any], case: Case) -> Outcome:
        if unsaid := wordless(operation, case):
            return Outcome(unsaid=unsaid)
        words, stdin = words_of(operation, case)
        ended = await self._run(
            *("--url", self._site.live.url, "--json", *words), stdin=stdin, MOOTHILL_KEY=self._site.keys[case.scoped]
        )
        if ended.code == 0:
            assert ended.err == "", ended
            return Outcome(result=ended.json)
        assert ended.out == "", ended
        if unsaid := misused(operation, case):
            assert ended.err.startswith("Usage:"), ended
            assert ended.code == KINDS["invalid"].exit_code, ended
            return Outcome(unsaid=unsaid)
        assert len(ended.err.splitlines()) == 1, ended
        assert ended.code == KINDS[ended.problem["kind"]].exit_code, ended
        return Outcome(problem=ended.problem)


@asynccontextmanager
async def command_line(site: Site) -> AsyncIterator[DoorAdapter]:
    """The command line, on the server."""
    async with command_line_process() as run:
        yield _CommandLine(run, site)


REFERENCE = "local SDK"
DOORS: dict[str, Callable[[Site], AbstractAsyncContextManager[DoorAdapter]]] = {
    REFERENCE: local_sdk,
    "remote SDK": remote_sdk,
    "HTTP POST": http(gets=False),
    "HTTP GET": http(gets=True),
    "MCP": mcp(own_tools=False),
    "MCP tools": mcp(own_tools=True),
    "command line": command_line,
}

_MASKS = (
    (re.compile(r"moot_[A-Za-z0-9_-]{6,}"), "<secret>"),
    (re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"), "<id>"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)"), "<time>"),
)


def masked(value: Json, key: str = "") -> Json:
    """A value without what differs between two runs: ids, times, secrets, cursors."""
    if key.endswith(("_ms", "_wait_seconds")) or key in ("last_used_at", "door"):
        return "<varies>"
    if isinstance(value, Mapping):
        return {name: masked(item, name) for name, item in value.items() if name != "instance"}
    if isinstance(value, list):
        if all(isinstance(item, Mapping) and "avg_execution_ms" in item for item in value):
            # In the order of times, which differ.
            value = sorted(value, key=lambda item: str(item.get("query_text")))
        return [masked(item) for item in value]
    if isinstance(value, str):
        if key in ("cursor", "next"):
            return "<cursor>"
        for pattern, stand_in in _MASKS:
            value = pattern.sub(stand_in, value)
    return value
