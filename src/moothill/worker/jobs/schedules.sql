-- name: register
-- Make the scheduled jobs of this leader known; false when the epoch is stale.
-- returns: one
select jobs_schedules_register(%(lease)s, %(epoch)s, %(names)s, %(every)s, %(per_tenant)s) as led;

-- name: due
-- Seconds until each scheduled job is due.
-- returns: many
select name, wait
from jobs_schedules_due(%(names)s);

-- name: begin
-- Mark a due run as begun; false when it is not due or the epoch is stale.
-- returns: one
select jobs_schedule_begin(%(lease)s, %(epoch)s, %(name)s) as begun;

-- name: end_
-- Write down how a run ended.
-- returns: one
select jobs_schedule_end(%(lease)s, %(epoch)s, %(name)s, %(outcome)s, %(message)s) as noted;

-- name: tenants
-- Active tenants in the order of their ids.
-- returns: many
select id, slug
from jobs_tenants(%(after)s, %(size)s);
