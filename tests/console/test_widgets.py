"""The pieces that calculate: words, forms from schemas, rows of tables, marks in sentences."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moothill.console.calls import json_arguments
from moothill.console.entrance import cookie_name
from moothill.console.login import local_path
from moothill.console.widgets.evidence import mark_mention
from moothill.console.widgets.grid import Column, cell_rows
from moothill.console.widgets.results import as_table
from moothill.console.widgets.schema import BadField, FormField, form_fields, read_value, shown_value
from moothill.console.widgets.spark import buckets, points
from moothill.console.widgets.words import ago, count, counted, number, percent
from moothill.kernel.service import REGISTRY
from moothill.moot import Moot

assert Moot.__annotations__  # the registry is full once the facade is imported
MOMENT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


# ------------------------------------------------------------------------------------------ words


@pytest.mark.parametrize(
    ("then", "words"),
    [
        (None, "never"),
        (MOMENT, "now"),
        (MOMENT - timedelta(seconds=59), "59 s ago"),
        (MOMENT - timedelta(minutes=3), "3 min ago"),
        (MOMENT - timedelta(days=40), "1 mo ago"),
        (MOMENT + timedelta(hours=2, minutes=1), "in 2 h"),
    ],
)
def test_times_are_told_in_their_largest_unit(then: datetime | None, words: str) -> None:
    assert ago(then, MOMENT) == words


def test_numbers_and_counts_are_short() -> None:
    assert number(1234567) == "1\N{NARROW NO-BREAK SPACE}234\N{NARROW NO-BREAK SPACE}567"
    assert number(Decimal("0.50")) == "0.5"
    assert count(100000, capped=True).endswith("+")
    assert (counted(1, "key"), counted(2, "key"), counted(0, "reply", "replies")) == ("1 key", "2 keys", "0 replies")
    assert (percent(Decimal("0.956")), percent(None)) == ("96 %", "")


# ------------------------------------------------------------------------------------------ marks


def test_a_mention_is_marked_at_its_position_where_the_position_fits() -> None:
    sentence = "It tests. It tests again."
    marked = mark_mention(sentence, "tests", 13, 18)
    assert (marked.before, marked.mention, marked.after) == ("It tests. It ", "tests", " again.")


def test_a_position_in_a_longer_text_falls_back_to_the_words() -> None:
    marked = mark_mention("We measured latency.", "Latency", 812, 819)
    assert (marked.before, marked.mention, marked.after) == ("We measured ", "latency", ".")


def test_a_mention_that_does_not_occur_marks_nothing() -> None:
    assert mark_mention("Nothing here.", "absent", 0, 3).mention == ""


@given(st.text(max_size=60), st.text(max_size=10), st.integers(-5, 70), st.integers(-5, 70))
def test_marking_never_loses_a_character(sentence: str, mention: str, start: int, end: int) -> None:
    marked = mark_mention(sentence, mention, start, end)
    assert marked.before + marked.mention + marked.after == sentence


# ------------------------------------------------------------------------------------------ tables


def test_a_row_keeps_declared_names_and_plain_values_only() -> None:
    """The grid's client evaluates whatever stands under a name that begins with a colon, at any depth."""
    columns = [Column("name", "Name", "link"), Column("status", "Status", "state")]
    row: dict[str, Any] = {
        "id": "1",
        "name": {":valueGetter": "alert(1)"},
        "name_address": "/t/acme/agents/1",
        "status": "idle",
        ":cellRenderer": "alert(1)",
        "extra": 1,
    }
    (safe,) = cell_rows(columns, [row])
    assert set(safe) == {"id", "name", "name_address", "status", "status_state"}
    assert safe["name"] == "{':valueGetter': 'alert(1)'}"
    assert safe["status_state"] == "off"


@given(st.recursive(st.none() | st.text(), lambda inner: st.dictionaries(st.text(), inner) | st.lists(inner)))
def test_no_result_reaches_the_grid_under_a_name_of_its_own(value: Any) -> None:
    table = as_table([{":name": value, "name": value}])
    assert table is not None
    columns, rows = table
    for row in cell_rows(columns, rows):
        assert all(name == "id" or name.startswith("c") for name in row)
        assert all(isinstance(held, str | int | float | bool | None) for held in row.values())


def test_what_is_no_list_of_things_is_no_table() -> None:
    assert as_table({"a": 1}) is None
    assert as_table([]) is None
    assert as_table(["a"]) is None
    assert as_table({"items": [{"a": 1}], "next": None}) is not None


# ------------------------------------------------------------------------------------------ forms


def test_every_operation_has_a_form_that_gives_its_example_back() -> None:
    for name, operation in REGISTRY.items():
        fields = form_fields(operation.signature.input_model.model_json_schema())
        given_back = {}
        for field in fields:
            if field.name in operation.example:
                value = read_value(field, shown_value(field, operation.example[field.name]))
                given_back[field.name] = value
        operation.signature.validate({**operation.example, **given_back})
        assert {field.name for field in fields} == set(operation.signature.fields), name


def test_fields_take_their_kind_from_the_schema() -> None:
    schema = {
        "required": ["slug"],
        "properties": {
            "note": {"anyOf": [{"type": "string", "maxLength": 2000}, {"type": "null"}]},
            "slug": {"type": "string", "description": "Short name."},
            "status": {"anyOf": [{"enum": ["a", "b"], "type": "string"}, {"type": "null"}]},
            "share": {"anyOf": [{"type": "number"}, {"type": "string", "pattern": "x"}]},
            "words": {"type": "array", "items": {"type": "string"}},
            "things": {"type": "array", "items": {"$ref": "#/$defs/Thing"}},
            "flag": {"type": "boolean", "default": False},
            "limit": {"type": "integer", "minimum": 1, "maximum": 9, "default": 5},
        },
        "$defs": {"Thing": {"type": "object"}},
    }
    kinds = {field.name: field.kind for field in form_fields(schema)}
    assert kinds == {
        "slug": "text", "note": "long", "status": "choice", "share": "text",
        "words": "list", "things": "json", "flag": "flag", "limit": "integer",
    }  # fmt: skip
    assert next(iter(kinds)) == "slug"


@pytest.mark.parametrize(("kind", "text"), [("integer", "1.5"), ("number", "much"), ("json", "{")])
def test_a_field_that_cannot_be_read_is_named(kind: Any, text: str) -> None:
    with pytest.raises(BadField, match=r"^place: "):
        read_value(FormField("place", kind), text)


def test_what_was_not_given_is_not_part_of_a_call() -> None:
    operation = REGISTRY["keys.list"]
    assert json_arguments(operation, {"limit": 10, "ended": False, "cursor": None}) == {"limit": 10}


# ------------------------------------------------------------------------------------------ sparkline


def test_times_fall_into_their_buckets() -> None:
    times = [MOMENT, MOMENT - timedelta(seconds=61), MOMENT - timedelta(hours=9), MOMENT + timedelta(seconds=1)]
    assert buckets(times, end=MOMENT, step=timedelta(minutes=1), count=3) == [0, 1, 1]


@given(st.lists(st.integers(0, 10**6), max_size=80))
def test_a_line_stays_in_its_picture(values: list[int]) -> None:
    for point in points(values).split():
        across, down = map(float, point.split(","))
        assert 0 <= across <= 600
        assert 0 <= down <= 44


# ------------------------------------------------------------------------------------------ addresses


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example",
        "//evil.example",
        "/\\evil.example",
        "javascript:alert(1)",
        "/login",
        "",
        "/a\nb",
        "/a\\b",
    ],
)
def test_signing_in_leads_to_no_other_site(target: str) -> None:
    assert local_path(target) == "/"


def test_signing_in_leads_back_to_where_one_came_from() -> None:
    assert local_path("/t/acme/agents?status=idle") == "/t/acme/agents?status=idle"


def test_two_consoles_on_one_machine_do_not_share_a_cookie() -> None:
    names = {
        cookie_name({"scheme": scheme, "server": ("127.0.0.1", port)})
        for scheme, port in (("http", 8081), ("http", 8082), ("https", 8081))
    }
    assert len(names) == 3
    assert "__Host-moothill" in names
