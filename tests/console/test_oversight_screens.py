"""The screens of oversight and of privacy: audit, access log, budgets, releases, settings."""

import csv
import io
import json
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio
from nicegui import ui
from nicegui.testing import User

from moothill.console.widgets.bars import clamped
from moothill.console.widgets.diff import diff_lines, in_brief
from moothill.console.widgets.export import as_csv
from moothill.console.widgets.numbers import NotANumber
from moothill.console.widgets.privacy_settings import changed_settings
from moothill.moot import Moot
from moothill.registry.agents import AgentPatch
from moothill.tenancy.audit.models import Change
from moothill.tenancy.privacy.service import DEFAULTS
from tests.console.conftest import HOSTILE, eventually, key_of, sign_in
from tests.console.test_acts import REASON, confirm
from tests.console.test_screens import register, words_of
from tests.console.test_tenancy_screens import rows_of

# ------------------------------------------------------------------------------------------------- audit


async def test_a_write_shows_its_fields_before_and_after(operator: User, moot: Moot, tenant: str) -> None:
    agent = await register(moot)
    await moot.agents.update.options(reason=HOSTILE)(
        agent=agent, version=1, changes=AgentPatch(description=f"Reads contracts.\n{HOSTILE}")
    )
    (entry,) = (await moot.audit.list(kind="agents.updated")).items
    await operator.open(f"/t/{tenant}/audit?kind=agents.updated&entry={entry.id}")
    await operator.should_see(marker="diff", retries=20)
    (row,) = rows_of(operator, "audit")
    assert row["kind"] == "agents.updated"
    assert "description" in row["changed"]
    await operator.should_see(HOSTILE)
    with operator.scope(marker="diff"):
        await operator.should_see("description")
        await operator.should_see(HOSTILE)
        await operator.should_see("after: ")
    (event,) = operator.find(kind=ui.link, marker="to-event").elements
    assert event.props["href"] == f"/t/{tenant}/events?event={entry.id}"
    await operator.open(f"/t/{tenant}/events?event={entry.id}")
    await operator.should_see("All of this subject", retries=20)


async def test_the_audit_filters_by_its_address(operator: User, moot: Moot, tenant: str) -> None:
    agent = await register(moot)
    issued = await moot.keys.create(name="writer", scopes=["agents:write"])
    await moot.with_key(issued.secret).agents.register(agent_id="ben", name="Ben")

    async def listed(query: str) -> list[str]:
        await operator.open(f"/t/{tenant}/audit?{query}")
        await operator.should_see(marker="audit", retries=20)
        return [row["kind"] for row in rows_of(operator, "audit")]

    assert set(await listed("kind=keys.")) == {"keys.issued"}
    assert await listed(f"actor={issued.key.actor_id}") == ["agents.registered"]
    assert await listed(f"subject={agent}&kind=agents.registered") == ["agents.registered"]
    assert "capabilities.added" not in await listed("changed=yes&since=1h")
    await operator.open(f"/t/{tenant}/audit?to=1999-12-31")
    await operator.should_see("Nothing was written that fits", retries=20)
    operator.find(marker="show-all").click()
    await operator.should_see(marker="audit", retries=20)


async def test_a_link_to_a_write_on_another_page_still_shows_it(operator: User, moot: Moot, tenant: str) -> None:
    agent = await register(moot)
    (entry,) = (await moot.audit.list(kind="agents.registered")).items
    for number in range(51):
        await moot.agents.set_skill(agent=agent, skill=f"skill {number}", proficiency=1)
    await operator.open(f"/t/{tenant}/audit?entry={entry.id}")
    await operator.should_see(marker="audit-detail", retries=20)
    await operator.should_see(marker="next-page")
    assert str(entry.id) not in {row["id"] for row in rows_of(operator, "audit")}


async def test_a_wrong_id_in_the_address_is_told_with_a_way_out(operator: User, tenant: str) -> None:
    await operator.open(f"/t/{tenant}/audit?actor=nobody")
    await operator.should_see(marker="trouble", retries=20)
    operator.find(marker="plainly").click()
    await operator.should_see(marker="audit", retries=20)


async def test_the_view_is_taken_away_whole(operator: User, moot: Moot, tenant: str) -> None:
    await register(moot)
    await moot.agents.register(agent_id="ben", name="=cmd()")
    await operator.open(f"/t/{tenant}/audit?kind=agents.registered")
    await operator.should_see(marker="export-csv", retries=20)
    operator.find(marker="export-csv").click()
    response = await operator.download.next()
    rows = list(csv.DictReader(io.StringIO(response.text)))
    assert [row["kind"] for row in rows] == ["agents.registered"] * 2
    operator.find(marker="export-json").click()
    whole = json.loads((await operator.download.next()).text)
    assert [entry["payload"]["name"] for entry in whole] == ["=cmd()", "Ada"]


def test_no_cell_of_a_spreadsheet_is_a_formula() -> None:
    text = as_csv([{"a": "=1+1", "b": -3, "c": None}, {"a": "@x", "d": {"k": ["v"]}}])
    assert list(csv.reader(io.StringIO(text))) == [
        ["a", "b", "c", "d"],
        ["'=1+1", "-3", "", ""],
        ["'@x", "", "", '{"k": ["v"]}'],
    ]


def test_a_diff_keeps_what_stayed_short() -> None:
    before = "\n".join(map(str, range(20)))
    assert diff_lines("a", "b") == [("minus", "a"), ("plus", "b")]
    assert diff_lines(None, {"k": 1}) == [("plus", "{"), ("plus", '  "k": 1'), ("plus", "}")]
    found = diff_lines(before, before + "\nnew")
    assert found[-1] == ("plus", "new")
    assert ("same", "… 16 lines alike") in found
    assert len(found) == 6
    assert in_brief([Change(field=name) for name in "abcde"]) == "a, b, c and 2 more"


# ------------------------------------------------------------------------------------------------- accesses


async def test_who_came_from_outside_is_summed_up_and_listed(
    operator: User, platform: Moot, moot: Moot, other: Moot, tenant: str
) -> None:
    theirs = await other.sharing.level()
    secret = await key_of(platform.tenant(theirs.slug), "*", "platform:*")
    visitor = platform.with_key(secret).tenant(tenant)
    await register(moot)
    for _ in range(3):
        await visitor.agents.list()
    await visitor.agents.set_status(agent="ada", status="maintenance")
    (write,) = (await moot.sharing.accesses(kind="write")).items
    await operator.open(f"/t/{tenant}/accesses")
    await operator.should_see(marker="summary", retries=20)
    await operator.should_see("3 accesses")
    assert len(rows_of(operator, "accesses")) == 4
    await operator.open(f"/t/{tenant}/accesses?kind=write&accessor={theirs.tenant}&access={write.id}")
    await operator.should_see(marker="access-detail", retries=20)
    (row,) = rows_of(operator, "accesses")
    assert (row["operation"], row["id"]) == ("agents.set_status", str(write.id))
    await operator.should_see("not counted: a write")
    await operator.should_see(str(theirs.tenant))
    await operator.open(f"/t/{tenant}/accesses?kind=federated")
    await operator.should_see("Nobody came who fits", retries=20)


async def test_a_row_of_the_summary_leads_to_its_accesses(
    operator: User, platform: Moot, other: Moot, tenant: str
) -> None:
    theirs = await other.sharing.level()
    visitor = platform.with_key(await key_of(platform.tenant(theirs.slug), "*", "platform:*")).tenant(tenant)
    await visitor.keys.list()
    await visitor.agents.list()
    await operator.open(f"/t/{tenant}/accesses")
    await operator.should_see(marker="summary", retries=20)
    assert len(operator.find(marker="summary-row").elements) == 2
    operator.find(marker="summary-row").click()
    await operator.should_see(marker="clear", retries=20)
    assert {row["accessor"] for row in rows_of(operator, "accesses")} == {str(theirs.tenant)}


# ------------------------------------------------------------------------------------------------- privacy


@pytest_asyncio.fixture
async def asker(visitor: User, platform: Moot) -> tuple[User, Moot, str]:
    """An operator in a tenant whose group has a budget of its own."""
    slug = f"t-{uuid4().hex}"
    await platform.tenants.create(slug=slug, name="Asker", project=slug)
    moot = platform.tenant(slug)
    await sign_in(visitor, await key_of(moot, "*"))
    return visitor, moot, slug


async def test_cost_and_error_are_shown_before_a_release_is_bought(asker: tuple[User, Moot, str]) -> None:
    pytest.importorskip("opendp")
    user, moot, tenant = asker
    estimate = await moot.privacy.estimate(query="popular_labels", epsilon=Decimal("0.5"))
    await user.open(f"/t/{tenant}/privacy?tab=ask")
    await user.should_see("Estimate first", retries=20)
    user.find(marker="estimate").click()
    await user.should_see(marker="estimated", retries=40)
    await user.should_see(f"± {estimate.error}")
    await user.should_see(estimate.advice)
    assert not (await moot.privacy.releases()).items

    user.find(marker="buy").click()
    await user.should_see(f"at most {estimate.error}, 95 times in 100", retries=20)
    assert any("would be spent for good" in words for words in words_of(user))
    await confirm(user)
    await user.should_see(marker="release-detail", retries=60)
    (made,) = (await moot.privacy.releases()).items
    assert made.error == estimate.error
    (row,) = rows_of(user, "releases")
    assert (row["cost"], row["error"]) == ("0.5 epsilon", f"± {estimate.error}")
    await user.should_see("0.5 of 1 epsilon left")
    (event,) = (await moot.events.list(kind="privacy.charged")).items
    assert event.reason == REASON

    await user.open(f"/t/{tenant}/privacy?tab=ask&query=popular_labels&epsilon=0.7")
    await user.should_see("The month's budget does not reach", retries=40)


async def test_a_question_that_cannot_be_asked_is_told(asker: tuple[User, Moot, str]) -> None:
    user, _, tenant = asker
    await user.open(f"/t/{tenant}/privacy?tab=ask&query=success_rates&epsilon=0.5")
    await user.should_see("success_rates is about labels that you name; give some as `labels`.", retries=20)
    await user.open(f"/t/{tenant}/privacy?tab=ask&query=popular_labels&epsilon=much")
    await user.should_see(marker="trouble", retries=20)


async def test_an_empty_budget_and_no_release_say_so(asker: tuple[User, Moot, str]) -> None:
    user, _, tenant = asker
    await user.open(f"/t/{tenant}/privacy")
    for words in ("Nothing was asked this month", "Nothing was released", "1 of 1 left", "Epsilon of its own"):
        await user.should_see(words, retries=20)
    await user.should_see("Nothing is learnt from this tenant, so nothing is spent.")


async def test_the_settings_are_changed_by_what_differs(operator: User, moot: Moot, tenant: str) -> None:
    await operator.open(f"/t/{tenant}/privacy?tab=settings")
    await operator.should_see(marker="save-settings", retries=20)
    operator.find(marker="save-settings").click()
    await eventually(lambda: "Nothing is changed." in operator.notify.messages)
    operator.find(marker="epsilon").clear().type("0.8")
    (groups,) = operator.find(kind=ui.input_chips, marker="groups").elements
    groups.set_value([HOSTILE[:100]])
    operator.find(marker="save-settings").click()
    await operator.should_see("1 → 0.8", retries=20)
    await confirm(operator)

    async def is_changed() -> bool:
        return (await moot.privacy.settings()).epsilon == Decimal("0.8")

    await eventually(is_changed)
    now = await moot.privacy.settings()
    assert (now.version, now.allowed_tenant_groups) == (1, [HOSTILE[:100]])
    await operator.should_see(HOSTILE[:100], retries=20)


def test_what_is_no_number_is_told_by_its_field() -> None:
    given: dict[str, Any] = {
        name: str(getattr(DEFAULTS, name)) for name in ("epsilon", "delta", "noise_magnitude", "k_anonymity")
    } | {"allowed_tenant_groups": None}
    assert changed_settings(DEFAULTS, given) == {}
    assert changed_settings(DEFAULTS, given | {"k_anonymity": "7"}) == {"k_anonymity": 7}
    for name in ("epsilon", "k_anonymity"):
        with pytest.raises(NotANumber):
            changed_settings(DEFAULTS, given | {name: "many"})


def test_a_share_stays_within_its_whole() -> None:
    assert [clamped(share) for share in (-1.0, 0.25, 7.0)] == [0.0, 0.25, 1.0]
