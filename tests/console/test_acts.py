"""Changing things: the one way through, and everything that stands in it."""

from collections.abc import Sequence

import pytest
from nicegui import ui
from nicegui.testing import User

from moothill.console.app import Console
from moothill.console.sessions import CHANGE_SECONDS
from moothill.kernel.errors import Internal, NotFound
from moothill.kernel.events import Event
from moothill.moot import Moot
from tests.console.conftest import eventually, key_of, sign_in
from tests.console.test_screens import register, words_of

REASON = "because the test says so"


async def confirm(user: User, reason: str = REASON, *, unlock: bool = True) -> None:
    """Give a reason in the dialog that is open, and go on."""
    await user.should_see(marker="confirm", retries=20)
    if unlock:
        user.find(marker="unlock").click()
    user.find(marker="reason").type(reason)
    user.find(marker="confirm").click()


def can_confirm(user: User) -> bool:
    (button,) = user.find(kind=ui.button, marker="confirm").elements
    return bool(button.enabled)


async def test_a_change_needs_the_switch_and_a_reason(operator: User, moot: Moot, tenant: str) -> None:
    agent = await register(moot)
    await operator.open(f"/t/{tenant}/agents/{agent}")
    await operator.should_see(marker="deactivate", retries=20)
    operator.find(marker="deactivate").click()
    await operator.should_see("The console is read-only.", retries=20)
    await operator.should_see("ada would be deactivated: found and chosen no more; no row would go.")
    await operator.should_see("Capabilities no longer found")
    assert not can_confirm(operator)
    operator.find(marker="reason").type(REASON)
    assert not can_confirm(operator)
    operator.find(marker="unlock").click()
    assert can_confirm(operator)
    operator.find(marker="reason").clear()
    assert not can_confirm(operator)
    operator.find(marker="reason").type(REASON)
    operator.find(marker="confirm").click()
    await operator.should_see(marker="reactivate", retries=20)
    assert (await moot.agents.get(agent=agent)).deactivated_at is not None
    event = (await moot.events.list(kind="agents.deactivated", order="newest", limit=1)).items[0]
    assert event.reason == REASON
    assert event.operation == "agents.deactivate"


async def test_the_header_says_when_changes_are_on(operator: User, tenant: str) -> None:
    await operator.open(f"/t/{tenant}/")
    await operator.should_see("Read only")
    operator.find(marker="lock").click()
    await operator.should_see("Changes on")
    operator.find(marker="lock").click()
    await operator.should_see("Read only")
    assert CHANGE_SECONDS <= 3600


async def test_nothing_happens_when_one_thinks_better_of_it(operator: User, moot: Moot, tenant: str) -> None:
    agent = await register(moot)
    await operator.open(f"/t/{tenant}/agents/{agent}")
    await operator.should_see(marker="deactivate", retries=20)
    operator.find(marker="deactivate").click()
    await operator.should_see(marker="confirm", retries=20)
    operator.find("Cancel").click()
    await operator.should_not_see(marker="confirm")
    assert (await moot.agents.get(agent=agent)).deactivated_at is None


async def test_a_refusal_is_told_with_its_request(operator: User, moot: Moot, tenant: str) -> None:
    agent = await register(moot)
    await operator.open(f"/t/{tenant}/agents/{agent}")
    await operator.should_see(marker="deactivate", retries=20)
    await moot.agents.deactivate(agent=agent)
    operator.find(marker="deactivate").click()
    await eventually(lambda: operator.notify.messages)
    assert "deactivated" in operator.notify.messages[-1]
    assert "Request " in operator.notify.messages[-1]


async def test_a_page_cannot_change_anything_past_the_dialog(
    console: Console, operator: User, moot: Moot, tenant: str
) -> None:
    await operator.open(f"/t/{tenant}/")
    from moothill.console.visit import open_visit

    session = next(iter(console.sessions._sessions.values()))
    session.allow_changes()
    assert operator.client is not None
    visit = open_visit(session, console.listener, operator.client, tenant, None)
    with pytest.raises(Internal, match=r"act\(\)"):
        await visit.moot.keys.create(name="past the dialog", scopes=["agents:read"])
    assert await visit.moot.keys.list()


async def test_a_key_is_issued_once_and_shown_once(operator: User, moot: Moot, tenant: str) -> None:
    await operator.open(f"/t/{tenant}/keys")
    await operator.should_see(marker="issue", retries=20)
    operator.find(marker="issue").click()
    await operator.should_see(marker="key-name", retries=20)
    operator.find(marker="key-name").type("nightly import")
    (scopes,) = operator.find(kind=ui.select, marker="key-scopes").elements
    scopes.set_value(["agents:read"])
    operator.find(marker="go-on").click()
    await confirm(operator)
    await operator.should_see(marker="secret", retries=30)
    (shown,) = operator.find(marker="secret").elements
    secret = str(shown._text)
    operator.find(marker="have-it").click()
    await operator.should_not_see(marker="secret")
    assert secret not in " ".join(words_of(operator))
    assert moot.session is not None
    identity = await moot.with_key(secret).keys.current()
    assert (identity.actor_name, identity.tenant_slug) == ("nightly import", tenant)
    assert "agents:read" in identity.scopes


async def test_a_key_is_revoked_after_its_plan(operator: User, moot: Moot, tenant: str) -> None:
    issued = await moot.keys.create(name="to be revoked", scopes=["agents:read"])
    await operator.open(f"/t/{tenant}/keys?key={issued.key.id}")
    await operator.should_see(marker="key-detail", retries=20)
    operator.find(marker="revoke").click()
    await operator.should_see("would be refused from now on", retries=20)
    await confirm(operator)

    async def is_revoked() -> bool:
        return (await moot.keys.list(ended=True, limit=100)).items[-1].revoked_at is not None

    await eventually(is_revoked)


async def test_the_explorer_plans_before_it_destroys(operator: User, moot: Moot, tenant: str) -> None:
    agent = await register(moot)
    await operator.open(f"/t/{tenant}/explorer?operation=agents.deactivate")
    await operator.should_see(marker="field-agent", retries=20)
    with operator.scope(marker="field-agent"):
        operator.find(kind=ui.input).type("ada")
    operator.find(marker="dry-run").click()
    await operator.should_see("Result", retries=20)
    assert "no row would go" in " ".join(words_of(operator))
    assert (await moot.agents.get(agent=agent)).deactivated_at is None
    operator.find(marker="run").click()
    await confirm(operator)
    await operator.should_see("Result", retries=20)

    async def is_deactivated() -> bool:
        return (await moot.agents.get(agent=agent)).deactivated_at is not None

    await eventually(is_deactivated)


async def test_viewing_as_an_agent_is_begun_shown_recorded_and_left(operator: User, moot: Moot, tenant: str) -> None:
    agent = await register(moot)
    await operator.open(f"/t/{tenant}/agents/{agent}")
    await operator.should_see(marker="view-as", retries=20)
    operator.find(marker="view-as").click()
    await confirm(operator)

    async def begun_views() -> Sequence[Event]:
        return (await moot.events.list(kind="agents.viewed_as", order="oldest", limit=1)).items

    await eventually(begun_views)
    begun = await begun_views()
    assert begun[0].reason == REASON
    assert str(begun[0].subject) == agent
    await operator.open(f"/t/{tenant}/as/{agent}/agents")
    await operator.should_see(marker="banner")
    await operator.should_see("Ada")
    with operator.scope(marker="menu"):
        await operator.should_not_see("Keys")
    links = [link.props["href"] for link in operator.find(kind=ui.link).elements]
    assert all(link.startswith(f"/t/{tenant}/as/{agent}") for link in links)
    operator.find(marker="stop-viewing").click()

    async def is_left() -> bool:
        response = await operator.http_client.get(f"/t/{tenant}/as/{agent}/agents", headers={"accept": "text/html"})
        return "not viewing as that agent" in response.text

    await eventually(is_left)


async def test_a_view_is_begun_by_a_person_never_by_an_address(operator: User, moot: Moot, tenant: str) -> None:
    agent = await register(moot)
    await operator.open(f"/t/{tenant}/as/{agent}/agents")
    await operator.should_see("This session is not viewing as that agent")
    assert (await moot.events.list(kind="agents.viewed_as", limit=1)).items == []


async def test_a_platform_key_makes_and_enters_tenants(visitor: User, platform: Moot, tenant: str) -> None:
    await sign_in(visitor, await key_of(platform, "*", "platform:*"))
    await visitor.open(f"/t/{tenant}/tenants")
    await visitor.should_see(marker="create", retries=20)
    visitor.find(marker="create").click()
    await visitor.should_see(marker="slug", retries=20)
    slug = f"made-{tenant[2:14]}"
    visitor.find(marker="slug").type(slug)
    visitor.find(marker="name").type(f"Made by {tenant}")
    visitor.find(marker="go-on").click()
    await confirm(visitor)

    async def is_made() -> bool:
        try:
            return (await platform.tenants.get(tenant=slug)).status == "active"
        except NotFound:
            return False

    await eventually(is_made)
    await visitor.open(f"/t/{slug}/agents")
    await visitor.should_see("No agents yet", retries=20)


async def test_a_view_as_an_agent_is_recorded_once_with_its_reason(operator: User, moot: Moot, tenant: str) -> None:
    """The screen and its feed begin to look in the same moment; the event of the button stays the only one."""
    agent = await register(moot)
    await operator.open(f"/t/{tenant}/agents/{agent}")
    await operator.should_see(marker="view-as", retries=20)
    operator.find(marker="view-as").click()
    await confirm(operator)
    place = f"/t/{tenant}/as/{agent}"

    async def is_begun() -> bool:
        response = await operator.http_client.get(place + "/agents", headers={"accept": "text/html"})
        return "not viewing as that agent" not in response.text

    await eventually(is_begun)
    await operator.open(f"{place}/")
    await operator.should_see(marker="banner")
    await operator.should_see("Live", retries=50)
    await operator.open(f"{place}/agents")
    await operator.should_see(kind=ui.aggrid, retries=20)
    (begun,) = (await moot.events.list(kind="agents.viewed_as", limit=10)).items
    assert begun.reason == REASON
