"""Statements of agents: what is refused and why, and that what runs holds nothing but what may be asked."""

import re
from collections.abc import Iterator
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlglot import exp, parse

from moothill.database.untrusted import TENANT
from moothill.tenancy.untrusted import grammar
from moothill.tenancy.untrusted.errors import ParameterMissing, SqlRefused, SqlSyntax
from moothill.tenancy.untrusted.rules import row_of
from moothill.tenancy.untrusted.writing import Checked, check

RELATIONS = {
    "agents": ["id", "agent_id", "name", "tags", "rating", "specialisations"],
    "capabilities": ["id", "agent_id", "name", "confidence"],
    "v_active_agents": ["id", "agent_id", "name"],
}


def checked(text: str, **kinds: str) -> Checked:
    return check(text, kinds, RELATIONS)


# What somebody might try, and the word by which the refusal names it.
TRICKS = {
    # other statements
    "a write": ("delete from agents", "DELETE"),
    "a write in WITH": ("with gone as (delete from agents returning *) select * from gone", "DELETE"),
    "an insert in WITH": ("with x as (insert into agents (id) values (null) returning id) table x", "INSERT"),
    "an update in FROM": ("select * from (update agents set name = 'x' returning *) u", "SqlSyntax"),
    "two statements": ("select 1; select 2", "several statements"),
    "a statement behind a comment": ("select 1 -- \n; drop table moothill.agents", "several statements"),
    "EXPLAIN": ("explain select 1", "EXPLAIN"),
    "EXPLAIN ANALYZE": ("explain (analyze) select * from agents", "EXPLAIN"),
    "SET": ("set app.current_tenant = 'x'", "SET"),
    "SET LOCAL": ("set local app.context_token = 'x'", "SET"),
    "RESET": ("reset all", "RESET"),
    "COPY": ("copy agents to stdout", "COPY"),
    "COPY to a program": ("copy (select 1) to program 'id'", "COPY"),
    "DO": ("do $$ begin perform 1; end $$", "DO"),
    "CALL": ("call something()", "CALL"),
    "PREPARE": ("prepare x as select 1", "PREPARE"),
    "EXECUTE": ("execute m1(1)", "EXECUTE"),
    "DECLARE": ("declare c cursor for select 1", "DECLARE"),
    "LISTEN": ("listen x", "LISTEN|read as SQL|This statement"),
    "a transaction": ("commit", "COMMIT"),
    "CREATE TABLE AS": ("create table x as select 1", "CREATE"),
    "SELECT INTO": ("select * into shadow from agents", "SELECT INTO"),
    "TRUNCATE": ("truncate agents", "TRUNCATE"),
    "nothing": (" ; ; ", "empty"),
    "no columns": ("select from agents", "without columns"),
    # relations
    "a table of the system": ("select * from pg_class", "pg_class"),
    "by its schema": ("select * from pg_catalog.pg_class", "pg_class"),
    "by its schema, in quotes": ('select * from "pg_catalog"."pg_authid"', "pg_authid"),
    "in Unicode escapes": ('select * from U&"\\0070g_class"', "SqlSyntax|notation|relation"),
    "the information schema": ("select * from information_schema.tables", "information_schema.tables"),
    "another schema": ("select * from public.agents", "public.agents"),
    "another database": ("select * from moothill.moothill.agents", "agents"),
    "a partition": ("select * from events_default", "events_default"),
    "the tenants": ("select * from tenants", "tenants"),
    "the keys": ("select * from moothill.context_keys", "moothill.context_keys"),
    "a temporary table": ("select * from pg_temp.agents", "pg_temp"),
    "TABLE": ("table pg_user", "pg_user"),
    "in a sub-select": ("select (select count(*) from pg_stat_activity)", "pg_stat_activity"),
    "in IN": ("select * from agents where id in (select oid from pg_proc)", "pg_proc"),
    "in EXISTS": ("select exists (table pg_settings)", "pg_settings"),
    "in ORDER BY": ("select 1 from agents order by (select usename from pg_user limit 1)", "pg_user"),
    "in a lateral": ("select * from agents, lateral (select * from pg_roles) r", "pg_roles"),
    "in an array": ("select array(select rolname from pg_roles)", "pg_roles"),
    "in a window": ("select count(*) over (order by (select 1 from pg_locks)) from agents", "pg_locks"),
    "in FILTER": ("select count(*) filter (where exists (select 1 from pg_locks))", "pg_locks"),
    "in VALUES": ("values ((select 1 from pg_locks))", "pg_locks"),
    "in LIMIT": ("select 1 limit (select 1 from pg_locks)", "pg_locks"),
    "in a join's condition": ("select 1 from agents a join agents b on exists (table pg_locks)", "pg_locks"),
    "in a set operation": ("select 1 union all select 2 from pg_locks", "pg_locks"),
    "under a common table's name, outside of it": (
        "select * from (with secret as (select 1) select * from secret) a, secret",
        "secret",
    ),
    "a common table in itself": ("with secret as (select * from secret) select 1", "secret"),
    "a common table before it is": ("with a as (select * from b), b as (select 1) select 1", "b"),
    "a qualified common table": ("with tenants as (select 1) select * from moothill.tenants", "moothill.tenants"),
    "ONLY": ("select * from only agents", "only"),
    "TABLESAMPLE": ("select * from agents tablesample system (1)", "sample"),
    "ROWS FROM": ("select * from rows from (unnest(array[1]))", "rows from"),
    # functions
    "sleeping": ("select pg_sleep(10)", "pg_sleep"),
    "setting": ("select set_config('app.current_tenant', 'x', false)", "set_config"),
    "setting, in capitals and quotes": ("select \"set_config\"('a', 'b', true)", "set_config"),
    "setting, by its schema": ("select pg_catalog.set_config('a', 'b', true)", "dots"),
    "setting, in WHERE": ("select 1 where set_config('app.context_token', 'x', true) is not null", "set_config"),
    "setting, in FROM": ("select * from set_config('a', 'b', true)", "set_config"),
    "setting, in a lateral": ("select * from agents, lateral set_config('a', name, true)", "set_config"),
    "setting, in ORDER BY": ("select 1 from agents order by set_config('a', name, true)", "set_config"),
    "setting, as a window": ("select set_config('a', 'b', true) over ()", "set_config"),
    "reading settings": ("select current_setting('app.context_token')", "current_setting"),
    "asking for privileges": ("select has_table_privilege('x', 'y')", "has_table_privilege"),
    "reading files": ("select pg_read_file('/etc/passwd')", "pg_read_file"),
    "listing folders": ("select * from pg_ls_dir('.')", "pg_ls_dir"),
    "large objects": ("select lo_import('/etc/passwd')", "lo_import"),
    "another server": ("select * from dblink('host=x', 'select 1') as t (a int)", "dblink|another form"),
    "a query in a text": ("select query_to_xml('select 1', true, true, '')", "query_to_xml"),
    "a cursor in a text": ("select cursor_to_xml('c', 1, true, true, '')", "cursor_to_xml"),
    "a table in a text": ("select table_to_xml('pg_class', true, true, '')", "table_to_xml"),
    "XMLELEMENT": ("select xmlelement(name a)", "SqlSyntax|xmlelement"),
    "XMLTABLE": ("select * from xmltable('/a' passing '<a/>' columns b int)", "SqlSyntax|xmltable"),
    "a statement in a text": ("select ts_stat('select 1')", "ts_stat"),
    "the keys' gate": ("select * from moothill.gate_context_key()", "gate_context_key"),
    "the proof itself": ("select mt.proved_tenant()", "dots"),
    "the frame's function": ("select sql_price('select 1')", "sql_price"),
    "killing others": ("select pg_terminate_backend(1)", "pg_terminate_backend"),
    "locks": ("select pg_advisory_lock(1)", "pg_advisory_lock"),
    "notifying": ("select pg_notify('a', 'b')", "pg_notify"),
    "the version": ("select version()", "version"),
    "who and where": ("select inet_server_addr()", "inet_server_addr"),
    "CURRENT_USER": ("select current_user", "Current User"),
    "SESSION_USER": ("select session_user", "Session User"),
    "CURRENT_CATALOG": ("select current_catalog", "Current Catalog"),
    "CURRENT_SCHEMA": ("select current_schema", "Current Schema"),
    "an operator's function": ("select 1 operator(pg_catalog.+) 2", "Operator"),
    "a function by its dot": ("select (a).pg_typeof from agents a", "dots"),
    "a function by a column's name": ("select a.pg_typeof from agents a", "pg_typeof"),
    "VARIADIC": ("select concat(variadic array['a'])", "SqlSyntax|Variadic"),
    # types
    "a name of a relation": ("select 'agents'::regclass", "type"),
    "a name of a function": ("select 'set_config'::regproc", "type"),
    "a name of a role": ("select cast('postgres' as regrole)", "type"),
    "a number of an object": ("select 1::oid", "type"),
    "XML": ("select '<a/>'::xml", "XML"),
    "bytes": ("select 'a'::bytea", "type"),
    "a type of ours": ("select null::moothill.agents", "type|USERDEFINED"),
    "a name of the system": ("select 'x'::name", "type|NAME"),
    # bombs
    "a series": ("select * from generate_series(1, 1000000000000)", "generate_series"),
    "a repetition": ("select repeat('x', 1000000000)", "repeat"),
    "padding": ("select lpad('x', 1000000000)", "lpad"),
    "a format": ("select format('%1000000000s', 'x')", "format"),
    "a replacement that grows": ("select replace('aaaa', 'a', 'aaaaaaaaaaaaaaaa')", "replace"),
    "a replacement by a column": ("select replace(name, 'a', name) from agents", "replace"),
    "a page of delimiters": (
        "select array_to_string(string_to_array(name, null), 'xxxxxxxxxxxx') from agents",
        "array_to",
    ),
    "recursion": ("with recursive t as (select 1 union all select * from t) select * from t", "RECURSIVE"),
    "all subsets": ("select count(*) from agents group by cube (id, name, rating)", "several ways"),
    "one relation after the other": ("select 1 from " + ", ".join(["agents"] * 20), "so many relations"),
    "thirty doublings": (
        "select x from (" + "select x || x as x from (" * 24 + "select name as x from agents" + ") t" * 25,
        "so many pieces",
    ),
    "thirty quotations": (
        "select x from (" + "select (to_json(x)::text) as x from (" * 12 + "select name as x from agents" + ") t" * 13,
        "so many pieces",
    ),
    # locks and other parts
    "FOR UPDATE": ("select * from agents for update", "FOR UPDATE"),
    "FOR SHARE": ("select * from agents for share skip locked", "FOR UPDATE or FOR SHARE"),
    "a collation": ('select name collate "C" from agents', "Collate"),
    # lexical
    "an escaped text": ("select e'\\x27'", "notation"),
    "Unicode escapes": ("select u&'d\\0061t'", "notation"),
    "dollar quotes": ("select $$x$$", "notation"),
    "dollar quotes with a tag": ("select $a$x$a$", "notation"),
    "bits": ("select b'1'", "Bit String"),
    "hexadecimal": ("select x'1f'", "Hex String"),
    "a number with a prefix": ("select 0x1f", "Hex String"),
    "a number with separators": ("select 1_000", "separators"),
    "an open text": ("select 'x", "SqlSyntax"),
    "an open name": ('select "x', "SqlSyntax"),
    "an open comment": ("select 1 /* x", "SqlSyntax|SELECT"),
    "a long name": (f'select 1 as "{"x" * 64}"', "1 to 63 bytes"),
    "a long name of another alphabet": (f'select 1 as "{"é" * 32}"', "1 to 63 bytes"),
    "a parameter by number": ("select $1", "by number"),
    "a parameter by a question mark": ("select ?", "SqlSyntax|Placeholder"),
}


@pytest.mark.parametrize("trick", TRICKS)
def test_is_refused_with_its_name_and_the_way_out(trick: str) -> None:
    """A17, A23: whatever is no plain question is refused before anything reaches the database."""
    text, named = TRICKS[trick]
    with pytest.raises(SqlRefused) as caught:
        checked(text)
    said = f"{type(caught.value).__name__} {caught.value.message}"
    assert re.search(named, said), said
    assert caught.value.context["rule"]
    assert len(caught.value.context["construct"]) <= 63
    assert "; " in caught.value.message or "Write" in caught.value.message


FINE = (
    "select * from agents",
    "select a.* from moothill.agents as a",
    "table agents",
    "values (1, 'a'), (2, null)",
    "select name as n, count(*) from agents group by 1 having count(*) > 1 order by n desc nulls last limit 5 offset 1",
    "select distinct on (name) name, rating from agents order by name, rating desc",
    "select name, rank() over (partition by name order by rating desc) from agents",
    "select sum(rating) over w from agents window w as (order by name rows between 1 preceding and current row)",
    "select count(distinct name), count(*) filter (where rating > 1500), percentile_cont(0.5) within group "
    "(order by rating), string_agg(name, ', ' order by name) from agents",
    "with a as materialized (select id from agents), b as (select * from a) select * from a join b using (id)",
    "select a.name from agents a left join capabilities c on c.agent_id = a.id and c.confidence > 0.5 "
    "where a.name ilike '%x%' and a.name not like 'y!_%' escape '!' and a.rating between 1 and 2",
    "select a.name, t.tag, t.place from agents a cross join lateral unnest(a.tags) with ordinality as t (tag, place)",
    "select unnest(tags) from agents",
    "select case when rating > 1 then 'a' else 'b' end, coalesce(name, '-'), cast(rating as numeric(9, 2)) from agents",
    "select date_trunc('month', now()), extract(year from current_date), now() - interval '1 day', date '2026-01-01'",
    "select '{\"a\": [1]}'::jsonb -> 'a' ->> 0, '{}'::jsonb ? 'a', jsonb_build_object('a', 1) @> '{}'",
    "select name from agents where tags && array['x'] and id in (select id from capabilities) and not exists "
    "(select 1 from capabilities c where c.id = agents.id)",
    "select name from agents union select name from v_active_agents intersect select 'x' except all select 'y'",
    "select (select count(*) from capabilities), array(select name from agents), substring('abc' from 2 for 1)",
    "select trim(both 'x' from name), position('a' in name), name ~* '^a', left(name, 2) || '…' from agents",
    "select * from agents fetch first 3 rows only",
    "select make_interval(days => 3), 2 ^ 10, 7 % 3, - - 1, 1 is distinct from null",
    "select 'it''s', 'back\\slash', 'semi;colon -- and /* comment */' /* a comment */ -- another",
    "select id = any(array[null]::uuid[]), 1 <> all(array[1, 2]) from agents",
)


@pytest.mark.parametrize("text", FINE)
def test_a_plain_question_is_written_anew(text: str) -> None:
    made = checked(text)
    assert holds_only_what_may_be_asked(made.text) == []
    # What was written is as good as what was read: nothing changes when it goes through again.
    inner = made.text.replace(TENANT, "'x'")
    assert parse(inner, dialect="postgres")


def holds_only_what_may_be_asked(written: str) -> list[str]:
    """What a statement holds that may not be asked, by the eyes of a parser that was told nothing of our rules."""
    (tree,) = parse(written.replace(TENANT, "'tenant'"), dialect="postgres")
    return list(_faults(tree))


def _faults(tree: exp.Expr | None) -> Iterator[str]:
    if not isinstance(tree, exp.Query | exp.Values):
        yield f"no query: {tree!r}"
        return
    for node in tree.walk():
        if isinstance(node, exp.DML | exp.DDL | exp.Command | exp.Into | exp.Lock | exp.Placeholder):
            yield f"{type(node).__name__}"
        if isinstance(node, exp.Table) and isinstance(node.this, exp.Identifier):
            inside = node.db == "moothill" and node.name in RELATIONS
            ours = not node.db and re.fullmatch(r"q\d+", node.name)
            if not inside and not ours:
                yield f"reads {node.sql()}"
        if isinstance(node, exp.Anonymous) and node.name.lower() not in {*grammar.FUNCTIONS, "all"}:
            yield f"calls {node.name}"
        if isinstance(node, exp.Identifier) and not node.args.get("quoted"):
            yield f"leaves {node.name} to be looked up"


WORDS = (
    *(
        "select",
        "from",
        "where",
        "group by",
        "order by",
        "limit 1",
        "union all",
        "with",
        "as",
        "join",
        "on",
        "using",
        "lateral",
    ),
    *(
        "case when",
        "then",
        "end",
        "and",
        "not",
        "in",
        "exists",
        "any",
        "like",
        "is null",
        "over",
        "filter (where",
        "distinct",
    ),
    *(
        "(",
        "(",
        "(",
        ")",
        ")",
        ")",
        "[",
        "]",
        ",",
        ",",
        ",",
        ".",
        ";",
        "::",
        ":a",
        "$1",
        "*",
        "+",
        "-",
        "||",
        "=",
        "->>",
        "@>",
    ),
    *(
        "agents",
        "agents a",
        "capabilities",
        "moothill.agents",
        "pg_class",
        "pg_catalog.pg_class",
        "tenants",
        "x",
        "q1",
        "a",
    ),
    *(
        "name",
        "id",
        "rating",
        "a.name",
        "tags",
        '"Q"',
        '"pg_class"',
        "'x'",
        "'a''b'",
        "'\\'",
        "1",
        "2.5",
        "null",
        "true",
    ),
    *(
        "count(*)",
        "max(rating)",
        "lower(name)",
        "unnest(tags)",
        "set_config('a', 'b', true)",
        "pg_sleep(1)",
        "mt.tenant()",
    ),
    *(
        "int",
        "text",
        "regclass",
        "interval '1 day'",
        "e'\\''",
        "$$",
        "--\n",
        "/*",
        "*/",
        "for update",
        "into",
        "values (1)",
        "table",
    ),
)
SHAPES = (
    "{}",
    "select {} from agents",
    "select * from agents where {}",
    "with x as (select {}) select * from x, {}",
    "({}) union {}",
)


@given(
    st.sampled_from(SHAPES),
    st.lists(st.sampled_from(WORDS), max_size=14).map(" ".join),
    st.lists(st.sampled_from(WORDS), max_size=6).map(" ".join),
)
def test_whatever_is_accepted_holds_only_what_may_be_asked(shape: str, first: str, second: str) -> None:
    """A17: any words in any order are refused, or become a statement over the allowed relations alone."""
    text = shape.format(first, second)
    kinds = {"a": "text"} if ":a" in text else {}
    try:
        made = check(text, kinds, RELATIONS)
    except (SqlRefused, ParameterMissing):
        return
    assert holds_only_what_may_be_asked(made.text) == [], text
    assert made.relations <= RELATIONS.keys()


@given(st.text(max_size=60))
def test_any_text_is_refused_or_accepted_and_nothing_else(text: str) -> None:
    for whole in (text, f"select {text}", f"select * from agents where name = '{text}'"):
        try:
            made = check(whole, {}, RELATIONS)
        except (SqlRefused, ParameterMissing):
            continue
        assert holds_only_what_may_be_asked(made.text) == []


@given(st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=40))
def test_a_literal_stays_what_it_is(text: str) -> None:
    """Whatever stands between the quotes, it ends where it ended."""
    literal = "'" + text.replace("'", "''") + "'"
    assert checked(f"select {literal}").text == f"SELECT {literal}"


@given(st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), min_size=1, max_size=15))
def test_a_name_in_quotes_stays_what_it_is(name: str) -> None:
    quoted = '"' + name.replace('"', '""') + '"'
    if len(name.encode()) > 63 or name.startswith("pg_"):
        return
    assert checked(f"select 1 as {quoted}").text == f"SELECT 1 AS {quoted}"


@pytest.mark.parametrize(
    "text",
    [
        "select " + "(" * 60 + "1" + ")" * 60,
        "select " + "array[" * 31 + "1" + "]" * 31,
        "select " + "date (" * 31 + "1" + ")" * 31,
        "select " + "1+" * 1400 + "1",
        "select " + "not " * 1000 + "true",
        "select 1" + " union select 1" * 900,
        "(" * 9_999,
        "values " + ",".join(["(1)"] * 1_500),
        "select " + "case when 1 = 1 then " * 60 + "1" + " end" * 60,
    ],
)
def test_what_would_keep_the_parser_busy_is_refused(text: str) -> None:
    """A parser that tries every way at every level would not end; its steps are counted."""
    with pytest.raises(SqlRefused) as caught:
        checked(text)
    assert caught.value.context["rule"] in ("size", "syntax")


def test_a_relation_becomes_its_columns_in_the_tenant() -> None:
    made = checked("select v.name from v_active_agents v where v.id = :it", it="text")
    inner = f'(SELECT "id", "agent_id", "name" FROM "moothill"."v_active_agents" WHERE "tenant_id" = {TENANT})'
    assert made.text == f'SELECT "v"."name" FROM {inner} AS "v" WHERE "v"."id" = $1'
    assert made.parameters == ("it",)
    assert made.relations == {"v_active_agents"}


def test_a_common_table_gets_a_name_of_ours() -> None:
    """A name that the writer took for a common table and the server did not would lead to the catalog."""
    assert checked("with pins as (select 1 as x) select pins.x from pins").text == (
        'WITH "q1" AS (SELECT 1 AS "x") SELECT "pins"."x" FROM "q1" AS "pins"'
    )


def test_parameters_are_numbered_once_and_typed_by_their_values() -> None:
    made = checked(
        "select * from agents where name = :a and rating > :b and name <> :a and id = any(:c)",
        a="text",
        b="integer",
        c="list",
    )
    assert made.parameters == ("a", "b", "c")
    assert '"name" = $1 AND "rating" > CAST($2 AS integer) AND "name" <> $1' in made.text
    for kinds in ({}, {"a": "text", "b": "text"}):
        with pytest.raises(ParameterMissing):
            check("select :a", kinds, RELATIONS)


def test_a_near_name_is_suggested() -> None:
    with pytest.raises(SqlRefused, match='did you mean "agents"'):
        checked("select * from agent")
    with pytest.raises(SqlRefused, match='did you mean "lower"'):
        checked("select lowr('x')")


def test_a_syntax_error_names_its_place_and_no_literal() -> None:
    with pytest.raises(SqlSyntax, match="line 2, column") as caught:
        checked("select 'a secret'\nfrom (agents")
    assert "secret" not in str(caught.value.to_problem())


def test_every_way_out_is_for_what_is_refused() -> None:
    assert not grammar.WAYS_OUT.keys() & grammar.FUNCTIONS
    assert grammar.BUILDING | grammar.GATHERING | grammar.ESCAPING | grammar.DOUBLE | grammar.SETS <= grammar.FUNCTIONS


@given(st.decimals(allow_nan=False, allow_infinity=False) | st.integers().map(Decimal))
def test_a_number_is_exact_or_a_text(number: Decimal) -> None:
    text = f"{number:f}" if abs(number.adjusted()) < 50 else str(number)
    (found,) = row_of(f'{{"n": {text}}}') if re.fullmatch(r"-?\d+(\.\d+)?", text) else (text,)
    if isinstance(found, str):
        assert found == text
    else:
        assert Decimal(repr(found)) == number


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_double_comes_back_as_itself(number: float) -> None:
    (found,) = row_of(f'{{"n": {number!r}}}')
    assert found == number


def test_names_may_repeat_and_objects_stay_objects() -> None:
    assert row_of('{"a": 1, "a": {"b": [1, {"c": null}], "d": "x"}, "": true}') == [
        1,
        {"b": [1, {"c": None}], "d": "x"},
        True,
    ]
