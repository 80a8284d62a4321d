-- let: wanted
-- The conditions of an `AgentFilter` on the agent itself. The bound of the name is always there, so that an
-- index answers it; its other bound is the place where a page begins.
      (%(with_deactivated)s::boolean or deactivated_at is null)
  and (%(type)s::text is null or type = %(type)s)
  and (%(status)s::text is null or status = %(status)s)
  and (%(model_family)s::text is null or model_family = %(model_family)s)
  and (%(tier)s::text is null or tier = %(tier)s)
  and (%(inactive_for)s::interval is null or last_active_at < now() - %(inactive_for)s::interval)
  and name_key < lower(%(prefix)s) || chr(1114111) collate "C"

-- let: labelled
-- The conditions on labels: as many of them as are given must hold. (Null finds nothing, so it counts nothing.)
      id in (
        select agent_id
        from (
          select t.agent_id
          from agent_tags t
          where t.tenant_id = %(tenant)s and t.kind = 'tag' and t.tag = %(tag)s
          union all
          select t.agent_id
          from agent_tags t
          where t.tenant_id = %(tenant)s and t.kind = 'specialisation' and t.tag = %(specialisation)s
          union all
          select distinct l.agent_id
          from capability_labels l
          join capabilities c on c.tenant_id = %(tenant)s and c.id = l.capability_id
          where l.tenant_id = %(tenant)s and l.kind in ('name', 'alias') and l.label = %(capability)s
            and c.validation_status <> 'rejected'
        ) found
        group by agent_id
        having count(*) = %(labels)s::integer)

-- let: from_name
tenant_id = %(tenant)s
  and (name_key, id) > (lower(%(after_name)s) collate "C", %(after_id)s::uuid)
  and name_key >= lower(%(prefix)s) collate "C"

-- let: from_registration
tenant_id = %(tenant)s
  and id > %(after_id)s::uuid
  and name_key >= lower(%(prefix)s) collate "C"

-- let: from_activity
tenant_id = %(tenant)s
  and (last_active_at, id) < (%(before)s::timestamptz, %(before_id)s::uuid)
  and name_key >= lower(%(prefix)s) collate "C"

-- name: by_name
-- Agents in the order of their names.
-- returns: many
select {summary}
from agents
where {from_name}
  and {wanted}
order by name_key, id
limit %(size)s;

-- name: by_registration
-- Agents in the order of their registration.
-- returns: many
select {summary}
from agents
where {from_registration}
  and {wanted}
order by id
limit %(size)s;

-- name: by_activity
-- Agents, those last seen at work first.
-- returns: many
select {summary}
from agents
where {from_activity}
  and {wanted}
order by last_active_at desc, id desc
limit %(size)s;

-- name: labelled_by_name
-- Agents with certain labels, in the order of their names.
-- returns: many
select {summary}
from agents
where {from_name}
  and {wanted}
  and {labelled}
order by name_key, id
limit %(size)s;

-- name: labelled_by_registration
-- Agents with certain labels, in the order of their registration.
-- returns: many
select {summary}
from agents
where {from_registration}
  and {wanted}
  and {labelled}
order by id
limit %(size)s;

-- name: labelled_by_activity
-- Agents with certain labels, those last seen at work first.
-- returns: many
select {summary}
from agents
where {from_activity}
  and {wanted}
  and {labelled}
order by last_active_at desc, id desc
limit %(size)s;

-- name: active
-- Agents neither deactivated nor suspended, in the order of their registration: what `v_active_agents` shows.
-- (Of a view with a barrier no index gives the order, so the table is read.)
-- returns: many
select id, agent_id, name, type, status, model_family, specialisations, active_tasks, queued_tasks, utilisation,
       success_rate, average_quality, total_points, tier, rating, trust, last_active_at, last_heartbeat_at
from agents
where tenant_id = %(tenant)s and deactivated_at is null and status <> 'suspended'
  and id > %(after_id)s::uuid
order by id
limit %(size)s;

-- name: counts
-- Agents by status and type; counting stops at a bound.
-- returns: many
select status, type, count(*) as agents
from (
  select status, type
  from agents
  where tenant_id = %(tenant)s and deactivated_at is null
  limit %(bound)s
) counted
group by status, type
order by status, type;
