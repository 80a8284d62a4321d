-- phase: pre
-- The log says what a write changed, and nobody rewrites it: no role, not even the owner of the tables.

set local citus.enable_unsafe_triggers = on;

alter table moothill.events add column changes jsonb;
comment on column moothill.events.changes is
  'Field -> [before, after] of what the write changed, secrets redacted when it was written; for auditors.';
-- What changed is the auditors': the role for reports sees who did what, as before.
revoke select on moothill.events from moothill_readonly;
grant select (tenant_id, id, incarnation, txid, place, kind, version, occurred_at, subject, subjects, actor, actor_kind,
              actor_name, real_actor, operation, request, reason, payload) on moothill.events to moothill_readonly;

create function mt.refuse_change() returns trigger
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

create function mt.keep_whole(relation regclass, log text) returns void
  language plpgsql as $$
begin
  -- The worker makes months, outside of any migration.
  perform set_config('citus.enable_unsafe_triggers', 'on', true);
  execute format('create trigger keep_whole before truncate on %s for each statement '
                 'execute function mt.refuse_change(%L)', relation, log);
end $$;
comment on function mt.keep_whole(regclass, text) is 'Refuses TRUNCATE of a table or of a partition, which inherits no such trigger.';

create function mt.keep(relation regclass) returns void
  language plpgsql as $$
declare
  log text := (select relname from pg_class where oid = relation);
begin
  execute format('create trigger keep_rows before update or delete on %s for each row '
                 'execute function mt.refuse_change(%L)', relation, log);
  perform mt.keep_whole(relation, log);
  perform mt.keep_whole(i.inhrelid::regclass, log) from pg_inherits i where i.inhparent = relation;
end $$;
comment on function mt.keep(regclass) is 'Makes a table append-only for every role.';

select mt.keep('moothill.events');
select mt.keep('moothill.access_log');
