"""Calls over HTTP: what goes in, what comes out, and what an option of the call does."""

import asyncio
import json
from uuid import UUID, uuid4

import httpx
import psycopg
import pytest

from moothill.database.embedded import EmbeddedServer
from moothill.moot import Moot
from tests.conftest import DATABASE
from tests.serving import Live, eventually


async def test_post_and_get_give_the_same_answer(client: httpx.AsyncClient, platform: Moot) -> None:
    slug = f"t-{uuid4().hex}"
    made = await platform.tenants.create(slug=slug, name=slug)
    posted = await client.post("/v1/tenants/get", json={"tenant": slug})
    got = await client.get("/v1/tenants/get", params={"tenant": slug})
    assert posted.status_code == got.status_code == 200
    assert posted.headers["content-type"] == "application/json"
    assert posted.json() == got.json() == json.loads(made.model_dump_json())


async def test_a_write_answers_post_alone(client: httpx.AsyncClient) -> None:
    refused = await client.get("/v1/keys/create", params={"name": "k"})
    assert refused.status_code == 405
    assert refused.headers["allow"] == "POST"
    assert refused.json()["code"] == "method_not_allowed"
    assert (await client.request("OPTIONS", "/v1/keys/current")).headers["allow"] == "GET, HEAD, POST"


async def test_head_answers_like_get_without_a_body(client: httpx.AsyncClient) -> None:
    got, head = await client.get("/v1/keys/current"), await client.head("/v1/keys/current")
    assert head.status_code == 200
    assert head.content == b""
    assert head.headers["content-length"] == got.headers["content-length"]


async def test_no_body_is_no_arguments(client: httpx.AsyncClient) -> None:
    assert (await client.post("/v1/keys/current")).status_code == 200


async def test_a_request_id_is_taken_when_it_is_a_uuid_and_made_otherwise(client: httpx.AsyncClient) -> None:
    mine = str(uuid4())
    assert (await client.get("/v1/keys/current", headers={"X-Request-Id": mine})).headers["x-request-id"] == mine
    other = await client.get("/v1/keys/nothing", headers={"X-Request-Id": "x" * 36})
    assert other.json()["instance"] == f"urn:uuid:{UUID(other.headers['x-request-id'])}"


async def test_request_id_and_reason_stand_in_the_event(
    client: httpx.AsyncClient, moot: Moot, server: EmbeddedServer
) -> None:
    mine, reason = str(uuid4()), "weil ☃ 100% nötig\nzweite Zeile"
    headers = {"X-Request-Id": mine, "Moothill-Reason": "weil%20%E2%98%83%20100%25%20n%C3%B6tig%0Azweite Zeile"}
    await client.post("/v1/keys/create", json={"name": "k", "scopes": ["agents:read"]}, headers=headers)
    async with await psycopg.AsyncConnection.connect(server.dsn("admin", DATABASE)) as admin:
        row = await (
            await admin.execute("select reason, kind from moothill.events where request = %s", [mine])
        ).fetchone()
    assert row == (reason, "keys.issued")


async def test_an_idempotency_key_makes_a_repeated_write_harmless(client: httpx.AsyncClient, moot: Moot) -> None:
    slug = f"t-{uuid4().hex}"
    headers = {"Idempotency-Key": "once"}
    first, second = [
        await client.post("/v1/tenants/create", json={"slug": slug, "name": slug}, headers=headers) for _ in range(2)
    ]
    assert first.status_code == second.status_code == 200
    assert first.json() == second.json()
    other = await client.post("/v1/tenants/create", json={"slug": f"{slug}x", "name": slug}, headers=headers)
    assert other.status_code == 409
    assert other.json()["code"] == "idempotency_conflict"
    read = await client.get("/v1/tenants/get", params={"tenant": slug}, headers=headers)
    assert (read.status_code, read.json()["context"]["field"]) == (422, "idempotency_key")


async def test_a_secret_is_not_shown_twice(client: httpx.AsyncClient) -> None:
    body, headers = {"name": "k", "scopes": ["agents:read"]}, {"Idempotency-Key": "secret"}
    first = await client.post("/v1/keys/create", json=body, headers=headers)
    assert first.json()["secret"].startswith("moot_")
    again = await client.post("/v1/keys/create", json=body, headers=headers)
    assert (again.status_code, again.json()["code"]) == (409, "already_issued")


async def test_a_dry_run_answers_with_the_plan_and_changes_nothing(client: httpx.AsyncClient, moot: Moot) -> None:
    issued = await moot.keys.create(name="k", scopes=["agents:read"])
    body = {"key": str(issued.key.id)}
    for word in ("true", "1", "?1"):
        plan = await client.post("/v1/keys/revoke", json=body, headers={"Moothill-Dry-Run": word})
        assert plan.json()["counts"] == {"keys": 1}
    assert (await client.post("/v1/keys/revoke", json=body, headers={"Moothill-Dry-Run": "maybe"})).status_code == 400
    refused = await client.post("/v1/keys/current", headers={"Moothill-Dry-Run": "true"})
    assert refused.status_code == 422
    assert (await client.post("/v1/keys/revoke", json=body)).status_code == 200


async def test_a_deadline_ends_a_call_that_waits(
    client: httpx.AsyncClient, platform: Moot, server: EmbeddedServer
) -> None:
    slug = f"t-{uuid4().hex}"
    await platform.tenants.create(slug=slug, name=slug)
    async with await psycopg.AsyncConnection.connect(server.dsn("admin", DATABASE)) as admin:
        await admin.execute("select from moothill.tenants where slug = %s for update", [slug])
        for deadline in ("150", "150ms", "0.15s"):
            late = await client.post(
                "/v1/tenants/suspend", json={"tenant": slug}, headers={"Moothill-Deadline": deadline}
            )
            assert (late.status_code, late.json()["kind"]) == (503, "unavailable")
            assert late.headers["retry-after"] == "1"
    assert (await platform.tenants.get(tenant=slug)).status == "active"
    for bad in ("soon", "0", "-5", "1e9h", ""):
        refused = await client.post("/v1/keys/current", headers={"Moothill-Deadline": bad})
        assert (refused.status_code, refused.json()["context"]["field"]) == (400, "Moothill-Deadline")


async def test_a_client_that_goes_away_cancels_its_call(
    live: Live, moot: Moot, platform: Moot, server: EmbeddedServer
) -> None:
    slug = f"t-{uuid4().hex}"
    await platform.tenants.create(slug=slug, name=slug)
    key = await live.key(moot)
    async with await psycopg.AsyncConnection.connect(server.dsn("admin", DATABASE), autocommit=True) as watcher:

        async def waiting() -> bool:
            cursor = await watcher.execute(
                "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and query like %s",
                ["%gate_tenant_status%"],
            )
            row = await cursor.fetchone()
            return row is not None and row[0] > 0

        async def idle() -> bool:
            return not await waiting() and live.door.in_flight == 0

        async with await psycopg.AsyncConnection.connect(server.dsn("admin", DATABASE)) as admin:
            await admin.execute("select from moothill.tenants where slug = %s for update", [slug])
            async with live.client(key) as leaving:
                call = asyncio.create_task(leaving.post("/v1/tenants/suspend", json={"tenant": slug}))
                await eventually(waiting)
                call.cancel()
                await asyncio.wait([call])
            await eventually(idle)
    assert (await platform.tenants.get(tenant=slug)).status == "active"


async def test_a_list_in_a_query_repeats_its_name(client: httpx.AsyncClient) -> None:
    twice = await client.get("/v1/keys/list?limit=1&limit=2")
    assert (twice.status_code, twice.json()["context"]["field"]) == (400, "limit")
    assert (await client.get("/v1/keys/list?limit=1")).status_code == 200


async def test_a_platform_key_enters_other_tenants_and_others_do_not(live: Live, moot: Moot, other: Moot) -> None:
    mine, theirs = await moot.keys.current(), await other.keys.current()
    operator, plain = await live.key(moot), await live.key(moot, "*")
    async with live.client(operator) as client:
        for reference in (theirs.tenant_slug, str(theirs.tenant), str(theirs.tenant).upper()):
            found = await client.get("/v1/keys/current", headers={"Moothill-Tenant": reference})
            assert found.json()["tenant_slug"] == theirs.tenant_slug
        nowhere = await client.get("/v1/keys/current", headers={"Moothill-Tenant": "nowhere"})
        assert (nowhere.status_code, nowhere.json()["code"]) == (404, "tenant_unknown")
    async with live.client(plain) as client:
        own = await client.get("/v1/keys/current", headers={"Moothill-Tenant": mine.tenant_slug})
        assert own.status_code == 200
        details = {
            (await client.get("/v1/keys/current", headers={"Moothill-Tenant": reference}))
            .json()["detail"]
            .replace(reference, "X")
            for reference in (theirs.tenant_slug, "nowhere")
        }
        assert len(details) == 1, "a key must not learn which tenants exist"


async def test_a_batch_is_one_transaction(client: httpx.AsyncClient, moot: Moot) -> None:
    good = {"operation": "keys.create", "arguments": {"name": "k", "scopes": ["agents:read"]}}
    bad = {"operation": "keys.revoke", "arguments": {"key": str(uuid4())}}
    before = len((await moot.keys.list()).items)
    refused = await client.post("/v1/operations/batch", json={"calls": [good, bad]})
    assert (refused.status_code, refused.json()["context"]["position"]) == (404, 1)
    assert len((await moot.keys.list()).items) == before


@pytest.mark.parametrize("path", ["/v1/keys/list", "/v1/tenants/list"])
async def test_pages_are_walked_by_cursor_and_their_size_is_limited(client: httpx.AsyncClient, path: str) -> None:
    for limit in (0, -1, 1001):
        assert (await client.post(path, json={"limit": limit})).status_code == 422
    await client.post("/v1/keys/create", json={"name": "k", "scopes": ["agents:read"]})
    page = (await client.post(path, json={"limit": 1})).json()
    second = await client.get(path, params={"limit": 1, "cursor": page["next"]})
    assert second.json()["items"] != page["items"]
    forged = await client.get(path, params={"limit": 1, "cursor": page["next"][:-3] + "xyz"})
    assert (forged.status_code, forged.json()["code"]) == (422, "invalid_cursor")
