"""Streams over HTTP: server-sent events, lines, resumption, refusals, and the end of the server."""

import asyncio
import json
from collections.abc import AsyncIterator
from uuid import uuid4

import httpx
import pytest

from moothill.database.embedded import EmbeddedServer
from moothill.doors.http import door, streams
from moothill.kernel.errors import NotFound
from moothill.kernel.server_events import ServerEvent, read_events
from moothill.kernel.settings import Settings
from moothill.moot import Moot
from tests.conftest import DATABASE
from tests.serving import Live, eventually, serving

EVENTS = {"Accept": "text/event-stream"}


async def some(answer: httpx.Response, count: int) -> list[ServerEvent]:
    """The first events of an answer."""
    found: list[ServerEvent] = []
    async with asyncio.timeout(5):
        async for event in read_events(answer.aiter_raw()):
            found.append(event)
            if len(found) == count:
                break
    return found


async def issue(moot: Moot, *names: str) -> None:
    for name in names:
        await moot.keys.create(name=name, scopes=["agents:read"])


async def test_events_carry_their_cursor_and_last_event_id_resumes(live: Live, moot: Moot) -> None:
    start = (await moot.events.list(limit=1, order="newest")).items
    assert start == []
    async with live.client(await live.key(moot), **EVENTS) as client:
        await issue(moot, "one", "two \u2028 lines", "three")
        page = (await moot.events.list(order="oldest")).items
        async with client.stream("GET", "/v1/events/follow", params={"after": page[0].cursor}) as answer:
            assert answer.headers["content-type"] == "text/event-stream"
            first, second, _ = await some(answer, 3)
        assert json.loads(first.data)["payload"]["name"] == "one"
        assert first.id == json.loads(first.data)["cursor"]
        again = {"Last-Event-ID": first.id or "", "Accept": "text/event-stream"}
        # A browser that reconnects sends the old address with the new header: the header is later.
        async with client.stream("GET", "/v1/events/follow", params={"after": page[0].cursor}, headers=again) as answer:
            assert (await some(answer, 1))[0] == second


async def test_without_server_sent_events_a_stream_is_one_value_a_line(live: Live, moot: Moot) -> None:
    async with live.client(await live.key(moot)) as client:
        page = (await moot.events.list()).items
        await issue(moot, "one", "two")
        async with client.stream("POST", "/v1/events/follow", json={"after": page[0].cursor}) as answer:
            assert answer.headers["content-type"] == "application/x-ndjson"
            lines = answer.aiter_lines()
            names = [json.loads(await anext(lines))["payload"]["name"] for _ in range(2)]
        assert names == ["one", "two"]


@pytest.mark.parametrize(
    ("arguments", "status", "code"),
    [
        ({"after": "garbage"}, 422, "invalid_cursor"),
        ({"nothing": 1}, 422, "invalid_arguments"),
    ],
)
async def test_a_refused_stream_gets_its_proper_status(
    client: httpx.AsyncClient, arguments: dict[str, object], status: int, code: str
) -> None:
    for headers in (EVENTS, {}):
        answer = await client.post("/v1/events/follow", json=arguments, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (status, code)
        assert answer.headers["content-type"] == "application/problem+json"


async def test_a_key_without_the_scope_gets_no_stream(live: Live, moot: Moot) -> None:
    async with live.client(await live.key(moot, "agents:read"), **EVENTS) as client:
        assert (await client.get("/v1/events/follow")).status_code == 403


async def test_a_quiet_stream_shows_that_it_lives(live: Live, moot: Moot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "_FIRST_SECONDS", 0.01)
    monkeypatch.setattr(streams, "_QUIET_SECONDS", 0.01)
    for accept, sign in ((EVENTS, b": quiet\n\n"), ({}, b"\n")):
        async with (
            live.client(await live.key(moot), **accept) as client,
            client.stream("GET", "/v1/events/follow") as answer,
        ):
            chunks = answer.aiter_raw()
            assert (await asyncio.wait_for(anext(chunks), 5)).startswith(sign)


async def test_a_client_that_leaves_ends_its_stream(live: Live, moot: Moot) -> None:
    async with (
        live.client(await live.key(moot), **EVENTS) as client,
        client.stream("GET", "/v1/events/follow"),
    ):
        assert live.door.streams.total() >= 1

    async def over() -> bool:
        return live.door.streams.total() == 0

    await eventually(over)


async def test_a_key_holds_so_many_streams_and_no_more(live: Live, moot: Moot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "STREAMS_OF_ONE_KEY", 1)
    async with live.client(await live.key(moot), **EVENTS) as client, client.stream("GET", "/v1/events/follow"):
        refused = await client.get("/v1/events/follow")
    assert (refused.status_code, refused.json()["code"]) == (429, "too_many_streams")


async def test_a_busy_stream_does_not_use_up_the_rate_of_its_key(
    server: EmbeddedServer, settings: Settings, moot: Moot
) -> None:
    strict = settings.model_copy(update={"rate_limit": 2})
    async with (
        serving(server.dsn("app", DATABASE), strict) as live,
        live.client(await live.key(moot), **EVENTS) as client,
        client.stream("GET", "/v1/events/follow") as answer,
    ):
        chunks = read_events(answer.aiter_raw())
        for name in "abcde":
            await issue(moot, name)
            async with asyncio.timeout(10):
                assert json.loads((await anext(chunks)).data)["payload"]["name"] == name


async def test_a_failure_in_the_middle_is_the_last_thing_said(
    live: Live, moot: Moot, monkeypatch: pytest.MonkeyPatch
) -> None:
    from moothill.worker.events import Events

    original = Events.operations["follow"].body

    async def breaking(service: object, **arguments: object) -> AsyncIterator[object]:
        async for item in original(service, **arguments):
            yield item
            raise NotFound("gone")

    monkeypatch.setattr(Events.operations["follow"], "body", breaking)
    await issue(moot, "one", "two")
    page = (await moot.events.list(order="oldest")).items
    key = await live.key(moot)
    async with live.client(key, **EVENTS) as client:
        answer = await client.get("/v1/events/follow", params={"after": page[0].cursor})
        assert answer.status_code == 200
        assert "event: error\ndata: {" in answer.text
        assert '"detail":"gone"' in answer.text
        answer = await client.get(
            "/v1/events/follow", params={"after": page[0].cursor}, headers={"Accept": "application/json"}
        )
        assert json.loads(answer.text.splitlines()[-1])["code"] == "not_found"


async def test_streams_end_when_the_server_stops_and_calls_end_first(
    server: EmbeddedServer, settings: Settings, moot: Moot
) -> None:
    async with (
        serving(server.dsn("app", DATABASE), settings) as live,
        live.client(await live.key(moot), **EVENTS) as client,
        client.stream("GET", "/v1/events/follow") as answer,
    ):
        live.server.should_exit = True
        async with asyncio.timeout(10):
            said = (await answer.aread()).decode()
        assert '"code":"server_stopping"' in said


async def test_an_unknown_stream_is_not_found(client: httpx.AsyncClient) -> None:
    answer = await client.post("/v1/jobs/follow", json={"job": str(uuid4())}, headers=EVENTS)
    assert (answer.status_code, answer.json()["kind"]) == (404, "not_found")
