"""What can go wrong before an operation is reached, and how any error is told in HTTP.

Every refusal of this door is a problem document (RFC 9457), the framework's own included.
"""

import math
from typing import Any
from uuid import UUID

import orjson

from ...kernel.errors import Exhausted, Invalid, MoothillError, NotFound, Unavailable

__all__ = [
    "PROBLEM_TYPE",
    "BodyTooLarge",
    "BodyTooSlow",
    "HeadTooLarge",
    "MalformedJson",
    "MalformedRequest",
    "MethodNotAllowed",
    "ServerStopping",
    "TooManyStreams",
    "UnknownRoute",
    "WrongContentType",
    "extra_headers",
    "problem_body",
]

PROBLEM_TYPE = b"application/problem+json"

Headers = list[tuple[bytes, bytes]]


class UnknownRoute(NotFound):
    """Nothing is served at this path; /docs lists what is."""


class HeadTooLarge(Invalid):
    """Address and headers of this request are larger than 64 KiB; send arguments in the body."""

    status = 431


class MethodNotAllowed(Invalid):
    """This path does not answer that method."""

    status = 405


class BodyTooLarge(Invalid):
    """The request body is larger than this server accepts; send less at a time."""

    status = 413


class BodyTooSlow(Unavailable):
    """The request body did not arrive in time; send it again."""

    status = 408


class WrongContentType(Invalid):
    """Arguments travel as JSON; send `Content-Type: application/json`."""

    status = 415


class MalformedJson(Invalid):
    """The request body is not valid JSON; nothing was changed."""

    status = 400


class MalformedRequest(Invalid):
    """A header or the query of this request cannot be read; nothing was changed."""

    status = 400


class TooManyStreams(Exhausted):
    """This key holds as many open streams as it may; close one first."""


class ServerStopping(Unavailable):
    """This server is stopping; connect again and go on from the last item."""


def problem_body(error: MoothillError, request_id: UUID) -> bytes:
    """The problem document of an error in one request."""
    return orjson.dumps(error.to_problem(instance=f"urn:uuid:{request_id}"), default=str)


def extra_headers(error: MoothillError) -> Headers:
    """The headers that HTTP wants beside some errors: when to retry, what is left of a limit, what is allowed."""
    found: Headers = []
    if error.retryable:
        found.append((b"retry-after", str(_seconds(error.context.get("retry_after"))).encode()))
    if error.kind == "exhausted" and isinstance(error.context.get("limit"), int):
        found += _rate_headers(error)
    if isinstance(error, MethodNotAllowed):
        found.append((b"allow", ", ".join(error.context["allow"]).encode()))
    return found


def _rate_headers(error: MoothillError) -> Headers:
    """Which limit, and when there is more: the fields of draft-ietf-httpapi-ratelimit-headers-10."""
    said = error.context
    window = f";w={said['window']}" if "window" in said else ""
    name = str(said.get("field", "calls"))
    remaining = int(said.get("remaining", 0))
    return [
        (b"ratelimit-policy", f'"{name}";q={said["limit"]}{window}'.encode()),
        (b"ratelimit", f'"{name}";r={remaining};t={_seconds(said.get("retry_after"))}'.encode()),
    ]


def _seconds(wait: Any) -> int:
    return max(1, math.ceil(wait)) if isinstance(wait, int | float) and math.isfinite(wait) else 1
