"""Dialogs about keys: issue one, rotate it, revoke it; a secret is shown once."""

from datetime import timedelta

from ...kernel.service import REGISTRY
from ...tenancy.keys.models import ApiKey, IssuedKey
from ..act import Act, act
from ..visit import Visit
from .dialogs import answered, button, copy_button, sheet
from .fields import choice, line, several
from .text import box, quiet, text

__all__ = ["issue", "revoke", "rotate", "show_secret"]

LIFETIMES = {"": "never", "1": "in a day", "30": "in 30 days", "90": "in 90 days", "365": "in a year"}
GRACES = {"0": "at once", "1": "in an hour", "24": "in a day", "168": "in a week"}


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
        if not await answered(dialog):
            return
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
            visit.go(visit.url("/keys"))


async def rotate(visit: Visit, key: ApiKey) -> None:
    """Issue a successor and show its secret once; the old key ends after a grace time."""
    with visit.client:
        with sheet(f"Rotate {key.name}", "A successor with the same scopes is issued.") as (dialog, body, foot):
            with body:
                grace = choice("The old key ends", GRACES, "1")
            with foot:
                button("Cancel").on_click(dialog.close)
                button("Go on", "main").on_click(lambda: dialog.submit(True)).mark("go-on")
        if not await answered(dialog):
            return
        ask = Act(f"Rotate {key.name}", "Rotate it", f"The old key ends {GRACES[grace.value]}.", rows=2)
        wait = timedelta(hours=int(grace.value))
        issued = await act(visit, ask, visit.moot.keys.rotate, key=key.id, grace=wait)
        if issued is not None:
            await show_secret(issued)
            visit.go(visit.url("/keys"))


async def revoke(visit: Visit, key: ApiKey) -> None:
    """Revoke a key, after its plan."""
    facts = {"Begins with": f"{key.hint}…"}
    ask = Act(f"Revoke {key.name}", "Revoke it", facts=facts, done="The key is refused from now on.")
    if await act(visit, ask, visit.moot.keys.revoke, key=key.id) is not None:
        visit.go(visit.url("/keys", ended="yes", key=key.id))


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
    await answered(dialog)
