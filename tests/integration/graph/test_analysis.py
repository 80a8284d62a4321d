"""Analyses: centrality, communities and mutual information, computed by a job."""

import asyncio
import importlib.util
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest
import pytest_asyncio

from moothill.database.embedded import EmbeddedServer
from moothill.kernel.context import context
from moothill.kernel.operation import Job
from moothill.kernel.settings import Settings
from moothill.moot import Moot
from moothill.registry.graph import analysing
from moothill.registry.graph.errors import NotAnalysed
from moothill.registry.relationships.rules import mutual_information, pointwise
from moothill.session import open_database
from moothill.worker import Worker
from tests.conftest import cloned
from tests.integration.graph.reference import TYPES, Plain
from tests.integration.graph.world import settle
from tests.integration.worker.world import BRISK, eventually

pytestmark = pytest.mark.skipif(importlib.util.find_spec("networkit") is None, reason="the extra `graph` is missing")

# Two groups, 0-3 and 4-7, each connected throughout, and a bridge from 3 to 4; 8 hangs on 4.
EDGES = [
    *(Plain(a, b, TYPES[0], False, 90, 100) for a in range(4) for b in range(a + 1, 4)),
    *(Plain(a, b, TYPES[0], False, 90, 100) for a in range(4, 8) for b in range(a + 1, 8)),
    Plain(3, 4, TYPES[2], True, 60, 50),
    Plain(8, 4, TYPES[1], True, 80, 100),
]


@pytest_asyncio.fixture
async def society(server: EmbeddedServer, settings: Settings) -> AsyncIterator[Moot]:
    """A tenant in a database of its own: a worker sees all tenants."""
    async with cloned(server, "analysis") as name:
        moot = await open_database(
            server.dsn("app", name), settings, "default", migrator_dsn=server.dsn("migrator", name), create=True
        )
        await moot.tenants.create(slug="wide", name="wide")
        yield moot.tenant("wide")
        await moot.close()


def worker_of(moot: Moot) -> Worker:
    session = moot.session
    assert session is not None and session.runtime is not None and session.database is not None
    return Worker(session.runtime, session.database, session.settings, pace=BRISK)


async def ended(moot: Moot, job: Job) -> Job:
    """The job at its end, done by a worker of this process."""
    worker = worker_of(moot)
    running = asyncio.create_task(worker.run())

    async def look() -> Any:
        found = await moot.jobs.get(job=job.id)
        return found if found.state in ("completed", "failed") else None

    try:
        found: Job = await eventually(look, within=60)
        return found
    finally:
        await worker.stop()
        await running


async def test_an_analysis_ranks_agents_and_finds_communities(society: Moot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(analysing, "_PAGE", 5)
    monkeypatch.setattr(analysing, "_BATCH", 4)
    await settle(society, 10, EDGES)
    for call in (society.graph.analysis(), society.graph.centrality()):
        with pytest.raises(NotAnalysed, match=r"graph\.analyse"):
            await call
    job = await ended(society, await society.graph.analyse(samples=100))
    assert (job.state, job.message) == ("completed", "9 agents in 2 communities.")
    analysis = await society.graph.analysis()
    assert (analysis.agents, analysis.relationships, analysis.left_out) == (9, len(EDGES), 0)
    assert (analysis.samples, analysis.communities) == (9, 2)
    rows = {each.agent: each for each in (await society.graph.centrality()).items}
    assert sum(each.pagerank for each in rows.values()) == pytest.approx(1.0, abs=1e-6)
    assert max(rows.values(), key=lambda each: each.betweenness).agent == "a4"
    # 3 and 4 lie between 3 and 5 others, of the 56 ordered pairs; all by shortest paths.
    assert rows["a3"].betweenness == pytest.approx(2 * 3 * 5 / 56)
    assert (rows["a4"].degree, rows["a4"].in_degree, rows["a4"].out_degree) == (5, 5, 3)
    assert rows["a4"].degree_centrality == pytest.approx(5 / 8)
    groups = [{agent for agent, each in rows.items() if each.community == n} for n in (0, 1)]
    assert groups == [{"a4", "a5", "a6", "a7", "a8"}, {"a0", "a1", "a2", "a3"}]
    one = await society.graph.centrality(by="betweenness", limit=1)
    two = await society.graph.centrality(by="betweenness", limit=1, cursor=one.next)
    assert [each.agent for each in (*one.items, *two.items)] == ["a4", "a3"]
    assert [each.agent for each in (await society.graph.centrality(agent="a8")).items] == ["a8"]
    assert (await society.graph.centrality(agent="a9")).items == []
    assert len((await society.graph.centrality(by="degree", community=1)).items) == 4
    picture = await society.graph.map(limit=3)
    assert len(picture.nodes) == 3 and picture.nodes[0].agent == (await society.graph.centrality()).items[0].agent


async def test_mutual_information_is_computed_from_what_was_counted(society: Moot) -> None:
    """Never typed in by hand: put has no such field, and the job's figures are those of the formulas."""
    await settle(society, 10, EDGES)
    for kind, source, target, times in (("COLLABORATES_WITH", "a0", "a1", 7), ("VALIDATES", "a8", "a4", 2)):
        given: Any = {"type": kind, "directional": kind == "VALIDATES", "cooccurrences": times}
        await society.relationships.put(source=source, target=target, confidence=Decimal(1), **given)
    assert (await ended(society, await society.graph.analyse())).state == "completed"
    rows = (await society.relationships.list(limit=100)).items
    strong = next(each for each in rows if each.cooccurrence_count == 7)
    sums = dict.fromkeys(range(10), 0)
    for each in rows:
        if each.type == "COLLABORATES_WITH":
            for end in (each.source, each.target):
                sums[int(end[1:])] += each.cooccurrence_count
    total = sum(sums.values())
    assert strong.pointwise_mutual_information == pytest.approx(pointwise(7, sums[0], sums[1], total))
    assert strong.mutual_information == pytest.approx(mutual_information(7, sums[0], sums[1], total))
    alone = next(each for each in rows if each.type == "VALIDATES")
    assert alone.pointwise_mutual_information == pytest.approx(pointwise(2, 2, 2, 4)) == pytest.approx(1.0)
    assert strong.measured_at is not None and strong.version == 2


async def test_a_second_analysis_takes_the_place_of_the_first(society: Moot) -> None:
    await settle(society, 3, [Plain(0, 1, TYPES[0], False, 90, 100)])
    await ended(society, await society.graph.analyse())
    first = await society.graph.analysis()
    await society.relationships.put(
        source="a1", target="a2", type="SIMILAR_TO", confidence=Decimal("0.9"), directional=True
    )
    assert len((await society.graph.centrality()).items) == 2
    await ended(society, await society.graph.analyse())
    assert (await society.graph.analysis()).id != first.id
    assert len((await society.graph.centrality()).items) == 3


async def test_a_worker_that_did_not_compute_what_it_is_to_write_begins_anew(
    society: Moot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A crash between steps: another process has no figures, so it computes its own, and nothing is left half."""
    await settle(society, 10, EDGES)
    go_on = analysing.go_on
    steps = 0

    async def forgetful(finding: analysing.Finding) -> Any:
        nonlocal steps
        steps += 1
        step = await go_on(finding)
        if steps == 2:
            analysing._held.clear()
        return step

    monkeypatch.setattr(analysing, "go_on", forgetful)
    monkeypatch.setattr(analysing, "_BATCH", 4)
    assert (await ended(society, await society.graph.analyse())).state == "completed"
    assert len((await society.graph.centrality()).items) == 9


async def test_of_an_agent_that_is_erased_meanwhile_nothing_is_written(
    society: Moot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was computed before an erasure is not written after it."""
    ids = await settle(society, 9, EDGES)
    store = analysing._store

    async def erased_first(finding: analysing.Finding, begin: int, end: int) -> None:
        transaction = context().transaction
        assert transaction is not None
        await transaction.fetch(
            "update moothill.agents set agent_id = 'erased-' || id where id = %(id)s", {"id": ids[8]}
        )
        await store(finding, begin, end)

    monkeypatch.setattr(analysing, "_store", erased_first)
    assert (await ended(society, await society.graph.analyse())).state == "completed"
    shown = {each.id for each in (await society.graph.centrality()).items}
    assert shown == set(ids[:8])


async def test_of_nothing_an_analysis_is_empty(society: Moot) -> None:
    assert (await ended(society, await society.graph.analyse())).state == "completed"
    assert (await society.graph.analysis()).agents == 0
    assert (await society.graph.centrality()).items == []
