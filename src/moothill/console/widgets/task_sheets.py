"""Dialogs that ask what a task shall be, before anything is done: add one, change one, answer one."""

import json
from collections.abc import Callable, Mapping
from typing import Any, cast

from nicegui import ui

from ...kernel.errors import Invalid
from ...work.tasks.models import PRIORITIES, Task
from ..act import Act, act
from ..visit import Visit
from .dialogs import answered, button, sheet
from .fields import area, choice, line
from .tasks import called
from .text import box, quiet

__all__ = ["NotJson", "answer", "asked", "change", "enqueue", "object_of"]

_PRIORITIES = {word: word.capitalize() for word in PRIORITIES}
_MOST_JSON = 65_536


class NotJson(Invalid):
    """A field wants an object of JSON."""


def object_of(words: str, given: str | None) -> dict[str, Any]:
    """The object that stands in a field; an empty field is an empty one.

    Raises:
        NotJson: it is none.
    """
    if not (given or "").strip():
        return {}
    try:
        found = json.loads(given or "")
    except (ValueError, RecursionError) as error:
        raise NotJson(f"{words}: this is no JSON: {str(error)[:120]}.") from None
    if not isinstance(found, dict):
        raise NotJson(f'{words}: give an object, for example {{"version": "2.1"}}.')
    return found


async def asked(
    visit: Visit, words: str, lead: str, fields: Callable[[], Callable[[], dict[str, Any]]]
) -> dict[str, Any] | None:
    """Show fields and give what they hold, or None; what cannot be read is told without losing the rest.

    Args:
        fields: makes them, and gives what reads them; that raises Invalid.
    """
    found: dict[str, Any] = {}
    with visit.client:
        with sheet(words, lead) as (dialog, body, foot):
            with body:
                read = fields()
                complaint = quiet("", "note warn").mark("complaint")
                complaint.set_visibility(False)

            def go_on() -> None:
                try:
                    found.update(read())
                except Invalid as error:
                    complaint.set_text(error.message)
                    complaint.set_visibility(True)
                    return
                dialog.submit(True)

            with foot:
                button("Cancel").on_click(lambda: dialog.submit(None))
                button("Go on", "main").on_click(go_on).mark("go-on")
        return found if await answered(dialog) else None


def _new_fields() -> Callable[[], dict[str, Any]]:
    title = line("What it is about", most=500, focus=True).mark("task-title")
    description = area("What is to be done", most=10_000).mark("task-description")
    with box("field-row"):
        kind = line("Kind", "task", most=100).mark("task-kind")
        queue = line("Queue", "default", most=100).mark("task-queue")
        group = line("Group", most=100).mark("task-group")
        priority = choice("Priority", _PRIORITIES, "normal").mark("task-priority")
    with box("field-row pairs"):
        key = line("Your own key", note="Empty: none.", most=255).mark("task-key")
        agent = line("Only for the agent", note="Empty: whoever may take it.", most=255).mark("task-agent")
    waits = line("Waits for", note="Keys or ids of tasks that have to complete first, with commas between.", most=2000)
    waits.mark("task-waits")
    payload = area("Payload, JSON", most=_MOST_JSON).classes("mono").mark("task-payload")

    def read() -> dict[str, Any]:
        if not (title.value or "").strip():
            raise NotJson("Say what it is about.")
        details: dict[str, Any] = {"description": description.value or "", "group": (group.value or "").strip()}
        if agent.value.strip():
            details["requirements"] = {"agent": agent.value.strip()}
        return {
            "title": title.value,
            "kind": kind.value or "task",
            "queue": queue.value or "default",
            "priority": priority.value,
            "task_id": key.value.strip() or None,
            "depends_on": [word.strip() for word in waits.value.split(",") if word.strip()],
            "payload": object_of("Payload", payload.value),
            "details": {name: value for name, value in details.items() if value},
        }

    return read


async def enqueue(visit: Visit) -> None:
    """Ask what is to be done; then add it."""
    given = await asked(visit, "Add a task", "Whoever claims from its queue and may take it gets it.", _new_fields)
    if given is None:
        return
    facts = {"What": given["title"], "Queue": given["queue"], "Priority": given["priority"]}
    if given["depends_on"]:
        facts["Waits for"] = ", ".join(given["depends_on"])
    ask = Act("Add a task", "Add it", "It can be handed out from the commit on.", facts=facts, done="It is added.")
    made = await act(visit, ask, visit.moot.tasks.enqueue, **cast(Any, given))
    if made is not None:
        visit.go(visit.url(f"/tasks/{made.id}"))


async def change(visit: Visit, task: Task) -> None:
    """Ask what it says from now on; then change it, unless somebody else did meanwhile."""

    def fields() -> Callable[[], dict[str, Any]]:
        title = line("What it is about", task.title, most=500, focus=True).mark("task-title")
        with box("field-row"):
            priority = choice("Priority", _PRIORITIES, task.priority).mark("task-priority")
            most = line("Attempts that may fail", str(task.max_attempts), most=3).mark("task-attempts")
        tags = line("Tags", ", ".join(task.tags), note="With commas between.", most=2000).mark("task-tags")

        def read() -> dict[str, Any]:
            wanted: Mapping[str, Any] = {
                "title": title.value,
                "priority": priority.value,
                "max_attempts": most.value,
                "tags": [word.strip() for word in tags.value.split(",") if word.strip()],
            }
            now: Mapping[str, Any] = {**task.model_dump(), "max_attempts": str(task.max_attempts)}
            changes = {name: value for name, value in wanted.items() if value != now[name]}
            if not changes:
                raise NotJson("Nothing is different yet.")
            return changes

        return read

    changes = await asked(visit, f"Change {called(task)}", "Who holds it sees this at the next attempt.", fields)
    if changes is None:
        return
    ask = Act(
        f"Change {called(task)}",
        "Change it",
        f"It becomes version {task.version + 1}.",
        facts={name.replace("_", " ").capitalize(): _plain(value) for name, value in changes.items()},
        done="It is changed.",
    )
    wanted: Any = changes
    if await act(visit, ask, visit.moot.tasks.update, task=str(task.id), version=task.version, changes=wanted):
        visit.renew()


def _plain(value: Any) -> str:
    return ", ".join(value) if isinstance(value, list) else str(value)


async def answer(visit: Visit, task: Task) -> None:
    """Ask for the answer, in words or as JSON; then give it."""

    def fields() -> Callable[[], dict[str, Any]]:
        quiet(task.note or "It asks nothing in particular.", "evidence wrap").mark("asked")
        words = area("Your answer", most=10_000, focus=True).mark("answer-words")
        raw = ui.switch("It is JSON").props("dense").mark("answer-raw")

        def read() -> dict[str, Any]:
            if not (words.value or "").strip():
                raise NotJson("Say something.")
            return object_of("Your answer", words.value) if raw.value else {"answer": words.value.strip()}

        return read

    given = await asked(visit, f"Answer {called(task)}", "Whoever takes it next reads this.", fields)
    if given is None:
        return
    ask = Act(f"Answer {called(task)}", "Answer it", "It can be handed out again.", done="It is answered.")
    if await act(visit, ask, visit.moot.tasks.answer, task=str(task.id), answer=given) is not None:
        visit.renew()
