-- phase: pre
-- The worker: leases with epochs, scheduled runs, jobs and their queue, cursors of event handlers.

create table moothill.leases (
  name text not null constraint leases_pkey primary key,
  holder text not null,
  epoch bigint not null,
  acquired_at timestamptz not null,
  expires_at timestamptz not null
);
comment on table moothill.leases is 'Who leads; a leader''s every write checks its epoch here. Control table.';
comment on column moothill.leases.name is 'What is led.';
comment on column moothill.leases.holder is 'The process that holds it, for people.';
comment on column moothill.leases.epoch is 'Rises with each change of hands; a write of an older epoch is refused.';
comment on column moothill.leases.acquired_at is 'When its holder took it.';
comment on column moothill.leases.expires_at is 'From then on another may take it.';
grant select, insert, update on moothill.leases to moothill_jobs;

create function moothill.jobs_lease_acquire(wanted text, who text, seconds double precision) returns bigint
  language plpgsql volatile security definer set search_path = pg_catalog, moothill, pg_temp
as $$
declare
  taken bigint;
  moment timestamptz := clock_timestamp();
begin
  insert into leases (name, holder, epoch, acquired_at, expires_at)
  values (wanted, who, 1, moment, moment + make_interval(secs => seconds))
  on conflict (name) do nothing
  returning epoch into taken;
  if found then
    return taken;
  end if;
  -- A write that checked the epoch holds a key share of the row until it ends: it is skipped, not overtaken.
  perform from leases where name = wanted and expires_at <= clock_timestamp() for update skip locked;
  if not found then
    return null;
  end if;
  moment := clock_timestamp();
  update leases
  set holder = who, epoch = epoch + 1, acquired_at = moment, expires_at = moment + make_interval(secs => seconds)
  where name = wanted
  returning epoch into taken;
  return taken;
end $$;
comment on function moothill.jobs_lease_acquire(text, text, double precision) is
  'Takes a lease that nobody holds or that has expired; its new epoch, or null when it is held.';

create function moothill.jobs_lease_renew(wanted text, held bigint, seconds double precision) returns boolean
  language sql volatile security definer set search_path = pg_catalog, moothill, pg_temp
as $$
  with renewed as (
    update leases
    set expires_at = clock_timestamp() + make_interval(secs => seconds)
    where name = wanted and epoch = held and expires_at > clock_timestamp()
    returning name
  )
  select exists (select from renewed);
$$;
comment on function moothill.jobs_lease_renew(text, bigint, double precision) is
  'Extends a lease that is still held; false when it expired or changed hands.';

create function moothill.jobs_lease_release(wanted text, held bigint) returns boolean
  language sql volatile security definer set search_path = pg_catalog, moothill, pg_temp
as $$
  with released as (
    update leases
    set expires_at = clock_timestamp()
    where name = wanted and epoch = held and expires_at > clock_timestamp()
    returning name
  )
  select exists (select from released);
$$;
comment on function moothill.jobs_lease_release(text, bigint) is 'Gives a lease back, so that another may take it at once.';

create function moothill.jobs_lease_check(wanted text, held bigint) returns boolean
  language plpgsql volatile security definer set search_path = pg_catalog, moothill, pg_temp
as $$
begin
  -- The key share lets the holder renew meanwhile and nobody take over before this transaction ends.
  perform from leases where name = wanted and epoch = held and expires_at > clock_timestamp() for key share;
  return found;
end $$;
comment on function moothill.jobs_lease_check(text, bigint) is
  'Whether this epoch still leads; then nobody takes over before the transaction ends.';

create table moothill.schedule_runs (
  name text not null constraint schedule_runs_pkey primary key,
  every interval not null,
  per_tenant boolean not null,
  paused boolean not null default false,
  asked boolean not null default false,
  next_due_at timestamptz not null,
  started_at timestamptz,
  ended_at timestamptz,
  outcome text constraint schedule_runs_outcome_check check (outcome in ('running', 'completed', 'failed')),
  message text not null default '',
  epoch bigint,
  runs bigint not null default 0,
  failures bigint not null default 0
);
comment on table moothill.schedule_runs is 'Scheduled jobs, each with its last run. Control table.';
comment on column moothill.schedule_runs.name is 'group.method of the scheduled job.';
comment on column moothill.schedule_runs.every is 'Time from one start to the next.';
comment on column moothill.schedule_runs.per_tenant is 'Whether it runs once for each active tenant.';
comment on column moothill.schedule_runs.paused is 'Whether it rests; it still runs when asked.';
comment on column moothill.schedule_runs.asked is 'Somebody asked for a run now.';
comment on column moothill.schedule_runs.next_due_at is 'When it starts next.';
comment on column moothill.schedule_runs.started_at is 'When the last run started.';
comment on column moothill.schedule_runs.ended_at is 'When the last run ended; null while it runs.';
comment on column moothill.schedule_runs.outcome is 'running, completed or failed; null before the first run.';
comment on column moothill.schedule_runs.message is 'What the last run says of itself, or why it failed.';
comment on column moothill.schedule_runs.epoch is 'Epoch of the leader that runs it.';
comment on column moothill.schedule_runs.runs is 'How often it was started.';
comment on column moothill.schedule_runs.failures is 'How often it failed.';
grant select, insert, update on moothill.schedule_runs to moothill_jobs;

create function moothill.jobs_schedules_register(lease text, held bigint, names text[], periods interval[], apart boolean[])
  returns boolean
  language plpgsql volatile security definer set search_path = pg_catalog, moothill, pg_temp
as $$
begin
  if not jobs_lease_check(lease, held) then
    return false;
  end if;
  insert into schedule_runs (name, every, per_tenant, next_due_at)
  select given.name, given.every, given.per_tenant, clock_timestamp()
  from unnest(names, periods, apart) as given (name, every, per_tenant)
  on conflict (name) do update
  set every = excluded.every, per_tenant = excluded.per_tenant,
      next_due_at = least(schedule_runs.next_due_at, excluded.next_due_at + excluded.every);
  update schedule_runs
  set outcome = 'failed', ended_at = clock_timestamp(), next_due_at = clock_timestamp(), failures = failures + 1,
      message = 'The worker that ran it ended in the middle; it runs again.'
  where outcome = 'running' and epoch is distinct from held;
  return true;
end $$;
comment on function moothill.jobs_schedules_register(text, bigint, text[], interval[], boolean[]) is
  'Makes known what a new leader runs, and takes up what the last one left in the middle.';

create function moothill.jobs_schedules_due(names text[]) returns table (name text, wait double precision)
  language sql stable security definer set search_path = pg_catalog, moothill, pg_temp
as $$
  select s.name,
         case when s.asked then 0 else greatest(0, extract(epoch from s.next_due_at - clock_timestamp())) end::double precision
  from schedule_runs s
  where s.name = any (names) and (s.asked or not s.paused)
  order by 2, 1;
$$;
comment on function moothill.jobs_schedules_due(text[]) is 'Seconds until each scheduled job is due; paused ones are left out.';

create function moothill.jobs_schedule_begin(lease text, held bigint, wanted text) returns boolean
  language plpgsql volatile security definer set search_path = pg_catalog, moothill, pg_temp
as $$
begin
  if not jobs_lease_check(lease, held) then
    return false;
  end if;
  -- Up to a tenth later each time, so that the schedules of one period do not all start together.
  update schedule_runs
  set asked = false, outcome = 'running', message = '', epoch = held, runs = runs + 1,
      started_at = clock_timestamp(), ended_at = null,
      next_due_at = clock_timestamp() + every * (1 + 0.1 * random())
  where name = wanted and outcome is distinct from 'running'
    and (asked or not paused and next_due_at <= clock_timestamp());
  return found;
end $$;
comment on function moothill.jobs_schedule_begin(text, bigint, text) is
  'Marks a due run as begun; false when it is not due, runs already, or the epoch is stale.';

create function moothill.jobs_schedule_end(lease text, held bigint, wanted text, result text, said text) returns boolean
  language plpgsql volatile security definer set search_path = pg_catalog, moothill, pg_temp
as $$
begin
  if not jobs_lease_check(lease, held) then
    return false;
  end if;
  update schedule_runs
  set outcome = result, message = said, ended_at = clock_timestamp(),
      failures = failures + (result = 'failed')::integer
  where name = wanted and epoch = held and outcome = 'running';
  return found;
end $$;
comment on function moothill.jobs_schedule_end(text, bigint, text, text, text) is 'Writes down how a run ended.';

create function moothill.jobs_schedules() returns setof moothill.schedule_runs
  language sql stable security definer set search_path = pg_catalog, moothill, pg_temp
as $$
  select * from schedule_runs order by name;
$$;
comment on function moothill.jobs_schedules() is 'Every scheduled job with its last run.';

create function moothill.jobs_schedule_ask(wanted text) returns setof moothill.schedule_runs
  language sql volatile security definer set search_path = pg_catalog, moothill, pg_temp
as $$
  update schedule_runs set asked = true
  where name = wanted and outcome is distinct from 'running'
  returning *;
$$;
comment on function moothill.jobs_schedule_ask(text) is 'Asks for a run now; no row when it runs already.';

create function moothill.jobs_schedule_pause(wanted text, rest boolean) returns setof moothill.schedule_runs
  language sql volatile security definer set search_path = pg_catalog, moothill, pg_temp
as $$
  update schedule_runs set paused = rest
  where name = wanted and paused <> rest
  returning *;
$$;
comment on function moothill.jobs_schedule_pause(text, boolean) is 'Lets a scheduled job rest or go on; no row when it does already.';

create table moothill.jobs (
  tenant_id uuid not null constraint jobs_tenant_fkey references moothill.tenants (id),
  id uuid not null,
  operation text not null,
  arguments jsonb not null,
  state text not null default 'waiting'
    constraint jobs_state_check check (state in ('waiting', 'running', 'completed', 'failed', 'cancelled')),
  cursor jsonb,
  done bigint not null default 0 constraint jobs_done_check check (done >= 0),
  total bigint constraint jobs_total_check check (total >= 0),
  message text not null default '',
  attempts integer not null default 0,
  actor uuid not null,
  actor_kind text not null constraint jobs_actor_check check (actor_kind in ('operator', 'agent', 'system')),
  actor_name text not null,
  real_actor uuid,
  real_actor_name text,
  scopes text[] not null,
  request uuid not null,
  reason text,
  created_at timestamptz not null default now(),
  started_at timestamptz,
  ended_at timestamptz,
  constraint jobs_pkey primary key (tenant_id, id)
);
select mt.distribute('moothill.jobs');
create index jobs_state_idx on moothill.jobs (tenant_id, state, id);
select mt.protect('moothill.jobs');
grant select, insert, update on moothill.jobs to moothill_app;
grant select on moothill.jobs to moothill_readonly, moothill_auditor;
comment on table moothill.jobs is 'Long work, done step by step; each step commits with its cursor.';
comment on column moothill.jobs.tenant_id is 'Whose it is.';
comment on column moothill.jobs.id is 'Id.';
comment on column moothill.jobs.operation is 'The operation that is run step by step.';
comment on column moothill.jobs.arguments is 'Its arguments.';
comment on column moothill.jobs.state is 'waiting, running, completed, failed or cancelled.';
comment on column moothill.jobs.cursor is 'Where the next step goes on; null at first.';
comment on column moothill.jobs.done is 'Units done so far.';
comment on column moothill.jobs.total is 'Units in all, when known.';
comment on column moothill.jobs.message is 'Last word of the work, or why it failed.';
comment on column moothill.jobs.attempts is 'Tries since the last step that committed.';
comment on column moothill.jobs.actor is 'Who asked for it; it runs with that actor''s rights.';
comment on column moothill.jobs.actor_kind is 'operator, agent or system.';
comment on column moothill.jobs.actor_name is 'Name of the actor at that time.';
comment on column moothill.jobs.real_actor is 'The operator behind a view as an agent.';
comment on column moothill.jobs.real_actor_name is 'Name of that operator.';
comment on column moothill.jobs.scopes is 'What the actor was allowed to do when asking.';
comment on column moothill.jobs.request is 'Request id of the call that asked.';
comment on column moothill.jobs.reason is 'Why, where the caller said so.';
comment on column moothill.jobs.created_at is 'When it was asked for.';
comment on column moothill.jobs.started_at is 'When the first step began.';
comment on column moothill.jobs.ended_at is 'When it was completed, failed or cancelled.';

create table moothill.job_queue (
  job_id uuid not null constraint job_queue_pkey primary key,
  tenant_id uuid not null,
  due_at timestamptz not null default now(),
  holder text,
  epoch bigint not null default 0,
  attempts integer not null default 0
);
create index job_queue_due_idx on moothill.job_queue (due_at);
comment on table moothill.job_queue is 'Jobs that are not at their end, across tenants, for the runners to claim. Control table.';
comment on column moothill.job_queue.job_id is 'The job.';
comment on column moothill.job_queue.tenant_id is 'Whose it is.';
comment on column moothill.job_queue.due_at is 'When it may be claimed; while a runner holds it, when that claim expires.';
comment on column moothill.job_queue.holder is 'The runner that holds it, for people.';
comment on column moothill.job_queue.epoch is 'Rises with each claim; a step of an older claim is refused.';
comment on column moothill.job_queue.attempts is 'Claims since the last step that committed.';
grant select, insert, update, delete on moothill.job_queue to moothill_jobs;

create function moothill.jobs_queue_add(job uuid) returns void
  language sql volatile security definer set search_path = pg_catalog, moothill, pg_temp
as $$
  insert into job_queue (job_id, tenant_id) values (job, mt.tenant());
$$;
comment on function moothill.jobs_queue_add(uuid) is 'Queues a job of this tenant.';

create function moothill.jobs_queue_claim(who text, seconds double precision)
  returns table (tenant_id uuid, tenant_slug text, job_id uuid, epoch bigint, attempts integer)
  language sql volatile security definer set search_path = pg_catalog, moothill, pg_temp
as $$
  with next as materialized (
    select q.job_id, t.slug
    from job_queue q
    join tenants t on t.id = q.tenant_id and t.status = 'active'
    where q.due_at <= clock_timestamp()
    order by q.due_at
    limit 1
    for update of q skip locked
  )
  update job_queue q
  set holder = who, epoch = q.epoch + 1, attempts = q.attempts + 1,
      due_at = clock_timestamp() + make_interval(secs => seconds)
  from next
  where q.job_id = next.job_id
  returning q.tenant_id, next.slug, q.job_id, q.epoch, q.attempts;
$$;
comment on function moothill.jobs_queue_claim(text, double precision) is
  'Claims the job that has waited longest, or whose runner died; jobs of suspended tenants rest.';

create function moothill.jobs_queue_keep(job uuid, held bigint, seconds double precision) returns boolean
  language sql volatile security definer set search_path = pg_catalog, moothill, pg_temp
as $$
  with kept as (
    update job_queue set due_at = clock_timestamp() + make_interval(secs => seconds)
    where job_id = job and tenant_id = mt.tenant() and epoch = held and due_at > clock_timestamp()
    returning job_id
  )
  select exists (select from kept);
$$;
comment on function moothill.jobs_queue_keep(uuid, bigint, double precision) is
  'Extends a claim that is still held; false when it expired or changed hands.';

create function moothill.jobs_queue_check(job uuid, held bigint) returns boolean
  language plpgsql volatile security definer set search_path = pg_catalog, moothill, pg_temp
as $$
begin
  perform from job_queue
  where job_id = job and tenant_id = mt.tenant() and epoch = held and due_at > clock_timestamp()
  for key share;
  return found;
end $$;
comment on function moothill.jobs_queue_check(uuid, bigint) is
  'Whether this claim is still held; then nobody takes the job before the transaction ends.';

create function moothill.jobs_queue_moved(job uuid, held bigint, seconds double precision) returns boolean
  language sql volatile security definer set search_path = pg_catalog, moothill, pg_temp
as $$
  with moved as (
    update job_queue set due_at = clock_timestamp() + make_interval(secs => seconds), attempts = 1
    where job_id = job and tenant_id = mt.tenant() and epoch = held
    returning job_id
  )
  select exists (select from moved);
$$;
comment on function moothill.jobs_queue_moved(uuid, bigint, double precision) is
  'Notes in a step''s own transaction that it got on: the tries begin anew.';

create function moothill.jobs_queue_return(job uuid, held bigint, seconds double precision, tried boolean) returns boolean
  language sql volatile security definer set search_path = pg_catalog, moothill, pg_temp
as $$
  with returned as (
    update job_queue
    set due_at = clock_timestamp() + make_interval(secs => seconds), holder = null, epoch = epoch + 1,
        attempts = attempts - (not tried)::integer
    where job_id = job and tenant_id = mt.tenant() and epoch = held
    returning job_id
  )
  select exists (select from returned);
$$;
comment on function moothill.jobs_queue_return(uuid, bigint, double precision, boolean) is
  'Gives a job back to be claimed after some time; the claim counts as a try, or does not.';

create function moothill.jobs_queue_remove(job uuid, held bigint) returns boolean
  language sql volatile security definer set search_path = pg_catalog, moothill, pg_temp
as $$
  with removed as (
    delete from job_queue
    where job_id = job and tenant_id = mt.tenant() and (epoch = held or held is null and holder is null)
    returning job_id
  )
  select exists (select from removed);
$$;
comment on function moothill.jobs_queue_remove(uuid, bigint) is
  'Takes a job that is at its end out of the queue: by its claim, or, without one, when nobody holds it.';

create table moothill.handler_cursors (
  handler text not null constraint handler_cursors_pkey primary key,
  kinds text[] not null,
  incarnation integer not null default 0,
  txid bigint not null default 0,
  event_id uuid not null default '00000000-0000-0000-0000-000000000000',
  handled bigint not null default 0,
  moved_at timestamptz not null default now()
);
comment on table moothill.handler_cursors is 'How far each event handler has come in the log of all tenants. Control table.';
comment on column moothill.handler_cursors.handler is 'group.method of the handler.';
comment on column moothill.handler_cursors.kinds is 'Kinds of event that it handles.';
comment on column moothill.handler_cursors.incarnation is 'Life of the database of the last event passed.';
comment on column moothill.handler_cursors.txid is 'Transaction of that event.';
comment on column moothill.handler_cursors.event_id is 'Id of that event.';
comment on column moothill.handler_cursors.handled is 'Events handled so far, parked ones included once they were.';
comment on column moothill.handler_cursors.moved_at is 'When it last moved.';
grant select, insert, update on moothill.handler_cursors to moothill_relay;

create table moothill.parked_events (
  handler text not null,
  tenant_id uuid not null,
  event_id uuid not null,
  incarnation integer not null,
  txid bigint not null,
  subject uuid not null,
  is_wide boolean not null,
  attempts integer not null default 0,
  next_attempt_at timestamptz,
  error text not null default '',
  dead boolean not null default false,
  parked_at timestamptz not null default now(),
  constraint parked_events_pkey primary key (handler, tenant_id, event_id),
  constraint parked_events_dead_check check (not dead or next_attempt_at is null)
);
create index parked_events_due_idx on moothill.parked_events (handler, next_attempt_at) where next_attempt_at is not null;
create index parked_events_order_idx on moothill.parked_events (handler, tenant_id, incarnation, txid, event_id);
create index parked_events_subject_idx on moothill.parked_events (handler, tenant_id, subject, incarnation, txid, event_id);
create index parked_events_wide_idx on moothill.parked_events (handler, tenant_id, incarnation, txid, event_id) where is_wide;
create index parked_events_tenant_idx on moothill.parked_events (tenant_id, incarnation, txid, event_id, handler);
comment on table moothill.parked_events is 'Events whose handler failed, and those that wait behind them in the order of their subject. Control table.';
comment on column moothill.parked_events.handler is 'group.method of the handler.';
comment on column moothill.parked_events.tenant_id is 'Tenant of the event.';
comment on column moothill.parked_events.event_id is 'The event.';
comment on column moothill.parked_events.incarnation is 'Life of the database of the event.';
comment on column moothill.parked_events.txid is 'Transaction of the event.';
comment on column moothill.parked_events.subject is 'Its subject; the nil id without one.';
comment on column moothill.parked_events.is_wide is 'It has several subjects, so it keeps its place among all events of its tenant.';
comment on column moothill.parked_events.attempts is 'How often the handler tried.';
comment on column moothill.parked_events.next_attempt_at is 'When it is tried next; null while it waits behind another or is dead.';
comment on column moothill.parked_events.error is 'What the last try failed with.';
comment on column moothill.parked_events.dead is 'It was tried often enough; it and those behind it wait for an operator.';
comment on column moothill.parked_events.parked_at is 'When it was parked.';
grant select, insert, update, delete on moothill.parked_events to moothill_relay;

-- The log in the order of all tenants, and what one call did to several subjects. Partitions are empty or small here.
-- squawk-ignore require-concurrent-index-creation
create index events_relay_idx on moothill.events (place, id);
-- squawk-ignore require-concurrent-index-creation
create index events_batch_idx on moothill.events (tenant_id, place, id) where subjects is not null;

create policy relay_rows on moothill.tenants for select to moothill_relay using (true);
grant select on moothill.tenants to moothill_relay;
grant execute on function moothill.jobs_lease_check(text, bigint) to moothill_relay;

create function moothill.relay_register(lease text, held bigint, names text[], handled_kinds jsonb)
  returns table (handler text, incarnation integer, txid bigint, event_id uuid)
  language plpgsql volatile security definer set search_path = pg_catalog, moothill, pg_temp
as $$
begin
  if not jobs_lease_check(lease, held) then
    return;
  end if;
  insert into handler_cursors (handler, kinds)
  select given.name, array(select jsonb_array_elements_text(handled_kinds -> given.name))
  from unnest(names) as given (name)
  on conflict on constraint handler_cursors_pkey do update set kinds = excluded.kinds;
  return query
    select c.handler, c.incarnation, c.txid, c.event_id from handler_cursors c where c.handler = any (names);
end $$;
comment on function moothill.relay_register(text, bigint, text[], jsonb) is
  'Makes known which handlers a new leader runs; how far each has come. A new one starts at the beginning of the log.';

create function moothill.relay_scout(after_incarnation integer, after_txid bigint, after_id uuid, size integer)
  returns table (kinds text[], incarnation integer, txid bigint, event_id uuid, due text[])
  language sql stable security definer set search_path = pg_catalog, moothill, pg_temp
as $$
  with raw as materialized (
    select e.incarnation, e.txid, e.id, e.kind
    from events e
    where (e.place, e.id) > ((after_incarnation::bigint << 48) | after_txid, after_id) and e.place < (select mt.horizon())
    order by e.place, e.id
    limit size
  )
  select array(select distinct r.kind from raw r), last.incarnation, last.txid, last.id,
         array(select distinct p.handler from parked_events p where p.next_attempt_at <= clock_timestamp())
  from (select 1) as always
  left join lateral (
    select r.incarnation, r.txid, r.id from raw r order by r.incarnation desc, r.txid desc, r.id desc limit 1
  ) as last on true;
$$;
comment on function moothill.relay_scout(integer, bigint, uuid, integer) is
  'What lies behind a place of the log, up to the horizon: its kinds and its end; and which handlers have parked events due.';

create function moothill.relay_window(after_incarnation integer, after_txid bigint, after_id uuid, wanted text[], size integer)
  returns table (tenant_id uuid, id uuid, incarnation integer, txid bigint, kind text, version integer,
                 occurred_at timestamptz, subject uuid, subjects uuid[], actor uuid, actor_kind text, actor_name text,
                 real_actor uuid, operation text, request uuid, reason text, payload jsonb)
  language sql stable security definer set search_path = pg_catalog, moothill, pg_temp
as $$
  with raw as materialized (
    select e.*, row_number() over (order by e.place, e.id) as number
    from events e
    where (e.place, e.id) > ((after_incarnation::bigint << 48) | after_txid, after_id) and e.place < (select mt.horizon())
    order by e.place, e.id
    limit size
  )
  select r.tenant_id, r.id, r.incarnation, r.txid, r.kind, r.version, r.occurred_at, r.subject, r.subjects, r.actor,
         r.actor_kind, r.actor_name, r.real_actor, r.operation, r.request, r.reason, r.payload
  from raw r
  where r.kind = any (wanted) or r.number = (select max(number) from raw)
  order by r.number;
$$;
comment on function moothill.relay_window(integer, bigint, uuid, text[], integer) is
  'The wanted events among the next ones of all tenants below the horizon, and the last of these, wanted or not.';

create function moothill.relay_take(lease text, held bigint, wanted text, e_incarnation integer, e_txid bigint, e_id uuid,
                                    e_subject uuid, e_wide boolean)
  returns table (verdict text, tenant_slug text)
  language plpgsql volatile security definer set search_path = pg_catalog, moothill, pg_temp
as $$
begin
  if not jobs_lease_check(lease, held) then
    return query select 'stale', '';
    return;
  end if;
  update handler_cursors c
  set incarnation = e_incarnation, txid = e_txid, event_id = e_id, handled = c.handled + 1, moved_at = clock_timestamp()
  where c.handler = wanted and (c.incarnation, c.txid, c.event_id) < (e_incarnation, e_txid, e_id);
  if not found then
    return query select 'past', '';
    return;
  end if;
  if exists (select from parked_events p where p.handler = wanted and p.tenant_id = mt.tenant() and p.subject = e_subject)
     or exists (select from parked_events p where p.handler = wanted and p.tenant_id = mt.tenant() and p.is_wide)
     or e_wide and exists (select from parked_events p where p.handler = wanted and p.tenant_id = mt.tenant()) then
    insert into parked_events (handler, tenant_id, event_id, incarnation, txid, subject, is_wide)
    values (wanted, mt.tenant(), e_id, e_incarnation, e_txid, e_subject, e_wide);
    update handler_cursors c set handled = c.handled - 1 where c.handler = wanted;
    return query select 'parked', '';
    return;
  end if;
  return query select 'run', coalesce((select t.slug from tenants t where t.id = mt.tenant()), '');
end $$;
comment on function moothill.relay_take(text, bigint, text, integer, bigint, uuid, uuid, boolean) is
  'Moves a handler''s cursor to an event, in the transaction that handles it: run, parked behind another, past, or stale.';

create function moothill.relay_park(lease text, held bigint, wanted text, e_incarnation integer, e_txid bigint, e_id uuid,
                                    e_subject uuid, e_wide boolean, why text, seconds double precision, is_last boolean)
  returns boolean
  language plpgsql volatile security definer set search_path = pg_catalog, moothill, pg_temp
as $$
begin
  if not jobs_lease_check(lease, held) then
    return false;
  end if;
  update handler_cursors c
  set incarnation = e_incarnation, txid = e_txid, event_id = e_id, moved_at = clock_timestamp()
  where c.handler = wanted and (c.incarnation, c.txid, c.event_id) < (e_incarnation, e_txid, e_id);
  if not found then
    return false;
  end if;
  insert into parked_events (handler, tenant_id, event_id, incarnation, txid, subject, is_wide, attempts, error, dead,
                             next_attempt_at)
  values (wanted, mt.tenant(), e_id, e_incarnation, e_txid, e_subject, e_wide, 1, why, is_last,
          case when not is_last then clock_timestamp() + make_interval(secs => seconds) end);
  return true;
end $$;
comment on function moothill.relay_park(text, bigint, text, integer, bigint, uuid, uuid, boolean, text, double precision, boolean) is
  'Moves a handler''s cursor past an event that it failed on, and parks the event to be tried again.';

create function moothill.relay_skip(lease text, held bigint, names text[], e_incarnation integer, e_txid bigint, e_id uuid)
  returns boolean
  language plpgsql volatile security definer set search_path = pg_catalog, moothill, pg_temp
as $$
begin
  if not jobs_lease_check(lease, held) then
    return false;
  end if;
  update handler_cursors c
  set incarnation = e_incarnation, txid = e_txid, event_id = e_id, moved_at = clock_timestamp()
  where c.handler = any (names) and (c.incarnation, c.txid, c.event_id) < (e_incarnation, e_txid, e_id);
  return true;
end $$;
comment on function moothill.relay_skip(text, bigint, text[], integer, bigint, uuid) is
  'Moves handlers past events that are none of their kinds.';

create function moothill.relay_due(wanted text, size integer)
  returns table (tenant_id uuid, event_id uuid, attempts integer, event jsonb)
  language sql stable security definer set search_path = pg_catalog, moothill, pg_temp
as $$
  select p.tenant_id, p.event_id, p.attempts, to_jsonb(e)
  from parked_events p
  left join events e on e.tenant_id = p.tenant_id and e.id = p.event_id
  where p.handler = wanted and p.next_attempt_at <= clock_timestamp()
  order by p.incarnation, p.txid, p.event_id
  limit size;
$$;
comment on function moothill.relay_due(text, integer) is
  'Parked events of a handler that are due, oldest first; without the event when retention took it.';

create function moothill.relay_unblock(wanted text, tenant uuid, gone_subject uuid, gone_wide boolean) returns void
  language sql volatile set search_path = pg_catalog, moothill, pg_temp
as $$
  with heads as materialized (
    (select q.event_id, q.incarnation, q.txid, q.is_wide
     from parked_events q
     where q.handler = wanted and q.tenant_id = tenant and q.subject = gone_subject and not gone_wide
     order by q.incarnation, q.txid, q.event_id limit 1)
    union
    (select distinct on (q.subject) q.event_id, q.incarnation, q.txid, q.is_wide
     from parked_events q
     where q.handler = wanted and q.tenant_id = tenant and gone_wide
     order by q.subject, q.incarnation, q.txid, q.event_id)
    union
    (select q.event_id, q.incarnation, q.txid, q.is_wide
     from parked_events q
     where q.handler = wanted and q.tenant_id = tenant and q.is_wide
     order by q.incarnation, q.txid, q.event_id limit 1)
  )
  update parked_events p
  set next_attempt_at = clock_timestamp()
  from heads h
  where p.handler = wanted and p.tenant_id = tenant and p.event_id = h.event_id
    and p.next_attempt_at is null and not p.dead
    and not exists (
      select from parked_events b
      where b.handler = wanted and b.tenant_id = tenant
        and (b.incarnation, b.txid, b.event_id) < (h.incarnation, h.txid, h.event_id)
        and (b.is_wide or h.is_wide));
$$;
comment on function moothill.relay_unblock(text, uuid, uuid, boolean) is
  'Makes due what waited behind a parked event that is gone, as far as nothing else is before it.';
revoke all on function moothill.relay_unblock(text, uuid, uuid, boolean) from public;
grant execute on function moothill.relay_unblock(text, uuid, uuid, boolean) to moothill_relay;

create function moothill.relay_retry(lease text, held bigint, wanted text, event uuid)
  returns table (verdict text, tenant_slug text)
  language plpgsql volatile security definer set search_path = pg_catalog, moothill, pg_temp
as $$
declare
  gone record;
begin
  if not jobs_lease_check(lease, held) then
    return query select 'stale', '';
    return;
  end if;
  -- Whoever changes what is parked holds the cursor's row, so that nothing is parked behind what is going.
  update handler_cursors c set handled = c.handled + 1, moved_at = clock_timestamp() where c.handler = wanted;
  delete from parked_events p
  where p.handler = wanted and p.tenant_id = mt.tenant() and p.event_id = event and p.next_attempt_at is not null
  returning p.subject, p.is_wide into gone;
  if not found then
    update handler_cursors c set handled = c.handled - 1 where c.handler = wanted;
    return query select 'past', '';
    return;
  end if;
  perform relay_unblock(wanted, mt.tenant(), gone.subject, gone.is_wide);
  return query select 'run', coalesce((select t.slug from tenants t where t.id = mt.tenant()), '');
end $$;
comment on function moothill.relay_retry(text, bigint, text, uuid) is
  'Takes a parked event out, in the transaction that handles it, and makes due what waited behind it.';

create function moothill.relay_failed(lease text, held bigint, wanted text, event uuid, why text, seconds double precision,
                                      is_last boolean)
  returns boolean
  language plpgsql volatile security definer set search_path = pg_catalog, moothill, pg_temp
as $$
begin
  if not jobs_lease_check(lease, held) then
    return false;
  end if;
  update parked_events p
  set attempts = p.attempts + 1, error = why, dead = is_last,
      next_attempt_at = case when not is_last then clock_timestamp() + make_interval(secs => seconds) end
  where p.handler = wanted and p.tenant_id = mt.tenant() and p.event_id = event and p.next_attempt_at is not null;
  return found;
end $$;
comment on function moothill.relay_failed(text, bigint, text, uuid, text, double precision, boolean) is
  'Notes that a parked event failed again; after its last try it is dead.';

create function moothill.relay_status()
  returns table (handler text, kinds text[], lag double precision, handled bigint, moved_at timestamptz,
                 parked bigint, dead bigint)
  language sql stable security definer set search_path = pg_catalog, moothill, pg_temp
as $$
  select c.handler, c.kinds,
         coalesce((
           select extract(epoch from clock_timestamp() - min(next.occurred_at))
           from (select e.kind, e.occurred_at
                 from events e
                 where (e.place, e.id) > ((c.incarnation::bigint << 48) | c.txid, c.event_id) and e.place < (select mt.horizon())
                 order by e.place, e.id
                 limit 1000) as next
           where next.kind = any (c.kinds)), 0)::double precision,
         c.handled, c.moved_at,
         (select count(*) from parked_events p where p.handler = c.handler and p.tenant_id = mt.tenant() and not p.dead),
         (select count(*) from parked_events p where p.handler = c.handler and p.tenant_id = mt.tenant() and p.dead)
  from handler_cursors c
  order by c.handler;
$$;
comment on function moothill.relay_status() is
  'How far behind each handler is, in seconds, and what of this tenant it has parked.';

create function moothill.relay_parked(only_dead boolean, wanted text, after_incarnation integer, after_txid bigint,
                                      after_id uuid, after_handler text, size integer)
  returns table (handler text, event uuid, kind text, subject uuid, attempts integer, next_attempt_at timestamptz,
                 error text, dead boolean, parked_at timestamptz, incarnation integer, txid bigint)
  language sql stable security definer set search_path = pg_catalog, moothill, pg_temp
as $$
  select p.handler, p.event_id, coalesce(e.kind, ''), e.subject, p.attempts, p.next_attempt_at, p.error, p.dead,
         p.parked_at, p.incarnation, p.txid
  from parked_events p
  left join events e on e.tenant_id = mt.tenant() and e.id = p.event_id
  where p.tenant_id = mt.tenant() and (p.dead or not only_dead) and (wanted is null or p.handler = wanted)
    and (p.incarnation, p.txid, p.event_id, p.handler) > (after_incarnation, after_txid, after_id, after_handler)
  order by p.incarnation, p.txid, p.event_id, p.handler
  limit size;
$$;
comment on function moothill.relay_parked(boolean, text, integer, bigint, uuid, text, integer) is
  'Parked events of this tenant in the order of the log.';

create function moothill.relay_redrive(wanted text, event uuid) returns integer
  language plpgsql volatile security definer set search_path = pg_catalog, moothill, pg_temp
as $$
declare
  moved integer;
begin
  perform from handler_cursors c where c.handler = wanted for update;
  update parked_events p
  set dead = false, attempts = 0, next_attempt_at = clock_timestamp()
  where p.handler = wanted and p.tenant_id = mt.tenant()
    and (event is null and p.dead or p.event_id = event and (p.dead or p.next_attempt_at is not null));
  get diagnostics moved = row_count;
  return moved;
end $$;
comment on function moothill.relay_redrive(text, uuid) is
  'Lets a handler try one parked event of this tenant again, or all its dead ones; how many.';

create function moothill.relay_discard(wanted text, event uuid) returns boolean
  language plpgsql volatile security definer set search_path = pg_catalog, moothill, pg_temp
as $$
declare
  gone record;
begin
  perform from handler_cursors c where c.handler = wanted for update;
  delete from parked_events p
  where p.handler = wanted and p.tenant_id = mt.tenant() and p.event_id = event
  returning p.subject, p.is_wide into gone;
  if not found then
    return false;
  end if;
  perform relay_unblock(wanted, mt.tenant(), gone.subject, gone.is_wide);
  return true;
end $$;
comment on function moothill.relay_discard(text, uuid) is
  'Gives up one parked event of this tenant for a handler; what waited behind it goes on.';

create function mt.months_ahead() returns text[]
  language plpgsql volatile security definer
  set search_path = pg_catalog, moothill, pg_temp set lock_timeout = '3s' set timezone = 'UTC'
as $$
declare
  parent regclass;
  month date;
  made text[] := '{}';
begin
  for parent in
    select c.oid::regclass
    from pg_class c
    join pg_partitioned_table t on t.partrelid = c.oid
    where c.relnamespace = 'moothill'::regnamespace and t.partstrat = 'r' and t.partdefid <> 0
    order by c.relname
  loop
    foreach month in array array[now()::date, (now() + interval '1 month')::date] loop
      if mt.add_month(parent, month) then
        made := made || format('%s_%s', parent, to_char(month, 'YYYY_MM'));
      end if;
    end loop;
  end loop;
  return made;
end $$;
comment on function mt.months_ahead() is
  'Makes this and the next month''s partition of every history; the names of those that were missing.';
revoke all on function mt.months_ahead() from public;
grant execute on function mt.months_ahead() to moothill_jobs;

create function moothill.jobs_months_ahead() returns text[]
  language sql volatile security definer set search_path = pg_catalog, moothill, pg_temp
as $$
  select mt.months_ahead();
$$;
comment on function moothill.jobs_months_ahead() is 'The way of the worker to mt.months_ahead(), which belongs to the owner.';

create function moothill.jobs_forget_keys(size integer) returns integer
  language sql volatile security definer set search_path = pg_catalog, moothill, pg_temp
as $$
  with old as (
    select k.actor, k.operation, k.key
    from idempotency_keys k
    where k.tenant_id = mt.tenant() and k.claimed_at < now() - interval '24 hours'
    order by k.claimed_at
    limit size
  ), forgotten as (
    delete from idempotency_keys k
    using old
    where k.tenant_id = mt.tenant() and k.actor = old.actor and k.operation = old.operation and k.key = old.key
      and k.claimed_at < now() - interval '24 hours'
    returning k.key
  )
  select count(*)::integer from forgotten;
$$;
comment on function moothill.jobs_forget_keys(integer) is
  'Deletes idempotency keys of this tenant that are older than 24 hours, at most so many; how many.';

create function moothill.jobs_tenants(after uuid, size integer) returns table (id uuid, slug text)
  language sql stable security definer set search_path = pg_catalog, moothill, pg_temp
as $$
  select t.id, t.slug from tenants t where t.status = 'active' and t.id > after order by t.id limit size;
$$;
comment on function moothill.jobs_tenants(uuid, integer) is 'Active tenants in the order of their ids.';

select mt.lend(oid::regprocedure, 'moothill_jobs')
from pg_proc
where pronamespace = 'moothill'::regnamespace and proname like 'jobs\_%' and prosecdef
  and proowner = 'moothill_owner'::regrole;

select mt.lend(oid::regprocedure, 'moothill_relay')
from pg_proc
where pronamespace = 'moothill'::regnamespace and proname like 'relay\_%' and prosecdef
  and proowner = 'moothill_owner'::regrole;
