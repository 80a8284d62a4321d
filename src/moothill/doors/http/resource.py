"""Where a client that is not known learns how to become so: the metadata of RFC 9728, and the challenge that names it.

Remote MCP clients read `WWW-Authenticate` of a 401, fetch the document that it names, and go to one of the
authorisation servers in there for a token. Where no issuer is set, the document says that there is none.
"""

import re
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from ...kernel.errors import MoothillError
from ...kernel.service import REGISTRY
from ...kernel.settings import Settings
from .problems import UnknownRoute
from .request import Scope

__all__ = ["WELL_KNOWN", "add_resource", "challenge", "metadata_of", "origin_of"]

WELL_KNOWN = "/.well-known/oauth-protected-resource"
# What is a resource of its own beside the whole: the address that an MCP client is given.
_RESOURCES = ("/mcp",)
# A name or an address with a port, and nothing that could break out of a header.
_HOST = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252})|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")
_CACHE = "public, max-age=300"


def origin_of(scope: Scope, settings: Settings) -> str:
    """The address under which a client reaches this server: the setting's, else what the request says."""
    if settings.public_url:
        return settings.public_url.rstrip("/")
    host = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"host"), "")
    if not _HOST.fullmatch(host):
        server = scope.get("server") or ("localhost", None)
        host = f"{server[0]}:{server[1]}" if server[1] else str(server[0])
    return f"{scope.get('scheme', 'http')}://{host}"


def challenge(error: MoothillError, scope: Scope, settings: Settings) -> bytes | None:
    """The `WWW-Authenticate` of an error (RFC 6750), for errors that have one."""
    path = next((each for each in _RESOURCES if scope["path"].rstrip("/") == each), "")
    parts = ['realm="moothill"']
    if error.kind == "unauthenticated":
        if error.code != "key_missing":
            parts.append('error="invalid_token"')
    elif error.code == "missing_scope":
        parts += ['error="insufficient_scope"', f'scope="{error.context.get("scope", "")}"']
    else:
        return None
    parts.append(f'resource_metadata="{origin_of(scope, settings)}{WELL_KNOWN}{path}"')
    return f"Bearer {', '.join(parts)}".encode()


def metadata_of(resource: str, origin: str, settings: Settings) -> dict[str, Any]:
    """The protected resource metadata of one address."""
    issuers = [each for each in (settings.oidc_issuers or "").replace(",", " ").split() if each]
    scopes = {operation.scope for operation in REGISTRY.values()}
    found: dict[str, Any] = {
        "resource": resource,
        "resource_name": "Moothill",
        "resource_documentation": f"{origin}/docs",
        "bearer_methods_supported": ["header"],
        "scopes_supported": sorted(scope for scope in scopes if not scope.startswith(("platform:", "keys:self"))),
    }
    if issuers:
        found["authorization_servers"] = issuers
    return found


def add_resource(app: FastAPI, settings: Settings) -> None:
    """Serve the metadata, for the server as a whole and for each resource by its path."""

    def answer(request: Request, path: str) -> JSONResponse:
        origin = origin_of(request.scope, settings)
        document = metadata_of(origin + path, origin, settings)
        # A page of another origin may read it: it is for whoever is not known yet.
        return JSONResponse(document, headers={"cache-control": _CACHE, "access-control-allow-origin": "*"})

    @app.get(WELL_KNOWN, tags=["health"], operation_id="protected_resource")
    async def whole(request: Request) -> JSONResponse:
        """How to become known here (RFC 9728)."""
        return answer(request, "")

    @app.get(WELL_KNOWN + "/{path:path}", include_in_schema=False)
    async def part(request: Request, path: str) -> JSONResponse:
        if f"/{path}" not in _RESOURCES:
            raise UnknownRoute()
        return answer(request, f"/{path}")
