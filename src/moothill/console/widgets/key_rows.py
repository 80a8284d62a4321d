"""Keys at a glance: their rows, one of them whole, and who holds which."""

from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from typing import Any

from ...tenancy.keys.models import ApiKey
from ..visit import Visit
from .dialogs import button
from .key_sheets import revoke, rotate
from .panels import panel
from .text import box, fact, state, tags, time_ago
from .words import acting, ago, now, number

__all__ = ["key_detail", "key_row", "member_rows", "status_of"]

EXPIRING = timedelta(days=7)


def status_of(key: ApiKey) -> str:
    """The word for a key's state."""
    if key.revoked_at is not None:
        return "revoked"
    if key.expires_at is None:
        return "live"
    left = key.expires_at - now()
    return "expired" if left <= timedelta(0) else "expiring" if left < EXPIRING else "live"


def key_row(key: ApiKey) -> dict[str, Any]:
    """A row for a table of keys."""
    return {
        "id": str(key.id),
        "name": key.name,
        "status": status_of(key),
        "hint": f"{key.hint}…",
        "actor": acting(key.actor_name, key.actor_kind),
        "scopes": ", ".join(key.scopes),
        "created": ago(key.created_at),
        "used": ago(key.last_used_at),
        "expires": ago(key.expires_at),
    }


def key_detail(visit: Visit, key: ApiKey) -> None:
    """One key whole, with what can be done about it."""
    with panel(key.name), box("stack close").mark("key-detail"):
        state(status_of(key))
        with box("facts"):
            fact("Begins with", f"{key.hint}…").classes("mono")
            fact("Acts as", acting(key.actor_name, key.actor_kind))
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


def member_rows(visit: Visit, keys: Sequence[ApiKey]) -> list[dict[str, Any]]:
    """Who holds keys: a row for each agent, and one for each operator's key."""
    held: dict[tuple[str, str], list[ApiKey]] = {}
    for key in keys:
        held.setdefault((key.actor_kind, str(key.actor_id)), []).append(key)
    rows = []
    for (kind, actor), theirs in held.items():
        live = [key for key in theirs if status_of(key) in ("live", "expiring")]
        used = max((key.last_used_at for key in theirs if key.last_used_at), default=None)
        rows.append(
            {
                "id": actor,
                "name": theirs[-1].actor_name,
                "name_address": visit.url(f"/agents/{actor}") if kind == "agent" else None,
                "kind": kind,
                "keys": number(len(live)),
                "scopes": sorted({scope for key in live for scope in key.scopes})[:8],
                "all_scopes": ", ".join(sorted({scope for key in live for scope in key.scopes})),
                "used": ago(used),
            }
        )
    return sorted(rows, key=lambda row: (row["kind"] != "operator", row["name"].lower()))
