-- name: keys
-- Data keys of this tenant, newest first, without the keys.
-- returns: many
select number, state, kek, created_at, wrapped_at, retired_at, shredded_at
from tenant_keys
where tenant_id = %(tenant)s
order by number desc
limit 100;

-- name: active
-- Number of the key that seals; no row in a tenant that does not encrypt.
-- returns: maybe
select number
from tenant_keys
where tenant_id = %(tenant)s and state = 'active';

-- name: retire
-- Let the active key only open from now on; no row when it is not active any more.
-- returns: maybe
update tenant_keys
set state = 'retired', retired_at = now()
where tenant_id = %(tenant)s and number = %(number)s and state = 'active'
returning number;

-- name: begin
-- Store a new data key as the active one; no row when another was faster.
-- returns: maybe
insert into tenant_keys (tenant_id, number, wrapped, kek)
values (%(tenant)s, %(number)s, %(wrapped)s, %(kek)s)
on conflict do nothing
returning number;

-- name: kept
-- Whether there is a key that may still open something.
-- returns: one
select exists (select from tenant_keys where tenant_id = %(tenant)s and state = 'retired') as kept;

-- name: clear
-- Destroy retired keys that seal nothing any more, where no archive may hold what they sealed: a file's time is that
-- at which its transaction began.
-- returns: many
update tenant_keys k
set wrapped = null, state = 'shredded', shredded_at = now()
where k.tenant_id = %(tenant)s and k.state = 'retired'
  and not exists (select from tenant_keys a where a.tenant_id = %(tenant)s and a.state = 'active')
  and not exists (select from retention_archives f where f.tenant_id = %(tenant)s and f.made_at >= k.created_at - interval '1 day')
returning k.number;

-- name: shred
-- Destroy the data keys of this tenant.
-- returns: many
update tenant_keys
set wrapped = null, state = 'shredded', shredded_at = now(), retired_at = coalesce(retired_at, now())
where tenant_id = %(tenant)s and state <> 'shredded'
returning number;

-- name: barrier
-- A number that every transaction which begins to write from now on exceeds.
-- returns: one
select pg_snapshot_xmax(pg_current_snapshot())::text::bigint as number;

-- name: passed
-- Whether every transaction below a number has ended.
-- returns: one
select (mt.horizon() & ((1::bigint << 48) - 1)) >= %(barrier)s as done;

-- name: stale
-- Data keys of all tenants that another key-encryption key than the newest wraps.
-- returns: many
select tenant_id, number, wrapped, kek
from gate_keys_stale(%(kek)s, %(after_tenant)s, %(after_number)s, %(size)s);

-- name: rewrap
-- Put a data key under another key-encryption key; false when somebody else did.
-- returns: one
select gate_key_rewrap(%(owner)s, %(number)s, %(was)s, %(becomes)s, %(kek)s) as done;
