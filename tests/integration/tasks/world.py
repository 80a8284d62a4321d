"""Tasks that real processes work on and are killed at, and the account that the history has to give."""

import asyncio
import json
import os
import signal
import sys
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import psycopg

from moothill.moot import Moot
from moothill.work.tasks import NewTask
from tests.integration.tasks.crew import swept

__all__ = ["SOAK", "Ledger", "Process", "World"]

ROOT = Path(__file__).resolve().parents[3]
SOAK = bool(os.environ.get("MOOTHILL_SOAK"))
PATIENCE = 600.0 if SOAK else 60.0

# One query over the history. A task is well when it has one end, attempts from 1 on without a gap, each begun after the
# one before it had ended, its end is that of the last of them, it was said in the log once, and the result that stands
# is the one that this very attempt gave.
LEDGER = """
with attempts as (
  select tenant_id, id, attempt, claimed_at, ended_at, 0 as accepted from moothill.task_attempts
  union all
  select tenant_id, id, attempt, claimed_at, ended_at, 1 from moothill.task_outcomes where status = 'completed'
), ordered as (
  select a.*, lag(a.ended_at) over w as before, row_number() over w as place, count(*) over (partition by a.id) as made
  from attempts a window w as (partition by a.id order by a.attempt)
), judged as (
  select o.id, sum(o.accepted) as ends, bool_and(o.attempt = o.place) as gapless,
         bool_and(o.before is null or o.claimed_at >= o.before) as in_order,
         bool_and(o.accepted = (o.place = o.made)::integer) as ended_by_last, max(o.made) as made
  from ordered o group by o.id
), said as (
  select s.id, count(*) as times
  from moothill.events e cross join lateral unnest(coalesce(e.subjects, array[e.subject])) as s (id)
  where e.tenant_id = %(tenant)s and e.kind = 'tasks.completed' group by s.id
)
select count(*) as tasks,
       count(*) filter (where j.ends = 1 and j.gapless and j.in_order and j.ended_by_last and s.times = 1
                          and (r.result ->> 'attempt')::integer = r.attempt) as well,
       count(*) filter (where q.id is not null) as living,
       coalesce(sum(j.made), 0)::integer as attempts
from moothill.tasks t
left join judged j on j.id = t.id
left join said s on s.id = t.id
left join moothill.task_outcomes r on r.tenant_id = t.tenant_id and r.id = t.id
left join moothill.task_queue q on q.tenant_id = t.tenant_id and q.id = t.id
where t.tenant_id = %(tenant)s
"""


@dataclass(frozen=True, slots=True)
class Ledger:
    """What the history says of all tasks of a tenant."""

    tasks: int
    well: int
    living: int
    attempts: int


@dataclass(slots=True)
class Process:
    """A worker in a process of its own."""

    process: asyncio.subprocess.Process
    lines: list[str] = field(default_factory=list)

    @property
    def is_alive(self) -> bool:
        return self.process.returncode is None

    async def line(self) -> str | None:
        """The next line that it says; None when it has ended."""
        assert self.process.stdout is not None
        async with asyncio.timeout(PATIENCE):
            said = await self.process.stdout.readline()
        return said.decode().strip() if said else None

    def signal(self, number: int) -> None:
        if self.is_alive:
            self.process.send_signal(number)

    async def ended(self) -> int:
        async with asyncio.timeout(PATIENCE):
            return await self.process.wait()


@dataclass(slots=True)
class World:
    """A tenant whose tasks processes work on.

    Attributes:
        moot: of the tenant, in the process of the test.
        target: where processes connect to.
        admin: DSN of who sees everything.
    """

    moot: Moot
    tenant: str
    target: str
    admin: str
    chance: Random = field(default_factory=Random)
    processes: list[Process] = field(default_factory=list)

    async def add(self, count: int, kind: str = "sum") -> None:
        for start in range(0, count, 5_000):
            part = [NewTask(title="t", kind=kind, max_attempts=100) for _ in range(min(5_000, count - start))]
            await self.moot.tasks.enqueue_many(tasks=part)

    async def start(self, **arguments: Any) -> Process:
        """A worker process; it says `here` when it works."""
        given = {"target": self.target, "tenant": self.tenant, **arguments}
        started = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.integration.tasks.process",
            json.dumps(given),
            cwd=ROOT,
            stdout=asyncio.subprocess.PIPE,
        )
        self.processes.append(Process(started))
        return self.processes[-1]

    async def ledger(self) -> Ledger:
        """What the history says now."""
        tenant = (await self.moot.keys.current()).tenant
        async with await psycopg.AsyncConnection.connect(self.admin) as admin:
            found = await (await admin.execute(LEDGER, {"tenant": tenant})).fetchone()
        assert found is not None
        return Ledger(*found)

    async def living(self) -> int:
        """How many tasks have not ended."""
        tenant = (await self.moot.keys.current()).tenant
        async with await psycopg.AsyncConnection.connect(self.admin) as admin:
            found = await (
                await admin.execute("select count(*) from moothill.task_queue where tenant_id = %s", [tenant])
            ).fetchone()
        assert found is not None
        return int(found[0])

    async def sweep(self) -> None:
        """Do what the scheduler does every few seconds."""
        await swept(self.moot)

    async def balance(self, count: int, *, at_most: float = 100.0) -> Ledger:
        """See that every one of so many tasks was completed once, in order."""
        found = await self.ledger()
        assert (found.tasks, found.well, found.living) == (count, count, 0), found
        assert found.attempts <= count * at_most
        return found

    async def close(self) -> None:
        for each in self.processes:
            each.signal(signal.SIGCONT)
            each.signal(signal.SIGKILL)
            await each.process.wait()
