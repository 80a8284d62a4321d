"""`moothill bench tasks`: adding tasks, handing them out and ending them, beside PgQueuer and Procrastinate.

All on one server with `fsync` on, in rounds that take turns, through whole operations of the SDK: what is handed out
comes with all that its holder needs, and ends are fenced, counted and logged. History is kept on every side.
"""

import asyncio
import statistics
import time
from collections.abc import Sequence
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict

from ..moot import Moot
from ..work.tasks import ClaimedTask, Completion, NewTask
from .other_queues import PEERS, Drained, Peer, Yard
from .report import Row, percentile
from .telling import counted, tell

__all__ = ["run"]

# Rounds, jobs of a round by batch, waiting tasks of the two backlogs, tasks of the graph, pick-ups, seconds under an
# old snapshot.
_SCALES: dict[str, tuple[int, dict[int, int], tuple[int, int], int, int, float]] = {
    "quick": (1, {1: 60, 10: 300, 100: 1_000}, (1_000, 5_000), 1_000, 10, 0.5),
    "full": (5, {1: 1_000, 10: 5_000, 100: 20_000}, (1_000, 1_000_000), 100_000, 200, 60.0),
}
_TARGETS = {1: 1.2, 100: 2.0}
_MOST_WAL = 0.8
_BULK = 100_000.0
_BACKLOG = 1.3
_CHUNK = 10_000


async def run(moot: Moot, *, scale: str, admin_dsn: str) -> list[Row]:
    """Measure on a throw-away database.

    Args:
        moot: above all tenants.
        scale: quick or full.
        admin_dsn: of a superuser, who makes the peers' databases and reads the server's counters.
    """
    rounds, jobs, backlog, graph, pickups, pinned = _SCALES[scale]
    yard = Yard(admin_dsn)
    database = str(conninfo_to_dict(admin_dsn)["dbname"])
    peers = [peer for peer in PEERS if peer.is_there]
    for peer in peers:
        await yard.make(peer.name)
        await peer.install(yard)
    missing = [peer.name for peer in PEERS if not peer.is_there]
    if missing:
        tell(f"not installed, so not beside it: {', '.join(missing)} (pip install 'pgqueuer[asyncpg]' procrastinate)")
    rows: list[Row] = []
    for batch, number in jobs.items():
        rows += await _beside(moot, yard, database, peers, rounds, batch, number)
    rows += await _adding(moot, jobs[100])
    rows += await _backlogs(moot, backlog)
    rows += await _graph(moot, graph)
    rows += await _pick_up(moot, pickups)
    rows += await _under_an_old_snapshot(moot, admin_dsn, pinned)
    return rows


async def _tenant(moot: Moot, slug: str) -> Moot:
    await moot.tenants.create(slug=slug, name=slug)
    return moot.tenant(slug)


async def _fill(moot: Moot, count: int) -> float:
    """Add plain tasks; seconds that it took."""
    seconds = 0.0
    for start in range(0, count, _CHUNK):
        tasks = [NewTask(title="no work", payload={"n": 1}) for _ in range(min(_CHUNK, count - start))]
        before = time.perf_counter()
        await moot.tasks.enqueue_many(tasks=tasks)
        seconds += time.perf_counter() - before
    return seconds


async def _drain(moot: Moot, batch: int) -> None:
    """Take and complete until nothing is left, in two loops: while the server serves one, the other has its turn."""
    await asyncio.gather(*(_loop(moot, batch) for _ in range(2)))


async def _loop(moot: Moot, batch: int) -> None:
    """An end and the next claim share a transaction, as in our worker."""
    held: Sequence[ClaimedTask] = await moot.tasks.claim(limit=batch)
    while held:
        async with moot.transaction() as inside:
            await inside.tasks.complete_many(
                attempts=[Completion(task=each.id, token=each.token, result={"ok": True}) for each in held]
            )
            held = await inside.tasks.claim(limit=batch)


async def _beside(
    moot: Moot, yard: Yard, database: str, peers: Sequence[Peer], rounds: int, batch: int, jobs: int
) -> list[Row]:
    """Ours and the peers' in turn."""
    ours = await _tenant(moot, f"bench-batch-{batch}")
    await _fill(ours, min(jobs, 200))
    await _drain(ours, batch)
    found: dict[str, list[Drained]] = {"ours": [], **{peer.name: [] for peer in peers}}
    for _ in counted(range(rounds), f"{jobs:,} tasks, {batch} at a time"):
        await _fill(ours, jobs)
        found["ours"].append(await yard.measured(database, jobs, lambda: _drain(ours, batch)))
        for peer in peers:
            found[peer.name].append(await peer.drain(yard, jobs, batch))
    case = f"take and complete, {batch} at a time"
    rate = {name: statistics.median(each.rate for each in drained) for name, drained in found.items()}
    wal = {name: statistics.median(each.wal_bytes / each.jobs for each in drained) for name, drained in found.items()}
    commits = {name: statistics.median(each.commits / each.jobs for each in drained) for name, drained in found.items()}
    if not peers:
        return [
            Row(case, "rate", rate["ours"], "tasks/s"),
            Row(case, "log", wal["ours"], "bytes/task"),
            Row(case, "commits", commits["ours"], "per task"),
        ]
    rows = []
    for peer in peers:
        name = peer.name
        target = _TARGETS.get(batch) if name == "pgqueuer" else None
        most = _MOST_WAL if name == "pgqueuer" else None
        rows += [
            Row(case, "rate", rate["ours"], "tasks/s", peer=name, peer_value=rate[name]),
            Row(case, "against it", rate["ours"] / rate[name], "x", target, "at least", name, 1.0),
            Row(case, "log", wal["ours"], "bytes/task", peer=name, peer_value=wal[name]),
            Row(case, "log against it", wal["ours"] / wal[name], "x", most, "at most", name, 1.0),
            Row(case, "commits", commits["ours"], "per task", peer=name, peer_value=commits[name]),
        ]
    return rows


async def _adding(moot: Moot, jobs: int) -> list[Row]:
    tell(f"adding tasks, {_CHUNK:,} at a time")
    ours = await _tenant(moot, "bench-adding")
    await _fill(ours, 100)
    seconds = await _fill(ours, jobs * 5)
    return [Row(f"adding, {_CHUNK:,} a call", "rate", jobs * 5 / seconds, "tasks/s", _BULK, "at least")]


async def _backlogs(moot: Moot, sizes: tuple[int, int]) -> list[Row]:
    """A claim with few waiting and with many, in turn."""
    tenants = {}
    for size in sizes:
        tell(f"adding {size:,} tasks that wait")
        tenants[size] = await _tenant(moot, f"bench-backlog-{size}")
        await _fill(tenants[size], size)
    seconds: dict[int, list[float]] = {size: [] for size in sizes}
    for _ in counted(range(min(60, sizes[0] // 10)), "claims with few and with many waiting"):
        for size, ours in tenants.items():
            before = time.perf_counter()
            taken = await ours.tasks.claim(limit=10)
            seconds[size].append(time.perf_counter() - before)
            await ours.tasks.complete_many(attempts=[Completion(task=each.id, token=each.token) for each in taken])
    few, many = (statistics.median(seconds[size]) * 1000 for size in sizes)
    case = f"claim of 10 with {sizes[1]:,} waiting"
    name = f"{sizes[0]:,} waiting"
    return [
        Row(case, "median", many, "ms", peer=name, peer_value=few),
        Row(case, "against it", many / few, "x", _BACKLOG, "at most", name, 1.0),
    ]


async def _graph(moot: Moot, size: int) -> list[Row]:
    """A graph in layers of a hundred, each task waiting for two of the layer above; its first layers are worked off."""
    ours = await _tenant(moot, "bench-graph")
    width = 100
    tasks = [
        NewTask(
            title="a step",
            name=str(n),
            depends_on=[str(n - width), str(n - width - n % width + (n + 1) % width)] if n >= width else [],
        )
        for n in range(size)
    ]
    tell(f"adding a graph of {size:,} tasks")
    before = time.perf_counter()
    await ours.tasks.enqueue_many(tasks=tasks)
    added = time.perf_counter() - before
    layers = min(100, size // width)
    before = time.perf_counter()
    for _ in counted(range(layers), "working off its first layers"):
        taken = await ours.tasks.claim(limit=width)
        await ours.tasks.complete_many(attempts=[Completion(task=each.id, token=each.token) for each in taken])
    worked = time.perf_counter() - before
    return [
        Row(f"a graph of {size:,}, one call", "rate", size / added, "tasks/s"),
        Row("working off its layers", "rate", layers * width / worked, "tasks/s"),
    ]


async def _pick_up(moot: Moot, count: int) -> list[Row]:
    """From the call that adds a task to the answer of whoever waits for one."""
    ours = await _tenant(moot, "bench-pick-up")
    seconds = []
    for _ in counted(range(count), "picking up"):
        waiting = asyncio.create_task(_wait_for_one(ours))
        await asyncio.sleep(0.02)
        before = time.perf_counter()
        await ours.tasks.enqueue(title="now")
        found = await waiting
        seconds.append(time.perf_counter() - before)
        await ours.tasks.complete(task=found.id, token=found.token)
    return [
        Row("picking up a task that comes", "median", statistics.median(seconds) * 1000, "ms"),
        Row("picking up a task that comes", "P95", percentile(seconds, 0.95) * 1000, "ms"),
    ]


async def _wait_for_one(moot: Moot) -> ClaimedTask:
    while True:
        found: Any = await moot.tasks.next(wait_seconds=10)
        if found:
            return found[0]  # type: ignore[no-any-return]


async def _under_an_old_snapshot(moot: Moot, admin_dsn: str, seconds: float) -> list[Row]:
    """Working while somebody else's transaction keeps every dead row: the rate at the end against the beginning."""
    ours = await _tenant(moot, "bench-pinned")
    tell("working under an old snapshot")
    async with await psycopg.AsyncConnection.connect(admin_dsn) as old:
        await old.execute("set transaction isolation level repeatable read")
        await old.execute("select txid_current()")
        rates = []
        ends = time.perf_counter() + seconds
        while time.perf_counter() < ends:
            await _fill(ours, 1_000)
            before = time.perf_counter()
            await _drain(ours, 100)
            rates.append(1_000 / (time.perf_counter() - before))
        await old.rollback()
    tenth = max(1, len(rates) // 10)
    first, last = statistics.median(rates[:tenth]), statistics.median(rates[-tenth:])
    case = f"{len(rates):,},000 tasks under an old snapshot"
    return [Row(case, "rate at the end", last, "tasks/s", peer="at the beginning", peer_value=first)]
