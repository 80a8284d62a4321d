"""Attacks that go round the tables' grants: views, owners, other roles, cached plans, new objects."""

from tests.integration.isolation.catalog import SERVING
from tests.integration.isolation.intruder import REFUSED, Ground

__all__ = ["cached_plans", "new_objects", "newborn_tables", "owners", "roles", "tenantless_tables", "views"]

READABLE = {"incarnations", "embedding_models", "retention_classes", "schema_migrations"}


async def views(ground: Ground) -> list[str]:
    """A view shows what its reader may see, not what its owner may."""
    found: list[str] = []
    for view in ground.catalog.views:
        if view.tenant is None:
            found.append(f"{view.name}: shows no tenant_id, so nobody can tell whose rows it shows")
            continue
        by_tenant = f"select {view.tenant}, count(*) from moothill.{view.name} group by 1"
        for role in SERVING:
            for tenant in (ground.ours, ground.theirs, None):
                outcome = await ground.attempt(by_tenant, role=role, tenant=tenant)
                seen = dict(outcome.rows)
                wanted = {tenant.id} if tenant else set()
                if view.allows(role, "select") and (outcome.state is not None or set(seen) != wanted):
                    found.append(f"{view.name}: {role} in {tenant.marker if tenant else 'no tenant'} sees {outcome}")
                if not view.allows(role, "select") and outcome.state != REFUSED:
                    found.append(f"{view.name}: {role} may read it after all")
        told = await ground.secrets(*ground.others)
        outcome = await ground.attempt(f"select * from moothill.{view.name}", tenant=ground.ours)
        found += [f"{view.name}: shows {word}" for word in told if word in outcome.text]
    return found


async def owners(ground: Ground) -> list[str]:
    """FORCE binds the owner too: no policy is for it, so it sees nothing of anybody."""
    found: list[str] = []
    for relation in (*ground.catalog.tables, *ground.catalog.partitions):
        granted = [role for role in SERVING if any(relation.allows(role, verb) for verb in ("select", "insert"))]
        if not relation.is_secured and not granted and not relation.is_partition:
            continue  # a control table: closed to everybody, which `selects` sees to
        for tenant in (ground.ours, None):
            counted = f"select count(*) from moothill.{relation.name}"
            outcome = await ground.attempt(counted, role=relation.owner, tenant=tenant)
            if outcome.state is not None or outcome.rows[0][0] != 0:
                found.append(f"{relation.name}: its owner {relation.owner} sees {outcome}")
    return found


async def roles(ground: Ground) -> list[str]:
    """No serving role can become one that sees more."""
    cursor = await ground.admin.execute(
        "select s.rolname::text, r.rolname::text from pg_roles s join pg_roles r "
        "on pg_has_role(s.oid, r.oid, 'member') and r.oid <> s.oid where s.rolname = any(%s)",
        [list(SERVING)],
    )
    found: list[str] = []
    for serving, other in await cursor.fetchall():
        for table in ground.catalog.tables:
            outcome = await ground.attempt(
                f"select 1 from moothill.{table.name} where {table.tenant} <> %s",
                [ground.ours.id],
                role=other,
                tenant=ground.ours,
            )
            if outcome.state != REFUSED:
                found.append(f"{table.name}: {serving} may become {other}, who reads it: {outcome}")
        found.append(f"{serving} may become {other}")
    return found


async def cached_plans(ground: Ground) -> list[str]:
    """A plan made for one tenant and kept serves the next one its own rows (A39; psycopg keeps plans by itself)."""
    readable = [
        r for r in (*ground.catalog.tables, *ground.catalog.views) if r.tenant and r.allows(SERVING[0], "select")
    ]
    counting = " union all ".join(
        f"select '{each.name}', {each.tenant}, count(*) from moothill.{each.name} group by 2" for each in readable
    )
    found: list[str] = []
    async with ground.rolled_back():
        await ground.admin.execute("set local plan_cache_mode = force_generic_plan")
        await ground.enter(SERVING[0], ground.ours)
        await ground.admin.execute(f"prepare everything as {counting}")
        try:
            for tenant in (ground.ours, ground.theirs, ground.twin, ground.ours, ground.theirs) * 2:
                await ground.enter(SERVING[0], tenant)
                rows = await (await ground.admin.execute("execute everything")).fetchall()
                strangers = {name for name, owner, _ in rows if owner != tenant.id}
                found += [f"{name}: a kept plan shows others' rows in {tenant.marker}" for name in strangers]
                missing = {each.name for each in readable} - {name for name, *_ in rows}
                found += [f"{name}: a kept plan shows nothing in {tenant.marker}" for name in missing]
        finally:
            await ground.admin.execute("deallocate everything")
    return found


async def new_objects(ground: Ground) -> list[str]:
    """Who can make objects can shadow ours, or own what row security does not bind."""
    attempts = (
        "create temporary table agents (id uuid)",
        "create temporary view agents as select 1",
        "create table moothill.shadow (id uuid)",
        "create table public.shadow (id uuid)",
        "create function mt.shadow() returns int language sql as 'select 1'",
        "create schema shadow",
        "create materialized view public.shadow as select 1",
    )
    found: list[str] = []
    for role in SERVING:
        for statement in attempts:
            outcome = await ground.attempt(statement, role=role, tenant=ground.ours)
            if outcome.state != REFUSED:
                found.append(f"{role} may {statement}: {outcome}")
    return found


async def newborn_tables(ground: Ground) -> list[str]:
    """What the owner makes next belongs to nobody else until it is granted."""
    found: list[str] = []
    async with ground.rolled_back():
        await ground.admin.execute("set local role moothill_owner")
        await ground.admin.execute("create table moothill.newborn (tenant_id uuid, number int)")
        await ground.admin.execute("create function moothill.newborn() returns int language sql return 1")
        await ground.admin.execute("reset role")
        for role in SERVING:
            for statement in ("select * from moothill.newborn", "select moothill.newborn()"):
                outcome = await ground.attempt(statement, role=role, tenant=ground.ours)
                if outcome.state != REFUSED:
                    found.append(f"{role} may {statement}, which nobody granted")
    return found


async def tenantless_tables(ground: Ground) -> list[str]:
    """Tables in which nobody owns a row are closed, or say nothing of anybody and cannot be written."""
    found: list[str] = []
    for table in ground.catalog.tenantless:
        for role in SERVING:
            held = {privilege.split()[1] for privilege in table.privileges if privilege.startswith(f"{role} ")}
            if held - ({"select"} if table.name in READABLE else set()):
                found.append(f"{table.name}: {role} may {', '.join(sorted(held))}")
    return found
