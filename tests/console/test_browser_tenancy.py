"""Journeys through the screens of tenancy, privacy and audit that only a browser can show."""

from typing import Any, Literal

import pytest
from playwright.async_api import Page, TimeoutError, expect

from moothill.moot import Moot
from moothill.registry.agents import AgentPatch
from tests.console.conftest import HOSTILE, Journey, key_of
from tests.console.test_browser import CONTRAST
from tests.console.test_screens import register

pytestmark = pytest.mark.browser


async def furnish(platform: Moot, moot: Moot, other: Moot) -> dict[str, Any]:
    """Something hostile in everything that these screens show; gives ids by name."""
    agent = await register(moot)
    await moot.agents.update.options(reason=HOSTILE)(agent=agent, version=1, changes=AgentPatch(description=HOSTILE))
    issued = await moot.keys.create(name=HOSTILE, scopes=["agents:read"])
    theirs = await other.sharing.level()
    await moot.sharing.set_level(level="shared")
    grant = await moot.sharing.grant(tenant=theirs.tenant, data_class="agents", tag=HOSTILE[:100], reason=HOSTILE)
    here = await moot.sharing.level()
    secret = (await platform.tenant(theirs.slug).keys.create(name=HOSTILE, scopes=["*", "platform:*"])).secret
    await platform.with_key(secret).tenant(here.slug).agents.list()
    await moot.privacy.configure(version=0, allowed_tenant_groups=[HOSTILE[:100]])
    (entry,) = (await moot.audit.list(kind="agents.updated")).items
    (access,) = (await moot.sharing.accesses()).items
    return {"key": issued.key.id, "grant": grant.id, "entry": entry.id, "access": access.id}


def places(ids: dict[str, Any]) -> list[str]:
    """The screens, each with something chosen."""
    return [
        f"/keys?key={ids['key']}",
        "/keys?tab=members",
        f"/sharing?grant={ids['grant']}",
        f"/audit?entry={ids['entry']}",
        f"/accesses?access={ids['access']}",
        "/privacy",
        "/privacy?tab=ask&query=popular_labels&epsilon=0.5",
        "/privacy?tab=settings",
    ]


async def test_hostile_text_stays_text_on_the_screens_of_tenancy(
    journey: Journey, platform: Moot, moot: Moot, other: Moot
) -> None:
    ids = await furnish(platform, moot, other)
    await platform.tenants.create(slug=f"{journey.tenant[:40]}-x", name=HOSTILE, project=HOSTILE[:100])
    page, seen = journey.page, 0
    for path in places(ids):
        await journey.go(path)
        seen += await page.get_by_text("<script>window.hit=1</script>").count()
        assert await page.evaluate("window.hit") is None, path
        assert await page.locator(".screen img, .screen script").count() == 0, path
        assert await page.locator("a[href^='javascript']").count() == 0, path
        assert await page.get_by_text("49", exact=True).count() == 0, path
    assert seen > 6
    await journey.sign_in(await key_of(platform, "*", "platform:*"))
    await page.goto(f"{journey.address}/t/default/tenants/{journey.tenant[:40]}-x")
    await journey.ready()
    await expect(page.get_by_role("heading", name="<script>")).to_be_visible()
    assert await page.evaluate("window.hit") is None


@pytest.mark.parametrize("width", [1280, 400])
async def test_the_screens_fit_and_keep_their_contrast(
    journey: Journey, platform: Moot, moot: Moot, other: Moot, width: int
) -> None:
    ids = await furnish(platform, moot, other)
    page = journey.page
    await page.set_viewport_size({"width": width, "height": 900})
    await journey.sign_in(await key_of(platform, "*", "platform:*"))
    above = ["isolation?guard=tenant_keys", "tenants", f"tenants/{journey.tenant}"]
    addresses = [f"/t/{journey.tenant}{path}" for path in places(ids)] + [f"/t/default/{path}" for path in above]
    for address in addresses:
        await page.goto(journey.address + address)
        await journey.ready()
        await looks_right(page, address, width)


async def looks_right(page: Page, address: str, width: int) -> None:
    """A screen fits into the window, can be read in either scheme, and names what can be pressed."""
    # Tables are laid out a moment after the screen is there.
    try:
        await page.wait_for_function(FITS, arg=width, timeout=5000)
    except TimeoutError:
        raise AssertionError(f"{address}: {await page.evaluate(WIDEST, width)}") from None
    # Colours do not depend on the width.
    for scheme in SCHEMES if width > 1000 else SCHEMES[:1]:
        await page.emulate_media(color_scheme=scheme)
        await page.wait_for_function(f"document.body.classList.contains('body--{scheme}')")
        low = await page.evaluate(CONTRAST)
        assert not low, f"{scheme} {address}: {low}"
    await page.emulate_media(color_scheme="light")
    nameless = await page.evaluate(NAMELESS)
    assert not nameless, f"{address}: {nameless}"


SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
FITS = "width => document.documentElement.scrollWidth <= width"
# Elements that reach beyond the window, the innermost of them.
WIDEST = """width => [...document.querySelectorAll('.screen *, .bar *')]
  .filter(element => element.getBoundingClientRect().right > width && !element.closest('.ag-root-wrapper'))
  .slice(-3).map(element => element.outerHTML.slice(0, 160))"""

# What can be pressed or filled in has a name for those who do not see it.
NAMELESS = """() => [...document.querySelectorAll('.screen button, .screen a[href], .screen input:not([type=hidden])')]
  .filter(element => element.checkVisibility() && !element.closest('.ag-root-wrapper, .q-field__append'))
  .filter(element => !(element.textContent.trim() || element.getAttribute('aria-label') || element.title
    || element.closest('[aria-label]') || element.closest('label')?.textContent.trim()))
  .map(element => element.outerHTML.slice(0, 120))"""


async def test_a_row_is_opened_with_the_keyboard(journey: Journey, platform: Moot, moot: Moot, other: Moot) -> None:
    ids = await furnish(platform, moot, other)
    page = journey.page
    await journey.go("/audit?kind=agents.updated")
    await page.locator(".ag-center-cols-container .ag-row .ag-cell").first.focus()
    await page.keyboard.press("Enter")
    await page.wait_for_url(f"**entry={ids['entry']}")
    await expect(page.locator(".diff")).to_be_visible()
    await page.get_by_role("link", name="The event").click()
    await expect(page.get_by_role("heading", name="agents.updated")).to_be_visible()


async def test_a_stone_of_the_wall_leads_to_its_guard_and_back(journey: Journey, platform: Moot) -> None:
    page = journey.page
    await journey.sign_in(await key_of(platform, "*", "platform:*"))
    await page.goto(f"{journey.address}/t/default/isolation")
    await page.locator(".wall .stone", has_text="Tenant keys").focus()
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/isolation?guard=tenant_keys")
    await expect(page.get_by_text("Every unique index of a tenant table starts with tenant_id.")).to_be_visible()
    await page.go_back()
    await page.wait_for_url("**/isolation")
    await expect(page.locator(".stone.here")).to_have_count(0)


async def test_a_view_is_taken_away_as_a_file(journey: Journey, moot: Moot) -> None:
    await register(moot)
    page = journey.page
    await journey.go("/audit?kind=agents.")
    async with page.expect_download() as downloading:
        await page.get_by_role("button", name="CSV").click()
    download: Any = await downloading.value
    assert download.suggested_filename == f"audit-{journey.tenant}.csv"
    assert (await download.path()).read_text().startswith("id,occurred_at,kind,")


async def test_a_page_that_is_left_with_a_dialog_open_leaves_nothing_behind(journey: Journey, moot: Moot) -> None:
    page = journey.page
    await journey.go("/sharing")
    await page.get_by_role("button", name="Grant").click()
    await expect(page.get_by_role("heading", name="Let another tenant read")).to_be_visible()
    await journey.go("/audit")
    await expect(page.get_by_role("heading", name="Audit", exact=True)).to_be_visible()
