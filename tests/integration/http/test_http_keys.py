"""Who may call over HTTP, how often, and what a browser is told."""

import asyncio
from datetime import timedelta

import httpx
import pytest

from moothill.database.embedded import EmbeddedServer
from moothill.kernel.settings import Settings
from moothill.moot import Moot
from tests.conftest import DATABASE
from tests.serving import Live, serving


@pytest.mark.parametrize(
    ("header", "code"),
    [
        (None, "key_missing"),
        ("", "key_missing"),
        ("Bearer", "key_missing"),
        ("Basic dXNlcjpwYXNz", "key_missing"),
        ("Bearer nonsense", "key_unknown"),
        ("Bearer moot_" + "A" * 43, "key_unknown"),
        ("Bearer " + "é" * 10, "key_unknown"),
        ("bearer moot_" + "A" * 10_000, "key_unknown"),
    ],
)
async def test_who_is_not_known_is_told_how_to_authenticate(live: Live, header: str | None, code: str) -> None:
    headers = {} if header is None else {b"Authorization": header.encode()}
    async with live.client() as client:
        answer = await client.get("/v1/keys/current", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (401, code)
    assert answer.headers["www-authenticate"].startswith('Bearer realm="moothill"')
    assert "A" * 43 not in answer.text


async def test_a_key_without_the_scope_is_told_which_it_lacks(live: Live, moot: Moot) -> None:
    async with live.client(await live.key(moot, "agents:read")) as client:
        answer = await client.post("/v1/keys/create", json={"name": "k", "scopes": ["agents:read"]})
        assert (answer.status_code, answer.json()["context"]["scope"]) == (403, "keys:write")
        platform = await client.get("/v1/tenants/list")
        assert (platform.status_code, platform.json()["code"]) == (403, "missing_scope")


async def test_an_ended_key_is_refused_at_once(live: Live, moot: Moot, platform: Moot) -> None:
    """The gate trusts an answer for seconds; what this process changes counts at once."""
    tenant = (await moot.keys.current()).tenant_slug
    issued = await live.moot.tenant(tenant).keys.create(name="k", scopes=["*"])
    async with live.client(issued.secret) as client:
        assert (await client.get("/v1/keys/current")).status_code == 200
        await live.moot.tenant(tenant).keys.revoke(key=issued.key.id)
        refused = await client.get("/v1/keys/current")
        assert (refused.status_code, refused.json()["code"]) == (401, "key_revoked")
    async with live.client(await live.key(moot)) as client:
        assert (await client.get("/v1/keys/current")).status_code == 200
        await live.moot.tenants.suspend(tenant=tenant)
        refused = await client.get("/v1/keys/current")
        assert (refused.status_code, refused.json()["code"]) == (403, "tenant_suspended")


async def test_an_expired_key_is_refused(live: Live, moot: Moot) -> None:
    key = await live.key(moot, expires_in=timedelta(microseconds=1))
    async with live.client(key) as client:
        answer = await client.get("/v1/keys/current")
    assert (answer.status_code, answer.json()["code"]) == (401, "key_expired")


async def test_a_key_sees_its_own_tenant_alone(live: Live, moot: Moot, other: Moot) -> None:
    theirs = await other.keys.create(name="theirs", scopes=["agents:read"])
    async with live.client(await live.key(moot)) as client:
        seen = (await client.get("/v1/keys/list")).json()["items"]
        assert str(theirs.key.id) not in {key["id"] for key in seen}
        refused = await client.post("/v1/keys/revoke", json={"key": str(theirs.key.id)})
        assert (refused.status_code, refused.json()["code"]) == (404, "key_not_found")


async def test_viewing_as_an_agent_is_recorded_once_and_ends_with_the_agent(live: Live, moot: Moot) -> None:
    tenant = (await moot.keys.current()).tenant_slug
    here = live.moot.tenant(tenant)
    await here.agents.register(agent_id="ada", name="Ada")

    async def views() -> int:
        events = (await moot.events.list(limit=1000)).items
        return sum(event.operation == "agents.view_as" for event in events)

    async with live.client(await live.key(moot), **{"Moothill-View-As": "ada"}) as client:
        for _ in range(3):
            seen = (await client.get("/v1/keys/current")).json()
            assert (seen["actor_name"], seen["real_actor_name"]) == ("Ada", "test")
        assert await views() == 1
        # A change of any agent lets the server look again, and is no new beginning.
        await here.agents.register(agent_id="ben", name="Ben")
        await asyncio.gather(*(client.get("/v1/keys/current") for _ in range(4)))
        assert await views() == 1
        refused = await client.get("/v1/tenants/list")
        assert refused.status_code == 403
        await here.agents.deactivate(agent="ada")
        assert (await client.get("/v1/keys/current")).status_code in (404, 409)
    async with live.client(await live.key(moot, "agents:read"), **{"Moothill-View-As": "ada"}) as client:
        assert (await client.get("/v1/keys/current")).status_code == 403


async def test_a_key_that_calls_too_often_is_told_when_to_come_back(
    server: EmbeddedServer, settings: Settings, moot: Moot
) -> None:
    strict = settings.model_copy(update={"rate_limit": 3})
    async with serving(server.dsn("app", DATABASE), strict) as live:
        busy, calm = await live.key(moot), await live.key(moot)
        async with live.client(busy) as client:
            statuses = [(await client.get("/v1/keys/current")).status_code for _ in range(4)]
            assert statuses == [200, 200, 200, 429]
            refused = await client.get("/v1/keys/current")
        assert refused.json()["code"] == "rate_limited"
        assert 1 <= int(refused.headers["retry-after"]) <= 20
        async with live.client(calm) as client:
            assert (await client.get("/v1/keys/current")).status_code == 200


async def test_last_uses_are_written_when_the_server_ends(
    server: EmbeddedServer, settings: Settings, moot: Moot
) -> None:
    async with serving(server.dsn("app", DATABASE), settings) as live:
        key = await live.key(moot)
        async with live.client(key) as client:
            await client.get("/v1/keys/current")
        assert (await moot.keys.list()).items[0].last_used_at is None
    assert (await moot.keys.list()).items[0].last_used_at is not None


async def test_answers_carry_headers_that_bind_a_browser(client: httpx.AsyncClient) -> None:
    for path in ("/v1/keys/current", "/v1/nothing/here", "/health/live", "/metrics", "/nowhere"):
        headers = (await client.get(path)).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["content-security-policy"].startswith("default-src 'none'")
        assert headers["cache-control"] == "no-store"
        assert "server" not in headers


async def test_other_sites_scripts_get_no_permission(client: httpx.AsyncClient) -> None:
    preflight = {"Origin": "https://elsewhere.example", "Access-Control-Request-Method": "POST"}
    for method in ("OPTIONS", "GET"):
        answer = await client.request(method, "/v1/keys/current", headers=preflight)
        assert not [name for name in answer.headers if name.startswith("access-control-")]


async def test_many_clients_at_once_are_answered_without_an_error(live: Live, moot: Moot) -> None:
    async with live.client(await live.key(moot)) as client:
        answers = await asyncio.gather(*(client.get("/v1/tenants/get?tenant=default") for _ in range(120)))
    assert {answer.status_code for answer in answers} == {200}


async def test_a_view_that_was_begun_by_its_operation_is_not_recorded_again(live: Live, moot: Moot) -> None:
    tenant = (await moot.keys.current()).tenant_slug
    await live.moot.tenant(tenant).agents.register(agent_id="ada", name="Ada")
    async with live.client(await live.key(moot)) as client:
        assert (await client.post("/v1/agents/view_as", json={"agent": "ada"})).status_code == 200
        header = {"Moothill-View-As": "ada"}
        answers = await asyncio.gather(*(client.get("/v1/keys/current", headers=header) for _ in range(4)))
    assert {answer.json()["actor_name"] for answer in answers} == {"Ada"}
    assert len((await moot.events.list(kind="agents.viewed_as")).items) == 1


async def test_first_requests_at_once_begin_a_view_once(live: Live, moot: Moot) -> None:
    tenant = (await moot.keys.current()).tenant_slug
    await live.moot.tenant(tenant).agents.register(agent_id="ada", name="Ada")
    async with live.client(await live.key(moot), **{"Moothill-View-As": "ada"}) as client:
        await asyncio.gather(*(client.get("/v1/keys/current") for _ in range(6)))
    assert len((await moot.events.list(kind="agents.viewed_as")).items) == 1
