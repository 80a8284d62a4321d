-- name: beat
-- Take a batch of heartbeats and write its events; when one is unsound, nothing changes and all are judged.
-- returns: many
with given as (
  select b.position::integer - 1 as position, b.agent, b.row_id, b.status, b.active_tasks, b.queued_tasks,
         b.utilisation, coalesce(b.at, now()) as at, b.event_id
  from unnest(%(agents)s::text[], %(row_ids)s::uuid[], %(statuses)s::text[], %(active_tasks)s::integer[],
              %(queued_tasks)s::integer[], %(utilisations)s::numeric[], %(moments)s::timestamptz[],
              %(event_ids)s::uuid[]) with ordinality
       as b (agent, row_id, status, active_tasks, queued_tasks, utilisation, at, event_id, position)
), named as (
  select g.*, coalesce(i.id, k.id) as found
  from given g
  left join agents k on k.tenant_id = %(tenant)s and k.agent_id = g.agent
  left join agents i on i.tenant_id = %(tenant)s and i.id = g.row_id
), locked as (
  -- In one order, so that two batches wait for each other instead of killing each other.
  select id, agent_id, status, last_heartbeat_at, deactivated_at
  from agents
  where tenant_id = %(tenant)s and id in (select found from named)
  order by id
  for no key update
), judged as (
  select n.position, n.agent, l.id, l.agent_id, l.status as old_status, n.active_tasks, n.queued_tasks,
         n.utilisation, n.at, n.event_id,
         case when n.status is null or l.status in ('suspended', 'maintenance') then l.status else n.status end as status,
         case
           when l.id is null then 'unknown'
           when l.deactivated_at is not null then 'deactivated'
           when %(speaker)s::uuid <> l.id then 'foreign'
           when n.at > now() + interval '5 minutes' then 'future'
           when n.at < l.last_heartbeat_at then 'stale'
           when n.position <> first_value(n.position) over (partition by l.id order by n.at desc, n.position desc)
             then 'stale'
           else 'accepted'
         end as outcome
  from named n
  left join locked l on l.id = n.found
), taken as (
  select * from judged
  where outcome = 'accepted'
    and not exists (select from judged where outcome not in ('accepted', 'stale'))
), beaten as (
  update agents a
  set status = t.status,
      status_reason = case when t.status <> t.old_status then null else a.status_reason end,
      active_tasks = coalesce(t.active_tasks, a.active_tasks),
      queued_tasks = coalesce(t.queued_tasks, a.queued_tasks),
      utilisation = coalesce(t.utilisation, a.utilisation),
      last_heartbeat_at = t.at,
      last_active_at = case
        when t.active_tasks > 0 or t.status in ('active', 'busy') then greatest(a.last_active_at, t.at)
        else a.last_active_at end,
      updated_at = case when t.status <> t.old_status then now() else a.updated_at end
  from taken t
  where a.tenant_id = %(tenant)s and a.id = t.id
  returning a.id
), told as (
  insert into events (tenant_id, id, kind, subjects, actor, actor_kind, actor_name, real_actor, operation, request,
                      reason, payload)
  select %(tenant)s, %(event_id)s::uuid, 'agents.heartbeats', array_agg(id), %(actor)s::uuid, %(actor_kind)s,
         %(actor_name)s, %(real_actor)s::uuid, %(operation)s, %(request)s::uuid, %(reason)s,
         jsonb_build_object('accepted', count(*), 'stale', (select count(*) from judged where outcome = 'stale'))
  from beaten
  having count(*) > 0
  returning id
), changed as (
  insert into events (tenant_id, id, kind, subject, actor, actor_kind, actor_name, real_actor, operation, request,
                      reason, payload)
  select %(tenant)s, event_id, 'agents.status_changed', id, %(actor)s::uuid, %(actor_kind)s, %(actor_name)s,
         %(real_actor)s::uuid, %(operation)s, %(request)s::uuid, %(reason)s,
         jsonb_build_object('agent_id', agent_id, 'old', old_status, 'new', status, 'reason', null)
  from taken
  where status <> old_status
  returning id
), counted as materialized (
  select quota_move('events', (select count(*) from told) + (select count(*) from changed))
)
select position, agent as given, id as agent, outcome, status
from judged
cross join counted
order by position;
