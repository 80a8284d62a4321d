"""Centrality: who is central among the relationships, and when that was computed."""

from typing import Any

from ...registry.graph import NotAnalysed
from ...registry.graph.models import Centrality
from ..screens import Query, Screen
from ..visit import Visit
from ..widgets.dialogs import button
from ..widgets.fields import choice, search_line
from ..widgets.grid import Column, grid, grid_foot
from ..widgets.panels import empty, page_head, panel
from ..widgets.text import box
from ..widgets.words import ago, counted, number

PAGE = 50
ORDERS = {"pagerank": "By PageRank", "degree": "By relationships", "betweenness": "By betweenness"}
_COLUMNS = (
    Column("name", "Agent", "link", share=3),
    Column("pagerank", "PageRank", "number", 110),
    Column("betweenness", "Betweenness", "number", 120),
    Column("degree", "Relationships", "number", 120),
    Column("ways", "In / out", "number", 110),
    Column("share", "Connected with", "meter", 150),
    Column("community", "Community", "number", 110),
)


async def build(visit: Visit, query: Query) -> None:
    """The ranking by the newest analysis."""
    by, community = query.one_of("by", *ORDERS), query.get("community")

    def go(**changed: Any) -> None:
        here = {"by": by if by != "pagerank" else None, "community": community}
        visit.go(visit.url("/centrality", **(here | changed)))

    place = visit.url("/explorer", operation="graph.analyse")
    with page_head("Centrality", "How much hangs on each agent, by the newest analysis of all relationships."):
        button("Analyse").on_click(lambda: visit.go(place)).mark("analyse")
    with box("filters"):
        choice("", ORDERS, by, lambda value: go(by=value)).mark("by")
        search_line("Community", community or "", lambda value: go(community=value))
    try:
        analysis = await visit.moot.graph.analysis()
    except NotAnalysed:
        advice = "A worker does it once a day, where the extra `graph` is installed; or run graph.analyse now."
        with panel(), empty("Not analysed yet", advice, "o_scatter_plot"):
            button("Analyse now", "main").on_click(lambda: visit.go(place))
        return
    wanted: Any = {"by": by, "community": community}
    page = await visit.moot.graph.centrality(**wanted, limit=PAGE, cursor=query.get("cursor"))
    note = (
        f"{counted(analysis.agents, 'agent')}, {counted(analysis.relationships, 'relationship')}, "
        f"{counted(analysis.communities, 'community', 'communities')}, betweenness from "
        f"{counted(analysis.samples, 'sample')}, read {ago(analysis.read_at)}"
    )
    with panel("Ranking", note, flush=True):
        if not page.items:
            empty("Nobody here", "No agent with a relationship fits.", "o_scatter_plot")
            return
        grid(_COLUMNS, [_row(visit, each) for each in page.items]).mark("centrality")
        here = {"by": query.get("by"), "community": community}
        following = visit.url("/centrality", **here, cursor=page.next) if page.next else None
        first = visit.url("/centrality", **here) if query.get("cursor") else None
        grid_foot(counted(len(page.items), "agent"), following, first)


def _row(visit: Visit, each: Centrality) -> dict[str, Any]:
    return {
        "id": str(each.id),
        "name": each.name,
        "name_address": visit.url("/relationships", agent=each.agent),
        "pagerank": f"{each.pagerank:.5f}",
        "betweenness": f"{each.betweenness:.4f}",
        "degree": number(each.degree),
        "ways": f"{number(each.in_degree)} / {number(each.out_degree)}",
        "share": each.degree_centrality,
        "community": each.community,
    }


SCREEN = Screen(
    "/centrality", "Centrality", build, icon="o_scatter_plot", section="Society", key="c",
    needs=("graph.centrality", "graph.analysis"), words="pagerank betweenness communities ranking influence",
)  # fmt: skip
