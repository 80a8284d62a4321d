-- name: by_key
-- The task with a key of the caller's own, if it was not removed.
-- returns: maybe
-- seals: tasks.description, tasks.payload, tasks.metadata, task_outcomes.result, task_attempts.error
select {task}
from tasks t
{whole}
where t.tenant_id = %(tenant)s and t.task_id = %(key)s and t.deleted_at is null;

-- name: by_id
-- The task with an id, if it was not removed.
-- returns: maybe
-- seals: tasks.description, tasks.payload, tasks.metadata, task_outcomes.result, task_attempts.error
select {task}
from tasks t
{whole}
where t.tenant_id = %(tenant)s and t.id = %(id)s and t.deleted_at is null;

-- name: near
-- Keys that begin like one that was not found.
-- returns: many
select t.task_id
from tasks t
where t.tenant_id = %(tenant)s and t.task_id is not null and t.deleted_at is null
  and t.task_id >= left(%(key)s, 2) and t.task_id < left(%(key)s, 2) || 'zzzz'
order by t.task_id
limit 200;

-- name: standing
-- Where tasks stand, and which attempt holds or held each last.
-- returns: many
select t.id, {status} as status, coalesce(q.attempt, o.attempt) as attempt, q.token, q.expires_at, q.cancel_asked_at, q.note,
       a.agent_id as agent, q.worker_id
from tasks t
{standing}
where t.tenant_id = %(tenant)s and t.id = any(%(ids)s::uuid[]);
