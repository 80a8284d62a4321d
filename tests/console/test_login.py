"""The front door: signing in and out, and what is refused before any page is built."""

from http.cookies import SimpleCookie

import httpx
import pytest
from nicegui.testing import User

from moothill.console import attempts
from moothill.console.app import Console
from moothill.moot import Moot
from tests.console.conftest import eventually, key_of, sign_in

HTML = {"accept": "text/html"}


async def test_nobody_sees_a_page_without_signing_in(visitor: User) -> None:
    response = await visitor.http_client.get("/t/acme/agents?status=idle", headers=HTML)
    assert response.status_code == 303
    assert response.headers["location"] == "/login?next=%2Ft%2Facme%2Fagents%3Fstatus%3Didle"
    assert (await visitor.http_client.get("/t/acme/agents")).status_code == 401


async def test_a_key_signs_in_and_stays_out_of_the_browser(visitor: User, moot: Moot) -> None:
    secret = await key_of(moot, "*")
    response = await sign_in(visitor, secret)
    assert (response.status_code, response.headers["location"]) == (303, "/")
    (cookie,) = SimpleCookie(response.headers["set-cookie"]).values()
    assert cookie["httponly"]
    assert cookie["samesite"] == "lax"
    assert not cookie["secure"]
    home = await visitor.http_client.get("/", headers=HTML, follow_redirects=True)
    assert home.status_code == 200
    assert secret not in str(response.headers) + str(home.headers) + home.text


async def test_over_tls_the_cookie_is_secure_and_bound_to_the_host(console: Console, moot: Moot) -> None:
    transport = httpx.ASGITransport(console.site())
    async with httpx.AsyncClient(transport=transport, base_url="https://console") as client:
        response = await client.post("/login", data={"key": await key_of(moot, "*")})
    (cookie,) = SimpleCookie(response.headers["set-cookie"]).values()
    assert cookie.key == "__Host-moothill"
    assert cookie["secure"]
    assert cookie["path"] == "/"
    assert not cookie["domain"]


@pytest.mark.parametrize("secret", ["", "nonsense", "moot_" + "x" * 43, "<script>alert(1)</script>", "x" * 100_000])
async def test_a_wrong_key_is_refused_in_our_words(visitor: User, secret: str) -> None:
    response = await sign_in(visitor, secret)
    assert response.status_code == 401
    assert "set-cookie" not in response.headers
    assert 'role="alert"' in response.text
    assert "alert(1)" not in response.text


async def test_a_revoked_key_is_refused(visitor: User, moot: Moot) -> None:
    issued = await moot.keys.create(name="short-lived", scopes=["agents:read"])
    await moot.keys.revoke(key=issued.key.id)
    response = await sign_in(visitor, issued.secret)
    assert response.status_code == 401
    assert "revoked" in response.text


async def test_guessing_is_slowed_down_even_with_the_right_key(visitor: User, moot: Moot) -> None:
    for _ in range(attempts.MOST_FAILURES):
        await sign_in(visitor, "moot_" + "x" * 43)
    response = await sign_in(visitor, await key_of(moot, "*"))
    assert response.status_code == 429
    assert int(response.headers["retry-after"]) <= 60


async def test_the_next_address_is_shown_as_text(visitor: User) -> None:
    response = await visitor.http_client.get("/login", params={"next": '/"><script>alert(1)</script>'})
    assert "<script>" not in response.text


async def test_another_site_can_neither_sign_in_nor_out(operator: User) -> None:
    for path in ("/login", "/logout"):
        for headers in ({"origin": "https://evil.example"}, {"sec-fetch-site": "cross-site"}):
            response = await operator.http_client.post(path, headers=headers, data={"key": "x"})
            assert response.status_code == 403, (path, headers)
    assert (await operator.http_client.get("/", headers=HTML)).status_code == 303


async def test_signing_out_ends_the_session(operator: User) -> None:
    response = await operator.http_client.post("/logout", headers={"origin": "http://console"})
    assert (response.status_code, response.headers["location"]) == (303, "/login")
    again = await operator.http_client.get("/", headers=HTML)
    assert again.headers["location"] == "/login"


@pytest.mark.parametrize("path", ["/login", "/assets/theme.css", "/favicon.ico", "/t/acme/"])
async def test_every_answer_keeps_the_browser_at_home(visitor: User, path: str) -> None:
    headers = (await visitor.http_client.get(path, headers=HTML)).headers
    assert "default-src 'self'" in headers["content-security-policy"]
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"


async def test_a_websocket_needs_a_session_and_our_origin(console: Console) -> None:
    answers: list[dict[str, object]] = []
    scope = {
        "type": "websocket", "path": "/_nicegui_ws/socket.io", "scheme": "ws", "server": ("console", 80),
        "headers": [(b"origin", b"https://evil.example"), (b"host", b"console")], "query_string": b"",
    }  # fmt: skip

    async def receive() -> dict[str, object]:
        return {"type": "websocket.connect"}

    async def send(message: dict[str, object]) -> None:
        answers.append(message)

    await console.site()(scope, receive, send)  # type: ignore[arg-type]
    assert answers == [{"type": "websocket.close", "code": 1008}]


async def test_under_a_path_of_a_proxy_one_can_sign_in(console: Console, moot: Moot) -> None:
    """The server puts that path before every address: each was taken for a closed one and led to the login for ever."""
    transport = httpx.ASGITransport(console.site(), root_path="/console")
    async with httpx.AsyncClient(transport=transport, base_url="http://console") as client:
        assert (await client.get("/console/login")).status_code == 200
        assert (await client.get("/console/health/live")).text == "ok"
        assert (await client.get("/console/assets/theme.css")).status_code == 200
        away = await client.get("/console/t/acme/agents?tag=law", headers={"accept": "text/html"})
        assert away.headers["location"] == "/console/login?next=%2Ft%2Facme%2Fagents%3Ftag%3Dlaw"
        given = {"key": await key_of(moot, "*"), "next": "/t/acme/agents"}
        back = await client.post("/console/login", data=given)
        assert (back.status_code, back.headers["location"]) == (303, "/console/t/acme/agents")
        # What only begins like it is no part of it.
        assert (await client.get("/consolelogin", headers={"accept": "text/html"})).status_code in (303, 404)
    console.sessions.close()


async def test_a_page_that_stays_open_after_signing_out_is_told_nothing_more(
    console: Console, operator: User, moot: Moot, tenant: str
) -> None:
    """The browser is asked to leave; one that does not went on getting events by its websocket."""
    await operator.open(f"/t/{tenant}/events")
    await operator.should_see("Events", retries=20)
    await eventually(lambda: any(feed._count for feed in console.listener._feeds.values()))
    await operator.http_client.post("/logout")
    await eventually(lambda: not any(feed._count for feed in console.listener._feeds.values()))


async def test_a_session_may_hold_several_keys(operator: User, other: Moot, tenant: str) -> None:
    slug = (await other.keys.current()).tenant_slug
    assert (await operator.http_client.get(f"/t/{slug}/", headers=HTML)).status_code == 200
    await operator.open(f"/t/{slug}/")
    await operator.should_see("None of your keys enters the tenant")
    await sign_in(operator, await key_of(other, "*"))
    await operator.open(f"/t/{slug}/")
    await operator.should_not_see("None of your keys enters the tenant")
    await operator.open(f"/t/{tenant}/")
    await operator.should_not_see("None of your keys enters the tenant")
