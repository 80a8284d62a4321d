"""Agents at a glance: their counts by status, and who is at work."""

from collections import Counter

from nicegui import ui
from nicegui.elements.mixins.text_element import TextElement

from ...registry.agents import AgentFilter, AgentSummary
from ...registry.agents.models import AgentStatus
from ..visit import Visit
from .panels import empty, tile, tiles
from .text import box, link, quiet, state, text, time_ago
from .words import count, counted, percent

__all__ = ["STATUSES", "ActiveList", "StatusTiles"]

STATUSES = ("active", "idle", "busy", "offline", "maintenance", "suspended")
AT_WORK: tuple[AgentStatus, ...] = ("busy", "active")
MOST_ACTIVE = 8


class StatusTiles:
    """All agents, and those in each status; each count leads to its list."""

    def __init__(self, visit: Visit) -> None:
        self.visit = visit
        self.figures: dict[str, TextElement] = {}

    async def build(self) -> None:
        """Make the elements."""
        with tiles().mark("status-tiles"):
            self.figures[""] = tile("", "agents", self.visit.url("/agents"))
            for status in STATUSES:
                self.figures[status] = tile("", status, self.visit.url("/agents", status=status), status=status)
        await self.renew()

    async def renew(self) -> None:
        """Count again."""
        if not self.figures:
            return
        found = await self.visit.moot.agents.statistics()
        sizes: Counter[str] = Counter({"": found.total})
        for part in found.counts:
            sizes[part.status] += part.agents
        for status, figure in self.figures.items():
            figure.set_text(count(sizes[status], capped=found.capped and bool(sizes[status])))
            figure.classes(replace="figure" if sizes[status] else "figure zero")


class ActiveList:
    """The agents at work, with their load."""

    def __init__(self, visit: Visit) -> None:
        self.visit = visit
        self.element: ui.element | None = None

    async def build(self) -> None:
        """Make the elements."""
        self.element = box("list").mark("active")
        await self.renew()

    async def renew(self) -> None:
        """Look again."""
        if self.element is None:
            return
        agents: list[AgentSummary] = []
        for status in AT_WORK:
            if len(agents) < MOST_ACTIVE:
                wanted = AgentFilter(status=status)
                page = await self.visit.moot.agents.list(filter=wanted, order="last_active", limit=MOST_ACTIVE)
                agents += page.items
        self.element.clear()
        with self.element:
            for agent in agents[:MOST_ACTIVE]:
                with link("", self.visit.url(f"/agents/{agent.id}"), "entry"):
                    state(agent.status).classes("narrow")
                    text(agent.name, "grow clip")
                    quiet(counted(agent.active_tasks, "task"), "small")
                    quiet(percent(agent.utilisation), "small small-number")
                    time_ago(agent.last_heartbeat_at, "late")
            if not agents:
                empty("Nobody is at work", "Agents appear here with their first heartbeat.", "o_bedtime")
