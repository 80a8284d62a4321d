"""One request and its answer: its id, its headers out, its line in the log."""

import logging
import time
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any
from uuid import UUID

from ...kernel.context import Principal
from ...kernel.errors import Internal, MoothillError
from ...kernel.settings import Settings
from .problems import PROBLEM_TYPE, extra_headers, problem_body
from .request import Message, Receive, Scope, Send
from .resource import challenge

__all__ = ["JSON_TYPE", "Exchange", "security_headers"]

JSON_TYPE = b"application/json"
_LONGEST_PATH = 200
# Asked every few seconds by machines: worth a line only when debugging.
_PROBES = ("/health/", "/metrics")

_log = logging.getLogger("moothill.http")

Headers = list[tuple[bytes, bytes]]


def security_headers(*, secure: bool, policy: str = "default-src 'none'; frame-ancestors 'none'") -> Headers:
    """Headers that keep a browser from doing what an API's answer should never make it do."""
    found = [
        (b"x-content-type-options", b"nosniff"),
        (b"x-frame-options", b"DENY"),
        (b"referrer-policy", b"no-referrer"),
        (b"cross-origin-resource-policy", b"same-origin"),
        (b"content-security-policy", policy.encode()),
        (b"cache-control", b"no-store"),
    ]
    if secure:
        found.append((b"strict-transport-security", b"max-age=31536000"))
    return found


_HEADERS = {secure: security_headers(secure=secure) for secure in (False, True)}


@dataclass(slots=True)
class Exchange:
    """One request on its way through the door.

    Attributes:
        status: of the answer, 0 as long as there is none.
        is_whole: whether the framework has sent its answer to the end.
        operation: name of the operation, once known.
        principal: who calls, once known.
        code: code of the error that was answered, if any.
    """

    scope: Scope
    receive: Receive
    request_id: UUID
    send_on: Send
    settings: Settings
    status: int = 0
    is_whole: bool = False
    operation: str | None = None
    principal: Principal | None = None
    code: str | None = None
    began: float = field(default_factory=time.perf_counter)

    @property
    def method(self) -> str:
        """The request's method."""
        method: str = self.scope["method"]
        return method

    async def answer(self, status: int, body: bytes, media: bytes = JSON_TYPE, headers: Headers | None = None) -> None:
        """Send a whole answer."""
        await self.start(status, media, [*(headers or ()), (b"content-length", b"%d" % len(body))])
        await self.send_on({"type": "http.response.body", "body": body, "more_body": False})

    async def start(self, status: int, media: bytes, headers: Headers) -> None:
        """Send status and headers; the body follows piece by piece."""
        self.status = status
        await self.send_on(
            {
                "type": "http.response.start",
                "status": status,
                "headers": [
                    (b"content-type", media),
                    (b"x-request-id", str(self.request_id).encode()),
                    *headers,
                    *_HEADERS[self.scope.get("scheme") == "https"],
                ],
            }
        )

    async def refuse(self, error: MoothillError) -> None:
        """Answer with an error; a body that was not read to its end ends the connection too."""
        self.code = error.code
        headers = self.headers_of(error)
        if error.status in (408, 413):
            headers.append((b"connection", b"close"))
        await self.answer(error.status, problem_body(error, self.request_id), PROBLEM_TYPE, headers)

    def headers_of(self, error: MoothillError) -> Headers:
        """The headers that HTTP wants beside an error."""
        found = extra_headers(error)
        if (said := challenge(error, self.scope, self.settings)) is not None:
            found.append((b"www-authenticate", said))
        return found

    def unforeseen(self, error: Exception) -> Internal:
        """What to tell of an error that nobody foresaw; the log gets its places, never its values."""
        _log.error(
            "unforeseen_error",
            extra={
                "request": str(self.request_id),
                "operation": self.operation,
                "error": type(error).__qualname__,
                "places": _places(error),
            },
        )
        return Internal()

    async def framework_send(self, message: Message) -> None:
        """Send what the web framework answers, with this door's headers added where it set none itself."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            given: Headers = list(message.get("headers", []))
            names = {name.lower() for name, _ in given}
            added = [*_HEADERS[self.scope.get("scheme") == "https"]]
            given += [(name, value) for name, value in added if name not in names]
            given.append((b"x-request-id", str(self.request_id).encode()))
            message = {**message, "headers": given}
        elif not message.get("more_body"):
            self.is_whole = True
        await self.send_on(message)

    def log(self) -> None:
        """One line about this exchange: who, what, how long; no query, no header, no body."""
        path = self.scope["path"]
        level = logging.DEBUG if path.startswith(_PROBES) else logging.INFO
        if not _log.isEnabledFor(level):
            return
        who = self.principal
        _log.log(
            level,
            "request",
            extra={
                "request": str(self.request_id),
                "method": self.method,
                "path": path[:_LONGEST_PATH],
                "operation": self.operation,
                "status": self.status,
                "code": self.code,
                "milliseconds": round((time.perf_counter() - self.began) * 1000, 1),
                "tenant": who.tenant_slug if who else None,
                "actor": str(who.actor.id) if who else None,
                "client": (self.scope.get("client") or ("",))[0],
            },
        )


def _places(error: BaseException | None) -> list[str]:
    """File, line and function of each frame of an error and of its causes."""
    found: list[str] = []
    while error is not None and len(found) < 60:
        trace: Any = error.__traceback__
        found.append(type(error).__qualname__)
        while trace is not None:
            code = trace.tb_frame.f_code
            found.append(f"{PurePath(code.co_filename).name}:{trace.tb_lineno} {code.co_name}")
            trace = trace.tb_next
        error = error.__cause__ or error.__context__
    return found
