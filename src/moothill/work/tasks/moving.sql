-- name: dependents
-- The tasks that wait for one, directly or not, that live.
-- returns: many
with recursive below (id) as (
  select %(id)s::uuid
  union
  select d.task_id from below b
  join task_dependencies d on d.tenant_id = %(tenant)s and d.depends_on = b.id
  where d.type = 'blocks'
)
select b.id from below b
join task_queue q on q.tenant_id = %(tenant)s and q.id = b.id
limit %(most)s;

-- name: end
-- End tasks that nobody holds; which these were.
-- returns: one
select task_end(%(tenant)s::uuid, %(ids)s::uuid[], %(how)s::text, %(said)s::text);

-- name: ask
-- Ask those who hold tasks to stop.
-- returns: many
update task_queue q
set cancel_asked_at = coalesce(q.cancel_asked_at, now()), note = %(reason)s::text
where q.tenant_id = %(tenant)s and q.id = any(%(ids)s::uuid[]) and q.token is not null
returning q.id;

-- name: take_away
-- End the attempts that hold tasks, whoever holds them; which these were, and where each task stands now.
-- returns: one
select l.left_ as tasks, l.states
from (select coalesce(jsonb_agg(jsonb_build_object('id', q.id, 'token', q.token)), '[]') as rows
      from task_queue q
      where q.tenant_id = %(tenant)s and q.id = any(%(ids)s::uuid[]) and q.token is not null) h
cross join lateral task_leave(%(tenant)s::uuid, h.rows, %(how)s::text, %(said)s::text) l;

-- name: pause
-- Put a task on hold that nobody holds; where it stood.
-- returns: maybe
with held as materialized (
  select q.id, q.state from task_queue q
  where q.tenant_id = %(tenant)s and q.id = %(id)s and q.state in ('pending', 'blocked', 'scheduled', 'retry')
  for update
), moved as (
  update task_queue q
  set state = 'paused', note = %(reason)s::text, entered_at = now()
  from held h
  where q.tenant_id = %(tenant)s and q.id = h.id
)
select state from held;

-- name: resume
-- Let a task go on that was on hold; where it stands.
-- returns: maybe
update task_queue q
set state = case when q.blockers > 0 then 'blocked' when q.due_at > now() then 'scheduled' else 'pending' end,
    due_at = case when q.due_at > now() then q.due_at end,
    note = null,
    entered_at = now()
where q.tenant_id = %(tenant)s and q.id = %(id)s and q.state = 'paused'
returning q.state;

-- name: parents_of
-- The tasks that these wait for.
-- returns: many
select distinct d.depends_on as id
from task_dependencies d
where d.tenant_id = %(tenant)s and d.task_id = any(%(ids)s::uuid[]) and d.met_at is null and d.type <> 'soft';

-- name: hold_parents
-- Hold tasks that live, so that none of them ends before this does.
-- returns: many
select q.id from task_queue q
where q.tenant_id = %(tenant)s and q.id = any(%(ids)s::uuid[])
order by q.id
for no key update;

-- name: hold
-- Hold tasks, so that nobody has another wait for them meanwhile: whoever does locks them by the foreign key.
-- returns: many
select t.id from tasks t where t.tenant_id = %(tenant)s and t.id = any(%(ids)s::uuid[]) order by t.id for update;

-- name: redrive
-- Put tasks that failed or were cancelled back in their queue, with all their attempts before them.
-- returns: many
with gone as (
  delete from task_outcomes o
  where o.tenant_id = %(tenant)s and o.id = any(%(ids)s::uuid[]) and o.status in ('failed', 'cancelled')
    and o.archived_at is null
    and exists (select from tasks t where t.tenant_id = %(tenant)s and t.id = o.id and t.deleted_at is null)
  returning o.id, o.attempt, o.agent_id
), opened as (
  update task_lanes l
  set used_at = now(), is_open = true
  where l.tenant_id = %(tenant)s and l.id in (
    select t.lane_id from gone g join tasks t on t.tenant_id = %(tenant)s and t.id = g.id)
)
insert into task_queue (tenant_id, id, state, lane_id, priority, rank, attempt, agent_id, blockers, has_parents,
                        has_dependents, has_answers, deadline, timeout_seconds)
select t.tenant_id, t.id, case when d.unmet > 0 then 'blocked' else 'pending' end, t.lane_id, t.priority,
       mt.task_rank(t.created_at, t.priority), g.attempt, g.agent_id, d.unmet, d.parents > 0,
       exists (select from task_dependencies c where c.tenant_id = %(tenant)s and c.depends_on = t.id),
       exists (select from task_answers n where n.tenant_id = %(tenant)s and n.task_id = t.id),
       case when t.deadline > now() then t.deadline end, t.timeout_seconds
from gone g
join tasks t on t.tenant_id = %(tenant)s and t.id = g.id and t.deleted_at is null
cross join lateral (
  select count(*) as parents, count(*) filter (where p.met_at is null and p.type <> 'soft')::integer as unmet
  from task_dependencies p where p.tenant_id = %(tenant)s and p.task_id = t.id
) d
returning id;

-- name: dead_letters
-- Tasks that failed for good, the oldest first.
-- returns: many
select o.id from task_outcomes o
join tasks t on t.tenant_id = %(tenant)s and t.id = o.id and t.deleted_at is null
where o.tenant_id = %(tenant)s and o.status <> 'completed' and o.status = 'failed' and o.dead_letter
  and o.archived_at is null
  and (%(queue)s::text is null or t.queue = %(queue)s) and (%(kind)s::text is null or t.kind = %(kind)s)
order by o.id
limit %(most)s;

-- name: assign
-- Give a task that nobody holds to one agent, or to whoever may take it.
-- returns: maybe
with lane as (
  insert into task_lanes (tenant_id, id, queue, group_name, skills, capability, agent_type, agent_id, used_at)
  select o.id, n.id, n.queue, n.group_name, n.skills, n.capability, n.agent_type, n.agent_id, now()
  from tenants o
  cross join jsonb_to_record(%(lane)s::jsonb) as n (
    id uuid, queue text, group_name text, skills jsonb, capability text, agent_type text, agent_id uuid)
  where o.id = %(tenant)s
  on conflict (tenant_id, id) do update set used_at = excluded.used_at, is_open = true
), moved as (
  update task_queue q
  set lane_id = %(lane_id)s
  where q.tenant_id = %(tenant)s and q.id = %(id)s and q.token is null
  returning q.id
)
update tasks t
set lane_id = %(lane_id)s, requirements = %(requirements)s::jsonb, assigned_by = %(assigned_by)s::uuid, updated_at = now(),
    version = t.version + 1
from moved m
where t.tenant_id = %(tenant)s and t.id = m.id
returning t.id;

-- name: update
-- Change what a task says, if it still has the version that was read; null leaves a field as it is.
-- returns: maybe
-- seals: tasks.description, tasks.payload, tasks.metadata
with changed as (
  update tasks t
  set title = coalesce(%(title)s::text, t.title),
      description = coalesce(%(description)s::text, t.description),
      payload = coalesce(%(payload)s::jsonb, t.payload),
      constraints = coalesce(%(constraints)s::jsonb, t.constraints),
      metadata = coalesce(%(metadata)s::jsonb, t.metadata),
      priority = coalesce(%(priority)s::integer, t.priority),
      deadline = coalesce(%(deadline)s::timestamptz, t.deadline),
      max_attempts = coalesce(%(max_attempts)s::integer, t.max_attempts),
      tags = coalesce(%(tags)s::text[], t.tags),
      updated_at = now(),
      version = t.version + 1
  where t.tenant_id = %(tenant)s and t.id = %(id)s and t.version = %(version)s and t.deleted_at is null
  returning t.id, t.version, t.created_at, t.priority, t.deadline
), stripped as (
  delete from task_tags g
  using changed c
  where %(labels)s::text[] is not null and g.tenant_id = %(tenant)s and g.task_id = c.id
    and g.tag <> all(%(labels)s::text[])
), labelled as (
  insert into task_tags (tenant_id, tag, task_id)
  select o.id, l.label, c.id
  from tenants o
  cross join changed c
  cross join lateral unnest(%(labels)s::text[]) as l (label)
  where o.id = %(tenant)s
  on conflict (tenant_id, tag, task_id) do nothing
), moved as (
  update task_queue q
  set priority = c.priority,
      rank = case when c.priority <> q.priority or %(due_at)s::timestamptz is not null
                  then mt.task_rank(greatest(c.created_at, %(due_at)s::timestamptz), c.priority) else q.rank end,
      deadline = c.deadline,
      due_at = case when q.state in ('pending', 'scheduled') then
                 case when %(due_at)s::timestamptz > now() then %(due_at)s::timestamptz
                      when %(due_at)s::timestamptz is null then q.due_at end
                 else coalesce(%(due_at)s::timestamptz, q.due_at) end,
      state = case when %(due_at)s::timestamptz is null or q.state not in ('pending', 'scheduled') then q.state
                   when %(due_at)s::timestamptz > now() then 'scheduled' else 'pending' end
  from changed c
  where q.tenant_id = %(tenant)s and q.id = c.id
)
select version from changed;

-- name: remove
-- Remove a task that has ended from sight.
-- returns: maybe
update tasks t
set deleted_at = now(), updated_at = now(), version = t.version + 1
where t.tenant_id = %(tenant)s and t.id = %(id)s and t.deleted_at is null
  and exists (select from task_outcomes o where o.tenant_id = %(tenant)s and o.id = %(id)s)
returning t.id;

-- name: close_lanes
-- Pass over lanes that were not used for a day and hold nothing; how many they are.
-- returns: many
update task_lanes l
set is_open = false
where l.tenant_id = %(tenant)s and l.is_open and l.used_at < now() - interval '1 day'
  and not exists (select from task_queue q where q.tenant_id = %(tenant)s and q.lane_id = l.id)
returning l.id;

-- name: archive
-- Put away tasks that ended before a time, some at once; those that were archived are not touched again.
-- returns: many
update task_outcomes o
set archived_at = now()
where o.tenant_id = %(tenant)s and o.id in (
  select e.id from task_outcomes e
  where e.tenant_id = %(tenant)s and e.ended_at < now() - make_interval(days => %(days)s::integer)
    and e.archived_at is null and not e.dead_letter
  order by e.ended_at limit %(most)s::integer for update skip locked)
returning o.id;
