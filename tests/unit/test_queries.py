"""Named statements: what a file may say, and what a call may give."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any
from uuid import UUID

import pytest
from pydantic import BaseModel

from moothill.database.queries import Many, One, Queries, Run, Statement, parse_queries
from moothill.kernel.context import Actor, Context, Principal
from moothill.kernel.errors import Internal
from moothill.kernel.local import entered

HEADER = "-- name: {name}\n-- Something.\n-- returns: run\n"


class Row(BaseModel):
    """A row."""

    name: str
    size: int


class Answering:
    """A transaction that gives one row, whatever is asked."""

    def __init__(self, **row: Any) -> None:
        self.row = row

    async def fetch(self, sql: str, parameters: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
        return [self.row]

    async def fetch_many(self, sql: str, rows: Sequence[Mapping[str, Any]]) -> int:
        return len(rows)


def statement(sql: str) -> Statement:
    return Statement("put", "Put it.", "run", sql, {}, "things/queries.sql:put")


def inside(**row: Any) -> entered:
    actor = Actor(kind="operator", id=UUID(int=2), name="o")
    call = Context(
        principal=Principal(tenant=UUID(int=1), tenant_slug="t", actor=actor, scopes=frozenset()), operation="t.t"
    )
    call.transaction = Answering(**row)  # type: ignore[assignment]
    return entered(call)


def test_a_name_stands_in_a_file_once() -> None:
    text = (HEADER.format(name="x") + "select 1;\n\n") * 2
    with pytest.raises(ValueError, match="here: x stands there twice"):
        list(parse_queries(text, "here"))


@pytest.mark.parametrize("errors", ["agent_exists", "23505", "2350 agent_exists", "23505 agent exists"])
def test_malformed_errors_are_refused(errors: str) -> None:
    with pytest.raises(ValueError, match="here: x: write its errors as"):
        list(parse_queries(f"{HEADER.format(name='x')}-- errors: {errors}\nselect 1;", "here"))


def test_an_error_that_no_class_has_is_refused_when_the_class_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "queries.sql").write_text(f"{HEADER.format(name='put')}-- errors: 23505 no_such_error\nselect 1;\n")
    module = ModuleType("passing")
    module.__file__ = str(tmp_path / "service.py")
    monkeypatch.setitem(sys.modules, "passing", module)
    with pytest.raises(TypeError, match=r"queries\.sql:put declares the error 'no_such_error', which no class has"):
        type("Sql", (Queries,), {"__module__": "passing", "__annotations__": {"put": Run}})


async def test_a_call_gives_exactly_what_the_statement_names() -> None:
    put = Run(statement("select %(tenant)s, %(name)s, %(name)s"), None)
    with inside():
        await put(name="x")
        assert await put.each([{"name": "x"}, {"name": "y"}]) == 2
        with pytest.raises(Internal, match=r"things/queries\.sql:put was not given its parameter 'name'"):
            await put()
        with pytest.raises(Internal, match=r"things/queries\.sql:put was given 'nome', which it does not name"):
            await put(name="x", nome="y")
        with pytest.raises(Internal, match="'name'"):
            await put.each([{"name": "x"}, {}])


@pytest.mark.parametrize(
    ("query", "row", "complaint"),
    [
        (One[Row](statement("select 1"), Row), {"name": "hunter2", "size": "hunter2"}, "no Row: size does not fit"),
        (Many[Row](statement("select 1"), Row), {"name": "hunter2"}, "no Row: size does not fit"),
        (One[int](statement("select 1"), int), {"n": "hunter2"}, "no int: its column does not fit"),
        (One[int](statement("select 1"), int), {}, "no int: its column does not fit"),
    ],
)
async def test_a_row_that_does_not_fit_is_ours_and_its_values_stay_unsaid(
    query: Any, row: dict[str, Any], complaint: str
) -> None:
    with inside(**row), pytest.raises(Internal, match=complaint) as raised:
        await query()
    assert "things/queries.sql:put" in raised.value.message
    assert "hunter2" not in str(raised.value.to_problem())
    assert raised.value.__cause__ is None


def test_a_header_without_a_statement_is_refused() -> None:
    with pytest.raises(ValueError, match="here: x: the statement is missing"):
        list(parse_queries(HEADER.format(name="x"), "here"))
