"""Sharing: how far this tenant opens itself, what it lets others read, and what others let it read."""

from functools import partial
from typing import Any

from nicegui import ui

from ...tenancy.sharing.models import IsolationLevel
from ..screens import Query, Screen
from ..visit import Visit
from ..widgets.dialogs import button, copy_button
from ..widgets.grant_sheets import grant
from ..widgets.grants import GIVEN, RECEIVED, given_row, grant_detail, received_row
from ..widgets.grid import grid, grid_foot
from ..widgets.levels import level_cards
from ..widgets.panels import empty, page_head, panel, tabs
from ..widgets.text import box, text
from ..widgets.words import counted

PAGE = 50
# Beside a chosen grant there is room for these.
_BESIDE = 4


async def build(visit: Visit, query: Query) -> None:
    """Level, then the grants of one direction."""
    tab = query.one_of("tab", "given", "received")
    level = await visit.moot.sharing.level()
    with page_head("Sharing", "Who owns the data decides who reads it. Both sides see what is granted."):
        if visit.may("sharing.grant"):
            button("Grant", "main", "o_add").on_click(partial(grant, visit)).mark("grant")
    _level(visit, level)
    tabs(visit, "/sharing", tab, [("given", "What others may read here", None), ("received", "What we may read", None)])
    if tab == "given":
        await _given(visit, query, level)
    else:
        await _received(visit, query)


def _level(visit: Visit, level: IsolationLevel) -> None:
    with panel("How far this tenant opens itself"):
        level_cards(visit, visit.moot, level.level)
        with box("row-line wrapping"):
            text("Whoever shares with this tenant needs its id:", "quiet")
            text(level.tenant, "mono wrap").mark("own-id")
            copy_button(str(level.tenant))


async def _given(visit: Visit, query: Query, level: IsolationLevel) -> None:
    ended = query.get("ended") == "yes"
    kept = {"ended": "yes" if ended else None}
    page = await visit.moot.sharing.grants(ended=ended, limit=PAGE, cursor=query.get("cursor"))
    chosen = next((found for found in page.items if str(found.id) == query.get("grant")), None)

    def go(**changed: Any) -> None:
        visit.go(visit.url("/sharing", **{**kept, "cursor": query.get("cursor"), **changed}))

    with box("columns side" if chosen else "stack"):
        with panel(flush=True):
            with box("panel-tools"):
                ui.switch(
                    "Ended ones too", value=ended, on_change=lambda event: go(ended="yes" if event.value else None)
                ).props("dense")
            if page.items:
                rows = [given_row(found, level.level) for found in page.items]
                grid(GIVEN[:_BESIDE] if chosen else GIVEN, rows, chosen=lambda found: go(grant=found)).mark("grants")
                following = visit.url("/sharing", **kept, cursor=page.next) if page.next else None
                grid_foot(
                    counted(len(page.items), "grant"),
                    following,
                    visit.url("/sharing", **kept) if query.get("cursor") else None,
                )
            else:
                with empty("Nobody else reads anything here", "A grant names a tenant, a class, perhaps a tag."):
                    if level.level == "strict":
                        text("While this tenant is strict, grants rest.", "quiet")
        if chosen:
            grant_detail(visit, chosen, level.level)


async def _received(visit: Visit, query: Query) -> None:
    page = await visit.moot.sharing.received(limit=PAGE, cursor=query.get("cursor"))
    with panel(flush=True):
        if not page.items:
            empty("Nobody shares anything with this tenant", "Tell another tenant the id above; it makes the grant.")
            return
        grid(RECEIVED, [received_row(found) for found in page.items]).mark("received")
        following = visit.url("/sharing", tab="received", cursor=page.next) if page.next else None
        first = visit.url("/sharing", tab="received") if query.get("cursor") else None
        grid_foot(counted(len(page.items), "grant"), following, first)


SCREEN = Screen(
    "/sharing", "Sharing", build, icon="o_handshake", section="Governance", key="h",
    needs=("sharing.level", "sharing.grants"), words="grants level isolation strict shared federated",
)  # fmt: skip
