"""Service accounts: programs with keys of their own, and the one vocabulary of actors."""

from typing import Any, get_args

import psycopg
import pytest

from moothill.database.embedded import EmbeddedServer
from moothill.kernel.context import ActorKind, KeyHolderKind
from moothill.kernel.errors import Conflict, Forbidden, Invalid, NotFound
from moothill.moot import Moot
from moothill.tenancy.accounts.models import AccountChanges
from moothill.tenancy.audit.models import AuditEntry
from moothill.tenancy.keys import KeyGate
from moothill.tenancy.keys.errors import KeyOfNobody, KeyRevoked
from moothill.tenancy.keys.models import ApiKey, Identity
from moothill.tenancy.sharing.models import Access
from moothill.worker.jobs.models import TakenJob
from tests.conftest import DATABASE


def gate_of(moot: Moot) -> KeyGate:
    assert moot.session is not None
    assert moot.session.database is not None
    return KeyGate(moot.session.database)


async def test_what_a_service_account_does_is_told_as_its_own(moot: Moot) -> None:
    account = await moot.accounts.register(name="importer", description="At night.", scopes=["agents:*", "jobs:*"])
    issued = await moot.keys.create(name="importer on host 7", scopes=["agents:write"], account="importer")
    assert (issued.key.actor_kind, issued.key.actor_id, issued.key.actor_name) == ("service", account.id, "importer")
    program = moot.with_key(issued.secret)
    identity = await program.keys.current()
    assert (identity.actor_kind, identity.actor_id) == ("service", account.id)
    agent = await program.agents.register(name="Ada")
    (event,) = (await moot.events.list(subject=agent.id)).items
    assert (event.actor, event.actor_kind, event.actor_name) == (account.id, "service", "importer")
    (entry,) = (await moot.audit.list(subject=agent.id)).items
    assert (entry.actor, entry.actor_kind) == (account.id, "service")


async def test_its_visits_and_its_jobs_are_told_as_its_own(platform: Moot, moot: Moot, other: Moot) -> None:
    there = (await other.keys.current()).tenant_slug
    await moot.accounts.register(name="watcher", scopes=["*", "platform:*"])
    issued = await moot.keys.create(name="k", scopes=["*", "platform:*"], account="watcher")
    program = moot.with_key(issued.secret)
    await program.tenant(there).agents.list()
    (visit,) = (await other.sharing.accesses()).items
    assert (visit.actor_kind, visit.actor_name) == ("service", "watcher")
    job = await program.search.reindex()
    assert (await moot.jobs.get(job=job.id)).operation == "search.reindex"


async def test_every_place_that_names_actors_knows_the_same_kinds(server: EmbeddedServer) -> None:
    """One vocabulary: the tables, what the operations give out, and the kernel."""
    every = set(get_args(ActorKind))
    holders = set(get_args(KeyHolderKind))
    assert every == holders | {"system"}
    for model in (Identity, Access, AuditEntry, TakenJob):
        assert set(get_args(model.model_fields["actor_kind"].annotation)) == every, model
    assert set(get_args(ApiKey.model_fields["actor_kind"].annotation)) == holders
    wanted = {"events": every, "access_log": every, "jobs": every, "search_sessions": every, "api_keys": holders}
    async with await psycopg.AsyncConnection.connect(server.dsn("admin", DATABASE)) as admin:
        found = await admin.execute(
            "select c.conrelid::regclass::text, pg_get_constraintdef(c.oid) from pg_constraint c "
            "join pg_class r on r.oid = c.conrelid "
            "where c.contype = 'c' and pg_get_constraintdef(c.oid) ~ 'actor_kind = ANY' and not r.relispartition "
            "and r.relnamespace = 'moothill'::regnamespace"
        )
        told = {name.rpartition(".")[2]: set(said.split("'")[1::2]) for name, said in await found.fetchall()}
        assert told == wanted
        columns = await admin.execute(
            "select count(distinct c.oid) from pg_class c join pg_attribute a on a.attrelid = c.oid "
            "where c.relnamespace = 'moothill'::regnamespace and a.attname = 'actor_kind' and c.relkind in ('r', 'p') "
            "and not c.relispartition"
        )
        assert await columns.fetchone() == (len(wanted),)


async def test_deactivating_closes_every_key_of_it_at_once(moot: Moot) -> None:
    """In this process at once, in others with the next look-up; it does not come back."""
    account = await moot.accounts.register(name="importer", scopes=["agents:read"])
    secrets = [
        (await moot.keys.create(name=f"k{n}", scopes=["agents:read"], account=str(account.id))).secret for n in range(3)
    ]
    beside = await moot.keys.create(name="beside", scopes=["agents:read"])
    programs = [moot.with_key(each) for each in secrets]
    for each in programs:
        await each.agents.list()
    plan = await moot.accounts.deactivate.plan(account="importer")
    assert plan.counts == {"accounts": 1, "keys": 3}
    ended = await moot.accounts.deactivate(account="importer")
    assert ended.deactivated_at is not None
    for each in programs:
        with pytest.raises(KeyRevoked):
            await each.agents.list()
    await moot.with_key(beside.secret).agents.list()
    (event,) = (await moot.events.list(kind="accounts.deactivated")).items
    assert len(event.subjects) == 3
    with pytest.raises(Conflict, match="does not come back"):
        await moot.accounts.deactivate(account="importer")
    with pytest.raises(Conflict, match="register another"):
        await moot.keys.create(name="k", scopes=["agents:read"], account=str(account.id))
    again = await moot.accounts.register(name="importer", scopes=["agents:read"])
    assert again.id != account.id


async def test_a_key_that_slips_in_while_its_account_ends_opens_nothing(moot: Moot, server: EmbeddedServer) -> None:
    """Issued after the keys were revoked and before anybody saw the end: the gate looks at the account itself."""
    account = await moot.accounts.register(name="importer", scopes=["agents:read"])
    issued = await moot.keys.create(name="k", scopes=["agents:read"], account="importer")
    async with await psycopg.AsyncConnection.connect(server.dsn("admin", DATABASE), autocommit=True) as admin:
        await admin.execute("update moothill.service_accounts set deactivated_at = now() where id = %s", [account.id])
    with pytest.raises(KeyOfNobody, match="importer, whose key this is, was deactivated"):
        await gate_of(moot).authenticate(issued.secret)


async def test_fewer_scopes_bind_the_keys_that_there_are(moot: Moot) -> None:
    account = await moot.accounts.register(name="importer", scopes=["agents:*"])
    issued = await moot.keys.create(name="k", scopes=["agents:read", "agents:write"], account="importer")
    program = moot.with_key(issued.secret)
    await program.agents.register(name="Ada")
    changed = await moot.accounts.update(
        account="importer", version=account.version, changes=AccountChanges(scopes=["agents:read", "search:*"])
    )
    assert (changed.scopes, changed.version) == (["agents:read", "search:*"], 2)
    assert (await program.keys.current()).scopes == ["agents:read", "keys:self"]
    with pytest.raises(Forbidden, match="agents:write"):
        await program.agents.register(name="Bela")


async def test_no_more_is_given_than_its_maker_and_the_account_may(moot: Moot) -> None:
    low = moot.with_key((await moot.keys.create(name="low", scopes=["agents:read", "accounts:*", "keys:*"])).secret)
    with pytest.raises(Forbidden, match="do not hold agents:write"):
        await low.accounts.register(name="importer", scopes=["agents:write"])
    await low.accounts.register(name="importer", scopes=["agents:read"])
    with pytest.raises(Forbidden, match=r"do not hold \*"):
        await low.accounts.update(account="importer", version=1, changes=AccountChanges(scopes=["*"]))
    with pytest.raises(Invalid, match="may not hold agents:write") as refused:
        await moot.keys.create(name="k", scopes=["agents:write"], account="importer")
    assert refused.value.field == "scopes"
    with pytest.raises(Invalid, match="name one of them"):
        await moot.keys.create(name="k", scopes=["agents:read"], account="importer", agent="x")
    assert (await moot.accounts.list()).items[0].scopes == ["agents:read"]


async def test_a_rotation_keeps_the_key_with_its_account(moot: Moot) -> None:
    account = await moot.accounts.register(name="importer", scopes=["agents:read"])
    issued = await moot.keys.create(name="k", scopes=["agents:read"], account="importer")
    rotated = await moot.keys.rotate(key=issued.key.id)
    assert (rotated.key.actor_kind, rotated.key.actor_id) == ("service", account.id)


async def test_names_are_unique_among_those_in_use(moot: Moot, other: Moot) -> None:
    one = await moot.accounts.register(name="importer", scopes=["agents:read"])
    two = await moot.accounts.register(name="exporter", scopes=["agents:read"])
    await other.accounts.register(name="importer", scopes=["agents:read"])
    with pytest.raises(Conflict, match="choose another name"):
        await moot.accounts.register(name="importer", scopes=["agents:read"])
    with pytest.raises(Conflict, match="choose another name"):
        await moot.accounts.update(account="exporter", version=1, changes=AccountChanges(name="importer"))
    with pytest.raises(Conflict, match="at version 1, not 2"):
        await moot.accounts.update(account="exporter", version=2, changes=AccountChanges(name="x"))
    with pytest.raises(Invalid, match="Nothing is to be changed"):
        await moot.accounts.update(account="exporter", version=1, changes=AccountChanges())
    with pytest.raises(NotFound, match=r"accounts\.list"):
        await other.accounts.get(account=str(two.id))
    assert await moot.accounts.get(account=str(one.id).upper()) == one


async def test_lists_are_paged_in_the_order_of_registration(moot: Moot) -> None:
    names = [f"a{n}" for n in range(5)]
    for name in names:
        await moot.accounts.register(name=name, scopes=["agents:read"])
    await moot.accounts.deactivate(account="a3")
    first = await moot.accounts.list(limit=2)
    rest = await moot.accounts.list(limit=3, cursor=first.next)
    assert [each.name for each in [*first.items, *rest.items]] == ["a0", "a1", "a2", "a4"]
    assert [each.name for each in (await moot.accounts.list(deactivated=True)).items] == names


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"name": "", "scopes": ["agents:read"]}, "name"),
        ({"name": "a\nb", "scopes": ["agents:read"]}, "name"),
        ({"name": "x" * 256, "scopes": ["agents:read"]}, "name"),
        ({"name": "x", "scopes": []}, "scopes"),
        ({"name": "x", "scopes": ["Agents"]}, "scopes"),
        ({"name": "x", "scopes": ["agents:read"] * 65}, "scopes"),
        ({"name": "x", "scopes": ["agents:read"], "description": "x" * 2001}, "description"),
    ],
)
async def test_bad_input_is_named_and_changes_nothing(moot: Moot, arguments: dict[str, Any], field: str) -> None:
    with pytest.raises(Invalid) as refused:
        await moot.accounts.register(**arguments)
    assert str(refused.value.field).startswith(field)
    assert (await moot.accounts.list()).items == []
