"""`moothill sql "select ..."`: a table for people, JSON for programs, and the roles that it needs."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from moothill.database.embedded import EmbeddedServer
from moothill.moot import Moot
from tests.command_line import CommandLine, Outcome
from tests.conftest import DATABASE

Run = Callable[..., Awaitable[Outcome]]


@pytest.fixture
async def run(
    server: EmbeddedServer,
    society: Moot,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> Run:
    """Runs a command in the society's tenant, beside the loop of the tests."""
    for name in list(os.environ):
        if name.startswith(("MOOTHILL_", "DB_", "POSTGRES_", "DATABASE_URL")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("MOOTHILL_POOL_MIN", "1")
    monkeypatch.setenv("MOOTHILL_SQL_DSN", server.dsn("sql", DATABASE))
    monkeypatch.chdir(tmp_path)
    slug = (await society.keys.current()).tenant_slug
    cli = CommandLine(capsys, monkeypatch, "--dsn", server.dsn("app", DATABASE), "--tenant", slug)

    async def call(*words: str) -> Outcome:
        return await asyncio.to_thread(cli, *words)

    return call


async def test_a_statement_needs_no_verb(run: Run) -> None:
    ended = await run("sql", "select agent_id, tags, rating as r from agents order by agent_id limit 2")
    assert ended.code == 0
    assert ended.out.splitlines() == [
        "agent_id  tags        r",
        "ada       law, latin  1500",
        "bela      law         1500",
    ]
    assert ended.err.startswith("2 rows. elapsed_ms: ")


@pytest.mark.parametrize("words", [("--limit", "1"), ()])
async def test_options_may_come_before_or_behind_it(run: Run, words: tuple[str, ...]) -> None:
    ended = await run("sql", *words, "select agent_id from agents order by 1", *([] if words else ["--limit", "1"]))
    assert (ended.code, ended.out.splitlines()) == (0, ["agent_id", "ada"])
    assert "truncated: yes" in ended.err


async def test_programs_get_json(run: Run) -> None:
    ended = await run("--json", "sql", "select :n + 1 as n", "--parameters", '{"n": 41}')
    assert ended.json["rows"] == [[42]]
    assert ended.json["columns"] == [{"name": "n", "type": "int4"}]


async def test_the_verbs_still_are_there(run: Run) -> None:
    listed = await run("--json", "sql", "schema")
    assert "agents" in [each["name"] for each in listed.json]
    assert (await run("--json", "sql", "query", "select 1 as x")).json["rows"] == [[1]]
    assert (await run("sql", "nonsense")).code == 2


async def test_a_refusal_leaves_with_the_code_of_its_kind(run: Run) -> None:
    ended = await run("sql", "select pg_sleep(1)")
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith("pg_sleep is not among the functions that may be called")


async def test_what_agents_wrote_is_not_obeyed(run: Run) -> None:
    ended = await run("sql", "select chr(27) || '[31m[red]x[/red]' || chr(8238) as \"[b]n\" ")
    assert ended.out.splitlines() == ["[b]n", "\\x1b[31m[red]x[/red]\\u202e"]


async def test_the_roles_are_printed_and_hold_no_password(run: Run) -> None:
    ended = await run("db", "roles", "--database", "elsewhere")
    assert "create role moothill_sql login" in ended.out
    assert "alter role moothill_sql connection limit" in ended.out
    assert "alter role moothill_sql in database \"elsewhere\" set default_transaction_read_only = 'on'" in ended.out
    assert "password" not in ended.out
