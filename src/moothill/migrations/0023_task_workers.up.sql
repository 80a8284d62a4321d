-- phase: pre
-- Workers are their makers', and those that serve every tenant are told where there is something to hand out.

alter table moothill.task_workers add column created_by uuid;
comment on column moothill.task_workers.created_by is 'Who works under this id; nobody else says what it holds, or that it is gone.';

create function moothill.task_tenants(wanted text[], after uuid, most integer)
  returns table (tenant_id uuid, slug text, queues text[])
  language sql stable security definer set search_path = pg_catalog, moothill, pg_temp
  -- No plan may depend on how large the tables happen to be.
  set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set enable_bitmapscan = off
as $$
  select c.id, c.slug, w.queues
  from (select t.id, t.slug
        from tenants t
        where t.status = 'active' and t.id in (select h.tenant_id from task_hints h)
        order by coalesce(t.id <= after, false), t.id
        offset 0) c
  cross join lateral (
    select array_agg(h.queue order by h.queue) as queues
    from task_hints h
    left join task_queues u on u.tenant_id = c.id and u.name = h.queue
    where h.tenant_id = c.id and (wanted is null or h.queue = any(wanted)) and u.paused_at is null
      and ((select true
            from task_lanes l
            cross join lateral (select from task_queue q
                                where q.tenant_id = c.id and q.lane_id = l.id and q.state = 'pending' limit 1) p
            where l.tenant_id = c.id and l.queue = h.queue limit 1)
           or (select true from task_queue q
               where q.tenant_id = c.id and q.alarm_at <= now() and q.due_at <= now() and q.state in ('scheduled', 'retry')
               limit 1))) w
  where w.queues is not null
  limit most;
$$;
comment on function moothill.task_tenants(text[], uuid, integer) is
  'Active tenants with something to hand out, in a round that goes on behind the one given, with the queues that may hold it.';
select mt.lend('moothill.task_tenants(text[], uuid, integer)'::regprocedure, 'moothill_jobs');

create function moothill.task_forget_hints(most integer) returns bigint
  language sql volatile security definer set search_path = pg_catalog, moothill, pg_temp
as $$
  with gone as (
    delete from task_hints h
    where (h.tenant_id, h.queue) in (
      select o.tenant_id, o.queue from task_hints o
      -- Whoever adds a task touches a hint that is older than ten minutes; his transaction is over long since.
      where o.since < now() - interval '1 hour'
        and (select true from task_queue q where q.tenant_id = o.tenant_id limit 1) is null
      limit most for update skip locked)
    returning 1
  )
  select count(*) from gone;
$$;
comment on function moothill.task_forget_hints(integer) is 'Takes away hints of tenants that have had nothing to do for an hour.';
select mt.lend('moothill.task_forget_hints(integer)'::regprocedure, 'moothill_jobs');
update moothill.agent_traces set columns = '{agent_id,created_by}' where relation = 'task_workers';
