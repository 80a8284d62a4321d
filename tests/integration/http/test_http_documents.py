"""The OpenAPI document and the page at /docs: whole, true, and from no other server."""

import re

import httpx

from moothill.doors.http.docs import type_name
from moothill.kernel.service import REGISTRY
from tests.serving import Live


async def test_the_document_describes_every_operation(live: Live) -> None:
    async with live.client() as client:
        document = (await client.get("/openapi.json")).json()
    assert document["openapi"].startswith("3.1")
    identifiers = [operation["operationId"] for path in document["paths"].values() for operation in path.values()]
    assert len(identifiers) == len(set(identifiers))
    own = [operation for operation in REGISTRY.values() if operation.body.__module__.startswith("moothill.")]
    for operation in own:
        path = document["paths"][f"/v1/{operation.group}/{operation.verb}"]
        assert set(path) == ({"get", "post"} if operation.answers_get else {"post"})
        posted = path["post"]
        assert posted["summary"] == operation.summary
        assert posted["security"] == [{"key": []}]
        assert posted["requestBody"]["content"]["application/json"]["example"] == operation.example
        assert {"401", "403", "404", "409", "422", "429", "503"} <= set(posted["responses"])
        assert posted["x-moothill"]["scope"] == operation.scope


async def test_query_parameters_are_those_of_the_operation(live: Live) -> None:
    async with live.client() as client:
        document = (await client.get("/openapi.json")).json()
    parameters = document["paths"]["/v1/tenants/list"]["get"]["parameters"]
    query = {each["name"]: each for each in parameters if each.get("in") == "query"}
    assert set(query) == {"status", "limit", "cursor"}
    assert query["limit"]["schema"] == {
        "type": "integer",
        "minimum": 1,
        "maximum": 1000,
        "default": 50,
        "title": "Limit",
    }
    assert query["status"]["schema"]["enum"] == ["active", "suspended", "erasing"]
    assert query["limit"]["description"]


async def test_every_reference_of_the_document_resolves(live: Live) -> None:
    async with live.client() as client:
        text = (await client.get("/openapi.json")).text
        document = (await client.get("/openapi.json")).json()
    references = set(re.findall(r'"\$ref":"#/([^"]+)"', text))
    assert references
    for reference in references:
        place = document
        for part in reference.split("/"):
            place = place[part]


async def test_the_page_needs_no_other_server(live: Live) -> None:
    async with live.client() as client:
        page = await client.get("/docs")
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        policy = page.headers["content-security-policy"]
        assert "script-src 'self'" in policy
        assert "unsafe" not in policy
        sources = re.findall(r'(?:src|href)="([^"]+)"', page.text)
        assert {source for source in sources if not source.startswith(("/", "#", "data:,"))} == set()
        for source in sources:
            if source.startswith("/docs/"):
                served = await client.get(source)
                assert served.status_code == 200
                assert "http://" not in served.text
                assert "https://" not in served.text
        root = await client.get("/")
    assert (root.status_code, root.headers["location"]) == (307, "/docs")
    for name in REGISTRY:
        if REGISTRY[name].body.__module__.startswith("moothill."):
            assert f'id="{name}"' in page.text


async def test_the_page_shows_text_as_text(live: Live) -> None:
    async with live.client() as client:
        page: httpx.Response = await client.get("/docs")
    assert "<script>" not in page.text
    assert " onclick" not in page.text
    assert " style=" not in page.text


def test_a_schema_is_told_in_a_few_words() -> None:
    assert type_name({"anyOf": [{"type": "string", "format": "uuid"}, {"type": "null"}]}) == "uuid | null"
    assert type_name({"type": "array", "items": {"$ref": "#/components/schemas/Thing"}}) == "list of Thing"
    assert type_name({"enum": ["a", "b"]}) == '"a" | "b"'
    assert type_name({}) == "any value"
