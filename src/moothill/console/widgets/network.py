"""A picture of agents and their relationships. The server says where each stands; the browser computes nothing.

Names are drawn on a canvas, as text: no part of the picture is markup. The tooltip is drawn there, too.
"""

from collections.abc import Callable, Mapping
from typing import Any

from nicegui import ui

from ...registry.graph.models import Picture
from .text import box, quiet, text, with_property
from .words import counted

__all__ = ["LOOKS", "network", "options_of"]

MOST_NAMED = 40
# Colour and kind of line of each type: told apart without colour, too.
LOOKS: Mapping[str, tuple[str, str]] = {
    "COLLABORATES_WITH": ("#7a5bb0", "solid"),
    "SIMILAR_TO": ("#7a5bb0", "dotted"),
    "DERIVED_FROM": ("#4f7f6f", "dashed"),
    "VALIDATES": ("#3f7fb5", "solid"),
    "DEPENDS_ON": ("#3f7fb5", "dashed"),
    "COMPETES_WITH": ("#b5533f", "solid"),
    "INFLUENCES": ("#b08a2e", "solid"),
    "REPLACES": ("#b5533f", "dashed"),
    "ENHANCES": ("#4f7f6f", "solid"),
}
# The chart rounds ends of lines to whole units, so units are about as large as pixels.
_WIDE, _HIGH = 440, 240
_MIDDLE, _NODE = "#5b3f86", "#8d7aa8"


def options_of(picture: Picture) -> dict[str, Any]:
    """What the chart draws."""
    crowded = len(picture.nodes) > MOST_NAMED
    # The busiest are named when there is no room for all.
    named = {node.agent for node in sorted(picture.nodes, key=lambda node: -node.degree)[:MOST_NAMED]}
    nodes = [
        {
            "id": node.agent,
            "name": node.name,
            "value": str(node.id),
            "x": round(node.x * _WIDE, 1),
            "y": round(node.y * _HIGH, 1),
            "symbolSize": 30 if node.hop == 0 else min(26, 9 + 2 * node.degree**0.7),
            "itemStyle": {"color": _MIDDLE if node.hop == 0 else _NODE},
            "label": {"show": not crowded or node.agent in named},
        }
        for node in picture.nodes
    ]
    links = []
    for edge in picture.edges:
        colour, kind = LOOKS[edge.type]
        links.append(
            {
                "source": edge.source,
                "target": edge.target,
                "value": f"{_said(edge.type)}, confidence {edge.confidence}, strength {edge.strength}",
                "symbol": ["none", "arrow" if edge.directional else "none"],
                "symbolSize": 7,
                "lineStyle": {"color": colour, "type": kind, "width": 0.6 + 2.4 * float(edge.strength), "opacity": 0.7},
            }
        )
    return {
        "animation": False,
        "tooltip": {"renderMode": "richText", "confine": True},
        "series": [
            {
                "type": "graph",
                "layout": "none",
                "roam": True,
                # Circles stay round, however wide the page is.
                "preserveAspect": True,
                "data": nodes,
                "links": links,
                "left": 60,
                "right": 60,
                "top": 30,
                "bottom": 30,
                "label": {"position": "bottom", "fontSize": 11, "color": "#8a8093"},
                "emphasis": {"focus": "adjacency"},
            }
        ],
    }


def _said(kind: str) -> str:
    return kind.replace("_", " ").lower()


def network(picture: Picture, chosen: Callable[[str], None]) -> ui.echart:
    """The picture; `chosen` is told the key of an agent that was clicked."""
    keys = {node.agent for node in picture.nodes}

    def clicked(event: Any) -> None:
        data = event.data if isinstance(event.data, dict) else {}
        if (key := data.get("id")) in keys:
            chosen(str(key))

    made = ui.echart(options_of(picture), on_point_click=clicked).style("height: 560px").mark("network")
    words = f"{counted(len(picture.nodes), 'agent')} and {counted(len(picture.edges), 'relationship')}"
    with_property(with_property(made, "role", "img"), "aria-label", f"{words}; the table below has the same.")
    with box("legend padded-note"):
        for kind in sorted({edge.type for edge in picture.edges}):
            colour, line = LOOKS[kind]
            with box("row-line small"):
                box("").style(f"width: 22px; border-top: 2px {line} {colour}")
                text(_said(kind), "small")
    if picture.message:
        quiet(picture.message, "small padded-note").mark("truncated")
    return made
