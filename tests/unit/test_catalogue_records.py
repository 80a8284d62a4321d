"""Cutting, strictness and limits of catalogues, whatever their format; and what any bytes at all may do."""

import io
import json
from collections.abc import Iterator
from typing import Any, BinaryIO, cast

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from moothill.kernel.errors import Invalid
from moothill.registry.agents.formats import (
    BadRecord,
    CatalogueEntry,
    CatalogueItem,
    Format,
    InvalidHeader,
    SkippedRecord,
    UnknownFormat,
    detect,
    format_named,
    read,
)
from moothill.registry.agents.formats.parsing import parse
from moothill.registry.agents.formats.records import split


def own(agent_id: str = "a", **more: Any) -> dict[str, Any]:
    return {"agent_id": agent_id, "name": "Agent", **more}


def lines(*records: Any) -> bytes:
    return b"".join(json.dumps(record).encode() + b"\n" for record in records)


def only(data: bytes, format: Format = Format.JSONL) -> CatalogueItem:
    items = list(read(data, format=format))
    assert len(items) == 1, items
    return items[0]


def bad(data: bytes, format: Format = Format.JSONL) -> BadRecord:
    item = only(data, format)
    assert isinstance(item, BadRecord), item
    return item


def outcome(items: Iterator[CatalogueItem]) -> list[tuple[int, str]]:
    """Number and, for an entry, id; for a bad record, reason."""
    return [(item.record, item.agent_id if isinstance(item, CatalogueEntry) else item.reason) for item in items]


# --- cutting --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data",
    [
        lines(own("a"), own("b")),
        json.dumps([own("a"), own("b")]).encode(),
        json.dumps([own("a"), own("b")], indent=2).encode(),
        b"\n".join(json.dumps(own(key), indent=1).encode() for key in "ab"),
        b"\xef\xbb\xbf" + lines(own("a"), own("b")).replace(b"\n", b"\r\n\r\n"),
        lines(own("a"), own("b")).rstrip(),
    ],
)
def test_every_outer_form_gives_the_same_records(data: bytes) -> None:
    assert outcome(read(data)) == [(1, "a"), (2, "b")]


def test_an_empty_list_has_no_records() -> None:
    assert list(read(b"[]", format=Format.JSONL)) == []
    assert list(read(b'{"servers": []}')) == []


def test_a_broken_line_costs_that_line_alone_and_is_named_with_its_line() -> None:
    data = lines(own("a")) + b"\n" + b'{"agent_id": "b", "name": "x\n' + b"{]\n" + b"7\n" + lines(own("c"))
    items = list(read(data, file="agents.jsonl"))
    assert [(item.record, type(item).__name__) for item in items] == [
        (1, "CatalogueEntry"),
        (2, "BadRecord"),
        (3, "BadRecord"),
        (4, "BadRecord"),
        (5, "CatalogueEntry"),
    ]
    faults = [item for item in items if isinstance(item, BadRecord)]
    assert [(fault.file, fault.line) for fault in faults] == [
        ("agents.jsonl", 3),
        ("agents.jsonl", 4),
        ("agents.jsonl", 5),
    ]
    assert [fault.reason for fault in faults][::2] == [
        "does not end: a brace, bracket or quotation mark is missing",
        "is not a JSON object",
    ]


@pytest.mark.parametrize(
    ("data", "reasons"),
    [
        (b'[{"agent_id":"a","name":"A"} {"agent_id":"b"}]', ["a", "this is not JSON"]),
        (b'[{"agent_id":"a","name":"A"},]', ["a", "this is not JSON"]),
        (b'[,{"agent_id":"a","name":"A"}]', ["this is not JSON"]),
        (b'[{"agent_id":"a","name":"A"}', ["a", "the list of records does not end"]),
        (b'[{"agent_id":"a","name":"A"}, {"agent_id":', ["a", "does not end"]),
        (b'[{"agent_id":"a","name":"A"}]]', ["a", "this is not JSON"]),
        (b'[{"agent_id":"a","name":"A"}, "text", 5, null, [1]]', ["a", *["is not a JSON object"] * 4]),
    ],
)
def test_broken_punctuation_between_records_ends_the_reading(data: bytes, reasons: list[str]) -> None:
    found = [text for _, text in outcome(read(data, format=Format.JSONL))]
    assert len(found) == len(reasons)
    for text, reason in zip(found, reasons, strict=True):
        assert text.startswith(reason)


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**40), 2**40)
    | st.text(st.characters(exclude_characters="\0", codec="utf-8")),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.dictionaries(
    st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=6), VALUES, max_size=4
)


class Dribble(io.RawIOBase):
    """A stream that hands out a few bytes at a time, as a pipe may."""

    def __init__(self, data: bytes, size: int) -> None:
        self.rest, self.size = data, size

    def read(self, size: int = -1) -> bytes:
        size = min(self.size, size) if size >= 0 else self.size
        piece, self.rest = self.rest[:size], self.rest[size:]
        return piece


@settings(deadline=None)
@given(
    st.lists(OBJECTS, max_size=4),
    st.sampled_from(["array", "printed array", "lines", "printed"]),
    st.booleans(),
    st.integers(1, 9),
)
def test_records_are_cut_as_json_itself_would_cut_them_at_any_chunk_size(
    records: list[dict[str, Any]], form: str, escape: bool, size: int
) -> None:
    indent = 1 if "printed" in form else None
    if "array" in form:
        data = json.dumps(records, indent=indent, ensure_ascii=escape).encode()
    else:
        data = b"\n".join(json.dumps(record, indent=indent, ensure_ascii=escape).encode() for record in records)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("moothill.registry.agents.formats.records.CHUNK", max(64, size))
        cut = list(split(cast(BinaryIO, Dribble(data, size))))
    assert [json.loads(record.data) for record in cut] == records
    assert [record.number for record in cut] == list(range(1, len(records) + 1))
    assert not any(record.problem for record in cut)
    assert all(record.data in data for record in cut)


def test_a_stream_that_cannot_seek_or_peek_is_read_once() -> None:
    data = lines(*[own(str(n), description="x" * 300) for n in range(500)])
    stream = cast(BinaryIO, Dribble(data, 1000))
    assert len(list(read(stream))) == 500


# --- strictness -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("record", "field", "reason"),
    [
        (b'{"agent_id":"a","name":"A","name":"B"}', "name", "stands twice"),
        (b'{"agent_id":"a","name":"A","metadata":{"x":1,"x":1}}', "x", "stands twice"),
        (b'{"agent_id":"a","name":"A\\u0000"}', "", "NUL"),
        (b'{"agent_id":"a","name":"A","metadata":{"\\u0000":1}}', "", "NUL"),
        (b'{"agent_id":"a","name":"A\0"}', "", "NUL byte"),
        (b'{"agent_id":"a","name":"A\\ud800"}', "", "surrogate"),
        (b'{"agent_id":"a","name":"A\xff"}', "", "not UTF-8"),
        (b'{"agent_id":"a","name":NaN}', "", "NaN"),
        (b'{"agent_id":"a","name":"A","metadata":{"x":-Infinity}}', "", "Infinity"),
        (b'{"agent_id":"a","name":"A","metadata":{"x":1e999}}', "metadata", "too large"),
        (b'{"agent_id":"a","name":"A","metadata":{"x":1e99999999999999999999}}', "", "too large"),
        (b'{"agent_id":"a","name":"A","metadata":{"x":99999999999999999999}}', "metadata", "too large"),
        (b'{"agent_id":"a","name":"A","metadata":{"x":' + b"9" * 5000 + b"}}", "", "too many digits"),
        (b'{"agent_id":"a","name":"A","metadata":{"x":1,}}', "", "is not JSON"),
        (b"{'agent_id':'a'}", "", "is not JSON"),
        (b'{"agent_id":"a","name":"A\tB"}', "", "is not JSON"),
    ],
)
def test_what_is_not_strict_json_is_refused(record: bytes, field: str, reason: str) -> None:
    fault = bad(record)
    assert fault.field == field
    assert reason in fault.reason


@pytest.mark.parametrize("depth", [33, 1_000, 400_000])
def test_a_record_nested_too_deep_is_refused_before_it_is_parsed(depth: int) -> None:
    data = b'{"agent_id":"a","name":"A","metadata":' + b'{"x":' * depth + b"1" + b"}" * depth + b"}"
    assert bad(data).reason in ("is nested deeper than 32", "is longer than 1048576 bytes")
    assert isinstance(
        only(data.replace(b'{"x":' * depth, b'{"x":' * 30).replace(b"}" * depth, b"}" * 30)), CatalogueEntry
    )


def test_a_record_longer_than_a_mebibyte_is_refused_and_the_next_one_read() -> None:
    big = json.dumps(own("big", metadata={"x": "y" * 1_100_000})).encode()
    for data in (big + b"\n" + lines(own("b")), b"[" + big + b"," + json.dumps(own("b")).encode() + b"]"):
        assert outcome(read(data)) == [(1, "is longer than 1048576 bytes"), (2, "b")]


@pytest.mark.parametrize(
    ("more", "field", "reason"),
    [
        ({"agent_id": ""}, "agent_id", "at least 1 character"),
        ({"agent_id": " "}, "agent_id", "at least 1 character"),
        ({"agent_id": "x" * 256}, "agent_id", "at most 255 characters"),
        ({"agent_id": "a\nb"}, "agent_id", "line break"),
        ({"agent_id": 5}, "agent_id", "valid string"),
        ({"name": "x" * 10_000}, "name", "at most 255 characters"),
        ({"description": "x" * 10_001}, "description", "at most 10000 characters"),
        ({"description": "a\x07"}, "description", "control character"),
        ({"type": "boss"}, "type", "'team-leader'"),
        ({"url": "javascript:alert(1)"}, "url", "http or https"),
        ({"url": "https://a b"}, "url", "http or https"),
        ({"tags": ["x" * 101]}, "tags[0]", "at most 100 characters"),
        ({"tags": "text"}, "tags", "valid tuple"),
        ({"tags": [str(n) for n in range(101)]}, "tags", "at most 100 items"),
        ({"capabilities": [{"name": "x", "confidence": 0.69}]}, "capabilities[0].confidence", "0.7"),
        ({"capabilities": [{"name": "x", "confidence": 1.01}]}, "capabilities[0].confidence", "1"),
        (
            {"capabilities": [{"name": "x", "confidence": 0.755}]},
            "capabilities[0].confidence",
            "2 decimal places",
        ),
        ({"capabilities": [{"name": "x", "type": "MAGIC"}]}, "capabilities[0].type", "'CAPABILITY'"),
        ({"capabilities": [{"name": "x"}, {"name": " X "}]}, "", "capabilities[1].name is the same as"),
        (
            {"capabilities": [{"name": "x", "mention": {"text": "y", "start": 0, "end": 1}}]},
            "",
            "does not stand",
        ),
        ({"capabilities": [{}]}, "capabilities[0].name", "is missing"),
        ({"capabilities": [{"name": "x", "nmae": "y"}]}, "capabilities[0].nmae", "is not a known field"),
        ({"skills": [{"name": "x", "proficiency": 11}]}, "skills[0].proficiency", "less than or equal to 10"),
        ({"skills": [{"name": "x", "experience": -1}]}, "skills[0].experience", "greater than or equal to 0"),
        ({"skills": ["x", "X"]}, "", "skills[1].name is the same as"),
        ({"metadata": []}, "metadata", "valid dictionary"),
        ({"metadata": {"x": "y" * 70_000}}, "metadata", "65536 bytes"),
        ({"nmae": "x"}, "nmae", 'is not a known field. Did you mean "name"?'),
        ({"card": "x"}, "card", "is not a known field"),
        ({"record": 5}, "record", "is not a known field"),
        ({"specializations": ["x"], "specialisations": ["x"]}, "specialisations", "two spellings"),
    ],
)
def test_a_field_beyond_its_limit_is_named_with_the_reason_and_without_its_content(
    more: dict[str, Any], field: str, reason: str
) -> None:
    fault = bad(lines({**own(), **more}))
    assert fault.field == field
    assert reason in fault.reason
    assert len(fault.reason) < 200


def test_a_missing_column_is_named() -> None:
    assert (bad(b'{"agent_id": "a"}').field, bad(b'{"agent_id": "a", "name": null}').reason) == (
        "name",
        "is missing",
    )


def test_a_second_record_with_the_same_id_is_bad() -> None:
    assert outcome(read(lines(own("a"), own("b"), own(" a ")))) == [
        (1, "a"),
        (2, "b"),
        (3, "is the same as that of record 1"),
    ]


# --- our own columns ------------------------------------------------------------------------------

FULL = {
    "agent_id": "writer-1",
    "name": "Writer",
    "description": "Drafts, edits\nand proof-reads.",
    "type": "worker",
    "model_family": "llama",
    "version": "2",
    "specialisations": ["prose"],
    "tags": ["text", "english"],
    "provider": "Example",
    "url": "https://writer.example.com/",
    "capabilities": [
        {"name": "draft a report", "type": "TASK", "confidence": 0.9, "aliases": ["write"]},
        "edit",
    ],
    "skills": [
        {"name": "english", "proficiency": 9, "experience": 1200},
        {"name": "style", "proficiency": 7},
        "tact",
    ],
    "metadata": {"team": "a", "weight": 0.5},
}


def test_csv_and_json_lines_of_the_same_agent_give_the_same_entry() -> None:
    table = (
        b"agent_id,name,description,type,model_family,version,specializations,tags,provider,url,"
        b"capabilities,skills,metadata\r\n"
        b'writer-1,Writer,"Drafts, edits\nand proof-reads.",worker,llama,2,prose,text; english,Example,'
        b'https://writer.example.com/,"[{""name"": ""draft a report"", ""type"": ""TASK"", '
        b'""confidence"": 0.9, ""aliases"": [""write""]}, ""edit""]",english:9:1200; style:7;tact,'
        b'"{""team"": ""a"", ""weight"": 0.5}"\r\n'
    )
    from_json, from_csv = only(lines(FULL)), only(table, Format.CSV)
    assert isinstance(from_json, CatalogueEntry)
    assert from_csv == from_json
    assert isinstance(from_csv, CatalogueEntry)
    assert from_csv.fingerprint() == from_json.fingerprint()
    assert [(skill.name, skill.proficiency, skill.experience) for skill in from_csv.skills] == [
        ("english", 9, 1200),
        ("style", 7, 0),
        ("tact", 0, 0),
    ]
    assert str(from_csv.capabilities[0].confidence) == "0.90"


def test_a_fingerprint_changes_with_any_field_and_not_with_the_place_in_the_file() -> None:
    changed = {**FULL, "tags": ["text"]}
    items = list(read(lines(FULL, own(), changed)[:], format=Format.JSONL))
    first = items[0]
    moved = list(read(lines(own(), FULL)))[1]
    other = only(lines(changed))
    assert isinstance(first, CatalogueEntry)
    assert isinstance(moved, CatalogueEntry)
    assert isinstance(other, CatalogueEntry)
    assert first.fingerprint() == moved.fingerprint() != other.fingerprint()
    assert (first.record, moved.record) == (1, 2)


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_table_may_be_separated_by_commas_semicolons_or_tabs(delimiter: str) -> None:
    rows = [["agent_id", "name", "type"], ["a", "A", "worker"], ["b", "B", ""]]
    data = "\ufeff" + "\n\n".join(delimiter.join(row) for row in rows)
    items = list(read(data.encode()))
    assert [item.type for item in items if isinstance(item, CatalogueEntry)] == ["worker", "specialist"]


def test_a_bad_row_is_named_with_its_line_and_the_next_one_read() -> None:
    data = (
        b"agent_id,name,skills\n"
        b'a,"A\nA",\n'
        b"b\n"
        b"c,C,,\n"
        b'd,"D"x,\n'
        b"e,E\0,\n"
        b"f,\xff,\n"
        b'g,G,"[{"\n'
        b"h,H,x:99\n"
        b"i," + b"I" * 1_100_000 + b",\n"
        b"j,J,\n"
    )
    items = list(read(data, file="t.csv"))
    assert [(item.record, item.line, item.field) for item in items if isinstance(item, BadRecord)] == [
        (1, 2, "name"),
        (2, 4, ""),
        (3, 5, ""),
        (4, 6, ""),
        (5, 7, ""),
        (6, 8, ""),
        (7, 9, "skills"),
        (8, 10, "skills[0].proficiency"),
        (9, 11, ""),
    ]
    assert isinstance(items[-1], CatalogueEntry)
    assert items[-1].agent_id == "j"


def test_an_unclosed_quotation_mark_does_not_swallow_a_table_of_any_length() -> None:
    data = b'agent_id,name\na,"A\n' + b"".join(b"x%d,%s\n" % (n, b"X" * 200) for n in range(1000)) + b"b,B\n"
    items = list(read(data))
    assert isinstance(items[0], BadRecord)
    assert isinstance(items[-1], CatalogueEntry)


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        (b"agent_id,name,nmae\n", 'column "nmae" is not known. Did you mean "name"'),
        (b"agent_id,name,name\n", "stands twice"),
        (b"agent_id,type\n", "lacks the column name"),
        (b"\xff\n", "not UTF-8"),
        (b"", "is empty"),
        (b'agent_id,"name\n', "cannot be read"),
    ],
)
def test_a_header_that_is_not_ours_refuses_the_whole_table(header: bytes, reason: str) -> None:
    with pytest.raises(InvalidHeader, match=reason):
        list(read(header + b"a,A\n" * bool(header), format=Format.CSV))


# --- which format ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("head", "format"),
    [
        (b'{"agent_id": "a"', Format.JSONL),
        (b'[{"name": "x", "metadata": {"packages": []}, "agent_id": "a"}]', Format.JSONL),
        (b'[{"name": "x", "packages": []}]', Format.MCP),
        (b'{"servers": [{"name": "x"}]}', Format.MCP),
        (b'{"server": {"name": "x"}}', Format.MCP),
        (b'{"$schema": "https://x", "name": "x"}', Format.MCP),
        (b' \n[ {"name": "x", "description": "packages", "supportedInterfaces": [', Format.A2A),
        (b'{"name": "x", "url": "u", "defaultInputModes": []}', Format.A2A),
        (b'\xef\xbb\xbf"agent_id";"name"\n', Format.CSV),
        (b"name,agent_id", Format.CSV),
    ],
)
def test_the_format_is_seen_from_the_beginning(head: bytes, format: Format) -> None:
    assert detect(head) is format


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b" \n",
        b"[]",
        b"{}",
        b"[",
        b"hello",
        b"\x1f\x8b\x08",
        b"PK\x03\x04",
        b"\xff\xfea",
        b'{"name": "x"}',
        b"id,name\n",
    ],
)
def test_what_cannot_be_told_is_refused_with_what_to_say(head: bytes) -> None:
    with pytest.raises(UnknownFormat):
        detect(head)
    with pytest.raises(UnknownFormat):
        read(head)


def test_a_format_is_known_by_its_name_or_gets_a_near_match() -> None:
    assert format_named(" MCP ") is Format.MCP
    with pytest.raises(UnknownFormat, match='Did you mean "jsonl"'):
        format_named("json")
    with pytest.raises(UnknownFormat):
        read(b"", format="xml")


# --- any bytes at all -----------------------------------------------------------------------------

SEEDS = [
    lines(FULL, own("b")),
    json.dumps([FULL]).encode(),
    b'{"servers": [{"name": "io.github.x/slack-mcp", "description": "Slack.", '
    b'"packages": [{"registry_name": "npm"}], '
    b'"remotes": [{"transport_type": "sse", "url": "https://x.example/sse?key=1"}]}], '
    b'"metadata": {"count": 1}}',
    b'[{"server": {"name": "a/b", "version": "1"}, '
    b'"_meta": {"io.modelcontextprotocol.registry/official": {"isLatest": true}}}]',
    b'{"name": "N", "description": "D", "version": "1", "capabilities": {}, '
    b'"defaultInputModes": ["text/plain"], "defaultOutputModes": ["text/plain"], '
    b'"supportedInterfaces": [{"url": "https://h.example/a", "protocolBinding": "JSONRPC", '
    b'"protocolVersion": "1.0"}], '
    b'"skills": [{"id": "s", "name": "S", "description": "D", "tags": ["t"]}]}',
    b'agent_id,name,skills\na,A,"x:1"\n',
]
PIECES = [
    b'"',
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"\n",
    b"\\",
    b"\\u0000",
    b"\\ud800",
    b"\0",
    b"\xff",
    b"null",
    b"1e999",
    b"[]",
    b"{}",
]


@st.composite
def mangled(draw: st.DrawFn) -> bytes:
    """A sound catalogue with a few of its bytes cut out, doubled or replaced."""
    data = draw(st.sampled_from(SEEDS))
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, len(data)))
        end = min(len(data), start + draw(st.integers(0, 12)))
        data = data[:start] + draw(st.sampled_from([*PIECES, data[start:end] * 2, b""])) + data[end:]
    return data


def harmless(data: bytes, format: Format | None) -> None:
    numbers = []
    try:
        for item in read(data, file="f", format=format):
            assert isinstance(item, (CatalogueEntry, BadRecord, SkippedRecord))
            item.model_dump_json()
            numbers.append(item.record)
    except Invalid as refused:
        assert isinstance(refused, (UnknownFormat, InvalidHeader))
    assert numbers == sorted(numbers)


@settings(max_examples=400, deadline=None)
@given(mangled(), st.sampled_from([None, *Format]))
@example(b"[[[[", None)
@example(b'{"servers": [{"servers": [{}]}]}', Format.MCP)
@example(b'"', Format.JSONL)
@example(b'{"a":"\\', Format.JSONL)
def test_a_mangled_catalogue_gives_items_or_invalid_and_nothing_else(data: bytes, format: Format | None) -> None:
    harmless(data, format)


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=200), st.sampled_from([None, *Format]))
def test_any_bytes_give_items_or_invalid_and_nothing_else(data: bytes, format: Format | None) -> None:
    harmless(data, format)


@settings(max_examples=150, deadline=None)
@given(
    VALUES,
    st.sampled_from([*SEEDS[:5]]),
    st.randoms(use_true_random=False),
    st.sampled_from([Format.MCP, Format.A2A, Format.JSONL]),
)
def test_any_json_in_the_place_of_any_field_gives_items_and_nothing_else(
    value: Any, seed: bytes, random: Any, format: Format
) -> None:
    record = json.loads(seed.splitlines()[0])

    def replace_one(node: Any) -> Any:
        if isinstance(node, dict) and node:
            key = random.choice(sorted(node))
            return {**node, key: value if random.random() < 0.4 else replace_one(node[key])}
        if isinstance(node, list) and node:
            return [replace_one(node[0]), *node[1:]]
        return value

    harmless(json.dumps(replace_one(record)).encode(), format)


def test_an_entry_made_in_code_keeps_the_same_limits() -> None:
    wrongs: list[dict[str, Any]] = [
        {"name": "half \ud800"},
        {"description": "half \udc00"},
        {"metadata": {"big": 2**70}},
    ]
    for wrong in wrongs:
        with pytest.raises(ValueError, match=r"unicode|JSON cannot carry"):
            CatalogueEntry.model_validate({"agent_id": "a", "name": "A", **wrong})


def test_a_cell_of_a_table_may_not_be_nested_too_deep_either() -> None:
    """A cell's JSON is not cut by the splitter, so its depth is counted when it is parsed."""
    cell = '{""x"":' * 40 + "1" + "}" * 40
    fault = bad(f'agent_id,name,metadata\na,A,"{cell}"\n'.encode(), Format.CSV)
    assert (fault.field, fault.reason) == ("metadata", "is nested deeper than 32")
    deepest = '{""x"":' * 12_000 + "1" + "}" * 12_000
    assert bad(f'agent_id,name,metadata\na,A,"{deepest}"\n'.encode(), Format.CSV).field in ("", "metadata")


def test_parse_needs_no_cutting_to_be_strict() -> None:
    (raw,) = split(io.BytesIO(b' {"a": 1.50} \n'))
    assert raw.alone
    assert str(parse(raw)["a"]) == "1.50"
