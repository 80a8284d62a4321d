-- let: limit
l.name, l.amount, l.set_by, l.set_at,
case when l.name in ('agents', 'capabilities', 'events') then (
       select l.amount - sum(s.room) from quota_shares s
       where s.tenant_id = %(tenant)s and s.name = l.name
         and (s.day is null or s.day = (now() at time zone 'UTC')::date))
     else (select u.used from gate_limits_use() u where u.name = l.name) end::bigint as used

-- name: lock
-- Wait for whoever counts against a quota now, and keep others from it until the end of the transaction.
-- returns: run
select pg_advisory_xact_lock(hashtextextended(%(tenant)s::uuid::text || %(name)s, 0));

-- name: one
-- One limit of this tenant.
-- returns: maybe
select {limit}
from tenant_limits l
where l.tenant_id = %(tenant)s and l.name = %(name)s;

-- name: all
-- Every limit of this tenant.
-- returns: many
select {limit}
from tenant_limits l
where l.tenant_id = %(tenant)s
order by l.name
limit %(size)s;

-- name: count
-- How many limits this tenant has.
-- returns: one
select count(*) as limits
from tenant_limits
where tenant_id = %(tenant)s;

-- name: put
-- Set a limit, or change it.
-- returns: run
insert into tenant_limits (tenant_id, name, amount, set_by)
values (%(tenant)s, %(name)s, %(amount)s, %(actor)s)
on conflict (tenant_id, name) do update
set amount = excluded.amount, set_by = excluded.set_by, set_at = excluded.set_at;

-- name: begin
-- Count what is stored, and divide what is left.
-- returns: one
select quota_begin(%(name)s, %(amount)s::bigint) as stored;

-- name: clear
-- Take a limit away, with its counter.
-- returns: maybe
with counted as (
  delete from quota_shares
  where tenant_id = %(tenant)s and name = %(name)s
)
delete from tenant_limits
where tenant_id = %(tenant)s and name = %(name)s
returning amount;
