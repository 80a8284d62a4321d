"""The remote executor: the same typed results and errors as here, and what happens when the line breaks."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import httpx
import pytest

import moothill
from moothill import Conflict, Forbidden, Invalid, MoothillError, NotFound, Unauthenticated, Unavailable
from moothill.database.embedded import EmbeddedServer
from moothill.kernel import remote
from moothill.kernel.context import CallOptions
from moothill.kernel.local import DeadlineExceeded
from moothill.kernel.remote import RemoteExecutor
from moothill.kernel.service import REGISTRY
from moothill.kernel.settings import Settings
from moothill.moot import Moot
from tests.conftest import DATABASE
from tests.serving import Live, eventually, serving

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def connected(live: Live, moot: Moot) -> AsyncIterator[Moot]:
    """A remote Moot in the tenant of a local one."""
    async with moothill.connect(live.url, key=await live.key(moot)) as far:
        yield far


@asynccontextmanager
async def pretender(handle: Handler) -> AsyncIterator[Moot]:
    """A Moot whose server is something else."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await handle(reader, writer)
        finally:
            writer.close()

    listening = await asyncio.start_server(answer, "127.0.0.1", 0)
    host, port = listening.sockets[0].getsockname()
    async with listening, moothill.connect(f"http://{host}:{port}", key="moot_x") as far:
        yield far


def page(status: str, body: bytes, media: str = "application/json") -> Handler:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(
            f"HTTP/1.1 {status}\r\ncontent-type: {media}\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body
        )
        await writer.drain()

    return handle


async def test_results_are_typed_and_equal_to_those_here(live: Live, moot: Moot) -> None:
    async with connected(live, moot) as far:
        issued = await far.keys.create(name="Zoë ☃", scopes=["agents:read"], expires_in=timedelta(days=2))
        here = (await moot.keys.list()).items
        assert issued.key in here
        assert await far.keys.list() == await moot.keys.list()
        assert (await far.keys.list(limit=1)).next is not None


async def test_errors_are_those_raised_here(live: Live, moot: Moot) -> None:
    async with connected(live, moot) as far:
        calls: list[Callable[[Moot], Awaitable[object]]] = [
            lambda moot: moot.tenants.get(tenant="nowhere"),
            lambda moot: moot.tenants.get(tenant=""),
            lambda moot: moot.keys.revoke(key=uuid4()),
            lambda moot: moot.keys.list(limit=0),
            lambda moot: moot.keys.list(cursor="garbage"),
        ]
        for call in calls:
            caught: list[MoothillError] = []
            for each in (moot, far):
                with pytest.raises(MoothillError) as raised:
                    await call(each)
                caught.append(raised.value)
            assert type(caught[0]) is type(caught[1])
            assert caught[0].to_problem()["kind"] == caught[1].to_problem()["kind"]


async def test_what_cannot_be_sent_is_refused_as_it_is_here(live: Live, moot: Moot) -> None:
    get = REGISTRY["tenants.get"]
    async with connected(live, moot) as far:
        for bad in (
            {"tenant": "a\x00b"},
            {"tenant": "\ud800"},
            {"tenant": object()},
            {"tenant": float("nan")},
            {"tenant": 10**40},
            {"tenant": "a", "more": 1},
            {},
        ):
            messages = set()
            for executor in (moot.executor, far.executor):
                with pytest.raises(Invalid) as raised:
                    await executor.run(get, bad, CallOptions())
                messages.add(raised.value.message)
            assert len(messages) == 1, messages


async def test_options_travel(live: Live, moot: Moot) -> None:
    async with connected(live, moot) as far:
        create = far.keys.create.options(idempotency_key=" 100% ☃\n", reason=" zweite\nZeile 100% ", request_id=uuid4())
        issued = await create(name="k", scopes=["agents:read"])
        with pytest.raises(Conflict, match="already issued"):
            await create(name="k", scopes=["agents:read"])
        event = (await moot.events.list(subject=issued.key.id)).items[0]
        assert event.reason == " zweite\nZeile 100% "
        assert event.request == create.call_options.request_id
        assert (await far.keys.revoke.plan(key=issued.key.id)).counts == {"keys": 1}
        assert (await moot.keys.list()).items[-1].revoked_at is None


async def test_another_tenant_and_another_key_share_the_connection(live: Live, moot: Moot, other: Moot) -> None:
    theirs = await other.keys.current()
    async with connected(live, moot) as far:
        assert (await far.tenant(theirs.tenant_slug).keys.current()).tenant == theirs.tenant
        assert (await far.keys.current()).tenant == (await moot.keys.current()).tenant
        with pytest.raises(NotFound):
            await far.tenant("nowhere").keys.current()
        far_executor = far.executor
        assert isinstance(far_executor, RemoteExecutor)
        small = far_executor.elsewhere(key=await live.key(moot, "agents:read"))
        with pytest.raises(Forbidden):
            await small.run(REGISTRY["keys.list"], {}, CallOptions())


async def test_a_batch_runs_in_one_transaction_there(live: Live, moot: Moot) -> None:
    async with connected(live, moot) as far:
        first = far.keys.create.call(name="k", scopes=["agents:read"])
        issued, ended = await far.batch([first, far.keys.revoke.call(key=first.result["key"]["id"])])
        assert issued.key.id == ended.id
        assert ended.revoked_at is not None
        with pytest.raises(Invalid, match="batch"):
            async with far.transaction():
                pass


async def test_a_wrong_key_is_refused(live: Live) -> None:
    for key in (None, "moot_" + "A" * 43, "é"):
        async with moothill.connect(live.url, key=key) as far:
            with pytest.raises(Unauthenticated):
                await far.keys.current()


@pytest.mark.parametrize("url", ["http://", "http://x:99999", "http://[::1", "https://u:p@host", "http://a/?b=c"])
async def test_an_address_that_is_none_is_refused_without_repeating_secrets(url: str) -> None:
    with pytest.raises(Invalid) as raised:
        RemoteExecutor(url)
    assert "u:p" not in raised.value.message


async def test_no_server_is_told_with_what_to_do(live: Live) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    async with moothill.connect(f"http://127.0.0.1:{port}") as far:
        with pytest.raises(Unavailable, match="moothill up"):
            await far.keys.current()
        with pytest.raises(Unavailable, match="moothill up"):
            await anext(far.events.follow())
    with pytest.raises(Unavailable, match="closed"):
        await far.keys.current()


@pytest.mark.parametrize(
    ("handler", "match"),
    [
        (page("404 Not Found", b"<h1>no</h1>", "text/html"), "no Moothill server|not as a Moothill"),
        (page("502 Bad Gateway", b"oops", "text/plain"), "not as a Moothill"),
        (page("503 Service Unavailable", b"oops", "text/plain"), "answers 503"),
        (page("301 Moved Permanently", b"", "text/plain"), "not as a Moothill"),
        (page("200 OK", b"{}"), "one version"),
        (page("200 OK", b"nonsense"), "one version"),
        (page("500 Oops", b"nonsense", "application/problem+json"), "not as a Moothill"),
    ],
)
async def test_something_else_at_the_address_is_told_apart(handler: Handler, match: str) -> None:
    async with pretender(handler) as far:
        with pytest.raises(Unavailable, match=match):
            await far.keys.current()


async def test_an_error_of_a_newer_server_is_rebuilt_as_its_kind() -> None:
    problem = b'{"kind": "conflict", "code": "made_up_later", "detail": "Later.", "context": {"field": "x"}}'
    async with pretender(page("409 Conflict", problem, "application/problem+json")) as far:
        with pytest.raises(Conflict, match="Later") as raised:
            await far.keys.current()
    assert raised.value.context == {"field": "x"}


async def test_a_lost_connection_is_made_again_once_for_what_may_be_repeated() -> None:
    seen: list[bytes] = []

    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.readuntil(b"\r\n\r\n"))

    async with pretender(hang_up) as far:
        with pytest.raises(Unavailable, match="try again"):
            await far.keys.current()
        assert len(seen) == 2
        with pytest.raises(Unavailable, match="may have been done"):
            await far.keys.create(name="k", scopes=["agents:read"])
        assert len(seen) == 3
        with pytest.raises(Unavailable):
            await far.keys.create.options(idempotency_key="k")(name="k", scopes=["agents:read"])
        assert len(seen) == 5


async def test_a_deadline_holds_although_the_server_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "_GRACE_SECONDS", 0.05)

    async def silence(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with pretender(silence) as far:
        with pytest.raises(DeadlineExceeded):
            await far.keys.current.options(deadline=timedelta(milliseconds=50))()


async def test_a_stream_brings_typed_items_and_ends_when_its_reader_leaves(live: Live, moot: Moot) -> None:
    async with connected(live, moot) as far:
        await moot.keys.create(name="first \u2028\r\n", scopes=["agents:read"])
        start = (await moot.events.list(order="oldest")).items
        feed = far.events.follow(after=start[0].cursor)
        async with asyncio.timeout(5):
            event = await anext(feed)
        assert event.payload["name"] == "first \u2028\r\n"
        assert event == (await moot.events.get(event=event.id)).model_copy(update={"cursor": event.cursor})
        await feed.aclose()  # type: ignore[attr-defined]  # an iterator to type checkers, a generator here

        async def over() -> bool:
            return live.door.streams.total() == 0

        await eventually(over)


async def test_a_refused_stream_raises_the_typed_error(live: Live, moot: Moot) -> None:
    async with connected(live, moot) as far:
        with pytest.raises(Invalid, match="cursor"):
            await anext(far.events.follow(after="garbage"))


async def test_a_stream_goes_on_at_the_next_server_without_gap_or_repetition(
    server: EmbeddedServer, settings: Settings, moot: Moot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server stops in the middle of a stream and another one takes its address."""
    monkeypatch.setattr(remote, "_PAUSE_SECONDS", 0.05)
    dsn = server.dsn("app", DATABASE)
    names = []
    async with serving(dsn, settings) as first:
        key = await first.key(moot)
        address = first.address
        start = (await moot.events.list(order="oldest")).items[0]
        far = await moothill.connect(first.url, key=key)
        feed = far.events.follow(after=start.cursor)
        for name in ("one", "two"):
            await moot.keys.create(name=name, scopes=["agents:read"])
            async with asyncio.timeout(5):
                names.append((await anext(feed)).payload["name"])
        following = asyncio.ensure_future(anext(feed))
    await moot.keys.create(name="three", scopes=["agents:read"])
    async with serving(dsn, settings, port=address[1]):
        async with asyncio.timeout(10):
            names.append((await following).payload["name"])
        await far.close()
    assert names == ["one", "two", "three"]


async def test_a_stream_that_cannot_resume_says_that_it_broke(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "_PAUSE_SECONDS", 0.001)
    opened = 0

    async def break_off(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal opened
        opened += 1
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
        writer.write(b"9\r\n: quiet\n\n\r\n")
        await writer.drain()

    async with pretender(break_off) as far:
        with pytest.raises(Unavailable):
            await anext(far.events.follow())
    assert opened > 1


def events(*chunks: str) -> Handler:
    """A stream that says these things and ends without more ado."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
        for chunk in chunks:
            writer.write(b"%x\r\n%s\r\n" % (len(chunk), chunk.encode()))
        writer.write(b"0\r\n\r\n")
        await writer.drain()

    return handle


async def test_a_stream_with_an_end_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    async with pretender(events(": quiet\n\n", "event: end\ndata: {}\n\n")) as far:
        assert [item async for item in far.events.follow()] == []


async def test_a_stream_without_its_end_is_taken_up_again_and_then_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "_PAUSE_SECONDS", 0.001)
    async with pretender(events("foreign: field\n\n")) as far:
        with pytest.raises(Unavailable, match="broke off"):
            await anext(far.events.follow())


def test_numbers_that_json_lacks_travel_as_text_where_they_are_allowed() -> None:
    allowing: Any = SimpleNamespace(name="x.y", signature=SimpleNamespace(validate=lambda arguments: arguments))
    assert remote._body(allowing, {"a": float("inf"), "b": "NaN"}) == b'{"a":"Infinity","b":"NaN"}'
    with pytest.raises(Invalid, match="cannot be sent"):
        remote._body(allowing, {"a": object()})


async def test_an_agents_eyes_are_lent_to_who_may(live: Live, moot: Moot) -> None:
    await moot.agents.register(agent_id="ada", name="Ada")
    async with connected(live, moot) as far:
        seen = await far.view_as("ada").keys.current()
        assert (seen.actor_kind, seen.actor_name, seen.real_actor_name) == ("agent", "Ada", "test")
        with pytest.raises(NotFound):
            await far.view_as("nobody").keys.current()


def test_this_machine_is_reached_without_a_proxy() -> None:
    assert remote._is_loopback("localhost")
    assert remote._is_loopback("127.0.0.2")
    assert remote._is_loopback("::1")
    assert not remote._is_loopback("example.org")


async def test_a_certificate_that_is_not_trusted_is_named(live: Live) -> None:
    executor = RemoteExecutor(live.url)
    error = executor._broken(httpx.ConnectError("[SSL: CERTIFICATE_VERIFY_FAILED]"), repeatable=True)
    await executor.close()
    assert "CERTIFICATE_VERIFY_FAILED" in error.message
