"""Every named statement: the server describes it, and its columns fit the row model."""

import inspect
import re
from pathlib import Path
from typing import Any

import psycopg
import pytest
from pydantic import BaseModel

import moothill.moot  # registers every service and its statements
from moothill.database.embedded import EmbeddedServer
from moothill.database.queries import Statement, parse_queries, statements
from moothill.database.wire import compile_statement
from moothill.kernel.errors import all_errors
from tests.conftest import DATABASE

OURS = {place: found for place, found in statements().items() if not place.startswith(("integration/", "unit/"))}
SOURCE = Path(moothill.moot.__file__).parent


@pytest.mark.parametrize("place", sorted(OURS))
async def test_the_server_understands_it_and_its_columns_fit(server: EmbeddedServer, place: str, platform: Any) -> None:
    statement, row = OURS[place]
    async with await psycopg.AsyncConnection.connect(server.dsn("app", DATABASE), autocommit=True) as connection:
        prepared = connection.pgconn.prepare(b"described", compile_statement(statement.sql).text)
        assert prepared.status == 1, prepared.error_message.decode()
        described = connection.pgconn.describe_prepared(b"described")
    columns = [(described.fname(index) or b"").decode() for index in range(described.nfields)]
    if statement.cardinality == "run" and row is None:
        return
    assert len(columns) == len(set(columns)), "a column twice"
    if inspect.isclass(row) and issubclass(row, BaseModel):
        fields = row.model_fields
        required = {name for name, field in fields.items() if field.is_required()}
        assert required <= set(columns), f"missing: {required - set(columns)}"
        assert set(columns) <= set(fields), f"not in {row.__name__}: {set(columns) - set(fields)}"
    else:
        assert len(columns) == 1


@pytest.mark.parametrize("place", sorted(OURS))
def test_it_names_the_tenant_for_every_tenant_table(place: str) -> None:
    """Rule 16 of portable SQL: row security is the net, the statement is the router."""
    statement, _ = OURS[place]
    bare = re.sub(r"--[^\n]*|'(?:[^']|'')*'", "", statement.sql)
    tables = re.findall(r"\b(?:from|join|update|into|using)\s+(?:only\s+)?([a-z_]+)\b(?!\s*\()", bare)
    tenant_tables = [table for table in tables if table in TENANT_TABLES]
    if tenant_tables:
        assert bare.count("%(tenant)s") >= len(tenant_tables), f"{tenant_tables}: one tenant for each"


TENANT_TABLES = set(
    re.findall(
        r"mt\.(?:distribute|protect)\('moothill\.([a-z_]+)'",
        "".join(path.read_text() for path in (SOURCE / "migrations").glob("*.up.sql")),
    )
)


def test_the_tenant_tables_are_found() -> None:
    """The test above passes over a table that it does not know."""
    assert {"tenants", "agents", "events", "jobs", "search_items"} <= TENANT_TABLES


@pytest.mark.parametrize("place", sorted(OURS))
def test_its_errors_exist(place: str) -> None:
    assert set(OURS[place][0].errors.values()) <= set(all_errors())


def test_every_queries_file_is_declared_by_a_service() -> None:
    used = {statement.place.rpartition(":")[0] for statement, _ in OURS.values()}
    for path in SOURCE.rglob("queries.sql"):
        assert f"{path.parent.name}/{path.name}" in used, path


def test_a_statement_without_its_header_is_refused() -> None:
    with pytest.raises(ValueError, match="purpose"):
        list(parse_queries("-- name: x\nselect 1;", "here"))
    with pytest.raises(ValueError, match="returns"):
        list(parse_queries("-- name: x\n-- Something.\n-- returns: plenty\nselect 1;", "here"))
    (one,) = parse_queries("-- name: x\n-- Something.\n-- returns: one\n-- errors: 23505 conflict\nselect 1;\n", "here")
    assert one == Statement("x", "Something.", "one", "select 1", {"23505": "conflict"}, "here:x")
