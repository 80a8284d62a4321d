"""Measures of a ranked list, against published vectors and as properties; grades from feedback; reading files."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moothill.registry.search.quality import rules

ranked = st.lists(st.integers(0, 30), unique=True, max_size=15)
judgements = st.dictionaries(st.integers(0, 30), st.integers(0, 3), max_size=20)


def test_dcg_is_that_of_the_worked_example() -> None:
    """Jaervelin and Kekaelaeinen's measure on Wikipedia's worked example (Discounted cumulative gain)."""
    assert rules.dcg([3, 2, 3, 0, 1, 2], 6) == pytest.approx(6.861, abs=5e-4)
    assert rules.dcg([3, 3, 3, 2, 2, 2], 6) == pytest.approx(8.740, abs=5e-4)


def test_ndcg_is_that_of_the_worked_example() -> None:
    """The same page: six documents, two more that were not found, nDCG at 6 of 0.785."""
    judged = {"D1": 3, "D2": 2, "D3": 3, "D4": 0, "D5": 1, "D6": 2, "D7": 3, "D8": 2}
    assert rules.ndcg(["D1", "D2", "D3", "D4", "D5", "D6"], judged, 6) == pytest.approx(0.785, abs=5e-4)


def test_dcg_is_that_of_jaervelin_and_kekaelaeinen() -> None:
    """ACM TOIS 20(4), section 2.1: G' = <3,2,3,0,0,1,2,2,3,0> cumulates to 3, 5, 8, 8, 8, 9, 11, 13, 16, 16.

    Their discount begins at rank 2 with base 2; ours is that of trec_eval, log2(rank + 1), so that rank 1 counts whole
    and every later one a little less than theirs.
    """
    gains = [3, 2, 3, 0, 0, 1, 2, 2, 3, 0]
    theirs = gains[0] + sum(gain / max(1.0, math.log2(rank)) for rank, gain in enumerate(gains[1:], 2))
    assert theirs == pytest.approx(9.61, abs=5e-3)
    assert rules.dcg(gains) < theirs


def test_precision_and_recall_are_those_of_the_exercise() -> None:
    """Manning, Raghavan and Schuetze, exercise 8.8: RRNNN NNNRN RNNNR NNNNR, 8 relevant documents in all."""
    found = [*range(20)]
    judged = {number: int(letter == "R") for number, letter in enumerate("RRNNNNNNRNRNNNRNNNNR")} | {98: 1, 99: 1}
    assert rules.precision(found, judged, 20) == pytest.approx(0.3)
    assert rules.recall(found, judged, 20) == pytest.approx(0.75)


def test_mean_reciprocal_rank_is_that_of_the_worked_example() -> None:
    """Wikipedia, Mean reciprocal rank: catten/cati/cats, torii/tori/toruses, viruses/virii/viri give 11/18."""
    answers = [["catten", "cati", "cats"], ["torii", "tori", "toruses"], ["viruses", "virii", "viri"]]
    right = ["cats", "tori", "viruses"]
    ranks = [rules.reciprocal_rank(found, {one: 1}) for found, one in zip(answers, right, strict=True)]
    assert sum(ranks) / 3 == pytest.approx(11 / 18)


@given(ranked, judgements)
def test_measures_lie_between_0_and_1(found: list[int], judged: dict[int, int]) -> None:
    for measure in (rules.ndcg, rules.precision, rules.recall, rules.reciprocal_rank):
        assert 0 <= measure(found, judged) <= 1 + 1e-12


@given(judgements.filter(lambda judged: any(judged.values())))
def test_the_best_order_is_perfect(judged: dict[int, int]) -> None:
    best = sorted(judged, key=lambda item: -judged[item])
    assert rules.ndcg(best, judged) == pytest.approx(1)
    assert rules.reciprocal_rank(best, judged) == 1


@given(ranked, judgements)
def test_what_comes_after_ten_does_not_count(found: list[int], judged: dict[int, int]) -> None:
    for measure in (rules.ndcg, rules.precision, rules.recall, rules.reciprocal_rank):
        assert measure(found, judged) == measure(found[:10], judged)


def test_an_item_that_is_found_twice_counts_once() -> None:
    assert rules.recall(["a", "a"], {"a": 1, "b": 1}) == 0.5
    assert rules.ndcg(["a", "a"], {"a": 3}) == 1


def test_nothing_relevant_is_measured_as_nothing() -> None:
    assert (rules.ndcg(["a"], {}), rules.recall(["a"], {"a": 0}), rules.reciprocal_rank([], {"a": 3})) == (0, 0, 0)


def test_percentiles_are_values_that_were_measured() -> None:
    assert rules.percentile([5, 1, 3, 2, 4], 0.5) == 3
    assert rules.percentile([*range(1, 101)], 0.95) == 95
    assert rules.percentile([], 0.95) == 0


def test_a_search_says_what_its_strongest_verdict_says() -> None:
    assert rules.grade(["clicked"]) == 1
    assert rules.grade(["clicked", "chosen"]) == 3
    assert rules.grade(["chosen", "rejected", "clicked"]) == 0


def test_grades_are_means_of_what_searches_say() -> None:
    assert rules.grades({"a": [3, 3, 0], "b": [1, 0], "c": [0], "d": [3]}) == {"a": 2, "b": 1, "c": 0, "d": 3}
    assert rules.grades({"a": [3, 3], "b": [1]}, least=2) == {"a": 3}


def test_judgements_are_read_line_by_line_and_faults_are_named() -> None:
    sound, problems = rules.read_judgements(
        '{"query": "otters", "item": "ada", "grade": 3}\n\nno json\n{"query": "x", "item": "y", "grade": 4}\n'
        '{"query": "x", "item": "y", "grade": 0, "more": 1}'
    )
    assert [(line, each.item, each.grade) for line, each in sound] == [(1, "ada", 3)]
    assert [each.line for each in problems] == [3, 4, 5]
    assert "grade" in problems[1].problem
    assert "more" in problems[2].problem


def test_an_import_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "MOST", 2)
    sound, problems = rules.read_judgements('{"query": "x", "item": "y", "grade": 0}\n' * 5)
    assert (len(sound), [each.line for each in problems]) == (2, [3])


@given(st.text(max_size=300))
def test_no_text_breaks_the_reading(content: str) -> None:
    sound, problems = rules.read_judgements(content)
    assert len(sound) + len(problems) <= len(content.splitlines())
