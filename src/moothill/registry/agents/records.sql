-- name: register
-- Register an agent, if the tenant's quota leaves room.
-- returns: one
-- errors: 23505 agent_exists
-- seals: agents.config, agents.metadata
with made as (
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
  returning {agent}
), counted as materialized (select quota_move('agents', count(*)) from made)
select made.* from made cross join counted;

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
-- seals: agents.config, agents.metadata
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
where tenant_id = %(tenant)s and id = %(id)s and agent_id = %(agent_id)s and version = %(version)s
  and deactivated_at is null
returning {agent};
