"""Dialogs about grants: make one, end one."""

from datetime import timedelta
from typing import Any, cast, get_args

from ...tenancy.sharing.models import DataClass, Grant
from ..act import Act, act
from ..visit import Visit
from .dialogs import answered, button, sheet
from .fields import choice, line
from .text import quiet

__all__ = ["CLASSES", "grant", "revoke"]

CLASSES: dict[str, str] = {
    "agents": "Agents: the directory, and search in it",
    "capabilities": "Capabilities: what the agents can do",
}
assert set(CLASSES) == set(get_args(DataClass))
LENGTHS = {"": "until revoked", "1": "for a day", "30": "for 30 days", "90": "for 90 days", "365": "for a year"}


async def grant(visit: Visit) -> None:
    """Ask who may read what, and until when; then make the grant."""
    with visit.client:
        with sheet("Let another tenant read", "It sees what this grant names, and nothing else.") as (
            dialog,
            body,
            foot,
        ):
            with body:
                tenant = line("Id of the other tenant", note="Its own Sharing screen shows it.", most=36, focus=True)
                tenant.mark("grantee")
                what = choice("What it may read", CLASSES, "agents").mark("data-class")
                tag = line("Only agents with the tag", note="Empty: the whole class.", most=100).mark("grant-tag")
                length = choice("It holds", LENGTHS, "30").mark("grant-length")
                quiet("Names are not asked for: whoever may grant could try out which tenants exist.", "small")
            with foot:
                button("Cancel").on_click(lambda: dialog.submit(None))
                button("Go on", "main").on_click(lambda: dialog.submit(True)).mark("go-on")
        going = await answered(dialog)
    if not going:
        return
    limit = f"agents tagged {tag.value}" if tag.value else "the whole class"
    facts = {"To": tenant.value, "What": what.value, "As far as": limit, "It holds": LENGTHS[length.value]}
    ask = Act("Make a grant", "Grant it", "The other tenant reads it from the commit on.", facts=facts, done="Granted.")
    made = await act(
        visit,
        ask,
        visit.moot.sharing.grant,
        # Judged by the operation's own rules.
        tenant=cast(Any, tenant.value.strip()),
        data_class=what.value,
        tag=tag.value or None,
        expires_in=timedelta(days=int(length.value)) if length.value else None,
    )
    if made is not None:
        visit.go(visit.url("/sharing", grant=made.id))


async def revoke(visit: Visit, found: Grant) -> None:
    """End a grant, after its plan."""
    facts = {"To": str(found.grantee), "As far as": found.tag or "the whole class"}
    ask = Act("Revoke a grant", "Revoke it", facts=facts, done="The other tenant reads nothing by it any more.")
    if await act(visit, ask, visit.moot.sharing.revoke, grant=found.id) is not None:
        visit.go(visit.url("/sharing", ended="yes", grant=found.id))
