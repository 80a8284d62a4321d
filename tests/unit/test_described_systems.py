"""What the described systems name, and what carries it: the data, its rules and its page."""

import re
from dataclasses import replace
from typing import Any

import pytest

from moothill.described_systems import (
    CAPABILITIES,
    KINDS,
    TARGETS,
    DescribedSystem,
    InvalidDescription,
    Row,
    load,
    parse,
    render_reference,
    unresolved,
)

NAMED_VIEWS = {
    "agent_capability_summary",
    "agent_relationship_summary",
    "agent_connectivity",
    "caws_provenance_chains",
    "slow_search_queries",
    "popular_search_queries",
    "search_performance_by_type",
    "tenant_statistics",
    "cross_tenant_access_summary",
    "v_active_agents",
    "v_current_leaderboard",
    "v_active_mentorships",
    "v_agent_reputation",
    "v_task_queue_summary",
}
HEAD = 'system = "Z"\ntitle = "a sample"\n'
GOOD = '[[row]]\nkind = "view"\nname = "v_one"\nfacts = "one"\ncarried_by = ["view:v_one"]\n'


@pytest.fixture(scope="module")
def systems() -> tuple[DescribedSystem, ...]:
    return load()


def every_row(systems: tuple[DescribedSystem, ...]) -> list[Row]:
    return [row for system in systems for row in system.rows]


def known_targets(systems: tuple[DescribedSystem, ...]) -> dict[str, Any]:
    """The sets that `unresolved` takes, filled with exactly what the rows name."""
    known: dict[str, Any] = {f"{kind}s": set() for kind in TARGETS}
    for row in every_row(systems):
        for target in row.carried_by:
            kind, _, name = target.partition(":")
            known[f"{kind}s"].add(name)
    return known


def test_the_three_systems_parse_in_order(systems: tuple[DescribedSystem, ...]) -> None:
    assert [system.letter for system in systems] == ["A", "B", "C"]
    assert all(len(system.rows) > 100 for system in systems)


def test_every_row_is_carried_planned_or_refused(systems: tuple[DescribedSystem, ...]) -> None:
    for row in every_row(systems):
        assert row.carried_by or row.planned or row.refused, row.name
        assert not (row.refused and (row.carried_by or row.planned)), row.name


def test_no_thing_is_listed_twice_in_a_system(systems: tuple[DescribedSystem, ...]) -> None:
    for system in systems:
        names = [(row.kind, row.name) for row in system.rows]
        assert len(names) == len(set(names))


def test_column_groups_cover_the_tables_that_the_descriptions_define(
    systems: tuple[DescribedSystem, ...],
) -> None:
    sized = [[row for row in system.rows if row.column_count] for system in systems]
    assert [len(rows) for rows in sized] == [14, 41, 12]
    for system, tables in zip(systems, sized, strict=True):
        for table in tables:
            columns = [column for row in system.rows if row.table == table.name for column in row.columns]
            assert len(columns) == len(set(columns)) == table.column_count, table.name


def test_every_named_view_is_listed(systems: tuple[DescribedSystem, ...]) -> None:
    assert {row.name for row in every_row(systems) if row.kind == "view"} >= NAMED_VIEWS


def test_a_view_that_is_here_has_both_an_operation_and_an_sql_view(
    systems: tuple[DescribedSystem, ...],
) -> None:
    for row in every_row(systems):
        if row.kind == "view" and row.name in NAMED_VIEWS and row.state == "here":
            assert f"view:{row.name}" in row.carried_by
            assert any(target.startswith("operation:") for target in row.carried_by), row.name


def test_every_capability_that_something_waits_for_is_known(systems: tuple[DescribedSystem, ...]) -> None:
    assert {row.planned for row in every_row(systems)} <= {"", *CAPABILITIES}


def test_nothing_is_unresolved_when_every_target_exists(systems: tuple[DescribedSystem, ...]) -> None:
    assert unresolved(**known_targets(systems)) == []


@pytest.mark.parametrize("kind", sorted(TARGETS))
def test_each_missing_target_is_found(kind: str, systems: tuple[DescribedSystem, ...]) -> None:
    known = known_targets(systems)
    missing = max(known[f"{kind}s"])
    known[f"{kind}s"].discard(missing)
    found = unresolved(**known)
    assert found and {item.target for item in found} == {f"{kind}:{missing}"}


def test_an_unresolved_target_names_the_row_and_a_near_match() -> None:
    system = parse(HEAD + GOOD, source="z.toml")
    (found,) = unresolved(set(), {"v_ones"}, set(), set(), set(), set(), set(), systems=(system,))
    assert str(found) == 'Z: view "v_one" is carried by view:v_one, which does not exist. Did you mean "v_ones"?'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("system = ", "z.toml is not valid TOML"),
        (GOOD, "z.toml: system is missing or empty"),
        (HEAD, "z.toml: row is missing or empty"),
        (HEAD + "more = 1\n" + GOOD, "z.toml: unknown key more"),
        (HEAD + "row = [1]\n", "z.toml, row 1: a row must be a table"),
        (HEAD + GOOD + GOOD, 'view "v_one" is listed twice'),
        (HEAD + GOOD.replace("facts", "fact"), 'unknown field fact. Did you mean "facts"?'),
        (HEAD + GOOD.replace('facts = "one"\n', ""), 'row 1 (view "v_one"): facts is missing'),
        (HEAD + GOOD.replace('"one"', '" "'), "facts must be a text that is not empty"),
        (HEAD + GOOD.replace('["view:v_one"]', "[1]"), "carried_by must be a list of texts"),
        (HEAD + GOOD.replace('["view:v_one"]', '["view:v", "view:v"]'), "carried_by names something twice"),
        (HEAD + GOOD.replace('kind = "view"', 'kind = "views"'), 'unknown kind views. Did you mean "view"?'),
        (HEAD + GOOD + 'origin = "rumour"\n', "origin must be one of document, code"),
        (HEAD + GOOD + 'planned = "task"\n', 'unknown capability task. Did you mean "tasks"?'),
        (HEAD + GOOD + 'refused = "no"\n', "so it cannot be carried or planned as well"),
        (HEAD + GOOD.replace('["view:v_one"]', "[]"), "nothing carries it"),
        (HEAD + GOOD.replace("view:v_one", "page:v_one"), "target page:v_one must start with one of"),
        (HEAD + GOOD.replace("view:v_one", "operation:one"), "operation names are not written like that"),
        (HEAD + GOOD + 'table = "t"\n', "table and columns belong to column groups"),
        (HEAD + GOOD + "column_count = 2\n", "column_count is a positive number, on tables alone"),
    ],
)
def test_a_bad_row_is_refused_with_file_row_and_field(text: str, message: str) -> None:
    with pytest.raises(InvalidDescription, match=re.escape(message)) as caught:
        parse(text, source="z.toml")
    assert "z.toml" in caught.value.message


@pytest.mark.parametrize(
    ("count", "groups", "message"),
    [
        (3, [("t", "a")], "t has 3 columns, its groups cover 1"),
        (2, [("t", "a"), ("t", "a")], "column t.a stands in two groups"),
        (1, [("u", "a")], "table u has no row with a column_count"),
    ],
)
def test_column_groups_must_fit_their_table(count: int, groups: list[tuple[str, str]], message: str) -> None:
    text = HEAD + f'[[row]]\nkind = "table"\nname = "t"\nfacts = "t"\nplanned = "tasks"\ncolumn_count = {count}\n'
    for number, (table, column) in enumerate(groups):
        text += f'[[row]]\nkind = "columns"\nname = "{number}"\nfacts = "c"\nplanned = "tasks"\n'
        text += f'table = "{table}"\ncolumns = ["{column}"]\n'
    with pytest.raises(InvalidDescription, match=re.escape(message)):
        parse(text, source="z.toml")


@pytest.mark.parametrize(
    ("fields", "state"),
    [
        ({"carried_by": ("view:v",)}, "here"),
        ({"carried_by": ("view:v", "decision:0001-why")}, "here"),
        ({"carried_by": ("view:v",), "planned": "tasks"}, "partly here"),
        ({"planned": "tasks"}, "planned"),
        ({"carried_by": ("decision:0001-why",)}, "decided"),
        ({"refused": "no use"}, "refused"),
    ],
)
def test_the_state_follows_from_the_row(fields: dict[str, object], state: str) -> None:
    assert replace(Row(kind="view", name="v", facts="v"), **fields).state == state  # type: ignore[arg-type]


def test_the_page_shows_every_row_once_and_is_stable(systems: tuple[DescribedSystem, ...]) -> None:
    page = render_reference(systems)
    assert page == render_reference(load())
    assert page.endswith("|\n") and "\n\n\n" not in page
    for system in systems:
        assert f"## System {system.letter}: {system.title}\n" in page
    tables = page.split("## System ")[1:]
    for system, text in zip(systems, tables, strict=True):
        cells = [line for line in text.splitlines() if line.startswith("| ") and not line.startswith("| there |")]
        assert len(cells) == len(system.rows)
        assert all(len(re.findall(r"(?<!\\)\|", line)) == 5 for line in cells)


def test_every_kind_has_a_heading_that_the_page_uses(systems: tuple[DescribedSystem, ...]) -> None:
    page = render_reference(systems)
    assert all(f"### {heading}\n" in page for heading in KINDS.values())


def test_text_cannot_break_out_of_its_cell() -> None:
    row = Row(kind="view", name="a|b <i> __c__ `d` [e] *f*", facts="two\nlines", refused="x | y")
    page = render_reference((DescribedSystem(letter="Z", title="a sample", rows=(row,)),))
    name = r"a\|b &lt;i&gt; \__c_\_ \`d\` \[e\] \*f\*"
    assert f"| {name} | two lines | - | refused: x \\| y |" in page
