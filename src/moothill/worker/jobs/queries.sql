-- name: insert
-- A new job of this tenant.
-- returns: one
-- seals: jobs.arguments
insert into jobs (tenant_id, id, operation, arguments, actor, actor_kind, actor_name, real_actor, real_actor_name, scopes,
                  request, reason)
values (%(tenant)s, %(id)s, %(operation)s, %(arguments)s::jsonb, %(actor)s, %(actor_kind)s, %(actor_name)s, %(real_actor)s,
        %(real_actor_name)s, %(scopes)s, %(request)s, %(reason)s)
returning id, operation, state, done, total, message;

-- name: queue
-- Put a job where the runners find it.
-- returns: run
select jobs_queue_add(%(id)s);

-- name: by_id
-- One job.
-- returns: maybe
select id, operation, state, done, total, message, attempts, actor_name, request, reason, created_at, started_at, ended_at
from jobs
where tenant_id = %(tenant)s and id = %(id)s;

-- name: page
-- Jobs of this tenant, newest first.
-- returns: many
select id, operation, state, done, total, message, attempts, actor_name, request, reason, created_at, started_at, ended_at
from jobs
where tenant_id = %(tenant)s
  and id < coalesce(%(before)s::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
  and (%(state)s::text is null or state = %(state)s)
  and (%(operation)s::text is null or operation = %(operation)s)
order by id desc
limit %(size)s;

-- name: cancel
-- End a job that is not at its end; no row when it is.
-- returns: maybe
update jobs
set state = 'cancelled', ended_at = now()
where tenant_id = %(tenant)s and id = %(id)s and state in ('waiting', 'running')
returning id, operation, state, done, total, message, attempts, actor_name, request, reason, created_at, started_at,
          ended_at;

-- name: unqueue
-- Take a job that nobody runs out of the queue; one that is run leaves it by itself.
-- returns: run
select jobs_queue_remove(%(id)s, null);

-- name: schedules
-- Every scheduled job with its last run.
-- returns: many
select name, every, per_tenant, paused, asked, next_due_at, started_at, ended_at, ended_at - started_at as duration,
       outcome, message, runs, failures
from jobs_schedules();

-- name: ask
-- Ask for a run now; no row when it runs already.
-- returns: maybe
select name, every, per_tenant, paused, asked, next_due_at, started_at, ended_at, ended_at - started_at as duration,
       outcome, message, runs, failures
from jobs_schedule_ask(%(name)s);

-- name: pause
-- Let a scheduled job rest or go on; no row when it does already.
-- returns: maybe
select name, every, per_tenant, paused, asked, next_due_at, started_at, ended_at, ended_at - started_at as duration,
       outcome, message, runs, failures
from jobs_schedule_pause(%(name)s, %(paused)s);
