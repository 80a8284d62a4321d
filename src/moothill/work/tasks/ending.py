"""How attempts end: the task is completed, fails, is handed back, or waits for an answer.

Whatever ends an attempt says its token. An attempt that does not hold its task any more is refused, whatever it says:
another one has begun, and two ends would contradict each other.
"""

from collections.abc import Sequence
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, Field

from ...database.queries import Many, Maybe, One, Queries, Run
from ...kernel.context import context
from ...kernel.errors import Invalid
from ...kernel.events import dumps
from ...kernel.identifiers import uuid7
from ...kernel.operation import operation
from ...kernel.service import Service
from ...kernel.texts import JsonObject, Label
from .claiming import stale_because, why_stale
from .errors import AttemptStale
from .events import TaskAnswered, TasksCompleted, TasksFailed, TasksReleased, TaskWaits
from .lookup import find_task, refuse_state, standing_of
from .models import (
    MOST_ATTEMPTS,
    AttemptReference,
    AttemptReport,
    Completion,
    ErrorText,
    Failure,
    Quality,
    Reason,
    Result,
    Status,
    Task,
    TaskReference,
    Token,
    Used,
)

__all__ = ["answer", "complete", "complete_many", "fail", "fail_many", "release", "signal", "wait"]

_SOME = {"task": "018f0000-0000-7000-8000-000000000000", "token": "018f0000-0000-7000-8000-000000000001"}
_MOST_WOKEN = 10_000

TaskId = Annotated[UUID, Field(description="Id of the task.")]


class _Left(BaseModel):
    tasks: list[UUID]
    states: list[Status]


class _Id(BaseModel):
    id: UUID


class _Swept(BaseModel):
    due: int
    lost: int
    timed_out: int
    overdue: int


class Sql(Queries):
    """Statements that end attempts."""

    file = "ending.sql"

    complete: One[list[UUID]]
    leave: One[_Left]
    answer: Maybe[UUID]
    waiting_for: Many[_Id]
    signal: Run
    sweep: One[_Swept]


sql = Sql()


@operation(
    effect="write", scope="tasks:work", audience="agent", example={**_SOME, "result": {"pages": 4}, "quality": "0.9"}
)
async def complete(
    self: Service,
    *,
    task: TaskId,
    token: Token,
    result: Result = None,
    quality: Quality = None,
    files_used: Annotated[Used | None, Field(description="Files that were changed.")] = None,
    lines_used: Annotated[Used | None, Field(description="Lines that were changed.")] = None,
) -> AttemptReport:
    """Complete a task, with what came out of it. Tasks that waited for it can be handed out; its agent's numbers grow.

    Raises:
        AttemptStale: the attempt does not hold the task any more; nothing was changed.
    """
    done = await _complete(
        [
            Completion(
                task=task, token=token, result=result, quality=quality, files_used=files_used, lines_used=lines_used
            )
        ]
    )
    if not done:
        raise AttemptStale(await why_stale(task), task=str(task))
    return AttemptReport(task=task, accepted=True, status="completed", why=None)


@operation(effect="write", scope="tasks:work", example={"attempts": [{**_SOME, "result": {"pages": 4}}]})
async def complete_many(
    self: Service,
    *,
    attempts: Annotated[list[Completion], Field(min_length=1, max_length=MOST_ATTEMPTS, description="What is done.")],
) -> Sequence[AttemptReport]:
    """Complete up to 1,000 tasks; one that does not hold its task is refused by itself, as the answer says."""
    _apart(attempts)
    done = set(await _complete(attempts))
    return await _reports(attempts, dict.fromkeys(done, "completed"))


async def _complete(attempts: Sequence[Completion]) -> list[UUID]:
    rows = [
        {
            "id": each.task,
            "token": each.token,
            "result": each.result,
            "quality": each.quality,
            "files_used": each.files_used,
            "lines_used": each.lines_used,
        }
        for each in attempts
    ]
    done = await sql.complete(rows=dumps(rows))
    if done:
        _record(TasksCompleted(count=len(done)), done)
    return done


@operation(effect="write", scope="tasks:work", audience="agent", example={**_SOME, "error": "The repository is gone."})
async def fail(
    self: Service,
    *,
    task: TaskId,
    token: Token,
    error: ErrorText,
    retryable: Annotated[bool, Field(description="Whether another attempt might do better.")] = True,
    retry_seconds: Annotated[
        float | None, Field(ge=0, le=2_592_000, description="Wait so long before it; default: as the task says.")
    ] = None,
) -> AttemptReport:
    """Say that an attempt failed. The task is tried again after a pause, or fails for good and waits as a dead letter.

    A task whose holder was asked to stop is cancelled by this.

    Raises:
        AttemptStale: the attempt does not hold the task any more; nothing was changed.
    """
    failed = Failure(task=task, token=token, error=error, retryable=retryable, retry_seconds=retry_seconds)
    states = await _fail([failed])
    if not states:
        raise AttemptStale(await why_stale(task), task=str(task))
    return AttemptReport(task=task, accepted=True, status=states[task], why=None)


@operation(effect="write", scope="tasks:work", example={"attempts": [{**_SOME, "error": "No answer."}]})
async def fail_many(
    self: Service,
    *,
    attempts: Annotated[list[Failure], Field(min_length=1, max_length=MOST_ATTEMPTS, description="What failed.")],
) -> Sequence[AttemptReport]:
    """Say of up to 1,000 attempts that they failed; one that does not hold its task is refused by itself."""
    _apart(attempts)
    return await _reports(attempts, await _fail(attempts))


async def _fail(attempts: Sequence[Failure]) -> dict[UUID, Status]:
    rows = [
        {
            "id": each.task,
            "token": each.token,
            "error": each.error,
            "final": not each.retryable,
            "retry_seconds": each.retry_seconds,
        }
        for each in attempts
    ]
    left = await sql.leave(rows=dumps(rows), how="failed", said=None)
    states = dict(zip(left.tasks, left.states, strict=True))
    if states:
        dead = [task for task, state in states.items() if state == "failed"]
        _record(TasksFailed(count=len(states), dead_letters=dead), list(states))
    return states


@operation(effect="write", scope="tasks:work", example={"attempts": [_SOME], "reason": "shutting down"})
async def release(
    self: Service,
    *,
    attempts: Annotated[
        list[AttemptReference], Field(min_length=1, max_length=MOST_ATTEMPTS, description="What is handed back.")
    ],
    reason: Annotated[Reason, Field(description="Why.")] = "handed back",
    delay_seconds: Annotated[
        float, Field(ge=0, le=2_592_000, description="Give them to nobody for so long, seconds.")
    ] = 0,
) -> Sequence[AttemptReport]:
    """Hand tasks back undone, for others to take; that counts as no failure."""
    _apart(attempts)
    rows = [{"id": each.task, "token": each.token, "retry_seconds": delay_seconds} for each in attempts]
    left = await sql.leave(rows=dumps(rows), how="released", said=reason)
    if left.tasks:
        _record(TasksReleased(count=len(left.tasks)), left.tasks)
    return await _reports(attempts, dict(zip(left.tasks, left.states, strict=True)))


@operation(
    effect="write", scope="tasks:work", audience="agent", example={**_SOME, "prompt": "Which colour shall it be?"}
)
async def wait(
    self: Service,
    *,
    task: TaskId,
    token: Token,
    prompt: Annotated[Reason, Field(description="What is asked or waited for; whoever is to answer reads it.")],
    signal: Annotated[
        Label | None, Field(description="Wait for this signal instead of an answer to the task itself.")
    ] = None,
) -> AttemptReport:
    """Park a task until somebody answers or a signal comes; nobody holds it meanwhile, and this attempt is over.

    When it goes on, whoever takes it gets all answers so far, and the steps that were recorded.

    Raises:
        AttemptStale: the attempt does not hold the task any more; nothing was changed.
    """
    rows = [{"id": task, "token": token, "signal": signal}]
    left = await sql.leave(rows=dumps(rows), how="waiting", said=prompt)
    if not left.tasks:
        raise AttemptStale(await why_stale(task), task=str(task))
    context().record(TaskWaits(signal=signal), subject=task)
    return AttemptReport(task=task, accepted=True, status=left.states[0], why=None)


@operation(
    effect="write",
    scope="tasks:answer",
    example={"task": "flaky-import-test", "answer": {"colour": "blue"}},
)
async def answer(
    self: Service,
    *,
    task: TaskReference,
    answer: Annotated[JsonObject, Field(description="What its next holder is told.")],
) -> Task:
    """Answer a task that waits; it can be handed out again.

    Raises:
        TaskStateConflict: it does not wait.
    """
    found = await find_task(task)
    woken = await sql.answer(id=uuid7(), task_id=found.id, answer=dumps(answer), actor=context().actor.id)
    if woken is None:
        refuse_state(found, "answered", "only a task that waits takes an answer.")
    context().record(TaskAnswered(signal=None, count=1), subject=found.id)
    return await find_task(str(found.id))


@operation(
    effect="write",
    scope="tasks:answer",
    example={"signal": "release-approved", "payload": {"by": "Ada"}},
)
async def signal(
    self: Service,
    *,
    signal: Annotated[Label, Field(description="Its name.")],
    payload: Annotated[JsonObject | None, Field(description="What it brings to those who waited.")] = None,
) -> int:
    """Send a signal: all tasks that wait for it go on; how many there were, at most 10,000 a call."""
    waiting = await sql.waiting_for(signal=signal, most=_MOST_WOKEN)
    if not waiting:
        return 0
    rows = [{"id": uuid7(), "task_id": each.id, "answer": payload or {}} for each in waiting]
    await sql.signal(rows=dumps(rows), signal=signal, actor=context().actor.id)
    ids = [each.id for each in waiting]
    _record(TaskAnswered(signal=signal, count=len(ids)), ids)
    return len(ids)


def _apart(attempts: Sequence[AttemptReference]) -> None:
    seen: set[UUID] = set()
    for place, each in enumerate(attempts):
        if each.task in seen:
            raise Invalid(
                f"Task {each.task} comes twice; one call reports one end of it.",
                field=f"attempts.{place}",
                rule="unique",
            )
        seen.add(each.task)


async def _reports(attempts: Sequence[AttemptReference], states: dict[UUID, Any]) -> list[AttemptReport]:
    """What became of each attempt; of those that were refused, why."""
    refused = [each.task for each in attempts if each.task not in states]
    now = await standing_of(refused) if refused else {}
    return [
        AttemptReport(task=each.task, accepted=True, status=states[each.task], why=None)
        if each.task in states
        else AttemptReport(
            task=each.task,
            accepted=False,
            status=now[each.task].status if each.task in now else None,
            why=stale_because(each.task, now.get(each.task)),
        )
        for each in attempts
    ]


def _record(event: Any, tasks: Sequence[UUID]) -> None:
    one = len(tasks) == 1
    context().record(event, subject=tasks[0] if one else None, subjects=() if one else tasks)
