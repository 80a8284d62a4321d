"""Going on over relationships, boosts, evidence, counts, and many queries at once."""

import datetime as dt
from decimal import Decimal
from uuid import UUID, uuid4

import psycopg
import pytest

from moothill.database.embedded import EmbeddedServer
from moothill.kernel.errors import Invalid, NotFound
from moothill.moot import Moot
from moothill.registry.capabilities import NewCapability, NewEvidence
from moothill.registry.search import (
    SearchBoosts,
    SearchFilters,
    SearchGraph,
    SearchHit,
    SearchQuery,
    SearchResults,
    SearchWeights,
    rules,
)
from tests.conftest import DATABASE

GRAPH = SearchGraph()


async def chain(moot: Moot) -> dict[str, UUID]:
    """A baker who works with a miller, who depends on a farmer, who is like a weaver; and a stranger."""
    ids: dict[str, UUID] = {}
    for key, text in (
        ("baker", "bakes bread"), ("miller", "grinds grain"), ("farmer", "ploughs fields"), ("weaver", "weaves cloth"),
        ("stranger", "sells glass"),
    ):  # fmt: skip
        made = await moot.agents.register(agent_id=key, name=key.title(), description=text, tags=["guild"])
        ids[key] = made.id
    put = moot.relationships.put
    await put(source="baker", target="miller", type="COLLABORATES_WITH", confidence=Decimal("0.9"))
    await put(
        source="farmer", target="miller", type="DEPENDS_ON", confidence=Decimal("0.8"), directional=True,
        strength=Decimal("0.5"),
    )  # fmt: skip
    await put(source="farmer", target="weaver", type="SIMILAR_TO", confidence=Decimal("0.6"))
    return ids


def names(found: SearchResults) -> list[str | None]:
    return [hit.key for hit in found.hits]


def by_key(found: SearchResults) -> dict[str | None, SearchHit]:
    return {hit.key: hit for hit in found.hits}


async def test_agents_are_reached_over_relationships_however_far_and_the_hit_says_how(moot: Moot) -> None:
    """A27: no direct edge is needed. A26: edges are taken both ways. A7: one kind of id throughout."""
    ids = await chain(moot)
    plain = found = await moot.search.find(text="bread", mode="text")
    assert names(plain) == ["baker"]
    assert plain.hits[0].why.sources == ["text"]
    for hops, expected in (
        (1, ["baker", "miller"]),
        (2, ["baker", "miller", "farmer"]),
        (3, ["baker", "miller", "farmer", "weaver"]),
        (6, ["baker", "miller", "farmer", "weaver"]),
    ):
        found = await moot.search.find(text="bread", mode="text", graph=SearchGraph(hops=hops))
        assert sorted(map(str, names(found))) == sorted(expected), hops
    assert names(found)[0] == "baker"
    hits = by_key(found)
    farmer = hits["farmer"].why
    assert farmer.sources == ["graph"]
    assert farmer.reach is not None
    assert (farmer.reach.hops, farmer.reach.type, farmer.graph_rank) == (2, "DEPENDS_ON", 2)
    assert farmer.reach.parent is not None
    assert farmer.reach.seed is not None
    assert (farmer.reach.parent.id, farmer.reach.seed.agent_id) == (ids["miller"], "baker")
    assert farmer.reach.confidence == pytest.approx(0.72)
    assert farmer.reach.score == pytest.approx(0.9 * 0.8 * 0.5 / 3)
    assert farmer.explanation == ("Is 2 steps from Baker, which matches over Miller (DEPENDS_ON, confidence 0.72).")
    assert hits["baker"].why.explanation == "Holds 'bread' (number 1 by words)."
    for hit in found.hits:
        why = hit.why
        assert hit.score == pytest.approx(
            rules.fused(why.text_rank, why.vector_rank, SearchWeights(), why.graph_rank), abs=1e-6
        )


async def test_hops_types_and_confidence_bound_what_is_reached(moot: Moot) -> None:
    """A27 again: the number of hops means something, and so does each filter."""
    await chain(moot)

    async def reached(graph: SearchGraph, **more: object) -> list[str]:
        found = await moot.search.find(text="bread", mode="text", graph=graph, **more)  # type: ignore[arg-type]
        return sorted(str(hit.key) for hit in found.hits if hit.why.reach is not None)

    assert await reached(SearchGraph(hops=0)) == []
    assert await reached(SearchGraph(hops=6, types=["COLLABORATES_WITH"])) == ["miller"]
    assert await reached(SearchGraph(hops=6, types=["SIMILAR_TO"])) == []
    assert await reached(SearchGraph(hops=6, minimum_confidence=Decimal("0.7"))) == ["farmer", "miller"]
    assert await reached(SearchGraph(hops=6), filters=SearchFilters(tags=["guild"])) == ["farmer", "miller", "weaver"]
    assert await reached(SearchGraph(hops=6), filters=SearchFilters(tags=["other"])) == []
    assert await reached(SearchGraph(hops=6), filters=SearchFilters(status=["busy"])) == []
    with pytest.raises(Invalid, match="less than or equal to 6"):
        await moot.search.find(text="bread", graph={"hops": 50})  # type: ignore[arg-type]
    with pytest.raises(Invalid, match="COLLABORATES_WITH"):
        await moot.search.find(text="bread", graph={"types": ["collaborates"]})  # type: ignore[arg-type]


async def test_kinds_decide_what_is_shown_of_an_agent_that_is_reached(moot: Moot) -> None:
    await chain(moot)
    await moot.capabilities.add(
        agent="miller",
        capabilities=[
            NewCapability(name=f"grinding {n}", confidence=Decimal("0.7") + n * Decimal("0.05")) for n in range(5)
        ],
    )
    found = await moot.search.find(text="bread", mode="text", kinds=["agent"], graph=GRAPH)
    assert {hit.kind for hit in found.hits} == {"agent"}
    assert set(names(found)) == {"baker", "miller", "farmer"}
    found = await moot.search.find(text="bread", mode="text", kinds=["agent", "capability"], graph=GRAPH)
    surest = [hit.title for hit in found.hits if hit.kind == "capability"]
    assert surest == ["grinding 4", "grinding 3", "grinding 2"]
    # Nothing of that kind matches, so nothing is gone on from.
    assert (await moot.search.find(text="bread", mode="text", kinds=["capability"], graph=GRAPH)).hits == []


async def test_the_weight_of_the_graph_counts_and_a_hit_of_two_lists_gains(moot: Moot) -> None:
    await chain(moot)
    for weights, first in ((SearchWeights(graph=10), "miller"), (SearchWeights(graph=0.1), "baker")):
        found = await moot.search.find(text="bread", mode="hybrid", graph=SearchGraph(hops=1), weights=weights, limit=5)
        assert names(found)[0] == first
    found = await moot.search.find(text="bread", mode="hybrid", graph=SearchGraph(hops=1), limit=5)
    miller = by_key(found)["miller"].why
    assert miller.vector_rank is None or miller.sources == ["vector", "graph"]


async def test_no_relationship_of_another_tenant_is_followed(moot: Moot, other: Moot) -> None:
    """A22, A23: the same keys and edges on both sides."""
    mine, theirs = await chain(moot), await chain(other)
    before = await moot.search.find(text="bread", mode="text", graph=SearchGraph(hops=6), facets=True)
    for number in range(5):
        await other.agents.register(agent_id=f"more-{number}", name=f"More {number}", description="bakes bread")
        await other.relationships.put(
            source="baker", target=f"more-{number}", type="INFLUENCES", confidence=Decimal("0.9")
        )
    after = await moot.search.find(text="bread", mode="text", graph=SearchGraph(hops=6), facets=True)
    assert (before.hits, before.facets, before.notes) == (after.hits, after.facets, after.notes)
    assert {hit.id for hit in after.hits} <= set(mine.values())
    found = await other.search.find(text="bread", mode="text", graph=SearchGraph(hops=6))
    assert {hit.id for hit in found.hits}.isdisjoint(mine.values())
    assert set(theirs.values()) - {theirs["stranger"]} <= {hit.id for hit in found.hits}


async def test_boosts_move_hits_within_their_bounds_and_say_so(server: EmbeddedServer, moot: Moot) -> None:
    for key in ("old", "new"):
        await moot.agents.register(agent_id=key, name="Baker", description="bakes bread")
    async with await psycopg.AsyncConnection.connect(server.dsn("admin", DATABASE), autocommit=True) as connection:
        for key, days, trust, rating in (("old", 60, 0.9, 1900), ("new", 0, 0.1, 1500)):
            agent = (await moot.agents.get(agent=key)).id
            await connection.execute(
                "update moothill.search_items set updated_at = now() - %s where id = %s",
                [dt.timedelta(days=days), agent],
            )
            await connection.execute(
                "update moothill.agents set trust = %s, rating = %s where id = %s", [trust, rating, agent]
            )
    by_age = await moot.search.find(text="bread", mode="text", boosts=SearchBoosts(recency=1, half_life_days=30))
    assert names(by_age) == ["new", "old"]
    boosts = {hit.key: hit.why.boosts for hit in by_age.hits}
    assert boosts["old"] is not None
    assert boosts["new"] is not None
    assert boosts["old"].recency == pytest.approx(rules.recency(60, 30, 1), abs=1e-3)
    assert boosts["new"].recency == pytest.approx(2, abs=1e-3)
    assert (boosts["old"].standing, boosts["new"].standing) == (1, 1)
    by_name = await moot.search.find(text="bread", mode="text", boosts=SearchBoosts(standing=1))
    assert names(by_name) == ["old", "new"]
    for key, trust, rating in (("old", 0.9, 1900), ("new", 0.1, 1500)):
        hit = by_key(by_name)[key]
        assert hit.why.boosts is not None
        assert hit.why.boosts.standing == pytest.approx(rules.standing(trust, rating, 1), abs=1e-3)
        expected = rules.fused(hit.why.text_rank, None, SearchWeights()) * rules.standing(trust, rating, 1)
        assert hit.score == pytest.approx(expected, abs=1e-5)
    assert (await moot.search.find(text="iron", mode="text", boosts=SearchBoosts(standing=1))).hits == []


async def test_evidence_leads_back_to_the_sentence(moot: Moot) -> None:
    await moot.agents.register(agent_id="smith", name="Smith")
    chunk = uuid4()
    await moot.capabilities.add(
        agent="smith",
        capabilities=[
            NewCapability(
                name="forging swords",
                confidence=Decimal("0.9"),
                evidence=[
                    NewEvidence(
                        chunk_id=chunk, chunk_type="task", mention="forged", sentence="It forged a sword.",
                        start_position=3, end_position=9, method="llm", confidence=Decimal("0.8"),
                    ),
                    *[
                        NewEvidence(chunk_id=uuid4(), chunk_type="task", mention=f"m{n}", confidence=Decimal("0.1"))
                        for n in range(4)
                    ],
                ],
            )
        ],
    )  # fmt: skip
    for kinds in (["capability"], ["agent"]):
        found = await moot.search.find(text="forging swords", kinds=kinds, evidence=True, limit=1)  # type: ignore[arg-type]
        (hit,) = found.hits
        assert hit.evidence is not None
        assert len(hit.evidence) == 3
        first = hit.evidence[0]
        assert (first.chunk_id, first.mention, first.sentence) == (chunk, "forged", "It forged a sword.")
        assert (first.start_position, first.end_position, first.method) == (3, 9, "llm")
    assert (await moot.search.find(text="forging swords")).hits[0].evidence is None


async def test_facets_count_what_matches(moot: Moot) -> None:
    await chain(moot)
    await moot.agents.register(agent_id="second", name="Second", description="bakes bread", tags=["night", "guild"])
    await moot.agents.set_status(agent="second", status="busy")
    found = await moot.search.find(text="bread", facets=True, limit=1)
    assert found.facets is not None
    assert {each.value: each.items for each in found.facets.kinds} == {"agent": 2}
    assert {each.value: each.items for each in found.facets.statuses} == {"idle": 1, "busy": 1}
    assert [(each.value, each.items) for each in found.facets.tags] == [("guild", 2), ("night", 1)]
    assert (found.facets.items, found.facets.capped) == (2, False)
    narrow = await moot.search.find(text="bread", facets=True, filters=SearchFilters(tags=["night"]))
    assert narrow.facets is not None
    assert narrow.facets.items == 1
    for text, items in (("bre*", 2), ('"bakes bread" -second', 1), ("braed", 2), ("zzzz", 0), ("!!", 0)):
        counted = (await moot.search.find(text=text, mode="text", facets=True)).facets
        assert counted is not None
        assert counted.items == items, text
    everything = (await moot.search.find(text="bread", mode="vector", facets=True)).facets
    assert everything is not None
    assert everything.items == 6


async def test_facets_of_agents_alone_count_the_agents_that_their_capabilities_bring(moot: Moot) -> None:
    """A state of a capability among them would narrow the agents to nothing."""
    await moot.agents.register(agent_id="ada", name="Ada", capabilities=["Baking bread", "Slicing bread"], tags=["day"])
    found = await moot.search.find(text="bread", kinds=["agent"], facets=True)
    assert [hit.key for hit in found.hits] == ["ada"]
    assert found.facets is not None
    assert [[(each.value, each.items) for each in facet] for facet in (found.facets.kinds, found.facets.statuses)] == [
        [("agent", 1)],
        [("idle", 1)],
    ]
    assert [(each.value, each.items) for each in found.facets.tags] == [("day", 1)]


async def test_many_queries_are_answered_in_order_as_each_would_be_alone(moot: Moot) -> None:
    """A39: one transaction, one tenant."""
    await chain(moot)
    queries = [
        SearchQuery(text="bread", mode="text"),
        SearchQuery(text="grian"),
        SearchQuery(text='"ploughs fields"', limit=1),
        SearchQuery(text="bread", mode="text", graph=SearchGraph(hops=1)),
    ]
    many = await moot.search.find_many(queries=queries)
    for query, found in zip(queries, many.results, strict=True):
        given = {name: value for name, value in dict(query).items() if value is not None}
        alone = await moot.search.find(**given)
        assert (found.hits, found.notes, found.mode) == (alone.hits, alone.notes, alone.mode)
    shared = await moot.search.find_many(
        queries=[SearchQuery(text="bread"), SearchQuery(text="grain", limit=2)],
        shared=SearchQuery(kinds=["agent"], limit=1, mode="text"),
    )
    assert [names(found) for found in shared.results] == [["baker"], ["miller"]]


async def test_a_bad_query_of_many_is_named_by_its_number(moot: Moot) -> None:
    await chain(moot)
    good = SearchQuery(text="bread")
    for bad, kind, message in (
        (SearchQuery(), Invalid, "Query 1: .*give `text`"),
        (SearchQuery(text="-bread"), Invalid, "Query 1: .*leave out"),
        (SearchQuery(vector=[0.0] * 256), Invalid, "Query 1: .*zero"),
        (SearchQuery(text="x", filters=SearchFilters(agent="nobody")), NotFound, "Query 1: .*nobody"),
    ):
        with pytest.raises(kind, match=message) as refused:
            await moot.search.find_many(queries=[good, bad])
        assert refused.value.query == 1
    with pytest.raises(Invalid, match="at most 100"):
        await moot.search.find_many(queries=[good] * 101)
    with pytest.raises(Invalid, match=r"queries\.1\.text"):
        await moot.search.find_many(queries=[{"text": "a"}, {"text": "x" * 2000}])  # type: ignore[list-item]
