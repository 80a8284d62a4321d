"""A worker in a process of its own, to be killed: `python -m tests.integration.tasks.process ARGUMENTS`.

It says `here` when it runs, and at its end what it did. It may be told to die at a place: by SIGKILL, so that nothing
of it is tidied up.
"""

import asyncio
import json
import os
import random
import signal
import sys
from typing import Any

import moothill
from moothill.database.transaction import PooledTransaction
from moothill.kernel.context import Context
from moothill.kernel.settings import Settings
from moothill.work.running import TaskContext, Worker
from moothill.work.running.shift import Shift
from moothill.work.tasks import ClaimedTask

PLACES = ("before claim commits", "after claim", "in function", "after function", "in completion", "after completion")


class Death:
    """Where and when this process dies."""

    def __init__(self, place: str | None, number: int) -> None:
        self.place = place
        self.left = number

    def pass_(self, place: str) -> None:
        """Come by a place; the last time is the last."""
        if place != self.place:
            return
        self.left -= 1
        if self.left <= 0:
            os.kill(os.getpid(), signal.SIGKILL)


def haunted(death: Death) -> None:
    """Let the commits of this process pass the places of death."""
    finish, end = PooledTransaction.finish, Shift._end

    async def watched(self: PooledTransaction, context: Context) -> None:
        kinds = {event.kind for event in context.pending}
        claims, completes = "tasks.claimed" in kinds, "tasks.completed" in kinds
        if claims:
            death.pass_("before claim commits")
        if completes:
            death.pass_("in completion")
        await finish(self, context)
        if claims:
            death.pass_("after claim")
        if completes:
            death.pass_("after completion")

    def ended(self: Shift, *arguments: Any) -> None:
        death.pass_("after function")
        end(self, *arguments)

    PooledTransaction.finish = watched  # type: ignore[method-assign]
    Shift._end = ended  # type: ignore[method-assign,assignment]


async def main(given: dict[str, Any]) -> None:
    death = Death(given.get("place"), given.get("number", 1))
    haunted(death)
    settings = Settings.load({}, worker=False, pool_min=1, pool_max=6, connect_timeout="2s")
    async with moothill.connect(given["target"], settings=settings, tenant=given["tenant"]) as moot:
        worker = Worker(moot, concurrency=given.get("concurrency", 8), lease=given.get("lease", 2.0), grace=10)

        @worker.task("sum")
        async def total(task: ClaimedTask, context: TaskContext) -> dict[str, Any]:
            death.pass_("in function")
            await asyncio.sleep(random.uniform(0, given.get("work", 0.01)))
            return {"attempt": task.attempt, "by": os.getpid()}

        @worker.task("stop")
        async def stop(task: ClaimedTask) -> dict[str, Any]:
            # The test stops the process here, past its lease.
            print("begun", flush=True)
            if task.attempt == 1:
                await asyncio.sleep(0.5)
            return {"attempt": task.attempt, "by": os.getpid()}

        print("here", flush=True)
        tally = await worker.run(until_empty=given.get("until_empty", False))
        print(json.dumps({"completed": tally.completed, "dropped": tally.dropped}), flush=True)


if __name__ == "__main__":
    asyncio.run(main(json.loads(sys.argv[1])))
