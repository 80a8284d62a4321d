-- name: hold_keys
-- Take unique keys, each for its task; those that others hold say for which. Each is locked from here on.
-- returns: many
insert into task_keys (tenant_id, key, task_id, until)
select o.id, g.key, g.id, now() + make_interval(secs => g.seconds)
from tenants o
cross join unnest(%(keys)s::text[], %(ids)s::uuid[], %(seconds)s::double precision[]) as g (key, id, seconds)
where o.id = %(tenant)s
order by g.key
on conflict (tenant_id, key) do update set key = excluded.key
returning key, task_id as id, until;

-- name: spent_keys
-- Which of the keys that are held hold nothing any more: their task has ended, or their time is over.
-- returns: many
select k.key
from task_keys k
where k.tenant_id = %(tenant)s and k.key = any(%(keys)s::text[])
  and case when k.until is null
           then not exists (select from task_queue q where q.tenant_id = %(tenant)s and q.id = k.task_id)
           else k.until <= now() end;

-- name: retake_keys
-- Give keys that hold nothing any more to other tasks.
-- returns: run
update task_keys k
set task_id = g.id, until = now() + make_interval(secs => g.seconds)
from unnest(%(keys)s::text[], %(ids)s::uuid[], %(seconds)s::double precision[]) as g (key, id, seconds)
where k.tenant_id = %(tenant)s and k.key = g.key;

-- name: add
-- Add tasks, with their lanes and labels, each where it stands at first.
-- returns: many
-- errors: 23505 task_exists
-- seals: tasks.description, tasks.payload, tasks.metadata
with given as (
  select g.*
  from jsonb_to_recordset(%(rows)s::jsonb) as g (
    id uuid, task_id text, title text, description text, kind text, queue text, group_name text, lane_id uuid,
    priority integer, risk_tier integer, execution_mode text, complexity text, payload jsonb, requirements jsonb,
    constraints jsonb, budget_files integer, budget_lines integer, estimated_ms bigint, due_at timestamptz,
    deadline timestamptz, timeout_seconds integer, max_attempts integer, retry jsonb, tags text[], labels text[],
    metadata jsonb, parent_id uuid, assigned_by uuid, blockers integer, has_parents boolean, has_dependents boolean,
    place integer)
), lanes as (
  insert into task_lanes (tenant_id, id, queue, group_name, skills, capability, agent_type, agent_id, used_at)
  select o.id, n.id, n.queue, n.group_name, n.skills, n.capability, n.agent_type, n.agent_id, now()
  from tenants o
  cross join jsonb_to_recordset(%(lanes)s::jsonb) as n (
    id uuid, queue text, group_name text, skills jsonb, capability text, agent_type text, agent_id uuid)
  where o.id = %(tenant)s
    -- A lane that is in use is not even touched: who adds to it in a long transaction would keep all others waiting.
    and not exists (select from task_lanes l where l.tenant_id = %(tenant)s and l.id = n.id and l.is_open
                      and l.used_at >= now() - interval '1 hour')
  order by n.id
  on conflict (tenant_id, id) do update set used_at = excluded.used_at, is_open = true
  where task_lanes.used_at < excluded.used_at - interval '1 hour' or not task_lanes.is_open
), made as (
  insert into tasks (tenant_id, id, task_id, title, description, kind, queue, group_name, lane_id, priority, risk_tier,
                     execution_mode, complexity, payload, requirements, constraints, budget_files, budget_lines,
                     estimated_ms, deadline, timeout_seconds, max_attempts, retry, tags, metadata, parent_id, created_by,
                     assigned_by)
  select o.id, g.id, g.task_id, g.title, coalesce(g.description, ''), g.kind, g.queue, coalesce(g.group_name, ''),
         g.lane_id, g.priority, coalesce(g.risk_tier, 2), coalesce(g.execution_mode, 'auto'), g.complexity,
         coalesce(g.payload, '{}'), coalesce(g.requirements, '{}'), coalesce(g.constraints, '{}'), g.budget_files,
         g.budget_lines, g.estimated_ms, g.deadline, g.timeout_seconds, coalesce(g.max_attempts, 3), g.retry,
         coalesce(g.tags, '{}'), coalesce(g.metadata, '{}'), g.parent_id, %(actor)s::uuid, g.assigned_by
  from tenants o
  cross join given g
  where o.id = %(tenant)s
), labelled as (
  insert into task_tags (tenant_id, tag, task_id)
  select o.id, l.label, g.id
  from tenants o
  cross join given g
  cross join lateral unnest(g.labels) as l (label)
  where o.id = %(tenant)s and g.labels is not null
), queued as (
  insert into task_queue (tenant_id, id, state, lane_id, priority, rank, blockers, has_parents, has_dependents, due_at, deadline,
                          timeout_seconds)
  select o.id, g.id,
         case when g.blockers > 0 then 'blocked' when g.due_at > now() then 'scheduled' else 'pending' end, g.lane_id, g.priority,
         -- Of those that come together, in the order in which they come.
         mt.task_rank(greatest(now(), g.due_at), g.priority) + make_interval(secs => g.place * 1e-6),
         coalesce(g.blockers, 0), coalesce(g.has_parents, false), coalesce(g.has_dependents, false),
         case when g.due_at > now() then g.due_at end, g.deadline, g.timeout_seconds
  from tenants o
  cross join given g
  where o.id = %(tenant)s
  returning state
)
select state, count(*) as tasks from queued group by state;

-- name: link
-- Write down who waits for whom.
-- returns: run
-- errors: 23503 dependency_not_found
insert into task_dependencies (tenant_id, task_id, depends_on, type)
select o.id, g.task_id, g.depends_on, g.type
from tenants o
cross join unnest(%(tasks)s::uuid[], %(others)s::uuid[], %(types)s::text[]) as g (task_id, depends_on, type)
where o.id = %(tenant)s;

-- name: hold_parents
-- Have tasks that live know that others wait for them; who ends one of them meanwhile waits, and then looks again.
-- returns: run
update task_queue q
set has_dependents = true
where q.tenant_id = %(tenant)s
  and q.id in (select h.id from task_queue h
               where h.tenant_id = %(tenant)s and h.id = any(%(ids)s::uuid[]) order by h.id for update);

-- name: settle
-- Let go those that wait for tasks which have ended already.
-- returns: one
select task_settle(%(tenant)s::uuid, %(ids)s::uuid[]);

-- name: hint
-- Tell workers of every tenant that there may be work in these queues.
-- returns: run
select task_hint(%(tenant)s::uuid, %(queues)s::text[]);

-- name: find
-- The tasks of references: of each, one whose own key it is, or whose id.
-- returns: many
select g.reference, t.id, t.task_id, t.deleted_at
from unnest(%(references)s::text[]) as g (reference)
join tasks t on t.tenant_id = %(tenant)s and t.task_id = g.reference
union all
select g.reference, t.id, t.task_id, t.deleted_at
from unnest(%(named)s::text[], %(ids)s::uuid[]) as g (reference, id)
join tasks t on t.tenant_id = %(tenant)s and t.id = g.id;

-- name: agents
-- The agents of references: of each, one whose own key it is, or whose id.
-- returns: many
select g.reference, a.id, a.deactivated_at
from unnest(%(references)s::text[]) as g (reference)
join agents a on a.tenant_id = %(tenant)s and a.agent_id = g.reference
union all
select g.reference, a.id, a.deactivated_at
from unnest(%(named)s::text[], %(ids)s::uuid[]) as g (reference, id)
join agents a on a.tenant_id = %(tenant)s and a.id = g.id;
