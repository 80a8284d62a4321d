"""What agents get who ask in SQL: columns, rows, parameters, limits; and mistakes that are explained."""

import re
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest

from moothill.database.embedded import EmbeddedServer
from moothill.database.untrusted import TENANT, SqlMistaken
from moothill.kernel.errors import Invalid
from moothill.moot import Moot
from moothill.tenancy.untrusted.errors import ParameterMissing, SqlRefused
from moothill.tenancy.untrusted.rules import ParameterUnusable
from moothill.tenancy.untrusted.writing import check
from tests.conftest import DATABASE
from tests.unit.test_sql_of_agents import FINE

SECRET_COLUMNS = {"tenant_id", "config", "metadata", "url", "source_digest", "success_total", "digest"}


async def rows(moot: Moot, text: str, **parameters: Any) -> list[list[Any]]:
    return (await moot.sql.query(text=text, parameters=parameters or None)).rows


async def test_rows_come_with_the_names_and_types_of_their_columns(society: Moot) -> None:
    answer = await society.sql.query(text="select name, tags, rating, 1 as n, 2 as n from agents order by agent_id")
    assert [(each.name, each.type) for each in answer.columns] == [
        ("name", "text"),
        ("tags", "text[]"),
        ("rating", "float8"),
        ("n", "int4"),
        ("n", "int4"),
    ]
    assert answer.rows[0] == ["Ada", ["law", "latin"], 1500, 1, 2]
    assert [row[0] for row in answer.rows] == ["Ada", "Béla", 'Cleo "C"']
    assert not answer.truncated
    assert answer.elapsed_ms > 0


async def test_no_rows_still_have_columns(society: Moot) -> None:
    answer = await society.sql.query(text="select id, last_heartbeat_at from agents where false")
    assert ([each.type for each in answer.columns], answer.rows) == (["uuid", "timestamptz"], [])


async def test_values_are_those_of_json(society: Moot) -> None:
    text = """
        values (1.50::numeric, 9007199254740993, 0.1::float8, 'NaN'::float8, null, true,
                '{"a": [1, {"b": null}]}'::jsonb,
                12345678901234567890.123456789, date '2026-02-28', interval '1 day', array[1, null], 'ü "x"', 2e10)
    """
    assert await rows(society, text) == [
        [
            *(1.5, "9007199254740993", 0.1, "NaN", None, True, {"a": [1, {"b": None}]}),
            *("12345678901234567890.123456789", "2026-02-28", "1 day", [1, None], 'ü "x"', 20000000000),
        ]
    ]


async def test_parameters_are_values_and_nothing_else(society: Moot) -> None:
    """B30: whatever stands in a parameter, it is compared and never read as SQL."""
    hostile = "x' or true; drop table agents; --"
    assert await rows(society, "select name from agents where name = :name", name=hostile) == []
    assert await rows(society, "select :name", name=hostile) == [[hostile]]
    answer = await rows(
        society,
        "select :t, :i + 1, :f * 2, :b, :n is null, :l::text[], :j, agent_id = any(:k), :big, :t || '!' "
        "from agents where rating >= :i and registered_at > :since order by agent_id limit :i",
        t="a'b",
        i=1,
        f=0.5,
        b=False,
        n=None,
        l=["x", 'y"z', "{}"],
        j={"a": [1]},
        k=["ada", "nobody"],
        big=2**40,
        since="2026-01-01",
    )
    assert answer == [["a'b", 2, 1, False, True, ["x", 'y"z', "{}"], {"a": [1]}, True, 2**40, "a'b!"]]


@pytest.mark.parametrize("parameters", [{"a": [[1]]}, {"a": [1, "x"]}, {"a": [{}]}])
async def test_lists_hold_things_of_one_kind(society: Moot, parameters: dict[str, Any]) -> None:
    with pytest.raises(ParameterUnusable):
        await society.sql.query(text="select :a", parameters=parameters)


async def test_parameters_and_statement_must_fit(society: Moot) -> None:
    with pytest.raises(ParameterMissing, match=":b"):
        await society.sql.query(text="select :a, :b", parameters={"a": 1})
    with pytest.raises(ParameterMissing, match=":c"):
        await society.sql.query(text="select :a", parameters={"a": 1, "c": 2})
    with pytest.raises(Invalid):
        await society.sql.query(text="select :A", parameters={"A": 1})


async def test_more_rows_than_wanted_are_cut_and_that_is_said(society: Moot) -> None:
    text = "select agent_id from agents order by agent_id desc"
    for limit, seen, cut in ((1, ["cleo"], True), (2, ["cleo", "bela"], True), (3, ["cleo", "bela", "ada"], False)):
        answer = await society.sql.query(text=text, limit=limit)
        assert ([row[0] for row in answer.rows], answer.truncated) == (seen, cut)
    # A limit of one's own cuts nothing that somebody wanted.
    answer = await society.sql.query(text=f"{text} limit 2", limit=2)
    assert (len(answer.rows), answer.truncated) == (2, False)
    for limit in (0, 10_001):
        with pytest.raises(Invalid):
            await society.sql.query(text=text, limit=limit)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("select nmae from agents", 'column "nmae" does not exist'),
        ("select a.config from agents a", "column a.config does not exist"),
        ("select tenant_id from agents", 'column "tenant_id" does not exist'),
        ("select ctid from agents", 'column "ctid" does not exist'),
        ("select xmin, tableoid from agents", 'column "xmin" does not exist'),
        ("select agents.tableoid from agents", "column agents.tableoid does not exist"),
        ("select 1 / 0", "division by zero"),
        ("select 'x'::int", 'invalid input syntax for type integer: "x"'),
        ("select name + 1 from agents", "operator does not exist"),
        ("select lower(1, 2)", "function lower"),
        ("select (select name from agents)", "more than one row"),
        ("select name, count(*) from agents", "must appear in the GROUP BY clause"),
        ("select name from agents a, agents b", "ambiguous"),
        ("select b.name from agents a", 'missing FROM-clause entry for table "b"'),
        ("select * from agents union select 1", "same number of columns"),
    ],
)
async def test_mistakes_are_told_in_the_words_of_the_database(society: Moot, text: str, said: str) -> None:
    with pytest.raises(SqlMistaken, match=re.escape(said)) as caught:
        await society.sql.query(text=text)
    assert "moothill" not in caught.value.message
    assert "pg_" not in caught.value.message
    assert "q1" not in caught.value.message
    # The connection is as good as new.
    assert await rows(society, "select 1") == [[1]]


async def test_the_time_is_now_and_the_writes_before_are_seen(society: Moot) -> None:
    moment = datetime.fromisoformat((await rows(society, "select now()"))[0][0])
    assert abs((datetime.now(UTC) - moment).total_seconds()) < 60
    await society.agents.register(agent_id="dora", name="Dora")
    assert await rows(society, "select count(*) from agents") == [[4]]
    assert await rows(society, "select count(*) from v_active_agents") == [[4]]


async def test_the_schema_lists_what_may_be_asked_and_no_secret_column(society: Moot) -> None:
    relations = {each.name: each for each in await society.sql.schema()}
    assert {"agents", "capabilities", "v_active_agents", "agent_capability_summary"} <= relations.keys()
    assert not {"events", "tenants", "api_keys", "context_keys", "agent_cards"} & relations.keys()
    for relation in relations.values():
        names = [column.name for column in relation.columns]
        assert names
        assert not SECRET_COLUMNS & set(names), relation.name
        assert relation.comment
        assert relation.kind == "view" or all(column.comment for column in relation.columns)
        answer = await society.sql.query(text=f"select * from {relation.name}")
        assert [column.name for column in answer.columns] == names


async def test_it_is_a_statement_of_its_own(society: Moot) -> None:
    """It runs on another connection, so it cannot see what a transaction here has not committed."""
    with pytest.raises(Invalid, match="cannot join"):
        async with society.transaction() as inside:
            await inside.sql.query(text="select 1")


PLAIN = (
    *(text for text in FINE if not re.search(r"now\(\)|table|\*(?!\))", text)),
    "select 1 + 2 * 3 - 4 / 2 % 3, -2 ^ 2, 2 ^ 3 ^ 2, 1 - 1 - 1, 8 / 4 / 2, not true and false, "
    "not (true and false) or true",
    "select 'a' || 'b' = 'ab', 'a' || 'b' like 'ab', 1 = 1 is true, not 1 = 2, 1 between 0 and 2 and true",
    "select '[1,2,3]'::jsonb -> 1, '[1,2]'::jsonb ->> -1, '{\"a\":{\"b\":1}}'::jsonb #>> '{a,b}', "
    "'{}'::jsonb || '{\"a\":1}'",
    "select 3 - -2, +3, - 3 * - 2, ~ 5 & 3 | 8 # 1, 5 % 3, .5, 5., 1e-2, 1.5e3",
    "select date '2026-01-31' + interval '1 month', interval '90 minutes', '1 week'::interval, interval '1' day * 2",
    "select to_char(timestamp '2026-11-21 13:04:05', 'YYYY-MM-DD HH24:MI:SS Day Q'), to_char(1234.5, 'FM999,999.00')",
    "select extract(epoch from interval '1 hour'), date_part('dow', date '2026-11-21'), "
    "to_date('21 Nov 2026', 'DD Mon YYYY')",
    "select name, lag(name) over w, sum(rating) over (order by name rows between unbounded preceding and current row) "
    "from agents window w as (partition by type order by name) order by 1",
    "select array_agg(name order by name desc), percentile_cont(array[0.25, "
    "0.5]) within group (order by rating) from agents",
    "select (array[1, 2, 3])[2], (array[1, 2, 3])[1:2], array[[1, 2], [3, 4]], 2 = any(array[1, 2]), "
    "1 <> all(array[2])",
    "select 'abc' similar to 'a%', 'abc' ~ '^a', 'abc' !~ 'b', 'ABC' ~* 'abc', 'abc' not ilike 'A%'",
    "select 1 union select 2 union all select 2 intersect select 2 order by 1",
    "(select 1 union select 2) except select 1",
    "select 3 union all (values (4)) order by 1 desc limit 1",
    "with a (x) as (values (1), (2)), b as (select x * 2 as y from a) select x, y from a, b where y > x order by 1, 2",
    "select n, t, m from (values (1, 'a'), (2, 'b')) v (n, t) join lateral (select n * 2 as m) q on true order by n",
    'select u.k, u.v from jsonb_each_text(\'{"a": 1, "b": 2}\') as u (k, v) order by 1',
    "select (1, 2) = (1, 2), row(1, 2) < row(1, 3), null is distinct from null, true is not false",
    "select substring('hello' from 'l+'), trim(leading 'x' from 'xxy'), trim(trailing from 'y '), "
    "split_part('a-b', '-', 2)",
    "select 1 as \"A b\", 2 as B, 3 as \"select\", 'it''s \\ $1 :x %s'",
    "select x from unnest(array[3, 1, 2]) with ordinality as t (x, n) where n > 1 order by n desc",
    "select jsonb_agg(jsonb_build_object('n', name) order by name) from agents",
    "select case name when 'Ada' then 1 else 2 end, nullif(1, 1), greatest(1, 2), concat_ws('-', 'a', "
    "null) from agents",
)


@pytest.mark.parametrize("text", PLAIN)
async def test_what_runs_means_what_was_written(server: EmbeddedServer, society: Moot, text: str) -> None:
    """The statement is written anew; by the superuser's eyes both answer alike, operators and all."""
    tenant = (await society.keys.current()).tenant
    relations = {each.name: [column.name for column in each.columns] for each in await society.sql.schema()}
    written = check(text, {}, relations).text.replace(TENANT, f"'{tenant}'::uuid")
    async with await psycopg.AsyncConnection.connect(server.dsn("admin", DATABASE), autocommit=True) as admin:
        # Under the application's row security, for what was written names its tenant and the original does not.
        await admin.execute("begin")
        await admin.execute("set local role moothill_app")
        await admin.execute("set local search_path = moothill")
        await admin.execute("select mt.set_context(%s, %s, 'operator', 5000)", [tenant, tenant])
        given = await (await admin.execute(text.encode())).fetchall()
        assert await (await admin.execute(written.encode())).fetchall() == given


async def test_a_refusal_reaches_no_database(society: Moot) -> None:
    with pytest.raises(SqlRefused, match="set_config"):
        await society.sql.query(text="select set_config('app.current_tenant', 'x', false)")
