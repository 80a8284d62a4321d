-- let: suited
-- The conditions of a choice.
      deactivated_at is null
  and status in ('idle', 'active')
  and (%(type)s::text is null or type = %(type)s)
  and (%(skill)s::text is null or proficiency >= %(proficiency)s)

-- let: tagged
-- With all of the tags.
      agents.id in (
        select t.agent_id
        from agent_tags t
        where t.tenant_id = %(tenant)s and t.kind = 'tag' and t.tag = any(%(tags)s::text[])
        group by t.agent_id
        having count(*) = cardinality(%(tags)s::text[]))

-- let: skilled
-- How well agents have the skill.
left join (
  select agent_id as skilled_agent, proficiency
  from agent_skills
  where tenant_id = %(tenant)s and skill = %(skill)s
) skilled on skilled_agent = agents.id

-- name: named
-- Capabilities that have this very name, or this alias.
-- returns: many
select agent_id as agent, capability_id as capability
from capability_labels
where tenant_id = %(tenant)s and kind in ('name', 'alias') and label = %(name)s
limit %(bound)s;

-- name: able
-- Agents that can take work now, among those found for a capability, each with its best match.
-- returns: many
with matched as (
  select m.agent, m.capability, m.relevance
  from jsonb_to_recordset(%(matches)s::jsonb) as m (agent uuid, capability uuid, relevance numeric)
), best as (
  select distinct on (m.agent) m.agent as best_agent, m.relevance, c.id as capability_id, c.name as capability_name,
         c.confidence, c.validation_status
  from matched m
  left join capabilities c on c.tenant_id = %(tenant)s and c.id = m.capability
  where m.capability is null or c.validation_status <> 'rejected'
  order by m.agent, m.relevance * coalesce(c.confidence, %(unstated)s::numeric) desc, c.id
)
select {summary}, relevance, capability_id, capability_name, confidence, validation_status, proficiency
from best
join agents on tenant_id = %(tenant)s and id = best_agent
{skilled}
where {suited}
  and (%(tags)s::text[] = '{}' or {tagged})
order by id;

-- let: freest_first
select {summary}, null::numeric as relevance, null::uuid as capability_id, null as capability_name,
       null::numeric as confidence, null as validation_status, proficiency, looked_at

-- let: load
select id as suited_agent, utilisation as load, active_tasks + queued_tasks as tasks, proficiency

-- name: free
-- The least loaded of the agents that can take work now; looking stops at a bound.
-- returns: many
{freest_first}
from (
  select suited_agent, proficiency, count(*) over () as looked_at
  from (
    {load}
    from agents
    {skilled}
    where tenant_id = %(tenant)s and {suited}
    limit %(bound)s
  ) looked
  order by load, tasks, suited_agent
  limit %(size)s
) freest
join agents on tenant_id = %(tenant)s and id = suited_agent
order by id;

-- name: free_tagged
-- The least loaded of the agents with certain tags that can take work now; looking stops at a bound.
-- returns: many
{freest_first}
from (
  select suited_agent, proficiency, count(*) over () as looked_at
  from (
    {load}
    from agents
    {skilled}
    where tenant_id = %(tenant)s and {suited} and {tagged}
    limit %(bound)s
  ) looked
  order by load, tasks, suited_agent
  limit %(size)s
) freest
join agents on tenant_id = %(tenant)s and id = suited_agent
order by id;
