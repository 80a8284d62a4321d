"""Uvicorn's protocol with our limits: what is no HTTP is refused in our shape, and nobody may dawdle."""

import asyncio

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from ...kernel.errors import MoothillError
from ...kernel.identifiers import uuid7
from .problems import HeadTooLarge, MalformedRequest, problem_body

__all__ = ["HttpProtocol"]

# Address and headers together, and the time they may take.
HEAD_BYTES, HEAD_SECONDS = 65_536, 20.0


class HttpProtocol(HttpToolsProtocol):
    """One connection of the HTTP door."""

    _head_bytes = 0
    _refusal: MoothillError | None = None
    _patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """A client connected; it should say something soon."""
        super().connection_made(transport)
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone."""
        self._stop_expecting()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """A request begins."""
        self._head_bytes = 0
        self._expect_head()
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """A piece of the address."""
        self._count(url)
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header."""
        self._count(name + value)
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Address and headers are complete."""
        self._stop_expecting()
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no request, as a problem document, and hang up."""
        error = self._refusal or MalformedRequest("This is not a valid HTTP/1.1 request.")
        body = problem_body(error, uuid7())
        reason = "Request Header Fields Too Large" if error.status == 431 else "Bad Request"
        head = (
            f"HTTP/1.1 {error.status} {reason}\r\ncontent-type: application/problem+json\r\n"
            f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        self.transport.close()

    def _count(self, piece: bytes) -> None:
        self._head_bytes += len(piece)
        if self._head_bytes > HEAD_BYTES:
            self._refusal = HeadTooLarge()
            raise httptools.HttpParserError("too large")

    def _expect_head(self) -> None:
        self._stop_expecting()
        self._patience = self.loop.call_later(HEAD_SECONDS, self.transport.close)

    def _stop_expecting(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None
