"""What the command line prints: tables, records, JSON; and what agents wrote, shown without being obeyed."""

import io
import json
import re
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from pydantic import BaseModel, TypeAdapter

from moothill.doors.cli.render import fail, harmless, print_json, show, show_item
from moothill.kernel.errors import Conflict, NotFound
from moothill.kernel.operation import Operation
from moothill.kernel.paging import Page

# Clears the screen, recolours, returns to the line's start, ends the title, turns text around, and is markup.
HOSTILE = "[red]a[/red]\x1b[2J\x1b[31m\r\x08\x07\x9b1m\x7f\u202eevil\u2066\u2028 :boom: \x00"
OBEYED = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


OnTerminal = Callable[[Any, Any], tuple[str, str]]


class Row(BaseModel):
    """A row of a table."""

    name: str
    note: str | None = None
    share: float | None = None
    is_live: bool | None = None
    tags: list[str] = []
    extra: dict[str, Any] = {}
    parts: list["Row"] = []


def printing(output: Any) -> Operation[Any, Any]:
    """An operation with this output."""

    async def get(self: Any) -> Any: ...

    get.__annotations__["return"] = output
    made = Operation[Any, Any](
        get, kind="call", effect="read", scope="x:y", audience="anyone", mode="none", example=None
    )
    made.group = "things"
    return made


@pytest.fixture
def shown_on_terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> OnTerminal:
    """Shows a result where standard output is a terminal of 80 columns with colours; what it printed on each."""
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)

    def shown(output: Any, result: Any) -> tuple[str, str]:
        with monkeypatch.context() as patch:
            for stream in (sys.stdout, sys.stderr):
                patch.setattr(stream, "isatty", lambda: True)
            show(printing(output), result, json_output=False)
        return capsys.readouterr()

    return shown


def own_codes_removed(text: str) -> str:
    """Without what rich itself sends for bold and colours."""
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


RESULTS: dict[str, tuple[Any, Any]] = {
    "a page": (Page[Row], Page(items=[Row(name=HOSTILE, note=HOSTILE, tags=[HOSTILE]), Row(name="plain")])),
    "a list of models": (list[Row], [Row(name=HOSTILE, extra={HOSTILE: HOSTILE})]),
    "a list of mappings": (list[dict[str, str]], [{HOSTILE: HOSTILE}]),
    "a list of texts": (list[str], [HOSTILE]),
    "a record": (Row, Row(name=HOSTILE, note=HOSTILE, extra={HOSTILE: HOSTILE}, parts=[Row(name=HOSTILE)])),
    "a mapping": (dict[str, Any], {HOSTILE: HOSTILE, "inner": {HOSTILE: [HOSTILE]}}),
    "a text": (str, HOSTILE),
}


@pytest.mark.parametrize("name", RESULTS)
def test_hostile_text_reaches_a_terminal_harmless(shown_on_terminal: OnTerminal, name: str) -> None:
    out, err = shown_on_terminal(*RESULTS[name])
    text = own_codes_removed(out)
    # The text's own codes lost their escape character, so they were not removed with those of rich.
    assert not OBEYED.search(text), OBEYED.search(text)
    assert "\\x1b" in text
    assert "[red]" in text
    assert ":boom:" in text or "…" in text
    assert not OBEYED.search(own_codes_removed(err))


@pytest.mark.parametrize("name", RESULTS)
def test_hostile_text_in_json_means_the_same_and_is_not_obeyed(capsys: pytest.CaptureFixture[str], name: str) -> None:
    output, result = RESULTS[name]
    show(printing(output), result, json_output=True)
    said = capsys.readouterr().out
    assert not OBEYED.search(said)
    assert json.loads(said) == TypeAdapter(output).dump_python(result, mode="json")


def test_hostile_text_in_a_stream_stays_on_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    item = {"name": f"{HOSTILE}\nforged  line", "none": None, "empty": [], "tags": ["a", HOSTILE], "flag": True}
    show_item(item, json_output=False)
    said = capsys.readouterr().out
    assert said.count("\n") == 1
    assert not OBEYED.search(said)
    assert "yes" in said
    show_item(item, json_output=True)
    assert json.loads(capsys.readouterr().out) == item
    show_item("a\x1b", json_output=False)
    assert capsys.readouterr().out == '"a\\u001b"\n'


def test_hostile_text_in_an_error_stays_on_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    error = NotFound(f"There is no {HOSTILE}\nforged line", name=HOSTILE, odd="\ud800")
    with pytest.raises(BaseException) as left:
        fail(error, json_output=False)
    assert getattr(left.value, "exit_code", None) == error.exit_code
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert not OBEYED.search(said.err)
    with pytest.raises(BaseException):  # noqa: B017  # typer's Exit, which it does not promise to export
        fail(error, json_output=True)
    problem = capsys.readouterr().err
    assert not OBEYED.search(problem)
    assert json.loads(problem)["context"]["odd"] == "\ud800"


@given(st.text(), st.booleans())
def test_no_text_keeps_what_a_terminal_would_obey(text: str, lines: bool) -> None:
    shown = harmless(text, lines=lines)
    assert not OBEYED.search(shown)
    if not lines:
        assert "\n" not in shown
        assert "\t" not in shown
    assert harmless(shown, lines=lines) == shown


@given(st.text(alphabet=st.characters(min_codepoint=32, max_codepoint=126)))
def test_plain_text_stays_as_it_is(text: str) -> None:
    assert harmless(text, lines=True) == text


@examples(max_examples=40)
@given(
    st.recursive(
        st.none() | st.booleans() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_any_json_comes_back_as_it_was(value: Any) -> None:
    text = io.StringIO()
    with redirect_stdout(text):
        print_json(value)
    assert json.loads(text.getvalue()) == value


# --- tables and records


def test_a_table_shows_the_columns_that_say_something(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [Row(name="one", tags=["a", "b"]), Row(name="two", is_live=False)]
    show(printing(Page[Row]), Page(items=rows), json_output=False)
    said = capsys.readouterr()
    lines = said.out.splitlines()
    assert lines[0].split() == ["name", "is_live", "tags"]
    assert lines[1].split() == ["one", "a,", "b"]
    assert lines[2].split() == ["two", "no"]
    assert all(line == line.rstrip() for line in lines)
    assert said.err == ""


def test_a_page_says_how_to_see_more(capsys: pytest.CaptureFixture[str]) -> None:
    show(printing(Page[Row]), Page(items=[Row(name="one")], next="abc"), json_output=False)
    assert "--cursor abc" in capsys.readouterr().err


@pytest.mark.parametrize("result", [Page[Row](items=[]), []], ids=["page", "list"])
def test_nothing_found_leaves_standard_output_empty(capsys: pytest.CaptureFixture[str], result: Any) -> None:
    output = Page[Row] if isinstance(result, Page) else list[Row]
    show(printing(output), result, json_output=False)
    said = capsys.readouterr()
    assert said.out == ""
    assert "Nothing found" in said.err
    show(printing(output), result, json_output=True)
    assert capsys.readouterr().out.strip()[0] in "[{"


def wide(columns: int) -> dict[str, str]:
    return {f"column_{number}": f"value {number} " + "x" * 100 for number in range(columns)}


def test_a_wide_table_fits_the_terminal_and_names_what_it_leaves_out(shown_on_terminal: OnTerminal) -> None:
    out, err = shown_on_terminal(list[dict[str, str]], [wide(20)] * 3)
    assert max(len(own_codes_removed(line)) for line in out.splitlines()) <= 80
    assert "Not shown" in err
    assert "column_19" in err
    assert "--json" in err


def test_a_file_gets_a_table_without_colours_and_a_record_without_broken_values(
    capsys: pytest.CaptureFixture[str],
) -> None:
    show(printing(list[dict[str, str]]), [wide(5)], json_output=False)
    table = capsys.readouterr().out
    assert "\x1b" not in table
    assert max(map(len, table.splitlines())) <= 220
    long = "word " * 200 + "end"
    show(printing(Row), Row(name="x", note=f"{long}\nsecond line"), json_output=False)
    record = capsys.readouterr().out.splitlines()
    assert record[1] == f"note  {long}"
    assert record[2] == "      second line"


def test_a_record_shows_its_parts_below(capsys: pytest.CaptureFixture[str]) -> None:
    show(printing(Row), Row(name="x", extra={"colour": "red"}, parts=[Row(name="part")]), json_output=False)
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines == [["name", "x"], [], ["extra"], ["colour", "red"], [], ["parts"], ["name"], ["part"]]


def test_a_record_of_parts_alone_has_no_empty_table(capsys: pytest.CaptureFixture[str]) -> None:
    show(printing(dict[str, Any]), {"extra": {"colour": "red"}, "none": None}, json_output=False)
    assert capsys.readouterr().out == "\nextra\ncolour  red\n"
    show(printing(dict[str, Any]), {}, json_output=False)
    assert capsys.readouterr().out == ""


def test_an_interruption_is_one_word(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(BaseException) as left:
        fail(None, json_output=True)
    assert getattr(left.value, "exit_code", None) == 130
    assert capsys.readouterr().err == "Interrupted.\n"


def test_an_error_is_one_line_of_its_message(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(BaseException) as left:
        fail(Conflict("Taken; choose another."), json_output=False)
    assert getattr(left.value, "exit_code", None) == 5
    assert own_codes_removed(capsys.readouterr().err) == "Taken; choose another.\n"
