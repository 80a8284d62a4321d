"""The doors, as the contract suite sees them: each takes a call and gives its outcome as JSON.

A door joins the suite with one entry in `DOORS`.
"""

import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import httpx

import moothill
from moothill.kernel.context import CallOptions
from moothill.kernel.errors import MoothillError
from moothill.kernel.operation import Operation, Plan
from moothill.moot import Moot
from tests.contract.cases import Case
from tests.serving import Live

__all__ = ["DOORS", "DoorAdapter", "Outcome", "Site", "masked"]

Json = Any


@dataclass(frozen=True)
class Outcome:
    """A result or a problem document, in JSON's types."""

    result: Json = None
    problem: Mapping[str, Json] | None = None


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
        fits = all(_fits_query(value, is_list=name in lists) for name, value in case.arguments.items())
        if self._gets and operation.answers_get and fits:
            answer = await client.get(path, params=dict(case.arguments), headers=headers)
        else:
            answer = await client.post(path, json=dict(case.arguments), headers=headers)
        if answer.is_success:
            return Outcome(result=answer.json())
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.status_code == answer.json()["status"]
        return Outcome(problem=answer.json())


def _fits_query(value: Json, *, is_list: bool) -> bool:
    if is_list:
        return isinstance(value, list) and bool(value) and all(isinstance(each, str | int | float) for each in value)
    return isinstance(value, str | int | float)


def http(*, gets: bool) -> Callable[[Site], AbstractAsyncContextManager[DoorAdapter]]:
    """Plain HTTP, by POST, or by GET where that is answered and the arguments fit a query."""

    @asynccontextmanager
    async def opened(site: Site) -> AsyncIterator[DoorAdapter]:
        async with site.live.client(site.keys[True]) as full, site.live.client(site.keys[False]) as empty:
            yield _Http({True: full, False: empty}, gets=gets)

    return opened


REFERENCE = "local SDK"
DOORS: dict[str, Callable[[Site], AbstractAsyncContextManager[DoorAdapter]]] = {
    REFERENCE: local_sdk,
    "remote SDK": remote_sdk,
    "HTTP POST": http(gets=False),
    "HTTP GET": http(gets=True),
}

_MASKS = (
    (re.compile(r"moot_[A-Za-z0-9_-]{6,}"), "<secret>"),
    (re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"), "<id>"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)"), "<time>"),
)


def masked(value: Json, key: str = "") -> Json:
    """A value without what differs between two runs: ids, times, secrets, cursors."""
    if key.endswith("_ms") or key == "last_used_at":
        return "<varies>"
    if isinstance(value, Mapping):
        return {name: masked(item, name) for name, item in value.items() if name != "instance"}
    if isinstance(value, list):
        return [masked(item) for item in value]
    if isinstance(value, str):
        if key in ("cursor", "next"):
            return "<cursor>"
        for pattern, stand_in in _MASKS:
            value = pattern.sub(stand_in, value)
    return value
