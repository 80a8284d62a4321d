"""What a person can do about a task: each with a reason, as far as its state and the key allow."""

from collections.abc import Callable
from functools import partial
from typing import Any

from nicegui import ui

from ...work.tasks.models import Task
from ..act import Act, act
from ..visit import Visit
from .dialogs import button
from .fields import choice, line
from .task_sheets import NotJson, answer, asked, change
from .tasks import ENDED, HELD, called, held_by

__all__ = ["task_actions"]

_RESTING = ("pending", "blocked", "scheduled", "retry")
_KINDS = {
    "blocks": "It has to complete first",
    "optional": "It has to end first, however",
    "soft": "Its result is given if there is one; nobody waits",
}


def task_actions(visit: Visit, task: Task) -> None:
    """The buttons."""

    def offer(words: str, operation: str, does: Callable[..., Any], look: str = "plain", icon: str = "") -> None:
        if visit.may(operation):
            button(words, look, icon).on_click(partial(does, visit, task)).mark(operation.replace(".", "-"))

    status = task.status
    if status == "waiting":
        offer("Answer", "tasks.answer", answer, "main", "o_reply")
    if status == "paused":
        offer("Resume", "tasks.resume", _resume, "main", "o_play_arrow")
    if status in ("failed", "cancelled"):
        offer("Redrive", "tasks.redrive", _redrive, "main", "o_replay")
    if status in HELD:
        offer("Requeue", "tasks.revoke", _revoke, icon="o_undo")
    if status in _RESTING:
        offer("Pause", "tasks.pause", _pause)
    if status in (*_RESTING, "paused"):
        offer("Assign", "tasks.assign", _assign)
        offer("Make it wait", "tasks.depend", _depend)
    if status not in ENDED:
        offer("Change", "tasks.update", change)
        offer("Cancel", "tasks.cancel", _cancel, icon="o_block")
    else:
        offer("Remove", "tasks.remove", _remove)


async def _done(visit: Visit, ask: Act, bound: Any, **given: Any) -> None:
    if await act(visit, ask, bound, **given) is not None:
        visit.renew()


async def _cancel(visit: Visit, task: Task) -> None:
    held = task.status in HELD

    def fields() -> Callable[[], dict[str, Any]]:
        cascade = ui.checkbox("Also those that wait for it, directly or not").props("dense").mark("cascade")
        cascade.set_visibility(task.has_dependents)
        force = ui.checkbox(f"Take it from {held_by(task)} at once, without asking").props("dense").mark("force")
        force.set_visibility(held)
        return lambda: {"cascade": bool(cascade.value), "force": bool(force.value)}

    given: dict[str, Any] | None = {}
    if held or task.has_dependents:
        given = await asked(visit, f"Cancel {called(task)}", "How far this goes.", fields)
    if given is None:
        return
    if held and not given.get("force"):
        words = (
            f"{held_by(task)} is asked to stop, and learns so with its next heartbeat; it ends when that is reported."
        )
    elif held:
        words = f"It ends at once; what {held_by(task)} still reports is refused."
    else:
        words = "It ends at once."
    facts = {"And those that wait for it": "yes" if given["cascade"] else "no, they stay blocked"} if given else {}
    ask = Act(f"Cancel {called(task)}", "Cancel it", words, facts=facts, done="Cancelled, or asked to stop.")
    await _done(visit, ask, visit.moot.tasks.cancel, task=str(task.id), **given)


async def _pause(visit: Visit, task: Task) -> None:
    ask = Act(f"Pause {called(task)}", "Pause it", "It is handed out to nobody until somebody resumes it.")
    await _done(visit, ask, visit.moot.tasks.pause, task=str(task.id))


async def _resume(visit: Visit, task: Task) -> None:
    ask = Act(f"Resume {called(task)}", "Resume it", "It stands where it stood, and can be handed out again.")
    await _done(visit, ask, visit.moot.tasks.resume, task=str(task.id))


async def _revoke(visit: Visit, task: Task) -> None:
    words = f"It goes back to its queue; what {held_by(task)} still reports about attempt {task.attempt} is refused."
    ask = Act(f"Requeue {called(task)}", "Take it back", words, done="It is back in its queue.")
    await _done(visit, ask, visit.moot.tasks.revoke, task=str(task.id))


async def _redrive(visit: Visit, task: Task) -> None:
    words = "It goes back to its queue as if nothing had failed yet; its attempts stay in its history."
    ask = Act(f"Redrive {called(task)}", "Redrive it", words, done="It is back in its queue.")
    await _done(visit, ask, visit.moot.tasks.redrive, tasks=[str(task.id)])


async def _assign(visit: Visit, task: Task) -> None:
    def fields() -> Callable[[], dict[str, Any]]:
        agent = line("To the agent", note="Its key or id. Empty: to whoever may take it.", most=255, focus=True)
        agent.mark("assign-to")
        return lambda: {"agent": agent.value.strip() or None}

    given = await asked(visit, f"Assign {called(task)}", "From then on nobody else can take it.", fields)
    if given is None:
        return
    whom = given["agent"] or "whoever may take it"
    ask = Act(f"Assign {called(task)}", "Assign it", "It starts when that agent claims it.", facts={"To": whom})
    await _done(visit, ask, visit.moot.tasks.assign, task=str(task.id), **given)


async def _depend(visit: Visit, task: Task) -> None:
    def fields() -> Callable[[], dict[str, Any]]:
        on = line("For the task", note="Its key or id.", most=255, focus=True).mark("depend-on")
        kind = choice("How", _KINDS, "blocks").mark("depend-type")

        def read() -> dict[str, Any]:
            if not on.value.strip():
                raise NotJson("Say for which task.")
            return {"on": on.value.strip(), "type": kind.value}

        return read

    given = await asked(visit, f"Make {called(task)} wait", "A circle is refused.", fields)
    if given is None:
        return
    ask = Act(f"Make {called(task)} wait", "Make it wait", _KINDS[given["type"]] + ".", facts={"For": given["on"]})
    await _done(visit, ask, visit.moot.tasks.depend, task=str(task.id), **given)


async def _remove(visit: Visit, task: Task) -> None:
    ask = Act(f"Remove {called(task)}", "Remove it", done="It is seen no more.")
    if await act(visit, ask, visit.moot.tasks.remove, task=str(task.id)) is not None:
        visit.go(visit.url("/tasks"))
