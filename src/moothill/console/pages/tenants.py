"""Tenants, for those who run the platform: make, suspend with its plan, resume, enter."""

from functools import partial
from typing import Any, get_args
from urllib.parse import quote

from ...tenancy.tenants.models import Tenant, TenantStatus
from ..act import Act, act
from ..screens import Query, Screen
from ..visit import Visit
from ..widgets.dialogs import button, sheet
from ..widgets.fields import choice, line
from ..widgets.grid import Column, grid, grid_foot
from ..widgets.panels import empty, page_head, panel
from ..widgets.text import box, fact, quiet, state, time_ago
from ..widgets.words import ago, counted

STATUSES = {"": "Any status", "active": "Active", "suspended": "Suspended"}

_COLUMNS = (
    Column("slug", "Slug", share=2),
    Column("name", "Name", share=3),
    Column("status", "Status", "state", 130),
    Column("project", "Project", "quiet", share=2),
    Column("reason", "Reason", "quiet", share=2, tip="reason"),
    Column("created", "Made", "quiet", 120),
    Column("updated", "Changed", "quiet", 120),
)
# Beside a chosen tenant there is room for these.
_BESIDE = 4


async def build(visit: Visit, query: Query) -> None:
    """All tenants, and the chosen one beside them."""
    wanted: TenantStatus | None = next((word for word in get_args(TenantStatus) if word == query.get("status")), None)
    status = wanted or ""
    page = await visit.moot.tenants.list(
        status=wanted,
        limit=100,
        cursor=query.get("cursor"),
    )
    chosen = next((tenant for tenant in page.items if str(tenant.id) == query.get("tenant")), None)
    with page_head("Tenants", "Each is a society apart from all others."):
        choice("", STATUSES, status, lambda value: visit.go(visit.url("/tenants", status=value)))
        button("New tenant", "main", "o_add").on_click(partial(create, visit)).mark("create")
    with box("columns side" if chosen else "stack"):
        with panel(flush=True):
            if page.items:
                grid(
                    _COLUMNS[:_BESIDE] if chosen else _COLUMNS,
                    [_row(tenant) for tenant in page.items],
                    chosen=lambda tenant: visit.go(visit.url("/tenants", status=status, tenant=tenant)),
                ).mark("tenants")
                following = visit.url("/tenants", status=status, cursor=page.next) if page.next else None
                first = visit.url("/tenants", status=status) if query.get("cursor") else None
                grid_foot(counted(len(page.items), "tenant"), following, first)
            else:
                empty("No tenant is in this status", "Choose another status, or make a tenant.")
        if chosen:
            _detail(visit, chosen)


def _row(tenant: Tenant) -> dict[str, Any]:
    return {
        "id": str(tenant.id),
        "slug": tenant.slug,
        "name": tenant.name,
        "project": tenant.project,
        "status": tenant.status,
        "reason": tenant.status_reason,
        "created": ago(tenant.created_at),
        "updated": ago(tenant.updated_at),
    }


def _detail(visit: Visit, tenant: Tenant) -> None:
    with panel(tenant.name), box("stack close").mark("tenant-detail"):
        state(tenant.status, note=tenant.status_reason)
        with box("facts"):
            fact("Slug", tenant.slug).classes("mono")
            fact("Project", tenant.project)
            fact("Id", tenant.id).classes("mono")
            for name, then in (("Made", tenant.created_at), ("Changed", tenant.updated_at)):
                with fact(name):
                    time_ago(then)
        with box("row-line"):
            place = f"/t/{quote(tenant.slug, safe='')}/"
            button("Enter", icon="o_login").on_click(lambda: visit.client.open(place)).mark("enter")
            if tenant.status == "active":
                button("Suspend", icon="o_pause_circle").on_click(partial(suspend, visit, tenant)).mark("suspend")
            else:
                button("Resume", icon="o_play_circle").on_click(partial(resume, visit, tenant)).mark("resume")


async def create(visit: Visit) -> None:
    """Ask for slug and name, and make the tenant."""
    with visit.client:
        with sheet("New tenant", "A society of its own: agents, keys, and everything it will do.") as parts:
            dialog, body, foot = parts
            with body:
                slug = line("Slug", note="Lower-case letters, digits and hyphens.", most=63, focus=True).mark("slug")
                name = line("Name").mark("name")
                project = line("Project", "default-project")
                quiet("Keys for it are issued after entering it.", "small")
            with foot:
                button("Cancel").on_click(dialog.close)
                button("Go on", "main").on_click(lambda: dialog.submit(True)).mark("go-on")
        going = await dialog
        dialog.delete()
    if going:
        ask = Act(f"Make tenant {slug.value}", "Make it", "A tenant is made.", done=f"Tenant {slug.value} is there.")
        made = await act(visit, ask, visit.moot.tenants.create, slug=slug.value, name=name.value, project=project.value)
        if made is not None:
            visit.go(visit.url("/tenants", tenant=made.id))


async def suspend(visit: Visit, tenant: Tenant) -> None:
    """Suspend a tenant, after its plan."""
    ask = Act(f"Suspend {tenant.slug}", "Suspend it", done=f"The keys of {tenant.slug} are refused from now on.")
    if await act(visit, ask, visit.moot.tenants.suspend, tenant=str(tenant.id)) is not None:
        visit.go(visit.url("/tenants", tenant=tenant.id, status="suspended"))


async def resume(visit: Visit, tenant: Tenant) -> None:
    """Resume a tenant."""
    ask = Act(f"Resume {tenant.slug}", "Resume it", "Its keys work again.", done=f"{tenant.slug} is back.")
    if await act(visit, ask, visit.moot.tenants.resume, tenant=str(tenant.id)) is not None:
        visit.go(visit.url("/tenants", tenant=tenant.id, status="active"))


SCREEN = Screen(
    "/tenants", "Tenants", build, icon="o_corporate_fare", section="Platform", key="t", needs=("tenants.list",)
)
