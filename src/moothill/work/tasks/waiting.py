"""Why a task is where it is, in sentences that say what to do about it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel

from ...kernel.events import dumps
from .models import Task, TaskDependency, WaitingReason

__all__ = ["Lane", "WaitingReason", "reasons"]

_COUNTED = 100
_LINE = 1_000


class Lane(BaseModel):
    """What decides who may take a task, and what holds its queue and group."""

    id: UUID
    queue: str
    group_name: str
    skills: list[dict[str, Any]] | None
    capability: str | None
    agent_type: str | None
    agent_id: UUID | None
    paused_at: datetime | None
    pause_reason: str | None
    max_running: int | None
    rate_limit: int | None
    rate_seconds: int | None
    free_slots: int
    tokens_left: int | None
    before_it: int

    def needs(self) -> dict[str, Any]:
        """What an agent needs, as parameters."""
        return {"skills": dumps(self.skills or []), "capability": self.capability, "agent_type": self.agent_type}


def reasons(task: Task, lane: Lane | None, able: int | None, unmet: Sequence[TaskDependency]) -> list[WaitingReason]:
    """What keeps a task from being handed out, the most important first."""
    if lane is None:
        return [WaitingReason(what="ended", text=f"It is {task.status}: nothing more happens with it by itself.")]
    if task.status in ("assigned", "in_progress"):
        who = f"agent {task.agent}" if task.agent else "a worker"
        asked = "; it was asked to stop" if task.cancel_asked_at else ""
        text = f"It is not waiting: {who} holds it, in attempt {task.attempt}{asked}."
        return [WaitingReason(what="holder", text=text, until=task.expires_at)]
    return [*_own(task, unmet), *_of_lane(lane, able), *_turn(task, lane)]


def _own(task: Task, unmet: Sequence[TaskDependency]) -> list[WaitingReason]:
    found = [WaitingReason(what="dependency", text=_dependency(each), task=each.id) for each in unmet]
    if task.status in ("scheduled", "retry"):
        why = "It is tried again then" if task.status == "retry" else "It begins then"
        found.append(WaitingReason(what="time", text=f"{why}; `tasks.update` changes `due_at`.", until=task.due_at))
    if task.status == "paused":
        found.append(WaitingReason(what="pause", text=f"It is on hold: {task.note}. `tasks.resume` lets it go on."))
    if task.status == "waiting":
        found.append(
            WaitingReason(what="answer", text=f"It waits for an answer: {task.note} `tasks.answer` gives one.")
        )
    return found


def _dependency(other: TaskDependency) -> str:
    name = other.task_id or str(other.id)
    if other.status in ("failed", "cancelled"):
        return f"It waits for {name}, which is {other.status}; `tasks.redrive` that one, or cancel this one."
    return f"It waits for {name}, which is {other.status.replace('_', ' ')}."


def _of_lane(lane: Lane, able: int | None) -> list[WaitingReason]:
    found = []
    if lane.paused_at is not None:
        text = f"The queue {lane.queue} is paused: {lane.pause_reason} `queues.resume` opens it."
        found.append(WaitingReason(what="pause", text=text))
    group = f"group {lane.group_name} of queue {lane.queue}" if lane.group_name else f"queue {lane.queue}"
    if lane.max_running is not None and lane.free_slots == 0:
        text = f"All {lane.max_running} places of {group} are taken; `queues.configure` changes their number."
        found.append(WaitingReason(what="limit", text=text))
    if lane.rate_limit is not None and not lane.tokens_left:
        text = f"{group} begins at most {lane.rate_limit} tasks in {lane.rate_seconds} seconds."
        found.append(WaitingReason(what="rate", text=text))
    if able is not None:
        needs = _needs(lane)
        if able == 0:
            text = f"No agent has {needs}; give one of them that, or change what the task requires."
        else:
            text = f"It waits for an agent with {needs}; {'at least ' if able >= _COUNTED else ''}{able} have that."
        found.append(WaitingReason(what="skill" if lane.skills else "capability", text=text))
    if lane.agent_id is not None:
        text = f"It is for agent {lane.agent_id} alone; `tasks.assign` gives it to another."
        found.append(WaitingReason(what="agent", text=text))
    return found


def _needs(lane: Lane) -> str:
    parts = [f"{each['skill']} at {each['minimum']}" for each in lane.skills or []]
    if lane.capability:
        parts.append(f"the capability {lane.capability}")
    if lane.agent_type:
        parts.append(f"the type {lane.agent_type}")
    return ", ".join(parts)


def _turn(task: Task, lane: Lane) -> list[WaitingReason]:
    if task.status != "pending":
        return []
    if lane.before_it == 0:
        return [
            WaitingReason(what="turn", text="It is the next one of its kind: whoever claims and may take it gets it.")
        ]
    count = f"more than {_LINE}" if lane.before_it > _LINE else str(lane.before_it)
    return [WaitingReason(what="turn", text=f"{count} tasks of its kind come before it.")]
