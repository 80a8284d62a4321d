"""Tenants, for those who run the platform: make, suspend with its plan, resume, enter."""

from functools import partial
from typing import Any, get_args

from ...tenancy.tenants.models import Tenant, TenantStatus
from ..screens import Query, Screen
from ..visit import Visit
from ..widgets.dialogs import button
from ..widgets.fields import choice
from ..widgets.grid import Column, grid, grid_foot
from ..widgets.panels import empty, page_head, panel
from ..widgets.tenants import create, sizes_of, tenant_actions, tenant_facts
from ..widgets.text import box
from ..widgets.words import ago, counted

STATUSES = {"": "Any status", "active": "Active", "suspended": "Suspended"}

_COLUMNS = (
    Column("slug", "Tenant", "link", share=2),
    Column("name", "Name", share=3),
    Column("status", "Status", "state", 130),
    Column("level", "Level", "state", 120),
    Column("project", "Project", "quiet", share=2),
    Column("reason", "Reason", "quiet", share=2, tip="reason"),
    Column("created", "Made", "quiet", 120),
    Column("updated", "Changed", "quiet", 120),
)
# Between the level and the project, where they were asked for.
_SIZES = (
    Column("agents", "Agents", "number", 90),
    Column("capabilities", "Capabilities", "number", 110),
    Column("events", "Log", "number", 90),
)
# Each is asked for by itself, inside of its tenant.
MOST_SIZED = 20
# Beside a chosen tenant there is room for these.
_BESIDE = 4


async def build(visit: Visit, query: Query) -> None:
    """All tenants, and the chosen one beside them."""
    wanted: TenantStatus | None = next((word for word in get_args(TenantStatus) if word == query.get("status")), None)
    status = wanted or ""
    sized = query.get("sizes") == "yes" and visit.may("sharing.statistics")
    page = await visit.moot.tenants.list(
        status=wanted,
        limit=MOST_SIZED if sized else 100,
        cursor=query.get("cursor"),
    )
    chosen = next((tenant for tenant in page.items if str(tenant.id) == query.get("tenant")), None)
    here = {"status": status, "cursor": query.get("cursor"), "sizes": "yes" if sized else None}
    sizes = await sizes_of(visit, page.items) if sized else {}
    columns = (*_COLUMNS[:_BESIDE], *_SIZES, *_COLUMNS[_BESIDE:]) if sized else _COLUMNS
    with page_head("Tenants", "Each is a society apart from all others."):
        choice("", STATUSES, status, lambda value: visit.go(visit.url("/tenants", status=value)))
        if not sized and visit.may("sharing.statistics"):
            button("Show sizes", icon="o_straighten").on_click(partial(_size, visit, status)).mark("show-sizes")
        button("New tenant", "main", "o_add").on_click(partial(create, visit)).mark("create")
    with box("columns side" if chosen else "stack"):
        with panel(flush=True):
            if page.items:
                grid(
                    columns[:_BESIDE] if chosen else columns,
                    [_row(visit, tenant) | sizes.get(tenant.slug, {}) for tenant in page.items],
                    chosen=lambda tenant: visit.go(visit.url("/tenants", **here, tenant=tenant)),
                    picked=str(chosen.id) if chosen else None,
                ).mark("tenants")
                kept = {"status": status, "sizes": here["sizes"]}
                following = visit.url("/tenants", **kept, cursor=page.next) if page.next else None
                first = visit.url("/tenants", **kept) if query.get("cursor") else None
                logged = "; what was counted in another tenant is in its access log" if sized else ""
                grid_foot(counted(len(page.items), "tenant") + logged, following, first)
            else:
                empty("No tenant is in this status", "Choose another status, or make a tenant.")
        if chosen:
            with panel(chosen.name), box("stack close").mark("tenant-detail"):
                tenant_facts(chosen)
                with box("row-line wrapping"):
                    button("Open", "main").on_click(lambda: visit.go(visit.url(f"/tenants/{chosen.slug}"))).mark("open")
                    tenant_actions(visit, chosen)


def _size(visit: Visit, status: str) -> None:
    visit.go(visit.url("/tenants", status=status, sizes="yes"))


def _row(visit: Visit, tenant: Tenant) -> dict[str, Any]:
    return {
        "id": str(tenant.id),
        "slug": tenant.slug,
        "slug_address": visit.url(f"/tenants/{tenant.slug}"),
        "name": tenant.name,
        "level": tenant.isolation_level,
        "project": tenant.project,
        "status": tenant.status,
        "reason": tenant.status_reason,
        "created": ago(tenant.created_at),
        "updated": ago(tenant.updated_at),
    }


SCREEN = Screen(
    "/tenants", "Tenants", build, icon="o_corporate_fare", section="Platform", key="t", needs=("tenants.list",),
    words="societies level suspend",
)  # fmt: skip
