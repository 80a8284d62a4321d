-- name: claim
-- Claim the job of any active tenant that has waited longest.
-- returns: maybe
select tenant_id, tenant_slug, job_id, epoch, attempts
from jobs_queue_claim(%(holder)s, %(seconds)s);

-- name: keep
-- Extend a claim that is still held.
-- returns: one
select jobs_queue_keep(%(id)s, %(epoch)s, %(seconds)s) as held;

-- name: check
-- Whether a claim is still held; nobody takes the job before this transaction ends.
-- returns: one
select jobs_queue_check(%(id)s, %(epoch)s) as held;

-- name: begin
-- Mark a claimed job as running; no row when it is at its end.
-- returns: maybe
-- seals: jobs.arguments, jobs.cursor
update jobs
set state = 'running', attempts = %(attempts)s, started_at = coalesce(started_at, now())
where tenant_id = %(tenant)s and id = %(id)s and state in ('waiting', 'running')
returning id, operation, arguments, state, cursor, actor, actor_kind, actor_name, real_actor, real_actor_name, scopes, request,
          reason, case when started_at = now() then extract(epoch from started_at - created_at)::double precision end as waited;

-- name: place
-- Where the next step of a running job goes on; no row when it does not run any more.
-- returns: maybe
-- seals: jobs.arguments, jobs.cursor
select id, operation, arguments, state, cursor, actor, actor_kind, actor_name, real_actor, real_actor_name, scopes, request,
       reason
from jobs
where tenant_id = %(tenant)s and id = %(id)s and state = 'running';

-- name: progress
-- Write down a step, in its own transaction; no row when the job was cancelled meanwhile.
-- returns: maybe
-- seals: jobs.cursor
update jobs
set state = %(state)s, cursor = %(cursor)s::jsonb, done = %(done)s, total = %(total)s, message = %(message)s, attempts = 0,
    ended_at = case when %(state)s = 'completed' then now() end
where tenant_id = %(tenant)s and id = %(id)s and state = 'running'
returning id;

-- name: moved
-- Note in the queue that a step was done.
-- returns: one
select jobs_queue_moved(%(id)s, %(epoch)s, %(seconds)s) as held;

-- name: give_back
-- Let a job wait to be claimed again.
-- returns: one
select jobs_queue_return(%(id)s, %(epoch)s, %(seconds)s, %(tried)s) as held;

-- name: remove
-- Take a job that is at its end out of the queue.
-- returns: one
select jobs_queue_remove(%(id)s, %(epoch)s) as held;

-- name: wait
-- Mark a job as waiting again after a failed try; no row when it is at its end.
-- returns: maybe
update jobs
set state = 'waiting', message = coalesce(%(message)s, message)
where tenant_id = %(tenant)s and id = %(id)s and state = 'running'
returning id;

-- name: fail
-- Give a job up; no row when it is at its end.
-- returns: maybe
update jobs
set state = 'failed', message = %(message)s, ended_at = now()
where tenant_id = %(tenant)s and id = %(id)s and state in ('waiting', 'running')
returning operation;
