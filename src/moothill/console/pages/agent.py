"""One agent: profile, capabilities with their evidence, skills, what happened, its card."""

from collections.abc import Sequence

from nicegui import ui

from ...kernel.errors import MoothillError
from ...kernel.events import Event
from ...registry.agents import Agent
from ..screens import Query, Screen
from ..visit import Visit
from ..widgets.agent_actions import agent_actions
from ..widgets.capabilities import show_capabilities
from ..widgets.dialogs import button
from ..widgets.fresh import keep_fresh
from ..widgets.panels import empty, page_head, panel, tabs
from ..widgets.profile import show_profile, show_skills
from ..widgets.raw import json_view
from ..widgets.text import box, chip, fact, state, text
from ..widgets.timeline import Timeline

TABS = ("profile", "capabilities", "skills", "activity", "card")


async def build(visit: Visit, query: Query) -> None:
    """The agent and the tab that the address names."""
    reference, tab = query["agent"], query.one_of("tab", *TABS)
    agent = await visit.moot.agents.get(agent=reference)
    ui.page_title(f"{agent.name} · {visit.tenant} · Moothill")
    with page_head(agent.name, crumb=("Agents", visit.url("/agents"))):
        agent_actions(visit, agent)
    with box("row-line wide wrapping").mark("agent-line"):
        status = state(_status(agent), note=agent.status_reason)
        chip(agent.agent_id, "kind")
        chip(agent.type.replace("-", " "))
    path = f"/agents/{agent.id}"
    tabs(visit, path, tab, [(name, name.capitalize(), None) for name in TABS])
    with box("stack"):
        await _TABS[tab](visit, agent)

    async def renew() -> None:
        fresh = await visit.moot.agents.get(agent=str(agent.id))
        status.set_text(_status(fresh))

    keep_fresh(visit, renew, "agents.status_changed", "agents.deactivated", "agents.reactivated")


def _status(agent: Agent) -> str:
    return "deactivated" if agent.deactivated_at else agent.status


async def _activity(visit: Visit, agent: Agent) -> None:
    page = await visit.moot.agents.activity(agent=str(agent.id), limit=50)
    with panel("Newest first", flush=True):
        timeline = Timeline(visit)
        timeline.fill(page.items)
        cursor = page.next

    async def older() -> None:
        nonlocal cursor
        following = await visit.moot.agents.activity(agent=str(agent.id), limit=50, cursor=cursor)
        timeline.extend(following.items)
        cursor = following.next
        more.set_visibility(cursor is not None)

    more = button("Show older").on_click(older).mark("older")
    more.set_visibility(cursor is not None)

    def heard(events: Sequence[Event]) -> None:
        timeline.add([event for event in events if agent.id in (event.subject, event.actor)])

    if visit.may("events.follow"):
        visit.listen(heard)


async def _card(visit: Visit, agent: Agent) -> None:
    try:
        card = await visit.moot.agents.card(agent=str(agent.id))
    except MoothillError as error:
        with panel():
            empty("It has no card", error.message, "o_badge")
    else:
        note = "byte for byte as it came in" if card.original else "made from its fields"
        with panel("Agent card", note, flush=True):
            with box("facts padded"):
                fact("SHA-256", card.sha256).classes("mono")
                fact("Content", card.media_type)
            json_view(card.content, f"{agent.agent_id}-card.json")
    with panel("Record", "as agents.get gives it", flush=True):
        json_view(agent, f"{agent.agent_id}.json")


async def _capabilities(visit: Visit, agent: Agent) -> None:
    if not visit.may("capabilities.list"):
        text("Your key lacks capabilities:read.", "note warn")
        return
    await show_capabilities(visit, agent)


_TABS = {
    "profile": show_profile,
    "capabilities": _capabilities,
    "skills": show_skills,
    "activity": _activity,
    "card": _card,
}

SCREEN = Screen("/agents/{agent}", "Agent", build, needs=("agents.get",))
