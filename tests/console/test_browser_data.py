"""Journeys through retention, limits and encryption that only a browser can show."""

import os
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import expect

from moothill.database.embedded import EmbeddedServer
from moothill.kernel.settings import Settings
from moothill.moot import Moot
from moothill.session import open_database
from tests.conftest import DATABASE
from tests.console.conftest import HOSTILE, KEKS, Journey, key_of
from tests.console.test_browser_tenancy import looks_right
from tests.console.test_data_screens import done

pytestmark = pytest.mark.browser


@pytest_asyncio.fixture
async def furnished(server: EmbeddedServer, platform: Moot, journey: Journey) -> dict[str, Any]:
    """Something hostile in everything that these screens show; gives ids by name."""
    for name, amount in (("agents", 4), ("events", 1_000), ("calls", 100_000), ("calls:search", 600)):
        await platform.tenant(journey.tenant).limits.set(name=name, amount=amount)
    own = Settings.load({}, pool_min=1, worker=False, keks=KEKS, signing_key="A" * 43 + "=")
    moot = await open_database(server.dsn("app", DATABASE), own, journey.tenant)
    try:
        await moot.agents.register(agent_id="ada", name=HOSTILE)
        await moot.agents.register(agent_id="ben", name="Ben")
        await done(moot, await moot.erasure.erase_agent(agent="ben", reason=HOSTILE))
        hold = await moot.retention.hold(agent="ada", reason=HOSTILE)
        await moot.retention.set(data_class="access_log", action="delete", days=180)
        await done(moot, await moot.encryption.enable())
        await done(moot, await moot.encryption.rotate())
    finally:
        await moot.close()
    return {"hold": hold.id}


def places(ids: dict[str, Any]) -> list[str]:
    """The screens, each with something chosen."""
    return [
        "/retention",
        "/retention?class=events",
        f"/retention?tab=holds&hold={ids['hold']}",
        "/retention?tab=archives",
        "/retention?tab=erasures&report=1",
        "/limits",
        "/encryption",
    ]


async def test_hostile_text_stays_text(journey: Journey, furnished: dict[str, Any]) -> None:
    page, seen = journey.page, 0
    for path in places(furnished):
        await journey.go(path)
        seen += await page.get_by_text("<script>window.hit=1</script>").count()
        assert await page.evaluate("window.hit") is None, path
        assert await page.locator(".screen img, .screen script").count() == 0, path
        assert await page.locator("a[href^='javascript']").count() == 0, path
    assert seen > 1


@pytest.mark.parametrize("width", [1280, 400])
async def test_the_screens_fit_and_keep_their_contrast(
    journey: Journey, platform: Moot, furnished: dict[str, Any], width: int
) -> None:
    page = journey.page
    await page.set_viewport_size({"width": width, "height": 900})
    await journey.sign_in(await key_of(platform, "*", "platform:*"))
    for path in places(furnished):
        await journey.go(path)
        await looks_right(page, path, width)
        if folder := os.environ.get("MOOTHILL_SCREENSHOTS"):
            name = path.strip("/").replace("?", "-").replace("&", "-").partition("hold=")[0]
            await page.screenshot(path=Path(folder) / f"{name}-{width}.png", full_page=True)


async def test_a_class_is_opened_and_its_policy_planned_with_the_keyboard(
    journey: Journey, furnished: dict[str, Any]
) -> None:
    page = journey.page
    await journey.go("/retention")
    await page.locator(
        '.ag-row[row-id="access_log"] .ag-cell, .ag-center-cols-container .ag-row .ag-cell'
    ).first.focus()
    await page.keyboard.press("Enter")
    await page.wait_for_url("**class=*")
    await page.get_by_label("After how many days").focus()
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("button", name="Change it")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", name="Change what happens to")).to_be_visible()
    await page.keyboard.press("Escape")
    await journey.go("/")
    await page.keyboard.press("g")
    await page.keyboard.press("n")
    await page.wait_for_url("**/encryption")
    await expect(page.get_by_role("button", name="Rotate the data key")).to_be_visible()
