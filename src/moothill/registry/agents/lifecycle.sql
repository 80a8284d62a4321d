-- name: move
-- Move an agent into a status, if it may come from where it is.
-- returns: maybe
-- seals: agents.config, agents.metadata
with old as (
  select id as old_id, status as old_status
  from agents
  where tenant_id = %(tenant)s and id = %(id)s and deactivated_at is null
  for no key update
), moved as (
  update agents
  set status = %(status)s, status_reason = %(reason)s, updated_at = now()
  from old
  where tenant_id = %(tenant)s and id = old_id and old_status = any(%(origins)s::text[])
  returning {agent}, old_status
)
select {agent}, old_status
from moved;

-- name: deactivate
-- Deactivate an agent that is not.
-- returns: maybe
-- seals: agents.config, agents.metadata
with moved as (
update agents
set deactivated_at = now(), status = 'offline', status_reason = %(reason)s, active_tasks = 0, queued_tasks = 0,
    utilisation = 0, updated_at = now(), version = version + 1
where tenant_id = %(tenant)s and id = %(id)s and deactivated_at is null
returning {agent}
), counted as materialized (select quota_move('agents', - count(*)) from moved)
select moved.* from moved cross join counted;

-- name: reactivate
-- Bring a deactivated agent back.
-- returns: maybe
-- seals: agents.config, agents.metadata
with moved as (
update agents
set deactivated_at = null, status_reason = null, updated_at = now(), version = version + 1
where tenant_id = %(tenant)s and id = %(id)s and deactivated_at is not null
returning {agent}
), counted as materialized (select quota_move('agents', count(*)) from moved)
select moved.* from moved cross join counted;
