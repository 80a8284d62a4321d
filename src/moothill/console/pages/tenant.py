"""One tenant as the platform sees it: how it stands, how far it opens itself, how large it is, who may enter."""

from ...moot import Moot
from ...tenancy.keys.models import ApiKey
from ..screens import Query, Screen
from ..visit import Visit
from ..widgets.grid import Column, grid, grid_foot
from ..widgets.guarded import guarded
from ..widgets.key_rows import key_row
from ..widgets.levels import level_cards
from ..widgets.panels import empty, page_head, panel, tile
from ..widgets.tenants import tenant_actions, tenant_facts
from ..widgets.text import box, quiet
from ..widgets.words import ago, count, counted

MOST_KEYS = 25
_KEYS = (
    Column("name", "For", share=3),
    Column("status", "Status", "state", 110),
    Column("scopes", "May do", "quiet", share=2, tip="scopes"),
    Column("used", "Last used", "quiet", 104),
    Column("expires", "Expires", "quiet", 104),
)


async def build(visit: Visit, query: Query) -> None:
    """The tenant of the address."""
    tenant = await visit.moot.tenants.get(tenant=query["tenant"])
    with page_head(tenant.name, f"Tenant {tenant.slug}", crumb=("Tenants", visit.url("/tenants"))):
        tenant_actions(visit, tenant)
    there = visit.moot if tenant.slug == visit.tenant else visit.within(tenant.slug)
    if tenant.status == "active" and visit.may("sharing.statistics"):
        await guarded(visit, lambda: _size(there))
    with box("columns side"):
        with box("stack"):
            with panel("How far it opens itself"):
                level_cards(visit, there, tenant.isolation_level, tenant=tenant.slug)
            if tenant.status == "active" and visit.may("keys.list"):
                with panel("Who may enter", flush=True):
                    await guarded(visit, lambda: _keys(there))
        with panel("What it is"), box("stack close").mark("tenant-detail"):
            tenant_facts(tenant)
            if tenant.slug != visit.tenant:
                quiet(_LOGGED, "small")


_LOGGED = "Its counts and keys are its own, so looking at this page is in its access log."


async def _size(there: Moot) -> None:
    found = await there.sharing.statistics()
    with box("tiles").mark("sizes"):
        tile(count(found.agents), "agents", None)
        tile(count(found.capabilities), "capabilities", None)
        tile(count(found.events), "entries of its log", None)
        tile(ago(found.last_event_at), "last entry", None)


async def _keys(there: Moot) -> None:
    page = await there.keys.list(limit=MOST_KEYS)
    found: list[ApiKey] = list(page.items)
    if not found:
        empty("Nobody has a key", "Enter the tenant and issue one.", "o_key")
        return
    grid(_KEYS, [key_row(key) for key in found]).mark("tenant-keys")
    grid_foot(counted(len(found), "key") + (" and more" if page.next else ""), None, None)


SCREEN = Screen("/tenants/{tenant}", "Tenant", build, needs=("tenants.get",))
