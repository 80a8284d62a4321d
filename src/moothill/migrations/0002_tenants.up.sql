-- phase: pre
-- Tenants (a reference table: small, rarely written, everything refers to it) and API keys (control).

create table moothill.tenants (
  id uuid not null constraint tenants_pkey primary key,
  slug text not null constraint tenants_slug_key unique
    constraint tenants_slug_check check (
      slug ~ '^[a-z0-9][a-z0-9-]{0,62}$' and slug !~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'),
  project text not null default 'default-project',
  name text not null,
  status text not null default 'active' constraint tenants_status_check check (status in ('active', 'suspended')),
  status_reason text,
  version integer not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint tenants_project_name_key unique (project, name)
);
select mt.reference('moothill.tenants');
select mt.protect('moothill.tenants', 'id');
create policy gate_rows on moothill.tenants to moothill_gate using (true) with check (true);
create policy jobs_rows on moothill.tenants for select to moothill_jobs using (true);
grant select on moothill.tenants to moothill_app, moothill_readonly, moothill_auditor, moothill_jobs;
grant select, insert, update on moothill.tenants to moothill_gate;

comment on table moothill.tenants is 'The societies that live here; each sees its own row only.';
comment on column moothill.tenants.id is 'Id.';
comment on column moothill.tenants.slug is 'Short name in addresses and flags; unique everywhere.';
comment on column moothill.tenants.project is 'Groups tenants; a name is unique within it.';
comment on column moothill.tenants.name is 'Name for people.';
comment on column moothill.tenants.status is 'active, or suspended: its keys are refused and its jobs rest.';
comment on column moothill.tenants.status_reason is 'Why it was suspended.';
comment on column moothill.tenants.version is 'Rises with each change.';
comment on column moothill.tenants.created_at is 'When it was made.';
comment on column moothill.tenants.updated_at is 'When it last changed.';

create table moothill.api_keys (
  id uuid not null constraint api_keys_pkey primary key,
  tenant_id uuid not null constraint api_keys_tenant_fkey references moothill.tenants (id),
  name text not null,
  digest bytea not null constraint api_keys_digest_key unique
    constraint api_keys_digest_check check (length(digest) = 32),
  hint text not null,
  actor_kind text not null constraint api_keys_actor_check check (actor_kind in ('operator', 'agent')),
  actor_id uuid not null,
  actor_name text not null,
  scopes text[] not null,
  created_at timestamptz not null default now(),
  expires_at timestamptz,
  revoked_at timestamptz,
  replaced_by uuid,
  last_used_at timestamptz
);
create index api_keys_tenant_idx on moothill.api_keys (tenant_id, id);
grant select, insert, update on moothill.api_keys to moothill_gate;

comment on table moothill.api_keys is 'Keys of operators and agents: only SHA-256 digests of 256-bit random secrets. Control table, reached through gate functions.';
comment on column moothill.api_keys.id is 'Id.';
comment on column moothill.api_keys.tenant_id is 'The one tenant it belongs to.';
comment on column moothill.api_keys.name is 'What it is for, in the words of its maker.';
comment on column moothill.api_keys.digest is 'SHA-256 of the secret.';
comment on column moothill.api_keys.hint is 'First characters, to recognise it.';
comment on column moothill.api_keys.actor_kind is 'operator or agent.';
comment on column moothill.api_keys.actor_id is 'Id of the agent, or of the operator (the id of the operator''s first key).';
comment on column moothill.api_keys.actor_name is 'Name shown in the log.';
comment on column moothill.api_keys.scopes is 'What it may do.';
comment on column moothill.api_keys.created_at is 'When it was issued.';
comment on column moothill.api_keys.expires_at is 'It is refused from then on.';
comment on column moothill.api_keys.revoked_at is 'When it was revoked.';
comment on column moothill.api_keys.replaced_by is 'The key that a rotation issued in its place.';
comment on column moothill.api_keys.last_used_at is 'Last use, written in batches, to the minute.';

create function moothill.gate_tenants_match(reference text) returns setof moothill.tenants
  language sql stable security definer set search_path = pg_catalog, moothill, pg_temp
as $$
  select * from moothill.tenants where slug = reference or id::text = lower(reference);
$$;
comment on function moothill.gate_tenants_match(text) is 'The tenant of a slug or id.';

create function moothill.gate_tenants_page(after text, status_wanted text, size integer) returns setof moothill.tenants
  language sql stable security definer set search_path = pg_catalog, moothill, pg_temp
as $$
  select * from moothill.tenants
  where slug > coalesce(after, '') and (status_wanted is null or status = status_wanted)
  order by slug limit size;
$$;
comment on function moothill.gate_tenants_page(text, text, integer) is 'Tenants in the order of their slugs.';

create function moothill.gate_tenant_create(new_id uuid, new_slug text, new_project text, new_name text)
  returns setof moothill.tenants
  language sql volatile security definer set search_path = pg_catalog, moothill, pg_temp
as $$
  insert into moothill.tenants (id, slug, project, name) values (new_id, new_slug, new_project, new_name)
  returning *;
$$;
comment on function moothill.gate_tenant_create(uuid, text, text, text) is 'Makes a tenant.';

create function moothill.gate_tenant_status(wanted uuid, old_status text, new_status text, why text)
  returns setof moothill.tenants
  language sql volatile security definer set search_path = pg_catalog, moothill, pg_temp
as $$
  update moothill.tenants
  set status = new_status, status_reason = why, version = version + 1, updated_at = now()
  where id = wanted and status = old_status
  returning *;
$$;
comment on function moothill.gate_tenant_status(uuid, text, text, text) is 'Moves a tenant from one status to another, once.';

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

create function moothill.gate_keys_page(after uuid, with_dead boolean, size integer) returns setof moothill.api_keys
  language sql stable security definer set search_path = pg_catalog, moothill, pg_temp
as $$
  select * from moothill.api_keys
  where tenant_id = mt.tenant() and (after is null or id > after)
    and (with_dead or (revoked_at is null and (expires_at is null or expires_at > now())))
  order by id limit size;
$$;
comment on function moothill.gate_keys_page(uuid, boolean, integer) is 'Keys of the current tenant.';

create function moothill.gate_key_live(wanted uuid) returns setof moothill.api_keys
  language sql stable security definer set search_path = pg_catalog, moothill, pg_temp
as $$
  select * from moothill.api_keys
  where tenant_id = mt.tenant() and id = wanted and revoked_at is null and replaced_by is null
    and (expires_at is null or expires_at > now());
$$;
comment on function moothill.gate_key_live(uuid) is 'A key of the current tenant that may still be used or rotated.';

create function moothill.gate_key_end(wanted uuid, moment timestamptz, successor uuid) returns setof moothill.api_keys
  language sql volatile security definer set search_path = pg_catalog, moothill, pg_temp
as $$
  update moothill.api_keys
  set revoked_at = case when moment is null then now() else revoked_at end,
      expires_at = case when moment is null then expires_at else least(coalesce(expires_at, moment), moment) end,
      replaced_by = coalesce(successor, replaced_by)
  where tenant_id = mt.tenant() and id = wanted and revoked_at is null
    and (replaced_by is null or successor is null)
    and (expires_at is null or expires_at > now())
  returning *;
$$;
comment on function moothill.gate_key_end(uuid, timestamptz, uuid) is
  'Revokes a key at once, or lets it expire at a moment when a successor replaces it.';

create function moothill.gate_keys_used(ids uuid[], moments timestamptz[]) returns void
  language sql volatile security definer set search_path = pg_catalog, moothill, pg_temp
as $$
  update moothill.api_keys k
  set last_used_at = u.moment
  from (select unnest(ids) as id, unnest(moments) as moment) u
  where k.id = u.id and (k.last_used_at is null or k.last_used_at < u.moment);
$$;
comment on function moothill.gate_keys_used(uuid[], timestamptz[]) is 'Writes last uses, many at once.';

select mt.lend(oid::regprocedure, 'moothill_gate')
from pg_proc
where pronamespace = 'moothill'::regnamespace and proname like 'gate\_%';
