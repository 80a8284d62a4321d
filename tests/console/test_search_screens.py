"""Search and what is known about searches, as screens: facets, feedback, and figures of a window of days."""

from nicegui.testing import User

from moothill.moot import Moot
from tests.console.conftest import eventually
from tests.console.test_screens import register, words_of


async def searched(operator: User, moot: Moot, tenant: str) -> None:
    await register(moot)
    await operator.open(f"/t/{tenant}/search?q=review+contracts")
    await operator.should_see(marker="hit", retries=50)


async def test_the_kinds_among_the_hits_narrow_the_search(operator: User, moot: Moot, tenant: str) -> None:
    await searched(operator, moot, tenant)
    await operator.should_see(marker="facets")
    operator.find(marker="facet-agent").click()
    await operator.should_see("1 hit", retries=50)
    await operator.should_not_see(marker="facets")


async def test_states_and_tags_of_what_matches_narrow_the_search(operator: User, moot: Moot, tenant: str) -> None:
    await register(moot)
    await moot.agents.register(agent_id="bela", name="Bela", description="Reviews contracts.", tags=["paper", "law"])
    await operator.open(f"/t/{tenant}/search?q=contracts")
    await operator.should_see(marker="facet-tag-law", retries=50)
    operator.find(marker="facet-tag-paper").click()
    await operator.should_see("1 hit", retries=50)
    await operator.open(f"/t/{tenant}/search?q=contracts&tag=law")
    await operator.should_see("2 hits", retries=50)
    await operator.should_not_see(marker="facet-tag-law")
    await operator.open(f"/t/{tenant}/search?q=contracts&kind=capability&kind=agent")
    await operator.should_see(marker="facet-status-idle", retries=50)
    operator.find(marker="facet-status-idle").click()
    await operator.should_see("2 hits", retries=50)


async def test_what_is_said_of_a_hit_is_kept(operator: User, moot: Moot, tenant: str) -> None:
    await searched(operator, moot, tenant)
    operator.find(marker="chosen").click()

    async def kept() -> bool:
        events = await moot.events.list(kind="search.feedback_given")
        return bool(events.items)

    await eventually(kept)
    assert (await moot.search.derive_judgements(judged_set="drawn")).queries == 1


async def test_what_is_searched_is_shown_with_how_long_it_took(operator: User, moot: Moot, tenant: str) -> None:
    await searched(operator, moot, tenant)
    await moot.search.find(text="nothing of the kind zzq", mode="text")
    await operator.open(f"/t/{tenant}/searches")
    await operator.should_see(marker="performance", retries=50)
    words = " ".join(words_of(operator))
    assert "Words and meaning" in words
    assert "95 % within" in words
    await operator.should_see(marker="popular")
    await operator.should_see(marker="unanswered")


async def test_a_tenant_where_nobody_searched_says_so(operator: User, tenant: str) -> None:
    await operator.open(f"/t/{tenant}/searches?days=30")
    await operator.should_see("Nobody searched", retries=50)
    await operator.should_see("Every search found something")
