-- name: schema
-- A schema of its own, gone with the throw-away database.
-- returns: run
create schema if not exists bench;

-- name: counters
-- The counter row that the peer takes its order from.
-- returns: run
create table if not exists bench.counters (tenant_id uuid primary key, last bigint not null);

-- name: start
-- Every tenant starts at nought.
-- returns: run
insert into bench.counters (tenant_id, last)
select id, 0 from moothill.tenants
on conflict (tenant_id) do update set last = 0;

-- name: beneath_the_horizon
-- A writer as Moothill has it: each event in a transaction of its own, ordered by transaction and id.
-- returns: run
create or replace procedure bench.beneath_the_horizon(tenant uuid, writes integer) language plpgsql as $$
begin
  for number in 1..writes loop
    perform mt.set_context(tenant, tenant, 'operator', 600000);
    insert into moothill.events (tenant_id, id, kind, actor, actor_kind, operation, payload)
    values (tenant, (overlay(gen_random_uuid()::text placing left(mt.uuid7_floor(clock_timestamp())::text, 15) from 1 for 15))::uuid,
            'bench.written', tenant, 'operator', 'bench', jsonb_build_object('number', number));
    commit;
  end loop;
end $$;

-- name: by_a_counter
-- The peer: the same event, ordered by a number that the writer's transaction takes from its tenant's row.
-- returns: run
create or replace procedure bench.by_a_counter(tenant uuid, writes integer) language plpgsql as $$
declare
  number bigint;
begin
  for step in 1..writes loop
    perform mt.set_context(tenant, tenant, 'operator', 600000);
    update bench.counters set last = last + 1 where tenant_id = tenant returning last into number;
    insert into moothill.events (tenant_id, id, kind, actor, actor_kind, operation, payload)
    values (tenant, (overlay(gen_random_uuid()::text placing left(mt.uuid7_floor(clock_timestamp())::text, 15) from 1 for 15))::uuid,
            'bench.written', tenant, 'operator', 'bench', jsonb_build_object('number', number));
    commit;
  end loop;
end $$;

-- name: grant_schema
-- The writers are the application's role, bound by row security.
-- returns: run
grant usage on schema bench to moothill_app;

-- name: grant_table
-- Likewise.
-- returns: run
grant select, update on bench.counters to moothill_app;

-- name: grant_procedures
-- Likewise.
-- returns: run
grant execute on procedure bench.beneath_the_horizon(uuid, integer), bench.by_a_counter(uuid, integer) to moothill_app;

-- name: write_beneath_the_horizon
-- Write so many events.
-- returns: run
call bench.beneath_the_horizon(%(tenant)s::uuid, %(writes)s::integer);

-- name: write_by_a_counter
-- Write so many events.
-- returns: run
call bench.by_a_counter(%(tenant)s::uuid, %(writes)s::integer);
