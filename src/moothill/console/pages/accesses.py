"""Access log: who came from other tenants, by a grant or with a key of the platform, and what went out."""

from typing import Any, get_args

from ...tenancy.sharing.models import Access, AccessKind
from ..screens import Query, Screen
from ..visit import Visit
from ..widgets.accesses import access_detail, summary_rows
from ..widgets.dialogs import button
from ..widgets.export import export_buttons
from ..widgets.fields import choice, search_line
from ..widgets.grid import Column, grid, grid_foot
from ..widgets.panels import empty, page_head, panel
from ..widgets.text import box
from ..widgets.words import ago, counted, moment, number

PAGE = 50
KINDS = {"": "Any kind"} | {word: word.capitalize() for word in get_args(AccessKind)}
_COLUMNS = (
    Column("ago", "When", "quiet", 104, tip="at"),
    Column("who", "Who", share=2),
    Column("kind", "Kind", width=104),
    Column("rows", "Rows", "number", 84),
    Column("operation", "Operation", "mono", share=2),
    Column("accessor", "From the tenant", "mono", share=3),
    Column("address", "Address", "quiet", 130),
)
_BESIDE = 5


async def build(visit: Visit, query: Query) -> None:
    """The summary, and the log below it."""
    given = {name: query.get(name) for name in ("accessor", "kind", "summary")}
    # What somebody wrote into the address is judged by the operation's own rules.
    wanted: Any = {"accessor": given["accessor"], "kind": given["kind"]}

    def go(**changed: Any) -> None:
        visit.go(visit.url("/accesses", **(given | changed)))

    async def fetch(limit: int, cursor: str | None) -> Any:
        return await visit.moot.sharing.accesses(**wanted, limit=limit, cursor=cursor)

    lead = "Readers by a grant, keys of the platform, and releases across tenants. An answer goes out after its entry."
    with page_head("Access log", lead):
        export_buttons(f"accesses-{visit.tenant}", fetch)
    page = await fetch(PAGE, query.get("cursor"))
    summary = await visit.moot.sharing.access_summary()
    if summary:
        with panel("Who came", "counted over the whole log", flush=True):
            summary_rows(summary, go, whole=given["summary"] == "whole")
    with box("filters"):
        choice("", KINDS, given["kind"] or "", lambda value: go(kind=value)).mark("kind")
        search_line("Id of a tenant", given["accessor"] or "", lambda value: go(accessor=value), classes="wide")
        if given["kind"] or given["accessor"]:
            button("Clear", "ghost").on_click(lambda: visit.go(visit.url("/accesses"))).mark("clear")
    chosen = next((found for found in page.items if str(found.id) == query.get("access")), None)
    with box("columns side" if chosen else "stack"):
        with panel(flush=True):
            if page.items:
                _table(visit, query, page, given, chosen)
            elif given["kind"] or given["accessor"]:
                empty("Nobody came who fits", "Take a filter away.", "o_filter_alt_off")
            else:
                empty(
                    "Nobody came from outside",
                    "Accesses of other tenants and of the platform appear here.",
                    "o_door_front",
                )
        if chosen:
            access_detail(visit, chosen, go)


def _table(visit: Visit, query: Query, page: Any, given: dict[str, str | None], chosen: Access | None) -> None:
    here = {**given, "cursor": query.get("cursor")}
    grid(
        _COLUMNS[:_BESIDE] if chosen else _COLUMNS,
        [_row(found) for found in page.items],
        chosen=lambda found: visit.go(visit.url("/accesses", **here, access=found)),
        picked=str(chosen.id) if chosen else None,
    ).mark("accesses")
    following = visit.url("/accesses", **{**here, "cursor": page.next}) if page.next else None
    first = visit.url("/accesses", **given) if query.get("cursor") else None
    grid_foot(counted(len(page.items), "access", "accesses"), following, first)


def _row(found: Access) -> dict[str, Any]:
    return {
        "id": str(found.id),
        "at": moment(found.accessed_at),
        "ago": ago(found.accessed_at),
        "who": f"{found.actor_name or found.actor_kind}{' through a view' if found.real_actor else ''}",
        "kind": found.kind,
        "rows": "" if found.rows is None else number(found.rows),
        "operation": found.operation,
        "accessor": str(found.accessor),
        "address": str(found.address or ""),
    }


SCREEN = Screen(
    "/accesses", "Access log", build, icon="o_door_front", section="Oversight", key="l",
    needs=("sharing.accesses", "sharing.access_summary"), words="outside visitors cross-tenant privileged",
)  # fmt: skip
