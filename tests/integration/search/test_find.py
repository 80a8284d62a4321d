"""Finding: words, vectors, both; filters; what leads to what; what is refused."""

import math
from decimal import Decimal

import numpy as np
import pytest

from moothill.kernel.errors import Invalid, NotFound
from moothill.kernel.identifiers import uuid7
from moothill.registry.search import SearchEntry, SearchFilters, SearchMode, SearchTouch, SearchWeights, rules

from .shelf import DIMENSIONS, Shelf


def agent(title: str, body: str = "", **more: object) -> SearchEntry:
    identifier = uuid7()
    given = {"key": title.lower().replace(" ", "-"), "status": "idle", **more}
    return SearchEntry(kind="agent", id=identifier, agent=identifier, title=title, body=body, **given)  # type: ignore[arg-type]


def capability(owner: SearchEntry, title: str, body: str = "", **more: object) -> SearchEntry:
    given = {"confidence": Decimal("0.9"), "status": "validated", **more}
    return SearchEntry(kind="capability", id=uuid7(), agent=owner.id, title=title, body=body, **given)  # type: ignore[arg-type]


async def test_a_write_is_found_by_the_next_search_in_its_transaction_and_in_another(shelf: Shelf) -> None:
    """A8, A13, A1: no view to refresh; the text vector is written by the statement itself."""
    fisher = agent("Fisher", "catches salmon with a net")
    async with shelf.writing() as search:
        await search.put([fisher], await search.vectors_of([fisher]))
        inside = await search.find(text="salmon")
        assert [hit.id for hit in inside.hits] == [fisher.id]
    for mode in ("text", "vector", "hybrid"):
        outside = await shelf.search.find(text="salmon fishing", mode=mode)
        assert [hit.id for hit in outside.hits] == [fisher.id], mode
    async with shelf.writing() as search:
        await search.remove([fisher.id])
    assert (await shelf.search.find(text="salmon")).hits == []


async def test_a_hit_says_why_it_matched(shelf: Shelf) -> None:
    cook, smith = agent("Cook", "boils soup and bakes bread"), agent("Smith", "forges iron")
    await shelf.put(cook, smith)
    found = await shelf.search.find(text="who bakes bread?", limit=2)
    first = found.hits[0]
    assert first.id == cook.id
    assert first.why.words == ["bakes", "bread"]
    assert (first.why.text_rank, first.why.vector_rank) == (1, 1)
    assert first.why.similarity is not None
    assert 0 < first.why.similarity <= 1
    assert first.snippet == "boils soup and bakes bread"
    assert first.agent is not None
    assert (first.agent.id, first.agent.agent_id, first.agent.name) == (cook.id, "cook", "Cook")
    assert (found.mode, found.exact, found.model) == ("hybrid", True, "wordllama_256")
    for hit in found.hits:
        assert hit.score == pytest.approx(
            rules.fused(hit.why.text_rank, hit.why.vector_rank, SearchWeights()), abs=1e-6
        )


async def test_what_a_capability_matches_leads_to_its_agent(shelf: Shelf) -> None:
    """A4, A27: one kind of id throughout, and a match counts for the agent however it was reached."""
    plain, able = agent("Plain", "does this and that"), agent("Able", "does this and that")
    kite = capability(able, "kite building", "builds kites out of paper")
    await shelf.put(plain, able, kite)
    lifted = await shelf.search.find(text="build a paper kite", kinds=["agent"], limit=1)
    assert [hit.id for hit in lifted.hits] == [able.id]
    through = lifted.hits[0].why.through
    assert through is not None
    assert (through.kind, through.id, through.title) == ("capability", kite.id, "kite building")
    direct = await shelf.search.find(text="build a paper kite", kinds=["capability"])
    assert [hit.id for hit in direct.hits] == [kite.id]
    assert direct.hits[0].agent is not None
    assert direct.hits[0].agent.id == able.id
    both = await shelf.search.find(text="build a paper kite", kinds=["agent", "capability"], limit=5)
    assert both.hits[0].id == kite.id


async def test_an_agent_with_many_matches_leaves_room_for_others(shelf: Shelf) -> None:
    """Hits are agents, not matches: forty capabilities of one agent do not fill the page."""
    crowded = agent("Crowded")
    others = [agent(f"Other {n}", "translates German letters into English") for n in range(5)]
    many = [capability(crowded, f"translation {n}", "translates German letters into English") for n in range(60)]
    await shelf.put(crowded, *others, *many)
    for mode in ("text", "vector", "hybrid"):
        found = await shelf.search.find(text="translate German letters", kinds=["agent"], limit=6, mode=mode)
        assert {hit.id for hit in found.hits} == {crowded.id, *(each.id for each in others)}, mode


async def test_filters_must_all_hold(shelf: Shelf) -> None:
    idle = agent("Idle baker", "bakes bread", tags=["oven", "night"])
    busy = agent("Busy baker", "bakes bread", status="busy", tags=["oven"])
    sure, unsure = capability(idle, "rye bread"), capability(idle, "wheat bread", confidence=Decimal("0.5"))
    await shelf.put(idle, busy, sure, unsure)

    async def found(mode: SearchMode, kinds: list[str] | None = None, **filters: object) -> set[object]:
        result = await shelf.search.find(
            text="bread",
            mode=mode,
            kinds=kinds,  # type: ignore[arg-type]
            filters=SearchFilters.model_validate(filters),
        )
        return {hit.id for hit in result.hits}

    for mode in ("text", "vector", "hybrid"):
        assert await found(mode, ["agent"], status=["busy"]) == {busy.id}
        assert await found(mode, ["agent"], tags=["oven", "night"]) == {idle.id}
        assert await found(mode, ["agent"], tags=["oven", "oven"]) == {idle.id, busy.id}
        assert await found(mode, ["capability"], minimum_confidence="0.8") == {sure.id}
        assert await found(mode, minimum_confidence="0.8") == {idle.id, busy.id, sure.id}
        assert await found(mode, agent="busy-baker") == {busy.id}
        assert await found(mode, agent=str(idle.id).upper()) == {idle.id, sure.id, unsure.id}
        assert await found(mode, ["agent"], status=["idle"], tags=["oven"], agent="busy-baker") == set()


async def test_touching_changes_filters_and_leaves_the_text(shelf: Shelf) -> None:
    baker = agent("Baker", "bakes bread", tags=["old"])
    await shelf.put(baker)
    async with shelf.writing() as search:
        await search.touch(
            [SearchTouch(id=baker.id, status="busy", tags=["new"]), SearchTouch(id=uuid7(), status="busy")]
        )
    for filters, expected in (
        (SearchFilters(status=["idle"]), []),
        (SearchFilters(status=["busy"]), [baker.id]),
        (SearchFilters(tags=["old"]), []),
        (SearchFilters(tags=["new"]), [baker.id]),
    ):
        assert [hit.id for hit in (await shelf.search.find(text="bread", filters=filters)).hits] == expected
    async with shelf.writing() as search:
        await search.touch([SearchTouch(id=baker.id, confidence=Decimal("0.25"))])
    (hit,) = (await shelf.search.find(text="bread")).hits
    assert (hit.status, hit.confidence) == ("busy", Decimal("0.25"))


async def test_an_empty_answer_says_which_filter_removed_everything(shelf: Shelf) -> None:
    assert "register agents" in (await shelf.search.find(text="anything")).notes[0]
    await shelf.put(agent("Baker", "bakes bread"))
    found = await shelf.search.find(text="bread", filters=SearchFilters(status=["busy"]))
    assert found.notes == ["The filter status=busy leaves none of 1 items."]
    found = await shelf.search.find(text="zebra", mode="text")
    assert found.notes == ["No item holds any word of the query."]
    with pytest.raises(NotFound, match="no agent 'nobody'"):
        await shelf.search.find(text="bread", filters=SearchFilters(agent="nobody"))


async def test_rare_words_count_for_more_than_common_ones(shelf: Shelf) -> None:
    await shelf.put(*[agent(f"Clerk {n}", "handles paper work for the office") for n in range(30)])
    rare = agent("Zoologist", "counts zebras")
    await shelf.put(rare)
    found = await shelf.search.find(text="paper work on zebras", mode="text", limit=3)
    assert found.hits[0].id == rare.id


async def test_names_of_packages_are_found_by_their_words(shelf: Shelf) -> None:
    server = agent("io.github.acme/slack-mcp-server", key="io.github.acme/slack-mcp-server")
    camel = agent("GitHubReviewer")
    await shelf.put(server, camel)
    for query, wanted in (
        ("slack", server),
        ("acme server", server),
        ("io.github.acme/slack", server),
        ("reviewer", camel),
    ):
        found = await shelf.search.find(text=query, mode="text", limit=1)
        assert [hit.id for hit in found.hits] == [wanted.id], query


@pytest.mark.parametrize(
    "hostile",
    [
        "'", "''", "\\", "a \\' b", "& | ! ( ) <-> :*", "bread' | 'x", "%s %(tenant)s", "\x01", "'; drop table x; --",
        "😀 bread", "the of and", "a" * 1000, "bread " * 150, "<b>bread</b>", "!", "   ",
    ],
)  # fmt: skip
async def test_any_text_is_only_text(shelf: Shelf, hostile: str) -> None:
    baker = agent("Baker", "bakes bread and the of and bread' x")
    await shelf.put(baker)
    for mode in ("text", "hybrid"):
        found = await shelf.search.find(text=hostile, mode=mode)
        assert {hit.id for hit in found.hits} <= {baker.id}


async def test_a_query_of_stop_words_alone_is_searched_as_it_stands(shelf: Shelf) -> None:
    band = agent("The Who", "a band")
    await shelf.put(band, agent("Baker", "bakes"))
    found = await shelf.search.find(text="the who", mode="text")
    assert [hit.id for hit in found.hits] == [band.id]


async def test_bad_queries_are_refused_clearly(shelf: Shelf) -> None:
    for arguments, message in (
        ({}, "give `text`, or `vector`"),
        ({"text": "x" * 100_000}, "at most 1000 characters"),
        ({"text": ""}, "at least 1 character"),
        ({"text": "a\x00b"}, "NUL"),
        ({"text": "x", "limit": 101}, "less than or equal to 100"),
        ({"text": "x", "limit": 0}, "greater than or equal to 1"),
        ({"text": "x", "kinds": ["agents"]}, "agent"),
        ({"vector": [0.0] * DIMENSIONS}, "zero"),
        ({"vector": [math.nan] * DIMENSIONS}, "finite"),
        ({"vector": [1.0, 2.0, 3.0]}, "3 dimensions; the model wordllama_256 has 256"),
        ({"vector": [1.0] * DIMENSIONS, "mode": "text"}, "give `text`"),
        ({"text": "x", "filters": {"minimum_confidence": 2}}, "less than or equal to 1"),
        ({"text": "x", "filters": {"state": ["idle"]}}, "Extra inputs"),
    ):
        with pytest.raises(Invalid, match=message):
            await shelf.search.find(**arguments)


async def test_a_vector_of_the_callers_own_is_searched_with(shelf: Shelf) -> None:
    east, north = np.zeros(DIMENSIONS), np.zeros(DIMENSIONS)
    east[0], north[1] = 1, 1
    first, second = await shelf.put_points([east, north])
    found = await shelf.search.find(vector=[5.0, 1.0, *[0.0] * (DIMENSIONS - 2)], limit=2)
    assert [hit.id for hit in found.hits] == [first, second]
    assert found.mode == "vector"
    assert found.hits[0].why.similarity == pytest.approx(5 / math.sqrt(26), abs=1e-3)


async def test_a_text_without_a_vector_is_found_by_its_words(shelf: Shelf) -> None:
    odd = SearchEntry(kind="record", id=uuid7(), title="12")
    async with shelf.writing() as search:
        vectors = await search.vectors_of([odd])
        await search.put([odd], type(vectors)(vectors.model, [None]))
    assert [hit.id for hit in (await shelf.search.find(text="12")).hits] == [odd.id]
    assert (await shelf.search.status()).vectors == 0


async def test_what_is_like_an_item_leaves_out_the_item(shelf: Shelf) -> None:
    owner = agent("Owner")
    bread, cake, iron = (
        capability(owner, "baking bread"), capability(owner, "baking cake"), capability(owner, "forging iron")
    )  # fmt: skip
    await shelf.put(owner, bread, cake, iron)
    async with shelf.writing() as search:
        found = await search.similar(asked=await search.question_like(), kind="capability", item=bread.id, limit=2)
    assert [hit.id for hit in found.hits] == [cake.id, iron.id]
    async with shelf.writing() as search:
        asked = await search.question(text="bake a cake", mode="vector")
        found = await search.similar(asked=asked, kind="capability", limit=1)
    assert [hit.id for hit in found.hits] == [cake.id]


async def test_writing_the_same_entry_again_changes_nothing(shelf: Shelf) -> None:
    baker = agent("Baker", "bakes bread", tags=["a", "b"])
    await shelf.put(baker)
    before = await shelf.search.status()
    await shelf.put(baker)
    assert await shelf.search.status() == before
    changed = SearchEntry(kind="agent", id=baker.id, agent=baker.id, title="Baker", body="forges iron", tags=["b"])
    await shelf.put(changed)
    assert (await shelf.search.find(text="bread", mode="text")).hits == []
    assert [hit.id for hit in (await shelf.search.find(text="iron", filters=SearchFilters(tags=["b"]))).hits] == [
        baker.id
    ]
    assert (await shelf.search.find(text="iron", filters=SearchFilters(tags=["a"]))).hits == []
