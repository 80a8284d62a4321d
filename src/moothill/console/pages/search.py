"""Search: one box over everything that has a text, and why each hit was found."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, get_args

from nicegui import ui

from ...registry.search.models import FacetCount, SearchFacets, SearchKind, SearchMode, SearchResults
from ..screens import Query, Screen
from ..visit import Visit
from ..widgets.dialogs import button
from ..widgets.fields import choice, search_line
from ..widgets.hits import show_hit
from ..widgets.panels import empty, page_head, panel
from ..widgets.text import box, link, quiet, text
from ..widgets.words import counted, number

MODES: dict[SearchMode, str] = {"hybrid": "Words and meaning", "text": "Words", "vector": "Meaning"}
KINDS = {"": "Everything"} | {kind: kind.capitalize() + "s" for kind in get_args(SearchKind)}
KINDS["capability"] = "Capabilities"
SURE = {"": "Any confidence", "0.7": "At least 70 %", "0.8": "At least 80 %", "0.9": "At least 90 %"}
EXAMPLES = ("send a message to a Slack channel", "review a pull request", "plan a database migration")
MOST_HITS = 25
# Of the values of one facet, the most frequent.
MOST_VALUES = 12


async def build(visit: Visit, query: Query) -> None:
    """The box, the filters, and what was found."""
    words, mode = query.get("q") or "", query.one_of("mode", *MODES)
    kinds: list[SearchKind] = [kind for kind in get_args(SearchKind) if kind in query.all("kind")]
    tag = query.get("tag")
    sure, status = query.get("sure"), query.get("status")

    def go(**changed: Any) -> None:
        address = {
            "q": words, "kind": kinds, "tag": tag, "sure": sure, "status": status,
            "mode": None if mode == "hybrid" else mode,
        }  # fmt: skip
        visit.go(visit.url("/search", **(address | changed)))

    with page_head("Search", "By words, by meaning, or both. Everything written is found at once."):
        if visit.may("search.performance"):
            link("What is searched", visit.url("/searches"))
    with box("search-box"):
        ui.icon("o_search")
        field = ui.input(value=words, placeholder="What should it be able to do?").props("borderless autofocus")
        field.props('aria-label="Search" maxlength=1000 clearable').classes("grow").mark("search")
        field.on("keydown.enter", lambda: go(q=(field.value or "").strip()))
        button("Search", "main").on_click(lambda: go(q=(field.value or "").strip())).mark("go")
    with box("filters"):
        ui.toggle({str(name): shown for name, shown in MODES.items()}, value=mode).props(
            "no-caps dense unelevated toggle-color=tint toggle-text-color=accent"
        ).mark("mode").on_value_change(lambda event: go(mode=event.value))
        choice("", KINDS, kinds[0] if kinds else "", lambda value: go(kind=[value] if value else [])).mark("kinds")
        choice("", SURE, sure or "", lambda value: go(sure=value))
        search_line("Status", status or "", lambda value: go(status=value))
        search_line("Tag", tag or "", lambda value: go(tag=value))
    if not words:
        advice = "A name, a few words, or a sentence about what it should do."
        with panel(), empty("Say what you look for", advice, "o_search"):
            for example in EXAMPLES:
                button(example).on_click(lambda example=example: go(q=example))
        return
    filters: Any = {
        name: value
        for name, value in (("tags", [tag]), ("minimum_confidence", sure), ("status", [status]))
        if value and value != [None]
    }
    found = await visit.moot.search.find(
        text=words, mode=mode, kinds=kinds or None, filters=filters or None, limit=MOST_HITS, facets=True
    )
    if found.facets is not None and found.facets.items:
        _facets(found.facets, {"kind": bool(kinds), "status": bool(status), "tag": bool(tag)}, go)
    _show(visit, found)


def _facets(counted_by: SearchFacets, chosen: dict[str, bool], go: Callable[..., None]) -> None:
    """What matches by kind, state and tag, each value a way to see it alone; what is chosen already is left out."""
    shown: tuple[tuple[str, Sequence[FacetCount]], ...] = (
        ("kind", counted_by.kinds),
        ("status", counted_by.statuses),
        ("tag", counted_by.tags),
    )
    # One value would narrow nothing.
    useful = [(name, values) for name, values in shown if not chosen[name] and len(values) > 1]
    if not useful:
        return
    with box("facets").mark("facets"):
        for name, values in useful:
            with box("row-line wrapping"):
                quiet({"kind": "Kinds", "status": "States", "tag": "Tags"}[name], "small")
                for each in values[:MOST_VALUES]:
                    label = KINDS.get(each.value, each.value) if name == "kind" else each.value
                    value = [each.value] if name == "kind" else each.value
                    chip = button(f"{label} {number(each.items)}", "ghost").on_click(partial(go, **{name: value}))
                    chip.mark(f"facet-{name}-{each.value}" if name != "kind" else f"facet-{each.value}")
        if counted_by.capped:
            quiet("More than 10,000 items match; the first of them are counted.", "small")


def _show(visit: Visit, found: SearchResults) -> None:
    note = (
        f"{MODES[found.mode]} · {found.model} · {'every vector compared' if found.exact else 'nearest by index'} · "
        f"{number(found.timing.embedding_ms + found.timing.database_ms)} ms"
    )
    with panel(counted(len(found.hits), "hit"), note, flush=True):
        for said in found.notes:
            text(said, "note warn padded-note", "div")
        with box("list hits").mark("hits"):
            best = max((hit.score for hit in found.hits), default=1.0)
            for hit in found.hits:
                show_hit(visit, hit, best, found.session)
        if not found.hits:
            empty("Nothing fits", "Use other words, search by meaning, or take filters away.", "o_search_off")
    quiet("A hit's score is comparable within this search only.", "small")


SCREEN = Screen(
    "/search", "Search", build, icon="o_search", section="Society", key="s", needs=("search.find",), words="find"
)
