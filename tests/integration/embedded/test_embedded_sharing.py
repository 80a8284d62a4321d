"""The embedded server of several processes, some of which are killed; so may it be itself."""

import asyncio
import os
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from moothill.database import embedded
from moothill.database.embedded import EmbeddedServer, Progress, binaries, lifecycle
from moothill.database.embedded.account import choose_account
from moothill.database.embedded.process import State
from tests.integration.embedded.clients import FORKING, Client, answer, connection, postmaster, state, until


async def test_processes_share_a_server_and_the_last_one_stops_it(folder: Path, client: Callable[..., Client]) -> None:
    first = await client(folder, "stop").ready()
    server = postmaster(folder)
    second = await client(folder, "stop").ready()
    assert postmaster(folder) == server
    first.say()
    assert await first.hear() == "left"
    assert state(folder) is State.READY
    second.say()
    assert await second.hear() == "stopped"
    assert state(folder) is State.ABSENT


async def test_processes_that_start_together_make_one_server(new: Path, client: Callable[..., Client]) -> None:
    clients = [client(new, "stop") for _ in range(4)]
    for one in clients:
        assert await one.hear() == "here"
    for one in clients:
        one.say()
    for one in clients:
        assert await one.hear() == "ready"
    assert (new.parent / "bootstraps").read_text() == "x"
    for one in clients:
        one.say()
    assert sorted([await one.hear() for one in clients]) == ["left"] * 3 + ["stopped"]
    assert state(new) is State.ABSENT


async def test_two_servers_of_one_process_count_as_two(folder: Path) -> None:
    one, two = EmbeddedServer(folder), EmbeddedServer(folder)
    await asyncio.gather(one.start(), two.start())
    assert not await one.stop()
    assert await answer(two, "select 1") == 1
    assert await two.stop()


async def test_starting_twice_counts_once(folder: Path) -> None:
    server = EmbeddedServer(folder)
    await server.start()
    await server.start()
    assert await server.stop()


async def test_a_script_that_ends_without_stopping_stops_the_server(
    folder: Path, client: Callable[..., Client]
) -> None:
    script = await client(folder).ready()
    script.say()
    assert await script.ended() == 0
    assert state(folder) is State.ABSENT


async def test_a_killed_client_no_longer_counts(folder: Path, client: Callable[..., Client]) -> None:
    killed = await client(folder).ready()
    server = EmbeddedServer(folder)
    await server.start()
    killed.kill()
    assert await server.stop()
    assert state(folder) is State.ABSENT


async def test_a_server_without_any_live_client_is_found_and_stopped(
    folder: Path, client: Callable[..., Client]
) -> None:
    killed = await client(folder).ready()
    left_alone = postmaster(folder)
    killed.kill()
    assert state(folder) is State.READY
    async with EmbeddedServer(folder) as server:
        assert postmaster(folder) == left_alone
        assert await answer(server, "select 1") == 1
    assert state(folder) is State.ABSENT


async def test_stopping_needs_no_start(folder: Path, client: Callable[..., Client]) -> None:
    killed = await client(folder).ready()
    killed.kill()
    assert await EmbeddedServer(folder).stop()
    assert state(folder) is State.ABSENT
    assert await EmbeddedServer(folder.parent / "nothing").stop()
    assert not (folder.parent / "nothing").exists()


async def test_a_client_killed_while_it_starts_leaves_the_start_to_others(
    new: Path, client: Callable[..., Client]
) -> None:
    killed = client(new)
    assert await killed.hear() == "here"
    killed.say()
    await until((new / "turn.lock").exists)
    killed.kill()
    async with EmbeddedServer(new) as server:
        assert await answer(server, "select 1") == 1


async def test_force_stops_a_server_that_others_use(folder: Path, client: Callable[..., Client]) -> None:
    await client(folder).ready()
    assert not await EmbeddedServer(folder).stop()
    assert state(folder) is State.READY
    assert await EmbeddedServer(folder).stop(force=True)
    assert state(folder) is State.ABSENT


async def test_the_lock_keeps_other_processes_waiting(folder: Path, client: Callable[..., Client]) -> None:
    other = client(folder, "stop")
    told: list[Progress] = []
    waiting = asyncio.Event()
    async with EmbeddedServer(folder) as server:
        async with server.lock():
            other.say()
            second = EmbeddedServer(folder)

            def note(progress: Progress) -> None:
                told.append(progress)
                waiting.set()

            task = asyncio.create_task(second.start(note))
            await waiting.wait()
            assert told[0].stage == "waiting"
            assert not task.done()
            assert not (folder.parent / "bootstraps").exists()
        await task
        assert await other.hear() == "here"
        assert await other.hear() == "ready"
        assert (folder.parent / "bootstraps").exists()
        await second.stop()


async def test_a_forked_child_does_not_stop_its_parents_server(folder: Path, client: Callable[..., Client]) -> None:
    forking = await client(folder, code=FORKING).ready()
    assert state(folder) is State.READY
    forking.say()
    assert await forking.hear() == "stopped"


async def test_rows_that_were_acknowledged_survive_a_killed_postmaster(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lifecycle, "_TELL_SECONDS", 0)
    server = EmbeddedServer(folder)
    await server.start()
    async with connection(server) as admin:
        await admin.execute("insert into kept select generate_series(1, 100000)")
        os.kill(postmaster(folder), signal.SIGKILL)
        with pytest.raises(psycopg.OperationalError):
            while True:
                await admin.execute("insert into kept values (0)")
    told: list[Progress] = []
    await server.start(told.append)
    assert await answer(server, "select count(*) from kept where number > 0") == 100000
    assert "recovering" in {progress.stage for progress in told}
    assert await server.stop()


async def test_a_postmaster_killed_under_a_live_client_is_started_again_by_another(
    folder: Path, client: Callable[..., Client]
) -> None:
    """The client is the dead server's parent; it must not keep it as a zombie."""
    await client(folder).ready()
    killed = postmaster(folder)
    os.kill(killed, signal.SIGKILL)
    async with EmbeddedServer(folder) as server:
        assert postmaster(folder) != killed
        assert await answer(server, "select 1") == 1


async def test_children_that_outlive_a_killed_postmaster_are_ended(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lifecycle, "_ORPHANS_SECONDS", 0.2)
    server = EmbeddedServer(folder)
    await server.start()
    async with connection(server) as admin:
        busy = asyncio.create_task(admin.execute("do $$ begin loop null; end loop; end $$"))
        active = "select count(*) from pg_stat_activity where query like 'do %' and state = 'active'"
        async with asyncio.timeout(5):
            while await answer(server, active) == 0:
                pass
        os.kill(postmaster(folder), signal.SIGKILL)
        await server.start()
        with pytest.raises(psycopg.OperationalError):
            await busy
    assert await answer(server, "select 1") == 1
    assert await server.stop()


@pytest.mark.parametrize("dead", [False, True], ids=["living", "zombie"])
async def test_the_number_of_a_dead_postmaster_may_belong_to_a_stranger(folder: Path, dead: bool) -> None:
    """The number is used again after a restart of the machine, or nobody collected the dead one (no init here)."""
    server = EmbeddedServer(folder)
    await server.start()
    account = choose_account(folder / "postgres")
    with subprocess.Popen([shutil.which("sleep") or "sleep", "60"], cwd="/", **account.process_arguments()) as stranger:
        if dead:
            stranger.kill()
            await asyncio.to_thread(os.waitid, os.P_PID, stranger.pid, os.WEXITED | os.WNOWAIT)
        files = folder / "postgres" / "postmaster.pid", folder / "socket" / ".s.PGSQL.5432.lock"
        lines = [file.read_text().splitlines(keepends=True) for file in files]
        os.kill(postmaster(folder), signal.SIGKILL)
        for file, (_, *rest) in zip(files, lines, strict=True):
            file.write_text("".join([f"{stranger.pid}\n", *rest]))
        await server.start()
        assert await answer(server, "select 1") == 1
        assert (stranger.poll() is None) is not dead
        stranger.kill()
    assert await server.stop()


async def test_a_server_started_by_hand_is_left_alone(folder: Path) -> None:
    async with EmbeddedServer(folder):
        pass
    account = choose_account(folder / "postgres")
    program = binaries.Binaries.locate(18).program("postgres")
    with subprocess.Popen(
        [program, "-D", folder / "postgres"],
        cwd="/",
        stderr=subprocess.DEVNULL,
        **account.process_arguments(),
    ) as by_hand:
        pidfile = folder / "postgres" / "postmaster.pid"
        await until(lambda: pidfile.exists() and "ready" in pidfile.read_text())
        with pytest.raises(embedded.EmbeddedServerFailed, match="not started by Moothill"):
            await EmbeddedServer(folder).start()
        assert by_hand.poll() is None
        by_hand.send_signal(signal.SIGINT)
        assert await asyncio.to_thread(by_hand.wait) == 0


async def test_a_shutdown_that_somebody_else_asked_for_is_waited_out(folder: Path) -> None:
    server = EmbeddedServer(folder)
    await server.start()
    stopped = postmaster(folder)
    os.kill(stopped, signal.SIGINT)
    await server.start()
    assert postmaster(folder) != stopped
    assert await server.stop()


async def test_a_shutdown_that_waits_for_clients_is_hurried(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lifecycle, "_UNASKED_STOP_SECONDS", 0.1)
    server = EmbeddedServer(folder)
    await server.start()
    async with connection(server):
        stopped = postmaster(folder)
        os.kill(stopped, signal.SIGTERM)
        await until(lambda: state(folder) is not State.READY)
        await server.start()
    assert postmaster(folder) != stopped
    assert await server.stop()


async def test_a_server_that_does_not_answer_is_reported(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lifecycle, "_SILENCE_SECONDS", 0.1)
    server = EmbeddedServer(folder)
    await server.start()
    os.kill(postmaster(folder), signal.SIGSTOP)
    try:
        with pytest.raises(embedded.EmbeddedServerFailed, match="does not answer"):
            await server.start()
    finally:
        os.kill(postmaster(folder), signal.SIGCONT)
    assert await server.stop()


async def test_a_server_that_does_not_stop_is_reported(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lifecycle, "_GIVE_UP_SECONDS", 0.2)
    server = EmbeddedServer(folder)
    await server.start()
    os.kill(postmaster(folder), signal.SIGSTOP)
    try:
        with pytest.raises(embedded.EmbeddedServerFailed, match="did not stop"):
            await server.stop()
    finally:
        os.kill(postmaster(folder), signal.SIGCONT)
    assert not server.started
    monkeypatch.undo()
    assert await server.stop()


async def test_a_server_that_dies_while_it_is_used_is_started_again_by_itself(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("moothill.database.embedded.server._WATCH_SECONDS", 0.02)
    server = EmbeddedServer(folder)
    async with server.running():
        killed = postmaster(folder)
        os.kill(killed, signal.SIGKILL)
        async with asyncio.timeout(30):
            while state(folder) is not State.READY or postmaster(folder) == killed:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert await answer(server, "select 1") == 1
    assert "embedded_server_died" in caplog.messages
    assert state(folder) is State.ABSENT


async def test_a_server_that_was_stopped_on_purpose_has_not_crashed(folder: Path) -> None:
    server = EmbeddedServer(folder)
    async with server.running():
        assert not server._lifecycle.has_crashed()
        assert await EmbeddedServer(folder).stop(force=True)
        assert not server._lifecycle.has_crashed()
        await server.start()
        os.kill(postmaster(folder), signal.SIGKILL)
        await until(server._lifecycle.has_crashed)
