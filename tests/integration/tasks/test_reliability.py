"""Workers that are killed, cut off and stopped in the middle: one accepted end a task, attempts in order, none lost.

A hundred tasks in a normal run, ten thousand under MOOTHILL_SOAK=1; each test ends with one query over the history.
"""

import asyncio
import contextlib
import itertools
import os
import shutil
import signal
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from random import Random
from uuid import uuid4

import psycopg
import pytest
import pytest_asyncio

import moothill
from moothill import MoothillError
from moothill.database.embedded import EmbeddedServer
from moothill.database.embedded.process import PostmasterFile
from moothill.database.migrate import Migrator
from moothill.kernel.settings import Settings
from moothill.moot import Moot
from moothill.session import open_database
from moothill.work.running import Worker
from moothill.work.tasks import AttemptReference, ClaimedTask, Completion, NewTask
from tests.conftest import DATABASE, MootFactory, bootstrap_as
from tests.integration.durability.world import free_port, until
from tests.integration.tasks.crew import eventually, outcomes
from tests.integration.tasks.process import PLACES
from tests.integration.tasks.world import SOAK, World
from tests.serving import serving

pytestmark = pytest.mark.soak

COUNT = 10_000 if SOAK else 100
WORKERS = 4 if SOAK else 2


@pytest_asyncio.fixture
async def world(server: EmbeddedServer, moot: Moot) -> AsyncIterator[World]:
    """A fresh tenant of the database of the run."""
    slug = (await moot.keys.current()).tenant
    made = World(moot, str(slug), server.dsn("app", DATABASE), server.dsn("admin", DATABASE))
    yield made
    await made.close()


async def until_done(world: World, seconds: float = 0.3) -> None:
    """Sweep until nothing lives any more."""

    async def done() -> bool:
        await world.sweep()
        await asyncio.sleep(seconds)
        return await world.living() == 0

    await eventually(done, within=3_000 if SOAK else 90)


@pytest.mark.parametrize("places", [[each] for each in PLACES] if SOAK else [PLACES])
async def test_workers_that_are_killed_lose_nothing_and_repeat_no_end(world: World, places: Sequence[str]) -> None:
    """X2, E3: kill -9 at each step, again and again, until nothing is left to do."""
    await world.add(COUNT)
    steps = itertools.cycle(places)
    killed: set[str] = set()
    times = 0

    async def one() -> None:
        nonlocal times
        while await world.living():
            place = next(steps)
            # Each lives a little longer than the last, so that the work gets done.
            number = world.chance.randint(1, 3 + times * (40 if SOAK else 1))
            worker = await world.start(place=place, number=number, lease=1.0, until_empty=True, concurrency=6)
            if await worker.ended() == -signal.SIGKILL:
                killed.add(place)
                times += 1
            else:
                await asyncio.sleep(0.1)

    workers = [asyncio.create_task(one()) for _ in range(WORKERS)]
    try:
        await until_done(world)
        await asyncio.gather(*workers)
    finally:
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
    assert killed
    await world.balance(COUNT)


async def test_workers_whose_connections_are_cut_go_on(world: World) -> None:
    """`pg_terminate_backend` at any moment, also between COMMIT and its answer; the processes live on."""
    await world.add(COUNT * 3)
    workers = [await world.start(work=0.05) for _ in range(WORKERS)]
    for worker in workers:
        assert await worker.line() == "here"
    cut = 0
    async with await psycopg.AsyncConnection.connect(world.admin, autocommit=True) as admin:
        while await world.living():
            rows = await admin.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'moothill_app' "
                "and datname = current_database() order by random() limit 2"
            )
            cut += rows.rowcount
            with contextlib.suppress(MoothillError):
                await world.sweep()
            await asyncio.sleep(0.2)
    assert cut > 0
    assert all(worker.is_alive for worker in workers)
    for worker in workers:
        worker.signal(signal.SIGTERM)
    assert [await worker.ended() for worker in workers] == [0] * WORKERS
    await world.balance(COUNT * 3, at_most=3)


async def test_a_worker_that_sleeps_past_its_lease_is_refused_when_it_wakes(world: World) -> None:
    """SIGSTOP, as a stalled machine does: its result comes after another one's, and counts for nothing."""
    await world.add(1, kind="stop")
    sleeper = await world.start(lease=1.0, concurrency=1)
    assert [await sleeper.line(), await sleeper.line()] == ["here", "begun"]
    sleeper.signal(signal.SIGSTOP)
    await asyncio.sleep(1.2)
    await world.sweep()
    other = await world.start(lease=60.0, concurrency=1, until_empty=True)
    assert [await other.line(), await other.line()] == ["here", "begun"]
    assert await other.ended() == 0
    found = await world.balance(1)
    assert found.attempts == 2
    sleeper.signal(signal.SIGCONT)
    await asyncio.sleep(1)
    sleeper.signal(signal.SIGTERM)
    assert await sleeper.ended() == 0
    assert await world.balance(1) == found


async def test_a_fenced_attempt_changes_nothing_whatever_it_says(world: World) -> None:
    """Where PgQueuer and Procrastinate let a worker that lost its lease finish, fail or renew another's task."""
    await world.add(1)
    (old,) = await world.moot.tasks.claim(lease_seconds=1)
    await asyncio.sleep(1.1)
    await world.sweep()
    (new,) = await world.moot.tasks.claim(lease_seconds=60)
    mine = AttemptReference(task=old.id, token=old.token)
    assert not (await world.moot.tasks.heartbeat(attempts=[mine]))[0].held
    said = Completion(task=old.id, token=old.token, result={"attempt": 1})
    assert not (await world.moot.tasks.complete_many(attempts=[said]))[0].accepted
    assert not (await world.moot.tasks.release(attempts=[mine]))[0].accepted
    for late in (
        world.moot.tasks.fail(task=old.id, token=old.token, error="late"),
        world.moot.tasks.wait(task=old.id, token=old.token, prompt="late"),
        world.moot.tasks.record_step(task=old.id, token=old.token, name="late", result={"late": True}),
    ):
        with pytest.raises(MoothillError, match="another one"):
            await late
    assert not (await world.moot.tasks.steps(task=str(old.id))).items
    await world.moot.tasks.complete(task=new.id, token=new.token, result={"attempt": new.attempt})
    assert (await world.balance(1)).attempts == 2


async def test_two_hundred_claimers_that_begin_at_once_do_not_lock_each_other_out(
    server: EmbeddedServer, settings: Settings, moot: Moot, world: World
) -> None:
    """A barrier, lanes, groups with places and rates, agents whose numbers grow: no deadlock, no task twice."""
    claimers, count = 200, 2_000 if SOAK else 600
    for number in range(4):
        await moot.agents.register(name=f"a{number}", agent_id=f"a{number}")
    await moot.queues.configure(queue="default", group="g0", weight=3, max_running=150)
    await moot.queues.configure(queue="default", group="g1", weight=1, rate_limit=100_000, rate_seconds=1)
    await moot.tasks.enqueue_many(
        tasks=[NewTask(title="t", kind="sum", group=f"g{number % 3}") for number in range(count)]
    )
    wide = settings.model_copy(update={"pool_max": 100, "pool_min": 1, "tenant_share": 1.0})
    twin = await open_database(server.dsn("app", DATABASE), wide, world.tenant)
    barrier = asyncio.Barrier(claimers)
    taken: list[object] = []

    async def deadlocks() -> int:
        async with await psycopg.AsyncConnection.connect(world.admin) as admin:
            cursor = await admin.execute("select deadlocks from pg_stat_database where datname = current_database()")
            row = await cursor.fetchone()
        assert row is not None
        return int(row[0])

    async def claimer(number: int) -> None:
        await barrier.wait()
        misses = 0
        while len(taken) < count and misses < 200:
            got = await twin.tasks.claim(limit=3, agent=f"a{number % 4}", lease_seconds=300)
            if not got:
                misses += 1
                await asyncio.sleep(0.01)
                continue
            taken.extend(each.id for each in got)
            said = [Completion(task=each.id, token=each.token, result={"attempt": each.attempt}) for each in got]
            assert all(each.accepted for each in await twin.tasks.complete_many(attempts=said))

    before = await deadlocks()
    try:
        await asyncio.gather(*(claimer(number) for number in range(claimers)))
    finally:
        await twin.close()
    assert len(taken) == len(set(taken)) == count
    assert await deadlocks() == before
    found = await world.balance(count, at_most=1)
    assert found.attempts == count
    numbers = [(await moot.agents.get(agent=f"a{number}")).tasks_completed for number in range(4)]
    assert sum(numbers) == count


async def test_workers_over_a_url_go_on_when_their_server_comes_back(
    server: EmbeddedServer, settings: Settings, moot_factory: MootFactory
) -> None:
    """Ends whose answer was lost are reported again; what was handed out in a lost answer comes back by its lease."""
    moot = await moot_factory()
    tenant = str((await moot.keys.current()).tenant)
    world = World(moot, tenant, "", server.dsn("admin", DATABASE))
    secret = (await moot.keys.create(name="worker", scopes=["tasks:*"])).secret
    # Ten functions at a time of 25 ms each get through 200 in a round: they are interrupted at least twice.
    count = 1_000 if SOAK else 600
    await world.add(count)
    rounds = 0
    async with free_port() as port:
        pass
    worker = Worker(lease=1.0, concurrency=10, grace=5)

    @worker.task("sum")
    async def total(task: ClaimedTask) -> dict[str, int]:
        await asyncio.sleep(Random(str(task.id)).uniform(0, 0.05))
        return {"attempt": task.attempt}

    generous = settings.model_copy(update={"rate_limit": 1_000_000})
    async with moothill.connect(f"http://127.0.0.1:{port}", key=secret) as far:
        running = asyncio.create_task(worker.run(far, signals=False))
        while await world.living():
            async with serving(server.dsn("app", DATABASE), generous, port=port):
                await asyncio.sleep(0.5)
                await world.sweep()
            rounds += 1
            assert not running.done()
        async with serving(server.dsn("app", DATABASE), generous, port=port):
            worker.stop()
            await asyncio.wait_for(running, 30)
    assert rounds > 1
    await world.balance(count, at_most=5)


async def test_a_database_that_restarts_interrupts_workers_and_loses_nothing(settings: Settings) -> None:
    """Shut down fast, killed, and ended at once in turn, while processes work; they wait and go on."""
    folder = Path("/tmp") / f"moothill-test-restart-{uuid4().hex[:8]}"
    database = EmbeddedServer(folder)

    async def first_start(started: EmbeddedServer) -> None:
        await bootstrap_as(started, "moothill")
        await Migrator(started.dsn("migrator", "moothill")).migrate()

    await database.start(bootstrap=first_start)
    world = None
    try:
        moot = await open_database(database.dsn("app", "moothill"), settings, "default", create=True)
        world = World(moot, "default", database.dsn("app", "moothill"), database.dsn("admin", "moothill"))
        count = COUNT * 2
        await world.add(count)
        workers = [await world.start(work=0.2, lease=2.0, concurrency=4) for _ in range(WORKERS)]
        for worker in workers:
            assert await worker.line() == "here"
        for number in (signal.SIGINT, signal.SIGKILL, signal.SIGQUIT):
            await asyncio.sleep(0.7)
            told = PostmasterFile.read(folder / "postgres")
            assert told is not None
            os.kill(told.process, number)
            gone = Path(f"/proc/{told.process}")
            await until(lambda gone=gone: not gone.exists())  # type: ignore[misc]
            await database.start()
        began = time.monotonic()
        while True:
            with contextlib.suppress(MoothillError):
                await world.sweep()
                if not await world.living():
                    break
            await asyncio.sleep(0.3)
            assert time.monotonic() - began < (3_000 if SOAK else 90)
        assert all(worker.is_alive for worker in workers)
        for worker in workers:
            worker.signal(signal.SIGTERM)
        assert [await worker.ended() for worker in workers] == [0] * WORKERS
        await world.balance(count, at_most=6)
        await moot.close()
    finally:
        if world is not None:
            await world.close()
        await database.stop(force=True)
        shutil.rmtree(folder, ignore_errors=True)


async def test_a_worker_process_finishes_what_it_holds_when_it_is_told_to_stop(world: World) -> None:
    await world.add(COUNT)
    worker = await world.start(work=0.1, concurrency=4, lease=60.0)
    assert await worker.line() == "here"

    async def begun() -> bool:
        return await world.living() < COUNT

    await eventually(begun)
    worker.signal(signal.SIGTERM)
    assert await worker.ended() == 0
    # Nothing is held any more, and nobody has to wait for a lease.
    ids = [str(each.id) for each in (await world.moot.tasks.list(limit=200)).items]
    assert set(await outcomes(world.moot, ids)) <= {"completed", "pending"}
