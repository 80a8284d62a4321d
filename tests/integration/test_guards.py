"""The self-check of the isolation, the catalog, and the mutation of each guard."""

from collections.abc import Awaitable, Callable

import psycopg
import pytest

from moothill.database.embedded import EmbeddedServer
from moothill.database.guards import GuardMissing, described_guards, guards, inspect_guards
from moothill.database.pool import Database
from moothill.kernel.errors import Conflict
from moothill.kernel.settings import Settings
from moothill.session import open_database
from tests.conftest import DATABASE

MakeDatabase = Callable[[], Awaitable[str]]

# Each breaks one guard the way a careless change would; the self-check must name that guard.
MUTATIONS = {
    "append_only_logs": ["alter table moothill.events disable trigger keep_rows"],
    "sealed_content": ["alter table moothill.agents disable trigger sealed_rows"],
    "sealed_content of what is added": ["alter table moothill.agents disable trigger sealed_added"],
    "sealed_content of a part": ["drop trigger sealed_rows on moothill.events", "drop function mt.sealed_events()"],
    "append_only_logs as a whole": ["drop trigger keep_whole on moothill.access_log_default"],
    "forced_row_security": ["alter table moothill.idempotency_keys no force row level security"],
    "forced_row_security on a partition": ["alter table moothill.events_default disable row level security"],
    "forced_row_security on a new table": [
        "create table moothill.careless (tenant_id uuid not null, id uuid, primary key (tenant_id, id))",
        "grant select on moothill.careless to moothill_app",
    ],
    "powerless_app": [
        "create role clone_power noinherit bypassrls",
        "grant clone_power to moothill_readonly",
    ],
    "known_classes": [
        "create table moothill.careless (id uuid primary key)",
        "grant select on moothill.careless to moothill_readonly",
    ],
    "known_classes by a column": [
        "create table moothill.careless (id uuid primary key, word text)",
        "grant update (word) on moothill.careless to moothill_app",
    ],
    "bound_owner": ["alter table moothill.incarnations owner to postgres"],
    "invoker_views": ["create view moothill.leak as select * from moothill.tenants"],
    "no_materialised_views": ["create materialized view moothill.stale as select 1 as x"],
    "closed_partitions": ["grant select on moothill.events_default to moothill_app"],
    "stable_accessor": ["alter function mt.tenant() immutable"],
    "stable_accessor in a policy": [
        "alter policy tenant_rows on moothill.events using (tenant_id is not null) with check (tenant_id = mt.tenant())"
    ],
    "floor_and_one_policy": ["drop policy tenant_floor on moothill.events"],
    "floor_and_one_policy with a hole": ["create policy all_rows on moothill.events using (true)"],
    "tenant_keys": ["create unique index careless_key on moothill.idempotency_keys (key)"],
    "tenant_references": [
        "alter table moothill.agents add constraint careless_key unique (id)",
        "alter table moothill.agent_skills add constraint careless_fkey foreign key (agent_id) "
        "references moothill.agents (id)",
    ],
    "narrow_privileges": ["grant truncate on moothill.events to moothill_app"],
    "narrow_privileges of the public": ["grant select on moothill.tenants to public"],
    "tame_definers": ["alter function moothill.gate_key_find(bytea) reset search_path"],
    "tame_definers to the public": ["grant execute on function moothill.gate_key_find(bytea) to public"],
    "no_temporary_objects": ["grant create on schema moothill to moothill_app"],
    "proved_rows": ["drop policy proved_floor on moothill.events"],
    "proved_rows with a hole": ["create policy all_rows on moothill.agents for select to moothill_sql using (true)"],
    "proved_rows by a setting": [
        "alter policy proved_rows on moothill.agents using (tenant_id = mt.tenant())",
    ],
    "proved_rows on a new table": [
        "create table moothill.careless (tenant_id uuid not null, id uuid, primary key (tenant_id, id))",
        "select mt.protect('moothill.careless')",
        "drop policy proved_rows on moothill.careless",
    ],
    "proving_function": ["alter function mt.proved_tenant() immutable"],
    "proving_function of somebody else": ["alter function mt.proved_tenant() owner to moothill_owner"],
    "proving_function that believes a setting": [
        "create or replace function mt.proved_tenant() returns uuid language sql stable security definer "
        "set search_path = pg_catalog, moothill, pg_temp as $$ select current_setting('app.current_tenant')::uuid $$"
    ],
    "proving_function whose way in is anybody's": [
        "alter function moothill.sql_enter(text, integer) owner to moothill_owner"
    ],
    "proving_function with open keys": ["grant select (number, inner_pad) on moothill.context_keys to moothill_app"],
    "narrow_sql": ["grant select on moothill.api_keys to moothill_sql"],
    "narrow_sql of a function": ["grant execute on function moothill.gate_context_key() to moothill_sql"],
    "bounded_sql": [
        "do $$ begin execute format('alter role moothill_sql in database %I reset default_transaction_read_only', "
        "current_database()); end $$"
    ],
    "bounded_sql in time": [
        "do $$ begin execute format('alter role moothill_sql in database %I set statement_timeout = 0', "
        "current_database()); end $$"
    ],
    "no_default_privileges": [
        "alter default privileges for role moothill_owner in schema moothill grant select on tables to moothill_app"
    ],
}


async def faults(server: EmbeddedServer, database: str, settings: Settings, role: str = "app") -> set[str]:
    opened = Database(server.dsn(role, database), settings)  # type: ignore[arg-type]
    await opened.open()
    try:
        return {finding.guard for finding in await inspect_guards(opened)}
    finally:
        await opened.close()


async def test_all_guards_stand_on_a_fresh_database(
    server: EmbeddedServer, settings: Settings, platform: object
) -> None:
    assert await faults(server, DATABASE, settings) == set()


@pytest.mark.parametrize("name", MUTATIONS)
async def test_dropping_a_guard_is_noticed_and_nothing_is_served(
    server: EmbeddedServer, settings: Settings, fresh_database: MakeDatabase, name: str
) -> None:
    """A16, A17, A20, A21, A22, A24: each hole, made on purpose, stops the service."""
    database = await fresh_database()
    async with await psycopg.AsyncConnection.connect(server.dsn("admin", database), autocommit=True) as admin:
        for statement in MUTATIONS[name]:
            await admin.execute(statement.encode())
    try:
        assert name.split()[0] in await faults(server, database, settings)
        with pytest.raises(GuardMissing):
            await open_database(server.dsn("app", database), settings, "default")
    finally:
        async with await psycopg.AsyncConnection.connect(server.dsn("admin"), autocommit=True) as admin:
            # Roles outlive their database.
            await admin.execute("drop role if exists clone_power")


@pytest.mark.parametrize("name", ["tenant_keys", "append_only_logs as a whole", "known_classes by a column"])
async def test_a_process_that_runs_tells_what_one_that_starts_would_say(
    server: EmbeddedServer, settings: Settings, fresh_database: MakeDatabase, name: str
) -> None:
    database = await fresh_database()
    running = await open_database(server.dsn("app", database), settings, "default", create=True)
    try:
        assert (await running.tenants.check_isolation()).serves
        async with await psycopg.AsyncConnection.connect(server.dsn("admin", database), autocommit=True) as admin:
            for statement in MUTATIONS[name]:
                await admin.execute(statement.encode())
        told = await running.tenants.check_isolation()
        with pytest.raises(GuardMissing) as refused:
            await open_database(server.dsn("app", database), settings, "default")
    finally:
        await running.close()
    assert (told.serves, told.refusal) == (False, refused.value.message)
    assert {guard.name for guard in told.guards if not guard.stands} == await faults(server, database, settings)
    assert all(guard.fault_count == len(guard.faults) for guard in told.guards)


def test_each_guard_says_what_has_to_hold_and_what_it_keeps_out() -> None:
    for guard in described_guards():
        assert guard.asks.endswith("."), guard.name
        assert guard.against.endswith("."), guard.name
        assert "against:" not in guard.asks


def test_every_guard_but_the_serving_role_has_a_mutation() -> None:
    assert {name.split()[0] for name in MUTATIONS} == set(guards()) - {"serving_role"}


async def test_the_service_refuses_another_role_than_its_own(server: EmbeddedServer, settings: Settings) -> None:
    """A21: a service that connects as the superuser ignores every policy."""
    assert "serving_role" in await faults(server, DATABASE, settings, role="admin")


async def test_a_database_without_our_schema_says_what_to_run(server: EmbeddedServer, settings: Settings) -> None:
    with pytest.raises(Conflict, match="moothill db migrate"):
        await open_database(server.dsn("admin", "postgres"), settings, "default")


CATALOG = {
    "a comment on every table, view and column": """
        select c.oid::regclass || coalesce('.' || a.attname, '')
        from pg_class c
        left join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
        where c.relnamespace = 'moothill'::regnamespace and c.relkind in ('r', 'p', 'v') and not c.relispartition
          and (obj_description(c.oid, 'pg_class') is null
               or c.relkind <> 'v' and col_description(c.oid, a.attnum) is null)
    """,
    "a comment on every function": """
        select oid::regprocedure::text from pg_proc
        where pronamespace in ('moothill'::regnamespace, 'mt'::regnamespace) and obj_description(oid, 'pg_proc') is null
    """,
    "an index for every foreign key (B33)": """
        select k.conname from pg_constraint k
        where k.connamespace = 'moothill'::regnamespace and k.contype = 'f' and k.conparentid = 0
          and not exists (
            select from pg_index i
            where i.indrelid = k.conrelid
              and (select array_agg(x order by x) from unnest((i.indkey::smallint[])[0:cardinality(k.conkey) - 1]) x)
                  = (select array_agg(x order by x) from unnest(k.conkey) x))
    """,
    "a primary key on every table": """
        select c.oid::regclass::text from pg_class c
        where c.relnamespace = 'moothill'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition
          and not exists (select from pg_index i where i.indrelid = c.oid and i.indisprimary)
    """,
    "states as text with a check, no enum types (portable)": """
        select typname from pg_type where typnamespace = 'moothill'::regnamespace and typtype = 'e'
    """,
    "no time in a constraint or an index predicate (A3, A33, C4, X4)": """
        select conname from pg_constraint
        where connamespace = 'moothill'::regnamespace and pg_get_constraintdef(oid) ~* '\\m(now|current_timestamp)\\M'
    """,
    "identifiers of at most 45 characters (portable)": """
        select relname from pg_class
        where relnamespace = 'moothill'::regnamespace and length(relname) > 45
          and relname !~ '_(pkey|idx|key|fkey)[0-9]*$'
    """,
}


@pytest.mark.parametrize("rule", CATALOG)
async def test_the_catalog_has(server: EmbeddedServer, platform: object, rule: str) -> None:
    async with await psycopg.AsyncConnection.connect(server.dsn("admin", DATABASE), autocommit=True) as admin:
        rows = await (await admin.execute(CATALOG[rule].encode())).fetchall()
    assert [row[0] for row in rows] == []
