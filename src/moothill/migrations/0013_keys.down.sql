delete from moothill.agent_traces where relation in ('service_accounts', 'tenant_limits');
drop function moothill.gate_token_actor(text, text, text);
drop function moothill.gate_keys_leaked(bytea[], text[]);
drop function moothill.gate_keys_doomed(uuid, timestamptz, uuid, integer);
drop function moothill.gate_keys_revoke(uuid, timestamptz, uuid);
drop function moothill.gate_limits_use();
drop function moothill.gate_rates_share(uuid[], text[], bigint[], bigint[]);
revoke select (agent_id, name) on moothill.agents from moothill_gate;
drop function moothill.gate_key_find(bytea);
create function moothill.gate_key_find(wanted bytea)
  returns table (id uuid, tenant_id uuid, tenant_slug text, tenant_status text, actor_kind text, actor_id uuid,
                 actor_name text, scopes text[], expires_at timestamptz, revoked_at timestamptz, usable boolean,
                 is_actor_gone boolean)
  language sql stable security definer set search_path = pg_catalog, moothill, pg_temp
as $$
  select k.id, k.tenant_id, t.slug, t.status, k.actor_kind, k.actor_id, k.actor_name, k.scopes, k.expires_at,
         k.revoked_at,
         k.revoked_at is null and (k.expires_at is null or k.expires_at > now()) and t.status = 'active',
         k.actor_kind = 'agent' and not exists (
           select from moothill.agents a
           where a.tenant_id = k.tenant_id and a.id = k.actor_id and a.deactivated_at is null)
  from moothill.api_keys k
  join moothill.tenants t on t.id = k.tenant_id
  where k.digest = wanted;
$$;
comment on function moothill.gate_key_find(bytea) is
  'The key with a digest, before any tenant is known, and whether its agent is gone.';
select mt.lend('moothill.gate_key_find(bytea)'::regprocedure, 'moothill_gate');
drop function moothill.gate_key_issue(uuid, text, bytea, text, text, uuid, text, text[], timestamptz);
create function moothill.gate_key_issue(new_id uuid, new_name text, new_digest bytea, new_hint text, kind text,
                                        actor uuid, actor_label text, new_scopes text[], expiry timestamptz)
  returns setof moothill.api_keys
  language sql volatile security definer set search_path = pg_catalog, moothill, pg_temp
as $$
  insert into moothill.api_keys (id, tenant_id, name, digest, hint, actor_kind, actor_id, actor_name, scopes, expires_at)
  values (new_id, mt.tenant(), new_name, new_digest, new_hint, kind, actor, actor_label, new_scopes, expiry)
  returning *;
$$;
comment on function moothill.gate_key_issue(uuid, text, bytea, text, text, uuid, text, text[], timestamptz) is
  'Issues a key in the current tenant.';
select mt.lend('moothill.gate_key_issue(uuid, text, bytea, text, text, uuid, text, text[], timestamptz)'::regprocedure,
               'moothill_gate');
drop table moothill.rate_buckets;
drop function moothill.quota_begin(text, bigint);
drop function moothill.quota_move(text, bigint);
drop table moothill.quota_shares;
drop table moothill.tenant_limits;
drop table moothill.service_accounts;
drop index moothill.api_keys_actor_idx;

-- What service accounts did is an operator's from here on: the older schema knows no other word for it.
alter table moothill.events no force row level security;
alter table moothill.events disable trigger keep_rows;
update moothill.events set actor_kind = 'operator' where actor_kind = 'service';
alter table moothill.events enable trigger keep_rows;
alter table moothill.events force row level security;
alter table moothill.access_log no force row level security;
alter table moothill.access_log disable trigger keep_rows;
update moothill.access_log set actor_kind = 'operator' where actor_kind = 'service';
alter table moothill.access_log enable trigger keep_rows;
alter table moothill.access_log force row level security;
alter table moothill.jobs no force row level security;
update moothill.jobs set actor_kind = 'operator' where actor_kind = 'service';
alter table moothill.jobs force row level security;
-- A key of a service account would be wider without its account: it ends.
update moothill.api_keys set actor_kind = 'operator', revoked_at = coalesce(revoked_at, now()) where actor_kind = 'service';
alter table moothill.events drop constraint events_actor_check;
alter table moothill.events add constraint events_actor_check check (actor_kind in ('operator', 'agent', 'system'));
comment on column moothill.events.actor_kind is 'operator, agent or system.';
alter table moothill.access_log drop constraint access_log_actor_check;
alter table moothill.access_log add constraint access_log_actor_check check (actor_kind in ('operator', 'agent', 'system'));
comment on column moothill.access_log.actor_kind is 'operator, agent or system.';
alter table moothill.jobs drop constraint jobs_actor_check;
alter table moothill.jobs add constraint jobs_actor_check check (actor_kind in ('operator', 'agent', 'system'));
comment on column moothill.jobs.actor_kind is 'operator, agent or system.';
alter table moothill.api_keys drop constraint api_keys_actor_check;
alter table moothill.api_keys add constraint api_keys_actor_check check (actor_kind in ('operator', 'agent'));
comment on column moothill.api_keys.actor_kind is 'operator or agent.';
comment on function mt.actor_kind() is 'operator, agent or system; null outside of an operation.';
comment on column moothill.api_keys.actor_id is 'Id of the agent, or of the operator (the id of the operator''s first key).';
