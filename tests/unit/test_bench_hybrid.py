"""The benchmark of hybrid search: what it judges by, without loading or searching anything."""

from collections import Counter

from moothill.bench import hybrid
from moothill.bench.crowd import crowd
from moothill.demo import load_judged, load_society
from moothill.doors.cli.commands.bench import BENCHES


def test_it_is_offered_with_the_targets_of_the_design() -> None:
    assert "hybrid" in BENCHES
    assert [size[:3] for size in hybrid._SIZES["full"]] == [(10_000, 1_000, 5.0), (100_000, 10_000, 10.0)]
    assert hybrid._PRECISION == 0.9


def test_a_crowd_is_the_same_for_the_same_seed_and_has_the_size_that_was_asked_for() -> None:
    made = crowd(300, 30, seed=1)
    assert (made.agents, made.crafts) == (crowd(300, 30, seed=1).agents, crowd(300, 30, seed=1).crafts)
    assert made.agents != crowd(300, 30, seed=2).agents
    assert (len(made.agents), len(made.crafts), sum(len(each.capabilities) for each in made.agents)) == (300, 300, 30)


def test_each_query_has_far_more_answers_than_ten_and_they_are_the_demos_own() -> None:
    """Precision at ten says nothing where fewer than ten items are relevant."""
    made = crowd(10_000, 1_000, seed=1)
    many = Counter(made.crafts)
    judged = {query.text: query.capabilities for query in load_judged() if query.tenant == "default"}
    assert made.queries == judged
    for text, grades in made.queries.items():
        assert sum(many[craft] for craft in grades) >= 50, text


def test_no_text_of_a_crowd_is_only_about_something_else() -> None:
    """A passing mention of another craft stands beside what the agent does, never instead of it."""
    crafts = {
        f"{agent.key}/{one.key}": one for agent in load_society().of("default").agents for one in agent.capabilities
    }
    made = crowd(200, 20, seed=3)
    for entry, craft in zip(made.agents, made.crafts, strict=True):
        own = crafts[craft]
        texts = [own.description, *(each.sentence for each in own.evidence)]
        assert any(text in entry.description for text in texts)
