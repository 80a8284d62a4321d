revoke execute on function moothill.drop_embeddings(uuid, uuid[]) from moothill_jobs;
drop function moothill.jobs_export_page(text, jsonb, integer, integer);
drop function moothill.jobs_export_tables();
drop function moothill.jobs_reports_page(boolean, bigint, integer);
drop function moothill.jobs_erase_end(uuid, bigint, text, text);
drop function moothill.jobs_erasure_went(uuid, bigint);
drop function moothill.jobs_erasure_one(uuid);
drop function moothill.jobs_erase_traces(uuid, integer);
drop function moothill.jobs_erase_log(uuid, bigint, uuid, integer);
drop function moothill.jobs_erase_agent(uuid);
drop function moothill.jobs_erase_rows(uuid, integer);
drop function moothill.jobs_erase_begin(uuid, uuid, uuid, text, text);
drop function moothill.jobs_erasure_count(uuid, uuid);
drop function moothill.jobs_is_erased(uuid);
drop function moothill.jobs_holds_on(uuid, uuid, integer);
drop function moothill.jobs_drop_months();
drop function moothill.jobs_archive_replace(uuid, text, bigint, bigint, text, text);
drop function moothill.jobs_archive_settle(uuid, text);
drop function moothill.jobs_archive_note(uuid, text, text, bigint, bigint, text, text, timestamptz, timestamptz, timestamptz);
drop function moothill.jobs_archive_page(text, integer);
drop function moothill.jobs_retain(text, integer);
drop function moothill.jobs_retention_state();

create function moothill.jobs_forget_keys(size integer) returns integer
  language sql volatile security definer set search_path = pg_catalog, moothill, pg_temp
as $$
  with old as (
    select k.actor, k.operation, k.key
    from idempotency_keys k
    where k.tenant_id = mt.tenant() and k.claimed_at < now() - interval '24 hours'
    order by k.claimed_at
    limit size
  ), forgotten as (
    delete from idempotency_keys k
    using old
    where k.tenant_id = mt.tenant() and k.actor = old.actor and k.operation = old.operation and k.key = old.key
      and k.claimed_at < now() - interval '24 hours'
    returning k.key
  )
  select count(*)::integer from forgotten;
$$;
comment on function moothill.jobs_forget_keys(integer) is
  'Deletes idempotency keys of this tenant that are older than 24 hours, at most so many; how many.';
select mt.lend('moothill.jobs_forget_keys(integer)'::regprocedure, 'moothill_jobs');

create or replace function mt.add_month(parent regclass, month date) returns boolean
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

create or replace function mt.refuse_change() returns trigger
  language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  if tg_op = 'DELETE' and current_user = 'moothill_jobs' then
    return old;
  end if;
  raise exception '% is append-only: what happened is neither changed nor taken back', tg_argv[0]
    using errcode = 'restrict_violation', hint = 'Retention deletes what is old enough; nothing else may.';
end $$;
comment on function mt.refuse_change() is
  'Refuses to change or remove rows of a log, for every role; retention alone deletes, as moothill_jobs.';

drop function mt.lock_month(regclass);
drop function mt.drop_month(regclass);
drop function mt.erasure_under_way(uuid);
drop function mt.names_it(moothill.erasures, text, jsonb);
drop function mt.erasure_kept(uuid, text, bigint, boolean);
drop function mt.erasure_went(uuid, text, bigint);
drop function mt.things_of(uuid, uuid);
drop function mt.is_redaction(text, jsonb, jsonb);
drop function mt.tombstone();
drop function mt.expired(text);
drop function mt.policy_of(uuid, text);
drop function mt.tenant_tables();
drop function mt.row_keys(text);
drop function mt.held_agents(uuid);
drop function mt.is_held(uuid);
drop function mt.lock_retention(uuid, boolean);
drop function mt.trace(regclass, text, integer, text[]);
drop function mt.retain(text, regclass, name, text, integer, text, integer, text[], text);

drop index moothill.jobs_ended_idx;
drop table moothill.erasure_reports;
drop table moothill.erasures;
drop table moothill.agent_traces;
drop table moothill.retention_archives;
drop table moothill.legal_holds;
drop table moothill.retention_policies;
drop table moothill.retention_classes;

alter table moothill.tenants drop constraint tenants_status_check;
alter table moothill.tenants add constraint tenants_status_check check (status in ('active', 'suspended'));
comment on column moothill.tenants.status is 'active, or suspended: its keys are refused and its jobs rest.';

create or replace function mt.protect_partition(relation regclass) returns void
  language plpgsql as $$
begin
  perform mt.protect(relation);
  execute format('revoke all on %s from moothill_app, moothill_readonly, moothill_auditor, moothill_sql', relation);
end $$;

create or replace function mt.protect(relation regclass, tenant_column name default 'tenant_id') returns void
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
  perform mt.protect_proved(relation, tenant_column);
end $$;

do $$
declare
  one record;
begin
  for one in
    select p.polrelid::regclass as relation, c.relname::text as name, c.relispartition as is_part
    from pg_policy p
    join pg_class c on c.oid = p.polrelid
    where p.polname = 'retention_rows' and c.relnamespace = 'moothill'::regnamespace
  loop
    execute format('drop policy retention_rows on %s', one.relation);
    -- What it could do before.
    if one.name not in ('tenants', 'idempotency_keys') and one.name not like 'embedding\_%' then
      execute format('revoke all on %s from moothill_jobs', one.relation);
    end if;
  end loop;
end $$;
revoke update, delete on moothill.tenants from moothill_jobs;
revoke insert on moothill.embedding_moves from moothill_jobs;
revoke all on moothill.embedding_queue from moothill_jobs;
revoke update (asked_by), select (id, asked_by) on moothill.privacy_releases from moothill_jobs;
revoke all on moothill.api_keys, moothill.parked_events from moothill_jobs;
drop function mt.open_to_retention(regclass);
