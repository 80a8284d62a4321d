"""Tenants: one at a glance, and the dialogs that make, suspend and resume them."""

import logging
from collections.abc import Sequence
from functools import partial
from urllib.parse import quote

from ...kernel.errors import MoothillError, Unauthenticated
from ...tenancy.tenants.models import Tenant
from ..act import Act, act
from ..visit import Visit
from .dialogs import answered, button, sheet
from .fields import line
from .text import box, fact, quiet, state, text, time_ago
from .words import number

__all__ = ["create", "sizes_of", "tenant_actions", "tenant_facts"]

_log = logging.getLogger("moothill.console")


async def sizes_of(visit: Visit, tenants: Sequence[Tenant]) -> dict[str, dict[str, str]]:
    """How large tenants are, by slug; each tells it itself, and writes down who asked. One that refuses is left out."""
    found: dict[str, dict[str, str]] = {}
    for tenant in tenants:
        there = visit.moot if tenant.slug == visit.tenant else visit.within(tenant.slug)
        try:
            size = await there.sharing.statistics()
        except Unauthenticated:
            raise
        except MoothillError as error:
            _log.info("tenant_not_sized", extra={"tenant": tenant.slug, "code": error.code})
            continue
        found[tenant.slug] = {
            "agents": number(size.agents),
            "capabilities": number(size.capabilities),
            "events": number(size.events),
        }
    return found


def tenant_facts(tenant: Tenant) -> None:
    """What there is to know about a tenant without entering it."""
    state(tenant.status, note=tenant.status_reason)
    if tenant.status_reason:
        text(tenant.status_reason, "note wrap", "div")
    with box("facts"):
        fact("Slug", tenant.slug).classes("mono")
        fact("Project", tenant.project)
        with fact("Level"):
            state(tenant.isolation_level)
        fact("Id", tenant.id).classes("mono")
        fact("Version", tenant.version)
        for name, then in (("Made", tenant.created_at), ("Changed", tenant.updated_at)):
            with fact(name):
                time_ago(then)


def tenant_actions(visit: Visit, tenant: Tenant) -> None:
    """What can be done about it."""
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
        going = await answered(dialog)
    if going:
        ask = Act(f"Make tenant {slug.value}", "Make it", "A tenant is made.", done=f"Tenant {slug.value} is there.")
        made = await act(visit, ask, visit.moot.tenants.create, slug=slug.value, name=name.value, project=project.value)
        if made is not None:
            visit.go(visit.url(f"/tenants/{made.slug}"))


async def suspend(visit: Visit, tenant: Tenant) -> None:
    """Suspend a tenant, after its plan."""
    ask = Act(f"Suspend {tenant.slug}", "Suspend it", done=f"The keys of {tenant.slug} are refused from now on.")
    if await act(visit, ask, visit.moot.tenants.suspend, tenant=str(tenant.id)) is not None:
        visit.go(visit.url(f"/tenants/{tenant.slug}"))


async def resume(visit: Visit, tenant: Tenant) -> None:
    """Resume a tenant."""
    ask = Act(f"Resume {tenant.slug}", "Resume it", "Its keys work again.", done=f"{tenant.slug} is back.")
    if await act(visit, ask, visit.moot.tenants.resume, tenant=str(tenant.id)) is not None:
        visit.go(visit.url(f"/tenants/{tenant.slug}"))
