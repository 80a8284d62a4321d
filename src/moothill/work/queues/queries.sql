-- name: pause
-- Hand nothing out of a queue until further notice.
-- returns: one
insert into task_queues (tenant_id, name, paused_at, pause_reason, updated_at)
values (%(tenant)s, %(queue)s, now(), %(reason)s, now())
on conflict (tenant_id, name) do update
set paused_at = coalesce(task_queues.paused_at, excluded.paused_at), pause_reason = excluded.pause_reason,
    updated_at = excluded.updated_at
returning name, paused_at, pause_reason;

-- name: resume
-- Hand out of a queue again.
-- returns: maybe
update task_queues
set paused_at = null, pause_reason = null, updated_at = now()
where tenant_id = %(tenant)s and name = %(queue)s and paused_at is not null
returning name, paused_at, pause_reason;

-- name: known
-- The queues that have lanes, or of which something was said, in the order of their names.
-- returns: many
select n.name, u.paused_at, u.pause_reason
from (
  select l.queue as name from task_lanes l where l.tenant_id = %(tenant)s and l.queue > %(after)s
  union
  select k.name from task_queues k where k.tenant_id = %(tenant)s and k.name > %(after)s
) n
left join task_queues u on u.tenant_id = %(tenant)s and u.name = n.name
order by n.name
limit %(size)s;

-- name: groups
-- The groups of a queue of which something was said, in the order of their names.
-- returns: many
select g.queue, g.name as "group", g.weight, g.max_running, g.rate_limit, g.rate_seconds,
       (select count(*) from task_slots s
        where s.tenant_id = %(tenant)s and s.queue = g.queue and s.group_name = g.name and s.task_id is not null) as running
from task_groups g
where g.tenant_id = %(tenant)s and g.queue = %(queue)s and (%(after)s::text is null or g.name > %(after)s)
order by g.name
limit %(size)s;

-- name: configure
-- Say what share and limits a group has.
-- returns: one
insert into task_groups (tenant_id, queue, name, weight, max_running, rate_limit, rate_seconds, tokens, filled_at, updated_at)
values (%(tenant)s, %(queue)s, %(group)s, %(weight)s, %(max_running)s, %(rate_limit)s::integer, %(rate_seconds)s,
        coalesce(%(rate_limit)s::integer, 0), now(), now())
on conflict (tenant_id, queue, name) do update
set weight = excluded.weight, max_running = excluded.max_running, rate_limit = excluded.rate_limit,
    rate_seconds = excluded.rate_seconds, tokens = least(task_groups.tokens, excluded.rate_limit),
    updated_at = excluded.updated_at
returning queue, name as "group", weight, max_running, rate_limit, rate_seconds, 0::bigint as running;

-- name: place
-- Have as many places as the limit says; those that are taken stay until they are free.
-- returns: run
with gone as (
  delete from task_slots s
  where s.tenant_id = %(tenant)s and s.queue = %(queue)s and s.group_name = %(group)s and s.task_id is null
    and s.number > coalesce(%(max_running)s::integer, 0)
)
insert into task_slots (tenant_id, queue, group_name, number)
select o.id, %(queue)s, %(group)s, n.number
from tenants o
cross join generate_series(1, coalesce(%(max_running)s::integer, 0)) as n (number)
where o.id = %(tenant)s
on conflict (tenant_id, queue, group_name, number) do nothing;

-- name: seat
-- Give places to tasks of a group that are held already, as many as there are.
-- returns: run
with seats as (
  select s.number, row_number() over (order by s.number) as place
  from task_slots s
  where s.tenant_id = %(tenant)s and s.queue = %(queue)s and s.group_name = %(group)s and s.task_id is null
), held as (
  select q.id, row_number() over (order by q.claimed_at, q.id) as place
  from task_queue q
  join task_lanes l on l.tenant_id = %(tenant)s and l.id = q.lane_id
  where q.tenant_id = %(tenant)s and q.state in ('assigned', 'in_progress') and q.slot is null
    and l.queue = %(queue)s and l.group_name = %(group)s
), seated as (
  update task_queue q
  set slot = 0
  from held h join seats e on e.place = h.place
  where q.tenant_id = %(tenant)s and q.id = h.id and q.token is not null
  returning q.id, e.number
)
update task_slots s
set task_id = d.id
from seated d
where s.tenant_id = %(tenant)s and s.queue = %(queue)s and s.group_name = %(group)s and s.number = d.number;
