"""Journeys in a real browser: what only a browser can show."""

from decimal import Decimal
from typing import Any

import pytest
from playwright.async_api import expect

from moothill.moot import Moot
from tests.console.conftest import HOSTILE, Journey, eventually
from tests.console.test_screens import register

pytestmark = pytest.mark.browser


async def test_every_screen_works_with_the_network_cable_out(journey: Journey, moot: Moot) -> None:
    """The fixture fails on any request to another origin and on any error in the page's console."""
    agent = await register(moot)
    for path in ("/", "/agents", "/search?q=contracts", "/events", "/jobs", "/keys", "/explorer?operation=keys.list"):
        await journey.go(path)
    for path in ("/keys?tab=members", "/sharing", "/privacy", "/privacy?tab=ask", "/audit", "/accesses", "/isolation"):
        await journey.go(path)
    await register(moot, "bela")
    await moot.relationships.put(source="ada", target="bela", type="VALIDATES", confidence=Decimal("0.9"))
    for path in ("/relationships", "/relationships?agent=ada", "/paths?source=ada&target=bela", "/centrality"):
        await journey.go(path)
    for tab in ("profile", "capabilities", "skills", "activity", "card"):
        await journey.go(f"/agents/{agent}?tab={tab}")
    assert len(journey.asked) > 20


async def test_hostile_text_stays_text_everywhere(journey: Journey, moot: Moot) -> None:
    """Names, tags, reasons, sentences, metadata under names with a colon: shown as they are, and nothing runs."""
    agent = await moot.agents.register(
        agent_id="hostile", name=HOSTILE, type="worker", description=HOSTILE, model_family=HOSTILE[:50],
        tags=[HOSTILE[:100], ":onclick"],
        details={  # type: ignore[arg-type]
            "provider": HOSTILE, "specialisations": [HOSTILE[:100]],
            "metadata": {":onmouseover": "window.hit=1", HOSTILE: HOSTILE},
            "skills": [{"name": HOSTILE[:100], "proficiency": 5}],
        },
    )  # fmt: skip
    await moot.capabilities.add(
        agent="hostile",
        capabilities=[
            {  # type: ignore[list-item]
                "name": HOSTILE, "description": HOSTILE, "aliases": [HOSTILE], "tags": [HOSTILE[:100]],
                "evidence": [
                    {"chunk_id": str(agent.id), "chunk_type": "task", "mention": "<script>", "sentence": HOSTILE}
                ],
            }
        ],
    )  # fmt: skip
    await register(moot, "bela")
    await moot.relationships.put(
        source="hostile", target="bela", type="VALIDATES", confidence=Decimal(1), context=HOSTILE
    )
    await moot.agents.set_status.options(reason=HOSTILE)(agent="hostile", status="maintenance", reason=HOSTILE)
    page = journey.page
    paths = ["/", "/agents", "/search?q=script", "/events", "/explorer?operation=agents.list"]
    paths += ["/relationships?agent=hostile", "/paths?source=hostile&target=bela"]
    paths += [f"/agents/{agent.id}?tab={tab}" for tab in ("profile", "capabilities", "skills", "activity", "card")]
    seen = 0
    for path in paths:
        await journey.go(path)
        if "explorer" in path:
            await page.get_by_role("button", name="Run").click()
            await expect(page.locator(".ag-row").first).to_be_visible()
            await page.get_by_role("button", name="JSON").click()
            await expect(page.locator("pre.json").last).to_be_visible()
        seen += await page.get_by_text("<script>window.hit=1</script>").count()
        assert await page.evaluate("window.hit") is None, path
        assert await page.locator(".screen img, .screen script").count() == 0, path
        assert await page.locator("a[href^='javascript']").count() == 0, path
        assert await page.get_by_text("49", exact=True).count() == 0, path
    assert seen > 10


async def test_hostile_text_stays_text_when_it_arrives_live(journey: Journey, moot: Moot) -> None:
    await journey.go("/events")
    await expect(journey.page.get_by_text("Live", exact=True)).to_be_visible()
    await moot.agents.register(agent_id="hostile", name=HOSTILE, type="worker", description="", model_family="x")
    await expect(journey.page.locator(".entry", has_text="<script>window.hit=1").first).to_be_visible()
    assert await journey.page.evaluate("window.hit") is None


async def test_the_keyboard_goes_anywhere(journey: Journey, moot: Moot) -> None:
    await register(moot, "ada")
    page = journey.page
    await journey.go("/")
    await page.keyboard.press("g")
    await page.keyboard.press("k")
    await page.wait_for_url(f"**/t/{journey.tenant}/keys")
    await page.keyboard.press("/")
    await page.wait_for_url(f"**/t/{journey.tenant}/search")
    await expect(page.get_by_placeholder("What should it be able to do?")).to_be_focused()
    await page.keyboard.press("Control+k")
    await expect(page.get_by_placeholder("A screen, an operation, an agent")).to_be_focused()
    await page.keyboard.type("ad")
    await expect(page.locator(".palette .hit").first).to_contain_text("Ada")
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/agents/*")
    await expect(page.get_by_role("heading", name="Ada", exact=True)).to_be_visible()
    await expect(page.get_by_placeholder("A screen, an operation, an agent")).to_be_hidden()
    await page.keyboard.press("r")
    await expect(page.get_by_text("Paused")).to_be_visible()
    await page.keyboard.press("r")
    await page.keyboard.press("?")
    await expect(page.get_by_role("heading", name="Keys", exact=True)).to_be_visible()


async def test_filters_stand_in_the_address_and_back_goes_back(journey: Journey, moot: Moot) -> None:
    await register(moot, "ada")
    await register(moot, "ben")
    await moot.agents.set_status(agent="ben", status="maintenance")
    page = journey.page
    await journey.go("/agents")
    await expect(page.locator(".ag-center-cols-container .ag-row")).to_have_count(2)
    await page.get_by_role("combobox", name="Any status").click()
    await page.get_by_role("option", name="Maintenance").click()
    await page.wait_for_url("**/agents?status=maintenance")
    await expect(page.locator(".ag-center-cols-container .ag-row")).to_have_count(1)
    await page.get_by_role("link", name="Ben").click()
    await page.wait_for_url("**/agents/*")
    await page.go_back()
    await page.wait_for_url("**/agents?status=maintenance")
    await expect(page.locator(".ag-center-cols-container .ag-row")).to_have_count(1)
    await page.go_back()
    await expect(page.locator(".ag-center-cols-container .ag-row")).to_have_count(2)
    await page.reload()
    await journey.ready()


async def test_a_list_changes_in_place_when_something_happens(journey: Journey, moot: Moot) -> None:
    await register(moot, "ada")
    page = journey.page
    await journey.go("/agents")
    row = page.locator(".ag-center-cols-container .ag-row").first
    await expect(row).to_contain_text("idle")
    await page.evaluate("document.querySelector('.nicegui-aggrid').dataset.same = 'yes'")
    await moot.agents.set_status(agent="ada", status="maintenance")
    await expect(row).to_contain_text("maintenance")
    assert await page.evaluate("document.querySelector('.nicegui-aggrid').dataset.same") == "yes"


async def test_a_change_asks_for_the_switch_and_a_reason(journey: Journey, moot: Moot) -> None:
    agent = await register(moot)
    page = journey.page
    await journey.go(f"/agents/{agent}")
    await page.get_by_role("button", name="Deactivate").click()
    confirm = page.get_by_role("button", name="Deactivate it")
    await expect(confirm).to_be_disabled()
    await page.get_by_label("Reason, kept in the log").fill("replaced by a newer one")
    await expect(confirm).to_be_disabled()
    await page.get_by_text("Switch changes on").click()
    await confirm.click()
    await expect(page.get_by_role("button", name="Reactivate")).to_be_visible()
    await expect(page.get_by_text("Changes on")).to_be_visible()
    found = await moot.agents.get(agent=agent)
    assert found.deactivated_at is not None


async def test_a_view_as_an_agent_has_a_banner_and_a_way_out(journey: Journey, moot: Moot) -> None:
    agent = await register(moot)
    page = journey.page
    await journey.go(f"/agents/{agent}")
    await page.get_by_role("button", name="View as this agent").click()
    await page.get_by_label("Reason, kept in the log").fill("to see what it sees")
    await page.get_by_text("Switch changes on").click()
    await page.get_by_role("button", name="View as it").click()
    await page.wait_for_url("**/as/**")
    await expect(page.locator(".banner")).to_contain_text("Viewing as Ada")
    await page.get_by_role("link", name="Overview").click()
    await page.wait_for_url(f"**/as/{agent}/")
    await expect(page.locator(".banner")).to_be_visible()
    await page.get_by_role("button", name="Stop viewing").click()
    await page.wait_for_url(f"**/t/{journey.tenant}/agents/{agent}")
    await expect(page.locator(".banner")).to_have_count(0)


async def test_the_card_downloads_byte_for_byte(journey: Journey, moot: Moot) -> None:
    agent = await register(moot)
    await moot.agents.update(agent=agent, version=1, changes={"url": "https://agents.example.com/ada"})  # type: ignore[arg-type]
    card = await moot.agents.card(agent=agent)
    page = journey.page
    await journey.go(f"/agents/{agent}?tab=card")
    async with page.expect_download() as downloading:
        await page.get_by_role("button", name="Download").first.click()
    download: Any = await downloading.value
    path = await download.path()
    assert path.read_bytes() == card.content.encode()


async def test_signing_out_reaches_every_open_tab(journey: Journey) -> None:
    other = await journey.page.context.new_page()
    await other.goto(f"{journey.address}/t/{journey.tenant}/agents")
    await expect(other.locator(".menu a.item").first).to_be_visible()
    await journey.page.locator(".chip-button", has=journey.page.locator("i", has_text="account_circle")).click()
    await journey.page.get_by_role("button", name="Sign out").click()
    await journey.page.wait_for_url("**/login")
    await other.wait_for_url("**/login")
    cookies = await journey.page.context.cookies()
    assert not [cookie for cookie in cookies if cookie["name"].startswith("moothill")]


async def test_dark_and_light_keep_their_contrast(journey: Journey, moot: Moot) -> None:
    await register(moot)
    page = journey.page
    for scheme in ("light", "dark"):
        await page.emulate_media(color_scheme=scheme)
        await journey.go("/")
        low = await page.evaluate(CONTRAST)
        assert not low, f"{scheme}: {low}"


# Text on its own ground: the ratio of WCAG 2.2, at least 4.5 for words that say something.
CONTRAST = """() => {
  const linear = c => { c /= 255; return c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4; };
  const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
  const colour = text => {
    canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = text; canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const light = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
  const ground = element => {
    for (let at = element; at; at = at.parentElement) {
      const found = colour(getComputedStyle(at).backgroundColor);
      if (found[3] === 255) return found;
    }
    return [255, 255, 255];
  };
  const low = [];
  for (const element of document.querySelectorAll('.screen *, .bar *, .menu *')) {
    const own = [...element.childNodes].filter(node => node.nodeType === 3 && node.textContent.trim());
    if (!own.length || !element.checkVisibility()) continue;
    if (element.closest('.q-icon, .faint, .section, .foot, kbd, time')) continue;
    const one = light(colour(getComputedStyle(element).color)), two = light(ground(element));
    const ratio = (Math.max(one, two) + 0.05) / (Math.min(one, two) + 0.05);
    if (ratio < 4.5) low.push(`${element.className} ${own[0].textContent.trim().slice(0, 20)} ${ratio.toFixed(2)}`);
  }
  return low;
}"""


async def test_a_restart_of_the_page_s_connection_comes_back(journey: Journey, moot: Moot) -> None:
    await journey.go("/events")
    await expect(journey.page.get_by_text("Live", exact=True)).to_be_visible()
    await journey.page.evaluate("window.socket.io.engine.close()")
    await register(moot, "afterwards")
    await expect(journey.page.locator(".entry", has_text="afterwards").first).to_be_visible()

    async def is_connected() -> bool:
        return bool(await journey.page.evaluate("window.socket.connected"))

    await eventually(is_connected)
