"""API keys: issue (the secret is shown once), rotate, revoke with its plan."""

from datetime import timedelta
from functools import partial
from typing import Any

from nicegui import ui

from ...kernel.service import REGISTRY
from ...tenancy.keys.models import ApiKey, IssuedKey
from ..act import Act, act
from ..screens import Query, Screen
from ..visit import Visit
from ..widgets.dialogs import button, copy_button, sheet
from ..widgets.fields import choice, line, several
from ..widgets.grid import Column, grid, grid_foot
from ..widgets.panels import empty, page_head, panel
from ..widgets.text import box, fact, quiet, state, tags, text, time_ago
from ..widgets.words import ago, counted, now

LIFETIMES = {"": "never", "1": "in a day", "30": "in 30 days", "90": "in 90 days", "365": "in a year"}
GRACES = {"0": "at once", "1": "in an hour", "24": "in a day", "168": "in a week"}
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
    ui.navigate.to(visit.url("/keys", ended="yes" if ended else None, key=key))


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


async def issue(visit: Visit) -> None:
    """Ask what the key is for, issue it, show its secret once."""
    with visit.client:
        with sheet("Issue a key", "Give it no more than its holder needs.") as (dialog, body, foot):
            with body:
                name = line("What it is for", focus=True).mark("key-name")
                held = {operation.scope for operation in REGISTRY.values()}
                known = sorted(scope for scope in held if visit.principal.may(scope))
                wide = ["*"] if visit.principal.may("any:thing") else []
                scopes = several("What it may do", wide + known).mark("key-scopes")
                agent = line("For an agent", note="Its key or id; empty: for an operator.")
                lifetime = choice("Expires", LIFETIMES, "90")
            with foot:
                button("Cancel").on_click(dialog.close)
                button("Go on", "main").on_click(lambda: dialog.submit(True)).mark("go-on")
        if not await dialog:
            dialog.delete()
            return
        dialog.delete()
        facts = {"For": name.value, "May do": ", ".join(scopes.value or [])}
        issued = await act(
            visit,
            Act("Issue a key", "Issue it", "A new key works from now on.", facts=facts),
            visit.moot.keys.create,
            name=name.value,
            scopes=scopes.value or [],
            agent=agent.value or None,
            expires_in=timedelta(days=int(lifetime.value)) if lifetime.value else None,
        )
        if issued is not None:
            await show_secret(issued)
            _go(visit, ended=False)


async def rotate(visit: Visit, key: ApiKey) -> None:
    """Issue a successor and show its secret once; the old key ends after a grace time."""
    with visit.client:
        with sheet(f"Rotate {key.name}", "A successor with the same scopes is issued.") as (dialog, body, foot):
            with body:
                grace = choice("The old key ends", GRACES, "1")
            with foot:
                button("Cancel").on_click(dialog.close)
                button("Go on", "main").on_click(lambda: dialog.submit(True)).mark("go-on")
        going = await dialog
        dialog.delete()
        if not going:
            return
        ask = Act(f"Rotate {key.name}", "Rotate it", f"The old key ends {GRACES[grace.value]}.", rows=2)
        wait = timedelta(hours=int(grace.value))
        issued = await act(visit, ask, visit.moot.keys.rotate, key=key.id, grace=wait)
        if issued is not None:
            await show_secret(issued)
            _go(visit, ended=False)


async def revoke(visit: Visit, key: ApiKey) -> None:
    """Revoke a key, after its plan."""
    facts = {"Begins with": f"{key.hint}…"}
    ask = Act(f"Revoke {key.name}", "Revoke it", facts=facts, done="The key is refused from now on.")
    if await act(visit, ask, visit.moot.keys.revoke, key=key.id) is not None:
        _go(visit, ended=True, key=str(key.id))


async def show_secret(issued: IssuedKey) -> None:
    """Show a secret once, until the person has taken it."""
    with sheet("Take the key now", "It cannot be shown again.") as (dialog, body, foot):
        with body:
            quiet(f"For {issued.key.name}")
            with box("row-line wide"):
                text(issued.secret, "json wrapped code grow", "pre").mark("secret")
                copy_button(issued.secret)
        with foot:
            button("I have it", "main").on_click(dialog.close).mark("have-it")
    dialog.props("persistent")
    await dialog
    dialog.delete()


SCREEN = Screen("/keys", "Keys", build, icon="o_key", section="Platform", key="k", needs=("keys.list",))
