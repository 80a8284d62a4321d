"""What the tests of workers share: tasks to work on, workers that are brisk, and questions to the database."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from moothill.kernel.local import LocalExecutor
from moothill.moot import Moot
from moothill.session import _settled
from moothill.work.running import Worker
from moothill.work.tasks import NewTask, Task, Tasks
from moothill.worker.acting import acting, system

__all__ = ["added", "eventually", "outcomes", "swept", "task_of", "worker_on"]


def worker_on(moot: Moot, **settings: Any) -> Worker:
    """A worker with short leases and little patience."""
    return Worker(moot, **{"lease": 2.0, "grace": 5.0, **settings})


async def added(moot: Moot, *kinds: str, **more: Any) -> list[str]:
    """Tasks of these kinds, one each; their ids."""
    report = await moot.tasks.enqueue_many(tasks=[NewTask(title=kind, kind=kind, **more) for kind in kinds])
    return [str(each) for each in report.ids]


async def task_of(moot: Moot, id: str) -> Task:
    return await moot.tasks.get(task=id)


async def eventually(question: Callable[[], Awaitable[Any]], *, within: float = 20.0) -> Any:
    """Ask until the answer is true."""
    async with asyncio.timeout(within):
        # What is waited for is written by another process or by the worker beside.
        while not (answer := await question()):  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    return answer


async def swept(moot: Moot) -> str:
    """Do to the tasks of a tenant what time does, as the scheduler does every few seconds."""
    local = await _settled(moot.executor)
    principal = system(local.principal.tenant, local.principal.tenant_slug)
    async with acting(local.runtime, principal, "tasks.sweep"):
        return await Tasks(LocalExecutor(local.runtime, principal)).sweep()


async def outcomes(moot: Moot, ids: Sequence[str]) -> list[str]:
    """Where these tasks stand."""
    return [(await task_of(moot, id)).status for id in ids]
