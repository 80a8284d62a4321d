-- let: skill
name, proficiency, experience_points, last_practised_at, updated_at

-- name: page
-- Skills of an agent, in the order of their names.
-- returns: many
select {skill}, skill
from agent_skills
where tenant_id = %(tenant)s and agent_id = %(agent)s and skill > %(after)s
order by skill
limit %(size)s;

-- name: put
-- Give skills to an agent, or change those that it has; experience and practice stay where they are not given.
-- returns: many
insert into agent_skills (tenant_id, agent_id, skill, name, proficiency, experience_points, last_practised_at, updated_at)
select t.id, s.agent_id, s.skill, s.name, s.proficiency, coalesce(s.experience_points, 0), s.last_practised_at, now()
from tenants t
cross join jsonb_to_recordset(%(skills)s::jsonb) as s (
  agent_id uuid, skill text, name text, proficiency integer, experience_points bigint, last_practised_at timestamptz)
where t.id = %(tenant)s
on conflict (tenant_id, agent_id, skill) do update
set name = excluded.name,
    proficiency = excluded.proficiency,
    experience_points = greatest(agent_skills.experience_points, excluded.experience_points),
    last_practised_at = coalesce(excluded.last_practised_at, agent_skills.last_practised_at),
    updated_at = excluded.updated_at
returning {skill};

-- name: practise
-- Add experience to a skill.
-- returns: maybe
update agent_skills
set experience_points = experience_points + %(points)s,
    last_practised_at = now(),
    updated_at = now()
where tenant_id = %(tenant)s and agent_id = %(agent)s and skill = %(skill)s
returning {skill};

-- name: remove
-- Take a skill from an agent.
-- returns: maybe
delete from agent_skills
where tenant_id = %(tenant)s and agent_id = %(agent)s and skill = %(skill)s
returning {skill};
