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
        select l.agent_id from capability_labels l
        where l.tenant_id = %(tenant)s and l.kind in ('name', 'alias') and l.label = %(capability)s))
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

-- name: register
-- Register an agent.
-- returns: one
-- errors: 23505 agent_exists
insert into agents (
  tenant_id, id, agent_id, name, description, type, status, model_family, model_version, specialisations, tags,
  provider, url, config, metadata, tasks_attempted, tasks_completed, tasks_failed, quality_total, quality_count,
  task_time_total_ms, total_points, tier, rating, trust, consecutive_active_days, total_active_days, last_active_at,
  registered_at)
values (
  %(tenant)s, %(id)s, %(agent_id)s, %(name)s, %(description)s, %(type)s, %(status)s, %(model_family)s,
  %(model_version)s, %(specialisations)s::text[], %(tags)s::text[], %(provider)s, %(url)s, %(config)s::jsonb,
  %(metadata)s::jsonb, %(tasks_attempted)s, %(tasks_completed)s, %(tasks_failed)s, %(quality_total)s,
  %(quality_count)s, %(task_time_total_ms)s, %(total_points)s, %(tier)s, %(rating)s, %(trust)s,
  %(consecutive_active_days)s, %(total_active_days)s, coalesce(%(last_active_at)s::timestamptz, now()),
  coalesce(%(registered_at)s::timestamptz, now()))
returning {agent};

-- name: tag
-- Make the rows of an agent's tags and specialisations be these.
-- returns: run
with gone as (
  delete from agent_tags
  where tenant_id = %(tenant)s and agent_id = %(id)s
    and not (kind = 'tag' and tag = any(%(tags)s::text[]))
    and not (kind = 'specialisation' and tag = any(%(specialisations)s::text[]))
)
insert into agent_tags (tenant_id, kind, tag, agent_id)
select t.id, w.kind, w.tag, %(id)s
from tenants t
cross join (
  select 'tag' as kind, unnest(%(tags)s::text[]) as tag
  union all
  select 'specialisation', unnest(%(specialisations)s::text[])
) w
where t.id = %(tenant)s
on conflict (tenant_id, kind, tag, agent_id) do nothing;

-- name: update
-- Change the record of an agent, if it still has the version that was read; null leaves a field as it is.
-- returns: maybe
update agents
set name = coalesce(%(name)s, name),
    description = coalesce(%(description)s, description),
    type = coalesce(%(type)s, type),
    model_family = coalesce(%(model_family)s, model_family),
    model_version = coalesce(%(model_version)s, model_version),
    specialisations = coalesce(%(specialisations)s::text[], specialisations),
    tags = coalesce(%(tags)s::text[], tags),
    provider = coalesce(%(provider)s, provider),
    url = case when %(sets_url)s::boolean then %(url)s else url end,
    config = coalesce(%(config)s::jsonb, config),
    metadata = coalesce(%(metadata)s::jsonb, metadata),
    updated_at = now(),
    version = version + 1
where tenant_id = %(tenant)s and id = %(id)s and version = %(version)s and deactivated_at is null
returning {agent};

-- name: move
-- Move an agent into a status, if it may come from where it is.
-- returns: maybe
with old as (
  select id as old_id, status as old_status
  from agents
  where tenant_id = %(tenant)s and id = %(id)s and deactivated_at is null
  for no key update
), moved as (
  update agents
  set status = %(status)s, status_reason = %(reason)s, updated_at = now()
  from old
  where tenant_id = %(tenant)s and id = old_id and old_status = any(%(origins)s::text[])
  returning {agent}, old_status
)
select {agent}, old_status
from moved;

-- name: deactivate
-- Deactivate an agent that is not.
-- returns: maybe
update agents
set deactivated_at = now(), status = 'offline', status_reason = %(reason)s, active_tasks = 0, queued_tasks = 0,
    utilisation = 0, updated_at = now(), version = version + 1
where tenant_id = %(tenant)s and id = %(id)s and deactivated_at is null
returning {agent};

-- name: reactivate
-- Bring a deactivated agent back.
-- returns: maybe
update agents
set deactivated_at = null, status_reason = null, updated_at = now(), version = version + 1
where tenant_id = %(tenant)s and id = %(id)s and deactivated_at is not null
returning {agent};
