-- name: keep
-- Keep attempts: by the worker's own row, or each by itself; which of them hold their tasks.
-- returns: many
with given as (
  select g.id, g.token from unnest(%(ids)s::uuid[], %(tokens)s::uuid[]) as g (id, token)
), seen as (
  insert into task_workers (tenant_id, id, name, lease_seconds, created_by, seen_at)
  select o.id, %(worker)s::uuid, 'worker', ceil(%(lease)s::double precision)::integer, %(actor)s::uuid, now()
  from tenants o
  where o.id = %(tenant)s and %(worker)s::uuid is not null
  on conflict (tenant_id, id) do update set seen_at = excluded.seen_at, lease_seconds = excluded.lease_seconds
  -- Nobody shortens another's lease.
  where task_workers.created_by is not distinct from excluded.created_by
), kept as (
  update task_queue q
  set expires_at = least(now() + make_interval(secs => %(lease)s::double precision),
                         q.claimed_at + make_interval(secs => q.timeout_seconds))
  from given g
  where q.tenant_id = %(tenant)s and q.id = g.id and q.token = g.token and q.worker_id is null
  returning q.id, q.expires_at
)
select g.id, q.id is not null as held, q.cancel_asked_at is not null as cancel, q.note,
       coalesce(k.expires_at, q.expires_at) as expires_at
from given g
left join task_queue q on q.tenant_id = %(tenant)s and q.id = g.id and q.token = g.token
left join kept k on k.id = g.id;

-- name: unnamed
-- What a worker of the caller's has held for longer than its lease and does not name.
-- returns: many
select q.id, q.token
from task_workers w
join task_queue q on q.tenant_id = %(tenant)s and q.worker_id = w.id and q.state in ('assigned', 'in_progress')
where w.tenant_id = %(tenant)s and w.id = %(worker)s and w.created_by is not distinct from %(actor)s::uuid
  and q.claimed_at < now() - make_interval(secs => %(seconds)s::double precision)
  and not exists (select from unnest(%(ids)s::uuid[], %(tokens)s::uuid[]) as g (id, token)
                  where g.id = q.id and g.token = q.token)
order by q.id
limit %(most)s;

-- name: forget
-- A worker of the caller's goes.
-- returns: run
delete from task_workers w
where w.tenant_id = %(tenant)s and w.id = %(worker)s and w.created_by is not distinct from %(actor)s::uuid;

-- name: forget_silent
-- Workers that were not heard of for a day and hold nothing go.
-- returns: many
delete from task_workers w
where w.tenant_id = %(tenant)s and w.seen_at < now() - interval '1 day'
  and not exists (select from task_queue q
                  where q.tenant_id = %(tenant)s and q.state in ('assigned', 'in_progress') and q.worker_id = w.id)
returning w.id;

-- name: hint
-- Tell workers of every tenant of each queue that has something to hand out, whoever should have told them.
-- returns: one
select count(*) from (
  select task_hint(%(tenant)s::uuid, array_agg(distinct l.queue))
  from task_lanes l
  where l.tenant_id = %(tenant)s
    and (select true from task_queue q
         where q.tenant_id = %(tenant)s and q.lane_id = l.id and q.state = 'pending' limit 1)
  having count(*) > 0) h;

-- name: tenants
-- Active tenants with something to hand out, in a round that goes on behind one of them.
-- returns: many
select tenant_id as id, slug, queues
from task_tenants(%(queues)s::text[], %(after)s::uuid, %(most)s::integer);

-- name: forget_hints
-- Hints of tenants that have had nothing to do for an hour go.
-- returns: one
select task_forget_hints(%(most)s::integer);
