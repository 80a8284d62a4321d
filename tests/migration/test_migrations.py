"""Migrations: from nothing, back to nothing, each pair exact, on populated data."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
import pytest_asyncio
from hypothesis import given
from hypothesis import strategies as st
from psycopg import sql

from moothill.database.embedded import EmbeddedServer
from moothill.database.migrate import (
    Migration,
    MigrationChanged,
    MigrationFailed,
    Migrator,
    create_migration,
    history,
)
from moothill.database.roles import bootstrap
from moothill.database.splitting import Piece, read_statements
from moothill.kernel.errors import Conflict, Invalid
from tests.conftest import cloned

SNAPSHOT = """
select 'relation', c.oid::regclass::text, c.relkind::text, coalesce(c.reloptions::text, ''),
       concat_ws(' ', c.relowner::regrole, c.relrowsecurity, c.relforcerowsecurity, c.relacl::text,
                 pg_get_expr(c.relpartbound, c.oid), obj_description(c.oid, 'pg_class'))
from pg_class c where c.relnamespace in ('moothill'::regnamespace, 'mt'::regnamespace)
union all
select 'column', attrelid::regclass::text, attname, format_type(atttypid, atttypmod),
       concat_ws(' ', attnotnull, attstorage, pg_get_expr(d.adbin, d.adrelid), col_description(attrelid, attnum))
from pg_attribute a
join pg_class c on c.oid = a.attrelid
left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
where c.relnamespace = 'moothill'::regnamespace and attnum > 0 and not attisdropped and c.relkind in ('r', 'p', 'v')
union all
select 'constraint', conrelid::regclass::text, conname, pg_get_constraintdef(oid), ''
from pg_constraint where connamespace = 'moothill'::regnamespace and contype <> 'n'
union all
select 'index', indexrelid::regclass::text, '', pg_get_indexdef(indexrelid), ''
from pg_index i join pg_class c on c.oid = i.indexrelid where c.relnamespace = 'moothill'::regnamespace
union all
select 'function', oid::regprocedure::text, proowner::regrole::text, pg_get_functiondef(oid), proacl::text
from pg_proc where pronamespace in ('moothill'::regnamespace, 'mt'::regnamespace) and prokind = 'f'
union all
select 'policy', polrelid::regclass::text, polname, polroles::regrole[]::text,
       concat_ws(' ', polcmd, polpermissive, pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid))
from pg_policy
union all
select 'trigger', tgrelid::regclass::text, tgname, pg_get_triggerdef(oid), '' from pg_trigger where not tgisinternal
order by 1, 2, 3, 4, 5
"""


@pytest_asyncio.fixture
async def empty(server: EmbeddedServer) -> AsyncIterator[str]:
    """A database with roles and extension, not migrated."""
    name = f"empty_{uuid4().hex[:16]}"
    await bootstrap(
        server.dsn("admin"),
        name,
        app_password=server.password("app"),
        migrator_password=server.password("migrator"),
    )
    yield name
    async with await psycopg.AsyncConnection.connect(server.dsn("admin"), autocommit=True) as admin:
        await admin.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))


@pytest_asyncio.fixture
async def migrated(server: EmbeddedServer) -> AsyncIterator[str]:
    """A database that is as new as this code."""
    async with cloned(server, "migrated") as name:
        yield name


async def snapshot(server: EmbeddedServer, database: str) -> list[Any]:
    async with await psycopg.AsyncConnection.connect(server.dsn("admin", database), autocommit=True) as admin:
        return await (await admin.execute(SNAPSHOT)).fetchall()


async def populate(server: EmbeddedServer, database: str) -> None:
    """Rows in every table that takes a minimal row; what does not exist yet is left out."""
    statements = [
        "insert into moothill.tenants (id, slug, name) "
        "select gen_random_uuid(), 'p' || n, 'p' || n from generate_series(1, 3) n",
        "insert into moothill.events (tenant_id, id, kind, actor, actor_kind, operation) "
        "select id, mt.uuid7_floor(now()), 'x.y', id, 'system', 'x.y' from moothill.tenants",
        "insert into moothill.agents (tenant_id, id, agent_id, name, type) "
        "select id, id, slug, slug, 'worker' from moothill.tenants",
    ]
    async with await psycopg.AsyncConnection.connect(server.dsn("admin", database), autocommit=True) as admin:
        for statement in statements:
            try:
                await admin.execute(statement.encode())
            except psycopg.errors.UndefinedTable:
                continue
            except psycopg.errors.UniqueViolation:
                continue


async def test_every_rollback_restores_the_schema_before_it_exactly(server: EmbeddedServer, empty: str) -> None:
    """C23: no state is left half way; B35: one history that persists."""
    migrator = Migrator(server.dsn("migrator", empty))
    before: list[list[Any]] = []
    for migration in history():
        if migration.number > 1:
            before.append(await snapshot(server, empty))
        assert await migrator.migrate(to=migration.number) == [migration.id]
        await populate(server, empty)
    final = await snapshot(server, empty)
    for migration in reversed(history()[1:]):
        assert await migrator.rollback() == [migration.id]
        assert await snapshot(server, empty) == before.pop(), migration.id
        await populate(server, empty)
    assert await migrator.migrate() == [migration.id for migration in history()[1:]]
    assert await snapshot(server, empty) == final


async def test_from_zero_and_back_to_nothing(server: EmbeddedServer, empty: str) -> None:
    migrator = Migrator(server.dsn("migrator", empty))
    await migrator.migrate()
    assert {state.state for state in await migrator.status()} == {"applied"}
    assert await migrator.migrate() == []
    await migrator.rollback(steps=len(history()))
    assert {state.state for state in await migrator.status()} == {"pending"}
    async with await psycopg.AsyncConnection.connect(server.dsn("admin", empty), autocommit=True) as admin:
        row = await (
            await admin.execute("select count(*) from pg_namespace where nspname in ('moothill', 'mt')")
        ).fetchone()
    assert row == (0,)
    assert len(await migrator.migrate()) == len(history())


async def test_two_migrators_at_once_apply_everything_once(server: EmbeddedServer, empty: str) -> None:
    done = await asyncio.gather(*(Migrator(server.dsn("migrator", empty)).migrate() for _ in range(3)))
    assert sorted(len(each) for each in done) == [0, 0, len(history())]


async def test_a_failing_migration_changes_nothing_and_says_where(
    server: EmbeddedServer, migrated: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """C23: a failed row never counts as applied."""
    migrator = Migrator(server.dsn("migrator", migrated))
    before = await snapshot(server, migrated)
    broken = Migration(
        len(history()) + 1,
        "broken",
        "-- phase: pre\ncreate table moothill.half (a int);\nselect 1/0;\n",
        "select 1;",
    )
    known = [*history(), broken]
    monkeypatch.setattr("moothill.database.migrate.history", lambda: known)
    with pytest.raises(MigrationFailed, match="line 3"):
        await migrator.migrate()
    assert await snapshot(server, migrated) == before
    assert (await migrator.status())[-1].state == "pending"


@pytest.mark.parametrize(
    ("text", "error", "complaint"),
    [
        (
            "create table moothill.half (a int unique deferrable initially deferred);\n"
            "insert into moothill.half values (1), (1);",
            MigrationFailed,
            "failed at its commit: .*half_a_key.*Nothing of it was kept",
        ),
        ("create table moothill.half (a int);\ncommit;\nselect 1/0;", Invalid, "line 2: take out 'commit;?'"),
        ("create table moothill.half (a text default 'x);", Invalid, "is not closed"),
    ],
)
async def test_nothing_is_kept_of_one_that_breaks_at_its_end(
    server: EmbeddedServer,
    migrated: str,
    monkeypatch: pytest.MonkeyPatch,
    text: str,
    error: type[Exception],
    complaint: str,
) -> None:
    """C23: the message says that nothing was kept, and nothing was."""
    migrator = Migrator(server.dsn("migrator", migrated))
    before = await snapshot(server, migrated)
    known = [*history(), Migration(len(history()) + 1, "late", text, "select 1;")]
    monkeypatch.setattr("moothill.database.migrate.history", lambda: known)
    with pytest.raises(error, match=complaint):
        await migrator.migrate()
    assert await snapshot(server, migrated) == before
    assert (await migrator.status())[-1].state == "pending"


async def test_a_rollback_undoes_at_least_one() -> None:
    for steps in (0, -1):
        with pytest.raises(Invalid, match="at least one"):
            await Migrator("").rollback(steps=steps)


async def test_an_edited_or_unknown_migration_is_noticed(
    server: EmbeddedServer, migrated: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    migrator = Migrator(server.dsn("migrator", migrated))
    real = history()
    edited = [Migration(real[0].number, real[0].name, real[0].up + "\n-- edited", real[0].down), *real[1:]]
    monkeypatch.setattr("moothill.database.migrate.history", lambda: edited)
    assert (await migrator.status())[0].state == "changed"
    with pytest.raises(MigrationChanged):
        await migrator.migrate()
    monkeypatch.setattr("moothill.database.migrate.history", lambda: real[:-1])
    with pytest.raises(Conflict, match="upgrade"):
        await migrator.migrate()


async def test_one_outside_of_a_transaction_is_taken_up_again(
    server: EmbeddedServer, migrated: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """C4: CREATE INDEX CONCURRENTLY runs outside of a transaction and cleans up after itself."""
    migrator = Migrator(server.dsn("migrator", migrated))
    text = (
        "-- transaction: none\ndrop index concurrently if exists moothill.extra_idx;\n"
        "create index concurrently extra_idx on moothill.tenants (name);\n"
    )
    broken = Migration(len(history()) + 1, "extra", text + "select 1/0;", "drop index moothill.extra_idx;")
    mended = Migration(broken.number, "extra", text, broken.down)
    real = history()
    monkeypatch.setattr("moothill.database.migrate.history", lambda: [*real, broken])
    with pytest.raises(MigrationFailed, match=r"line 4: .*2 of its 3 statements ran and stand"):
        await migrator.migrate()
    assert (await migrator.status())[-1].state == "incomplete"
    monkeypatch.setattr("moothill.database.migrate.history", lambda: [*real, mended])
    assert await migrator.migrate() == [mended.id]
    assert (await migrator.status())[-1].state == "applied"
    assert await migrator.rollback() == [mended.id]


def test_statements_are_split_where_they_end() -> None:
    """C23: several statements are never one prepared query."""
    text = """
    -- a comment; with a semicolon
    select ';' as "a;b"; /* another; */ select $x$ ; $$ ; $x$;
    do $$ begin perform 1; end $$;
    -- only a comment at the end;
    """
    found = list(read_statements(text))
    assert len(found) == 3
    assert found[2] == Piece("do $$ begin perform 1; end $$", 4, controls=False)


@pytest.mark.parametrize(
    "statement",
    [
        "select $b1$ ; $b2$ ; $b1$",
        r"select E'it\'s; ' || e'\\', 1",
        r"select 'a\', ';'",
        "select /* a /* b; */ c; */ 1",
        "select a$b$ from c$b$",
        "select \";\"\"\", U&'d\\0061;', b'01'",
        "select $ä$ ; $ä$",
        "create function f() returns int language plpgsql as $$ begin atomic; end $$",
    ],
)
def test_no_text_name_or_comment_is_cut(statement: str) -> None:
    assert [piece.text for piece in read_statements(f"/* x; */ {statement};\n{statement}")] == [statement] * 2


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("select 1;\nselect 'open;", "Line 2: what ' opens"),
        ('select "open;', 'Line 1: what " opens'),
        ("select $b1$ open; $b2$", r"what \$b1\$ opens"),
        ("\n/* open /* closed */", "Line 2: the comment"),
        ("create function f() returns int\nbegin /* x */ atomic select 1; end", "Line 2: write the body"),
    ],
)
def test_what_cannot_be_cut_is_refused_with_its_line(text: str, complaint: str) -> None:
    with pytest.raises(Invalid, match=complaint):
        list(read_statements(text))


@pytest.mark.parametrize(
    "word", ["begin", "BEGIN work", "start transaction", "commit", "end", "rollback to x", "savepoint x", "release x"]
)
def test_a_migration_leaves_its_transaction_alone(word: str) -> None:
    (piece,) = read_statements(f"-- why\n{word};")
    assert piece.controls
    assert piece.line == 2


@given(st.text(alphabet=st.sampled_from(list("a;'\"$b1-/*\n\\E ")), max_size=40))
def test_any_text_is_cut_or_refused_and_nothing_is_lost(text: str) -> None:
    try:
        pieces = list(read_statements(text))
    except Invalid:
        return
    place = 0
    for piece in pieces:
        place = text.index(piece.text, place) + len(piece.text)


def test_the_history_has_no_gaps_and_every_file_says_its_phase() -> None:
    for migration in history():
        assert migration.phase in ("pre", "post")
        assert len(migration.id) < 45


def test_a_new_pair_of_files_gets_the_next_number(tmp_path: Path) -> None:
    first, _ = create_migration(tmp_path, "voting")
    second, down = create_migration(tmp_path, "ballots")
    assert (first.name, second.name, down.name) == (
        "0001_voting.up.sql",
        "0002_ballots.up.sql",
        "0002_ballots.down.sql",
    )
    up = first.read_text()
    assert not list(read_statements(up))
    assert all(f"-- {number}. " in up for number in range(1, 7))
    for bad in ("Voting", "a-b", "x" * 60, "../up"):
        with pytest.raises(Invalid):
            create_migration(tmp_path, bad)


def test_the_printed_script_holds_every_statement_and_record() -> None:
    script = Migrator("").script()
    for migration in history():
        assert f"'{migration.id}', '{migration.checksum}'" in script
