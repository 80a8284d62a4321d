"""Walking: traversal, paths and pictures, compared with the same done plainly in memory."""

import random
from decimal import Decimal
from typing import Any

import psycopg
import pytest

from moothill.database.embedded import EmbeddedServer
from moothill.kernel.errors import Invalid, NotFound
from moothill.moot import Moot
from moothill.registry.graph.errors import NoPath, SameAgent
from moothill.registry.relationships.models import RelationshipFilter
from moothill.registry.search import SearchGraph
from tests.integration.graph.reference import TYPES, Plain, distances, every_way, random_edges
from tests.integration.graph.world import expand, settle

AGENTS = 24


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_each_agent_is_reached_once_by_the_surest_of_its_shortest_ways(moot: Moot, seed: int) -> None:
    """A7, A26: both directions of an undirected one, one of a directed one, as asked."""
    edges = random_edges(AGENTS, 40, seed)
    await settle(moot, AGENTS, edges)
    chance = random.Random(seed)
    for _ in range(12):
        start, hops = chance.randrange(AGENTS), chance.randint(1, 6)
        asked: dict[str, Any] = {
            "direction": chance.choice(["out", "in", "both"]),
            "types": chance.choice([None, list(TYPES[:2]), [TYPES[0]]]),
        }
        lowest = chance.choice([50, 70])
        found = await moot.graph.traverse(
            agent=f"a{start}", hops=hops, minimum_confidence=Decimal(lowest) / 100, limit=1000, fan=1000, **asked
        )
        wanted = distances(edges, {start: 1.0}, hops, lowest=lowest, **asked)
        assert {each.agent: each.hop for each in found.agents} == {f"a{n}": hop for n, (hop, _, _) in wanted.items()}
        for each in found.agents:
            assert each.confidence == pytest.approx(wanted[int(each.agent[1:])][2], abs=1e-5)
            assert each.path[0] == f"a{start}" and each.path[-1] == each.agent and len(each.path) == each.hop + 1
            assert each.parent == (each.path[-2] if each.hop else None)
        assert not found.truncated
        assert [each.hop for each in found.agents] == sorted(each.hop for each in found.agents)


@pytest.mark.parametrize("seed", [4, 5])
async def test_seeds_are_expanded_together_each_agent_by_its_best_score(
    moot: Moot, server: EmbeddedServer, seed: int
) -> None:
    """A27: what is several hops away is found, with a score that falls with the hops."""
    edges = random_edges(AGENTS, 40, seed)
    ids = await settle(moot, AGENTS, edges)
    seeds = {3: 0.5, 7: 1.0, 11: 0.25}
    rows = await expand(
        server,
        moot,
        seeds=[*(ids[n] for n in seeds), ids[3], None],
        weights=[*seeds.values(), 0.1, 9.0],
        hops=3,
    )
    wanted = distances(edges, seeds, 3, by_strength=True)
    assert {row[0] for row in rows} == {ids[n] for n in wanted}
    assert len(rows) == len(wanted)
    for agent, hop, parent, seed_id, relationship, kind, confidence, score, _ in rows:
        expected_hop, worth, _ = wanted[ids.index(agent)]
        assert (hop, score) == (expected_hop, pytest.approx(worth / (hop + 1)))
        assert (parent is None) == (relationship is None) == (kind is None) == (hop == 0)
        assert seed_id in {ids[n] for n in seeds} and 0 < confidence <= 1


async def test_what_bounds_a_walk_is_said_with_the_hop(moot: Moot) -> None:
    star = [Plain(0, n, TYPES[0], False, 50 + n, 100) for n in range(1, 20)]
    await settle(moot, 21, [*star, Plain(19, 20, TYPES[0], False, 90, 100)])
    whole = await moot.graph.traverse(agent="a0", hops=2)
    assert (len(whole.agents), whole.truncated, whole.message) == (21, False, "")
    few = await moot.graph.traverse(agent="a0", hops=2, fan=5)
    # The surest are taken.
    assert {each.agent for each in few.agents} == {"a0", "a15", "a16", "a17", "a18", "a19", "a20"}
    assert (few.truncated, few.fanned_at_hop, few.full_at_hop) == (True, 1, None)
    assert "raise `fan`" in few.message
    small = await moot.graph.traverse(agent="a0", hops=2, limit=4)
    assert [each.agent for each in small.agents] == ["a0", "a19", "a18", "a17"]
    assert (small.truncated, small.full_at_hop) == (True, 1)
    assert "raise `limit`" in small.message


@pytest.mark.parametrize("seed", [9, 10])
async def test_the_best_are_kept_of_a_frontier_too_large_to_be_read_whole(moot: Moot, seed: int) -> None:
    """Of most of its agents no relationship is read; what is kept is the same as if all of them were."""
    count, limit = 400, 150
    edges = random_edges(count, 2_000, seed)
    await settle(moot, count, edges)
    for start in range(3):
        found = await moot.graph.traverse(agent=f"a{start}", hops=3, limit=limit, fan=100)
        wanted = distances(edges, {start: 1.0}, 3)
        full = found.full_at_hop
        assert full is not None
        ways = {int(each.agent[1:]): (each.hop, each.confidence) for each in found.agents}
        assert len(ways) == limit
        for agent, (hop, worth, _) in wanted.items():
            if hop < full:
                assert ways[agent][0] == hop
                assert ways[agent][1] == pytest.approx(worth, abs=1e-5)
        last = sorted((worth for hop, worth, _ in wanted.values() if hop == full), reverse=True)
        kept = sorted((worth for hop, worth in ways.values() if hop == full), reverse=True)
        assert kept == pytest.approx(last[: len(kept)], abs=1e-5)


@pytest.mark.parametrize("seed", [6, 7, 8])
async def test_a_path_is_the_shortest_and_of_these_the_surest(moot: Moot, seed: int) -> None:
    edges = random_edges(AGENTS, 34, seed)
    await settle(moot, AGENTS, edges)
    chance = random.Random(seed)
    for _ in range(15):
        source, target = chance.sample(range(AGENTS), 2)
        direction: Any = chance.choice(["out", "in", "both"])
        asked: dict[str, Any] = {"source": f"a{source}", "target": f"a{target}", "direction": direction}
        ways = every_way(edges, source, target, 4, direction)
        if not ways:
            with pytest.raises(NoPath, match="at most 4 hops"):
                await moot.graph.path(**asked, hops=4)
            assert (await moot.graph.paths(**asked, hops=4)).paths == []
            continue
        found = await moot.graph.path(**asked, hops=4)
        assert found.length == ways[0][0]
        assert found.confidence == pytest.approx(ways[0][1], abs=1e-5)
        assert [found.agents[0].agent, found.agents[-1].agent] == [f"a{source}", f"a{target}"]
        assert len(found.steps) == len(found.agents) - 1
        several = await moot.graph.paths(**asked, hops=4, count=6)
        assert [each.length for each in several.paths] == [length for length, _ in ways[:6]]
        assert [each.confidence for each in several.paths] == pytest.approx([sure for _, sure in ways[:6]], abs=1e-5)
        for way in several.paths:
            assert len({each.agent for each in way.agents}) == len(way.agents)
        assert not several.truncated


async def test_a_step_says_which_way_it_goes(moot: Moot) -> None:
    await settle(moot, 3, [Plain(0, 1, TYPES[1], True, 90, 100), Plain(2, 1, TYPES[2], True, 80, 100)])
    found = await moot.graph.path(source="a0", target="a2")
    assert [(step.type, step.backwards) for step in found.steps] == [(TYPES[1], False), (TYPES[2], True)]
    with pytest.raises(NoPath, match="both directions"):
        await moot.graph.path(source="a0", target="a2", direction="out")


async def test_bad_questions_are_refused(moot: Moot) -> None:
    await settle(moot, 2, [])
    for hops in (0, 7, 50):
        with pytest.raises(Invalid, match="hops"):
            await moot.graph.traverse(agent="a0", hops=hops)
    with pytest.raises(Invalid, match='Did you mean "VALIDATES"'):
        wrong: Any = ["VALIDATE"]
        await moot.graph.traverse(agent="a0", types=wrong)
    with pytest.raises(SameAgent, match="a0 stands at both"):
        await moot.graph.path(source="a0", target="a0")
    with pytest.raises(NotFound):
        await moot.graph.neighbourhood(agent="a9")
    with pytest.raises(Invalid, match="minimum_confidence"):
        await moot.graph.traverse(agent="a0", minimum_confidence=Decimal("1.01"))


async def test_pictures_have_places_and_the_relationships_among_their_agents(moot: Moot) -> None:
    edges = random_edges(AGENTS, 40, 9)
    await settle(moot, AGENTS, edges)
    picture = await moot.graph.neighbourhood(agent="a3", hops=2, limit=300)
    wanted = distances(edges, {3: 1.0}, 2)
    assert {node.agent: node.hop for node in picture.nodes} == {f"a{n}": hop for n, (hop, _, _) in wanted.items()}
    shown = {int(node.agent[1:]) for node in picture.nodes}
    assert len(picture.edges) == sum({each.source, each.target} <= shown for each in edges)
    middle = next(node for node in picture.nodes if node.hop == 0)
    assert (middle.x, middle.y) == (0.0, 0.0)
    assert len({(node.x, node.y) for node in picture.nodes}) == len(picture.nodes)
    whole = await moot.graph.map(limit=10)
    assert len(whole.nodes) == 10 and whole.truncated and "Raise `limit`" in whole.message
    assert all(-1 <= place <= 1 for node in whole.nodes for place in (node.x, node.y))
    assert await moot.graph.map(limit=10) == whole


async def test_a_picture_of_everybody_says_of_nothing_that_it_was_left_out(moot: Moot) -> None:
    await settle(moot, 3, [Plain(n, n + 1, TYPES[0], False, 90, 100) for n in range(2)])
    assert not (await moot.graph.map(limit=3)).truncated
    assert (await moot.graph.map(limit=2)).truncated


async def test_an_agent_that_was_deactivated_is_walked_through_and_no_hit(moot: Moot) -> None:
    """What it knew of others stays true; it is shown as offline, and found and chosen no more."""
    for key in ("ada", "bela", "cleo"):
        await moot.agents.register(agent_id=key, name=key.title(), description="bakes bread" if key == "ada" else "")
    for source, target in (("ada", "bela"), ("bela", "cleo")):
        await moot.relationships.put(source=source, target=target, type="COLLABORATES_WITH", confidence=Decimal("0.9"))
    await moot.agents.deactivate(agent="bela")
    walked = await moot.graph.traverse(agent="ada", hops=2)
    assert [(each.agent, each.hop, each.status) for each in walked.agents] == [
        ("ada", 0, "idle"),
        ("bela", 1, "offline"),
        ("cleo", 2, "idle"),
    ]
    assert (await moot.graph.path(source="ada", target="cleo")).length == 2
    found = await moot.search.find(text="bread", mode="text", graph=SearchGraph(hops=2))
    assert [hit.key for hit in found.hits] == ["ada", "cleo"]
    reach = found.hits[1].why.reach
    assert reach is not None
    assert (reach.hops, reach.parent) == (2, None)
    assert "over another agent" in found.hits[1].why.explanation


async def test_a_walk_stays_in_its_tenant(moot: Moot, other: Moot, server: EmbeddedServer) -> None:
    """A22, A23: other tenants' agents and edges are neither reached nor named, whatever ids are given."""
    edges = [Plain(n, n + 1, TYPES[0], False, 90, 100) for n in range(3)]
    own = await settle(moot, 4, edges)
    theirs = await settle(other, 2, edges[:1])
    for strange in (str(own[0]), "a3"):
        with pytest.raises(NotFound):
            await other.graph.traverse(agent=strange)
        with pytest.raises(NotFound):
            await other.graph.path(source="a0", target=strange)
    assert {each.id for each in (await other.graph.traverse(agent="a0", hops=6)).agents} == set(theirs)
    # A seed of another tenant leads nowhere.
    rows = await expand(server, other, seeds=[own[0]], weights=[1.0], hops=6)
    assert [row[0] for row in rows] == [own[0]]
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        stranger = (await other.sharing.level()).tenant
        await expand(server, moot, session=stranger, seeds=[own[0]], weights=[1.0], hops=1)
    assert len((await moot.relationships.list(filter=RelationshipFilter(agent="a0"))).items) == 1
