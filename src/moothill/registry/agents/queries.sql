-- let: wanted
-- The conditions of an `AgentFilter`; the bounds of the name are always there, so that an index answers them.
      (%(with_deactivated)s::boolean or deactivated_at is null)
  and (%(type)s::text is null or type = %(type)s)
  and (%(status)s::text is null or status = %(status)s)
  and (%(model_family)s::text is null or model_family = %(model_family)s)
  and (%(tier)s::text is null or tier = %(tier)s)
  and (%(inactive_for)s::interval is null or last_active_at < now() - %(inactive_for)s::interval)
  and (%(tag)s::text is null or id in (
        select t.agent_id from agent_tags t
        where t.tenant_id = %(tenant)s and t.kind = 'tag' and t.tag = %(tag)s))
  and (%(specialisation)s::text is null or id in (
        select t.agent_id from agent_tags t
        where t.tenant_id = %(tenant)s and t.kind = 'specialisation' and t.tag = %(specialisation)s))
  and (%(capability)s::text is null or id in (
        select l.agent_id
        from capability_labels l
        join capabilities c on c.tenant_id = %(tenant)s and c.id = l.capability_id
        where l.tenant_id = %(tenant)s and l.kind in ('name', 'alias') and l.label = %(capability)s
          and c.validation_status <> 'rejected'))
  and name_key >= lower(%(prefix)s) collate "C"
  and name_key < lower(%(prefix)s) || chr(1114111) collate "C"

-- name: page_by_name
-- Agents in the order of their names.
-- returns: many
select {summary}
from agents
where tenant_id = %(tenant)s
  and {wanted}
  and (name_key, id) > (lower(%(after_name)s) collate "C", %(after_id)s::uuid)
order by name_key, id
limit %(size)s;

-- name: page_by_registration
-- Agents in the order of their registration.
-- returns: many
select {summary}
from agents
where tenant_id = %(tenant)s
  and {wanted}
  and id > %(after_id)s::uuid
order by id
limit %(size)s;

-- name: page_by_activity
-- Agents, those last seen at work first.
-- returns: many
select {summary}
from agents
where tenant_id = %(tenant)s
  and {wanted}
  and (last_active_at, id) < (%(before)s::timestamptz, %(before_id)s::uuid)
order by last_active_at desc, id desc
limit %(size)s;

-- name: active
-- Agents neither deactivated nor suspended, in the order of their registration.
-- returns: many
select id, agent_id, name, type, status, model_family, specialisations, active_tasks, queued_tasks, utilisation,
       success_rate, average_quality, total_points, tier, rating, trust, last_active_at, last_heartbeat_at
from v_active_agents
where tenant_id = %(tenant)s
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
