"""The console as an application: entrance, signing in, assets, and one page that holds every screen."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from importlib import resources
from urllib.parse import quote

from fastapi import FastAPI, Request
from fastapi.responses import RedirectResponse, Response
from nicegui import Client, ui

from ..kernel.errors import MoothillError
from ..moot import Moot
from .attempts import Attempts
from .entrance import Entrance
from .frame import Frame
from .listener import Listener
from .login import login_routes
from .screens import Screen
from .sessions import Session, SessionStore, SignedOut
from .theme import ASSETS, ASSETS_VERSION, head
from .visit import open_visit
from .widgets.panels import empty, trouble
from .widgets.text import box, link

__all__ = ["Console"]

_FOR_EVER = "public, max-age=31536000, immutable"


class Console:
    """One console process: the connection to the society, the sessions, the listener.

    Args:
        moot: connection without a key's rights; each key that signs in acts through it.
        screens: what to show; by default all of ours.
    """

    def __init__(self, moot: Moot, screens: Sequence[Screen] | None = None) -> None:
        if screens is None:
            from .pages import SCREENS

            screens = SCREENS
        self.moot = moot
        self.screens = screens
        self.sessions = SessionStore()
        self.attempts = Attempts()
        self.listener = Listener()

    def site(self) -> FastAPI:
        """The application that takes requests; the framework's own is mounted behind it."""
        site = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, lifespan=self._lifespan)
        site.include_router(login_routes(self.sessions, self.attempts, self._connect))
        site.add_middleware(Entrance, sessions=self.sessions)

        @site.get("/assets/{name}")
        async def asset(name: str) -> Response:
            if name not in ASSETS:
                return Response("There is no such file.", 404, media_type="text/plain")
            body = (resources.files(__package__) / "assets" / name).read_bytes()
            return Response(body, media_type=ASSETS[name], headers={"cache-control": _FOR_EVER, "etag": ASSETS_VERSION})

        @site.get("/favicon.ico")
        async def favicon(request: Request) -> Response:
            return RedirectResponse(f"{request.scope.get('root_path', '')}/assets/mark.svg")

        @site.get("/health/live")
        async def live() -> Response:
            return Response("ok", media_type="text/plain")

        @site.get("/")
        async def start(request: Request) -> Response:
            session: Session = request.scope["state"]["session"]
            return RedirectResponse(f"{request.scope.get('root_path', '')}/t/{quote(session.home, safe='')}/", 303)

        return site

    def pages(self) -> None:
        """Register the one page, which holds every screen of every tenant."""
        ui.page("/t/{tenant}", title="Moothill")(self._page)
        ui.page("/t/{tenant}/{rest:path}", title="Moothill")(self._page)

    def _page(self, request: Request, tenant: str, rest: str = "") -> None:
        client: Client = ui.context.client
        root = request.scope.get("root_path", "")
        ui.add_head_html(head(root))
        session: Session | None = request.scope["state"]["session"]
        parts = rest.split("/")
        agent = parts[1] if parts[0] == "as" and len(parts) > 1 else None
        try:
            if session is None:
                raise SignedOut()
            visit = open_visit(session, self.listener, client, tenant, agent, root)
        except MoothillError as error:
            _refused(error, session)
            return

        def ended() -> None:
            # A browser may stay where it is; nothing new is shown to it.
            visit.leave()
            with client:
                client.open("/login")

        def gone() -> None:
            visit.leave()
            with contextlib.suppress(ValueError):
                session.on_close.remove(ended)

        session.on_close.append(ended)
        client.on_delete(gone)
        Frame(visit, self.screens).build()

    async def _connect(self, secret: str) -> Moot:
        return self.moot.with_key(secret)

    @contextlib.asynccontextmanager
    async def _lifespan(self, _: FastAPI) -> AsyncIterator[None]:
        try:
            yield
        finally:
            self.sessions.close()
            self.listener.close()
            await asyncio.sleep(0)


def _refused(error: MoothillError, session: Session | None) -> None:
    ui.dark_mode(session.dark if session else None)
    with box("screen"):
        trouble(error, "This page cannot be opened.")
        with empty("What you can do", icon="o_signpost"):
            if session is not None and session.keys:
                link("Go to your own tenant", f"/t/{quote(session.home, safe='')}/")
            link("Add a key", "/login")
