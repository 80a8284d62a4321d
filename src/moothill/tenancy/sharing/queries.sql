-- name: own
-- The current tenant.
-- returns: one
select id as tenant, slug, isolation_level as level, version
from tenants
where id = %(tenant)s;

-- name: set_level
-- Change how far the current tenant opens itself; no row when it is at that level.
-- returns: maybe
select id as tenant, slug, isolation_level as level, version
from gate_tenant_level(%(level)s);

-- name: known
-- Whether an id belongs to a tenant.
-- returns: one
select gate_tenant_known(%(wanted)s::uuid) as known;

-- name: retire
-- End a grant that has expired, so that another one can take its place.
-- returns: run
update sharing_grants
set revoked_at = expires_at, revoked_by = %(actor)s
where tenant_id = %(tenant)s and grantee = %(grantee)s and data_class = %(data_class)s and revoked_at is null
  and expires_at <= now();

-- name: grant
-- Let another tenant read a class of data.
-- returns: one
-- errors: 23505 grant_exists
insert into sharing_grants (tenant_id, id, grantee, data_class, tag, reason, granted_by, expires_at)
values (%(tenant)s, %(id)s, %(grantee)s, %(data_class)s, %(tag)s, %(reason)s, %(actor)s, now() + %(expires_in)s::interval)
returning id, grantee, data_class, tag, reason, granted_by, granted_at, expires_at, revoked_at;

-- name: one
-- One grant of this tenant.
-- returns: maybe
select id, grantee, data_class, tag, reason, granted_by, granted_at, expires_at, revoked_at
from sharing_grants
where tenant_id = %(tenant)s and id = %(id)s;

-- name: holds
-- Whether a grant lets anybody read.
-- returns: one
select exists (
  select from sharing_grants
  where tenant_id = %(tenant)s and id = %(id)s and revoked_at is null
    and (expires_at is null or expires_at > now())) as holds;

-- name: revoke
-- End a grant now; no row when it has ended.
-- returns: maybe
update sharing_grants
set revoked_at = now(), revoked_by = %(actor)s
where tenant_id = %(tenant)s and id = %(id)s and revoked_at is null
returning id, grantee, data_class, tag, reason, granted_by, granted_at, expires_at, revoked_at;

-- name: page
-- Grants of this tenant in the order in which they were made.
-- returns: many
select id, grantee, data_class, tag, reason, granted_by, granted_at, expires_at, revoked_at
from sharing_grants
where tenant_id = %(tenant)s and id > %(after)s
  and (%(ended)s or revoked_at is null and (expires_at is null or expires_at > now()))
order by id
limit %(size)s;

-- name: received
-- What others let this tenant read.
-- returns: many
select id, owner_id, owner_slug, owner_name, data_class, tag, granted_at, expires_at
from gate_grants_received(%(after)s, %(size)s);

-- name: in_force
-- The grant by which this tenant may read a class of another one now.
-- returns: maybe
select id, owner_id, owner_slug, data_class, tag
from gate_grant_find(%(owner)s, %(data_class)s);

-- name: accesses
-- Who came from outside, newest first.
-- returns: many
select id, accessor, kind, data_class, operation, encode(query_digest, 'hex') as query_digest, rows, actor, actor_kind,
       actor_name, real_actor, address, request, accessed_at
from access_log
where tenant_id = %(tenant)s and id < %(before)s and (%(accessor)s::uuid is null or accessor = %(accessor)s::uuid)
  and (%(kind)s::text is null or kind = %(kind)s::text)
order by id desc
limit %(size)s;

-- name: summary
-- Who came from outside, how often, and how much went out.
-- returns: many
select accessor, kind, data_class, accesses, rows, first_at, last_at
from cross_tenant_access_summary
where tenant_id = %(tenant)s
order by last_at desc
limit %(size)s;

-- name: statistics
-- How large this tenant is.
-- returns: one
select tenant_id, slug, name, isolation_level, agents, capabilities, events, last_event_at
from tenant_statistics
where tenant_id = %(tenant)s;

-- name: log_access
-- Write down that somebody from outside was here.
-- returns: run
insert into access_log (tenant_id, id, accessor, kind, data_class, operation, query_digest, rows, actor, actor_kind,
                        actor_name, real_actor, address, request)
values (%(tenant)s, %(id)s, %(accessor)s, %(kind)s, %(data_class)s, %(operation)s, %(digest)s, %(rows)s, %(who)s,
        %(who_kind)s, %(who_name)s, %(real_actor)s, %(address)s::inet, %(request)s);

-- name: log_shared
-- Write down a read by a grant, if that still holds.
-- returns: maybe
insert into access_log (tenant_id, id, accessor, kind, data_class, operation, query_digest, rows, actor, actor_kind,
                        actor_name, real_actor, address, request)
select t.id, %(id)s::uuid, %(accessor)s::uuid, %(kind)s::text, %(data_class)s::text, %(operation)s::text,
       %(digest)s::bytea, %(rows)s::integer, %(who)s::uuid, %(who_kind)s::text, %(who_name)s::text,
       %(real_actor)s::uuid, %(address)s::inet, %(request)s::uuid
from tenants t
join sharing_grants g on g.tenant_id = %(tenant)s and g.id = %(grant)s
where t.id = %(tenant)s and t.status = 'active' and t.isolation_level <> 'strict' and g.revoked_at is null
  and (g.expires_at is null or g.expires_at > now())
returning id;
