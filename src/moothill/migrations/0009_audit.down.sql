drop trigger keep_rows on moothill.access_log;
drop trigger keep_rows on moothill.events;
do $$
declare
  part regclass;
begin
  for part in select t.tgrelid::regclass from pg_trigger t where t.tgname = 'keep_whole' loop
    execute format('drop trigger keep_whole on %s', part);
  end loop;
end $$;
drop function mt.keep(regclass);
drop function mt.keep_whole(regclass, text);
drop function mt.refuse_change();
revoke select (tenant_id, id, incarnation, txid, place, kind, version, occurred_at, subject, subjects, actor, actor_kind,
               actor_name, real_actor, operation, request, reason, payload) on moothill.events from moothill_readonly;
-- In the order in which they were granted at first.
revoke select on moothill.events from moothill_auditor, moothill_relay;
grant select on moothill.events to moothill_readonly, moothill_auditor;
grant select on moothill.events to moothill_relay;
alter table moothill.events drop column changes;
