"""What the tests of tasks do again and again."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from moothill.moot import Moot
from moothill.work.tasks import ClaimedTask, Completion, NewTask, Task, Tasks
from moothill.worker.acting import acting, system


async def add(moot: Moot, *titles: str, **more: Any) -> list[UUID]:
    """Tasks with these titles, all alike."""
    return (await moot.tasks.enqueue_many(tasks=[NewTask(title=title, **more) for title in titles])).ids


async def take(moot: Moot, limit: int = 100, **more: Any) -> list[ClaimedTask]:
    """What is handed out now."""
    return list(await moot.tasks.claim(limit=limit, **more))


async def finish(moot: Moot, tasks: Sequence[ClaimedTask]) -> None:
    """Complete them all."""
    if tasks:
        reports = await moot.tasks.complete_many(
            attempts=[Completion(task=each.id, token=each.token) for each in tasks]
        )
        assert all(report.accepted for report in reports)


async def status(moot: Moot, task: UUID) -> str:
    """Where a task stands."""
    return (await moot.tasks.get(task=str(task))).status


async def by_time(moot: Moot, name: str) -> str:
    """Do what the worker does by itself, now; what it says of that."""
    executor: Any = moot.executor
    real = await executor.real()
    tenant = system(real.principal.tenant, real.principal.tenant_slug)
    async with acting(real.runtime, tenant, f"tasks.{name}"):
        said: str = await getattr(Tasks(real), name)()
    return said


async def agent(moot: Moot, key: str, **skills: int) -> Task | Any:
    """An agent with these skills."""
    made = await moot.agents.register(name=key.title(), agent_id=key, type="worker")
    for skill, proficiency in skills.items():
        await moot.agents.set_skill(agent=key, skill=skill, proficiency=proficiency)
    return made
