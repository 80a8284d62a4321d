"""Limits: what this tenant may use at most, and how much of it it uses."""

from functools import partial

from ..screens import Query, Screen
from ..visit import Visit
from ..widgets.dialogs import button
from ..widgets.fresh import keep_fresh
from ..widgets.limits import limits_shown, set_limit
from ..widgets.panels import empty, page_head, panel
from ..widgets.text import box, quiet


async def build(visit: Visit, query: Query) -> None:
    """What is stored and written, then the calls."""
    limits = await visit.moot.limits.list()
    lead = "What this tenant may use at most. The platform's operator sets it; what is beyond it is refused."
    with page_head("Limits", lead):
        if visit.may("limits.set"):
            button("Set a limit", "main", "o_add").on_click(partial(set_limit, visit, limits)).mark("set-limit")
    if not limits:
        with panel(flush=True):
            advice = "Agents, capabilities, keys, entries of the log and calls can be limited."
            empty("Nothing is limited here", advice, "o_speed")
        return
    quotas = [each for each in limits if each.unit != "a minute"]
    rates = [each for each in limits if each.unit == "a minute"]
    islands = (("What it has", "stored at once, or written in a day", quotas),
               ("Calls", "in a minute, over all server processes", rates))  # fmt: skip
    places = []
    with box("columns even"):
        for words, note, found in islands:
            with panel(words, note), box("stack") as place:
                limits_shown(visit, found) if found else quiet("There is no limit of this kind.")
            places.append(place)

    async def renew() -> None:
        fresh = await visit.moot.limits.list()
        for place, is_rate in zip(places, (False, True), strict=True):
            place.clear()
            with place:
                found = [each for each in fresh if (each.unit == "a minute") is is_rate]
                limits_shown(visit, found) if found else quiet("There is no limit of this kind.")

    keep_fresh(visit, renew, "limits.")


SCREEN = Screen(
    "/limits", "Limits", build, icon="o_speed", section="Platform", key="q", needs=("limits.list",),
    words="quota rate calls agents keys events",
)  # fmt: skip
