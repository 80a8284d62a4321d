"""Members and keys: who holds a key, and each key: issue (its secret is shown once), rotate, revoke with its plan."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from nicegui import ui

from ...tenancy.keys.models import ApiKey
from ..screens import Query, Screen
from ..visit import Visit
from ..widgets.dialogs import button
from ..widgets.grid import Column, grid, grid_foot
from ..widgets.key_rows import key_detail, key_row, member_rows, status_of
from ..widgets.key_sheets import issue
from ..widgets.panels import empty, page_head, panel, tabs
from ..widgets.text import box, state
from ..widgets.words import counted

PAGE = 100
# A list of members looks through so many pages of keys.
MOST_PAGES = 10
_COLUMNS = (
    Column("name", "For", share=2),
    Column("status", "Status", "state", 120),
    Column("actor", "Acts as", share=2),
    Column("used", "Last used", "quiet", 110),
    Column("scopes", "May do", "quiet", share=3, tip="scopes"),
    Column("hint", "Begins with", "mono", 140),
    Column("created", "Issued", "quiet", 110),
    Column("expires", "Expires", "quiet", 110),
)
_MEMBERS = (
    Column("name", "Member", "link", share=3),
    Column("kind", "Kind", "quiet", 110),
    Column("keys", "Live keys", "number", 100),
    Column("scopes", "May do", "tags", share=4, tip="all_scopes"),
    Column("used", "Last used", "quiet", 120),
)
# Beside a chosen key there is room for these.
_BESIDE = 4


async def build(visit: Visit, query: Query) -> None:
    """The keys of this tenant and the chosen one beside them, or who holds them."""
    tab, ended = query.one_of("tab", "keys", "members"), query.get("ended") == "yes"
    lead = "Who may call, and what for. A secret is shown once and stored only as a digest."
    with page_head("Members and keys", lead):
        if visit.may("keys.create"):
            button("Issue a key", "main", "o_add").on_click(partial(issue, visit)).mark("issue")
    tabs(visit, "/keys", tab, [("keys", "Keys", None), ("members", "Members", None)])
    if tab == "members":
        await _members(visit)
        return
    page = await visit.moot.keys.list(ended=ended, limit=PAGE, cursor=query.get("cursor"))
    chosen = next((key for key in page.items if str(key.id) == query.get("key")), None)
    here = {"ended": "yes" if ended else None}

    def go(**changed: Any) -> None:
        visit.go(visit.url("/keys", **{**here, "cursor": query.get("cursor"), **changed}))

    with box("columns side" if chosen else "stack"):
        with panel(flush=True):
            _tools(page.items, ended, go)
            if page.items:
                grid(
                    _COLUMNS[:_BESIDE] if chosen else _COLUMNS,
                    [key_row(key) for key in page.items],
                    chosen=lambda key: go(key=key),
                    picked=str(chosen.id) if chosen else None,
                ).mark("keys")
                following = visit.url("/keys", **here, cursor=page.next) if page.next else None
                first = visit.url("/keys", **here) if query.get("cursor") else None
                grid_foot(counted(len(page.items), "key"), following, first)
            else:
                empty("No keys here", "Issue one for each program or person, with the scopes it needs.", "o_key")
        if chosen:
            key_detail(visit, chosen)


def _tools(keys: Sequence[ApiKey], ended: bool, go: Any) -> None:
    with box("panel-tools"):
        for word in ("live", "expiring", "expired", "revoked"):
            size = sum(status_of(key) == word for key in keys)
            if size:
                state(f"{size} {word}", "good" if word == "live" else "warn" if word == "expiring" else "off")
        box("grow")
        switch = ui.switch("Ended ones too", value=ended).props("dense").mark("ended")
        switch.on_value_change(lambda event: go(ended="yes" if event.value else None, cursor=None))


async def _members(visit: Visit) -> None:
    keys: list[ApiKey] = []
    cursor: str | None = None
    for _ in range(MOST_PAGES):
        page = await visit.moot.keys.list(limit=PAGE, cursor=cursor)
        keys += page.items
        cursor = page.next
        if cursor is None:
            break
    rows = member_rows(visit, keys)
    with panel(flush=True):
        if not rows:
            empty("Nobody has a key", "Issue one for each program or person, with the scopes it needs.", "o_group")
            return
        grid(_MEMBERS, rows).mark("members")
        grid_foot(counted(len(rows), "member") + (" among the first keys" if cursor else ""), None, None)


SCREEN = Screen(
    "/keys", "Members and keys", build, icon="o_key", section="Platform", key="k", needs=("keys.list",),
    words="api secret scopes",
)  # fmt: skip
