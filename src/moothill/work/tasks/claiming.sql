-- name: agent
-- The agent for whom tasks are claimed, if it may work.
-- returns: maybe
select id, agent_id, status, deactivated_at
from agents
where tenant_id = %(tenant)s and (agent_id = %(reference)s::text or id = %(id)s::uuid)
order by (agent_id = %(reference)s::text) desc
limit 1;

-- name: claim
-- Hand out tasks, with what their holders need; a worker is known by it.
-- returns: many
-- seals: tasks.description, tasks.payload
with seen as (
  insert into task_workers (tenant_id, id, name, lease_seconds, agent_id, queues, created_by, seen_at)
  select o.id, %(worker)s::uuid, coalesce(%(worker_name)s::text, 'worker'), ceil(%(lease)s::double precision)::integer,
         %(agent)s::uuid, %(queues)s::text[], %(actor)s::uuid, now()
  from tenants o
  where o.id = %(tenant)s and %(worker)s::uuid is not null
  on conflict (tenant_id, id) do update
  set seen_at = excluded.seen_at, lease_seconds = excluded.lease_seconds
  -- A claim tells that it lives; to write that down at each of them would cost as much as the claim.
  where task_workers.seen_at < excluded.seen_at - make_interval(secs => task_workers.lease_seconds / 4.0)
    and task_workers.created_by is not distinct from excluded.created_by
)
select t.id, t.task_id, c.token, c.attempt, c.failures, t.title, t.description, t.kind, t.queue,
       (array['critical', 'high', 'normal', 'low', 'background'])[t.priority + 1] as priority, t.payload, t.constraints,
       t.risk_tier, t.execution_mode, t.budget_files, t.budget_lines, t.deadline, c.expires_at,
       c.has_parents, c.has_answers
from task_claim(%(tenant)s::uuid, %(queues)s::text[], %(agent)s::uuid, %(worker)s::uuid, %(most)s::integer,
                %(seed)s::uuid, %(lease)s::double precision, %(begins)s::boolean) c
join tasks t on t.tenant_id = %(tenant)s and t.id = c.id
order by c.rank, c.id;

-- name: parents
-- What the tasks that these waited for left.
-- returns: many
-- seals: task_outcomes.result
select d.task_id as child, o.id, t.task_id, o.status, o.result
from task_dependencies d
join task_outcomes o on o.tenant_id = %(tenant)s and o.id = d.depends_on
join tasks t on t.tenant_id = %(tenant)s and t.id = d.depends_on
where d.tenant_id = %(tenant)s and d.task_id = any(%(ids)s::uuid[])
order by d.created_at, d.depends_on;

-- name: answers
-- What was answered to these while they waited, in order.
-- returns: many
-- seals: task_answers.answer
select n.task_id, n.id, n.answer
from task_answers n
where n.tenant_id = %(tenant)s and n.task_id = any(%(ids)s::uuid[])
order by n.task_id, n.id;

-- name: next_due
-- When the next task that waits for its time is due, among the first that time does something to.
-- returns: one
select min(d.due_at) as at, now() as now
from (select q.due_at, q.state from task_queue q
      where q.tenant_id = %(tenant)s and q.alarm_at > now() and q.alarm_at < now() + make_interval(secs => %(within)s)
      order by q.alarm_at limit 100) d
where d.state in ('scheduled', 'retry');

-- name: begin
-- Begin a task that was handed out.
-- returns: maybe
update task_queue q
set state = 'in_progress', started_at = now()
where q.tenant_id = %(tenant)s and q.id = %(id)s and q.token = %(token)s and q.state = 'assigned'
returning q.id, q.attempt;
