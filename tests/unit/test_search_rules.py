"""Arithmetic of search."""

import math
import subprocess
import sys
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moothill.registry.relationships.models import TYPES
from moothill.registry.search import SearchFilters, SearchWeights, rules
from moothill.registry.search.models import Lost, RelationshipTypeName

ranks = st.none() | st.integers(min_value=1, max_value=1000)
weights = st.builds(
    SearchWeights, text=st.floats(min_value=0, max_value=10), vector=st.floats(min_value=0, max_value=10)
)
numbers = st.floats(allow_nan=False, allow_infinity=False, width=32)


def lost(**counts: object) -> Lost:
    every: dict[str, object] = dict.fromkeys(
        ("items", "with_words", "of_kinds", "in_states", "with_tags", "confident", "of_agent"), 10
    )
    return Lost.model_validate({**every, "agent_known": True, **counts})


def explained(found: Lost, *, text: str | None = "x", kinds: list[str] | None = None, **filters: object) -> str:
    return " ".join(rules.explain_nothing(found, text=text, kinds=kinds, filters=SearchFilters.model_validate(filters)))


def test_fusing_two_first_places_gives_the_known_score() -> None:
    """1/(60+1) + 1/(60+1), as in the paper that introduced reciprocal rank fusion."""
    assert rules.fused(1, 1, SearchWeights()) == pytest.approx(2 / 61)
    assert rules.fused(None, 3, SearchWeights()) == pytest.approx(1 / 63)
    assert rules.fused(None, None, SearchWeights()) == 0


@given(ranks, ranks, weights)
def test_a_better_rank_never_lowers_the_score(
    text: int | None, vector: int | None, given_weights: SearchWeights
) -> None:
    score = rules.fused(text, vector, given_weights)
    assert score >= rules.fused(text + 1 if text else None, vector, given_weights)
    assert score >= rules.fused(None, vector, given_weights)
    assert score <= (given_weights.text + given_weights.vector) / (rules.SMOOTHING + 1) + 1e-12


@given(st.lists(numbers, min_size=1, max_size=40))
def test_a_unit_vector_keeps_its_direction(values: list[float]) -> None:
    if max(map(abs, values)) < 1e-12:
        with pytest.raises(rules.VectorRefused, match="zero"):
            rules.unit_vector(values, dimensions=len(values), model="m")
        return
    unit = rules.unit_vector(values, dimensions=len(values), model="m")
    assert math.hypot(*unit) == pytest.approx(1, abs=1e-5)
    assert all(math.copysign(1, a) == math.copysign(1, b) for a, b in zip(values, unit, strict=True) if b)


def test_huge_numbers_do_not_overflow() -> None:
    assert rules.unit_vector([1e300, 1e300], dimensions=2, model="m") == pytest.approx([0.5**0.5, 0.5**0.5])


def test_a_vector_of_another_model_is_refused_with_both_dimensions() -> None:
    with pytest.raises(rules.VectorRefused, match=r"3 dimensions; the model m_256 has 256"):
        rules.unit_vector([1, 2, 3], dimensions=256, model="m_256")


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_vector_with_nan_or_infinity_is_refused(bad: float) -> None:
    with pytest.raises(rules.VectorRefused, match="NaN or an infinite"):
        rules.unit_vector([1.0, bad], dimensions=2, model="m")


def test_names_are_searched_by_their_words() -> None:
    assert rules.spoken("io.github.acme/slack-mcp_server").split() == ["io", "github", "acme", "slack", "mcp", "server"]
    assert rules.spoken("version 1.2, read/write. Next").split() == ["version", "1", "2,", "read", "write.", "Next"]
    assert "Git" in rules.spoken_name("GitHubTool").split()
    assert "GitHubTool" in rules.spoken_name("GitHubTool").split()
    assert rules.spoken("ﬁle") == "file"


def test_the_digest_is_that_of_what_is_embedded() -> None:
    assert rules.embedding_text("Name", "") == "Name"
    assert rules.embedding_text("Name", "What it does") == "Name. What it does"
    assert rules.digest("a", "b") == rules.digest("a", "b")
    assert rules.digest("a", "b") != rules.digest("a", "c")
    assert rules.digest("a", "\ud800")


def test_lists_are_deeper_when_they_are_fused() -> None:
    assert rules.depth(10, "text") == rules.depth(10, "vector") == 10
    assert rules.depth(10, "hybrid") == 50


def test_a_larger_graph_is_searched_harder() -> None:
    efforts = [rules.effort(size) for size in (100, 10_000, 10_001, 50_000, 100_000, 1_000_000)]
    assert efforts == [40, 40, 50, 60, 60, 160]


@pytest.mark.parametrize(
    ("place", "vectors", "due"),
    [
        ("shared", 2_000, None),
        ("shared", 2_001, "own"),
        ("own", 1_000, None),
        ("own", 999, "shared"),
        ("copying", 5_000, None),
        ("own", 2_000, None),
    ],
)
def test_a_tenant_moves_at_the_threshold_and_back_at_half_of_it(place: str, vectors: int, due: str | None) -> None:
    assert rules.place_due(place, vectors, 2_000) == due


@given(st.text(max_size=2000), st.lists(st.text(min_size=1, max_size=10), max_size=4))
def test_a_snippet_is_a_part_of_the_text(body: str, words: list[str]) -> None:
    cut = rules.snippet(body, words)
    assert len(cut) <= 242
    assert cut.strip("…") in " ".join(body.split())


def test_a_snippet_shows_the_first_word_that_matched() -> None:
    body = "word " * 200 + "the needle is here " + "word " * 200
    assert "needle" in rules.snippet(body, ["needle"])
    assert rules.snippet(body, ["absent"]).startswith("word")
    at_the_end = rules.snippet("word " * 200 + "needle", ["needle"])
    assert at_the_end.startswith("…")
    assert at_the_end.endswith("needle")
    assert rules.snippet(body, []).endswith("…")
    assert rules.snippet("x" * 500, ["x"]).startswith("x")


def test_an_empty_answer_names_the_filter_that_removed_everything() -> None:
    assert "register agents" in explained(lost(items=0))
    assert "status=busy leaves none of 10 items" in explained(lost(in_states=0), status=["busy"])
    assert "kinds=task leaves 3 of 10" in explained(lost(of_kinds=3), kinds=["task"])
    assert "No item holds any word" in explained(lost(with_words=0))
    both = explained(lost(with_tags=2, confident=3), tags=["a"], minimum_confidence="0.9")
    assert "No item passes all of them" in both
    assert "agent=x leaves 1 of 10" in explained(lost(of_agent=1), agent="x")
    assert explained(lost(), text=None) == "Nothing matches."


def test_the_types_of_relationships_are_those_of_their_subsystem() -> None:
    assert get_args(RelationshipTypeName) == TYPES


@pytest.mark.parametrize("module", ["search", "relationships", "agents", "capabilities"])
def test_each_of_the_registrys_subsystems_can_be_imported_first(module: str) -> None:
    """They lead to each other; whichever is asked for first must find the others."""
    subprocess.run([sys.executable, "-c", f"import moothill.registry.{module}"], check=True, timeout=60)
