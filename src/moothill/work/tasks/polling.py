"""Waiting for tasks: a claim that is asked again whenever something was written, and answers when there is something.

What wakes it may be lost (a pooler, another process, a dropped connection): it also looks by itself now and then, and
when the next task becomes due. It holds no connection of the database while it waits.
"""

import asyncio
import random
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, cast

from pydantic import Field

from ...kernel.context import context
from ...kernel.errors import Invalid
from ...kernel.local import LocalExecutor
from ...kernel.operation import operation
from ...kernel.service import Service
from . import rules
from .claiming import LEASE_SECONDS, Begins, ForWhom, Lease, Most, Queues, WorkerId, WorkerName, sql
from .models import ClaimedTask, NextDue

if TYPE_CHECKING:
    from .service import Tasks

__all__ = ["due", "next_"]

_AHEAD_SECONDS = 3600.0


@operation(effect="read", scope="tasks:work", mode="single", example={})
async def due(self: Service) -> NextDue:
    """When the next task becomes due, of those that wait for their time."""
    return await sql.next_due(within=_AHEAD_SECONDS)


@operation(
    effect="write",
    scope="tasks:work",
    audience="agent",
    mode="none",
    example={"agent": "cartwright", "limit": 2, "wait_seconds": 0},
)
async def next_(
    self: Service,
    *,
    agent: ForWhom = None,
    queues: Queues = None,
    limit: Most = 1,
    wait_seconds: Annotated[
        float, Field(ge=0, le=60, description="Answer with nothing when there was nothing for so long, seconds.")
    ] = 20,
    lease_seconds: Lease = LEASE_SECONDS,
    begin: Begins = True,
    worker: WorkerId = None,
    worker_name: WorkerName = None,
) -> Sequence[ClaimedTask]:
    """Wait until there are tasks to work on, and take them; as `tasks.claim` otherwise.

    Whoever hangs up while tasks are handed out has not lost them: they come back when their lease ends.

    Raises:
        AgentNotFound, AgentIsDeactivated, AgentIsSuspended: of the agent.
        Forbidden: an agent claims for itself alone.
        Invalid: an idempotency key; what was handed out once is not handed out again.
    """
    call = context()
    if call.options.idempotency_key is not None:
        raise Invalid("tasks.next takes no idempotency key; tasks.claim does.", field="idempotency_key", rule="none")
    assert isinstance(self.executor, LocalExecutor), "a body runs on a local executor"
    nudges = self.executor.runtime.nudges
    tasks = cast("Tasks", self)
    clock = asyncio.get_running_loop().time
    # A caller with a deadline wants an answer before it.
    until = clock() + min(wait_seconds, wait_seconds if call.remaining is None else call.remaining / 2)
    vain = 0
    with nudges.bell(call.tenant) as bell:
        while True:
            found = await tasks.claim(
                agent=agent,
                queues=queues,
                limit=limit,
                lease_seconds=lease_seconds,
                begin=begin,
                worker=worker,
                worker_name=worker_name,
            )
            left = until - clock()
            if found or left <= 0 or nudges.is_over:
                return found
            soon = await tasks.due()
            by_itself, woken = rules.next_look(
                vain,
                random.random(),  # noqa: S311  # jitter, no secret
                longest=nudges.longest_wait,
                due=None if soon.at is None else (soon.at - soon.now).total_seconds(),
            )
            if await bell.wait(min(by_itself, left)):
                vain += 1
                await asyncio.sleep(min(woken, max(0.0, until - clock())))
            else:
                vain = 0
