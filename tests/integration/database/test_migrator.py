"""The migrator: what it refuses, and what it says when it cannot begin."""

import asyncio
from pathlib import Path
from typing import Any

import psycopg
import pytest

from moothill.database import migrate
from moothill.database.address import DatabaseUnreachable
from moothill.database.embedded import EmbeddedServer
from moothill.database.migrate import (
    Migration,
    MigrationsLocked,
    Migrator,
    NotTheMigrator,
    RolesMissing,
    history,
)
from moothill.kernel.errors import Internal, NotFound
from tests.conftest import DATABASE
from tests.integration.database.conftest import administrator, scalar, until


async def test_nobody_at_the_address_is_told() -> None:
    with pytest.raises(DatabaseUnreachable):
        await Migrator("host=127.0.0.1 port=1").status()


async def test_the_role_of_operations_may_not_migrate(server: EmbeddedServer, platform: Any) -> None:
    with pytest.raises(NotTheMigrator, match="moothill_migrator"):
        await Migrator(server.dsn("app", DATABASE)).status()


async def test_missing_roles_are_told(server: EmbeddedServer, platform: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migrate, "OWNER", "moothill_nobody")
    with pytest.raises(RolesMissing, match="db roles"):
        await Migrator(server.dsn("admin")).status()


async def test_a_second_migrator_waits_and_then_says_so(
    server: EmbeddedServer, fresh_database: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = await fresh_database()
    monkeypatch.setattr(migrate, "_LOCK_TIMEOUT", "20ms")
    async with administrator(server, name) as admin:
        await admin.execute("select pg_advisory_lock(%s)", [migrate._LOCK])
        with pytest.raises(MigrationsLocked):
            await Migrator(server.dsn("migrator", name)).migrate()
    assert await Migrator(server.dsn("migrator", name)).migrate() == []


async def test_the_phase_before_deployment_stops_at_the_first_of_the_phase_after(
    server: EmbeddedServer, fresh_database: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, known = await fresh_database(), history()
    later = [
        Migration(len(known) + 1, "first", "-- phase: pre\nselect 1;", "select 1;"),
        Migration(len(known) + 2, "second", "-- phase: post\nselect 1;", "select 1;"),
        Migration(len(known) + 3, "third", "-- phase: pre\nselect 1;", "select 1;"),
    ]
    monkeypatch.setattr(migrate, "history", lambda: [*known, *later])
    migrator, told = Migrator(server.dsn("migrator", name)), list[str]()
    assert await migrator.migrate(phase="pre", on_progress=told.append) == [later[0].id] == told
    assert [each.state for each in await migrator.status()][-3:] == ["applied", "pending", "pending"]
    assert await migrator.migrate() == [each.id for each in later[1:]]
    undone: list[str] = []
    assert await migrator.rollback(steps=3, on_progress=undone.append) == [each.id for each in reversed(later)]
    assert len(undone) == 3


async def test_a_migration_of_another_installation_is_not_undone(
    server: EmbeddedServer, fresh_database: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, known = await fresh_database(), history()
    monkeypatch.setattr(migrate, "history", lambda: known[:-1])
    migrator = Migrator(server.dsn("migrator", name))
    with pytest.raises(NotFound, match=known[-1].id):
        await migrator.rollback()
    states = await migrator.status()
    assert (states[-1].id, states[-1].state, states[-1].phase) == (known[-1].id, "unknown", "?")


async def test_a_rollback_outside_of_a_transaction_forgets_last(
    server: EmbeddedServer, fresh_database: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, known = await fresh_database(), history()
    number = len(known) + 1
    wrong = Migration(number, "extra", "-- transaction: none\nselect 1;", "select 1/0;")
    monkeypatch.setattr(migrate, "history", lambda: [*known, wrong])
    migrator = Migrator(server.dsn("migrator", name))
    await migrator.migrate()
    with pytest.raises(migrate.MigrationFailed, match="division by zero") as told:
        await migrator.rollback()
    assert isinstance(told.value.__cause__, psycopg.errors.DivisionByZero)
    assert (await migrator.status())[-1].state == "applied"


async def test_a_server_that_dies_at_the_commit_of_a_migration_leaves_it_open_what_was_kept(
    server: EmbeddedServer, fresh_database: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, known = await fresh_database(), history()
    deadly = """
        create table moothill.deadly (n int);
        create function moothill.die() returns trigger language plpgsql as
          $$ begin perform pg_sleep(60); return null; end $$;
        create constraint trigger die after insert on moothill.deadly
          deferrable initially deferred for each row execute function moothill.die();
        insert into moothill.deadly values (1);
    """
    broken = Migration(len(known) + 1, "deadly", deadly, "select 1;")
    monkeypatch.setattr(migrate, "history", lambda: [*known, broken])
    migrator = Migrator(server.dsn("migrator", name))
    task = asyncio.create_task(migrator.migrate())
    asleep = "from pg_stat_activity where datname = %s and wait_event = 'PgSleep'"
    async with administrator(server) as admin:
        await until(admin, f"select count(*) = 1 {asleep}", name)
        await scalar(admin, f"select pg_terminate_backend(pid) {asleep}", name)
    with pytest.raises(migrate.MigrationFailed, match=r"at its commit: .*moothill db status"):
        await task
    assert (await migrator.status())[-1].state == "pending"


# --- the files


def write(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).write_text("-- phase: pre\nselect 1;\n")


def test_a_file_without_its_rollback_and_a_gap_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """C23: two files of one number, and "1" beside "001"."""
    monkeypatch.setattr("moothill.database.migrate.resources.files", lambda _: tmp_path)
    write(tmp_path, "0001_one.up.sql", "0001_one.down.sql", "README.md")
    assert [each.id for each in history()] == ["0001_one"]
    write(tmp_path, "0002_two.up.sql")
    with pytest.raises(Internal, match="0002_two"):
        history()
    write(tmp_path, "0002_two.down.sql", "0002_again.up.sql", "0002_again.down.sql")
    with pytest.raises(Internal, match="gaps or doubles"):
        history()


def test_the_script_of_one_migration_stands_alone() -> None:
    one = Migration(5, "five", "-- transaction: none\nselect 1;", "select 2;")
    script = Migrator("", table="records").script([one])
    assert "begin;" not in script
    assert "insert into moothill.records" in script
    assert "begin;" in Migrator("").script(history()[:1])
