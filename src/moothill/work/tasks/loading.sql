-- name: place
-- Put tasks that were just added where they stood elsewhere: held by nobody here, or ended.
-- returns: run
-- seals: task_outcomes.result
with given as (
  select g.*
  from jsonb_to_recordset(%(rows)s::jsonb) as g (
    id uuid, status text, agent_id uuid, attempts integer, created_at timestamptz, started_at timestamptz,
    ended_at timestamptz, result jsonb, quality numeric, note text)
), dated as (
  update tasks t
  set created_at = coalesce(g.created_at, t.created_at)
  from given g
  where t.tenant_id = %(tenant)s and t.id = g.id
), gone as (
  delete from task_queue q
  using given g
  where q.tenant_id = %(tenant)s and q.id = g.id and g.status in ('completed', 'failed', 'cancelled', 'archived')
  returning q.id
), ended as (
  insert into task_outcomes (tenant_id, id, status, dead_letter, attempt, agent_id, claimed_at, started_at, ended_at, result,
                             quality, reason, archived_at)
  select o.id, g.id, case when g.status = 'archived' then 'completed' else g.status end, g.status = 'failed', g.attempts,
         g.agent_id, g.started_at, g.started_at, coalesce(g.ended_at, now()), g.result, g.quality, g.note,
         case when g.status = 'archived' then now() end
  from tenants o
  cross join given g
  join gone d on d.id = g.id
  where o.id = %(tenant)s
)
update task_queue q
set state = case when g.is_placed then g.status else q.state end,
    rank = mt.task_rank(greatest(coalesce(g.created_at, now()), q.due_at), q.priority),
    attempt = g.attempts,
    agent_id = g.agent_id,
    -- Held without a lease: whoever holds it elsewhere is not known here, so `tasks.revoke` alone takes it away.
    token = case when g.status in ('assigned', 'in_progress') then md5(%(seed)s::text || g.id::text)::uuid end,
    claimed_at = case when g.status in ('assigned', 'in_progress') then coalesce(g.started_at, g.created_at, now()) end,
    started_at = case when g.status = 'in_progress' then coalesce(g.started_at, now()) end,
    due_at = case when g.status = 'retry' then coalesce(q.due_at, now()) else q.due_at end,
    note = g.note,
    entered_at = coalesce(g.created_at, now())
from (select *, status in ('assigned', 'in_progress', 'waiting', 'paused', 'retry') as is_placed from given) g
where q.tenant_id = %(tenant)s and q.id = g.id
  and g.status not in ('completed', 'failed', 'cancelled', 'archived');
