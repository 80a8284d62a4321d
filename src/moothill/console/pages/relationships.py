"""Relationships: a picture of the society, or of the agents around one, and the same as a table."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from ...registry.graph.models import Edge, Node, Picture
from ...registry.relationships.models import TYPES
from ..screens import Query, Screen
from ..visit import Visit
from ..widgets.dialogs import button
from ..widgets.fields import choice, search_line
from ..widgets.grid import Column, grid
from ..widgets.network import network
from ..widgets.panels import empty, page_head, panel
from ..widgets.text import box, link
from ..widgets.words import counted

HOPS = {"1": "1 hop", "2": "2 hops", "3": "3 hops"}
KINDS = {"": "Every type"} | {kind: kind.replace("_", " ").capitalize() for kind in TYPES}
SURE = {"": "Any confidence", "0.7": "At least 70 %", "0.8": "At least 80 %", "0.9": "At least 90 %"}
MOST = {"60": "60 agents", "120": "120 agents", "300": "300 agents"}
_COLUMNS = (
    Column("source", "From", "link", share=2),
    Column("way", "", "quiet", 44),
    Column("target", "To", "link", share=2),
    Column("type", "Type", share=2),
    Column("confidence", "Confidence", "meter", 150),
    Column("strength", "Strength", "meter", 150),
)


async def build(visit: Visit, query: Query) -> None:
    """The filters, the picture, the table."""
    agent, kind, sure = query.get("agent"), query.get("type"), query.get("sure")
    hops, most = query.one_of("hops", *HOPS), query.one_of("most", *MOST)

    def go(**changed: Any) -> None:
        here = {"agent": agent, "type": kind, "sure": sure, "hops": hops if hops != "1" else None}
        here["most"] = most if most != "60" else None
        visit.go(visit.url("/relationships", **(here | changed)))

    with page_head("Relationships", "How agents are connected. A click on one shows those around it."):
        link("Find a path", visit.url("/paths", source=agent), "button")
    with box("filters"):
        search_line("Around the agent", agent or "", lambda value: go(agent=value), classes="wide").mark("agent")
        if agent:
            choice("", HOPS, hops, lambda value: go(hops=value)).mark("hops")
        choice("", KINDS, kind or "", lambda value: go(type=value)).mark("type")
        choice("", SURE, sure or "", lambda value: go(sure=value)).mark("sure")
        choice("", MOST, most, lambda value: go(most=value)).mark("most")
        if agent or kind or sure:
            button("Clear", "ghost").on_click(lambda: visit.go(visit.url("/relationships"))).mark("clear")
    # What somebody wrote into the address is judged by the operation's own rules.
    wanted: Any = {"types": [kind] if kind else None, "limit": int(most)}
    wanted["minimum_confidence"] = sure or Decimal("0.5")
    if agent:
        picture = await visit.moot.graph.neighbourhood(agent=agent, hops=int(hops), **wanted)
    else:
        picture = await visit.moot.graph.map(**wanted)
    note = f"{counted(len(picture.nodes), 'agent')}, {counted(len(picture.edges), 'relationship')}"
    with panel("Around an agent" if agent else "The most connected", note, flush=True):
        if not picture.edges:
            advice = "relationships.put says how two agents are connected; relationships.observe counts what is seen."
            empty("No relationships here", "Take a filter away." if kind or sure else advice, "o_hub")
            return
        network(picture, lambda key: go(agent=key))
    with panel("The same as a table", "the surest first", flush=True):
        grid(_COLUMNS, _rows(visit, picture)).mark("edges")


def _rows(visit: Visit, picture: Picture) -> list[dict[str, Any]]:
    nodes = {node.agent: node for node in picture.nodes}
    return [_row(visit, edge, nodes) for edge in picture.edges]


def _row(visit: Visit, edge: Edge, nodes: Mapping[str, Node]) -> dict[str, Any]:
    source, target = nodes[edge.source], nodes[edge.target]
    return {
        "id": str(edge.id),
        "source": source.name,
        "source_address": visit.url(f"/agents/{source.id}"),
        "way": "→" if edge.directional else "↔",
        "target": target.name,
        "target_address": visit.url(f"/agents/{target.id}"),
        "type": edge.type.replace("_", " ").lower(),
        "confidence": float(edge.confidence),
        "strength": float(edge.strength),
    }


SCREEN = Screen(
    "/relationships", "Relationships", build, icon="o_hub", section="Society", key="w",
    needs=("graph.map", "graph.neighbourhood"), words="graph network edges connections",
)  # fmt: skip
