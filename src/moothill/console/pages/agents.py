"""Agents directory: filters in the address, pages from the server, load and last heartbeat."""

from functools import partial
from typing import Any, get_args

from nicegui import ui

from ...registry.agents import AgentSummary
from ...registry.agents.models import AgentOrder, AgentStatus, AgentType
from ..screens import Query, Screen
from ..visit import Visit
from ..widgets.dialogs import button
from ..widgets.fields import choice, search_line
from ..widgets.fresh import keep_fresh
from ..widgets.grid import Column, grid, grid_foot, set_rows
from ..widgets.panels import empty, page_head, panel
from ..widgets.text import box
from ..widgets.words import ago, counted, number, percent

PAGE = 50
ORDERS = {"name": "By name", "last_active": "Last active first", "registered": "Oldest first"}
STATUSES = {"": "Any status"} | {word: word.capitalize() for word in get_args(AgentStatus)}
TYPES = {"": "Any type"} | {word: word.replace("-", " ").capitalize() for word in get_args(AgentType)}
FILTERS = ("status", "type", "tag", "capability", "specialisation", "model_family", "name_prefix")

_COLUMNS = (
    Column("name", "Agent", "link", share=3),
    Column("status", "Status", "state", 128, tip="reason"),
    Column("type", "Type", "quiet", 114),
    Column("tags", "Tags", "tags", share=4, tip="all_tags"),
    Column("load", "Load", "meter", 140),
    Column("tasks", "Tasks / queued", "number", 122),
    Column("success", "Success", "number", 88),
    Column("rating", "Rating", "number", 84),
    Column("tier", "Tier", "quiet", 84),
    Column("heartbeat", "Last heartbeat", "quiet", 128),
)


async def build(visit: Visit, query: Query) -> None:
    """The list, filtered as the address says."""
    given = {name: query.get(name) for name in FILTERS}
    order: AgentOrder = next((word for word in get_args(AgentOrder) if word == query.get("order")), "name")
    gone = query.get("deactivated") == "yes"
    # What somebody wrote into the address is judged by the operation's own rules.
    wanted: Any = {name: value for name, value in given.items() if value}
    if gone:
        wanted["include_deactivated"] = True

    def go(**changed: str | None) -> None:
        address = {**given, "order": order if order != "name" else None, "deactivated": "yes" if gone else None}
        visit.go(visit.url("/agents", **(address | changed)))

    async def look() -> Any:
        return await visit.moot.agents.list(filter=wanted or None, order=order, limit=PAGE, cursor=query.get("cursor"))

    with page_head("Agents", "Who is registered, how they are, and how much they carry."):
        choice("", ORDERS, order, lambda value: go(order=value if value != "name" else None)).mark("order")
    _filters(given, gone, go)
    page = await look()
    with panel(flush=True):
        if page.items:
            table = grid(_COLUMNS, [_row(visit, agent) for agent in page.items]).mark("agents")
            address = {**given, "order": query.get("order"), "deactivated": query.get("deactivated")}
            following = visit.url("/agents", **address, cursor=page.next) if page.next else None
            first = visit.url("/agents", **address) if query.get("cursor") else None
            here = counted(len(page.items), "agent") + (" on this page" if following or first else "")
            grid_foot(here, following, first)
        elif any(given.values()):
            with empty("No agent fits these filters", "Take one of them away.", "o_filter_alt_off"):
                button("Show all agents").on_click(lambda: visit.go(visit.url("/agents")))
            return
        else:
            advice = "Register one with agents.register, or import a catalogue: `moothill agents import FILE`."
            with empty("No agents yet", advice, "o_smart_toy"):
                place = visit.url("/explorer", operation="agents.register")
                button("Register an agent", "main").on_click(lambda: visit.go(place))
            return

    async def renew() -> None:
        set_rows(table, _COLUMNS, [_row(visit, agent) for agent in (await look()).items])

    keep_fresh(visit, renew, "agents.", "capabilities.")


def _filters(given: dict[str, str | None], gone: bool, go: Any) -> None:
    with box("filters").mark("filters"):
        search_line("Name begins with", given["name_prefix"] or "", lambda value: go(name_prefix=value), classes="wide")
        choice("", STATUSES, given["status"] or "", lambda value: go(status=value)).mark("status")
        choice("", TYPES, given["type"] or "", lambda value: go(type=value)).mark("type")
        search_line("Tag", given["tag"] or "", lambda value: go(tag=value))
        search_line("Capability", given["capability"] or "", lambda value: go(capability=value), classes="wide")
        for name in ("specialisation", "model_family"):
            if given[name]:
                hint = name.replace("_", " ").capitalize()
                search_line(hint, given[name] or "", partial(_go_by, go, name))
        ui.switch("Deactivated too", value=gone, on_change=lambda event: go(deactivated="yes" if event.value else None))
        if any(given.values()):
            button("Clear", "ghost").on_click(lambda: go(**dict.fromkeys(FILTERS))).mark("clear")


def _go_by(go: Any, name: str, value: str) -> None:
    go(**{name: value})


def _row(visit: Visit, agent: AgentSummary) -> dict[str, Any]:
    return {
        "id": str(agent.id),
        "name": agent.name,
        "name_address": visit.url(f"/agents/{agent.id}"),
        "status": "deactivated" if agent.deactivated_at else agent.status,
        "reason": agent.status_reason,
        "type": agent.type.replace("-", " "),
        "tags": agent.tags[:6],
        "all_tags": ", ".join(agent.tags),
        "load": float(agent.utilisation),
        "tasks": f"{number(agent.active_tasks)} / {number(agent.queued_tasks)}",
        "success": percent(agent.success_rate) if agent.tasks_attempted else "",
        "rating": round(agent.rating),
        "tier": agent.tier,
        "heartbeat": ago(agent.last_heartbeat_at),
    }


SCREEN = Screen(
    "/agents",
    "Agents",
    build,
    icon="o_smart_toy",
    section="Society",
    key="a",
    needs=("agents.list",),
    words="directory",
)
