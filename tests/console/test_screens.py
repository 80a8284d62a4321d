"""Every screen, seen by a user without a browser."""

from collections.abc import Sequence

import pytest
from nicegui import ui
from nicegui.testing import User

from moothill.console.app import Console
from moothill.console.pages import SCREENS
from moothill.console.screens import SECTIONS
from moothill.kernel.service import REGISTRY
from moothill.moot import Moot
from moothill.registry.agents import AgentDetails
from tests.console.conftest import eventually, key_of, sign_in


async def register(moot: Moot, key: str = "ada", **more: object) -> str:
    """Id of a new agent with a capability that something shows."""
    agent = await moot.agents.register(
        agent_id=key, name=key.capitalize(), type="specialist", description="Reads contracts.", model_family="claude",
        tags=["law"], details=AgentDetails(specialisations=["reading"], skills=[{"name": "reading", "proficiency": 9}]),  # type: ignore[list-item]
    )  # fmt: skip
    await moot.capabilities.add(
        agent=key,
        capabilities=[
            {  # type: ignore[list-item]
                "name": "Reviewing contracts",
                "evidence": [
                    {
                        "chunk_id": str(agent.id), "chunk_type": "task", "mention": "found the clause",
                        "sentence": "Ada found the clause at once.", "start_position": 4, "end_position": 20,
                    }
                ],
            }
        ],
    )  # fmt: skip
    return str(agent.id)


def words_of(user: User) -> list[str]:
    """All texts on the page, in order."""
    return [element._text for element in user.current_layout.descendants() if element._text]


def test_what_screens_need_exists_and_their_keys_differ() -> None:
    keys = [screen.key for screen in SCREENS if screen.key]
    assert len(keys) == len(set(keys))
    for screen in SCREENS:
        assert screen.needs, screen.path
        assert set(screen.needs) <= set(REGISTRY), screen.path
        assert screen.section in (*SECTIONS, ""), screen.path


@pytest.mark.parametrize(
    "screen", [screen for screen in SCREENS if "{" not in screen.path], ids=lambda screen: screen.title
)
async def test_a_screen_opens_in_an_empty_tenant_and_says_what_to_do(
    operator: User, tenant: str, screen: object
) -> None:
    path: str = screen.path  # type: ignore[attr-defined]
    await operator.open(f"/t/{tenant}{path}")
    first: str = screen.needs[0]  # type: ignore[attr-defined]
    if REGISTRY[first].scope.startswith("platform:"):
        await operator.should_see(f"{first} needs the scope platform:tenants", retries=20)
        await operator.should_see(marker="add-key")
    else:
        await operator.should_not_see(marker="trouble")
        await operator.should_see(kind=ui.element, content=screen.title)  # type: ignore[attr-defined]


async def test_the_menu_offers_what_the_key_covers(visitor: User, moot: Moot, tenant: str) -> None:
    await sign_in(visitor, await key_of(moot, "agents:read"))
    await visitor.open(f"/t/{tenant}/")
    with visitor.scope(marker="menu"):
        await visitor.should_see("Agents")
        for title in ("Keys", "Tenants", "Events", "Search"):
            await visitor.should_not_see(title)


async def test_counts_lead_to_what_they_count(operator: User, moot: Moot, tenant: str) -> None:
    await register(moot)
    await operator.open(f"/t/{tenant}/")
    with operator.scope(marker="status-tiles"):
        links = {link.props["href"] for link in operator.find(kind=ui.link).elements}
    assert links >= {f"/t/{tenant}/agents", f"/t/{tenant}/agents?status=idle", f"/t/{tenant}/agents?status=suspended"}


async def test_the_directory_filters_by_its_address(operator: User, moot: Moot, tenant: str) -> None:
    await register(moot, "ada")
    await register(moot, "ben")
    await moot.agents.set_status(agent="ben", status="maintenance")

    async def listed(query: str) -> Sequence[str]:
        await operator.open(f"/t/{tenant}/agents{query}")
        await operator.should_see(kind=ui.aggrid, retries=20)
        (grid,) = operator.find(kind=ui.aggrid).elements
        return [row["name"] for row in grid.options["rowData"]]

    assert await listed("") == ["Ada", "Ben"]
    assert await listed("?status=maintenance") == ["Ben"]
    assert await listed("?capability=reviewing%20contracts&tag=law") == ["Ada", "Ben"]
    assert await listed("?name_prefix=b") == ["Ben"]
    await operator.open(f"/t/{tenant}/agents?type=worker")
    await operator.should_see("No agent fits these filters")


async def test_a_wrong_filter_in_the_address_is_told_in_our_words(operator: User, tenant: str) -> None:
    await operator.open(f"/t/{tenant}/agents?status=sleeping")
    await operator.should_see(marker="trouble")
    await operator.should_see("agents.list: filter.status")
    await operator.should_see("Request ")


async def test_an_agent_page_shows_its_sides(operator: User, moot: Moot, tenant: str) -> None:
    agent = await register(moot)
    place = f"/t/{tenant}/agents/{agent}"
    await operator.open(place)
    for words in ("Ada", "Reads contracts.", "What it is", "How it stands", "reading"):
        await operator.should_see(words)
    await operator.open(f"{place}?tab=capabilities")
    await operator.should_see("Reviewing contracts")
    await operator.should_see(marker="evidence-sentence")
    marked = [element._text for element in operator.current_layout.descendants() if element.tag == "mark"]
    assert marked == ["found the clause"]
    await operator.open(f"{place}?tab=skills")
    await operator.should_see("9 of 10, expert")
    await operator.open(f"{place}?tab=activity")
    await operator.should_see("agents.registered")
    await operator.open(f"{place}?tab=card")
    await operator.should_see(marker="json")


async def test_an_unknown_agent_is_told_with_the_request_id(operator: User, tenant: str) -> None:
    await operator.open(f"/t/{tenant}/agents/nobody")
    await operator.should_see(marker="trouble")
    await operator.should_see("nobody")
    assert any(words.startswith("Request ") for words in words_of(operator))


async def test_an_unknown_address_says_so(operator: User, tenant: str) -> None:
    await operator.http_client.get(f"/t/{tenant}/nowhere")
    response = await operator.http_client.get(f"/t/{tenant}/nowhere", headers={"accept": "text/html"})
    assert response.status_code == 404
    assert "There is nothing at this address." in response.text


async def test_search_says_why_each_hit_matched(operator: User, moot: Moot, tenant: str) -> None:
    await register(moot)
    await operator.open(f"/t/{tenant}/search?q=review+contracts")
    await operator.should_see(marker="hit", retries=50)
    await operator.should_see(marker="why")
    words = " ".join(words_of(operator))
    assert "Words: rank 1" in words
    assert "Meaning: rank" in words
    assert "similarity" in words


async def test_new_events_reach_the_feed_and_wait_while_paused(operator: User, moot: Moot, tenant: str) -> None:
    await operator.open(f"/t/{tenant}/events")
    await operator.should_see("Live", retries=50)
    await register(moot, "first")
    await operator.should_see("agents.registered", retries=50)
    operator.find(marker="live").click()
    await operator.should_see("Paused")
    await register(moot, "second")
    await operator.should_see("2 events waiting", retries=50)
    assert not any("second" in words for words in words_of(operator))
    operator.find(marker="live").click()
    await operator.should_see("Live")
    assert any("second" in words for words in words_of(operator))


async def test_a_hidden_tab_holds_still(console: Console, operator: User, moot: Moot, tenant: str) -> None:
    await operator.open(f"/t/{tenant}/events")
    await operator.should_see("Live", retries=50)
    _tell(operator, "visibility", True)
    await register(moot, "unseen")
    (feed,) = console.listener._feeds.values()
    newest = (await moot.events.list(order="newest", limit=1)).items[0]
    await eventually(lambda: feed._cursor == newest.cursor and not feed._gathered)
    assert not any("unseen" in words for words in words_of(operator))
    _tell(operator, "visibility", False)
    assert any("unseen" in words for words in words_of(operator))


def _tell(user: User, name: str, argument: object) -> None:
    """What the page's script tells the server."""
    layout = user.current_layout
    listener = next(key for key, found in layout._event_listeners.items() if found.type == name)
    layout._handle_event({"listener_id": listener, "args": argument})


async def test_the_explorer_lists_describes_and_spells(operator: User, tenant: str) -> None:
    await operator.open(f"/t/{tenant}/explorer?operation=keys.list")
    await operator.should_see("Keys of this tenant, oldest first; never their secrets.")
    await operator.should_see(marker="field-ended")
    await operator.should_see("await moot.keys.list()")
    operator.find(marker="example").click()
    await operator.should_see("await moot.keys.list(limit=10)")
    operator.find(marker="run").click()
    await operator.should_see("Result", retries=20)
    (grid,) = operator.find(kind=ui.aggrid).elements
    assert grid.options["rowData"]


async def test_the_explorer_names_the_field_that_cannot_be_read(operator: User, tenant: str) -> None:
    await operator.open(f"/t/{tenant}/explorer?operation=keys.list")
    await operator.should_see(marker="field-limit")
    with operator.scope(marker="field-limit"):
        operator.find(kind=ui.input).clear().type("many")
    await operator.should_see("limit: give a whole number.")


async def test_this_page_from_elsewhere_shows_its_calls(operator: User, moot: Moot, tenant: str) -> None:
    await register(moot)
    await operator.open(f"/t/{tenant}/agents?tag=law")
    await operator.should_see(kind=ui.aggrid, retries=20)
    operator.find(marker="calls").click()
    await operator.should_see("await moot.agents.list(filter={'tag': 'law'})")
    assert any(words.startswith("moothill agents list --filter") for words in words_of(operator))


async def test_a_suspended_session_key_is_told_and_dropped(
    operator: User, platform: Moot, moot: Moot, tenant: str
) -> None:
    await operator.open(f"/t/{tenant}/")
    for key in (await moot.keys.list(limit=100)).items:
        await moot.keys.revoke(key=key.id)
    await operator.open(f"/t/{tenant}/agents")
    await operator.should_see("This key is of no more use here.", retries=20)
