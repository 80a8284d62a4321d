"""The embedded server of one process: made, set, started, bootstrapped."""

import asyncio
import itertools
import json
import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict

from moothill.database import embedded
from moothill.database.embedded import EmbeddedServer, Progress
from moothill.database.embedded.configuration import default_settings, machine_memory
from moothill.database.embedded.process import State
from moothill.kernel.errors import Invalid
from tests.integration.embedded.clients import answer, postmaster, state


@pytest.mark.parametrize("major", [16, 18])
async def test_an_empty_folder_becomes_a_server_with_pgvector(new: Path, major: int) -> None:
    async with EmbeddedServer(new, major=major) as server:
        assert str(await answer(server, "show server_version")).startswith(f"{major}.")
        assert await answer(server, "select name from pg_available_extensions where name = 'vector'") == "vector"
        assert await answer(server, "select current_database()") == "postgres"
        # Letters beyond ASCII have two cases, whatever the locale of the machine.
        assert await answer(server, "select upper('grün') || lower('ÄÖ')") == "GRÜNäö"
    assert state(new) is State.ABSENT


async def test_a_server_is_durable_checksummed_and_of_utf8(running: EmbeddedServer) -> None:
    wanted = {
        "fsync": "on",
        "full_page_writes": "on",
        "synchronous_commit": "on",
        "data_checksums": "on",
        "server_encoding": "UTF8",
        "password_encryption": "scram-sha-256",
        "TimeZone": "UTC",
        "jit": "off",
        "max_locks_per_transaction": "256",
        "listen_addresses": "",
    }
    assert {name: await answer(running, f"show {name}") for name in wanted} == wanted


async def test_settings_replace_the_defaults_and_survive_quoting(folder: Path) -> None:
    settings = {"Work_Mem": "7MB", "app.note": r"it's a \ and a #"}
    async with EmbeddedServer(folder, settings=settings) as server:
        assert await answer(server, "show work_mem") == "7MB"
        assert await answer(server, "show app.note") == r"it's a \ and a #"


def test_the_defaults_fit_the_machine() -> None:
    small, large = default_settings(2**29), default_settings(2**38, shared_memory_free=2**26)
    assert (small["shared_buffers"], small["work_mem"]) == ("64MB", "4MB")
    assert (large["shared_buffers"], large["work_mem"]) == ("1024MB", "16MB")
    # A container's 64 MiB of shared memory would fail the first parallel query.
    assert large["dynamic_shared_memory_type"] == "mmap"
    assert "dynamic_shared_memory_type" not in small
    assert machine_memory() > 2**26


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("listen_addresses", "*"),
        ("PORT", "1"),
        ("work_mem", "1MB\nport = 1"),
        ("a b", "1"),
        ("hba_file", "/x"),
    ],
)
def test_settings_that_would_open_the_server_are_refused(new: Path, name: str, value: str) -> None:
    with pytest.raises(Invalid, match=r"setting|Setting"):
        EmbeddedServer(new, settings={name: value})
    assert not new.exists()


async def test_a_server_that_cannot_start_fails_at_once_with_its_last_words(folder: Path) -> None:
    with pytest.raises(embedded.EmbeddedServerFailed, match="no_such_setting"):
        await EmbeddedServer(folder, settings={"no_such_setting": "1"}).start()
    assert state(folder) is State.ABSENT
    async with EmbeddedServer(folder) as server:
        assert await answer(server, "select count(*) from kept") == 0


async def test_a_folder_of_another_major_version_is_refused_by_name(mock_up: Path) -> None:
    with pytest.raises(embedded.OtherMajorVersion, match=r"initialised by PostgreSQL 18.*16") as caught:
        await EmbeddedServer(mock_up, major=16).start()
    assert (caught.value.found, caught.value.wanted) == (18, 16)


async def test_a_major_version_that_is_not_carried_is_refused(new: Path) -> None:
    with pytest.raises(embedded.BinariesMissing, match="It has 16 and 18"):
        await EmbeddedServer(new, major=17).start()


async def test_half_an_initialisation_is_thrown_away(new: Path) -> None:
    """A client killed within initdb leaves an unfinished directory and perhaps passwords."""
    new.mkdir(mode=0o700)
    (new / "turn.lock").touch()
    (new / "postgres.new").mkdir()
    (new / "postgres.new" / "PG_VERSION").write_text("18\n")
    async with EmbeddedServer(new) as server:
        assert await answer(server, "select 1") == 1
    assert not (new / "postgres.new").exists()
    assert not (new / "initial-password").exists()


async def test_an_initialisation_that_fails_says_why_and_leaves_no_data(
    new: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("moothill.database.embedded.initialise._BUILTIN", ("--locale=no_such_locale",))
    with pytest.raises(embedded.EmbeddedServerFailed, match=r"could not be initialised: .*no_such_locale"):
        await EmbeddedServer(new).start()
    assert not (new / "postgres").exists()
    assert not (new / "initial-password").exists()
    monkeypatch.undo()
    async with EmbeddedServer(new) as server:
        assert await answer(server, "select 1") == 1


async def test_a_system_without_the_locale_gets_a_plain_one(new: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("moothill.database.embedded.initialise._SYSTEM", ("--locale=no_such_locale",))
    async with EmbeddedServer(new, major=16) as server:
        assert await answer(server, "select datcollate from pg_database where datname = 'postgres'") == "C"
        assert await answer(server, "show server_encoding") == "UTF8"


async def test_a_start_says_what_it_does(folder: Path) -> None:
    told: list[Progress] = []
    server = EmbeddedServer(folder)
    async with server.running(told.append):
        pass
    assert next(progress.stage for progress in told if progress.stage != "waiting") == "starting"
    assert told[-1].stage == "ready"
    assert all(earlier.elapsed <= later.elapsed for earlier, later in itertools.pairwise(told))


async def test_a_cancelled_start_leaves_nothing_running(folder: Path) -> None:
    server = EmbeddedServer(folder)
    starting = asyncio.Event()
    task = asyncio.create_task(server.start(lambda progress: starting.set()))
    await starting.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not server.started
    assert state(folder) is State.ABSENT
    async with server:
        assert await answer(server, "select 1") == 1


@pytest.mark.parametrize("name", ["with space", "it's", "comma, here", "grün", 'quo"te', "back\\slash", "long" * 30])
async def test_any_name_of_a_folder_will_do(pristine: Path, new: Path, name: str) -> None:
    new.parent.chmod(0o711)
    awkward = new.parent / name
    subprocess.run(["cp", "-a", pristine, awkward], check=True)
    async with EmbeddedServer(awkward) as server:
        assert await answer(server, "select count(*) from kept") == 0
        place = Path(str(conninfo_to_dict(server.dsn("admin"))["host"]))
        assert len(os.fsencode(place / ".s.PGSQL.5432")) <= 103
        assert stat.S_IMODE(place.stat().st_mode) == 0o700
    if not place.is_relative_to(awkward):
        shutil.rmtree(place)


async def test_a_link_to_the_folder_is_the_same_server(folder: Path) -> None:
    link = folder.parent / "link"
    link.symlink_to(folder)
    async with EmbeddedServer(folder), EmbeddedServer(link) as other:
        assert other.folder == folder.resolve()
        assert postmaster(folder) == postmaster(link)


def test_the_default_folder_follows_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert embedded.default_folder({"MOOTHILL_HOME": "/srv/moot", "XDG_DATA_HOME": "/x"}) == Path("/srv/moot")
    assert embedded.default_folder({"XDG_DATA_HOME": "/x"}) == Path("/x/moothill")
    # The specification of the variable says to ignore a relative path.
    assert embedded.default_folder({"XDG_DATA_HOME": "x"}).is_absolute()
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert embedded.default_folder({}) == Path("/var/lib/moothill")


async def test_a_bootstrap_runs_once_in_the_life_of_a_folder(folder: Path) -> None:
    ran: list[str] = []

    async def bootstrap(server: EmbeddedServer) -> None:
        async with server.lock():  # held already: goes straight through
            ran.append(server.password("app"))

    for _ in range(2):
        async with EmbeddedServer(folder).running(bootstrap=bootstrap):
            pass
    assert len(ran) == 1
    assert len(ran[0]) >= 43  # 32 random bytes


async def test_a_bootstrap_that_failed_runs_again(folder: Path) -> None:
    async def failing(server: EmbeddedServer) -> None:
        raise ValueError("no")

    async def working(server: EmbeddedServer) -> None:
        assert await answer(server, "select 1") == 1

    server = EmbeddedServer(folder)
    with pytest.raises(ValueError, match="no"):
        await server.start(bootstrap=failing)
    assert not server.started
    assert state(folder) is State.ABSENT
    async with server.running(bootstrap=working):
        assert (folder / "bootstrapped").exists()


async def test_a_folder_of_an_earlier_release_gets_the_role_that_is_new(folder: Path) -> None:
    """Its passwords lack one, and it was bootstrapped under another edition: both are made good, nothing is lost."""
    ran: list[str] = []

    async def bootstrap(server: EmbeddedServer) -> None:
        ran.append(server.password("sql"))

    async with EmbeddedServer(folder) as server:
        app = server.password("app")
    held = json.loads((folder / "credentials.json").read_text())
    del held["sql"]
    (folder / "credentials.json").write_text(json.dumps(held))
    for edition, runs in (("", 1), ("second", 2), ("second", 2)):
        server = EmbeddedServer(folder)
        await server.start(bootstrap=bootstrap, edition=edition)
        assert server.password("app") == app
        await server.stop()
        assert len(ran) == runs
    assert len(set(ran)) == 1
    assert (folder / "credentials.json").stat().st_mode & 0o077 == 0
