-- name: complete
-- Complete the tasks whose attempts hold them; which these were.
-- returns: one
-- seals: task_outcomes.result
select task_complete(%(tenant)s::uuid, %(rows)s::jsonb);

-- name: leave
-- End attempts without completing their tasks; which these were, and where each task stands now.
-- returns: one
-- seals: task_attempts.error
select left_ as tasks, states
from task_leave(%(tenant)s::uuid, %(rows)s::jsonb, %(how)s::text, %(said)s::text);

-- name: answer
-- Answer a task that waits; it can be handed out again.
-- returns: maybe
-- seals: task_answers.answer
with woken as (
  update task_queue q
  set state = 'pending', has_answers = true, signal = null, note = null, entered_at = now()
  where q.tenant_id = %(tenant)s and q.id = %(task_id)s and q.state = 'waiting'
  returning q.id
)
insert into task_answers (tenant_id, id, task_id, answer, answered_by)
select o.id, %(id)s, w.id, %(answer)s::jsonb, %(actor)s::uuid
from tenants o
cross join woken w
where o.id = %(tenant)s
returning task_id;

-- name: waiting_for
-- The tasks that wait for a signal, locked.
-- returns: many
select q.id
from task_queue q
where q.tenant_id = %(tenant)s and q.state = 'waiting' and q.signal = %(signal)s::text
order by q.id
limit %(most)s
for update;

-- name: signal
-- Give the tasks that wait for a signal what it brings; they can be handed out again.
-- returns: run
-- seals: task_answers.answer
with given as (
  select g.* from jsonb_to_recordset(%(rows)s::jsonb) as g (id uuid, task_id uuid, answer jsonb)
), woken as (
  update task_queue q
  set state = 'pending', has_answers = true, signal = null, note = null, entered_at = now()
  from given g
  where q.tenant_id = %(tenant)s and q.id = g.task_id and q.state = 'waiting'
  returning q.id
)
insert into task_answers (tenant_id, id, task_id, answer, signal, answered_by)
select o.id, g.id, g.task_id, g.answer, %(signal)s::text, %(actor)s::uuid
from tenants o
cross join given g
join woken w on w.id = g.task_id
where o.id = %(tenant)s;

-- name: sweep
-- What time does to the tasks of a tenant.
-- returns: one
select due, lost, timed_out, overdue from task_sweep(%(tenant)s::uuid, %(most)s::integer);
