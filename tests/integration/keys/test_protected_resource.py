"""How a client that is not known learns how to become so: RFC 9728, as remote MCP clients read it."""

from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
import pytest_asyncio
from mcp.client import Client
from mcp.client.auth.utils import (
    build_protected_resource_metadata_discovery_urls,
    extract_resource_metadata_from_www_auth,
    extract_scope_from_www_auth,
    handle_protected_resource_response,
)
from mcp.client.streamable_http import streamable_http_client

from moothill.database.embedded import EmbeddedServer
from moothill.doors.http.resource import origin_of
from moothill.kernel.settings import Settings
from moothill.moot import Moot
from tests.conftest import DATABASE
from tests.integration.keys.issuer import AUDIENCE, Issuer, issuing
from tests.serving import Live, serving

WELL_KNOWN = "/.well-known/oauth-protected-resource"


@pytest_asyncio.fixture(scope="module")
async def issuer() -> AsyncIterator[Issuer]:
    """An issuer."""
    async with issuing() as made:
        yield made


@pytest_asyncio.fixture(scope="module")
async def live(server: EmbeddedServer, settings: Settings, issuer: Issuer) -> AsyncIterator[Live]:
    """A server that trusts it."""
    trusting = settings.model_copy(update={"oidc_issuers": issuer.url, "oidc_audience": AUDIENCE})
    async with serving(server.dsn("app", DATABASE), trusting) as running:
        yield running


@pytest.mark.parametrize(("path", "resource"), [("", ""), ("/mcp", "/mcp")])
async def test_each_resource_says_who_gives_tokens_for_it(live: Live, issuer: Issuer, path: str, resource: str) -> None:
    async with live.client() as client:
        answer = await client.get(WELL_KNOWN + path)
        head = await client.head(WELL_KNOWN + path)
    document = answer.json()
    assert (answer.status_code, head.status_code) == (200, 200)
    assert document["resource"] == live.url + resource
    assert document["authorization_servers"] == [issuer.url]
    assert document["bearer_methods_supported"] == ["header"]
    assert "agents:read" in document["scopes_supported"]
    assert not [scope for scope in document["scopes_supported"] if scope.startswith("platform:")]
    assert answer.headers["access-control-allow-origin"] == "*"


async def test_other_paths_have_none(live: Live) -> None:
    async with live.client() as client:
        for path in ("/v1", "/mcp/x", "/", "/" + "x" * 3000):
            answer = await client.get(WELL_KNOWN + path)
            assert (answer.status_code, answer.json()["code"]) == (404, "unknown_route")


@pytest.mark.parametrize("path", ["/v1/keys/current", "/mcp"])
async def test_a_refusal_names_the_document(live: Live, path: str) -> None:
    suffix = "/mcp" if path == "/mcp" else ""
    where = f'resource_metadata="{live.url}{WELL_KNOWN}{suffix}"'
    async with live.client() as client:
        said = (await client.post(path, json={})).headers["www-authenticate"]
        assert said == f'Bearer realm="moothill", {where}'
        wrong = await client.post(path, json={}, headers={"Authorization": "Bearer moot_wrong"})
    assert wrong.headers["www-authenticate"] == f'Bearer realm="moothill", error="invalid_token", {where}'
    assert wrong.headers["content-type"] == "application/problem+json"


async def test_a_clients_library_finds_its_way_from_the_refusal_to_the_issuer(live: Live, issuer: Issuer) -> None:
    """The MCP SDK's own steps: the challenge, the document, and the scopes."""
    async with httpx2.AsyncClient() as client:
        refused = await client.post(f"{live.url}/mcp", json={})
        assert refused.status_code == 401
        named = extract_resource_metadata_from_www_auth(refused)
        addresses = build_protected_resource_metadata_discovery_urls(named, f"{live.url}/mcp")
        assert addresses[0] == named
        found: Any = None
        for address in addresses:
            found = await handle_protected_resource_response(await client.get(address))
            assert found is not None
            assert str(found.authorization_servers[0]).rstrip("/") == issuer.url
    assert str(found.resource) == live.url
    lacking = extract_scope_from_www_auth(refused)
    assert lacking is None


async def test_an_mcp_client_works_with_a_token(live: Live, issuer: Issuer, moot: Moot) -> None:
    tenant = (await moot.keys.current()).tenant_slug
    token = issuer.token("EdDSA", moothill_tenant=tenant, scope="agents:read")
    headers = {"Authorization": f"Bearer {token}"}
    async with (
        httpx2.AsyncClient(headers=headers) as web,
        Client(streamable_http_client(f"{live.url}/mcp", http_client=web)) as client,
    ):
        told = await client.call_tool("keys_current", {})
        assert told.structured_content is not None
        assert told.structured_content["tenant_slug"] == tenant
        refused = await client.call_tool("agents_register", {"name": "Ada"})
        assert refused.is_error
        assert refused.structured_content is not None
        assert refused.structured_content["code"] == "missing_scope"


async def test_without_an_issuer_the_document_names_none(server: EmbeddedServer, settings: Settings) -> None:
    async with serving(server.dsn("app", DATABASE), settings) as plain, plain.client() as client:
        document = (await client.get(WELL_KNOWN)).json()
    assert "authorization_servers" not in document


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        (b"moothill.example:8443", "https://moothill.example:8443"),
        (b"[::1]:8080", "https://[::1]:8080"),
        (b'x", evil="', "https://127.0.0.1:80"),
        (b"a b", "https://127.0.0.1:80"),
        (b"", "https://127.0.0.1:80"),
        (b"x" * 300, "https://127.0.0.1:80"),
    ],
)
def test_no_host_breaks_out_of_the_challenge(settings: Settings, host: bytes, origin: str) -> None:
    scope = {"scheme": "https", "server": ("127.0.0.1", 80), "headers": [(b"host", host)], "path": "/"}
    assert origin_of(scope, settings) == origin
    public = settings.model_copy(update={"public_url": "https://public.example/"})
    assert origin_of(scope, public) == "https://public.example"
