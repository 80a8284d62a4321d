"""What bad requests get: a problem document of the right kind, always, and nothing changed."""

import asyncio
import json
import logging
from typing import Any
from uuid import uuid4

import httpx
import pytest

from moothill.doors.http import protocol, request
from moothill.kernel.errors import KINDS
from moothill.moot import Moot
from moothill.tenancy.keys import KeyGate
from tests.integration.http.conftest import BODY_LIMIT
from tests.serving import Live


def check_problem(answer: httpx.Response) -> dict[str, Any]:
    """The answer's problem document, whose parts agree."""
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    problem: dict[str, Any] = answer.json()
    assert problem["status"] == answer.status_code
    assert problem["kind"] in KINDS
    assert problem["type"] == f"urn:moothill:error:{problem['code']}"
    assert problem["instance"].removeprefix("urn:uuid:") == answer.headers["x-request-id"]
    assert problem["detail"].endswith((".", "?", ")")), problem["detail"]
    return problem


DEEP = "[" * 100 + "]" * 100
VERY_DEEP = "[" * 5_000 + "]" * 5_000


@pytest.mark.parametrize(
    ("body", "status", "kind"),
    [
        ("{", 400, "invalid"),
        ("nope", 400, "invalid"),
        ("[]", 400, "invalid"),
        ("null", 400, "invalid"),
        ('"text"', 400, "invalid"),
        ('{"tenant": NaN}', 400, "invalid"),
        ('{"tenant": "\\ud800"}', 400, "invalid"),
        ('{"tenant": "a"} trailing', 400, "invalid"),
        (f'{{"tenant": {DEEP}}}', 422, "invalid"),
        (f'{{"tenant": {VERY_DEEP}}}', 400, "invalid"),
        ('{"tenant": "a\\u0000b"}', 422, "invalid"),
        ('{"tenant": ""}', 422, "invalid"),
        ('{"tenant": null}', 422, "invalid"),
        ('{"tenant": 7}', 422, "invalid"),
        ('{"tenant": {"$result": [0]}}', 422, "invalid"),
        ('{"tenant": "a", "unknown": 1}', 422, "invalid"),
        ("{}", 422, "invalid"),
        (json.dumps({"tenant": "x" * 10_000}), 422, "invalid"),
        ('{"tenant": "nowhere"}', 404, "not_found"),
    ],
)
async def test_a_bad_body_is_told_what_is_wrong(client: httpx.AsyncClient, body: str, status: int, kind: str) -> None:
    answer = await client.post("/v1/tenants/get", content=body, headers={"Content-Type": "application/json"})
    problem = check_problem(answer)
    assert (answer.status_code, problem["kind"]) == (status, kind)


async def test_invalid_utf8_is_refused(client: httpx.AsyncClient) -> None:
    answer = await client.post(
        "/v1/tenants/get", content=b'{"tenant": "\xff\xfe"}', headers={"Content-Type": "application/json"}
    )
    assert check_problem(answer)["code"] == "malformed_json"


@pytest.mark.parametrize("media", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
async def test_arguments_that_are_not_json_are_refused(client: httpx.AsyncClient, media: str) -> None:
    answer = await client.post("/v1/tenants/get", content=b"tenant=acme", headers={"Content-Type": media})
    assert answer.status_code == 415
    assert check_problem(answer)["code"] == "wrong_content_type"
    latin = await client.post(
        "/v1/tenants/get", content=b"{}", headers={"Content-Type": "application/json; charset=latin-1"}
    )
    assert latin.status_code == 415


async def test_a_body_over_the_limit_is_refused_announced_or_not(client: httpx.AsyncClient) -> None:
    async def drip() -> Any:
        for _ in range(100):
            yield b" " * 1_000

    for content in (b" " * (BODY_LIMIT + 1), drip()):
        answer = await client.post("/v1/keys/create", content=content, headers={"Content-Type": "application/json"})
        assert answer.status_code == 413
        assert answer.headers["connection"] == "close"
        assert check_problem(answer)["context"] == {"limit": BODY_LIMIT}
    fits = b"{}".ljust(BODY_LIMIT)
    answer = await client.post("/v1/keys/current", content=fits, headers={"Content-Type": "application/json"})
    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/v1/tenant/get", "unknown_operation"),
        ("/v1/tenants/gett", "unknown_operation"),
        ("/v1/tenants", "unknown_route"),
        ("/v1/", "unknown_route"),
        ("/v1", "unknown_route"),
        ("/v1/tenants/get/", "unknown_route"),
        ("/v1/tenants/get/more", "unknown_route"),
        ("/v1/tenants.get", "unknown_route"),
        ("/v1//get", "unknown_route"),
        ("/v2/tenants/get", "unknown_route"),
        ("/docs/../openapi.yaml", "unknown_route"),
        ("/docs/door.py", "unknown_route"),
        ("/%00", "unknown_route"),
        ("/v1/%00/%FF", "unknown_operation"),
        ("/v1/" + "a" * 5_000 + "/b", "unknown_operation"),
    ],
)
async def test_an_unknown_address_is_not_found(client: httpx.AsyncClient, path: str, code: str) -> None:
    answer = await client.get(path)
    assert answer.status_code == 404
    assert check_problem(answer)["code"] == code


async def test_an_unknown_operation_gets_its_near_match(client: httpx.AsyncClient) -> None:
    assert 'Did you mean "tenants.get"?' in (await client.post("/v1/tenant/get")).json()["detail"]


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "TRACE"])
@pytest.mark.parametrize("path", ["/v1/tenants/get", "/health/live", "/openapi.json"])
async def test_a_method_that_is_not_answered_is_told_which_are(
    client: httpx.AsyncClient, method: str, path: str
) -> None:
    answer = await client.request(method, path)
    assert answer.status_code == 405
    assert "GET" in answer.headers["allow"]
    assert check_problem(answer)["code"] == "method_not_allowed"


@pytest.mark.parametrize(
    "query", ["tenant=a&tenant=b", "tenant=%ff", "tenant=a%00b", "unknown=1", "&".join(f"a{i}=1" for i in range(500))]
)
async def test_a_query_that_cannot_be_read_is_refused(client: httpx.AsyncClient, query: str) -> None:
    answer = await client.get(f"/v1/tenants/get?{query}")
    assert answer.status_code in (400, 422)
    assert check_problem(answer)["kind"] == "invalid"


async def test_arguments_of_a_post_do_not_hide_in_its_query(client: httpx.AsyncClient) -> None:
    answer = await client.post("/v1/tenants/get?tenant=acme", json={"tenant": "acme"})
    assert check_problem(answer)["context"]["field"] == "query"


@pytest.mark.parametrize("name", ["Moothill-Reason", "Moothill-Tenant", "Moothill-View-As", "Idempotency-Key"])
async def test_a_header_with_a_nul_or_broken_text_is_refused(client: httpx.AsyncClient, name: str) -> None:
    for value in ("a%00b", "%ff%fe", "%ed%a0%80"):
        answer = await client.post("/v1/keys/create", json={"name": "k", "scopes": ["a:b"]}, headers={name: value})
        assert answer.status_code in (400, 422)
        assert name.lower() in check_problem(answer)["detail"].lower()


async def test_a_header_that_counts_once_stands_once(live: Live, moot: Moot) -> None:
    key = await live.key(moot)
    async with live.client() as client:
        answer = await client.get(
            "/v1/keys/current", headers=[("Authorization", f"Bearer {key}"), ("Authorization", "Bearer moot_other")]
        )
    assert check_problem(answer)["code"] == "malformed_request"


async def raw(live: Live, data: bytes) -> bytes:
    """What the server says to these bytes before it hangs up."""
    reader, writer = await asyncio.open_connection(*live.address)
    writer.write(data)
    answer = await asyncio.wait_for(reader.read(), 5)
    writer.close()
    await writer.wait_closed()
    return answer


async def test_what_is_not_http_is_refused_in_our_shape(live: Live) -> None:
    for nonsense in (b"nonsense\r\n\r\n", b"GET /health/live HTTP/1.1\r\nbad header\r\n\r\n", b"\x16\x03\x01\x02\x00"):
        head, _, body = (await raw(live, nonsense)).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 400 ")
        assert b"application/problem+json" in head
        assert json.loads(body)["kind"] == "invalid"


async def test_endless_headers_are_refused(live: Live) -> None:
    many = b"".join(b"x-%d: %s\r\n" % (number, b"a" * 1_000) for number in range(100))
    head, _, body = (await raw(live, b"GET /health/live HTTP/1.1\r\nhost: x\r\n" + many + b"\r\n")).partition(
        b"\r\n\r\n"
    )
    assert head.startswith(b"HTTP/1.1 431 ")
    assert json.loads(body)["code"] == "head_too_large"


async def test_a_client_that_dawdles_with_its_headers_is_hung_up_on(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.1)
    assert await raw(live, b"GET /health/live HTTP/1.1\r\n") == b""


async def test_a_body_that_does_not_come_is_not_waited_for(
    live: Live, moot: Moot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(request, "BODY_SECONDS", 0.1)
    key = await live.key(moot)
    head = (
        f"POST /v1/keys/create HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\n"
        "content-type: application/json\r\ncontent-length: 100\r\n\r\n{"
    )
    answer = await raw(live, head.encode())
    assert answer.startswith(b"HTTP/1.1 408 ")


async def test_an_unforeseen_error_is_internal_and_logged_without_values(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(*_: object) -> None:
        raise RuntimeError("the secret is 1234")

    monkeypatch.setattr(KeyGate, "authenticate", broken)
    with caplog.at_level(logging.INFO, "moothill.http"):
        answer = await client.get("/v1/keys/current")
    assert answer.status_code == 500
    assert check_problem(answer)["kind"] == "internal"
    told = "\n".join(str(vars(record)) for record in caplog.records if record.name.startswith("moothill"))
    assert "RuntimeError" in told
    assert "test_http_refusals.py" in told
    assert "1234" not in answer.text + told


async def test_nothing_of_a_call_is_logged_but_its_frame(
    live: Live, moot: Moot, caplog: pytest.LogCaptureFixture
) -> None:
    key, private = await live.key(moot), uuid4().hex
    with caplog.at_level(logging.DEBUG):
        async with live.client(key) as client:
            await client.post("/v1/tenants/get", json={"tenant": private})
            await client.get("/v1/tenants/get", params={"tenant": private}, headers={"Moothill-Reason": private})
    told = [vars(record) for record in caplog.records if record.name == "moothill.http"]
    assert [(line["operation"], line["status"], line["code"]) for line in told] == [
        ("tenants.get", 404, "tenant_not_found")
    ] * 2
    everything = "\n".join(str(vars(record)) for record in caplog.records if record.name.startswith("moothill"))
    assert private not in everything
    assert key not in everything
