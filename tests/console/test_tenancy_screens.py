"""The screens of tenancy: tenants, members, sharing, isolation; and what they do when the key is too small."""

from typing import Any
from uuid import uuid4

import pytest
from nicegui import ui
from nicegui.testing import User

from moothill.database import guards
from moothill.database.guards import Finding
from moothill.kernel.errors import MoothillError
from moothill.moot import Moot
from tests.console.conftest import HOSTILE, eventually, key_of, sign_in
from tests.console.test_acts import REASON, can_confirm, confirm
from tests.console.test_screens import register, words_of


async def above(visitor: User, platform: Moot) -> User:
    """A user with every scope, the platform's too."""
    response = await sign_in(visitor, await key_of(platform, "*", "platform:*"))
    assert response.status_code == 303, response.text
    return visitor


def rows_of(user: User, marker: str) -> list[dict[str, Any]]:
    (grid,) = user.find(kind=ui.aggrid, marker=marker).elements
    found: list[dict[str, Any]] = grid.options["rowData"]
    return found


@pytest.mark.parametrize(
    ("path", "scope"),
    [
        ("sharing", "sharing:read"),
        ("privacy", "privacy:read"),
        ("audit", "audit:read"),
        ("accesses", "audit:read"),
        ("isolation", "platform:tenants"),
        ("tenants", "platform:tenants"),
        ("tenants/default", "platform:tenants"),
        ("keys", "keys:read"),
    ],
)
async def test_a_screen_that_the_key_does_not_cover_says_what_is_missing(
    visitor: User, moot: Moot, tenant: str, path: str, scope: str
) -> None:
    await sign_in(visitor, await key_of(moot, "agents:read"))
    await visitor.open(f"/t/{tenant}/{path}")
    await visitor.should_see("This key does not cover this.", retries=20)
    assert any(f"needs the scope {scope}" in words for words in words_of(visitor))
    await visitor.should_see(marker="add-key")


# ------------------------------------------------------------------------------------------------- sharing


async def test_a_grant_is_made_shown_and_revoked_after_its_plan(
    operator: User, moot: Moot, other: Moot, tenant: str
) -> None:
    theirs = await other.sharing.level()
    await moot.sharing.set_level(level="shared")
    await operator.open(f"/t/{tenant}/sharing")
    await operator.should_see("Nobody else reads anything here", retries=20)
    operator.find(marker="grant").click()
    await operator.should_see(marker="grantee", retries=20)
    operator.find(marker="grantee").type(str(theirs.tenant))
    operator.find(marker="grant-tag").type("public")
    operator.find(marker="go-on").click()
    await confirm(operator)
    await operator.should_see(marker="grant-detail", retries=40)
    (made,) = (await moot.sharing.grants()).items
    assert (made.grantee, made.tag, made.reason) == (theirs.tenant, "public", REASON)
    assert made.expires_at is not None
    (row,) = rows_of(operator, "grants")
    assert (row["status"], row["limit"]) == ("live", "tag public")

    operator.find(marker="revoke-grant").click()
    await operator.should_see(f"Tenant {theirs.tenant} would read agents no more.", retries=20)
    await confirm(operator, unlock=False)

    async def is_over() -> bool:
        return not (await moot.sharing.grants()).items

    await eventually(is_over)
    await operator.should_see("revoked", retries=40)


async def test_the_other_side_sees_what_it_may_read(operator: User, moot: Moot, other: Moot, tenant: str) -> None:
    mine = await moot.sharing.level()
    await other.sharing.set_level(level="shared")
    await other.sharing.grant(tenant=mine.tenant, data_class="capabilities")
    await operator.open(f"/t/{tenant}/sharing?tab=received")
    await operator.should_see(kind=ui.aggrid, retries=20)
    (row,) = rows_of(operator, "received")
    assert (row["what"], row["limit"], row["expires"]) == ("capabilities", "the whole class", "revoked")
    await operator.should_see(str(mine.tenant))


async def test_the_level_is_changed_with_what_it_means(operator: User, moot: Moot, tenant: str) -> None:
    await operator.open(f"/t/{tenant}/sharing")
    await operator.should_see(marker="level-federated", retries=20)
    await operator.should_not_see(marker="level-strict")
    operator.find(marker="level-federated").click()
    await confirm(operator)
    await operator.should_see(marker="level-strict", retries=40)
    assert (await moot.sharing.level()).level == "federated"
    (event,) = (await moot.events.list(kind="sharing.level_changed")).items
    assert event.reason == REASON


async def test_a_grant_of_a_strict_tenant_rests(operator: User, moot: Moot, other: Moot, tenant: str) -> None:
    await moot.sharing.set_level(level="shared")
    made = await moot.sharing.grant(tenant=(await other.sharing.level()).tenant, data_class="agents", reason=HOSTILE)
    await moot.sharing.set_level(level="strict")
    await operator.open(f"/t/{tenant}/sharing?grant={made.id}")
    await operator.should_see(marker="grant-detail", retries=20)
    assert rows_of(operator, "grants")[0]["status"] == "resting"
    await operator.should_see(HOSTILE)


async def test_a_grant_that_is_refused_is_told(operator: User, tenant: str) -> None:
    await operator.open(f"/t/{tenant}/sharing")
    await operator.should_see(marker="grant", retries=20)
    operator.find(marker="grant").click()
    await operator.should_see(marker="grantee", retries=20)
    operator.find(marker="grantee").type("acme")
    operator.find(marker="go-on").click()
    await confirm(operator)
    await eventually(lambda: operator.notify.messages)
    assert "UUID" in operator.notify.messages[-1]


# ------------------------------------------------------------------------------------------------- isolation


async def test_the_wall_has_a_stone_for_each_guard(visitor: User, platform: Moot) -> None:
    user = await above(visitor, platform)
    await user.open("/t/default/isolation?guard=tenant_keys")
    await user.should_see(marker="wall", retries=40)
    said = words_of(user)
    assert f"All {len(guards.guards())} guards stand" in said
    assert said.count("stands") >= len(guards.guards())
    with user.scope(marker="wall"):
        stones = user.find(kind=ui.link).elements
    assert len(stones) == len(guards.guards())
    await user.should_see("Every unique index of a tenant table starts with tenant_id.")
    await user.should_not_see(marker="fault")


async def test_a_guard_that_fell_is_shown_with_its_faults(
    visitor: User, platform: Moot, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(_: object) -> list[Finding]:
        return [Finding("tenant_keys", HOSTILE)] * 5

    monkeypatch.setattr(guards, "inspect_guards", broken)
    user = await above(visitor, platform)
    await user.open("/t/default/isolation?show=fallen&guard=tenant_keys")
    await user.should_see(f"1 of {len(guards.guards())} guards fell", retries=40)
    await user.should_see("5 faults")
    await user.should_see(HOSTILE)
    await user.should_see("and 2 more")
    assert any("nothing is served until then" in words for words in words_of(user))
    assert words_of(user).count("stands") == 0


# ------------------------------------------------------------------------------------------------- tenants


async def test_a_tenant_has_a_page_with_its_level_size_and_keys(visitor: User, platform: Moot, moot: Moot) -> None:
    here = await moot.sharing.level()
    await register(moot)
    await moot.keys.create(name=HOSTILE, scopes=["agents:read"])
    user = await above(visitor, platform)
    await user.open(f"/t/default/tenants/{here.slug}")
    await user.should_see(marker="tenant-keys", retries=40)
    assert [row["name"] for row in rows_of(user, "tenant-keys")] == [HOSTILE]
    with user.scope(marker="sizes"):
        await user.should_see("agents")
        await user.should_see("capabilities")
    user.find(marker="level-shared").click()
    await user.should_see(f"in {here.slug}", retries=20)
    await confirm(user)

    async def is_shared() -> bool:
        return (await moot.sharing.level()).level == "shared"

    await eventually(is_shared)
    user.find(marker="calls").click()
    await user.should_see(f"In the tenant {here.slug}: moot.tenant('{here.slug}'), --tenant, Moothill-Tenant.")


async def test_looking_into_a_tenant_from_above_is_in_its_access_log(visitor: User, platform: Moot, moot: Moot) -> None:
    here = await moot.sharing.level()
    user = await above(visitor, platform)
    await user.open(f"/t/default/tenants/{here.slug}")
    await user.should_see("Nobody has a key", retries=40)
    said = {access.operation for access in (await moot.sharing.accesses()).items}
    assert said == {"sharing.statistics", "keys.list"}


async def test_sizes_of_tenants_are_shown_when_asked_for_and_each_tenant_knows(visitor: User, platform: Moot) -> None:
    slug = f"0-{uuid4().hex[:12]}"
    await platform.tenants.create(slug=slug, name=slug)
    there = platform.tenant(slug)
    await register(there)
    user = await above(visitor, platform)
    await user.open("/t/default/tenants")
    await user.should_see(marker="show-sizes", retries=20)
    assert not (await there.sharing.accesses()).items
    user.find(marker="show-sizes").click()
    await user.should_see("is in its access log", retries=60)
    rows = {row["slug"]: row for row in rows_of(user, "tenants")}
    assert (rows[slug]["agents"], rows[slug]["capabilities"]) == ("1", "1")
    assert len(rows) <= 20
    assert {each.operation for each in (await there.sharing.accesses()).items} == {"sharing.statistics"}


async def test_a_suspended_tenant_shows_why_and_is_not_entered(visitor: User, platform: Moot, moot: Moot) -> None:
    here = await moot.sharing.level()
    user = await above(visitor, platform)
    await user.open(f"/t/default/tenants/{here.slug}")
    await user.should_see(marker="suspend", retries=40)
    user.find(marker="suspend").click()
    await user.should_see(f"{here.slug} would be suspended: its keys would be refused; no row would go.", retries=20)
    assert not can_confirm(user)
    await confirm(user)
    await user.should_see(marker="resume", retries=40)
    await user.should_see(REASON)
    assert (await platform.tenants.get(tenant=here.slug)).status_reason == REASON
    await user.should_not_see(marker="tenant-keys")


async def test_an_unknown_tenant_is_told_with_a_way_back(visitor: User, platform: Moot) -> None:
    user = await above(visitor, platform)
    await user.open("/t/default/tenants/no-such-tenant")
    await user.should_see(marker="trouble", retries=20)
    user.find(marker="plainly").click()
    await user.should_see("What is here, who is at work, and what has just happened.", retries=40)


# ------------------------------------------------------------------------------------------------- members


async def test_members_are_who_holds_keys(operator: User, moot: Moot, tenant: str) -> None:
    agent = await register(moot)
    for scope in ("agents:read", "events:read"):
        await moot.keys.create(name=HOSTILE, scopes=[scope], agent="ada")
    await operator.open(f"/t/{tenant}/keys?tab=members")
    await operator.should_see(kind=ui.aggrid, retries=20)
    person, ada = rows_of(operator, "members")
    assert (person["kind"], person["keys"]) == ("operator", "1")
    assert (ada["name"], ada["keys"], ada["scopes"]) == ("Ada", "2", "agents:read\nevents:read")
    assert ada["name_address"].endswith(f"/agents/{agent}")


async def test_ended_keys_show_on_demand_by_the_address(operator: User, moot: Moot, tenant: str) -> None:
    issued = await moot.keys.create(name="old", scopes=["agents:read"])
    await moot.keys.revoke(key=issued.key.id)
    await operator.open(f"/t/{tenant}/keys")
    await operator.should_see(marker="ended", retries=20)
    assert len(rows_of(operator, "keys")) == 1
    await operator.open(f"/t/{tenant}/keys?ended=yes&key={issued.key.id}")
    await operator.should_see("1 revoked", retries=20)
    await operator.should_see(marker="key-detail")
    await operator.should_not_see(marker="revoke")


async def test_the_operation_answers_as_the_start_does(platform: Moot, moot: Moot) -> None:
    found = await platform.tenants.check_isolation()
    assert (found.serves, found.refusal, found.pending_migrations, found.role) == (True, None, 0, "moothill_app")
    assert [guard.name for guard in found.guards] == list(guards.guards())
    assert all(guard.stands and guard.asks and guard.against for guard in found.guards)
    operator = await moot.keys.create(name="somebody", scopes=["*"])
    with pytest.raises(MoothillError, match="platform:tenants"):
        await platform.with_key(operator.secret).tenants.check_isolation()
