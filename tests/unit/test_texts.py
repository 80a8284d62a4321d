"""Texts, shares and free JSON from outside."""

from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from moothill.kernel.texts import (
    AgentReference,
    Hundredths,
    JsonObject,
    Label,
    Line,
    LineOrNothing,
    LongName,
    Prose,
    Share,
    canonical,
    id_of,
    slug,
)


def accepts(kind: Any, value: Any) -> bool:
    try:
        TypeAdapter(kind).validate_python(value)
    except ValidationError:
        return False
    return True


@pytest.mark.parametrize("kind", [Line, Label, LongName])
def test_a_line_is_trimmed_and_has_something_in_it(kind: Any) -> None:
    assert TypeAdapter(kind).validate_python("  Ada  ") == "Ada"
    for bad in ("", "   ", "a\nb", "a\x1bb", "\x07", "a\u2028b", "a\x85b"):
        assert not accepts(kind, bad), repr(bad)


def test_lines_have_their_lengths() -> None:
    for kind, longest in ((Label, 100), (Line, 255), (LongName, 500)):
        assert accepts(kind, "x" * longest)
        assert not accepts(kind, "x" * (longest + 1))
        assert not accepts(kind, "x" * 10_000)


def test_a_line_may_be_nothing_where_it_says_so() -> None:
    assert accepts(LineOrNothing, "")
    assert not accepts(LineOrNothing, "a\nb")


def test_prose_may_have_line_breaks_and_tabs_but_obeys_nobody() -> None:
    assert accepts(Prose, "one\ntwo\tthree\r\n")
    assert not accepts(Prose, "bell\x07")
    assert not accepts(Prose, "escape\x1b[31m")
    assert not accepts(Prose, "x" * 10_001)


def test_a_share_is_an_exact_decimal_from_nothing_to_one() -> None:
    assert TypeAdapter(Share).validate_python(1 / 3) == Decimal("0.3333")
    assert TypeAdapter(Share).validate_json("0.30000000000000004") == Decimal("0.3")
    assert TypeAdapter(Share).validate_python("0.25") == Decimal("0.25")
    for bad in (-0.1, 1.1, float("nan"), float("inf"), "NaN", "0.12345", "0E1000000", "1e-1", True, None):
        assert not accepts(Share, bad), repr(bad)


def test_hundredths_have_two_places() -> None:
    assert accepts(Hundredths, "0.85")
    assert not accepts(Hundredths, "0.855")


def test_free_json_is_small_and_plain() -> None:
    assert accepts(JsonObject, {"a": [1, 2.5, None, "x", {"b": True}]})
    assert not accepts(JsonObject, {"a": "x" * 70_000})
    assert not accepts(JsonObject, {"a": 2**70})
    assert not accepts(JsonObject, {"a": object()})
    assert not accepts(JsonObject, [1])


def test_an_agent_is_named_by_text_or_by_its_id() -> None:
    identifier = UUID(int=7)
    assert TypeAdapter(AgentReference).validate_python(identifier) == str(identifier)
    assert TypeAdapter(AgentReference).validate_python("ada") == "ada"
    assert not accepts(AgentReference, "")
    assert not accepts(AgentReference, "x" * 256)


@given(st.text(max_size=60))
def test_a_canonical_form_is_stable(text: str) -> None:
    form = canonical(text)
    assert canonical(form) == form
    assert form == form.strip()
    assert "  " not in form


@given(st.text(max_size=60))
def test_a_slug_has_words_and_hyphens_alone(text: str) -> None:
    made = slug(text, longest=20)
    assert len(made) <= 20
    assert made == made.strip("-")
    assert "--" not in made
    assert "_" not in made


def test_only_the_full_form_of_a_uuid_is_an_id() -> None:
    identifier = UUID("01900000-0000-7000-8000-000000000001")
    assert id_of(str(identifier)) == identifier
    assert id_of(str(identifier).upper()) == identifier
    for other in (identifier.hex, "ada", "", "x" * 36, "{" + str(identifier) + "}"):
        assert id_of(other) is None
