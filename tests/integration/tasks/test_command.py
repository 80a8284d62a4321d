"""`moothill worker`: a worker of an application in a process of its own, its options, its end and its exit codes."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
import pytest_asyncio

from moothill.database.embedded import EmbeddedServer
from moothill.kernel.errors import KINDS
from moothill.moot import Moot
from tests.conftest import DATABASE
from tests.integration.tasks.crew import added, eventually, outcomes, task_of
from tests.serving import Live

ROOT = Path(__file__).resolve().parents[3]
APPLICATION = """
import asyncio, time
import moothill

worker = moothill.Worker(queues=["nowhere"], concurrency=2, grace=20)
nothing = moothill.Worker()
number = 17

@worker.task("quick")
async def quick(task):
    return {"of": task.title}

@worker.task("deaf")
def deaf(task):
    print("begun", flush=True)
    time.sleep(600)

@worker.task("slow")
async def slow(task):
    print("begun", flush=True)
    await asyncio.sleep(1)

@worker.task("endless")
async def endless(task):
    print("begun", flush=True)
    await asyncio.Event().wait()
"""
Start = Callable[..., Awaitable[asyncio.subprocess.Process]]


@pytest_asyncio.fixture
async def start(tmp_path: Path) -> AsyncIterator[Start]:
    """Starts `moothill worker` in a folder with an application."""
    (tmp_path / "shop.py").write_text(APPLICATION)
    (tmp_path / "broken.py").write_text("import not_there\n")
    environ = {name: value for name, value in os.environ.items() if not name.startswith("MOOTHILL_")}
    environ["PYTHONPATH"] = str(ROOT / "src")
    started: list[asyncio.subprocess.Process] = []

    async def begin(*words: str, key: str | None = None) -> asyncio.subprocess.Process:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "moothill",
            "worker",
            *words,
            cwd=tmp_path,
            env=environ | ({"MOOTHILL_KEY": key} if key else {}),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        started.append(process)
        return process

    yield begin
    for process in started:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def ended(process: asyncio.subprocess.Process) -> tuple[int | None, str]:
    """Exit code and standard error."""
    async with asyncio.timeout(60):
        _, said = await process.communicate()
    return process.returncode, said.decode()


async def line(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    async with asyncio.timeout(60):
        return (await process.stdout.readline()).decode().strip()


async def slug_of(moot: Moot) -> str:
    return str((await moot.keys.current()).tenant)


async def test_a_worker_works_on_a_database_until_there_is_nothing_left(
    server: EmbeddedServer, moot: Moot, start: Start
) -> None:
    (id,) = await added(moot, "quick")
    options = ("--dsn", server.dsn("app", DATABASE), "--tenant", await slug_of(moot), "--queues", "default, other")
    code, said = await ended(await start("shop:worker", *options, "--until-empty", "--concurrency", "3"))
    assert code == 0, said
    assert (await task_of(moot, id)).result == {"of": "quick"}
    lines: list[dict[str, Any]] = [orjson.loads(each) for each in said.splitlines()]
    assert [each["event"] for each in lines] == ["worker_started", "worker_stopped"]
    assert lines[-1]["completed"] == 1


async def test_a_worker_works_over_a_url_with_a_key(live: Live, moot: Moot, start: Start) -> None:
    secret = (await moot.keys.create(name="worker", scopes=["tasks:*"])).secret
    (id,) = await added(moot, "quick")
    process = await start("shop:worker", "--url", live.url, "--queues", "default", "--until-empty", key=secret)
    code, said = await ended(process)
    assert code == 0, said
    assert await outcomes(moot, [id]) == ["completed"]
    stranger = await start("shop:worker", "--url", live.url)
    assert (await ended(stranger))[0] == KINDS["unauthenticated"].exit_code


@pytest.mark.parametrize(("kind", "status"), [("slow", "completed"), ("endless", "pending"), ("deaf", "pending")])
async def test_a_first_signal_lets_functions_end_and_a_second_one_ends_at_once(
    server: EmbeddedServer, moot: Moot, start: Start, kind: str, status: str
) -> None:
    """Also one that nobody can end, in a thread: its task goes back, and the process is gone."""
    (id,) = await added(moot, kind)
    options = ("--dsn", server.dsn("app", DATABASE), "-t", await slug_of(moot), "--queues", "default")
    process = await start("shop:worker", *options)
    assert await line(process) == "begun"
    process.send_signal(signal.SIGTERM)
    if kind != "slow":
        await asyncio.sleep(0.3)
        process.send_signal(signal.SIGTERM)
    code, said = await ended(process)
    assert code == 0, said

    async def there() -> bool:
        return await outcomes(moot, [id]) == [status]

    await eventually(there, within=2)


@pytest.mark.parametrize(
    "words",
    [
        ("shop",),
        ("shop:",),
        (":worker",),
        ("shop:none",),
        ("shop:number",),
        ("shop:nothing",),
        ("shop.deeper:worker",),
        ("absent:worker",),
        ("shop:worker", "--concurrency", "0"),
        ("shop:worker", "--log-level", "LOUD"),
    ],
)
async def test_what_is_no_worker_is_refused(start: Start, words: tuple[str, ...]) -> None:
    code, said = await ended(await start(*words))
    assert code == KINDS["invalid"].exit_code
    assert "Traceback" not in said


async def test_an_application_that_is_broken_says_so_itself(start: Start) -> None:
    """What its own import lacks is not told as if the worker were not there."""
    code, said = await ended(await start("broken:worker"))
    assert code == 1
    assert "not_there" in said


async def test_where_nothing_answers_the_exit_code_says_so(start: Start) -> None:
    code, said = await ended(await start("shop:worker", "--dsn", "host=127.0.0.1 port=1 user=x dbname=x"))
    assert code == KINDS["unavailable"].exit_code
    assert "Traceback" not in said
