-- name: record
-- Record a step, if the attempt holds the task and nobody did so before; no row when it does not hold it.
-- returns: maybe
-- seals: task_steps.result
with held as materialized (
  -- Nobody ends or takes the task before this is written.
  select q.id, q.attempt, (select count(*) from task_steps s where s.tenant_id = %(tenant)s and s.task_id = q.id) as steps
  from task_queue q
  where q.tenant_id = %(tenant)s and q.id = %(task_id)s and q.token = %(token)s
  for no key update
), made as (
  insert into task_steps (tenant_id, task_id, name, result, attempt)
  select %(tenant)s, h.id, %(name)s, %(result)s::jsonb, h.attempt from held h where h.steps < %(most)s
  on conflict (tenant_id, task_id, name) do nothing
  returning recorded_at
)
select h.attempt, h.steps, m.recorded_at from held h left join made m on true;

-- name: step
-- One step of a task.
-- returns: maybe
-- seals: task_steps.result
select s.task_id, s.name, s.result, s.attempt, s.recorded_at
from task_steps s
where s.tenant_id = %(tenant)s and s.task_id = %(task_id)s and s.name = %(name)s;

-- name: page
-- Steps of a task by their names.
-- returns: many
-- seals: task_steps.result
select s.task_id, s.name, s.result, s.attempt, s.recorded_at
from task_steps s
where s.tenant_id = %(tenant)s and s.task_id = %(task_id)s and s.name collate "C" > %(after)s
order by s.name collate "C"
limit %(size)s;
