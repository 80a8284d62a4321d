-- name: issue
-- Issue a key in this tenant.
-- returns: one
select id, name, hint, actor_kind, actor_id, actor_name, scopes, created_at, expires_at, revoked_at, replaced_by,
       last_used_at
from gate_key_issue(%(id)s, %(name)s, %(digest)s, %(hint)s, %(actor_kind)s, %(actor_id)s, %(actor_name)s,
                    %(scopes)s::text[], least(now() + %(lifetime)s::interval, %(latest)s::timestamptz));

-- name: live
-- A key of this tenant that may still be used or rotated.
-- returns: maybe
select id, name, hint, actor_kind, actor_id, actor_name, scopes, created_at, expires_at, revoked_at, replaced_by,
       last_used_at
from gate_key_live(%(id)s);

-- name: page
-- Keys of this tenant, oldest first.
-- returns: many
select id, name, hint, actor_kind, actor_id, actor_name, scopes, created_at, expires_at, revoked_at, replaced_by,
       last_used_at
from gate_keys_page(%(after)s, %(ended)s, %(size)s);

-- name: end_
-- Revoke a key, or let it expire at a moment when a successor replaces it; no row when it is not live.
-- returns: maybe
select id, name, hint, actor_kind, actor_id, actor_name, scopes, created_at, expires_at, revoked_at, replaced_by,
       last_used_at
from gate_key_end(%(id)s, now() + nullif(%(grace)s::interval, interval '0'), %(successor)s);
