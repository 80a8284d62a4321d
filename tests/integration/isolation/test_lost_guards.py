"""Each guard, lost: the attack that it stood against finds the hole. So none of the attacks is blind.

`test_guards.py` shows that the self-check names the same losses and that nothing is served then.
"""

import os

import pytest

from moothill.database.guards import guards
from tests.integration.isolation.intruder import Ground
from tests.integration.isolation.probes import PROBES

# guard -> the changes that lose it, and the attack that must notice. Never committed.
LOST: dict[str, tuple[list[str], str]] = {
    "append_only_logs": (["alter table moothill.events disable trigger keep_rows"], "rewritten_logs"),
    "append_only_logs as a whole": (["drop trigger keep_whole on moothill.access_log_default"], "rewritten_logs"),
    "forced_row_security": (["alter table moothill.agent_skills disable row level security"], "selects"),
    "forced_row_security on the owner": (["alter table moothill.agents no force row level security"], "owners"),
    "forced_row_security on a partition": (
        ["alter table moothill.events_default disable row level security"],
        "partitions_past_their_parents",
    ),
    "forced_row_security on a new table": (
        [
            "create table moothill.careless as select tenant_id, id from moothill.agents",
            "grant select, insert on moothill.careless to moothill_app",
        ],
        "selects",
    ),
    "known_classes": (
        [
            "create table moothill.careless as select name from moothill.agents",
            "grant select (name) on moothill.careless to moothill_readonly",
        ],
        "tenantless_tables",
    ),
    "powerless_app": (
        ["create role isolation_power noinherit bypassrls", "grant isolation_power to moothill_readonly"],
        "roles",
    ),
    "bound_owner": (["alter table moothill.incarnations owner to moothill_app"], "tenantless_tables"),
    "bound_owner of rows": (["alter table moothill.agents owner to postgres"], "owners"),
    "invoker_views": (
        [
            "alter view moothill.v_active_agents set (security_invoker = false)",
            "alter view moothill.v_active_agents owner to postgres",
        ],
        "views",
    ),
    "no_materialised_views": (
        [
            "create materialized view moothill.stale as select tenant_id, name from moothill.agents",
            "grant select on moothill.stale to moothill_app",
        ],
        "views",
    ),
    "closed_partitions": (
        ["grant select on moothill.events_default to moothill_auditor"],
        "partitions_past_their_parents",
    ),
    "stable_accessor": (["alter function mt.tenant() immutable"], "cached_plans"),
    "floor_and_one_policy": (
        [
            "drop policy tenant_floor on moothill.events",
            "create policy every_row on moothill.events for select to moothill_app using (true)",
        ],
        "selects",
    ),
    "floor_and_one_policy, readable but not writable": (
        [
            "drop policy tenant_floor on moothill.agents",
            "drop policy tenant_rows on moothill.agents",
            "create policy tenant_rows on moothill.agents to moothill_app "
            "using (tenant_id = mt.tenant()) with check (true)",
        ],
        "inserts",
    ),
    "tenant_keys": (
        [
            "delete from moothill.agent_skills s where tenant_id <> (select tenant_id from moothill.agents "
            "where agent_id like 'basalt%-alone' and name like 'Alone %')",
            "create unique index careless_key on moothill.agent_skills (agent_id, skill)",
        ],
        "taken_keys",
    ),
    "tenant_references": (
        [
            "set local session_replication_role = replica",
            "delete from moothill.agents a using moothill.tenants t where t.id = a.tenant_id and t.name like 'cobalt%'",
            "set local session_replication_role = origin",
            "alter table moothill.agent_cards drop constraint agent_cards_agent_fkey",
            "alter table moothill.agents add constraint careless_key unique (id)",
            "delete from moothill.agent_cards where agent_id not in (select id from moothill.agents)",
            "alter table moothill.agent_cards add constraint careless_fkey foreign key (agent_id) "
            "references moothill.agents (id)",
        ],
        "references",
    ),
    "narrow_privileges": (["grant truncate on moothill.events to moothill_app"], "truncates"),
    "narrow_privileges of a reader": (["grant delete on moothill.agent_tags to moothill_readonly"], "deletes"),
    "tame_definers": (
        [
            "create or replace function moothill.gate_key_live(wanted uuid) returns setof moothill.api_keys "
            "language sql stable security definer set search_path = pg_catalog, moothill, pg_temp "
            "as $$ select * from moothill.api_keys where id = wanted $$"
        ],
        "definers",
    ),
    "tame_definers, a new one": (
        [
            "create function moothill.jobs_of(wanted uuid) returns setof moothill.jobs language sql "
            "security definer set search_path = pg_catalog, moothill, pg_temp "
            "as $$ select * from moothill.jobs where tenant_id = wanted $$",
            "grant execute on function moothill.jobs_of(uuid) to moothill_app",
        ],
        "definers",
    ),
    "proved_rows": (
        [
            "drop policy proved_floor on moothill.agents",
            "create policy every_row on moothill.agents for select to moothill_sql using (true)",
        ],
        "proofs",
    ),
    "proved_rows, by a setting that anybody may set": (
        [
            "drop policy proved_floor on moothill.capabilities",
            "alter policy proved_rows on moothill.capabilities using (tenant_id = mt.tenant())",
        ],
        "proofs",
    ),
    "proving_function": (
        [
            "create or replace function mt.proved_tenant() returns uuid language sql stable security definer "
            "set search_path = pg_catalog, moothill, pg_temp "
            "as $$ select split_part(current_setting('app.context_token', true), '.', 2)::uuid $$"
        ],
        "proofs",
    ),
    "proving_function, its way in": (
        [
            "create or replace function moothill.sql_enter(shown text, timeout_ms integer) returns uuid "
            "language sql volatile security definer set search_path = pg_catalog, moothill, pg_temp "
            "as $$ select split_part(shown, '.', 2)::uuid $$"
        ],
        "proofs",
    ),
    "proving_function, its keys": (["grant select on moothill.context_keys to moothill_sql"], "proofs"),
    "narrow_sql": (["grant select on moothill.api_keys to moothill_sql"], "proofs"),
    "narrow_sql, a function": (
        ["grant execute on function moothill.gate_key_find(bytea) to moothill_sql"],
        "proofs",
    ),
    "no_temporary_objects": (["grant create on schema moothill to moothill_app"], "new_objects"),
    "no_default_privileges": (
        ["alter default privileges for role moothill_owner in schema moothill grant select on tables to moothill_app"],
        "newborn_tables",
    ),
}
SOAK = bool(os.environ.get("MOOTHILL_SOAK"))
# What the attacks cannot show: they come as the application's role by themselves, and rows of no tenant are nobody's;
# limits of a role hold for those who log in as it, which `test_untrusted_role.py` does; and no society here encrypts,
# which those of `tests/integration/encryption` do.
ELSEWHERE = {"serving_role", "bounded_sql", "sealed_content"}


@pytest.mark.parametrize("name", LOST)
async def test_its_attack_notices_the_loss_of(ground: Ground, name: str) -> None:
    """A16, A17, A20, A21, A22, A24: the mutation of each guard, seen from the attacker's side."""
    changes, probe = LOST[name]
    async with ground.rolled_back(*changes) as open_ground:
        assert await PROBES[probe](open_ground) != []


def test_every_guard_is_lost_once() -> None:
    assert {name.split()[0].rstrip(",") for name in LOST} == set(guards()) - ELSEWHERE


@pytest.mark.parametrize("loss", ["disable row level security", "no force row level security", "floor"])
async def test_the_loss_on_any_table_is_noticed(ground: Ground, loss: str) -> None:
    """A20, A21, A22: each table and partition in turn. Under MOOTHILL_SOAK every attack sees each loss."""
    for relation in [r for r in (*ground.catalog.tables, *ground.catalog.partitions) if r.is_secured]:
        table = f"moothill.{relation.name}"
        probes = ["partitions_past_their_parents"] if relation.is_partition else ["selects", "inserts"]
        changes = [f"alter table {table} {loss}"]
        if loss == "floor":
            hole = f"create policy hole on {table} using (true) with check (true)"
            async with ground.rolled_back(hole, focus=[relation.name]) as holed:
                # The floor alone holds when somebody adds a policy that lets everything through.
                assert [finding for name in probes for finding in await PROBES[name](holed)] == []
            changes = [hole, f"drop policy tenant_floor on {table}"]
        elif loss.startswith("no force"):
            probes = ["owners"]
        async with ground.rolled_back(*changes, focus=() if SOAK else [relation.name]) as open_ground:
            found = [finding for name in (PROBES if SOAK else probes) for finding in await PROBES[name](open_ground)]
        assert any(finding.startswith(relation.name) for finding in found), relation.name
