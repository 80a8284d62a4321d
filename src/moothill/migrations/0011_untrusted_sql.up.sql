-- phase: pre
-- SQL written by agents: a role that must prove its tenant, by a token that no statement can forge.

do $$ begin
  if to_regrole('moothill_sql') is null then
    raise exception 'this server lacks the role moothill_sql; run `moothill db roles` once more, then migrate';
  end if;
end $$;

create table moothill.context_keys (
  number integer not null generated always as identity constraint context_keys_pkey primary key,
  inner_pad bytea not null constraint context_keys_inner_check check (length(inner_pad) = 64),
  outer_pad bytea not null constraint context_keys_outer_check check (length(outer_pad) = 64),
  expires_at timestamptz not null
);
grant select, insert, delete on moothill.context_keys to moothill_gate;

comment on table moothill.context_keys is 'Keys with which the processes that serve prove the tenant of untrusted SQL. Control table, read by the gate alone.';
comment on column moothill.context_keys.number is 'Named in each token.';
comment on column moothill.context_keys.inner_pad is 'The key, padded and mixed for the inner hash of HMAC-SHA-256.';
comment on column moothill.context_keys.outer_pad is 'The same for the outer hash.';
comment on column moothill.context_keys.expires_at is 'No token of it is believed from then on.';

-- HMAC by hand: pgcrypto may be missing. Three random ids hold more bits than the digest.
create function moothill.gate_context_key(out number integer, out secret bytea, out seconds integer)
  language plpgsql volatile security definer set search_path = pg_catalog, moothill, pg_temp
as $$
declare
  inner_key bytea := '';
  outer_key bytea := '';
  one integer;
begin
  secret := sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()));
  seconds := 3600;
  for place in 0 .. 63 loop
    one := case when place < length(secret) then get_byte(secret, place) else 0 end;
    inner_key := inner_key || set_byte('\x00'::bytea, 0, one # 54);
    outer_key := outer_key || set_byte('\x00'::bytea, 0, one # 92);
  end loop;
  delete from moothill.context_keys k where k.expires_at < clock_timestamp();
  insert into moothill.context_keys as k (inner_pad, outer_pad, expires_at)
  values (inner_key, outer_key, clock_timestamp() + make_interval(secs => seconds))
  returning k.number into number;
end $$;
comment on function moothill.gate_context_key() is
  'Makes a key for the calling process, and forgets those that have expired. Each lives for an hour, so that none has to be changed.';
select mt.lend('moothill.gate_context_key()'::regprocedure, 'moothill_gate');

-- A token is number.tenant.actor.expiry.backend.began.digest. The digests are hashed once more, with the key,
-- before they are compared: how long that takes tells nothing. What is read before that is only compared.
create function mt.proved_tenant() returns uuid
  language plpgsql stable security definer set search_path = pg_catalog, moothill, pg_temp
as $$
declare
  token text := current_setting('app.context_token', true);
  part text[] := string_to_array(token, '.');
  key record;
begin
  if cardinality(part) is distinct from 7
     or part[5] <> pg_backend_pid()::text
     or part[6] <> (extract(epoch from transaction_timestamp()) * 1000000)::bigint::text then
    return null;
  end if;
  select k.inner_pad as inner, k.outer_pad as outer into key
  from moothill.context_keys k
  where k.number::text = part[1] and k.expires_at > clock_timestamp();
  if not found
     or sha256(key.outer || convert_to(part[7], 'UTF8')) <> sha256(key.outer || convert_to(encode(
          sha256(key.outer || sha256(key.inner || convert_to(left(token, - length(part[7]) - 1), 'UTF8'))), 'hex'), 'UTF8'))
  then
    return null;
  end if;
  if part[4]::bigint < extract(epoch from clock_timestamp()) then
    return null;
  end if;
  return part[2]::uuid;
end $$;
comment on function mt.proved_tenant() is
  'The tenant that the token of this transaction proves; null without one, and for one that is forged, expired, or another transaction''s.';
revoke all on function mt.proved_tenant() from public;
grant execute on function mt.proved_tenant() to moothill_sql;
grant create on schema mt to moothill_gate;
alter function mt.proved_tenant() owner to moothill_gate;
revoke create on schema mt from moothill_gate;

-- A grant is number.tenant.actor.expiry.digest. It comes as a parameter, so no statement of an agent ever sees it; what
-- it may see, the token in the setting, is of this transaction alone.
create function moothill.sql_enter(shown text, timeout_ms integer) returns uuid
  language plpgsql volatile security definer set search_path = pg_catalog, moothill, pg_temp
as $$
declare
  part text[] := string_to_array(shown, '.');
  said text := left(shown, - length(part[5]) - 1);
  key record;
begin
  -- By function, not by SET LOCAL, which takes twice as long; no worker of a cluster takes part in this.
  perform set_config('statement_timeout', timeout_ms::text, true), set_config('app.sql_bytes', '0', true);
  if cardinality(part) is distinct from 5 then
    return null;
  end if;
  select k.inner_pad as inner, k.outer_pad as outer into key
  from moothill.context_keys k
  where k.number::text = part[1] and k.expires_at > clock_timestamp();
  if not found
     or sha256(key.outer || convert_to(part[5], 'UTF8')) <> sha256(key.outer || convert_to(encode(
          sha256(key.outer || sha256(key.inner || convert_to('grant.' || said, 'UTF8'))), 'hex'), 'UTF8'))
  then
    return null;
  end if;
  if part[4]::bigint < extract(epoch from clock_timestamp()) then
    return null;
  end if;
  said := concat_ws('.', said, pg_backend_pid(), (extract(epoch from transaction_timestamp()) * 1000000)::bigint);
  perform set_config('app.context_token', said || '.' || encode(
            sha256(key.outer || sha256(key.inner || convert_to(said, 'UTF8'))), 'hex'), true);
  return part[2]::uuid;
end $$;
comment on function moothill.sql_enter(text, integer) is
  'Sets the limits of this transaction, and its token for the tenant of a grant; null for a grant that is none.';
revoke all on function moothill.sql_enter(text, integer) from public;
grant execute on function moothill.sql_enter(text, integer) to moothill_sql;
alter function moothill.sql_enter(text, integer) owner to moothill_gate;

create function moothill.sql_price(statement text) returns double precision
  language plpgsql volatile
as $$
declare
  plan json;
begin
  execute 'explain (generic_plan, format json) ' || statement into plan;
  return plan -> 0 -> 'Plan' ->> 'Total Cost';
end $$;
comment on function moothill.sql_price(text) is
  'What the planner thinks that a statement costs, for any values of its parameters; the statement is not run.';
grant execute on function moothill.sql_price(text) to moothill_sql;

create function moothill.sql_line(answer record, most_bytes bigint) returns text
  language plpgsql volatile
as $$
declare
  used bigint := current_setting('app.sql_bytes')::bigint;
  line text;
begin
  -- Looked at before it is written out: a value of a gigabyte is not copied.
  if used + pg_column_size(answer) <= most_bytes then
    line := to_json(answer);
    used := used + octet_length(line);
    if used <= most_bytes then
      perform set_config('app.sql_bytes', used::text, true);
      return line;
    end if;
  end if;
  raise exception 'the answer is larger than % bytes', most_bytes using errcode = 'program_limit_exceeded';
end $$;
comment on function moothill.sql_line(record, bigint) is
  'A row of an untrusted answer as JSON; an error once the answer is larger than it may be.';
grant execute on function moothill.sql_line(record, bigint) to moothill_sql;

create function mt.protect_proved(relation regclass, tenant_column name default 'tenant_id') returns void
  language plpgsql as $$
declare
  -- The sub-select makes it one proof for a statement instead of one for a row. A cluster refuses sub-selects
  -- in policies, and no proof holds on its workers: there the role sees nothing.
  proof text := case when to_regclass('pg_catalog.pg_dist_partition') is null
                     then '(select mt.proved_tenant())' else 'mt.proved_tenant()' end;
begin
  execute format('create policy proved_rows on %s for select to moothill_sql using (%I = %s)',
                 relation, tenant_column, proof);
  execute format('create policy proved_floor on %s as restrictive to moothill_sql using (%I = %s) with check (%I = %s)',
                 relation, tenant_column, proof, tenant_column, proof);
end $$;
comment on function mt.protect_proved(regclass, name) is
  'Shows untrusted SQL the rows of the tenant that it proves, with a restrictive floor under the policy.';

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

create or replace function mt.protect_partition(relation regclass) returns void
  language plpgsql as $$
begin
  perform mt.protect(relation);
  execute format('revoke all on %s from moothill_app, moothill_readonly, moothill_auditor, moothill_sql', relation);
end $$;

select mt.protect_proved(c.oid, case c.relname when 'tenants' then 'id' else 'tenant_id' end)
from pg_class c
where c.relnamespace = 'moothill'::regnamespace and c.relkind in ('r', 'p') and c.relrowsecurity;

-- What agents may ask: no configuration, no metadata and no address of an agent, where secrets lie.
grant usage on schema moothill, mt to moothill_sql;
grant select (tenant_id, id, agent_id, name, description, type, status, status_reason, model_family, model_version,
              specialisations, tags, provider, active_tasks, queued_tasks, utilisation, tasks_attempted,
              tasks_completed, tasks_failed, success_rate, average_quality, average_task_time_ms, total_points, tier,
              rating, trust, consecutive_active_days, total_active_days, last_active_at, last_heartbeat_at,
              registered_at, updated_at, deactivated_at, version)
  on moothill.agents to moothill_sql;
grant select on moothill.agent_tags, moothill.agent_skills to moothill_sql;
grant select (tenant_id, id, agent_id, type, name, canonical_name, description, aliases, tags, confidence,
              extraction_confidence, extraction_method, validation_status, demonstration_count, success_rate,
              from_catalogue, first_observed_at, last_demonstrated_at, updated_at, version)
  on moothill.capabilities to moothill_sql;
grant select on moothill.capability_labels, moothill.capability_evidence to moothill_sql;
grant select on moothill.v_active_agents, moothill.agent_capability_summary to moothill_sql;
