"""Limits for people: how much of each is used, and the form that sets them."""

from collections.abc import Sequence
from functools import partial

from ...kernel.service import REGISTRY
from ...tenancy.limits.models import Limit
from ..act import Act, act, tell
from ..visit import Visit
from .bars import bar
from .dialogs import answered, button, sheet
from .fields import choice, line
from .numbers import NotANumber, whole
from .text import box, quiet, state, text
from .words import ago, number, percent

__all__ = ["limit_words", "limits_shown", "set_limit"]

_WORDS = {
    "agents": "Agents",
    "capabilities": "Capabilities",
    "keys": "Keys",
    "events": "Entries of the log",
    "calls": "Calls, all together",
}
_NEARLY = 0.9


def limit_words(name: str) -> str:
    """What a limit is on."""
    group = name.removeprefix("calls:")
    return f"Calls of {group}" if group != name else _WORDS.get(name, name)


def _state(found: Limit) -> str:
    if found.remaining == 0:
        return "used up"
    return "nearly" if found.used >= found.amount * _NEARLY else "room"


def limits_shown(visit: Visit, limits: Sequence[Limit]) -> None:
    """Each limit with its use as a bar."""
    for found in limits:
        share = found.used / found.amount if found.amount else 1.0
        unit = "" if found.unit == "stored" else f" {found.unit}"
        with box("stack tight").mark(f"limit-{found.name}"):
            with box("row-line wide wrapping"):
                text(limit_words(found.name), "strong grow")
                state(_state(found))
                text(f"{number(found.remaining)} of {number(found.amount)}{unit} left", "figure-words")
            words = f"{number(found.used)} used ({percent(min(share, 1.0))})"
            bar([(share, "spent", words)], label=f"{limit_words(found.name)}{unit}: {words}")
            with box("row-line wrapping"):
                quiet(f"Set {ago(found.set_at)}", "small grow")
                if visit.may("limits.set"):
                    change = button("Change", "ghost").on_click(partial(set_limit, visit, limits, found))
                    change.mark(f"change-{found.name}")
                    button("Take it away", "ghost").on_click(partial(_clear, visit, found)).mark(f"clear-{found.name}")


def _choices(limits: Sequence[Limit]) -> dict[str, str]:
    groups = sorted({operation.scope.partition(":")[0] for operation in REGISTRY.values()} - {"platform"})
    names = [*_WORDS, *(f"calls:{group}" for group in groups)]
    taken = {found.name for found in limits}
    units = {"events": " (a day)"}
    return {
        name: limit_words(name) + (" (a minute)" if name.startswith("calls") else units.get(name, ""))
        for name in names
        if name not in taken
    }


async def set_limit(visit: Visit, limits: Sequence[Limit], found: Limit | None = None) -> None:
    """Ask what is limited and to how much; then limit it."""
    with visit.client:
        head = f"Change the limit of {limit_words(found.name)}" if found else "Set a limit"
        lead = "It counts at once, for what is stored already too; nothing that is there goes."
        with sheet(head, lead) as (dialog, body, foot):
            with body:
                what = None if found else choice("What is limited", _choices(limits), "agents").mark("limit-name")
                most = line("The most", str(found.amount) if found else "", most=20, focus=True).mark("limit-amount")
            with foot:
                button("Cancel").on_click(lambda: dialog.submit(None))
                button("Go on", "main").on_click(lambda: dialog.submit(True)).mark("go-on")
        going = await answered(dialog)
    if not going:
        return
    name = found.name if found else str(what.value if what else "")
    try:
        amount = whole("The most", most.value)
    except NotANumber as error:
        return tell(error)
    facts = {"What": limit_words(name), "Now": number(found.amount) if found else "no limit", "Then": number(amount)}
    ask = Act(head, "Limit it", "Who goes beyond it is refused from the commit on.", facts=facts, done="It is limited.")
    if await act(visit, ask, visit.moot.limits.set, name=name, amount=amount) is not None:
        visit.renew()


async def _clear(visit: Visit, found: Limit) -> None:
    facts = {"What": limit_words(found.name), "Now": number(found.amount), "Then": "no limit"}
    ask = Act(f"Take the limit of {limit_words(found.name)} away", "Take it away", "Nothing bounds it any more.",
              facts=facts, done="The limit is gone.")  # fmt: skip
    # What it gives is nothing, as is what a dialog gives that was left.
    await act(visit, ask, visit.moot.limits.clear, name=found.name)
    visit.renew()
