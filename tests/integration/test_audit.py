"""The audit: who changed what, from what to what, and as whom; written once, and read by auditors."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import psycopg
import pytest

from moothill.database.embedded import EmbeddedServer
from moothill.kernel.changes import REDACTED
from moothill.kernel.errors import Forbidden
from moothill.moot import Moot
from moothill.registry.agents import AgentPatch, Heartbeat
from moothill.tenancy.audit.models import AuditEntry
from moothill.tenancy.audit.service import EntryNotFound
from tests.conftest import DATABASE


def told(entry: AuditEntry) -> dict[str, tuple[object, object]]:
    return {change.field: (change.before, change.after) for change in entry.changes}


async def test_an_update_tells_each_field_before_and_after(moot: Moot) -> None:
    ada = await moot.agents.register(agent_id="ada", name="Ada", description="Old.")
    await moot.agents.update.options(reason="she asked")(
        agent="ada",
        version=ada.version,
        changes=AgentPatch(description="New.", metadata={"api_key": "sk-1", "room": 7}),
    )
    entry = (await moot.audit.list(subject=ada.id, kind="agents.updated")).items[0]
    assert told(entry)["description"] == ("Old.", "New.")
    assert told(entry)["metadata"] == ({}, {"api_key": REDACTED, "room": 7})
    assert {"version", "updated_at"}.isdisjoint(told(entry))
    assert (entry.operation, entry.reason) == ("agents.update", "she asked")


async def test_the_real_actor_is_named(moot: Moot) -> None:
    """C25: not the role of the database, and not only the agent that an operator acts as."""
    issued = await moot.keys.create(name="operator of the night", scopes=["*"])
    operator = moot.with_key(issued.secret)
    ada = await moot.agents.register(agent_id="ada", name="Ada")
    await operator.view_as("ada").agents.set_status(agent="ada", status="offline")
    entry = (await moot.audit.list(subject=ada.id, kind="agents.status_changed")).items[0]
    assert (entry.actor, entry.actor_name, entry.real_actor) == (ada.id, "Ada", issued.key.actor_id)
    assert told(entry)["status"] == ("idle", "offline")
    found = (await moot.audit.list(actor=issued.key.actor_id)).items
    assert entry.id in {each.id for each in found}


async def test_what_ends_has_its_last_state_and_what_begins_its_first(moot: Moot, platform: Moot) -> None:
    issued = await moot.keys.create(name="k", scopes=["agents:read"])
    await moot.keys.revoke(key=issued.key.id)
    ended, begun = (await moot.audit.list(subject=issued.key.id)).items
    assert told(ended)["revoked_at"][0] is None
    assert told(begun)["scopes"] == (None, ["agents:read"])
    assert issued.secret not in f"{ended}{begun}"
    await moot.sharing.set_level(level="federated")
    (level,) = (await moot.audit.list(kind="sharing.")).items
    assert told(level)["level"] == ("strict", "federated")


async def test_filters_and_pages(moot: Moot, other: Moot) -> None:
    began = datetime.now(UTC) - timedelta(minutes=1)
    for number in range(3):
        await moot.agents.register(agent_id=f"a{number}", name="A")
    await moot.agents.set_status(agent="a1", status="offline")
    page = await moot.audit.list(kind="agents.", limit=2)
    rest = await moot.audit.list(kind="agents.", limit=2, cursor=page.next)
    assert [each.kind for each in (*page.items, *rest.items)] == ["agents.status_changed", *3 * ["agents.registered"]]
    await moot.agents.heartbeat(beats=[Heartbeat(agent="a1", status="busy")])
    assert len((await moot.audit.list(kind="agents.", changed=True)).items) == 4
    assert len((await moot.audit.list(kind="agents.reg", since=began)).items) == 3
    assert (await moot.audit.list(until=began)).items == []
    assert (await other.audit.list(kind="agents.")).items == []


async def test_kinds_by_their_beginning_come_in_one_order_page_by_page(moot: Moot, other: Moot) -> None:
    """Each kind is read along its index, and what is found is put together: nothing may be lost or come twice."""
    for number in range(6):
        await moot.agents.register(agent_id=f"a{number}", name="A")
        await moot.agents.update(agent=f"a{number}", version=1, changes=AgentPatch(name="B"))
        await moot.keys.create(name="k", scopes=["agents:read"])
    await other.agents.register(agent_id="theirs", name="T")
    everything = (await moot.audit.list(limit=500)).items
    for kind in ("agents.", "agents.updated", "a", "keys.", "nothing."):
        found: list[UUID] = []
        cursor = None
        while True:
            page = await moot.audit.list(kind=kind, limit=4, cursor=cursor)
            found += [each.id for each in page.items]
            if (cursor := page.next) is None:
                break
        assert found == [each.id for each in everything if each.kind.startswith(kind)], kind
    changed = (await moot.audit.list(kind="agents.", changed=True, limit=500)).items
    assert [each.id for each in changed] == [
        each.id for each in everything if each.kind.startswith("agents.") and each.changes
    ]


async def test_auditors_read_it_and_others_do_not(moot: Moot, server: EmbeddedServer) -> None:
    reader = moot.with_key((await moot.keys.create(name="r", scopes=["events:read"])).secret)
    with pytest.raises(Forbidden):
        await reader.audit.list()
    auditor = moot.with_key((await moot.keys.create(name="a", scopes=["audit:read"])).secret)
    assert (await auditor.audit.list()).items
    async with await psycopg.AsyncConnection.connect(server.dsn("admin", DATABASE), autocommit=True) as admin:
        await admin.execute("set role moothill_readonly")
        await admin.execute("select kind from moothill.events limit 1")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            await admin.execute("select changes from moothill.events limit 1")
        await admin.execute("reset role; set role moothill_auditor")
        await admin.execute("select changes from moothill.events limit 1")


async def test_an_agent_sees_in_the_audit_what_it_did_itself(moot: Moot) -> None:
    """Rows by actor inside a tenant: the server decides, whatever the agent asks for."""
    seen = {}
    for name in ("ada", "bob"):
        agent = await moot.agents.register(agent_id=name, name=name)
        scopes = ["audit:read", "agents:write", "agents:read"]
        issued = await moot.keys.create(name=name, scopes=scopes, agent=name)
        own = moot.with_key(issued.secret)
        await own.agents.update(agent=name, changes=AgentPatch(description=f"I am {name}"), version=agent.version)
        seen[agent.id] = own
    everything = (await moot.audit.list()).items
    for identifier, own in seen.items():
        entries = (await own.audit.list()).items
        assert {each.actor for each in entries} == {identifier}
        assert [each.id for each in entries] == [each.id for each in everything if each.actor == identifier]
        (other,) = seen.keys() - {identifier}
        assert (await own.audit.list(actor=other)).items == []
        assert all(each.actor == identifier for each in (await own.audit.list(subject=other)).items)
        hidden = next(each.id for each in everything if each.actor == other)
        with pytest.raises(EntryNotFound):
            await own.audit.get(event=hidden)
        assert (await own.audit.get(event=entries[0].id)).actor == identifier


async def test_a_new_month_of_a_log_cannot_be_emptied_either(server: EmbeddedServer, platform: Moot) -> None:
    """C10: TRUNCATE passes by row triggers, and partitions inherit none of a statement."""
    async with (
        await psycopg.AsyncConnection.connect(server.dsn("admin", DATABASE), autocommit=True) as admin,
        admin.transaction(force_rollback=True),
    ):
        await admin.execute("select mt.add_month('moothill.events', '2031-05-01')")
        with pytest.raises(psycopg.errors.RestrictViolation, match="append-only"):
            await admin.execute("truncate moothill.events_2031_05")
