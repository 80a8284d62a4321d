"""Phrases, beginnings, exclusions, and words that were misspelt."""

import asyncio
from decimal import Decimal

import psycopg
import pytest

from moothill.database.embedded import EmbeddedServer
from moothill.kernel.errors import Invalid
from moothill.kernel.identifiers import uuid7
from moothill.registry.search import SearchEntry, SearchMode
from tests.conftest import DATABASE

from .shelf import Shelf, points
from .test_find import agent, capability

MODES: tuple[SearchMode, ...] = ("text", "vector", "hybrid")


async def found(shelf: Shelf, text: str, mode: SearchMode = "text", **more: object) -> list[object]:
    return [hit.id for hit in (await shelf.search.find(text=text, mode=mode, **more)).hits]  # type: ignore[arg-type]


async def vocabulary(server: EmbeddedServer, shelf: Shelf) -> set[str]:
    async with await psycopg.AsyncConnection.connect(server.dsn("admin", DATABASE)) as connection:
        cursor = await connection.execute(
            "select word from moothill.search_vocabulary where tenant_id = %s", [shelf.tenant]
        )
        return {row[0] for row in await cursor.fetchall()}


async def test_a_phrase_must_stand_there_word_after_word(shelf: Shelf) -> None:
    planner = agent("Planner", "draws up a capacity plan every month")
    other = agent("Other", "plans things; capacity is not its business, nor is a plan for it")
    named = agent("Plan capacity", "")
    stops = agent("Stops", "the plan of the capacity of the plant")
    await shelf.put(planner, other, named, stops)
    for mode in MODES:
        assert await found(shelf, '"capacity plan"', mode) == [planner.id], mode
        assert await found(shelf, '"capacity planning" month', mode) == [planner.id], mode
        assert await found(shelf, '"plan of the capacity"', mode) == [stops.id], mode
        # The name is read twice, as stems and as it stands; no phrase reaches from one into the other.
        assert await found(shelf, '"plan capacity"', mode) == [named.id], mode
        assert await found(shelf, '"capacity plan" "business"', mode) == [], mode
    assert len(await found(shelf, "capacity plan")) == 4


async def test_a_phrase_of_stop_words_is_looked_for_as_it_stands(shelf: Shelf) -> None:
    band = agent("The Who", "a band")
    await shelf.put(band, agent("Who the", "bakes"))
    assert await found(shelf, '"the who"') == [band.id]


async def test_the_beginning_of_a_word_finds_every_word_that_begins_so(shelf: Shelf) -> None:
    kube, kuber = agent("Pods", "runs kubernetes clusters"), agent("Kubera", "counts coins")
    await shelf.put(kube, kuber, agent("Cook", "boils soup"))
    assert set(await found(shelf, "kube*")) == {kube.id, kuber.id}
    assert set(await found(shelf, "KUBERN*")) == {kube.id}
    assert await found(shelf, "kubx*") == []
    hit = (await shelf.search.find(text="coin* kubern*", mode="text")).hits[0]
    assert hit.why.words in (["coin*"], ["kubern*"])


async def test_what_holds_an_excluded_word_is_left_out_however_it_was_found(shelf: Shelf) -> None:
    rye, wheat = agent("Rye baker", "bakes bread"), agent("Wheat baker", "bakes bread")
    secret = capability(wheat, "baking rye bread")
    await shelf.put(rye, wheat, secret)
    for mode in MODES:
        assert set(await found(shelf, "bread -rye", mode)) == {wheat.id}, mode
        assert set(await found(shelf, "bread -baker", mode)) == {secret.id}, mode
        assert set(await found(shelf, 'bread -"rye bread"', mode)) == {rye.id, wheat.id}, mode
        # An agent is found through its capabilities too; neither may hold the word.
        assert await found(shelf, "bread -rye", mode, kinds=["agent"]) == [wheat.id], mode
        assert await found(shelf, "bread -wheat", mode, kinds=["agent"]) == [rye.id], mode
    with pytest.raises(Invalid, match="only what to leave out"):
        await shelf.search.find(text="-rye")


async def test_conditions_hold_in_a_partition_with_an_index(shelf: Shelf) -> None:
    await shelf.put_points(points(60, seed=5), body="bulk")
    wanted = SearchEntry(kind="record", id=uuid7(), title="Needle", body="capacity plan")
    await shelf.put(wanted)
    await shelf.arrange(50)
    assert await shelf.place() == "own"
    assert await found(shelf, '"capacity plan"', "vector") == [wanted.id]
    assert await found(shelf, "needle -bulk", "vector", limit=50) == [wanted.id]


@pytest.mark.parametrize("slip", ["kubernetse", "kuberentes", "kuberneets", "kubernettes", "kubermetes", "kuebrentes"])
async def test_a_misspelt_word_is_corrected_and_said(shelf: Shelf, slip: str) -> None:
    pods = agent("Pods", "runs kubernetes clusters")
    await shelf.put(pods, agent("Cook", "boils soup"))
    for mode in ("text", "hybrid"):
        result = await shelf.search.find(text=f"{slip} clusters", mode=mode)
        assert result.hits[0].id == pods.id
        (made,) = result.hits[0].why.corrected
        assert (made.asked, made.used) == (slip, "kubernetes")
        assert f"No item holds '{slip}'; 'kubernetes' was looked for instead." in result.notes
    alone = await shelf.search.find(text=slip, mode="text")
    assert [hit.id for hit in alone.hits] == [pods.id]


async def test_a_word_that_is_found_is_not_corrected(shelf: Shelf) -> None:
    await shelf.put(agent("Bread", "bakes bread"), agent("Breed", "breeds dogs"))
    result = await shelf.search.find(text="breed", mode="text")
    assert [hit.title for hit in result.hits] == ["Breed"]
    assert result.notes == []
    assert (await shelf.search.find(text="xylophone", mode="text")).notes == ["No item holds any word of the query."]


async def test_trigrams_are_used_where_the_server_has_them(server: EmbeddedServer, shelf: Shelf) -> None:
    """pg_trgm is no part of the embedded server: a function of its name stands in for it."""
    await shelf.put(agent("Office", "administration of buildings"))
    assert await found(shelf, "adminxxtratxon") == []
    async with await psycopg.AsyncConnection.connect(server.dsn("admin", DATABASE), autocommit=True) as connection:
        await connection.execute(
            "create function public.similarity(a text, b text) returns float4 language sql immutable "
            "return case when left(a, 4) = left(b, 4) then 0.6 else 0.1 end"
        )
        try:
            result = await shelf.search.find(text="adminxxtratxon", mode="text")
        finally:
            await connection.execute("drop function public.similarity(text, text)")
    assert [hit.title for hit in result.hits] == ["Office"]
    assert result.hits[0].why.corrected[0].used == "administration"


async def test_a_word_that_nothing_holds_any_more_is_neither_used_nor_kept(
    server: EmbeddedServer, shelf: Shelf
) -> None:
    baker = agent("Baker", "bakes pumpernickel")
    smith = agent("Smith", "forges iron")
    await shelf.put(baker, smith)
    assert {"pumpernickel", "baker", "iron"} <= await vocabulary(server, shelf)
    async with shelf.writing() as search:
        await search.remove([baker.id])
    assert (await shelf.search.find(text="pumpernickle", mode="text")).hits == []
    async with shelf.writing() as search:
        assert await search.sweep() == 3
    assert await vocabulary(server, shelf) == {"smith", "forges", "iron"}


async def test_sweeping_waits_for_whoever_is_writing_a_word(server: EmbeddedServer, shelf: Shelf) -> None:
    """A writer that saw the word there did not add it: the sweeper must see the writer's item."""
    baker = agent("Baker", "bakes pumpernickel")
    await shelf.put(baker)
    async with shelf.writing() as search:
        await search.remove([baker.id])
    again = agent("Again", "bakes pumpernickel")
    written, swept = asyncio.Event(), asyncio.Event()

    async def write() -> None:
        async with shelf.writing() as search:
            await search.put([again], await search.vectors_of([again]))
            written.set()
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(swept.wait(), 0.3)

    async def sweep() -> None:
        await written.wait()
        async with shelf.writing() as search:
            await search.sweep()
        swept.set()

    await asyncio.gather(write(), sweep())
    assert {"again", "bakes", "pumpernickel"} <= await vocabulary(server, shelf)
    assert await found(shelf, "pumpernickle") == [again.id]


async def test_writers_of_one_new_word_do_not_wait_for_each_other(shelf: Shelf) -> None:
    first, second = agent("First", "zymurgy"), agent("Second", "zymurgy")
    await shelf.put(agent("Before"))
    written, done = asyncio.Event(), asyncio.Event()

    async def slow() -> None:
        async with shelf.writing() as search:
            await search.put([first], await search.vectors_of([first]))
            written.set()
            await asyncio.wait_for(done.wait(), 10)

    async def quick() -> None:
        await written.wait()
        await shelf.put(second)
        done.set()

    await asyncio.gather(slow(), quick())
    assert set(await found(shelf, "zymurg*")) == {first.id, second.id}


async def test_corrections_and_beginnings_know_no_other_tenants_words(shelf: Shelf, other_shelf: Shelf) -> None:
    """A23: what another tenant's texts hold shows in no correction, no beginning, no count."""
    await shelf.put(agent("Baker", "bakes bread"))
    before = [
        await shelf.search.find(text=text, mode="text") for text in ("kuberentes", "kubern*", "breda", "bre*", "brxad")
    ]
    await other_shelf.put(
        agent("Pods", "runs kubernetes clusters and breda"), *[agent(f"Breda {n}", "breed breda") for n in range(5)]
    )
    after = [
        await shelf.search.find(text=text, mode="text") for text in ("kuberentes", "kubern*", "breda", "bre*", "brxad")
    ]
    assert [(r.hits, r.notes) for r in before] == [(r.hits, r.notes) for r in after]


@pytest.mark.parametrize(
    "hostile",
    ['"' * 1000, '"\'" -"\\" a*', '"<->" | & !(', '-"a" -b c:*', "x* " * 9 + '"y"', '"a' + "'" * 50 + '"', 'é* "ß"'],
)
async def test_marks_are_text_to_the_database(shelf: Shelf, hostile: str) -> None:
    await shelf.put(agent("Baker", "bakes bread"))
    for mode in MODES:
        assert len((await shelf.search.find(text=hostile, mode=mode)).hits) <= 1


async def test_too_many_marks_and_too_long_texts_are_refused(shelf: Shelf) -> None:
    for text, message in (
        (" ".join(f'"a{n} b"' for n in range(11)), "11 phrases"),
        ("x" * 100_000, "at most 1000 characters"),
        ('"' * 10_000, "at most 1000 characters"),
        ('"a\x00b"', "NUL"),
    ):
        with pytest.raises(Invalid, match=message):
            await shelf.search.find(text=text)


async def test_filters_and_phrases_hold_together(shelf: Shelf) -> None:
    owner = agent("Owner")
    sure = capability(owner, "capacity plan", confidence=Decimal("0.9"))
    unsure = capability(owner, "capacity plan two", confidence=Decimal("0.5"))
    await shelf.put(owner, sure, unsure)
    result = await shelf.search.find(text='"capacity plan"', filters={"minimum_confidence": "0.8"})  # type: ignore[arg-type]
    assert [hit.id for hit in result.hits] == [sure.id]


@pytest.mark.parametrize(
    ("words", "finders"),
    [
        ({"a": 10, "b": 100}, ["'a' | 'b'", "'a' | 'b'"]),
        ({"a": 10, "b": 300, "c": 2000, "d": 0}, ["'a' | 'b' & 'c'", "'a' | 'b'"]),
        ({"b": 300, "c": 400}, ["'b' & 'c'", "'b' | 'c'"]),
        ({"b": 300}, ["'b'", "'b'"]),
        ({"c": 2000, "e": 3000}, ["'c' & 'e'", "'c' & 'e'", "'c' | 'e'"]),
        ({"c": 2000}, ["'c'", "'c'", "'c'"]),
    ],
)
async def test_rare_words_find_alone_and_others_by_twos(
    server: EmbeddedServer, words: dict[str, int], finders: list[str]
) -> None:
    """What every word of a long query finds is thousands of items, of which a few hundred are worth ranking."""
    async with await psycopg.AsyncConnection.connect(server.dsn("admin", DATABASE)) as connection:
        cursor = await connection.execute(
            "select moothill.search_finders(%s::tsquery[], %s, 200, 1000)::text[]",
            [[f"'{word}'" for word in words], list(words.values())],
        )
        assert await cursor.fetchone() == (finders,)
