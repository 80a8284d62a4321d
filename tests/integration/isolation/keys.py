"""Attacks by keys: names that another tenant took, and references into another tenant."""

from tests.integration.isolation.catalog import Reference
from tests.integration.isolation.intruder import Ground, Outcome
from tests.integration.isolation.rows import APP

__all__ = ["references", "taken_keys"]

BROKEN = "23503"


async def taken_keys(ground: Ground) -> list[str]:
    """Every key that another tenant took is free: the answer tells nothing of who else uses it (A24)."""
    found: list[str] = []
    for table in ground.catalog.tables:
        if not table.allows(APP, "insert"):
            continue
        columns = ", ".join(f'"{column}"' for column in table.insertable)
        for other in ground.others:
            rows = await ground.rows(table, other)
            async with ground.rolled_back():
                await ground.admin.execute("set local session_replication_role = replica")
                await ground.admin.execute(
                    f"delete from moothill.{table.name} where {table.tenant} = %s", [ground.ours.id]
                )
                for ending in ("", "on conflict do nothing"):
                    outcome = await ground.attempt(
                        f"insert into moothill.{table.name} ({columns}) select {columns} "
                        f"from unnest(%s::jsonb[]) as given (each), "
                        f"jsonb_populate_record(null::moothill.{table.name}, "
                        f"given.each || jsonb_build_object('{table.tenant}', %s::uuid)) {ending}",
                        [rows, ground.ours.id],
                        tenant=ground.ours,
                    )
                    if outcome.state is not None or outcome.count != len(rows):
                        found.append(f"{table.name}: keys of {other.marker} are not free {ending}: {outcome}")
    return found


async def references(ground: Ground) -> list[str]:
    """A row cannot refer to another tenant's, and the refusal is that of an id that nobody has (C5, guard 13)."""
    found: list[str] = []
    for reference in ground.catalog.references:
        parent = ground.catalog[reference.parent]
        if parent.name == "tenants":
            continue
        if not ground.catalog[reference.child].is_secured:
            found.append(f"{reference.name}: leaves a table without row security")
            continue
        theirs, stranger = await _refer(ground, reference, theirs=True), await _refer(ground, reference, theirs=False)
        if theirs.state != BROKEN or stranger.state != BROKEN:
            found.append(f"{reference.name}: another tenant's row may be referred to: {theirs}, {stranger}")
        elif theirs.message != stranger.message:
            found.append(f"{reference.name}: tells their row from none: {theirs}, {stranger}")
    return found


async def _refer(ground: Ground, reference: Reference, *, theirs: bool) -> Outcome:
    """Let a row of ours refer to a row that only they have, or that nobody has."""
    pairs = [
        (mine, other)
        for mine, other in zip(reference.child_columns, reference.parent_columns, strict=True)
        if mine != "tenant_id"
    ]
    chosen = ", ".join(f"p.{other}" if theirs else "gen_random_uuid()" for _, other in pairs)
    only = " and ".join(f"o.{other} = p.{other}" for _, other in pairs)
    present = " and ".join(f"c.{mine} is not null" for mine, _ in pairs)
    setting = ", ".join(f"{mine} = chosen.v{place}" for place, (mine, _) in enumerate(pairs))
    named = ", ".join(f"v{place}" for place in range(len(pairs)))
    # As the superuser: foreign keys bind everybody alike, and not every table may be changed by the application.
    return await ground.attempt(
        f"with chosen ({named}) as (select {chosen} from {reference.parent} p where p.tenant_id = %(theirs)s "
        f"and not exists (select from {reference.parent} o where o.tenant_id = %(ours)s and {only}) limit 1), "
        f"changed as (select c.ctid from {reference.child} c where c.tenant_id = %(ours)s and {present} limit 1) "
        f"update {reference.child} c set {setting} from chosen, changed where c.ctid = changed.ctid",
        {"theirs": ground.theirs.id, "ours": ground.ours.id},
        role="postgres",
        tenant=None,
    )
