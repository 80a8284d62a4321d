"""What a line of text means: phrases, beginnings, exclusions, slips."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moothill.registry.search.models import Correction
from moothill.registry.search.wording import QueryTooElaborate, corrected, corrections, slips, worded

letters = st.text("abcdeé", min_size=0, max_size=8)


@pytest.mark.parametrize(
    ("text", "words", "phrases", "beginnings", "without"),
    [
        ("plan the capacity", "plan the capacity", (), (), ()),
        ('the "capacity plan" of', "the  capacity plan  of", ("capacity plan",), (), ()),
        ("“capacity plan”", " capacity plan ", ("capacity plan",), (), ()),
        ("Kubern* pods", "  pods", (), ("kubern",), ()),
        ("bread -rye", "bread  ", (), (), ("rye",)),
        ('bread -"rye flour"', "bread  ", (), (), ("rye flour",)),
        ("state-of-the-art a - b", "state of the art a - b", (), (), ()),
        ("-5 degrees a* * ** ", "-5 degrees a* * ** ", (), (), ()),
        ('one " two', 'one " two', (), (), ()),
        ('""', " ", (), (), ()),
    ],
)
def test_marks_are_understood_and_everything_else_is_words(
    text: str, words: str, phrases: tuple[str, ...], beginnings: tuple[str, ...], without: tuple[str, ...]
) -> None:
    line = worded(text)
    assert line.words.split() == words.split()
    assert (line.phrases, line.beginnings, line.without) == (phrases, beginnings, without)
    assert (line.conditions is None) == (not (phrases or beginnings or without))


@given(st.text(max_size=1000))
def test_any_text_is_understood_or_refused_clearly(text: str) -> None:
    try:
        line = worded(text)
    except QueryTooElaborate as error:
        assert "takes 10" in str(error)
        return
    if line.conditions is not None:
        assert all(len(each) <= 10 for each in line.conditions.values())
    assert len(line.words) <= 20_000


def test_too_many_marks_are_refused() -> None:
    with pytest.raises(QueryTooElaborate, match="11 phrases"):
        worded(" ".join(f'"a{n} b"' for n in range(11)))
    assert worded('"' * 999).phrases == ()


@pytest.mark.parametrize(
    ("one", "other", "apart"),
    [
        ("kubernetes", "kubernetes", 0),
        ("kuberentes", "kubernetes", 1),
        ("kubernets", "kubernetes", 1),
        ("kubernettes", "kubernetes", 1),
        ("kubermetes", "kubernetes", 1),
        ("ukbernetes", "kubernetes", 2),
        ("black", "slack", 2),
        ("", "abc", 4),
    ],
)
def test_slips_are_counted(one: str, other: str, apart: int) -> None:
    assert slips(one, other) == apart


@given(letters, letters)
def test_slips_are_the_same_from_both_sides(one: str, other: str) -> None:
    assert slips(one, other) == slips(other, one)
    assert (slips(one, other) == 0) == (one == other)
    assert slips(one, other) <= max(len(one), len(other)) + 1


def test_the_nearest_spelling_is_used_and_of_those_the_one_that_most_items_hold() -> None:
    assert corrections(None) == []
    assert corrections({"brad": [("bread", 0, 2), ("bred", 0, 9)]}) == [Correction(asked="brad", used="bred")]
    assert corrections({"migratoin": [("migration", 0, 1), ("migrating", 0, 50)]}) == [
        Correction(asked="migratoin", used="migration")
    ]
    assert corrections({"bred": [("brandy", 0, 5)]}) == []
    # Three slips in twelve letters pass only where trigrams vouch for them.
    assert corrections({"admnistratin": [("administration", 0.0, 5)]}) != []
    assert corrections({"dministratxn": [("administration", 0.1, 5)]}) == []
    assert corrections({"aministratxn": [("administration", 0.5, 5)]}) != []


def test_a_correction_takes_the_place_of_the_word() -> None:
    made = [Correction(asked="bred", used="bread")]
    assert corrected("Bred and bredth", made) == "bread and bredth"
    assert corrected("naïve", made) == "naïve bread"
