"""Privacy: what is left of the budgets, what was released, what a release would cost, and the tenant's own settings."""

from typing import Any

from ...tenancy.privacy.models import Release
from ..screens import Query, Screen
from ..visit import Visit
from ..widgets.asking import asked_of, question_form, show_estimate
from ..widgets.budgets import RELEASES, group_budget, own_budget, release_cells, release_facts, release_row
from ..widgets.fields import search_line
from ..widgets.grid import grid, grid_foot
from ..widgets.guarded import guarded
from ..widgets.panels import empty, page_head, panel, tabs
from ..widgets.privacy_settings import settings_form, settings_shown
from ..widgets.text import box, quiet, state, tags, text
from ..widgets.words import counted, number

PAGE = 25
_BESIDE = 5


async def build(visit: Visit, query: Query) -> None:
    """One side of it, as the address says."""
    tab = query.one_of("tab", "budget", "ask", "settings")
    lead = "What may be learnt across tenants, under noise, and what that cost. What is spent is spent for good."
    with page_head("Privacy", lead):
        pass
    choices = [("budget", "Budget and releases", None), ("ask", "Ask across tenants", None)]
    tabs(visit, "/privacy", tab, [*choices, ("settings", "What this tenant allows", None)])
    await {"budget": _budget, "ask": _ask, "settings": _settings}[tab](visit, query)


async def _budget(visit: Visit, query: Query) -> None:
    epoch: Any = query.get("epoch")
    page = await visit.moot.privacy.releases(epoch=epoch, limit=PAGE, cursor=query.get("cursor"))
    with box("columns even"):
        with panel("This tenant", "what releases took of its own"):
            await guarded(visit, lambda: _own(visit))
        with panel("Its group", "what releases took of the group's"):
            group_budget(await visit.moot.privacy.budget())
    chosen = next((found for found in page.items if str(found.id) == query.get("release")), None)
    with box("columns wide-side" if chosen else "stack"):
        with panel("Releases", "of this tenant's group", flush=True) as head:
            with head:
                field = search_line("Month, such as 2026-11", epoch or "", lambda value: _go(visit, epoch=value))
                field.mark("epoch")
            if page.items:
                grid(
                    RELEASES[:_BESIDE] if chosen else RELEASES,
                    [release_row(found) for found in page.items],
                    chosen=lambda found: _go(visit, epoch=epoch, cursor=query.get("cursor"), release=found),
                    picked=str(chosen.id) if chosen else None,
                ).mark("releases")
                following = visit.url("/privacy", epoch=epoch, cursor=page.next) if page.next else None
                first = visit.url("/privacy", epoch=epoch) if query.get("cursor") else None
                grid_foot(counted(len(page.items), "release"), following, first)
            else:
                advice = "Ask across tenants: the cost and the expected error are shown before anything is spent."
                empty("Nothing was released", advice, "o_blur_on")
        if chosen:
            _release(chosen)


def _go(visit: Visit, **address: Any) -> None:
    visit.go(visit.url("/privacy", **address))


async def _own(visit: Visit) -> None:
    own_budget(await visit.moot.privacy.settings(), await visit.moot.privacy.spending())


def _release(found: Release) -> None:
    with panel(found.query.replace("_", " ").capitalize(), found.epoch), box("stack close").mark("release-detail"):
        state(found.state)
        if found.labels:
            tags(found.labels)
        if found.cells:
            rows = [
                {"id": str(at), "label": cell.label}
                | {f"v{place}": number(value) for place, value in enumerate(cell.values.values())}
                for at, cell in enumerate(found.cells)
            ]
            grid(release_cells(found), rows).mark("released-cells")
        elif found.state == "released":
            text("No label was shared by enough tenants to be told.", "note", "div")
        release_facts(found)


async def _ask(visit: Visit, query: Query) -> None:
    queries = await visit.moot.privacy.queries()
    given = asked_of(query)
    estimating = "epsilon" in given
    with box("columns even"):
        with panel("What is asked"):
            question_form(visit, query, queries)
        if not estimating:
            with panel():
                empty("Estimate first", "Cost and expected error are known before anything is spent.", "o_calculate")
            return
        with box("stack"):
            await guarded(visit, lambda: _estimate(visit, given, {each.name: each.family for each in queries}))


async def _estimate(visit: Visit, given: dict[str, Any], families: dict[str, str]) -> None:
    found = await visit.moot.privacy.estimate(**given)
    show_estimate(visit, given, found, await visit.moot.privacy.budget(), families[found.query])


async def _settings(visit: Visit, query: Query) -> None:
    now = await visit.moot.privacy.settings()
    with box("columns even"):
        with panel("In force"):
            settings_shown(now)
        with panel("To change"):
            if visit.may("privacy.configure"):
                settings_form(visit, now)
            else:
                quiet("Changing them needs the scope privacy:write.")


SCREEN = Screen(
    "/privacy", "Privacy", build, icon="o_blur_on", section="Governance", key="p",
    needs=("privacy.budget", "privacy.releases"), words="budget epsilon release differential noise",
)  # fmt: skip
