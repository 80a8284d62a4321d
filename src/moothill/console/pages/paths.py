"""Path finder: how two agents are connected, the best ways first."""

from typing import Any

from ...kernel.errors import MoothillError
from ...registry.graph.models import Path, Paths
from ..screens import Query, Screen
from ..visit import Visit
from ..widgets.dialogs import button
from ..widgets.fields import choice, search_line
from ..widgets.panels import empty, page_head, panel, trouble
from ..widgets.text import box, chip, link, quiet, text
from ..widgets.words import counted

HOPS = {"4": "Up to 4 hops", "2": "Up to 2 hops", "3": "Up to 3 hops", "5": "Up to 5 hops", "6": "Up to 6 hops"}
WAYS = {"both": "Both directions", "out": "From source to target", "in": "Against the direction"}
_COUNT = 5


async def build(visit: Visit, query: Query) -> None:
    """The two ends, and what connects them."""
    given = {name: query.get(name) for name in ("source", "target")}
    source, target = given["source"], given["target"]
    hops, ways = query.one_of("hops", *HOPS), query.one_of("direction", *WAYS)

    def go(**changed: Any) -> None:
        here = {**given, "hops": hops, "direction": ways}
        visit.go(visit.url("/paths", **(here | changed)))

    with page_head("Paths", "How two agents are connected: short ways first, of equal length the surer."):
        pass
    with box("filters"):
        search_line("From the agent", source or "", lambda value: go(source=value), classes="wide").mark("from")
        search_line("To the agent", target or "", lambda value: go(target=value), classes="wide").mark("to")
        choice("", HOPS, hops, lambda value: go(hops=value)).mark("hops")
        choice("", WAYS, ways, lambda value: go(direction=value)).mark("direction")
    if not source or not target:
        with panel(), empty("Say which two", "Give the keys of two agents, as the directory shows them.", "o_route"):
            button("Agents").on_click(lambda: visit.go(visit.url("/agents")))
        return
    asked: Any = {"hops": int(hops), "direction": ways}
    try:
        found = await visit.moot.graph.paths(source=source, target=target, count=_COUNT, **asked)
    except MoothillError as error:
        trouble(error, "There is no answer to this.")
        return
    _show(visit, found)


def _show(visit: Visit, found: Paths) -> None:
    with panel(counted(len(found.paths), "way"), "a better one may exist" if found.truncated else "", flush=True):
        if not found.paths:
            empty("Nothing connects them", "Allow more hops, or both directions.", "o_link_off")
        with box("list").mark("ways"):
            for way in found.paths:
                _way(visit, way)


def _way(visit: Visit, way: Path) -> None:
    with box("entry").mark("way"):
        with box("row-line wrapping grow"):
            for place, agent in enumerate(way.agents):
                if place:
                    step = way.steps[place - 1]
                    arrow = "↔" if not step.directional else ("←" if step.backwards else "→")
                    text(arrow, "quiet")
                    chip(f"{step.type.replace('_', ' ').lower()} {step.confidence}", "kind")
                    text(arrow, "quiet")
                link(agent.name, visit.url(f"/agents/{agent.id}"), "strong")
        quiet(f"{counted(way.length, 'hop')}, {way.confidence:.3f}", "small mono")


SCREEN = Screen(
    "/paths", "Paths", build, icon="o_route", section="Society", key="f", needs=("graph.paths",),
    words="route shortest connection between",
)  # fmt: skip
