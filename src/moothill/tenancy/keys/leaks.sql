-- let: key
id, name, hint, actor_kind, actor_id, actor_name, scopes, created_at, expires_at, revoked_at, replaced_by, last_used_at

-- name: revoke_all
-- Revoke the live keys of this tenant: of one actor, or made before a moment, or all.
-- returns: many
select {key}
from gate_keys_revoke(%(actor)s::uuid, %(before)s::timestamptz, %(spared)s::uuid)
order by id;

-- name: doomed
-- What that would revoke, the first of them, and how many in all.
-- returns: many
select hint, name, actor_kind, total
from gate_keys_doomed(%(actor)s::uuid, %(before)s::timestamptz, %(spared)s::uuid, %(size)s);

-- name: leaked
-- Keys of this tenant by digest or beginning.
-- returns: many
select k.digest, t.slug as tenant_slug, k.id, k.name, k.hint, k.actor_kind, k.actor_name,
       k.revoked_at is null and (k.expires_at is null or k.expires_at > now()) as is_live
from gate_keys_leaked(%(digests)s::bytea[], %(hints)s::text[]) k
join tenants t on t.id = %(tenant)s;

-- name: found_anywhere
-- Keys of any tenant, by the digests of their whole secrets.
-- returns: many
select d.digest, k.tenant_slug, k.id, k.name, k.hint, k.actor_kind, k.actor_name,
       k.revoked_at is null and (k.expires_at is null or k.expires_at > now()) as is_live
from unnest(%(digests)s::bytea[]) as d (digest)
cross join lateral gate_key_find(d.digest) k;
