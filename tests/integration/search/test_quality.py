"""Feedback, judged sets and what is measured by them."""

import asyncio
import json
from uuid import uuid4

import pytest
import pytest_asyncio

from moothill.kernel.errors import Forbidden, Invalid, NotFound
from moothill.moot import Moot
from moothill.registry.search.quality.feedback import NotAHit, SearchSessionNotFound
from moothill.registry.search.quality.judging import JudgedSetNotFound, JudgementsRefused
from moothill.registry.search.quality.models import NewJudgement
from moothill.registry.search.sessions.recorder import recorder_of

from .shelf import Shelf

ANIMALS = {"otter": "swims in rivers", "beaver": "builds dams in rivers", "falcon": "flies over fields"}


@pytest_asyncio.fixture
async def zoo(shelf: Shelf) -> Shelf:
    for key, does in ANIMALS.items():
        await shelf.moot.agents.register(agent_id=key, name=key.title(), description=f"{key.title()} {does}.")
    return shelf


async def test_feedback_names_a_search_and_a_hit_and_is_kept_once(zoo: Shelf) -> None:
    found = await zoo.search.find(text="rivers", mode="text")
    assert found.session is not None
    second = found.hits[1]
    given = [await zoo.moot.search.feedback(session=found.session, item=second.id, verdict="chosen") for _ in range(2)]
    assert [(each.position, each.new) for each in given] == [(2, True), (2, False)]
    also = await zoo.moot.search.feedback(session=found.session, item=second.id, verdict="clicked")
    assert also.new
    events = await zoo.moot.events.list(subject=second.id)
    assert [event.kind for event in events.items].count("search.feedback_given") == 2


async def test_feedback_given_many_times_at_once_is_kept_once(zoo: Shelf) -> None:
    found = await zoo.search.find(text="rivers", mode="text")
    assert found.session is not None
    given = await asyncio.gather(
        *(zoo.moot.search.feedback(session=found.session, item=found.hits[0].id, verdict="rejected") for _ in range(8))
    )
    assert sorted(each.new for each in given) == [False] * 7 + [True]


async def test_feedback_on_what_was_not_found_is_refused(zoo: Shelf, other_shelf: Shelf) -> None:
    found = await zoo.search.find(text="falcon", mode="text")
    assert found.session is not None
    with pytest.raises(NotAHit):
        await zoo.moot.search.feedback(session=found.session, item=uuid4(), verdict="clicked")
    with pytest.raises(SearchSessionNotFound, match="try again in a second"):
        await zoo.moot.search.feedback(session=uuid4(), item=found.hits[0].id, verdict="clicked")
    with pytest.raises(NotFound):
        await other_shelf.moot.search.feedback(session=found.session, item=found.hits[0].id, verdict="clicked")


async def test_an_agent_says_something_of_its_own_searches_only(zoo: Shelf) -> None:
    found = await zoo.search.find(text="rivers", mode="text")
    assert found.session is not None
    with pytest.raises(SearchSessionNotFound):
        await zoo.moot.view_as("otter").search.feedback(session=found.session, item=found.hits[0].id, verdict="clicked")


async def test_judgements_are_stored_whole_or_not_at_all(zoo: Shelf) -> None:
    search = zoo.moot.search
    lines = [
        {"query": "rivers", "item": "otter", "grade": 3},
        {"query": "Rivers ", "item": "beaver", "grade": 2},
        {"query": "rivers", "item": "unicorn", "grade": 1},
    ]
    content = "\n".join(map(json.dumps, lines))
    with pytest.raises(JudgementsRefused, match="unicorn") as refused:
        await search.judge(judged_set="zoo", content=content)
    assert refused.value.context["problems"][0]["line"] == 3
    assert await search.judged_sets() == []
    preview = await search.judge(judged_set="zoo", content=content, dry_run=True)
    assert (preview.preview, preview.queries, preview.stored, preview.problems_total) == (True, 1, 2, 1)
    assert await search.judged_sets() == []
    stored = await search.judge(judged_set="zoo", content=content, skip_bad=True)
    assert (stored.stored, stored.unchanged) == (2, 0)
    again = await search.judge(judged_set="zoo", content=content, skip_bad=True)
    assert (again.stored, again.unchanged) == (0, 2)
    changed = await search.judge(judged_set="zoo", judgements=[NewJudgement(query="rivers", item="otter", grade=1)])
    assert changed.stored == 1
    (one,) = await search.judged_sets()
    assert (one.judged_set, one.queries, one.judgements) == ("zoo", 1, 2)
    page = await search.judgements(judged_set="zoo", limit=1)
    rest = await search.judgements(judged_set="zoo", limit=1, cursor=page.next)
    assert sorted((each.title, each.grade) for each in (*page.items, *rest.items)) == [("Beaver", 2), ("Otter", 1)]


async def test_a_set_is_removed_after_a_look_at_what_goes(zoo: Shelf) -> None:
    search = zoo.moot.search
    await search.judge(judged_set="zoo", judgements=[NewJudgement(query="rivers", item="otter", grade=3)])
    plan = await search.forget_judgements.plan(judged_set="zoo")
    assert plan.counts == {"queries": 1, "judgements": 1}
    gone = await search.forget_judgements(judged_set="zoo")
    assert (gone.queries, gone.judgements) == (1, 1)
    for call in (search.forget_judgements, search.forget_judgements.plan, search.evaluate):
        with pytest.raises(JudgedSetNotFound):
            await call(judged_set="zoo")


async def test_judgements_are_drawn_from_feedback_by_the_stated_rule(zoo: Shelf) -> None:
    """Chosen 3, clicked 1, rejected 0; the mean of what the searches of a query say; nothing of what nobody touched."""
    search = zoo.moot.search
    for verdicts in ({"otter": "chosen", "beaver": "clicked"}, {"otter": "rejected", "beaver": "clicked"}):
        found = await zoo.search.find(text="rivers", mode="text")
        assert found.session is not None
        for hit in found.hits:
            if hit.key in verdicts:
                await search.feedback(session=found.session, item=hit.id, verdict=verdicts[hit.key])  # type: ignore[arg-type]
    derived = await search.derive_judgements(judged_set="drawn")
    assert (derived.queries, derived.stored, derived.lost) == (1, 2, 0)
    drawn = (await search.judgements(judged_set="drawn")).items
    assert {(each.title, each.grade, each.source) for each in drawn} == {
        ("Otter", 2, "feedback"),
        ("Beaver", 1, "feedback"),
    }
    assert (await search.derive_judgements(judged_set="drawn")).stored == 0
    assert (await search.derive_judgements(judged_set="strict", least=3)).stored == 0


async def test_a_grade_that_somebody_gave_stays_whatever_feedback_says(zoo: Shelf) -> None:
    """A person's judgement is worth more than clicks; what they leave open is filled in from feedback."""
    search = zoo.moot.search
    await search.judge(judged_set="both", judgements=[NewJudgement(query="rivers", item="otter", grade=0)])
    found = await zoo.search.find(text="rivers", mode="text")
    assert found.session is not None
    for hit in found.hits:
        await search.feedback(session=found.session, item=hit.id, verdict="chosen")

    async def grades() -> set[tuple[str | None, int, str]]:
        return {(each.title, each.grade, each.source) for each in (await search.judgements(judged_set="both")).items}

    assert (await search.derive_judgements(judged_set="both")).stored == 1
    assert await grades() == {("Otter", 0, "given"), ("Beaver", 3, "feedback")}
    # What feedback said may be taken over by a person, and stays then, too.
    await search.judge(judged_set="both", judgements=[NewJudgement(query="rivers", item="beaver", grade=3)])
    assert (await search.derive_judgements(judged_set="both")).stored == 0
    assert await grades() == {("Otter", 0, "given"), ("Beaver", 3, "given")}


async def test_an_evaluation_tells_the_figures_of_each_mode(zoo: Shelf) -> None:
    search = zoo.moot.search
    given = [
        NewJudgement(query="rivers", item="otter", grade=3, kinds=["agent"]),
        NewJudgement(query="rivers", item="beaver", grade=3),
        NewJudgement(query="zebra", item="falcon", grade=1),
        NewJudgement(query="fields", item="otter", grade=0),
    ]
    await search.judge(judged_set="zoo", judgements=given)
    before = len((await search.sessions(limit=100)).items)
    told = await search.evaluate(judged_set="zoo", detail=True)
    assert (told.queries, told.skipped, told.missing) == (2, 1, 0)
    assert [each.mode for each in told.modes] == ["text", "vector", "hybrid"]
    by_words = told.modes[0]
    # The words find both animals of rivers, and nothing of the other query.
    assert (by_words.ndcg, by_words.recall, by_words.mrr, by_words.precision) == (0.5, 0.5, 0.5, 0.1)
    assert len(told.detail) == 6
    assert told.detail[0].ndcg == min(each.ndcg for each in told.detail)
    assert by_words.p95_ms >= by_words.p50_ms > 0
    await recorder_of(zoo.executor.runtime).flush()
    assert len((await search.sessions(limit=100)).items) == before, "measuring is nobody's search"
    (only,) = (await search.evaluate(judged_set="zoo", modes=["text"], queries=1)).modes
    assert only.mode == "text"


async def test_judged_items_that_went_do_not_count(zoo: Shelf) -> None:
    search = zoo.moot.search
    await search.judge(
        judged_set="zoo",
        judgements=[
            NewJudgement(query="rivers", item="otter", grade=3),
            NewJudgement(query="rivers", item="beaver", grade=3),
            NewJudgement(query="fields", item="falcon", grade=3),
        ],
    )
    for agent in ("beaver", "falcon"):
        await zoo.moot.agents.deactivate(agent=agent)
    told = await search.evaluate(judged_set="zoo", modes=["text"])
    assert (told.queries, told.skipped, told.missing) == (1, 1, 2)
    assert told.modes[0].recall == 1


async def test_judging_needs_its_scope_and_names_its_faults(zoo: Shelf) -> None:
    key = await zoo.moot.keys.create(name="reader", scopes=["search:read"])
    reader: Moot = zoo.moot.with_key(key.secret)
    with pytest.raises(Forbidden):
        await reader.search.judge(judged_set="zoo", judgements=[])
    with pytest.raises(Invalid, match="content"):
        await zoo.moot.search.judge(judged_set="zoo")
    with pytest.raises(Invalid, match="judged_set"):
        await zoo.moot.search.judge(judged_set="Not A Name", judgements=[])


@pytest.mark.parametrize(
    ("query", "item", "named"),
    [
        ("a\x00b", "otter", "NUL"),
        ("rivers", "ot\x00ter", "NUL"),
        ("-rivers", "otter", "only what to leave out"),
        (" ".join(f'"p{n}"' for n in range(11)), "otter", "11 phrases"),
    ],
)
async def test_a_judged_query_that_cannot_be_asked_is_named_by_its_line(
    zoo: Shelf, query: str, item: str, named: str
) -> None:
    """One of them would stop every evaluation of its set."""
    sound = json.dumps({"query": "rivers", "item": "beaver", "grade": 3})
    content = f"{sound}\n{json.dumps({'query': query, 'item': item, 'grade': 1})}"
    with pytest.raises(JudgementsRefused, match=f"1 of 2 .* line 2, .*{named}"):
        await zoo.moot.search.judge(judged_set="zoo", content=content)
    report = await zoo.moot.search.judge(judged_set="zoo", content=content, skip_bad=True)
    assert (report.stored, report.problems_total) == (1, 1)
    assert (await zoo.moot.search.evaluate(judged_set="zoo", modes=["text"])).queries == 1
