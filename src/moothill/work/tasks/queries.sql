-- let: wanted
-- Which tasks a filter keeps.
t.deleted_at is null
and (%(queue)s::text is null or t.queue = %(queue)s)
and (%(group)s::text is null or t.group_name = %(group)s)
and (%(kind)s::text is null or t.kind = %(kind)s)
and (%(priority)s::integer is null or t.priority = %(priority)s)
and (%(agent)s::uuid is null or coalesce(q.agent_id, o.agent_id) = %(agent)s)
and (%(dead_letter)s::boolean is null or coalesce(o.dead_letter, false) = %(dead_letter)s)
and (%(status)s::text is null or {status} = %(status)s)
and (%(text)s::text is null or strpos(lower(t.title), lower(%(text)s)) > 0)

-- name: page
-- Tasks, the newest first. One after the other is looked at and judged by the filter until there are enough: a plan
-- that knows no values takes the filter for rarer than it is, and would sort everything; `offset 0` forbids it.
-- returns: many
select f.*
from tasks w
cross join lateral (
  select {summary}
  from tasks t
  {standing}
  where t.tenant_id = %(tenant)s and t.id = w.id and {wanted}
  offset 0) f
where w.tenant_id = %(tenant)s and w.id < %(before)s::uuid
order by w.id desc
limit %(size)s;

-- name: page_waiting
-- Tasks that can be handed out, the newest first.
-- returns: many
select f.*
from task_queue w
cross join lateral (
  select {summary}
  from tasks t
  {standing}
  where t.tenant_id = %(tenant)s and t.id = w.id and {wanted}
  offset 0) f
where w.tenant_id = %(tenant)s and w.state = 'pending' and w.id < %(before)s::uuid
order by w.id desc
limit %(size)s;

-- name: page_live
-- Tasks in another state that is no end, the newest first.
-- returns: many
select f.*
from task_queue w
cross join lateral (
  select {summary}
  from tasks t
  {standing}
  where t.tenant_id = %(tenant)s and t.id = w.id and {wanted}
  offset 0) f
where w.tenant_id = %(tenant)s and w.state <> 'pending' and w.state = %(status)s and w.id < %(before)s::uuid
order by w.id desc
limit %(size)s;

-- name: page_failed
-- Tasks that failed or were cancelled, the newest first.
-- returns: many
select f.*
from task_outcomes w
cross join lateral (
  select {summary}
  from tasks t
  {standing}
  where t.tenant_id = %(tenant)s and t.id = w.id and {wanted}
  offset 0) f
where w.tenant_id = %(tenant)s and w.status <> 'completed' and w.status = %(status)s and w.id < %(before)s::uuid
order by w.id desc
limit %(size)s;

-- name: page_completed
-- Tasks that were completed, the newest first; however many there are that live, these are not looked at.
-- returns: many
select f.*
from task_outcomes w
cross join lateral (
  select {summary}
  from tasks t
  {standing}
  where t.tenant_id = %(tenant)s and t.id = w.id and {wanted}
  offset 0) f
where w.tenant_id = %(tenant)s and w.status = 'completed' and w.archived_at is null and w.id < %(before)s::uuid
order by w.id desc
limit %(size)s;

-- name: page_archived
-- Tasks that were put away, the newest first.
-- returns: many
select f.*
from task_outcomes w
cross join lateral (
  select {summary}
  from tasks t
  {standing}
  where t.tenant_id = %(tenant)s and t.id = w.id and {wanted}
  offset 0) f
where w.tenant_id = %(tenant)s and w.archived_at is not null and w.id < %(before)s::uuid
order by w.id desc
limit %(size)s;

-- name: page_tagged
-- Tasks with a label, the newest first.
-- returns: many
select f.*
from task_tags w
cross join lateral (
  select {summary}
  from tasks t
  {standing}
  where t.tenant_id = %(tenant)s and t.id = w.task_id and {wanted}
  offset 0) f
where w.tenant_id = %(tenant)s and w.tag = %(tag)s and w.task_id < %(before)s::uuid
order by w.task_id desc
limit %(size)s;

-- name: page_children
-- Tasks that the holder of another added, the newest first.
-- returns: many
select f.*
from tasks w
cross join lateral (
  select {summary}
  from tasks t
  {standing}
  where t.tenant_id = %(tenant)s and t.id = w.id and {wanted}
  offset 0) f
where w.tenant_id = %(tenant)s and w.parent_id = %(parent)s and w.id < %(before)s::uuid
order by w.id desc
limit %(size)s;

-- name: held_by
-- Tasks that an agent holds.
-- returns: many
select {summary}
from task_queue w
join tasks t on t.tenant_id = %(tenant)s and t.id = w.id
{standing}
where w.tenant_id = %(tenant)s and w.state in ('assigned', 'in_progress') and w.agent_id = %(agent)s
  and t.deleted_at is null
order by w.id desc
limit %(size)s;

-- name: ended_by
-- Tasks that ended in an agent's hands, the last first.
-- returns: many
select {summary}
from task_outcomes w
join tasks t on t.tenant_id = %(tenant)s and t.id = w.id
{standing}
where w.tenant_id = %(tenant)s and w.agent_id = %(agent)s and t.deleted_at is null
  and w.ended_at <= %(before)s::timestamptz and (w.ended_at < %(before)s::timestamptz or w.id > %(after_id)s::uuid)
order by w.ended_at desc, w.id
limit %(size)s;

-- name: attempts
-- The attempts at a task, in order; the one that completed it, or runs, last.
-- returns: many
-- seals: task_attempts.error
select e.id, e.attempt, e.outcome, e.agent_id, a.agent_id as agent, e.worker_id, e.claimed_at, e.started_at, e.ended_at,
       e.error, e.note
from (
  select p.id, p.attempt, p.outcome, p.agent_id, p.worker_id, p.claimed_at, p.started_at, p.ended_at, p.error, p.note
  from task_attempts p
  where p.tenant_id = %(tenant)s and p.id = %(id)s
  union all
  select o.id, o.attempt, 'completed', o.agent_id, o.worker_id, o.claimed_at, o.started_at, o.ended_at, null, null
  from task_outcomes o
  where o.tenant_id = %(tenant)s and o.id = %(id)s and o.status = 'completed'
  union all
  select q.id, q.attempt, 'running', q.agent_id, q.worker_id, q.claimed_at, q.started_at, null, null, q.note
  from task_queue q
  where q.tenant_id = %(tenant)s and q.id = %(id)s and q.token is not null
) e
left join agents a on a.tenant_id = %(tenant)s and a.id = e.agent_id
where e.attempt > %(after)s::integer
order by e.attempt
limit %(size)s;

-- name: summary
-- Live tasks by queue, state and priority: what `v_task_queue_summary` shows.
-- returns: many
select l.queue, q.state as status, (array['critical', 'high', 'normal', 'low', 'background'])[q.priority + 1] as priority,
       count(*) as tasks,
       avg(extract(epoch from now() - coalesce(q.entered_at, q.claimed_at)))::double precision as average_wait_seconds,
       max(extract(epoch from now() - coalesce(q.entered_at, q.claimed_at)))::double precision as longest_wait_seconds
from task_queue q
join task_lanes l on l.tenant_id = %(tenant)s and l.id = q.lane_id
where q.tenant_id = %(tenant)s and (%(queue)s::text is null or l.queue = %(queue)s)
group by l.queue, q.state, q.priority
order by l.queue, q.state, q.priority
limit 1000;

-- name: throughput
-- What ended since a time, by spans.
-- returns: many
select date_bin(make_interval(secs => %(span)s::double precision), o.ended_at, 'epoch') as starts_at,
       count(*) filter (where o.status = 'completed') as completed,
       count(*) filter (where o.status = 'failed') as failed,
       count(*) filter (where o.status = 'cancelled') as cancelled,
       round(avg(extract(epoch from o.ended_at - o.started_at) * 1000) filter (where o.status = 'completed'))::bigint
         as average_ms
from task_outcomes o
where o.tenant_id = %(tenant)s and o.ended_at >= now() - make_interval(secs => %(seconds)s::double precision)
group by 1
order by 1
limit 2000;

-- name: stuck
-- Tasks that have been held longest, of those held for at least so long.
-- returns: many
select {summary}
from task_queue w
join tasks t on t.tenant_id = %(tenant)s and t.id = w.id
{standing}
where w.tenant_id = %(tenant)s and w.state in ('assigned', 'in_progress')
  and w.claimed_at < now() - make_interval(secs => %(seconds)s::double precision)
order by w.claimed_at, w.id
limit %(size)s;

-- name: lane
-- What decides who may take a task, and what holds its queue and group.
-- returns: maybe
select l.id, l.queue, l.group_name, l.skills, l.capability, l.agent_type, l.agent_id, u.paused_at, u.pause_reason,
       g.max_running, g.rate_limit, g.rate_seconds,
       (select count(*) from task_slots s
        where s.tenant_id = %(tenant)s and s.queue = l.queue and s.group_name = l.group_name and s.task_id is null)
         as free_slots,
       floor(least(g.rate_limit, g.tokens + extract(epoch from now() - g.filled_at) * g.rate_limit / g.rate_seconds))::integer
         as tokens_left,
       (select count(*) from (
          select from task_queue q
          where q.tenant_id = %(tenant)s and q.lane_id = l.id and q.state = 'pending'
            and (q.rank, q.id) < (w.rank, w.id)
          limit 1001) f) as before_it
from task_queue w
join task_lanes l on l.tenant_id = %(tenant)s and l.id = w.lane_id
left join task_queues u on u.tenant_id = %(tenant)s and u.name = l.queue
left join task_groups g on g.tenant_id = %(tenant)s and g.queue = l.queue and g.name = l.group_name
where w.tenant_id = %(tenant)s and w.id = %(id)s;

-- name: able
-- How many agents have what a task requires, counted up to a limit.
-- returns: one
select count(*) from (
  select from agents a
  where a.tenant_id = %(tenant)s and a.deactivated_at is null and a.status <> 'suspended'
    and (%(agent_type)s::text is null or a.type = %(agent_type)s)
    and (%(capability)s::text is null or exists (
          select from capabilities c
          where c.tenant_id = %(tenant)s and c.agent_id = a.id and c.canonical_name = %(capability)s))
    and not exists (
          select from jsonb_to_recordset(%(skills)s::jsonb) as n (skill text, minimum integer)
          where not exists (
            select from agent_skills k
            where k.tenant_id = %(tenant)s and k.agent_id = a.id and k.skill = n.skill and k.proficiency >= n.minimum))
  limit 100) f;
