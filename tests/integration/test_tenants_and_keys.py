"""Tenants and keys, at the SDK."""

from datetime import timedelta
from uuid import uuid4

import pytest

from moothill.kernel.errors import Conflict, Forbidden, Invalid, NotFound, Unauthenticated
from moothill.moot import Moot
from moothill.tenancy.keys import KeyGate
from moothill.tenancy.keys.errors import KeyOfNobody


def gate_of(moot: Moot) -> KeyGate:
    assert moot.session is not None
    assert moot.session.database is not None
    return KeyGate(moot.session.database)


async def test_a_tenant_is_found_by_slug_and_by_id(platform: Moot) -> None:
    slug = f"t-{uuid4().hex}"
    made = await platform.tenants.create(slug=slug, name=f"Name of {slug}")
    assert await platform.tenants.get(tenant=slug) == made
    assert await platform.tenants.get(tenant=str(made.id).upper()) == made


async def test_a_slug_exists_once(platform: Moot) -> None:
    slug = f"t-{uuid4().hex}"
    await platform.tenants.create(slug=slug, name=slug)
    with pytest.raises(Conflict, match="exists already"):
        await platform.tenants.create(slug=slug, name="another")


async def test_an_unknown_tenant_is_not_found(platform: Moot) -> None:
    with pytest.raises(NotFound, match=r"tenants\.list"):
        await platform.tenants.get(tenant="nowhere")
    with pytest.raises(NotFound):
        await platform.tenant("nowhere").keys.current()


async def test_pages_walk_all_tenants_once(platform: Moot) -> None:
    made = {f"t-{uuid4().hex}" for _ in range(5)}
    for slug in made:
        await platform.tenants.create(slug=slug, name=slug)
    seen: list[str] = []
    cursor: str | None = None
    while True:
        page = await platform.tenants.list(limit=3, cursor=cursor)
        seen += [tenant.slug for tenant in page.items]
        cursor = page.next
        if cursor is None:
            break
    assert len(seen) == len(set(seen))
    assert made <= set(seen)


async def test_a_forged_or_foreign_cursor_is_refused(platform: Moot, moot: Moot) -> None:
    page = await platform.tenants.list(limit=1)
    assert page.next is not None
    for bad in (page.next[:-2] + "xx", "garbage", "é"):
        with pytest.raises(Invalid, match="cursor"):
            await platform.tenants.list(limit=1, cursor=bad)
    with pytest.raises(Invalid, match="cursor"):
        await platform.tenants.list(limit=1, status="active", cursor=page.next)
    with pytest.raises(Invalid, match="cursor"):
        await moot.keys.list(cursor=page.next)


async def test_suspending_refuses_keys_and_resuming_restores_them(platform: Moot) -> None:
    slug = f"t-{uuid4().hex}"
    await platform.tenants.create(slug=slug, name=slug)
    issued = await platform.tenant(slug).keys.create(name="k", scopes=["agents:read"])
    plan = await platform.tenants.suspend.plan(tenant=slug)
    assert plan.counts == {"tenants": 1}
    assert (await platform.tenants.get(tenant=slug)).status == "active"
    await platform.tenants.suspend(tenant=slug, reason="a test")
    with pytest.raises(Forbidden, match="suspended"):
        await gate_of(platform).authenticate(issued.secret)
    with pytest.raises(Conflict, match="is suspended"):
        await platform.tenants.suspend(tenant=slug)
    await platform.tenants.resume(tenant=slug)
    assert (await gate_of(platform).authenticate(issued.secret)).tenant_slug == slug


async def test_a_key_is_shown_once_and_stored_as_a_digest(moot: Moot) -> None:
    issued = await moot.keys.create(name="nightly import", scopes=["agents:read", "agents:write"])
    listed = (await moot.keys.list()).items
    assert [key.id for key in listed] == [issued.key.id]
    assert issued.secret not in listed[0].model_dump_json()
    principal = await gate_of(moot).authenticate(issued.secret)
    assert principal.may("agents:write")
    assert not principal.may("keys:write")


async def test_a_repeated_issue_does_not_show_the_secret_again(moot: Moot) -> None:
    create = moot.keys.create.options(idempotency_key="once")
    await create(name="k", scopes=["agents:read"])
    with pytest.raises(Conflict, match="already issued"):
        await create(name="k", scopes=["agents:read"])
    assert len((await moot.keys.list()).items) == 1


async def test_wrong_expired_and_revoked_keys_are_told_apart(moot: Moot) -> None:
    gate = gate_of(moot)
    for nothing in (None, "", "moot_short", "x" * 10_000, "moot_" + "A" * 43):
        with pytest.raises(Unauthenticated):
            await gate.authenticate(nothing)
    issued = await moot.keys.create(name="k", scopes=["agents:read"])
    await moot.keys.revoke(key=issued.key.id)
    with pytest.raises(Unauthenticated, match="revoked"):
        await gate.authenticate(issued.secret)
    brief = await moot.keys.create(name="brief", scopes=["agents:read"], expires_in=timedelta(microseconds=1))
    with pytest.raises(Unauthenticated, match="expired"):
        await gate.authenticate(brief.secret)


async def test_rotation_leaves_the_old_key_its_grace(moot: Moot) -> None:
    gate = gate_of(moot)
    first = await moot.keys.create(name="k", scopes=["agents:read"])
    second = await moot.keys.rotate(key=first.key.id, grace=timedelta(hours=1))
    assert second.key.scopes == first.key.scopes
    await gate.authenticate(first.secret)
    await gate.authenticate(second.secret)
    third = await moot.keys.rotate(key=second.key.id, grace=timedelta(0))
    gate.forget()
    with pytest.raises(Unauthenticated):
        await gate.authenticate(second.secret)
    await gate.authenticate(third.secret)
    with pytest.raises(NotFound):
        await moot.keys.rotate(key=second.key.id)


async def test_another_tenants_key_cannot_be_ended_or_seen(moot: Moot, other: Moot) -> None:
    theirs = await other.keys.create(name="theirs", scopes=["agents:read"])
    with pytest.raises(NotFound):
        await moot.keys.revoke(key=theirs.key.id)
    with pytest.raises(NotFound):
        await moot.keys.rotate(key=theirs.key.id)
    assert (await moot.keys.list()).items == []
    await gate_of(other).authenticate(theirs.secret)


async def test_a_key_gives_away_only_what_its_issuer_holds(moot: Moot) -> None:
    with pytest.raises(Invalid, match="scopes"):
        await moot.keys.create(name="k", scopes=[])
    with pytest.raises(Invalid):
        await moot.keys.create(name="k", scopes=["not a scope"])
    with pytest.raises(NotFound, match="nobody"):
        await moot.keys.create(name="k", scopes=["agents:read"], agent="nobody")


async def test_last_uses_are_written_in_batches(moot: Moot) -> None:
    gate = gate_of(moot)
    issued = await moot.keys.create(name="k", scopes=["agents:read"])
    await gate.authenticate(issued.secret)
    assert (await moot.keys.list()).items[0].last_used_at is None
    await gate.flush()
    assert (await moot.keys.list()).items[0].last_used_at is not None


async def test_a_deactivated_agent_takes_its_keys_along_and_brings_them_back(moot: Moot) -> None:
    ada = await moot.agents.register(agent_id="ada", name="Ada")
    issued = await moot.keys.create(name="hers", scopes=["agents:read"], agent="ada")
    hers = moot.with_key(issued.secret)
    assert (await hers.agents.get(agent="ada")).id == ada.id
    await moot.agents.deactivate(agent="ada")
    with pytest.raises(KeyOfNobody, match="Ada"):
        await hers.agents.get(agent="ada")
    await moot.agents.reactivate(agent="ada")
    assert (await hers.agents.get(agent="ada")).id == ada.id
