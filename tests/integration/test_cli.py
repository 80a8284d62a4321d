"""The command line on a database: operations, batches, migrations; and a few processes of its own."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest

import moothill
from moothill.database.embedded import EmbeddedServer
from moothill.database.migrate import history
from moothill.kernel.errors import KINDS
from moothill.moot import Moot
from tests.command_line import CommandLine, Outcome
from tests.conftest import DATABASE, scratch

Run = Callable[..., Awaitable[Outcome]]


@pytest.fixture(autouse=True)
def nothing_from_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if name.startswith(("MOOTHILL_", "DB_", "POSTGRES_", "DATABASE_URL")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("MOOTHILL_POOL_MIN", "1")
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command beside the loop of the tests."""

    async def call(*words: str, stdin: bytes = b"", is_terminal: bool = False) -> Outcome:
        cli = CommandLine(capsys, monkeypatch)
        return await asyncio.to_thread(cli, *words, stdin=stdin, is_terminal=is_terminal)

    return call


@pytest.fixture
async def here(run: Run, server: EmbeddedServer, moot: Moot) -> Run:
    """Runs a command in a fresh tenant of the shared database."""
    slug = (await moot.keys.current()).tenant_slug

    async def call(*words: str, **more: object) -> Outcome:
        return await run("--dsn", server.dsn("app", DATABASE), "--tenant", slug, *words, **more)

    return call


# --- operations


async def test_a_key_is_issued_listed_and_revoked(here: Run, moot: Moot) -> None:
    made = await here("keys", "create", "nightly import", "--scopes", "agents:read", "--expires-in", "1h", "--json")
    assert (made.code, made.err) == (0, "")
    assert made.json["secret"].startswith("moot_")
    (key,) = (await moot.keys.list()).items
    assert str(key.id) == made.json["key"]["id"]
    assert key.expires_at is not None
    assert (key.expires_at - key.created_at).total_seconds() == 3600

    table = await here("keys", "list")
    assert "nightly import" in table.out
    assert made.json["secret"] not in table.out

    asked = await here("keys", "revoke", str(key.id))
    assert asked.code == KINDS["invalid"].exit_code
    plan = await here("keys", "revoke", str(key.id), "--dry-run", "--json")
    assert plan.json["counts"] == {"keys": 1}
    assert (await moot.keys.list()).items[0].revoked_at is None
    done = await here("keys", "revoke", str(key.id), stdin=b"y\n", is_terminal=True)
    assert done.code == 0
    assert (await moot.keys.list(ended=True)).items[0].revoked_at is not None


async def test_every_page_is_listed(here: Run, moot: Moot) -> None:
    for number in range(5):
        await moot.keys.create(name=f"key {number}", scopes=["agents:read"])
    listed = await here("keys", "list", "--limit", "2", "--all", "--json")
    assert [each["name"] for each in listed.json["items"]] == [f"key {number}" for number in range(5)]
    first = await here("keys", "list", "--limit", "2")
    assert "key 1" in first.out
    assert "key 2" not in first.out
    assert "--all" in first.err


async def test_a_repeated_write_with_a_key_is_one_write(run: Run, server: EmbeddedServer, platform: Moot) -> None:
    slug = f"t-{uuid4().hex}"
    words = ("--dsn", server.dsn("app", DATABASE), "tenants", "create", slug, slug, "--idempotency-key", slug, "--json")
    first, second = await run(*words), await run(*words)
    assert first.json == second.json
    assert (await platform.tenants.get(tenant=slug)).slug == slug


async def test_hostile_text_from_others_is_shown_and_not_obeyed(
    run: Run, server: EmbeddedServer, platform: Moot
) -> None:
    slug = f"t-{uuid4().hex}"
    await platform.tenants.create(slug=slug, name="[red]x[/red] \u202eevil")
    options = ("--dsn", server.dsn("app", DATABASE))
    for words in (("tenants", "get", slug), ("tenants", "list", "--all")):
        said = await run(*options, *words)
        assert "[red]x[/red]" in said.out
        assert "\u202e" not in said.out
        assert "\\u202e" in said.out
    assert (await run(*options, "tenants", "get", slug, "--json")).json["name"] == "[red]x[/red] \u202eevil"


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        (("keys", "revoke", str(uuid4()), "--yes"), "not_found"),
        (("keys", "revoke", "no-id", "--yes"), "invalid"),
        (("keys", "list", "--cursor", "forged"), "invalid"),
        (("keys", "create", "x"), "invalid"),
        (("operations", "describe", "keys.lst"), "not_found"),
    ],
)
async def test_a_refusal_has_the_exit_code_of_its_kind(here: Run, words: tuple[str, ...], kind: str) -> None:
    plain = await here(*words)
    assert (plain.code, plain.out) == (KINDS[kind].exit_code, "")
    assert len(plain.err.splitlines()) == 1
    problem = (await here(*words, "--json")).problem
    assert (problem["kind"], problem["detail"]) == (kind, plain.err.strip())


async def test_where_nothing_answers_the_exit_code_says_unavailable(run: Run) -> None:
    for option, address in (
        ("--dsn", "host=127.0.0.1 port=1 user=x password=hunter2"),
        ("--url", "http://127.0.0.1:1"),
    ):
        done = await run(option, address, "keys", "list")
        assert done.code == KINDS["unavailable"].exit_code
        assert "hunter2" not in done.err
        assert "Traceback" not in done.err
    assert (await run("--dsn", "host=x colour=red", "keys", "list")).code == KINDS["invalid"].exit_code
    assert (await run("--url", "http://u:p@h", "keys", "list")).code == KINDS["invalid"].exit_code


async def test_an_unknown_tenant_is_told(run: Run, server: EmbeddedServer, platform: Moot) -> None:
    done = await run("--dsn", server.dsn("app", DATABASE), "-t", "nowhere", "keys", "list")
    assert done.code == KINDS["not_found"].exit_code
    assert "nowhere" in done.err


# --- batches


async def test_a_batch_of_a_file_or_of_standard_input_is_one_transaction(
    run: Run, server: EmbeddedServer, platform: Moot, tmp_path: Path
) -> None:
    options = ("--dsn", server.dsn("app", DATABASE), "batch")
    slug = f"t-{uuid4().hex}"
    calls = [
        {"operation": "tenants.create", "arguments": {"slug": slug, "name": slug}, "label": "made"},
        {"operation": "tenants.get", "arguments": {"tenant": {"$result": ["made", "slug"]}}},
    ]
    (tmp_path / "calls.json").write_text(json.dumps(calls))
    done = await run(*options, "calls.json", "--idempotency-key", slug)
    assert [each["slug"] for each in done.json["results"]] == [slug, slug]
    assert (await run(*options, "-", "--idempotency-key", slug, stdin=json.dumps(calls).encode())).json == done.json

    other = f"t-{uuid4().hex}"
    calls = [
        {"operation": "tenants.create", "arguments": {"slug": other, "name": other}},
        {"operation": "tenants.create", "arguments": {"slug": slug, "name": slug}},
    ]
    refused = await run("--json", *options, "-", stdin=json.dumps(calls).encode())
    assert refused.code == KINDS["conflict"].exit_code
    assert refused.problem["context"]["position"] == 1
    with pytest.raises(moothill.NotFound):
        await platform.tenants.get(tenant=other)


@pytest.mark.parametrize("text", [b"{", b"{}", b"[]", b'[{"operation": "keys.lst"}]', b"\xff"])
async def test_a_batch_that_is_none_is_refused(run: Run, server: EmbeddedServer, platform: Moot, text: bytes) -> None:
    done = await run("--dsn", server.dsn("app", DATABASE), "batch", "-", stdin=text)
    assert done.code in (KINDS["invalid"].exit_code, KINDS["not_found"].exit_code)
    assert done.out == ""
    assert (await run("batch", "absent.json")).code == KINDS["invalid"].exit_code


# --- the database


@pytest.fixture
async def migrator(run: Run, server: EmbeddedServer, fresh_database: Callable[[], Awaitable[str]]) -> Run:
    """Runs `db` commands as the migrator of a database of its own."""
    dsn = server.dsn("migrator", await fresh_database())

    async def call(*words: str, **more: object) -> Outcome:
        return await run("--dsn", dsn, "db", *words, **more)

    return call


async def test_migrations_go_back_and_forth(migrator: Run) -> None:
    last = history()[-1].id
    assert (await migrator("migrate")).out == "Nothing to apply; the schema is current.\n"
    undone = await migrator("rollback", "--yes")
    assert (undone.code, undone.out) == (0, f"undone {last}\n")
    states = {each["id"]: each["state"] for each in (await migrator("status", "--json")).json}
    assert list(states) == [each.id for each in history()]
    assert [name for name, state in states.items() if state != "applied"] == [last]
    assert "pending" in (await migrator("status")).out
    assert (await migrator("migrate", "--to", str(len(states) - 1))).out.startswith("Nothing to apply")
    done = await migrator("migrate", "--phase", "pre")
    assert done.out == f"applied {last}\n1 applied.\n"


async def test_a_database_that_was_restored_begins_a_new_life(migrator: Run) -> None:
    assert (await migrator("restored")).out == "Life 2 of this database has begun.\n"
    assert (await migrator("restored", "--json")).json == {"life": 3}


async def test_a_rollback_asks_first(migrator: Run) -> None:
    refused = await migrator("rollback", stdin=b"n\n", is_terminal=True)
    assert refused.code == 1
    assert (await migrator("rollback", stdin=b"")).code == 1
    assert {each["state"] for each in (await migrator("status", "--json")).json} == {"applied"}


async def test_a_migration_that_fails_says_where(migrator: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from moothill.database import migrate

    broken = migrate.Migration(len(history()) + 1, "broken", "select 1;\nselect 1/0;", "select 1;")
    known = [*history(), broken]
    monkeypatch.setattr(migrate, "history", lambda: known)
    done = await migrator("migrate")
    assert done.code == KINDS["internal"].exit_code
    assert f"{broken.id} failed at line 2" in done.err
    assert "Traceback" not in done.err


async def test_the_role_of_operations_may_not_migrate(run: Run, server: EmbeddedServer, platform: Moot) -> None:
    done = await run("--dsn", server.dsn("app", DATABASE), "db", "migrate")
    assert done.code == KINDS["forbidden"].exit_code
    assert "MOOTHILL_MIGRATOR_DSN" in done.err


async def test_flags_win_over_the_environment(
    migrator: Run, run: Run, server: EmbeddedServer, platform: Moot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOOTHILL_MIGRATOR_DSN", "host=127.0.0.1 port=1")
    assert (await migrator("status")).code == 0
    assert (await run("db", "status")).code == KINDS["unavailable"].exit_code
    monkeypatch.setenv("MOOTHILL_MIGRATOR_DSN", server.dsn("migrator", DATABASE))
    monkeypatch.setenv("MOOTHILL_DSN", "host=127.0.0.1 port=1")
    assert (await run("db", "status")).code == 0


async def test_migrations_need_the_database_and_no_server(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (await run("--url", "http://h", "db", "migrate")).code == KINDS["invalid"].exit_code
    monkeypatch.setenv("MOOTHILL_URL", "http://h")
    assert "--dsn" in (await run("db", "status")).err


async def test_a_new_pair_of_files_is_written(run: Run, tmp_path: Path) -> None:
    done = await run("db", "create", "voting", "--folder", str(tmp_path))
    names = [Path(line).name for line in done.out.split()]
    assert names == ["0001_voting.up.sql", "0001_voting.down.sql"]
    assert all((tmp_path / name).is_file() for name in names)
    assert (await run("db", "create", "../up", "--folder", str(tmp_path))).code == KINDS["invalid"].exit_code


async def test_the_sql_is_printed_for_whoever_runs_it_with_other_tools(run: Run) -> None:
    whole = (await run("db", "sql")).out
    assert all(each.checksum in whole for each in history())
    one = (await run("db", "sql", "1")).out
    assert history()[0].checksum in one
    assert history()[1].checksum not in one


async def test_the_roles_are_printed_or_made(
    run: Run, server: EmbeddedServer, platform: Moot, monkeypatch: pytest.MonkeyPatch
) -> None:
    printed = (await run("db", "roles", "--database", "elsewhere")).out
    assert '"elsewhere"' in printed
    assert "bypassrls" in printed
    assert "password" not in printed
    admin = server.dsn("admin")
    refused = await run("db", "roles", "--apply", admin)
    assert refused.code == KINDS["invalid"].exit_code
    assert "MOOTHILL_APP_PASSWORD" in refused.err
    monkeypatch.setenv("MOOTHILL_APP_PASSWORD", server.password("app"))
    monkeypatch.setenv("MOOTHILL_MIGRATOR_PASSWORD", server.password("migrator"))
    name = f"cli_{uuid4().hex[:12]}"
    try:
        made = await run("db", "roles", "--apply", admin, "--database", name)
        assert (made.code, made.err) == (0, "")
        assert "moothill db migrate" in made.out
        assert (await run("--dsn", server.dsn("migrator", name), "db", "migrate")).code == 0
        assert (await run("--dsn", server.dsn("app", name), "db", "check")).code == 0
    finally:
        async with await psycopg.AsyncConnection.connect(admin, autocommit=True) as connection:
            await connection.execute(f'drop database if exists "{name}" with (force)'.encode())
    lowly = await run("db", "roles", "--apply", server.dsn("app", DATABASE))
    assert lowly.code == KINDS["forbidden"].exit_code


async def test_the_check_lists_every_fault(
    run: Run, server: EmbeddedServer, fresh_database: Callable[[], Awaitable[str]]
) -> None:
    name = await fresh_database()
    options = ("--dsn", server.dsn("app", name), "db", "check")
    sound = await run(*options)
    assert (sound.code, sound.out, sound.err) == (0, "", "All guards stand.\n")
    assert (await run(*options, "--json")).json == []
    async with await psycopg.AsyncConnection.connect(server.dsn("admin", name), autocommit=True) as admin:
        await admin.execute("alter table moothill.events no force row level security")
    broken = await run(*options)
    assert broken.code == KINDS["internal"].exit_code
    assert broken.out == "forced_row_security: events has no forced row security\n"
    assert (await run(*options, "--json")).json[0]["guard"] == "forced_row_security"
    assert (await run("--dsn", "host=127.0.0.1 port=1", "db", "check")).code == KINDS["unavailable"].exit_code


async def test_the_embedded_server_of_a_folder_serves_the_same_commands(run: Run, tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="moothill-test-cli-", dir=scratch()) as place:
        Path(place).chmod(0o711)
        folder = ("--folder", f"{place}/server=1")
        migrated = await run(*folder, "db", "migrate")
        assert (migrated.code, migrated.out.splitlines()[-1]) == (0, f"{len(history())} applied.")
        assert (await run(*folder, "keys", "current", "--json")).json["tenant_slug"] == "default"


# --- generated pages


async def test_the_reference_is_written_once_and_checked(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "reference"
    stale = await run("reference", str(folder), "--check")
    assert stale.code == KINDS["conflict"].exit_code
    assert "Stale pages" in stale.err
    (folder / "operations").mkdir(parents=True)
    (folder / "own.md").write_text("# By hand\n")
    orphan = folder / "operations" / "gone.md"
    orphan.write_text("<!-- Generated by somebody -->\n")
    written = await run("reference", str(folder))
    assert written.code == 0
    assert written.out.endswith(" page(s) written, 1 removed.\n")
    assert not orphan.exists()
    assert (folder / "own.md").exists()
    assert (await run("reference", str(folder), "--check")).code == 0


# --- processes of its own


@pytest.fixture
def command() -> list[str]:
    return [sys.executable, "-m", "moothill"]


@pytest.fixture
def processes() -> Iterator[list[subprocess.Popen[str]]]:
    started: list[subprocess.Popen[str]] = []
    yield started
    for each in started:
        each.kill()
        each.communicate()


async def test_a_process_prints_and_exits_like_the_call(command: list[str], server: EmbeddedServer, moot: Moot) -> None:
    slug = (await moot.keys.current()).tenant_slug
    words = [*command, "--dsn", server.dsn("app", DATABASE), "-t", slug, "--json", "keys"]
    done = await asyncio.to_thread(subprocess.run, [*words, "current"], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["tenant_slug"] == slug
    refused = await asyncio.to_thread(subprocess.run, [*words, "revoke", "x", "--yes"], capture_output=True, text=True)
    assert (refused.returncode, refused.stdout) == (KINDS["invalid"].exit_code, "")
    assert json.loads(refused.stderr)["kind"] == "invalid"


async def test_a_stream_ends_at_control_c_and_when_nobody_reads_on(
    command: list[str], server: EmbeddedServer, moot: Moot, processes: list[subprocess.Popen[str]]
) -> None:
    slug = (await moot.keys.current()).tenant_slug
    for name in ("first", "second"):
        await moot.keys.create(name=name, scopes=["agents:read"])
    async with asyncio.timeout(10):
        # An event appears once no older transaction runs any more, and other tests have some.
        while len(found := (await moot.events.list(kind="keys.")).items) < 2:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    words = [*command, "--dsn", server.dsn("app", DATABASE), "-t", slug, "--json", "events", "follow"]
    words += ["--after", found[0].cursor]
    processes += [subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    for each in processes:
        assert each.stdout is not None
        line = await asyncio.wait_for(asyncio.to_thread(each.stdout.readline), 20)
        assert json.loads(line)["payload"]["name"] == "second"
    interrupted, unread = processes
    interrupted.send_signal(signal.SIGINT)
    _, err = await asyncio.wait_for(asyncio.to_thread(interrupted.communicate), 20)
    assert interrupted.returncode == 130
    assert err.strip() == "Interrupted."
    assert unread.stdout is not None
    unread.stdout.close()
    await moot.keys.create(name="third", scopes=["agents:read"])
    assert await asyncio.wait_for(asyncio.to_thread(unread.wait), 20) == 1
    assert unread.stderr is not None
    assert "Traceback" not in unread.stderr.read()
