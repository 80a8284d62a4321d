"""The console as it runs beside a server: over HTTP, with keys that the server knows."""

from collections.abc import AsyncIterator

import pytest_asyncio
from nicegui import ui
from nicegui.testing import User

from moothill.console.app import Console
from moothill.database.embedded import EmbeddedServer
from moothill.kernel.settings import Settings
from moothill.moot import Moot
from moothill.session import connect
from tests.conftest import DATABASE
from tests.console.conftest import key_of, sign_in, simulated
from tests.console.test_acts import REASON, confirm
from tests.console.test_screens import register, words_of
from tests.serving import eventually, serving


@pytest_asyncio.fixture
async def away(server: EmbeddedServer, settings: Settings, moot: Moot) -> AsyncIterator[User]:
    """An operator at a console that talks to a server by its URL."""
    async with (
        serving(server.dsn("app", DATABASE), settings) as live,
        connect(live.url, settings=settings) as remote,
        simulated(Console(remote)) as user,
    ):
        response = await sign_in(user, await key_of(moot, "*"))
        assert response.status_code == 303, response.text
        yield user


async def test_screens_and_live_events_come_over_http(away: User, moot: Moot, tenant: str) -> None:
    await register(moot)
    await away.open(f"/t/{tenant}/")
    await away.should_see("Live", retries=50)
    await away.should_see("agents.registered", retries=20)
    await moot.agents.set_status(agent="ada", status="maintenance", reason="a new model")
    await away.should_see("agents.status_changed", retries=50)
    assert "maintenance" in " ".join(words_of(away))


async def test_refusals_keep_their_words_and_their_request(away: User, tenant: str) -> None:
    await away.open(f"/t/{tenant}/agents?status=sleeping")
    await away.should_see(marker="trouble", retries=20)
    await away.should_see("agents.list: filter.status")
    await away.should_see("Request ")


async def test_a_view_as_an_agent_sees_through_the_server_s_eyes(away: User, moot: Moot, tenant: str) -> None:
    agent = await register(moot)
    await away.open(f"/t/{tenant}/agents/{agent}")
    await away.should_see(marker="view-as", retries=20)
    away.find(marker="view-as").click()
    await confirm(away)
    page = f"/t/{tenant}/as/{agent}/agents"

    async def is_begun() -> bool:
        response = await away.http_client.get(page, headers={"accept": "text/html"})
        return "not viewing as that agent" not in response.text

    await eventually(is_begun)
    await away.open(f"/t/{tenant}/as/{agent}/explorer?operation=keys.current")
    await away.should_see(marker="banner")
    await away.should_see(marker="run", retries=20)
    away.find(marker="run").click()
    await away.should_see("Result", retries=20)
    said = " ".join(words_of(away))
    assert '"actor_kind": "agent"' in said
    assert '"real_actor_name": "somebody at the console"' in said
    # Another agent changes, so the server looks agents up again.
    await register(moot, "ben")
    await away.open(f"/t/{tenant}/as/{agent}/agents")
    await away.should_see(kind=ui.aggrid, retries=20)
    (begun,) = (await moot.events.list(kind="agents.viewed_as", limit=10)).items
    assert begun.reason == REASON
