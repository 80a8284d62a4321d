-- name: report
-- Write down how far attempts are that hold their tasks, where that does not go back; what was found of each.
-- returns: many
-- seals: task_progress.message, task_progress.metadata
with given as (
  select g.*
  from jsonb_to_recordset(%(rows)s::jsonb) as g (
    id uuid, task_id uuid, token uuid, phase text, percentage numeric, message text, metadata jsonb)
), held as materialized (
  -- Nobody ends or takes the task before this is written.
  select q.id, q.attempt, q.token
  from task_queue q
  where q.tenant_id = %(tenant)s and q.id in (select g.task_id from given g) and q.token in (select g.token from given g)
  order by q.id
  for no key update
), moved as (
  insert into task_phases (tenant_id, task_id, attempt, phase, percentage)
  select o.id, h.id, h.attempt, g.phase, g.percentage
  from tenants o
  cross join given g
  join held h on h.id = g.task_id and h.token = g.token
  where o.id = %(tenant)s
  order by h.id, g.phase
  on conflict (tenant_id, task_id, attempt, phase) do update
  set percentage = excluded.percentage, reports = task_phases.reports + 1, updated_at = now()
  where task_phases.percentage <= excluded.percentage
  returning task_id, attempt, phase
), kept as (
  insert into task_progress (tenant_id, id, task_id, attempt, phase, percentage, message, metadata)
  select o.id, g.id, m.task_id, m.attempt, g.phase, g.percentage, g.message, coalesce(g.metadata, '{}')
  from tenants o
  cross join given g
  join moved m on m.task_id = g.task_id and m.phase = g.phase
  where o.id = %(tenant)s
)
select g.task_id, g.phase, h.attempt, m.task_id is not null as accepted
from given g
left join held h on h.id = g.task_id and h.token = g.token
left join moved m on m.task_id = g.task_id and m.phase = g.phase;

-- name: phases
-- How far phases of tasks are, the last begun first.
-- returns: many
select p.task_id, p.attempt, p.phase, p.percentage, p.reports, p.began_at, p.updated_at
from task_phases p
where p.tenant_id = %(tenant)s and p.task_id = any(%(ids)s::uuid[])
order by p.attempt desc, p.began_at desc, p.phase
limit %(most)s;

-- name: page
-- What was said of how far a task is, the last first.
-- returns: many
-- seals: task_progress.message, task_progress.metadata
select p.id, p.attempt, p.phase, p.percentage, p.message, p.metadata, p.created_at
from task_progress p
where p.tenant_id = %(tenant)s and p.task_id = %(task_id)s and p.id < %(until)s
  and (%(phase)s::text is null or p.phase = %(phase)s)
order by p.id desc
limit %(size)s;
