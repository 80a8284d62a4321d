"""API keys: issue (the secret is shown once), rotate, revoke with its plan."""

from datetime import timedelta
from functools import partial
from typing import Any

from nicegui import ui

from ...tenancy.keys.models import ApiKey
from ..screens import Query, Screen
from ..visit import Visit
from ..widgets.dialogs import button
from ..widgets.grid import Column, grid, grid_foot
from ..widgets.key_sheets import issue, revoke, rotate
from ..widgets.panels import empty, page_head, panel
from ..widgets.text import box, fact, state, tags, time_ago
from ..widgets.words import ago, counted, now

EXPIRING = timedelta(days=7)

_COLUMNS = (
    Column("name", "For", share=2),
    Column("status", "Status", "state", 120),
    Column("hint", "Begins with", "mono", 140),
    Column("used", "Last used", "quiet", 110),
    Column("actor", "Acts as", share=2),
    Column("scopes", "May do", "quiet", share=3, tip="scopes"),
    Column("created", "Issued", "quiet", 110),
    Column("expires", "Expires", "quiet", 110),
)
# Beside a chosen key there is room for these.
_BESIDE = 4


def status_of(key: ApiKey) -> str:
    """The word for a key's state."""
    if key.revoked_at is not None:
        return "revoked"
    if key.expires_at is None:
        return "live"
    left = key.expires_at - now()
    return "expired" if left <= timedelta(0) else "expiring" if left < EXPIRING else "live"


async def build(visit: Visit, query: Query) -> None:
    """The keys of this tenant, and the chosen one beside them."""
    ended = query.get("ended") == "yes"
    page = await visit.moot.keys.list(ended=ended, limit=100, cursor=query.get("cursor"))
    chosen = next((key for key in page.items if str(key.id) == query.get("key")), None)
    with page_head("Keys", "Who may call, and what for. A secret is shown once and stored only as a digest."):
        ui.switch("Ended ones too", value=ended, on_change=lambda event: _go(visit, ended=event.value)).props("dense")
        if visit.may("keys.create"):
            button("Issue a key", "main", "o_add").on_click(partial(issue, visit)).mark("issue")
    with box("columns side" if chosen else "stack"):
        with panel(flush=True):
            if page.items:
                rows = [_row(key) for key in page.items]
                grid(
                    _COLUMNS[:_BESIDE] if chosen else _COLUMNS,
                    rows,
                    chosen=lambda key: _go(visit, ended=ended, key=key),
                ).mark("keys")
                following = visit.url("/keys", cursor=page.next, ended="yes" if ended else None) if page.next else None
                first = visit.url("/keys") if query.get("cursor") else None
                grid_foot(counted(len(page.items), "key"), following, first)
            else:
                empty("No keys here", "Issue one for each program or person, with the scopes it needs.", "o_key")
        if chosen:
            _detail(visit, chosen)


def _go(visit: Visit, *, ended: bool, key: str | None = None) -> None:
    visit.go(visit.url("/keys", ended="yes" if ended else None, key=key))


def _row(key: ApiKey) -> dict[str, Any]:
    return {
        "id": str(key.id),
        "name": key.name,
        "status": status_of(key),
        "hint": f"{key.hint}…",
        "actor": f"{key.actor_name} ({key.actor_kind})",
        "scopes": ", ".join(key.scopes),
        "created": ago(key.created_at),
        "used": ago(key.last_used_at),
        "expires": ago(key.expires_at),
    }


def _detail(visit: Visit, key: ApiKey) -> None:
    with panel(key.name), box("stack close").mark("key-detail"):
        state(status_of(key))
        with box("facts"):
            fact("Begins with", f"{key.hint}…").classes("mono")
            fact("Acts as", f"{key.actor_name} ({key.actor_kind})")
            for name, then in (
                ("Issued", key.created_at),
                ("Last used", key.last_used_at),
                ("Expires", key.expires_at),
                ("Revoked", key.revoked_at),
            ):
                with fact(name):
                    time_ago(then)
            if key.replaced_by:
                fact("Replaced by", key.replaced_by).classes("mono")
        tags(key.scopes)
        if status_of(key) in ("live", "expiring"):
            with box("row-line"):
                button("Rotate", icon="o_autorenew").on_click(partial(rotate, visit, key)).mark("rotate")
                button("Revoke", icon="o_block").on_click(partial(revoke, visit, key)).mark("revoke")


SCREEN = Screen("/keys", "Keys", build, icon="o_key", section="Platform", key="k", needs=("keys.list",))
