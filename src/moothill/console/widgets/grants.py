"""Grants at a glance: their rows in both directions, and one of them whole."""

from functools import partial
from typing import Any

from ...tenancy.sharing.models import Grant, GrantReceived
from ..visit import Visit
from .dialogs import button
from .grant_sheets import revoke
from .grid import Column
from .panels import panel
from .text import box, fact, link, state, text, time_ago
from .words import ago, now

__all__ = ["GIVEN", "RECEIVED", "given_row", "grant_detail", "received_row", "status_of"]

GIVEN = (
    Column("grantee", "To the tenant", "mono", share=3),
    Column("what", "May read", width=120),
    Column("limit", "As far as", "quiet", share=2),
    Column("status", "Status", "state", 118),
    Column("expires", "Until", "quiet", 110),
    Column("granted", "Granted", "quiet", 110),
    Column("reason", "Reason", "quiet", share=2, tip="reason"),
)
RECEIVED = (
    Column("owner", "From", share=2),
    Column("name", "Its name", "quiet", share=2),
    Column("what", "May be read", width=130),
    Column("limit", "As far as", "quiet", share=2),
    Column("granted", "Since", "quiet", 110),
    Column("expires", "Until", "quiet", 130),
)


def status_of(given: Grant, level: str) -> str:
    """The word for a grant's state: at a strict tenant all of them rest."""
    if given.revoked_at is not None:
        return "revoked"
    if given.expires_at is not None and given.expires_at <= now():
        return "expired"
    return "resting" if level == "strict" else "live"


def given_row(found: Grant, level: str) -> dict[str, Any]:
    """A row of `GIVEN`."""
    return {
        "id": str(found.id),
        "grantee": str(found.grantee),
        "what": found.data_class,
        "limit": f"tag {found.tag}" if found.tag else "the whole class",
        "status": status_of(found, level),
        "expires": ago(found.expires_at) if found.expires_at else "revoked",
        "granted": ago(found.granted_at),
        "reason": found.reason,
    }


def received_row(found: GrantReceived) -> dict[str, Any]:
    """A row of `RECEIVED`."""
    return {
        "id": str(found.id),
        "owner": found.owner_slug,
        "name": found.owner_name,
        "what": found.data_class,
        "limit": f"tag {found.tag}" if found.tag else "the whole class",
        "granted": ago(found.granted_at),
        "expires": ago(found.expires_at) if found.expires_at else "revoked",
    }


def grant_detail(visit: Visit, found: Grant, level: str) -> None:
    """One grant whole, with what can be done about it."""
    word = status_of(found, level)
    with panel(f"Grant of {found.data_class}"), box("stack close").mark("grant-detail"):
        state(word, note="This tenant is strict; the grant holds again when it opens." if word == "resting" else None)
        with box("facts"):
            fact("To", found.grantee).classes("mono")
            fact("As far as", f"agents tagged {found.tag}" if found.tag else "the whole class")
            fact("Reason", found.reason or "none was given")
            for name, then in (("Granted", found.granted_at), ("Until", found.expires_at), ("Ended", found.revoked_at)):
                if then is not None or name != "Ended":
                    with fact(name):
                        time_ago(then) if then else text("revoked by somebody")
        with box("row-line wrapping"):
            if visit.may("sharing.accesses"):
                link("Who came", visit.url("/accesses", accessor=found.grantee), "small")
            if visit.may("audit.list"):
                link("What became of it", visit.url("/audit", subject=found.id), "small")
        if word in ("live", "resting") and visit.may("sharing.revoke"):
            with box("row-line"):
                button("Revoke", icon="o_block").on_click(partial(revoke, visit, found)).mark("revoke-grant")
