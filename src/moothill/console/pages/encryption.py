"""Encryption: whether this tenant's content is sealed, by which keys, how far that is, and changing it."""

from ..screens import Query, Screen
from ..visit import Visit
from ..widgets.encryption import FIELDS, KEYS, actions, field_row, job_line, key_row, state_shown
from ..widgets.fresh import keep_fresh
from ..widgets.grid import grid, grid_foot, set_rows
from ..widgets.guarded import guarded
from ..widgets.panels import empty, page_head, panel
from ..widgets.text import box, quiet
from ..widgets.words import counted

_JOBS = 3
_LOOKED_AT = 100


async def build(visit: Visit, query: Query) -> None:
    """State and actions, changes that run, data keys, fields."""
    found = await visit.moot.encryption.status()
    with page_head("Encryption", "Content is sealed by a data key of this tenant before it leaves the server process."):
        pass
    with box("columns even"):
        with panel("Now"), box("stack close"):
            now = box("stack close")
            with now:
                state_shown(found)
            actions(visit, found)
        with panel("Changes", "a job each"), box("stack close").mark("changes") as changes:
            await guarded(visit, lambda: _jobs(visit))
    with panel("Data keys", "newest first; none is ever shown", flush=True):
        if found.keys:
            keys = grid(KEYS, [key_row(key) for key in found.keys]).mark("data-keys")
            grid_foot(counted(len(found.keys), "key"), None, None)
        else:
            keys = None
            empty("There is no data key", "The first one is made when this tenant begins to encrypt.", "o_key")
    with panel("Fields", "how their values are stored; empty ones are left out", flush=True):
        fields = grid(FIELDS, [field_row(each, enabled=found.enabled) for each in found.fields]).mark("fields")

    async def renew() -> None:
        fresh = await visit.moot.encryption.status()
        if fresh.enabled != found.enabled or len(fresh.keys) != len(found.keys):
            # Other buttons and another table belong to it.
            visit.renew()
            return
        if keys is not None:
            set_rows(keys, KEYS, [key_row(key) for key in fresh.keys])
        set_rows(fields, FIELDS, [field_row(each, enabled=fresh.enabled) for each in fresh.fields])
        for place in (now, changes):
            place.clear()
        with now:
            state_shown(fresh)
        with changes:
            await guarded(visit, lambda: _jobs(visit))

    keep_fresh(visit, renew, "encryption.", "jobs.")


async def _jobs(visit: Visit) -> None:
    if not visit.may("jobs.list"):
        quiet("Seeing them needs the scope jobs:read.")
        return
    page = await visit.moot.jobs.list(limit=_LOOKED_AT)
    jobs = [job for job in page.items if job.operation.startswith("encryption.")][:_JOBS]
    for job in jobs:
        job_line(visit, job)
    if not jobs:
        quiet("Nothing was changed lately.")


SCREEN = Screen(
    "/encryption", "Encryption", build, icon="o_enhanced_encryption", section="Governance", key="n",
    needs=("encryption.status",), words="data key rotate seal kek cipher",
)  # fmt: skip
