"""Attacks on the rows of tables: each verb, on each table, in the own tenant, in another and in none.

A probe gives a sentence for each hole that it finds. It sees its own rows first: a probe that sees
nothing at all, because it looks in the wrong place, says so too.
"""

from typing import Any
from uuid import UUID

from tests.integration.isolation.catalog import SERVING, VERBS, Relation
from tests.integration.isolation.intruder import REFUSED, Ground
from tests.integration.isolation.societies import Society

__all__ = [
    "deletes",
    "inserts",
    "partitions_past_their_parents",
    "rewritten_logs",
    "selects",
    "truncates",
    "updates",
]

APP = "moothill_app"
LOGS = ("events", "access_log")
# restrict_violation: the trigger's own word.
KEPT = "23001"


async def selects(ground: Ground) -> list[str]:
    """Each serving role sees the rows of the tenant that it is in, all of them, and nobody else's."""
    found: list[str] = []
    for table in ground.catalog.tables:
        truth = await ground.truth(table)
        for role in SERVING:
            found += await _seen(ground, table, role, truth)
    return found


async def _seen(ground: Ground, table: Relation, role: str, truth: dict[UUID, int]) -> list[str]:
    by_tenant = f"select {table.tenant}, count(*) from moothill.{table.name} group by 1"
    found: list[str] = []
    for tenant in (ground.ours, ground.theirs, None):
        outcome = await ground.attempt(by_tenant, role=role, tenant=tenant)
        where = f"{role} in {tenant.marker if tenant else 'no tenant'}"
        if not table.allows(role, "select"):
            if outcome.state != REFUSED:
                found.append(f"{table.name}: {where} may read it after all: {outcome}")
            continue
        wanted = {tenant.id: truth[tenant.id]} if tenant else {}
        if outcome.state is not None or dict(outcome.rows) != wanted:
            found.append(f"{table.name}: {where} sees {outcome} instead of {wanted}")
    if table.allows(role, "select"):
        for other in ground.others:
            named = f"select 1 from moothill.{table.name} where {table.tenant} = %s"
            outcome = await ground.attempt(named, [other.id], role=role, tenant=ground.ours)
            if outcome.state is not None or outcome.rows:
                found.append(f"{table.name}: {role} sees rows of {other.marker} by naming it: {outcome}")
    return found


async def inserts(ground: Ground) -> list[str]:
    """A row goes into the tenant that the transaction is in, and into no other."""
    found: list[str] = []
    for table in ground.catalog.tables:
        for owner in (ground.ours, ground.theirs):
            for tenant in (ground.ours, None):
                row = (await ground.rows(table, owner))[0]
                async with ground.rolled_back():
                    # The row itself is taken out first, so that its keys are free; references are not at issue here.
                    await ground.admin.execute("set local session_replication_role = replica")
                    await _take_out(ground, table, owner, row)
                    outcome = await ground.attempt(_putting(table), [row], tenant=tenant)
                    readers = [
                        await ground.attempt(_putting(table), [row], role=role, tenant=tenant) for role in SERVING[1:]
                    ]
                own = tenant is owner and table.allows(APP, "insert")
                if (outcome.state, outcome.count) != ((None, 1) if own else (REFUSED, 0)):
                    where = tenant.marker if tenant else "no tenant"
                    found.append(f"{table.name}: {owner.marker}'s row put in from {where}: {outcome}")
                found += [f"{table.name}: a reader wrote" for reader in readers if reader.state != REFUSED]
    return found


def _putting(table: Relation) -> str:
    columns = ", ".join(f'"{column}"' for column in table.insertable)
    return (
        f"insert into moothill.{table.name} ({columns}) "
        f"select {columns} from jsonb_populate_record(null::moothill.{table.name}, %s::jsonb)"
    )


async def _take_out(ground: Ground, table: Relation, owner: Society, row: str) -> None:
    gone = await ground.admin.execute(
        f"delete from moothill.{table.name} t where {table.tenant} = %s and to_jsonb(t) = %s::jsonb",
        [owner.id, row],
    )
    assert gone.rowcount >= 1


async def updates(ground: Ground) -> list[str]:
    """Only the own rows change, and none can be moved to another tenant."""
    found: list[str] = []
    for table in ground.catalog.tables:
        own = (await ground.truth(table))[ground.ours.id] if table.allows(APP, "update") else 0
        column = table.changeable[0] if table.changeable else table.columns[-1]
        touch = f'update moothill.{table.name} set "{column}" = "{column}"'
        of_theirs = f"{touch} where {table.tenant} = %s"
        move = f"update moothill.{table.name} set {table.tenant} = %s"
        attempts: list[tuple[str, Any, Society | None, int]] = [
            (touch, None, ground.ours, own),
            (of_theirs, [ground.theirs.id], ground.ours, 0),
            (of_theirs, [ground.twin.id], ground.ours, 0),
            (touch, None, None, 0),
        ]
        found += await _changes(ground, table, "update", attempts)
        for role in SERVING:
            outcome = await ground.attempt(move, [ground.theirs.id], role=role, tenant=ground.ours)
            if outcome.state != REFUSED:
                found.append(f"{table.name}: {role} moved a row to another tenant: {outcome}")
    return found


async def deletes(ground: Ground) -> list[str]:
    """Only the own rows go."""
    found: list[str] = []
    for table in ground.catalog.tables:
        own = (await ground.truth(table))[ground.ours.id] if table.allows(APP, "delete") else 0
        every = f"delete from moothill.{table.name}"
        of_theirs = f"{every} where {table.tenant} = %s"
        attempts: list[tuple[str, Any, Society | None, int]] = [
            (every, None, ground.ours, own),
            (of_theirs, [ground.theirs.id], ground.ours, 0),
            (of_theirs, [ground.twin.id], ground.ours, 0),
            (every, None, None, 0),
        ]
        found += await _changes(ground, table, "delete", attempts)
    return found


async def _changes(
    ground: Ground, table: Relation, verb: str, attempts: list[tuple[str, Any, Society | None, int]]
) -> list[str]:
    found: list[str] = []
    for role in SERVING:
        for statement, values, tenant, wanted in attempts:
            async with ground.rolled_back():
                # References are not at issue here, and would stop a deletion that row security let through.
                await ground.admin.execute("set local session_replication_role = replica")
                outcome = await ground.attempt(statement, values, role=role, tenant=tenant)
            allowed = role == APP and table.allows(role, verb)
            if (outcome.state, outcome.count) != ((None, wanted) if allowed else (REFUSED, 0)):
                where = tenant.marker if tenant else "no tenant"
                found.append(f"{table.name}: {verb} by {role} in {where}: {outcome} instead of {wanted} rows")
    return found


async def truncates(ground: Ground) -> list[str]:
    """Row security does not bind TRUNCATE, so nobody may."""
    found: list[str] = []
    for relation in (*ground.catalog.tables, *ground.catalog.partitions, *ground.catalog.tenantless):
        for role in SERVING:
            for tenant in (ground.ours, ground.theirs, None):
                outcome = await ground.attempt(f"truncate moothill.{relation.name} cascade", role=role, tenant=tenant)
                if outcome.state != REFUSED:
                    found.append(f"{relation.name}: {role} may empty it: {outcome}")
    return found


async def rewritten_logs(ground: Ground) -> list[str]:
    """What was logged stays as it is, whoever asks: here the superuser (C10, C25)."""
    found: list[str] = []
    for relation in (*ground.catalog.tables, *ground.catalog.partitions):
        if not relation.name.startswith(LOGS):
            continue
        for statement in (
            f"update moothill.{relation.name} set operation = 'another'",
            f"delete from moothill.{relation.name}",
            f"truncate moothill.{relation.name}",
        ):
            outcome = await ground.attempt(statement, role="postgres", tenant=None)
            if outcome.state != KEPT:
                found.append(f"{relation.name}: {statement}: {outcome}")
    return found


async def partitions_past_their_parents(ground: Ground) -> list[str]:
    """Nobody reaches a partition by its own name; and if somebody did, it would guard its rows itself."""
    found: list[str] = []
    for partition in ground.catalog.partitions:
        for role in SERVING:
            for verb in VERBS:
                for tenant in (ground.ours, ground.theirs, None):
                    outcome = await ground.attempt(_by_name(partition, verb), role=role, tenant=tenant)
                    if outcome.state != REFUSED:
                        found.append(f"{partition.name}: {role} may {verb} past its parent: {outcome}")
        truth = await ground.truth(partition)
        async with ground.rolled_back():
            await ground.admin.execute(f"grant select on moothill.{partition.name} to moothill_app")
            by_tenant = f"select {partition.tenant}, count(*) from moothill.{partition.name} group by 1"
            for tenant in (ground.ours, ground.theirs, ground.twin, None):
                outcome = await ground.attempt(by_tenant, tenant=tenant)
                wanted = {tenant.id: truth[tenant.id]} if tenant and tenant.id in truth else {}
                if outcome.state is not None or dict(outcome.rows) != wanted:
                    found.append(f"{partition.name}: itself shows {outcome} instead of {wanted}")
    return found


def _by_name(partition: Relation, verb: str) -> str:
    column = partition.columns[-1]
    return {
        "select": f"select * from moothill.{partition.name}",
        "insert": f"insert into moothill.{partition.name} default values",
        "update": f'update moothill.{partition.name} set "{column}" = null',
        "delete": f"delete from moothill.{partition.name}",
        "truncate": f"truncate moothill.{partition.name}",
    }[verb]
