"""Sharing: the owner of the data decides, at once, and sees who came from outside."""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import psycopg
import pytest

from moothill.database.embedded import EmbeddedServer
from moothill.kernel.errors import Forbidden, Invalid, MoothillError, NotFound
from moothill.kernel.local import LocalExecutor
from moothill.kernel.settings import Settings
from moothill.moot import Moot
from moothill.registry.agents import AgentDetails, Agents
from moothill.registry.capabilities.models import NewCapability
from moothill.session import DeferredExecutor
from moothill.tenancy.sharing.errors import (
    GranteeUnknown,
    GrantExists,
    GrantNotFound,
    GrantToOneself,
    NotShared,
    TenantIsStrict,
)
from tests.conftest import DATABASE
from tests.serving import serving


async def slug_of(moot: Moot) -> str:
    return (await moot.sharing.level()).slug


async def share(owner: Moot, grantee: Moot, data_class: str = "agents", **more: object) -> UUID:
    """Open the owner and let the other tenant read."""
    await owner.sharing.set_level(level="shared")
    to = (await grantee.sharing.level()).tenant
    made = await owner.sharing.grant(tenant=to, data_class=data_class, **more)  # type: ignore[arg-type]
    return made.id


async def people(moot: Moot) -> None:
    await moot.agents.register(
        agent_id="ada",
        name="Ada",
        tags=["public"],
        description="Writes engines.",
        details=AgentDetails(metadata={"api_key": "sk-hers"}),
    )
    await moot.agents.register(agent_id="bob", name="Bob", description="Keeps secrets.")
    await moot.capabilities.add(agent="ada", capabilities=[NewCapability(name="send messages to a Slack channel")])


async def reads(reader: Moot, owner: str) -> list[MoothillError | None]:
    """What each way to read another tenant answers: an error or nothing wrong."""
    found: list[MoothillError | None] = []
    for call in (
        reader.sharing.agents(owner=owner),
        reader.sharing.agent(owner=owner, agent="ada"),
        reader.sharing.find(owner=owner, text="engines"),
        reader.sharing.capabilities(owner=owner, agent="ada"),
    ):
        try:
            await call
            found.append(None)
        except MoothillError as error:
            found.append(error)
    return found


async def test_a_tenant_is_strict_until_it_says_otherwise(moot: Moot, other: Moot) -> None:
    """A15, A26: nothing leaves a tenant that never opened itself."""
    assert (await moot.sharing.level()).level == "strict"
    with pytest.raises(TenantIsStrict, match="set_level"):
        await share_without_opening(moot, other)
    assert all(isinstance(error, NotShared) for error in await reads(other, await slug_of(moot)))


async def share_without_opening(owner: Moot, grantee: Moot) -> None:
    await owner.sharing.grant(tenant=(await grantee.sharing.level()).tenant, data_class="agents")


async def test_what_is_granted_is_read_and_nothing_else(moot: Moot, other: Moot) -> None:
    await people(moot)
    await people(other)
    await share(moot, other)
    owner = await slug_of(moot)
    assert {agent.name for agent in (await other.sharing.agents(owner=owner)).items} == {"Ada", "Bob"}
    ada = await other.sharing.agent(owner=owner, agent="ada")
    assert ada.id == (await moot.agents.get(agent="ada")).id
    assert "sk-hers" not in ada.model_dump_json()
    assert [hit.title for hit in (await other.sharing.find(owner=owner, text="engines", limit=1)).hits] == ["Ada"]
    with pytest.raises(NotShared, match="capabilities"):
        await other.sharing.capabilities(owner=owner, agent="ada")
    # The grant goes one way.
    assert all(isinstance(error, NotShared) for error in await reads(moot, await slug_of(other)))


async def test_agents_alone_do_not_tell_what_they_can_do(moot: Moot, other: Moot) -> None:
    await people(moot)
    await share(moot, other)
    owner = await slug_of(moot)
    question = "send messages to a Slack channel"
    hits = (await other.sharing.find(owner=owner, text=question)).hits
    assert all(hit.why.through is None for hit in hits)
    await share(moot, other, "capabilities")
    hits = (await other.sharing.find(owner=owner, text=question)).hits
    assert hits[0].title == "Ada"
    assert hits[0].why.through is not None
    assert len((await other.sharing.capabilities(owner=owner, agent="ada")).items) == 1


async def test_a_search_owes_nothing_to_what_is_not_shared(moot: Moot, other: Moot) -> None:
    """What agents can do neither shows, brings them up nor pushes others out; and no count is over what is hidden."""
    await people(moot)
    await share(moot, other)
    owner, question = await slug_of(moot), "send messages to a Slack channel"
    hits = (await other.sharing.find(owner=owner, text=question, limit=2)).hits
    assert {hit.title for hit in hits} == {"Ada", "Bob"}
    assert all(hit.why.text_score is None and hit.why.through is None for hit in hits)
    found = await other.sharing.find(owner=owner, text="zzz", limit=1)
    assert (found.notes, found.timing.database_ms) == ([], 0)
    # Capabilities of some do not open those of others.
    await share(moot, other, "capabilities", tag="public")
    hits = (await other.sharing.find(owner=owner, text=question)).hits
    assert all(hit.why.through is None for hit in hits)


async def test_a_grant_that_ends_during_a_read_shows_nothing(
    server: EmbeddedServer, moot: Moot, other: Moot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The entry in the log is written only while the grant holds, and no answer goes out without it."""
    await people(moot)
    grant = await share(moot, other)
    owner, body = await slug_of(moot), Agents.operations["list"].body

    async def slow(service: object, **given: object) -> object:
        found = await body(service, **given)
        async with await psycopg.AsyncConnection.connect(server.dsn("admin", DATABASE), autocommit=True) as admin:
            await admin.execute("update moothill.sharing_grants set revoked_at = now() where id = %s", [grant])
        return found

    monkeypatch.setattr(Agents.operations["list"], "body", slow)
    with pytest.raises(NotShared, match="no more"):
        await other.sharing.agents(owner=owner)
    assert (await moot.sharing.accesses()).items == []


async def test_a_grant_with_a_tag_hides_the_rest_without_a_trace(moot: Moot, other: Moot) -> None:
    """A19, A25: what is not shared and what does not exist look the same."""
    await people(moot)
    await share(moot, other, tag="public")
    await share(moot, other, "capabilities", tag="public")
    owner = await slug_of(moot)
    assert [agent.name for agent in (await other.sharing.agents(owner=owner)).items] == ["Ada"]
    assert [hit.title for hit in (await other.sharing.find(owner=owner, text="secrets engines")).hits] == ["Ada"]
    told = []
    for name in ("bob", "bib"):
        for call in (
            other.sharing.agent(owner=owner, agent=name),
            other.sharing.capabilities(owner=owner, agent=name),
        ):
            with pytest.raises(NotShared) as refusal:
                await call
            told.append((refusal.value.code, refusal.value.message.replace(name, "?")))
    assert len(set(told)) == 1
    await moot.agents.deactivate(agent="ada")
    with pytest.raises(NotShared):
        await other.sharing.agent(owner=owner, agent="ada")


async def test_levels_count_at_once_for_open_sessions(moot: Moot, other: Moot) -> None:
    """A27: a level is looked at by every read, never kept."""
    await people(moot)
    await share(moot, other)
    owner = await slug_of(moot)
    for level, reads_on in (("shared", True), ("strict", False), ("federated", True), ("strict", False)):
        await moot.sharing.set_level(level=level)  # type: ignore[arg-type]
        first = (await reads(other, owner))[0]
        assert (first is None) is reads_on, level
        assert bool((await other.sharing.received()).items) is reads_on


async def test_grants_end_by_revocation_and_by_time(moot: Moot, other: Moot) -> None:
    await people(moot)
    grant = await share(moot, other)
    owner, to = await slug_of(moot), (await other.sharing.level()).tenant
    with pytest.raises(GrantExists, match="revoke"):
        await moot.sharing.grant(tenant=to, data_class="agents")
    assert (await moot.sharing.revoke.plan(grant=grant)).counts == {"grants": 1}
    ended = await moot.sharing.revoke(grant=grant)
    assert ended.revoked_at is not None
    assert await moot.sharing.revoke(grant=grant) == ended
    with pytest.raises(NotShared):
        await other.sharing.agents(owner=owner)
    await moot.sharing.grant(tenant=to, data_class="agents", expires_in=timedelta(microseconds=1))
    with pytest.raises(NotShared):
        await other.sharing.agents(owner=owner)
    # One that has expired makes room for the next.
    await moot.sharing.grant(tenant=to, data_class="agents", expires_in=timedelta(hours=1))
    assert len((await other.sharing.agents(owner=owner)).items) == 2
    assert len((await moot.sharing.grants()).items) == 1
    assert len((await moot.sharing.grants(ended=True)).items) == 3


async def test_a_suspended_owner_shares_nothing(moot: Moot, other: Moot, platform: Moot) -> None:
    await people(moot)
    await share(moot, other)
    owner = await slug_of(moot)
    await platform.tenants.suspend(tenant=owner)
    with pytest.raises(NotShared):
        await other.sharing.agents(owner=owner)


async def test_bad_grants_change_nothing(moot: Moot, other: Moot) -> None:
    await moot.sharing.set_level(level="shared")
    me, them = (await moot.sharing.level()).tenant, (await other.sharing.level()).tenant
    with pytest.raises(GrantToOneself):
        await moot.sharing.grant(tenant=me, data_class="agents")
    with pytest.raises(GranteeUnknown):
        await moot.sharing.grant(tenant=UUID(int=5), data_class="agents")
    for wrong in (
        {"data_class": "everything"},
        {"data_class": "agents", "tag": ""},
        {"data_class": "agents", "tag": "a\x00b"},
        {"data_class": "agents", "expires_in": timedelta(0)},
        {"data_class": "agents", "expires_in": timedelta(days=36_500)},
    ):
        with pytest.raises(Invalid):
            await moot.sharing.grant(tenant=them, **wrong)
    with pytest.raises(Invalid):
        await moot.sharing.set_level(level="secure")  # type: ignore[arg-type]
    assert (await moot.sharing.grants(ended=True)).items == []


async def test_nobody_ends_another_ones_grant(moot: Moot, other: Moot) -> None:
    grant = await share(moot, other)
    with pytest.raises(GrantNotFound):
        await other.sharing.revoke(grant=grant)
    assert (await moot.sharing.grants()).items[0].revoked_at is None


async def test_each_read_from_outside_is_in_the_owners_log(moot: Moot, other: Moot) -> None:
    """A28, C24: tenant, accessor, kind, class, digest, rows, actor; and only the owner sees it."""
    await people(moot)
    await share(moot, other)
    owner, reader = await slug_of(moot), (await other.sharing.level()).tenant
    await other.sharing.agents(owner=owner)
    await other.sharing.agents(owner=owner, limit=1)
    entries = (await moot.sharing.accesses()).items
    assert [(each.accessor, each.kind, each.data_class, each.operation, each.rows) for each in entries] == [
        (reader, "read", "agents", "agents.list", 1),
        (reader, "read", "agents", "agents.list", 2),
    ]
    assert len({each.query_digest for each in entries}) == 2
    assert (await moot.sharing.accesses(accessor=UUID(int=3))).items == []
    assert (await other.sharing.accesses()).items == []
    (summary,) = await moot.sharing.access_summary()
    assert (summary.accesses, summary.rows) == (2, 3)
    assert await other.sharing.access_summary() == []


async def test_a_key_of_the_platform_in_another_tenant_is_a_visitor(
    server: EmbeddedServer, settings: Settings, moot: Moot, platform: Moot
) -> None:
    """Every privileged read and write from outside is logged where it happened, with the address."""
    await people(moot)
    owner = await slug_of(moot)
    home = (await platform.sharing.level()).tenant
    async with serving(server.dsn("app", DATABASE), settings) as live:
        key = await live.key(platform, "agents:read", "agents:write", "operations:batch", "platform:tenants")
        async with live.client(key, **{"Moothill-Tenant": owner}) as client:
            assert (await client.get("/v1/agents/get", params={"agent": "ada"})).status_code == 200
            assert (await client.post("/v1/agents/deactivate", json={"agent": "bob"})).status_code == 200
            assert (await client.get("/v1/agents/get", params={"agent": "adda"})).status_code == 404
            await client.post("/v1/agents/deactivate", json={"agent": "ada"}, headers={"Moothill-Dry-Run": "true"})
            calls = [{"operation": "agents.get", "arguments": {"agent": "ada"}, "label": "a"}]
            assert (await client.post("/v1/operations/batch", json={"calls": calls})).status_code == 200
        async with live.client(await live.key(moot, "agents:read")) as client:
            assert (await client.get("/v1/agents/get", params={"agent": "ada"})).status_code == 200
    entries = (await moot.sharing.accesses()).items
    assert [(each.operation, each.kind, each.rows) for each in entries] == [
        ("agents.get", "read", 1),
        ("operations.batch", "write", None),
        ("agents.deactivate", "read", 1),
        ("agents.get", "read", 0),
        ("agents.deactivate", "write", None),
        ("agents.get", "read", 1),
    ]
    assert {(each.accessor, str(each.address)) for each in entries} == {(home, "127.0.0.1")}


async def test_whatever_a_visitor_calls_leaves_an_entry(moot: Moot, other: Moot) -> None:
    """Streams, groups of calls, searches and SQL count like single calls."""
    await people(moot)
    assert isinstance(moot.executor, DeferredExecutor)
    ours = await moot.executor.real()
    home = (await other.sharing.level()).tenant
    visitor = Moot(LocalExecutor(ours.runtime, replace(ours.principal, home=home)))
    await visitor.search.find(text="ada", kinds=["agent"], limit=1)
    first = (await moot.events.list(limit=1)).items[0].cursor
    async for _ in visitor.events.follow(kind="agents.", after=first):
        break
    async with visitor.transaction():
        await visitor.agents.get(agent="ada")
        await visitor.agents.deactivate(agent="bob")
    await visitor.batch([visitor.agents.deactivate.call(agent="ada")])
    entries = (await moot.sharing.accesses()).items
    assert [(each.operation, each.kind, each.rows) for each in reversed(entries)] == [
        ("search.find", "read", 1),
        ("events.follow", "read", None),
        ("agents.get", "read", 1),
        ("agents.deactivate", "write", None),
        ("operations.batch", "write", None),
        ("agents.deactivate", "write", None),
    ]
    assert {each.accessor for each in entries} == {home}


async def test_the_log_of_accesses_is_written_once_and_never_changed(server: EmbeddedServer, moot: Moot) -> None:
    """C25: no serving role can change or empty it."""
    async with await psycopg.AsyncConnection.connect(server.dsn("app", DATABASE), autocommit=True) as app:
        for statement in (
            "update moothill.access_log set rows = 0",
            "delete from moothill.access_log",
            "truncate moothill.access_log",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                await app.execute(statement)


async def test_scopes_are_asked_for(moot: Moot, other: Moot) -> None:
    issued = await moot.keys.create(name="reader", scopes=["agents:read"])
    reader = moot.with_key(issued.secret)
    to = (await other.sharing.level()).tenant
    for call in (
        reader.sharing.level(),
        reader.sharing.set_level(level="shared"),
        reader.sharing.grant(tenant=to, data_class="agents"),
        reader.sharing.agents(owner="anybody"),
        reader.sharing.accesses(),
    ):
        with pytest.raises(Forbidden):
            await call


async def test_statistics_count_each_thing_once(moot: Moot, other: Moot) -> None:
    """A10: two joins to two many-sided tables multiply each other's counts."""
    await people(moot)
    await people(other)
    await moot.capabilities.add(agent="ada", capabilities=[NewCapability(name="compile")])
    found = await moot.sharing.statistics()
    assert (found.agents, found.capabilities) == (2, 2)
    with pytest.raises(NotFound):
        await other.sharing.agents(owner=found.slug)
