"""Searches: how long they take, what is searched most, what takes long, and what finds nothing."""

from collections.abc import Sequence
from typing import Any

from ...registry.search.sessions.models import SearchPerformance
from ..screens import Query, Screen
from ..visit import Visit
from ..widgets.bars import compared
from ..widgets.fields import choice
from ..widgets.grid import Column, grid
from ..widgets.guarded import guarded
from ..widgets.panels import empty, page_head, panel
from ..widgets.text import box, text
from ..widgets.words import ago, counted, moment, number

DAYS = {"1": "A day", "7": "Seven days", "30": "Thirty days"}
MOST = 25
TYPES = {"hybrid": "Words and meaning", "text": "Words", "vector": "Meaning", "graph": "Relationships"}
_QUERY = Column("query", "Query", "link", share=4)
_OFTEN = (_QUERY, Column("searches", "Searches", "number", 92), Column("mean", "Mean", "number", 92))
_SLOW = (_QUERY, Column("mean", "Mean", "number", 92), Column("longest", "Longest", "number", 92))
_EMPTY = (_QUERY, Column("unanswered", "Found nothing", "number", 120), Column("ago", "Last", "quiet", 104, tip="at"))


async def build(visit: Visit, query: Query) -> None:
    """Four panels over one window of days."""
    days = query.one_of("days", "7", "1", "30")

    def go(**changed: Any) -> None:
        visit.go(visit.url("/searches", **({"days": days} | changed)))

    lead = "Each search is written down some moments after its answer, and kept for as long as its class of data is."
    with page_head("Searches", lead, crumb=("Search", visit.url("/search"))):
        choice("", DAYS, days, lambda value: go(days=value)).mark("days")
    window = int(days)
    with box("stack"):
        with panel("How long they take", f"{DAYS[days].lower()}, by how was searched"):
            await guarded(visit, lambda: _performance(visit, window))
        with box("columns even"):
            with panel("Searched most", flush=True):
                await guarded(visit, lambda: _popular(visit, window))
            with panel("Found nothing", flush=True):
                await guarded(visit, lambda: _unanswered(visit, window))
        with panel("Slowest on average", "means above 50 ms", flush=True):
            await guarded(visit, lambda: _slow(visit, window))


async def _performance(visit: Visit, days: int) -> None:
    found = await visit.moot.search.performance(days=days)
    if not found:
        empty("Nobody searched", "Searches of this window appear here.", "o_search_off")
        return
    with box("list").mark("performance"):
        for each in found:
            _one_type(each, found)


def _one_type(found: SearchPerformance, every: Sequence[SearchPerformance]) -> None:
    longest = max(each.p99_ms for each in every)
    most = max(each.searches for each in every)
    with box("entry measures"):
        with box("stack close"):
            text(TYPES[found.search_type], "strong")
            compared(found.searches, most, counted(found.searches, "search", "searches"))
        for words, value in (("half", found.p50_ms), ("95 %", found.p95_ms), ("99 %", found.p99_ms)):
            compared(round(value * 1000), round(longest * 1000), f"{words} within {number(round(value, 1))} ms")
        compared(found.without_results, found.searches, f"{number(found.without_results)} found nothing")


async def _popular(visit: Visit, days: int) -> None:
    rows = [
        {**_said(visit, each), "searches": each.searches, "mean": f"{each.avg_execution_ms:.1f} ms"}
        for each in await visit.moot.search.popular(days=days, least=1, limit=MOST)
    ]
    _table(_OFTEN, rows, "popular", "Nobody searched")


async def _unanswered(visit: Visit, days: int) -> None:
    rows = [
        {
            **_said(visit, each),
            "unanswered": each.unanswered,
            "ago": ago(each.last_searched_at),
            "at": moment(each.last_searched_at),
        }
        for each in await visit.moot.search.unanswered(days=days, limit=MOST)
    ]
    _table(_EMPTY, rows, "unanswered", "Every search found something")


async def _slow(visit: Visit, days: int) -> None:
    rows = [
        {
            **_said(visit, each),
            "mean": f"{each.avg_execution_ms:.1f} ms",
            "longest": f"{each.max_execution_ms:.1f} ms",
        }
        for each in await visit.moot.search.slow(days=days, minimum_ms=50, limit=MOST)
    ]
    _table(_SLOW, rows, "slow", "No query is slow")


def _said(visit: Visit, found: Any) -> dict[str, Any]:
    """A query as a cell that leads to searching it again."""
    words = found.query_text
    address = visit.url("/search", q=words) if words else None
    return {"id": str(found.id), "query": words or "(a vector)", "query_address": address}


def _table(columns: Sequence[Column], rows: list[dict[str, Any]], name: str, nothing: str) -> None:
    if rows:
        grid(columns, rows).mark(name)
    else:
        empty(nothing, icon="o_done")


SCREEN = Screen(
    "/searches",
    "Searches",
    build,
    icon="o_query_stats",
    section="Oversight",
    needs=("search.performance", "search.popular"),
    words="slow popular queries",
)
