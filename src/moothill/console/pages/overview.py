"""Overview: counts that lead to what they count, who is at work, what happens, and whether all is well."""

from collections.abc import Sequence
from datetime import timedelta

from ...kernel.events import Event
from ..screens import Query, Screen
from ..visit import Visit
from ..widgets.agents import ActiveList, StatusTiles
from ..widgets.events import EventList
from ..widgets.fresh import keep_fresh
from ..widgets.guarded import guarded
from ..widgets.health import HealthList
from ..widgets.panels import empty, page_head, panel
from ..widgets.spark import Sparkline, buckets
from ..widgets.text import box, link, quiet
from ..widgets.words import counted, now

MOST_EVENTS, EVENTS_SHOWN = 1000, 12
STEP, STEPS = timedelta(minutes=1), 60


async def build(visit: Visit, query: Query) -> None:
    """The society at a glance."""
    with page_head("Overview", "What is here, who is at work, and what has just happened."):
        pass
    tiles, active = StatusTiles(visit), ActiveList(visit)
    if visit.may("agents.statistics"):
        await guarded(visit, tiles.build)
    with box("columns two"):
        with box("stack"):
            rate = _Throughput(visit)
            if visit.may("events.list"):
                await guarded(visit, rate.build)
        with box("stack"):
            if visit.may("agents.list"):
                with panel("At work now", flush=True) as head:
                    with head:
                        link("All agents", visit.url("/agents"), "small")
                    await guarded(visit, active.build)
            with panel("Health", flush=True):
                health = HealthList(visit)
                await guarded(visit, health.build)
    if not any(visit.may(name) for name in ("agents.statistics", "events.list")):
        with panel():
            empty("This key sees little of the society", "It lacks agents:read and events:read.", "o_key_off")

    async def renew() -> None:
        await tiles.renew()
        await active.renew()

    if visit.may("events.follow"):
        visit.listen(rate.add)
    keep_fresh(visit, renew, "agents.")
    keep_fresh(visit, health.renew)


class _Throughput:
    """Writes by the minute over the last hour, and the newest of them."""

    def __init__(self, visit: Visit) -> None:
        self.visit = visit
        self.events: list[Event] = []

    async def build(self) -> None:
        """Make the elements."""
        page = await self.visit.moot.events.list(order="newest", since=now() - STEP * STEPS, limit=MOST_EVENTS)
        self.events = list(page.items)
        newest = page.items or (await self.visit.moot.events.list(order="newest", limit=EVENTS_SHOWN)).items
        with panel("Writes, last hour") as head:
            with head:
                self.rate = quiet("")
            self.line = Sparkline([0] * STEPS, "")
        self._draw()
        with panel("Latest events", flush=True) as head:
            with head:
                link("All events", self.visit.url("/events"), "small")
            self.list = EventList(self.visit, most=EVENTS_SHOWN)
            self.list.fill(newest)

    def add(self, events: Sequence[Event]) -> None:
        """Count new ones."""
        self.events = [*reversed(events), *self.events][:MOST_EVENTS]
        self.list.add(events)
        self._draw()

    def _draw(self) -> None:
        values = buckets((event.occurred_at for event in self.events), end=now(), step=STEP, count=STEPS)
        words = counted(sum(values), "write") + ("+" if len(self.events) >= MOST_EVENTS else "")
        self.rate.set_text(f"{words}, {max(values)} in the busiest minute")
        self.line.show(values, f"{words} in the last hour")


SCREEN = Screen("/", "Overview", build, icon="o_space_dashboard", section="Society", key="o", needs=("keys.current",))
