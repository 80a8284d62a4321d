"""Reading a request: headers, query and body, each within its limits, each mistake named."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeAlias
from urllib.parse import parse_qsl, unquote_to_bytes
from uuid import UUID

from pydantic_core import from_json

from ...kernel.context import CallOptions
from ...kernel.identifiers import uuid7
from ...kernel.operation import Operation
from ...kernel.settings import parse_duration
from ...kernel.signature import check_plain
from .problems import BodyTooLarge, BodyTooSlow, MalformedJson, MalformedRequest, WrongContentType

__all__ = [
    "ClientGone",
    "Receive",
    "RequestHeaders",
    "Scope",
    "Send",
    "read_arguments",
    "read_headers",
    "read_query",
    "request_id_of",
]

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]

BODY_SECONDS = 30.0
_DISCARD_BYTES, _DISCARD_SECONDS = 16_777_216, 2.0
_MAX_QUERY_FIELDS = 200
_TRUE, _FALSE = ("true", "1", "?1"), ("false", "0", "?0")


class ClientGone(Exception):
    """The client closed the connection before its request was answered."""


@dataclass(frozen=True, slots=True)
class RequestHeaders:
    """The headers that this door reads; any other is ignored.

    Attributes:
        secret: of `Authorization: Bearer ...`.
        request_id: of `X-Request-Id` when it is a UUID, else a new one.
        tenant: another tenant to work in, for keys of the platform.
        view_as: an agent to act as.
        address: where the request comes from, as the socket says it; no header is trusted.
    """

    secret: str | None
    request_id: UUID
    accept: str
    content_type: str
    content_length: int | None
    last_event_id: str | None
    tenant: str | None
    view_as: str | None
    address: str | None
    raw: Mapping[bytes, bytes]

    def options(self) -> CallOptions:
        """What the caller said beside the arguments.

        Raises:
            MalformedRequest: a header breaks its rule; it is named.
        """
        deadline = _text(self.raw, b"moothill-deadline")
        dry_run = (_text(self.raw, b"moothill-dry-run") or "false").lower()
        if dry_run not in (*_TRUE, *_FALSE):
            raise MalformedRequest("Moothill-Dry-Run is true or false.", field="Moothill-Dry-Run")
        return CallOptions(
            idempotency_key=_text(self.raw, b"idempotency-key"),
            deadline=None if deadline is None else _deadline(deadline),
            reason=_text(self.raw, b"moothill-reason"),
            dry_run=dry_run in _TRUE,
            request_id=self.request_id,
        )


def request_id_of(scope: Scope) -> UUID:
    """The caller's request id when it is a UUID, else a new one."""
    for name, value in scope["headers"]:
        if name == b"x-request-id" and len(value) in (32, 36):
            try:
                return UUID(value.decode("ascii"))
            except ValueError:
                break
    return uuid7()


def read_headers(scope: Scope, request_id: UUID) -> RequestHeaders:
    """The headers of a request.

    Raises:
        MalformedRequest: one that may stand only once stands twice, or is no text.
    """
    raw: dict[bytes, bytes] = {}
    for name, value in scope["headers"]:
        if name in raw and name in _SINGLE:
            raise MalformedRequest(f"{name.decode()} may stand only once.", field=name.decode())
        raw[name] = value
    length = raw.get(b"content-length")
    return RequestHeaders(
        secret=_bearer(raw.get(b"authorization")),
        request_id=request_id,
        accept=raw.get(b"accept", b"").decode("latin-1").lower(),
        content_type=raw.get(b"content-type", b"").decode("latin-1").lower(),
        content_length=int(length) if length is not None and length.isdigit() else None,
        last_event_id=_text(raw, b"last-event-id"),
        tenant=_text(raw, b"moothill-tenant"),
        view_as=_text(raw, b"moothill-view-as"),
        address=client[0] if (client := scope.get("client")) else None,
        raw=raw,
    )


_SINGLE = frozenset(
    {
        b"authorization",
        b"content-type",
        b"idempotency-key",
        b"last-event-id",
        b"moothill-deadline",
        b"moothill-dry-run",
        b"moothill-reason",
        b"moothill-tenant",
        b"moothill-view-as",
    }
)


def _bearer(value: bytes | None) -> str | None:
    if value is None:
        return None
    scheme, _, secret = value.partition(b" ")
    return secret.strip().decode("latin-1") if scheme.lower() == b"bearer" else None


def _text(raw: Mapping[bytes, bytes], name: bytes) -> str | None:
    """A header as text: UTF-8, percent-encoded where the caller liked."""
    value = raw.get(name)
    if value is None:
        return None
    field = name.decode().title()
    try:
        text = unquote_to_bytes(value).decode("utf-8")
    except UnicodeDecodeError:
        raise MalformedRequest(f"{field} is not UTF-8; percent-encode it.", field=field) from None
    check_plain(text, field=field)
    return text


def _deadline(text: str) -> timedelta:
    try:
        seconds: timedelta = parse_duration(f"{text}ms" if text.strip().isdigit() else text)
    except (ValueError, OverflowError):
        seconds = timedelta(0)
    if seconds <= timedelta(0):
        raise MalformedRequest(
            "Moothill-Deadline is a time above zero: milliseconds, or a duration such as 500ms, 30s or 10m.",
            field="Moothill-Deadline",
        )
    return seconds


def read_query(operation: Operation[Any, Any], query: bytes) -> dict[str, Any]:
    """The arguments in a query string; a list is given by repeating its name.

    Raises:
        MalformedRequest: it cannot be read, or a single value is given twice.
    """
    if not query:
        return {}
    try:
        pairs = parse_qsl(
            query.decode("ascii"), keep_blank_values=True, max_num_fields=_MAX_QUERY_FIELDS, errors="strict"
        )
    except ValueError:
        raise MalformedRequest("The query of this address is not valid UTF-8 text.", field="query") from None
    lists = {parameter.name for parameter in operation.signature.parameters if parameter.is_list}
    arguments: dict[str, Any] = {}
    for name, value in pairs:
        if name in lists:
            arguments.setdefault(name, []).append(value)
        elif name in arguments:
            raise MalformedRequest(f"{operation.name} takes one {name}; it was given twice.", field=name)
        else:
            arguments[name] = value
    return arguments


async def read_arguments(headers: RequestHeaders, receive: Receive, limit: int) -> dict[str, Any]:
    """The arguments in a JSON body; no body is no arguments.

    Raises:
        BodyTooLarge, BodyTooSlow, WrongContentType, MalformedJson: it is not read any further.
        ClientGone: nobody waits for an answer.
    """
    body = await _read_body(headers, receive, limit)
    if not body:
        return {}
    media, _, parameters = headers.content_type.partition(";")
    if media.strip() != "application/json" or ("charset" in parameters and "utf-8" not in parameters):
        raise WrongContentType()
    try:
        arguments = from_json(body, allow_inf_nan=False)
    except ValueError as error:
        raise MalformedJson(f"The request body is not valid JSON: {error}.") from None
    if not isinstance(arguments, dict):
        raise MalformedJson("The request body is not a JSON object of arguments.")
    return arguments


async def _read_body(headers: RequestHeaders, receive: Receive, limit: int) -> bytes:
    announced = headers.content_length or 0
    body: bytes = b""
    try:
        async with asyncio.timeout(BODY_SECONDS):
            is_over = announced > limit
            while not is_over:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise ClientGone
                body += message.get("body", b"")
                is_over = len(body) > limit
                if not is_over and not message.get("more_body"):
                    return body
    except TimeoutError:
        raise BodyTooSlow() from None
    if announced <= limit + _DISCARD_BYTES and b"expect" not in headers.raw:
        await _discard(receive)
    raise BodyTooLarge(f"The request body is larger than {limit} bytes; send less at a time.", limit=limit)


async def _discard(receive: Receive) -> None:
    """Let a client finish that sends too much, within reason: cut off, it would not hear why."""
    seen = 0
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_DISCARD_SECONDS):
            while seen <= _DISCARD_BYTES:
                message = await receive()
                seen += len(message.get("body", b""))
                if not message.get("more_body"):
                    return
