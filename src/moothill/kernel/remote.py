"""The remote executor: the same calls, done by a Moothill server over HTTP.

Arguments are judged at the server, as the local executor would judge them here, so results and
errors are the same. A connection that breaks is made again once for what may safely be repeated:
reads, plans, and writes with an idempotency key. Streams go on after the last item that came.
"""

import asyncio
import ipaddress
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlsplit

import httpx
from pydantic import TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError, from_json, to_json

from . import errors
from .context import CallOptions
from .errors import KINDS, MoothillError, from_problem
from .identifiers import uuid7
from .local import DeadlineExceeded
from .operation import Operation, Plan
from .server_events import ServerEvent, read_events

__all__ = ["RemoteExecutor"]

CONNECT_SECONDS, ANSWER_SECONDS, QUIET_SECONDS = 10.0, 120.0, 45.0
# A server tells by itself that a deadline passed; this is how long its word may travel.
_GRACE_SECONDS = 1.0
_RESUMES, _PAUSE_SECONDS = 5, 0.2
# Shorter than the server keeps a quiet connection, so that we let go of it first.
_KEEP_SECONDS = 30.0
_PLAN = TypeAdapter(Plan)


class ServerUnreachable(errors.Unavailable):
    """No Moothill server answers at this address; start one with `moothill up`, or check the address."""


class AnswerLost(errors.Unavailable):
    """The connection broke before the answer came; the write may have been done."""


class NotMoothill(errors.Unavailable):
    """Something answers at this address, but it is no Moothill server that this client understands."""


class BadAddress(errors.Invalid):
    """A server's address is http:// or https://, a host, and maybe a port and a path."""


@dataclass(slots=True)
class _Server:
    """One server: its address and the connections to it, shared by all executors of one Moot."""

    url: str
    client: httpx.AsyncClient = field(init=False)

    def __post_init__(self) -> None:
        if "@" in self.url:
            raise BadAddress("A server's address holds no name or password; give the key as `key`.")
        host = _host(self.url)
        if host is None:
            raise BadAddress(f"{self.url!r} is no server's address; give one such as http://127.0.0.1:8080.")
        self.url = self.url.rstrip("/")
        limits = httpx.Limits(max_connections=100, max_keepalive_connections=20, keepalive_expiry=_KEEP_SECONDS)
        # A transport of our own keeps out the proxies of the environment, which are no way to this machine. Loading
        # the certificates of all authorities takes longer than a call, and plain HTTP has no use for them.
        verify = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if self.url.lower().startswith("http://") else True
        near = httpx.AsyncHTTPTransport(limits=limits, verify=verify) if _is_loopback(host) else None
        self.client = httpx.AsyncClient(
            timeout=httpx.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS),
            limits=limits,
            transport=near,
            follow_redirects=False,
        )


@dataclass(slots=True)
class _Place:
    """How far a stream has come: whether it ever opened, how many items, and the last one's id."""

    is_open: bool = False
    items: int = 0
    last: str | None = None


class RemoteExecutor:
    """Runs operations at a server.

    Args:
        url: address of the server.
        key: API key, `moot_...`.
        tenant: another tenant than the key's own, by slug or id; for keys of the platform.
        view_as: agent whose eyes to see with.

    Raises:
        BadAddress: the address is none.
    """

    def __init__(
        self, url: str, *, key: str | None = None, tenant: str | None = None, view_as: str | None = None
    ) -> None:
        self._server = _Server(url)
        self._key = key
        self._tenant = tenant
        self._view_as = view_as

    @property
    def url(self) -> str:
        """Address of the server."""
        return self._server.url

    def elsewhere(
        self, *, tenant: str | None = None, view_as: str | None = None, key: str | None = None
    ) -> "RemoteExecutor":
        """The same connections in another tenant, with an agent's eyes, or as the holder of another key."""
        other = object.__new__(RemoteExecutor)
        other._server = self._server
        other._key = key if key is not None else self._key
        other._tenant = tenant if tenant is not None else self._tenant
        other._view_as = view_as if view_as is not None else self._view_as
        return other

    async def close(self) -> None:
        """Close the connections; also those of executors made by `elsewhere`."""
        await self._server.client.aclose()

    async def run(self, operation: Operation[Any, Any], arguments: Mapping[str, Any], options: CallOptions) -> Any:
        """Run one call at the server.

        Raises:
            MoothillError: what the server refused with.
            ServerUnreachable, AnswerLost, NotMoothill: there was no answer to understand.
            DeadlineExceeded: the deadline passed.
        """
        request = self._request(operation, arguments, options, accept="application/json")
        repeatable = operation.effect == "read" or options.dry_run or options.idempotency_key is not None
        try:
            async with asyncio.timeout(_patience(options)):
                response = await self._send(request, repeatable=repeatable)
        except TimeoutError:
            raise DeadlineExceeded(operation=operation.name) from None
        adapter = _PLAN if options.dry_run else operation.signature.output
        return self._result(adapter, response.content)

    async def iterate(
        self, operation: Operation[Any, Any], arguments: Mapping[str, Any], options: CallOptions
    ) -> AsyncIterator[Any]:
        """Run a stream at the server; a connection that breaks is made again where the stream can resume.

        Raises:
            MoothillError: what the server refused with, or ended the stream with.
            ServerUnreachable, AnswerLost, NotMoothill: it broke and could not be resumed.
        """
        can_resume = any(parameter.name == "after" for parameter in operation.signature.parameters)
        place = _Place()
        failures = 0
        while True:
            before = place.items
            try:
                async with aclosing(self._events(operation, arguments, options, place)) as events:
                    async for event in events:
                        if event.name == "end":
                            return
                        if event.name == "error":
                            raise from_problem(from_json(event.data))
                        place.items += 1
                        place.last = event.id or place.last
                        yield self._result(operation.signature.output, event.data)
                raise AnswerLost(f"{self.url} broke off the stream {operation.name}.", url=self.url)
            except errors.Unavailable:
                failures = 1 if place.items > before else failures + 1
                is_lost = place.items > 0 and not (can_resume and place.last)
                if is_lost or not place.is_open or failures > _RESUMES:
                    raise
            await asyncio.sleep(_PAUSE_SECONDS * 2 ** (failures - 1))

    async def _events(
        self, operation: Operation[Any, Any], arguments: Mapping[str, Any], options: CallOptions, place: "_Place"
    ) -> AsyncGenerator[ServerEvent]:
        request = self._request(operation, arguments, options, accept="text/event-stream")
        if place.last is not None:
            request.headers["Last-Event-ID"] = _encoded(place.last)
        request.extensions["timeout"] = httpx.Timeout(QUIET_SECONDS, connect=CONNECT_SECONDS).as_dict()
        try:
            response = await self._server.client.send(request, stream=True)
            try:
                if response.status_code != 200:
                    await response.aread()
                    raise self._refusal(response)
                place.is_open = True
                async for event in read_events(response.aiter_bytes()):
                    yield event
            finally:
                await response.aclose()
        except httpx.HTTPError as error:
            raise self._broken(error, repeatable=True) from None

    def _request(
        self, operation: Operation[Any, Any], arguments: Mapping[str, Any], options: CallOptions, *, accept: str
    ) -> httpx.Request:
        if self._server.client.is_closed:
            raise errors.Unavailable("The connection is closed; use the Moot inside its `async with`.")
        headers = {
            "Accept": accept,
            "Content-Type": "application/json",
            "X-Request-Id": str(options.request_id or uuid7()),
        }
        if self._key is not None:
            headers["Authorization"] = f"Bearer {_encoded(self._key)}"
        deadline = options.deadline
        said = {
            "Moothill-Tenant": self._tenant,
            "Moothill-View-As": self._view_as,
            "Moothill-Reason": options.reason,
            "Moothill-Deadline": None if deadline is None else str(max(1, round(deadline.total_seconds() * 1000))),
            "Moothill-Dry-Run": "true" if options.dry_run else None,
            "Idempotency-Key": options.idempotency_key,
        }
        headers |= {name: _encoded(value) for name, value in said.items() if value is not None}
        url = f"{self._server.url}/v1/{operation.group}/{operation.verb}"
        return self._server.client.build_request("POST", url, content=_body(operation, arguments), headers=headers)

    async def _send(self, request: httpx.Request, *, repeatable: bool) -> httpx.Response:
        send = self._server.client.send
        try:
            try:
                response = await send(request)
            except (httpx.NetworkError, httpx.RemoteProtocolError):
                if not repeatable:
                    raise
                response = await send(request)
        except httpx.HTTPError as error:
            raise self._broken(error, repeatable=repeatable) from None
        if response.is_success:
            return response
        raise self._refusal(response)

    def _broken(self, error: httpx.HTTPError, *, repeatable: bool) -> MoothillError:
        """What a failure of the transport means to the caller."""
        url = self._server.url
        if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
            because = f" ({error})" if "CERTIFICATE" in str(error) else ""
            return ServerUnreachable(
                f"No Moothill server answers at {url}{because}; start one with `moothill up`, or check the address.",
                url=url,
            )
        if repeatable:
            return AnswerLost(f"The connection to {url} broke before the answer came; try again.", url=url)
        return AnswerLost(
            f"The connection to {url} broke before the answer came; the write may have been done. "
            "Look, or repeat such calls with an idempotency key.",
            url=url,
        )

    def _refusal(self, response: httpx.Response) -> MoothillError:
        media = response.headers.get("content-type", "").partition(";")[0]
        if media == "application/problem+json":
            try:
                problem = from_json(response.content)
            except ValueError:
                problem = None
            if isinstance(problem, dict):
                return from_problem(problem)
        status = response.status_code
        kind = next((name for name, each in KINDS.items() if each.status == status), None)
        if kind in ("unauthenticated", "forbidden", "exhausted", "unavailable"):
            return from_problem(
                {"kind": kind, "code": kind, "detail": f"{self.url} answers {status}; try again later."}
            )
        return NotMoothill(
            f"{self.url} answers {status}, but not as a Moothill server that this client understands; "
            "check the address and the versions.",
            url=self.url,
        )

    def _result(self, adapter: TypeAdapter[Any], body: bytes) -> Any:
        try:
            return adapter.validate_json(body)
        except ValidationError:
            raise NotMoothill(
                f"{self.url} gave a result that this client does not understand; bring both to one version.",
                url=self.url,
            ) from None


def _body(operation: Operation[Any, Any], arguments: Mapping[str, Any]) -> bytes:
    """The arguments as JSON.

    Raises:
        Invalid: one cannot be sent; it is named where it breaks a rule.
    """
    try:
        body = to_json(dict(arguments), inf_nan_mode="constants")
        if b"NaN" in body or b"Infinity" in body:
            # JSON has no such numbers. Where a rule allows one, it travels as text that reads as a number.
            operation.signature.validate(arguments)
            body = to_json(dict(arguments), inf_nan_mode="strings")
        return body
    except (PydanticSerializationError, ValueError) as error:
        operation.signature.validate(arguments)
        raise errors.Invalid(f"{operation.name}: an argument cannot be sent as JSON: {error}.") from None


def _encoded(value: str) -> str:
    """A header's value: printable ASCII, everything else percent-encoded."""
    return quote(value, safe="!\"#$&'()*+,/:;<=>?@[\\]^`{|}", errors="replace")


def _patience(options: CallOptions) -> float | None:
    return None if options.deadline is None else options.deadline.total_seconds() + _GRACE_SECONDS


def _host(url: str) -> str | None:
    """The host of a server's address; None when it is none."""
    try:
        parts = urlsplit(url)
        is_address = parts.scheme in ("http", "https") and parts.port != 0 and not parts.query and not parts.fragment
        httpx.URL(url)
    except (ValueError, httpx.InvalidURL):
        return None
    return (parts.hostname or None) if is_address else None


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
