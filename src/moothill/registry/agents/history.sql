-- name: activity
-- Events about an agent and events by it, newest first.
-- returns: many
-- seals: events.payload
select id, kind, version, occurred_at, subject, coalesce(subjects, '{}') as subjects, actor, actor_kind, actor_name,
       real_actor, operation, request, reason, payload
from (
  (select * from events
   where tenant_id = %(tenant)s and subject = %(agent)s and id < %(before)s::uuid
   order by id desc limit %(size)s)
  union all
  (select * from events
   where tenant_id = %(tenant)s and actor = %(agent)s and actor_kind = 'agent' and id < %(before)s::uuid
     and subject is distinct from %(agent)s
   order by id desc limit %(size)s)
) both_sides
order by id desc
limit %(size)s;

-- name: status_history
-- Changes of an agent's status, newest first.
-- returns: many
select id, occurred_at as changed_at, payload ->> 'old' as old_status, payload ->> 'new' as new_status,
       coalesce(payload ->> 'reason', reason) as reason, actor, actor_name, operation
from events
where tenant_id = %(tenant)s and subject = %(agent)s and kind = 'agents.status_changed' and id < %(before)s::uuid
order by id desc
limit %(size)s;
