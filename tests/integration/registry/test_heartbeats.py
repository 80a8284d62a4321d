"""Heartbeats: in bulk, newest wins, one event a batch."""

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pytest

from moothill.database.embedded import EmbeddedServer
from moothill.kernel.errors import Conflict, Forbidden, Invalid, NotFound
from moothill.kernel.identifiers import uuid7
from moothill.moot import Moot
from moothill.registry.agents import Agents, Heartbeat
from moothill.registry.agents.errors import HeartbeatFromFuture, HeartbeatStale
from moothill.registry.search import SearchFilters
from moothill.worker.acting import acting, system
from tests.conftest import DATABASE
from tests.integration.registry.log import events_of

PAST = datetime(2024, 5, 1, 12, tzinfo=UTC)


async def test_a_batch_says_how_many_agents_are(moot: Moot, server: EmbeddedServer) -> None:
    for name in ("Ada", "Bob", "Cid"):
        await moot.agents.register(name=name)
    before = len(await events_of(server, moot))
    report = await moot.agents.heartbeat(
        beats=[
            Heartbeat(agent="ada", status="busy", active_tasks=3, queued_tasks=2, utilisation=Decimal("0.96")),
            Heartbeat(agent="bob"),
            Heartbeat(agent="cid", utilisation=Decimal("0.1")),
        ]
    )
    assert (report.accepted, report.stale) == (3, 0)
    assert [result.position for result in report.results] == [0, 1, 2]
    ada = await moot.agents.get(agent="ada")
    assert (ada.status, ada.active_tasks, ada.queued_tasks, ada.utilisation) == ("busy", 3, 2, Decimal("0.96"))
    assert ada.last_heartbeat_at is not None
    assert ada.version == 1
    bob = await moot.agents.get(agent="bob")
    assert (bob.status, bob.active_tasks) == ("idle", 0)
    written = (await events_of(server, moot))[before:]
    assert sorted(row[0] for row in written) == ["agents.heartbeats", "agents.status_changed"]
    batch = next(row for row in written if row[0] == "agents.heartbeats")
    assert len(batch[1]) == 3
    assert batch[2:] == ({"accepted": 3, "stale": 0}, "agents.heartbeat")


async def test_an_older_heartbeat_changes_nothing_and_is_reported(moot: Moot) -> None:
    await moot.agents.register(name="Ada")
    await moot.agents.register(name="Bob")
    await moot.agents.heartbeat(beats=[Heartbeat(agent="ada", active_tasks=5, at=PAST)])
    report = await moot.agents.heartbeat(
        beats=[
            Heartbeat(agent="ada", active_tasks=1, at=PAST - timedelta(seconds=1)),
            Heartbeat(agent="bob", active_tasks=1, at=PAST),
        ]
    )
    assert [result.outcome for result in report.results] == ["stale", "accepted"]
    ada = await moot.agents.get(agent="ada")
    assert (ada.active_tasks, ada.last_heartbeat_at) == (5, PAST)
    repeated = await moot.agents.heartbeat(beats=[Heartbeat(agent="ada", active_tasks=6, at=PAST)])
    assert repeated.accepted == 1


async def test_a_batch_of_the_past_alone_is_an_error_and_writes_nothing(moot: Moot, server: EmbeddedServer) -> None:
    await moot.agents.register(name="Ada")
    await moot.agents.heartbeat(beats=[Heartbeat(agent="ada", active_tasks=5, at=PAST)])
    before = await events_of(server, moot)
    with pytest.raises(HeartbeatStale, match="older"):
        await moot.agents.heartbeat(
            beats=[Heartbeat(agent="ada", at=PAST - timedelta(hours=n), active_tasks=n) for n in (1, 2)]
        )
    assert await events_of(server, moot) == before
    assert (await moot.agents.get(agent="ada")).active_tasks == 5


async def test_of_several_for_one_agent_the_newest_counts(moot: Moot) -> None:
    made = await moot.agents.register(name="Ada")
    report = await moot.agents.heartbeat(
        beats=[
            Heartbeat(agent="ada", active_tasks=1, at=PAST),
            Heartbeat(agent=str(made.id), active_tasks=3, at=PAST + timedelta(seconds=2)),
            Heartbeat(agent="ada", active_tasks=2, at=PAST + timedelta(seconds=1)),
        ]
    )
    assert [result.outcome for result in report.results] == ["stale", "accepted", "stale"]
    assert (await moot.agents.get(agent="ada")).active_tasks == 3


async def test_a_heartbeat_from_the_future_refuses_the_whole_batch(moot: Moot) -> None:
    await moot.agents.register(name="Ada")
    await moot.agents.register(name="Bob")
    later = datetime.now(UTC) + timedelta(minutes=6)
    with pytest.raises(HeartbeatFromFuture, match="'bob'"):
        await moot.agents.heartbeat(beats=[Heartbeat(agent="ada", active_tasks=1), Heartbeat(agent="bob", at=later)])
    assert (await moot.agents.get(agent="ada")).last_heartbeat_at is None
    soon = datetime.now(UTC) + timedelta(minutes=4)
    assert (await moot.agents.heartbeat(beats=[Heartbeat(agent="bob", at=soon)])).accepted == 1


async def test_an_unknown_agent_refuses_the_whole_batch(moot: Moot, other: Moot) -> None:
    await moot.agents.register(name="Ada")
    theirs = await other.agents.register(name="Theirs")
    for reference in ("nobody", str(theirs.id), str(uuid7())):
        with pytest.raises(NotFound, match="nothing was changed"):
            await moot.agents.heartbeat(
                beats=[Heartbeat(agent="ada", active_tasks=1), Heartbeat(agent=reference, active_tasks=1)]
            )
    assert (await moot.agents.get(agent="ada")).active_tasks == 0
    assert (await other.agents.get(agent="theirs")).last_heartbeat_at is None


@pytest.mark.parametrize(
    "beat",
    [
        {"agent": "ada", "status": "suspended"},
        {"agent": "ada", "active_tasks": -1},
        {"agent": "ada", "queued_tasks": 2**31},
        {"agent": "ada", "utilisation": 1.01},
        {"agent": "ada", "utilisation": float("nan")},
        {"agent": "ada", "at": "2024-05-01T12:00:00"},
        {"agent": ""},
    ],
)
async def test_a_bad_heartbeat_is_invalid(moot: Moot, beat: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        await moot.agents.heartbeat(beats=[beat])  # type: ignore[list-item]


async def test_a_batch_has_from_one_to_a_thousand(moot: Moot) -> None:
    for bad in ([], [Heartbeat(agent="ada")] * 1001):
        with pytest.raises(Invalid):
            await moot.agents.heartbeat(beats=bad)


async def test_a_heartbeat_ends_neither_suspension_nor_maintenance(moot: Moot) -> None:
    await moot.agents.register(name="Ada")
    for held in ("suspended", "maintenance"):
        await moot.agents.set_status(agent="ada", status=held)
        report = await moot.agents.heartbeat(beats=[Heartbeat(agent="ada", status="active", active_tasks=1)])
        assert report.results[0].status == held
    assert (await moot.agents.get(agent="ada")).active_tasks == 1


async def test_an_agents_key_speaks_for_that_agent_alone(moot: Moot) -> None:
    await moot.agents.register(name="Ada")
    await moot.agents.register(name="Bob")
    issued = await moot.keys.create(name="ada", scopes=["agents:heartbeat"], agent="ada")
    ada = moot.with_key(issued.secret)
    assert (await ada.agents.heartbeat(beats=[Heartbeat(agent="ada", status="busy")])).accepted == 1
    with pytest.raises(Forbidden, match="'bob'"):
        await ada.agents.heartbeat(beats=[Heartbeat(agent="ada"), Heartbeat(agent="bob")])
    gateway = await moot.keys.create(name="lead", scopes=["agents:heartbeat", "agents:write"], agent="ada")
    assert (await moot.with_key(gateway.secret).agents.heartbeat(beats=[Heartbeat(agent="bob")])).accepted == 1


async def test_batches_that_cross_wait_for_each_other(moot: Moot) -> None:
    """X2: locks are taken in one order, so nobody is killed and the newest heartbeat stays."""
    names = [f"Agent {n}" for n in range(12)]
    for name in names:
        await moot.agents.register(name=name)
    keys = [name.lower().replace(" ", "-") for name in names]

    async def beat(turn: int) -> int:
        ordered = keys if turn % 2 else list(reversed(keys))
        at = PAST + timedelta(seconds=turn)
        beats = [Heartbeat(agent=key, active_tasks=turn, at=at) for key in ordered]
        try:
            return (await moot.agents.heartbeat(beats=beats)).accepted
        except Conflict:
            return 0

    await asyncio.gather(*(beat(turn) for turn in range(16)))
    tasks = {agent.active_tasks for agent in (await moot.agents.list()).items}
    assert tasks == {15}


async def test_reported_work_counts_as_being_at_work(moot: Moot) -> None:
    made = await moot.agents.register(name="Ada")
    await moot.agents.heartbeat(beats=[Heartbeat(agent="ada", status="idle")])
    assert (await moot.agents.get(agent="ada")).last_active_at == made.last_active_at
    await moot.agents.heartbeat(beats=[Heartbeat(agent="ada", active_tasks=1)])
    assert (await moot.agents.get(agent="ada")).last_active_at > made.last_active_at


async def test_a_status_from_a_heartbeat_is_in_the_history_and_reaches_search(moot: Moot) -> None:
    made = await moot.agents.register(name="Ada", description="Reads contracts.")
    await moot.agents.heartbeat(beats=[Heartbeat(agent="ada", status="busy")])
    (change,) = (await moot.agents.status_history(agent="ada")).items
    assert (change.old_status, change.new_status, change.operation) == ("idle", "busy", "agents.heartbeat")
    event = (await moot.agents.activity(agent="ada", limit=1)).items[0]
    executor = await moot.executor.real()  # type: ignore[attr-defined]
    async with acting(executor.runtime, system(executor.principal.tenant), "test"):
        await Agents(executor).follow_heartbeats(event)
    found = await moot.search.find(text="contracts", kinds=["agent"], filters=SearchFilters(status=["busy"]))
    assert [hit.id for hit in found.hits] == [made.id]


async def test_heartbeats_rewrite_no_index(moot: Moot, server: EmbeddedServer) -> None:
    """A3, B32: nothing hot is indexed, so an update stays in its page and leaves nothing to rebuild."""
    await moot.agents.register(name="Ada")
    async with await psycopg.AsyncConnection.connect(server.dsn("admin", DATABASE)) as admin:
        rows = await admin.execute(
            "select distinct a.attname from pg_index i join pg_attribute a on a.attrelid = i.indrelid "
            "and a.attnum = any(i.indkey) where i.indrelid = 'moothill.agents'::regclass"
        )
        indexed = {row[0] for row in await rows.fetchall()}
    hot = {"last_heartbeat_at", "last_active_at", "active_tasks", "queued_tasks", "utilisation", "updated_at"}
    assert not indexed & hot
