"""The console's front door: who may pass to which path, and what every answer carries.

Plain ASGI around everything else, so that pages, their websocket and whatever the framework serves
are all behind one check.
"""

from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import quote, urlsplit

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .sessions import SessionStore

__all__ = ["Entrance", "cookie_name", "is_secure", "session_token"]

# The framework evaluates its own inline scripts, so they must be allowed; nothing leaves the origin.
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; object-src 'none'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
_HEADERS = (
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
)
_OPEN = ("/login", "/assets/", "/health/")
# The framework's own libraries are the same for everybody; what belongs to a page is not among them.
_LIBRARIES = "/_nicegui/"
_OF_A_PAGE = "/_nicegui/client/"


def is_secure(scope: Scope) -> bool:
    """Whether the browser's connection is encrypted (the server has already read the proxy's word)."""
    return scope.get("scheme") in ("https", "wss")


def cookie_name(scope: Scope) -> str:
    """Name of the session's cookie: browsers share cookies between ports, two consoles must not."""
    if is_secure(scope):
        return "__Host-moothill"
    server = scope.get("server") or ("", 0)
    return f"moothill-{server[1]}"


def session_token(scope: Scope) -> str | None:
    """The token that the browser sent."""
    name = cookie_name(scope)
    for key, value in scope["headers"]:
        if key == b"cookie":
            try:
                found = SimpleCookie(value.decode("latin-1")).get(name)
            except CookieError:
                continue
            if found is not None:
                return found.value
    return None


class Entrance:
    """Lets a request pass when its session is signed in or its path is for everybody."""

    def __init__(self, app: ASGIApp, sessions: SessionStore) -> None:
        self._app = app
        self._sessions = sessions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check one request."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        session = self._sessions.find(session_token(scope))
        scope.setdefault("state", {})["session"] = session
        path = _own_path(scope)
        if scope["type"] == "websocket":
            # Browsers open websockets across origins without asking, so the origin is checked here.
            if session is None or not _is_own_origin(scope):
                await send({"type": "websocket.close", "code": 1008})
                return
            await self._app(scope, receive, send)
        elif scope["method"] not in ("GET", "HEAD", "OPTIONS") and not _is_own_origin(scope):
            await _answer(send, 403, b"This request came from another site.")
        elif session is None and not _is_open(path):
            await _to_login(scope, send)
        else:
            await self._pass(scope, receive, send)

    async def _pass(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_gone = False

        async def watching() -> Message:
            nonlocal is_gone
            message = await receive()
            is_gone = is_gone or message["type"] == "http.disconnect"
            return message

        try:
            await self._app(scope, watching, _adding_headers(send))
        except RuntimeError:
            # The framework's middleware complains when nobody waits for its answer any more.
            if not is_gone:
                raise


def _own_path(scope: Scope) -> str:
    """The path within the console; the server puts the one under which a proxy shows us before it."""
    path: str = scope["path"]
    root: str = scope.get("root_path", "")
    return path.removeprefix(root) if root and path.startswith(f"{root}/") else path


def _is_open(path: str) -> bool:
    if path.startswith(_LIBRARIES):
        return not path.startswith(_OF_A_PAGE)
    return path.startswith(_OPEN) or path == "/favicon.ico"


def _is_own_origin(scope: Scope) -> bool:
    headers: dict[bytes, bytes] = dict(scope["headers"])
    origin = headers.get(b"origin")
    if origin is None:
        # Programs send none; browsers always do for what changes something.
        return headers.get(b"sec-fetch-site", b"same-origin") in (b"same-origin", b"none")
    own = headers.get(b"host", b"").decode("latin-1")
    return urlsplit(origin.decode("latin-1")).netloc == own


async def _to_login(scope: Scope, send: Send) -> None:
    headers = dict(scope["headers"])
    if scope["method"] != "GET" or b"text/html" not in headers.get(b"accept", b""):
        await _answer(send, 401, b"Sign in at the console first.")
        return
    query = scope.get("query_string", b"").decode("latin-1")
    wanted = _own_path(scope) + (f"?{query}" if query else "")
    target = "/login" if wanted == "/" else f"/login?next={quote(wanted, safe='')}"
    await _answer(send, 303, b"", (b"location", (scope.get("root_path", "") + target).encode()))


async def _answer(send: Send, status: int, body: bytes, *more: tuple[bytes, bytes]) -> None:
    headers: list[Any] = [(b"content-type", b"text/plain; charset=utf-8"), *_HEADERS, *more]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _adding_headers(send: Send) -> Send:
    async def adding(message: Message) -> None:
        if message["type"] == "http.response.start":
            there = {name.lower() for name, _ in message["headers"]}
            message["headers"] = [
                *message["headers"],
                *(header for header in _HEADERS if header[0] not in there),
            ]
        await send(message)

    return adding
