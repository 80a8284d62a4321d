"""The HTTP application: operations straight from ASGI, everything else through FastAPI."""

import asyncio
from importlib import resources
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse, Response
from starlette.exceptions import HTTPException
from starlette.types import Receive, Scope, Send

from ... import __version__
from ...kernel.errors import Internal, Invalid, MoothillError, Unavailable
from .docs import page
from .door import Door
from .endpoint import PREFIX, serve_operation
from .exchange import Exchange, security_headers
from .health import add_health
from .metrics import CONTENT_TYPE, Exposition
from .openapi import document_bytes
from .problems import PROBLEM_TYPE, MethodNotAllowed, UnknownRoute, problem_body
from .request import ClientGone, request_id_of
from .resource import WELL_KNOWN, add_resource

__all__ = ["Application", "create_app"]

# What a browser may do with our own page: our script, our style, calls to us.
_PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_STATIC = {"docs.css": "text/css; charset=utf-8", "docs.js": "text/javascript; charset=utf-8"}
_PAGES = ("/health/", "/metrics", "/docs", "/openapi.json", WELL_KNOWN)
_CLIENT_CLOSED_REQUEST = 499


class Application(FastAPI):
    """A FastAPI application whose operations do not pass through its router.

    Others may mount what they like on it (the MCP door does); paths under `/v1/` are the door's.
    """

    door: Door

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await super().__call__(scope, receive, send)
            return
        door = self.door
        exchange = Exchange(scope, receive, request_id_of(scope), send, door.settings)
        door.in_flight += 1
        try:
            await self._answer(exchange)
        finally:
            door.in_flight -= 1
            door.requests[exchange.method, exchange.status or _CLIENT_CLOSED_REQUEST] += 1
            exchange.log()

    async def _answer(self, exchange: Exchange) -> None:
        try:
            if exchange.scope["path"].startswith(PREFIX):
                await serve_operation(self.door, exchange)
            else:
                await super().__call__(_framework_scope(exchange), exchange.receive, exchange.framework_send)
        except ClientGone:
            exchange.code = "client_gone"
        except MoothillError as error:
            await exchange.refuse(error)
        except asyncio.CancelledError:
            # Only the end of the server cancels a request that its client still waits for.
            if not exchange.status:
                await exchange.refuse(Unavailable("This server is stopping; try again."))
            raise
        except Exception as error:
            told = exchange.unforeseen(error)
            if not exchange.status:
                await exchange.refuse(told)
            elif not exchange.is_whole:
                # Too late to say it: a connection that breaks off is noticed, half an answer is not.
                raise told from None


def _framework_scope(exchange: Exchange) -> Scope:
    """The scope for the framework's routes; what answers GET there answers HEAD, and the server drops the body."""
    exchange.scope["moothill.exchange"] = exchange
    if exchange.method == "HEAD" and exchange.scope["path"].startswith(_PAGES):
        return {**exchange.scope, "method": "GET"}
    return exchange.scope


def create_app(door: Door) -> Application:
    """The application of a door; open the door around serving it."""
    app = Application(
        title="Moothill",
        version=__version__,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.door = door
    add_health(app, door)
    add_resource(app, door.settings)
    _add_documentation(app)
    exposition = Exposition(door)

    @app.get("/metrics", tags=["health"], operation_id="metrics", response_class=Response)
    async def metrics() -> Response:
        """Counters of this process and the lag of handlers, for Prometheus."""
        return Response(await exposition.render(), media_type=CONTENT_TYPE)

    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(MoothillError, _told)
    app.add_exception_handler(Exception, _unforeseen)
    return app


def _add_documentation(app: Application) -> None:
    @app.get("/", include_in_schema=False)
    async def root() -> Response:
        return RedirectResponse("/docs", status_code=307)

    @app.get("/openapi.json", include_in_schema=False)
    async def openapi() -> Response:
        return Response(document_bytes(app), media_type="application/json")

    @app.get("/docs", include_in_schema=False)
    async def docs() -> Response:
        return _own_page(page(), "text/html; charset=utf-8")

    @app.get("/docs/{name}", include_in_schema=False)
    async def static(name: str) -> Response:
        if name not in _STATIC:
            raise UnknownRoute()
        return _own_page((resources.files(__package__) / "static" / name).read_bytes(), _STATIC[name])


def _own_page(body: bytes, media: str) -> Response:
    headers = {name.decode(): value.decode() for name, value in security_headers(secure=False, policy=_PAGE_POLICY)}
    return Response(body, media_type=media, headers={**headers, "cache-control": "no-cache"})


def _problem_response(request: Request, error: MoothillError) -> Response:
    exchange: Exchange = request.scope["moothill.exchange"]
    exchange.code = error.code
    response = Response(
        problem_body(error, exchange.request_id), status_code=error.status, media_type=PROBLEM_TYPE.decode()
    )
    response.raw_headers += exchange.headers_of(error)
    return response


async def _told(request: Request, error: Exception) -> Response:
    assert isinstance(error, MoothillError)
    return _problem_response(request, error)


async def _unforeseen(request: Request, error: Exception) -> Response:
    # The error is raised again after this answer and logged where the exchange ends.
    return _problem_response(request, Internal())


async def _http_error(request: Request, error: Exception) -> Response:
    """The framework's own refusals: no such path, not this method, and whatever a mounted part raises."""
    assert isinstance(error, HTTPException)
    if error.status_code == 404:
        return _problem_response(request, UnknownRoute())
    if error.status_code == 405:
        allowed = (error.headers or {}).get("Allow", "GET").split(", ")
        return _problem_response(request, MethodNotAllowed(allow=allowed))
    kind = Invalid if error.status_code < 500 else Internal
    return _problem_response(request, kind(str(error.detail)))


async def _validation_error(request: Request, error: Exception) -> Response:
    """What FastAPI finds wrong by itself, in our shape."""
    assert isinstance(error, RequestValidationError)
    first: Any = error.errors()[0]
    field = ".".join(map(str, first["loc"]))
    return _problem_response(request, Invalid(f"{field}: {first['msg']}.", field=field, rule=first["type"]))
