"""Signing in with an API key, and out again: plain HTTP, so that a key never passes a page's script."""

import html
import logging
from collections.abc import Awaitable, Callable
from importlib import resources
from string import Template
from urllib.parse import parse_qs

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from nicegui import __version__ as FRAMEWORK  # a constant

from ..kernel.errors import MoothillError
from ..moot import Moot
from .attempts import Attempts
from .entrance import cookie_name, is_secure, session_token
from .sessions import Session, SessionStore, SignedIn
from .theme import ASSETS_VERSION

__all__ = ["Connect", "login_routes"]

Connect = Callable[[str], Awaitable[Moot]]

_log = logging.getLogger("moothill.console")
_MOST_BYTES = 8_192
_HINT_LENGTH = 11


def login_routes(sessions: SessionStore, attempts: Attempts, connect: Connect) -> APIRouter:
    """The routes `/login` and `/logout`.

    Args:
        sessions: where a session is kept.
        attempts: refuses those who fail too often.
        connect: a Moot that carries a key.
    """
    router = APIRouter()
    page = Template((resources.files(__package__) / "assets" / "login.html").read_text(encoding="utf-8"))

    def show(request: Request, target: str, problem: str = "", status: int = 200) -> HTMLResponse:
        session: Session | None = request.scope["state"]["session"]
        lead = "Add another key to this session." if session else "Sign in to the console with an API key."
        shown = f'<p class="problem" role="alert">{html.escape(problem)}</p>' if problem else ""
        root = request.scope.get("root_path", "")
        body = page.substitute(
            root=html.escape(root),
            version=ASSETS_VERSION,
            framework=FRAMEWORK,
            lead=lead,
            problem=shown,
            next=html.escape(target),
        )
        return HTMLResponse(body, status_code=status, headers={"cache-control": "no-store"})

    @router.get("/login")
    async def ask(request: Request) -> Response:
        return show(request, local_path(request.query_params.get("next", "/")))

    @router.post("/login")
    async def sign_in(request: Request) -> Response:
        form = await _form(request)
        target, secret = local_path(form.get("next", "/")), form.get("key", "").strip()
        address = request.client.host if request.client else ""
        try:
            attempts.admit(address)
            moot = await connect(secret)
            try:
                identity = await moot.keys.current()
            except MoothillError:
                attempts.failed(address)
                raise
            key = SignedIn(moot, identity, secret[:_HINT_LENGTH])
            token = sessions.sign_in(session_token(request.scope), key)
        except MoothillError as error:
            _log.warning("sign_in_refused", extra={"code": error.code, "address": address})
            answer = show(request, target, error.message, error.status)
            if "retry_after" in error.context:
                answer.headers["retry-after"] = str(error.context["retry_after"])
            return answer
        _log.info("signed_in", extra={"tenant": identity.tenant_slug, "actor": str(identity.actor_id)})
        response = _see(request, target)
        secure = is_secure(request.scope)
        name = cookie_name(request.scope)
        response.set_cookie(name, token, httponly=True, samesite="lax", secure=secure, path="/")
        return response

    @router.post("/logout")
    async def sign_out(request: Request) -> Response:
        sessions.sign_out(session_token(request.scope))
        response = _see(request, "/login")
        response.delete_cookie(cookie_name(request.scope), path="/", secure=is_secure(request.scope), httponly=True)
        return response

    return router


def local_path(target: str) -> str:
    """A path of this console; anything else, such as another site's address, becomes the start page."""
    is_plain = target.startswith("/") and not target.startswith(("//", "/\\", "/login"))
    return target if is_plain and target.isprintable() and "\\" not in target else "/"


def _see(request: Request, path: str) -> RedirectResponse:
    return RedirectResponse(request.scope.get("root_path", "") + path, status_code=303)


async def _form(request: Request) -> dict[str, str]:
    """The two fields of the form; no upload, nothing longer than a key needs."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MOST_BYTES:
            return {}
    try:
        fields = parse_qs(body.decode("utf-8", "replace"), max_num_fields=10)
    except ValueError:
        return {}
    return {name: values[-1] for name, values in fields.items()}
