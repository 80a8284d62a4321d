-- phase: pre
-- The two schemas, and the helpers that make one set of files serve one server and a cluster.

create schema if not exists moothill;
create schema if not exists mt;

comment on schema moothill is 'Tables, views and functions of Moothill.';
comment on schema mt is 'Helpers: tenant context, row security, distribution, partitions.';

grant usage on schema moothill, mt to moothill_app, moothill_readonly, moothill_auditor,
  moothill_search, moothill_gate, moothill_relay, moothill_jobs;
grant create on schema moothill to moothill_search, moothill_gate, moothill_relay, moothill_jobs;

alter default privileges revoke execute on functions from public;

create function mt.tenant() returns uuid
  language sql stable parallel safe
  return nullif(current_setting('app.current_tenant', true), '')::uuid;
comment on function mt.tenant() is 'The tenant of this transaction, or null.';

create function mt.actor() returns uuid
  language sql stable parallel safe
  return nullif(current_setting('app.current_actor', true), '')::uuid;
comment on function mt.actor() is 'The actor of this transaction, or null.';

create function mt.actor_kind() returns text
  language sql stable parallel safe
  return nullif(current_setting('app.current_actor_kind', true), '');
comment on function mt.actor_kind() is 'operator, agent or system; null outside of an operation.';

create function mt.set_context(tenant uuid, actor uuid, kind text, timeout_ms integer) returns void
  language plpgsql as $$
begin
  execute format(
    'set local app.current_tenant = %L; set local app.current_actor = %L; '
    'set local app.current_actor_kind = %L; set local statement_timeout = %s',
    tenant, actor, kind, timeout_ms);
end $$;
comment on function mt.set_context(uuid, uuid, text, integer) is
  'Sets tenant, actor and time limit of this transaction by SET LOCAL, which also reaches the workers of a cluster.';

create function mt.distribute(relation regclass) returns void
  language plpgsql as $$
begin
  if to_regclass('pg_catalog.pg_dist_partition') is null then
    return;
  end if;
  if not exists (select from pg_dist_partition where logicalrelid = relation) then
    execute format('select create_distributed_table(%L, %L)', relation, 'tenant_id');
  end if;
end $$;
comment on function mt.distribute(regclass) is 'Distributes a tenant table by tenant_id on a cluster; nothing on one server.';

create function mt.reference(relation regclass) returns void
  language plpgsql as $$
begin
  if to_regclass('pg_catalog.pg_dist_partition') is null then
    return;
  end if;
  if not exists (select from pg_dist_partition where logicalrelid = relation) then
    execute format('select create_reference_table(%L)', relation);
  end if;
end $$;
comment on function mt.reference(regclass) is 'Makes a reference table on a cluster; nothing on one server.';

create function mt.protect(relation regclass, tenant_column name default 'tenant_id') returns void
  language plpgsql as $$
begin
  execute format('alter table %s enable row level security', relation);
  execute format('alter table %s force row level security', relation);
  execute format(
    'create policy tenant_rows on %s to moothill_app, moothill_readonly, moothill_auditor '
    'using (%I = mt.tenant()) with check (%I = mt.tenant())', relation, tenant_column, tenant_column);
  execute format(
    'create policy tenant_floor on %s as restrictive to moothill_app, moothill_readonly, moothill_auditor '
    'using (%I = mt.tenant()) with check (%I = mt.tenant())', relation, tenant_column, tenant_column);
end $$;
comment on function mt.protect(regclass, name) is
  'Enables and forces row security with the tenant''s policy and a restrictive floor under it.';

create function mt.protect_partition(relation regclass) returns void
  language plpgsql as $$
begin
  perform mt.protect(relation);
  execute format('revoke all on %s from moothill_app, moothill_readonly, moothill_auditor', relation);
end $$;
comment on function mt.protect_partition(regclass) is 'Protects a partition by itself and grants nobody direct access.';

create function mt.uuid7_floor(moment timestamptz) returns uuid
  language sql immutable parallel safe
  return (lpad(to_hex((extract(epoch from moment) * 1000)::bigint), 12, '0') || '70008000000000000000')::uuid;
comment on function mt.uuid7_floor(timestamptz) is 'The smallest UUIDv7 of a moment.';

create function mt.uuid7_time(id uuid) returns timestamptz
  language sql immutable parallel safe
  return to_timestamp(('x' || lpad(left(replace(id::text, '-', ''), 12), 16, '0'))::bit(64)::bigint / 1000.0);
comment on function mt.uuid7_time(uuid) is 'When an UUIDv7 was made, to the millisecond.';

create function mt.add_month(parent regclass, month date) returns boolean
  language plpgsql as $$
declare
  base text := (select relname from pg_class where oid = parent);
  child text := format('%s_%s', base, to_char(month, 'YYYY_MM'));
  first timestamptz := date_trunc('month', month::timestamp) at time zone 'UTC';
  next timestamptz := (date_trunc('month', month::timestamp) + interval '1 month') at time zone 'UTC';
begin
  if to_regclass(format('moothill.%I', child)) is not null then
    return false;
  end if;
  execute format('create table moothill.%I partition of %s for values from (%L) to (%L)',
                 child, parent, mt.uuid7_floor(first), mt.uuid7_floor(next));
  perform mt.protect_partition(format('moothill.%I', child)::regclass);
  execute format('comment on table moothill.%I is %L', child, format('%s of %s.', base, to_char(month, 'YYYY-MM')));
  -- A log that nobody may empty hands that on, which partitions do not inherit.
  if exists (select from pg_trigger t where t.tgrelid = parent and t.tgname = 'keep_whole') then
    perform mt.keep_whole(format('moothill.%I', child)::regclass, base);
  end if;
  return true;
end $$;
comment on function mt.add_month(regclass, date) is
  'Makes the partition of one month, bounded by the UUIDv7s of its first moments; false when it exists.';

create function mt.add_default(parent regclass) returns void
  language plpgsql as $$
declare
  base text := (select relname from pg_class where oid = parent);
begin
  execute format('create table moothill.%I partition of %s default', base || '_default', parent);
  perform mt.protect_partition(format('moothill.%I', base || '_default')::regclass);
  execute format('comment on table moothill.%I is %L', base || '_default',
                 format('Net for rows of %s outside every month; an alert when it is hit.', base));
end $$;
comment on function mt.add_default(regclass) is 'Makes the default partition, the net under the months.';

create function mt.lend(entry regprocedure, definer name) returns void
  language plpgsql as $$
begin
  execute format('revoke all on function %s from public', entry);
  execute format('grant execute on function %s to moothill_app', entry);
  execute format('alter function %s owner to %I', entry, definer);
end $$;
comment on function mt.lend(regprocedure, name) is
  'Hands a definer function to the narrow role whose rights it lends, for the app role alone to call.';

grant execute on function mt.tenant(), mt.actor(), mt.actor_kind(),
  mt.set_context(uuid, uuid, text, integer), mt.uuid7_floor(timestamptz), mt.uuid7_time(uuid)
  to moothill_app, moothill_readonly, moothill_auditor, moothill_search, moothill_gate, moothill_relay, moothill_jobs;
