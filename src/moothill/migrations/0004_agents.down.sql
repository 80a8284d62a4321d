drop function moothill.gate_key_find(bytea);
create function moothill.gate_key_find(wanted bytea)
  returns table (id uuid, tenant_id uuid, tenant_slug text, tenant_status text, actor_kind text, actor_id uuid,
                 actor_name text, scopes text[], expires_at timestamptz, revoked_at timestamptz, usable boolean)
  language sql stable security definer set search_path = pg_catalog, moothill, pg_temp
as $$
  select k.id, k.tenant_id, t.slug, t.status, k.actor_kind, k.actor_id, k.actor_name, k.scopes, k.expires_at,
         k.revoked_at,
         k.revoked_at is null and (k.expires_at is null or k.expires_at > now()) and t.status = 'active'
  from moothill.api_keys k
  join moothill.tenants t on t.id = k.tenant_id
  where k.digest = wanted;
$$;
comment on function moothill.gate_key_find(bytea) is 'The key with a digest, before any tenant is known.';
select mt.lend('moothill.gate_key_find(bytea)'::regprocedure, 'moothill_gate');
drop index moothill.events_agent_status_idx;
drop index moothill.events_by_agent_idx;
drop view moothill.v_active_agents;
drop table moothill.agent_cards;
drop table moothill.agent_skills;
drop table moothill.agent_tags;
drop table moothill.agents;
