"""The one way in which a screen changes anything.

It checks the scope, switches read-only off when the person says so, tells what would happen and to
how many, asks for a reason, calls the operation with it, and tells what came of it.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ParamSpec, TypeVar
from uuid import uuid4

from nicegui import ui

from ..kernel.authority import authorise
from ..kernel.errors import MoothillError
from ..kernel.identifiers import uuid7
from ..kernel.operation import BoundOperation, Plan
from .calls import acting, request_of
from .sessions import CHANGE_SECONDS
from .visit import Visit
from .widgets.dialogs import answered, button, sheet
from .widgets.fields import area
from .widgets.text import box, fact, quiet, text
from .widgets.words import counted, number

__all__ = ["Act", "act", "remark", "tell"]

P = ParamSpec("P")
R = TypeVar("R")

_log = logging.getLogger("moothill.console")
LEAST_REASON, MOST_REASON = 3, 500


@dataclass(frozen=True, slots=True)
class Act:
    """What a person is asked before something changes.

    Attributes:
        title: what it is, for example `Issue a key`.
        button: the word on the button that does it.
        consequence: what happens, in a sentence; a destroying operation's plan says it itself.
        rows: how many things it touches.
        facts: what else to show.
        done: what to say afterwards.
        tenant: where, if it is not the page's own tenant.
    """

    title: str
    button: str
    consequence: str = ""
    rows: int = 1
    facts: Mapping[str, str] = field(default_factory=dict)
    done: str = "Done."
    tenant: str = ""


async def act(visit: Visit, ask: Act, bound: BoundOperation[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R | None:
    """Ask, then do it; None when it was not done, and the person was told why."""
    # The dialog belongs to the page: the part of a screen with the button may be renewed meanwhile.
    with visit.client:
        return await _act(visit, ask, bound, *args, **kwargs)


async def _act(visit: Visit, ask: Act, bound: BoundOperation[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R | None:
    operation = bound.operation
    try:
        authorise(operation, visit.principal)
        plan = await bound.plan(*args, **kwargs) if operation.effect == "destroy" else None
    except MoothillError as error:
        tell(error)
        return None
    reason = await _ask(visit, ask, operation.name, plan)
    if reason is None:
        return None
    if any(parameter.name == "reason" for parameter in operation.signature.parameters):
        # The thing itself keeps the reason too, where it has a place for one.
        kwargs.setdefault("reason", reason)
    request, key = uuid7(), None if operation.mode == "none" else uuid4().hex
    try:
        with acting():
            result = await bound.options(reason=reason, request_id=request, idempotency_key=key)(*args, **kwargs)
    except MoothillError as error:
        tell(error)
        return None
    _log.info(
        "operator_acted",
        extra={
            "operation": operation.name,
            "tenant": ask.tenant or visit.tenant,
            "actor": str(visit.principal.actor.id),
            "request": str(request),
        },
    )
    ui.notify(ask.done, type="positive")
    return result


async def remark(bound: BoundOperation[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R | None:
    """Say something about an answer, which changes nothing that it told of: so nobody is asked for a reason."""
    try:
        with acting():
            return await bound(*args, **kwargs)
    except MoothillError as error:
        tell(error)
        return None


def tell(error: MoothillError) -> None:
    """Say what went wrong, with the request id to ask about."""
    request = request_of(error)
    told = error.message + (f"\nRequest {request}" if request else "")
    ui.notify(told, type="negative", multi_line=True, close_button="Close", timeout=0 if request else 8000)


async def _ask(visit: Visit, ask: Act, operation: str, plan: Plan | None) -> str | None:
    """The reason, or None when the person thought better of it."""
    destroys = plan is not None
    with sheet(ask.title, plan.summary if plan else ask.consequence) as (dialog, body, foot):
        with body:
            with box("facts"):
                for name, value in ask.facts.items():
                    fact(name, value)
                touched = dict(plan.counts) if plan else {}
                for name, size in touched.items():
                    fact(name.replace("_", " ").capitalize(), number(size))
                if not touched:
                    fact("Touches", counted(ask.rows, "row"))
                fact("Operation", operation)
                fact("As", f"{visit.principal.actor.name} in {ask.tenant or visit.tenant}")
            if visit.principal.real_actor is not None:
                quiet(f"Recorded under {visit.principal.actor.name} and {visit.principal.real_actor.name}.")
            unlock = None
            if not visit.session.may_change:
                with box("note warn"):
                    text("The console is read-only. ", tag="b")
                    quiet(f"Changes can be switched on for {CHANGE_SECONDS / 60:.0f} minutes.")
                    unlock = ui.checkbox("Switch changes on").props("dense").mark("unlock")
            reason = area("Reason, kept in the log", most=MOST_REASON, focus=True).mark("reason")
        with foot:
            button("Cancel").on_click(lambda: dialog.submit(None))
            go = button(ask.button, "danger" if destroys else "main").mark("confirm")

    def ready() -> bool:
        allowed = visit.session.may_change or (unlock is not None and unlock.value)
        return bool(allowed) and len((reason.value or "").strip()) >= LEAST_REASON

    def confirm() -> None:
        if not ready():
            return
        if not visit.session.may_change:
            visit.session.allow_changes()
        dialog.submit(reason.value.strip())

    def check() -> None:
        go.set_enabled(ready())

    reason.on_value_change(check)
    if unlock is not None:
        unlock.on_value_change(check)
    check()
    go.on_click(confirm)
    given: str | None = await answered(dialog)
    return given
