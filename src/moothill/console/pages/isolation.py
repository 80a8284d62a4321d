"""Isolation check: every guard that keeps the tenants apart, asked now."""

from ..screens import Query, Screen
from ..visit import Visit
from ..widgets.dialogs import button
from ..widgets.fields import choice
from ..widgets.guards import guard_detail, guard_rows, named, verdict, wall
from ..widgets.panels import empty, page_head, panel
from ..widgets.text import box

SHOWN = {"": "All guards", "fallen": "Those that fell"}


async def build(visit: Visit, query: Query) -> None:
    """The verdict, the wall, and the guards in words."""
    show, name = query.one_of("show", *SHOWN) or None, query.get("guard")
    lead = "What each process asks before it serves, asked of this database just now."
    with page_head("Isolation check", lead):
        choice("", SHOWN, show or "", lambda value: visit.go(visit.url("/isolation", show=value))).mark("show")
        button("Check again", "main", "o_refresh").on_click(lambda: visit.renew()).mark("check")
    found = await visit.moot.tenants.check_isolation()
    verdict(found)
    if not found.guards:
        with panel():
            empty("The guards were not asked", "They speak of this version's schema: run `moothill db migrate` first.")
        return
    guards = sorted(found.guards, key=lambda guard: guard.stands)
    chosen = next((guard for guard in guards if guard.name == name), None)
    with panel("The wall", "a stone for each guard"):
        wall(visit, found.guards, show, name)
    listed = [guard for guard in guards if show is None or not guard.stands]
    with box("columns side" if chosen else "stack"):
        with panel("What each keeps out", flush=True):
            if listed:
                guard_rows(visit, listed, show, name)
            else:
                empty("None fell", "Every guard of the isolation stands.", "o_verified_user")
        if chosen:
            with panel(named(chosen)):
                guard_detail(chosen)


SCREEN = Screen(
    "/isolation",
    "Isolation check",
    build,
    icon="o_shield",
    section="Platform",
    key="i",
    needs=("tenants.check_isolation",),
    words="guards self-check security row level",
)
