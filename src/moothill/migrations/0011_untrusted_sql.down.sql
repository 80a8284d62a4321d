revoke select on moothill.v_active_agents, moothill.agent_capability_summary from moothill_sql;
revoke select on moothill.capability_labels, moothill.capability_evidence from moothill_sql;
revoke select on moothill.capabilities from moothill_sql;
revoke select on moothill.agent_tags, moothill.agent_skills from moothill_sql;
revoke select on moothill.agents from moothill_sql;
revoke usage on schema moothill, mt from moothill_sql;

create or replace function mt.protect_partition(relation regclass) returns void
  language plpgsql as $$
begin
  perform mt.protect(relation);
  execute format('revoke all on %s from moothill_app, moothill_readonly, moothill_auditor', relation);
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
end $$;

do $$
declare
  one record;
begin
  for one in
    select p.polname, p.polrelid::regclass as relation
    from pg_policy p
    where p.polname in ('proved_rows', 'proved_floor')
      and p.polrelid in (select c.oid from pg_class c where c.relnamespace = 'moothill'::regnamespace)
  loop
    execute format('drop policy %I on %s', one.polname, one.relation);
  end loop;
end $$;

drop function mt.protect_proved(regclass, name);
drop function moothill.sql_line(record, bigint);
drop function moothill.sql_price(text);
drop function moothill.sql_enter(text, integer);
drop function mt.proved_tenant();
drop function moothill.gate_context_key();
drop table moothill.context_keys;
