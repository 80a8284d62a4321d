-- let: wanted
-- The conditions of a `RelationshipFilter`.
      (%(types)s::text[] is null or r.type = any(%(types)s::text[]))
  and (%(minimum_confidence)s::numeric is null or r.confidence >= %(minimum_confidence)s)
  and (%(minimum_strength)s::numeric is null or r.strength >= %(minimum_strength)s)
  and (%(observed_since)s::timestamptz is null or r.last_observed_at >= %(observed_since)s)

-- name: agents
-- The agents of keys or ids, and the latest time that something may have been seen at: clocks differ a little.
-- returns: many
select w.reference, a.id, a.agent_id, a.deactivated_at, true as by_key, now() + interval '5 minutes' as latest
from unnest(%(references)s::text[]) as w (reference)
join agents a on a.tenant_id = %(tenant)s and a.agent_id = w.reference
union all
select w.reference, a.id, a.agent_id, a.deactivated_at, false, now() + interval '5 minutes'
from unnest(%(named)s::text[], %(ids)s::uuid[]) as w (reference, id)
join agents a on a.tenant_id = %(tenant)s and a.id = w.id;

-- name: put
-- Write relationships, new or in place of what was said; one with the other direction is left out of the result.
-- returns: many
-- errors: 23505 other_direction
-- seals: agent_relationships.extraction_context, agent_relationships.metadata
with given as (
  select g.*
  from jsonb_to_recordset(%(rows)s::jsonb) as g (
    id uuid, source_id uuid, target_id uuid, type text, directional boolean, confidence numeric, strength numeric,
    cooccurrence_count bigint, evidence uuid[], extraction_context text, metadata jsonb,
    first_observed_at timestamptz, last_observed_at timestamptz)
), r as (
  insert into agent_relationships (
    tenant_id, id, source_id, target_id, type, directional, confidence, strength_base, cooccurrence_count,
    extraction_context, metadata, first_observed_at, last_observed_at, updated_at)
  select o.id, g.id, g.source_id, g.target_id, g.type, g.directional, g.confidence, g.strength, g.cooccurrence_count,
         g.extraction_context, g.metadata,
         least(coalesce(g.first_observed_at, g.last_observed_at, now()), g.last_observed_at),
         greatest(coalesce(g.last_observed_at, now()), g.first_observed_at), now()
  from tenants o
  cross join given g
  where o.id = %(tenant)s
  -- In the order of the key, so that two writers wait for each other instead of killing each other.
  order by g.source_id, g.target_id, g.type
  on conflict (tenant_id, source_id, target_id, type) do update
  set confidence = excluded.confidence,
      strength_base = excluded.strength_base,
      strength_steps = 0,
      cooccurrence_count = greatest(agent_relationships.cooccurrence_count, excluded.cooccurrence_count),
      extraction_context = excluded.extraction_context,
      metadata = excluded.metadata,
      first_observed_at = least(agent_relationships.first_observed_at, excluded.first_observed_at),
      last_observed_at = greatest(agent_relationships.last_observed_at, excluded.last_observed_at),
      updated_at = excluded.updated_at,
      version = agent_relationships.version + 1
  where agent_relationships.directional = excluded.directional
  -- A row that was there already has been locked, and so has a number there.
  returning *, xmax = 0 as created
), shown as (
  insert into agent_relationship_evidence (tenant_id, relationship_id, task_id, observed_at)
  select r.tenant_id, r.id, e.task, r.last_observed_at
  from given g
  join r on r.source_id = g.source_id and r.target_id = g.target_id and r.type = g.type
  cross join lateral unnest(g.evidence) as e (task)
  on conflict (tenant_id, relationship_id, task_id) do nothing
  returning relationship_id
)
select {relationship_written}, r.created
from r
{with_agents};

-- name: by_id
-- One relationship.
-- returns: maybe
-- seals: agent_relationships.extraction_context, agent_relationships.metadata
select {relationship}
from agent_relationships r
{with_agents}
where r.tenant_id = %(tenant)s and r.id = %(id)s;

-- name: between
-- The relationships between two agents, for a message.
-- returns: many
-- seals: agent_relationships.extraction_context, agent_relationships.metadata
select {relationship}
from agent_relationships r
{with_agents}
where r.tenant_id = %(tenant)s and r.type = %(type)s
  and (r.source_id = %(first)s and r.target_id = %(second)s or r.source_id = %(second)s and r.target_id = %(first)s);

-- name: page_by_record
-- Relationships in the order in which they were recorded.
-- returns: many
-- seals: agent_relationships.extraction_context, agent_relationships.metadata
select {relationship}
from agent_relationships r
{with_agents}
where r.tenant_id = %(tenant)s
  and {wanted}
  and r.id > %(after_id)s::uuid
order by r.id
limit %(size)s;

-- name: page_by_confidence
-- Relationships, the surest first.
-- returns: many
-- seals: agent_relationships.extraction_context, agent_relationships.metadata
select {relationship}
from agent_relationships r
{with_agents}
where r.tenant_id = %(tenant)s
  and {wanted}
  and r.confidence <= %(below)s::numeric
  and (r.confidence < %(below)s::numeric or r.id > %(after_id)s::uuid)
order by r.confidence desc, r.id
limit %(size)s;

-- name: page_of_agent
-- Relationships of one agent, as they were recorded or the surest first.
-- returns: many
-- seals: agent_relationships.extraction_context, agent_relationships.metadata
select {relationship}
from (
  select e.*, case when %(by_confidence)s::boolean then e.confidence else 1 end as place
  from agent_relationships e
  where e.tenant_id = %(tenant)s and e.source_id = %(agent)s and (%(outward)s::boolean or not e.directional)
  union all
  select e.*, case when %(by_confidence)s::boolean then e.confidence else 1 end
  from agent_relationships e
  where e.tenant_id = %(tenant)s and e.target_id = %(agent)s and (%(inward)s::boolean or not e.directional)
) r
{with_agents}
where {wanted}
  and r.place <= %(below)s::numeric
  and (r.place < %(below)s::numeric or r.id > %(after_id)s::uuid)
order by r.place desc, r.id
limit %(size)s;

-- name: update
-- Change a relationship, if it still has the version that was read; null leaves a field as it is.
-- returns: maybe
-- seals: agent_relationships.extraction_context, agent_relationships.metadata
with r as (
  update agent_relationships
  set confidence = coalesce(%(confidence)s::numeric, confidence),
      strength_base = coalesce(%(strength)s::numeric, strength_base),
      strength_steps = case when %(strength)s::numeric is null then strength_steps else 0 end,
      extraction_context = coalesce(%(extraction_context)s::text, extraction_context),
      metadata = coalesce(%(metadata)s::jsonb, metadata),
      updated_at = now(),
      version = version + 1
  where tenant_id = %(tenant)s and id = %(id)s and version = %(version)s
    -- What a seal is bound to never changes.
    and source_id = %(source_id)s and target_id = %(target_id)s and type = %(type)s
  returning *
)
select {relationship}
from r
{with_agents};

-- name: remove
-- Remove a relationship; its evidence goes with it.
-- returns: maybe
-- seals: agent_relationships.extraction_context, agent_relationships.metadata
with r as (
  delete from agent_relationships
  where tenant_id = %(tenant)s and id = %(id)s
  returning *
)
select {relationship}
from r
{with_agents};

-- name: evidence
-- Tasks that show a relationship, in the order of their ids.
-- returns: many
select task_id, observed_at
from agent_relationship_evidence
where tenant_id = %(tenant)s and relationship_id = %(relationship)s and task_id > %(after)s::uuid
order by task_id
limit %(size)s;

-- name: ensure
-- Make the relationships that are observed for the first time; how many.
-- returns: one
with made as (
  insert into agent_relationships (
    tenant_id, id, source_id, target_id, type, directional, confidence, strength_base, cooccurrence_count,
    first_observed_at, last_observed_at)
  select o.id, g.id, g.source_id, g.target_id, g.type, g.directional, g.confidence, 0, 0, coalesce(g.at, now()),
         coalesce(g.at, now())
  from tenants o
  cross join jsonb_to_recordset(%(rows)s::jsonb) as g (
    id uuid, source_id uuid, target_id uuid, type text, directional boolean, confidence numeric, at timestamptz)
  where o.id = %(tenant)s
  order by g.source_id, g.target_id, g.type
  -- Of any kind: who finds one with the other direction looks for it below.
  on conflict do nothing
  returning id
)
select count(*) from made;

-- name: observe
-- Count observations, each task once for each relationship; one without an edge to count it on has no id.
-- returns: many
with given as (
  select g.*
  from jsonb_to_recordset(%(rows)s::jsonb) as g (
    place integer, source_id uuid, target_id uuid, type text, directional boolean, task uuid, times bigint,
    at timestamptz)
), edges as (
  select g.place, r.id, g.task, g.times, coalesce(g.at, now()) as at
  from given g
  join agent_relationships r on r.tenant_id = %(tenant)s
    and r.source_id = g.source_id and r.target_id = g.target_id and r.type = g.type and r.directional = g.directional
  union all
  -- What holds both ways was seen, too, when one way was.
  select g.place, r.id, g.task, g.times, coalesce(g.at, now())
  from given g
  join agent_relationships r on r.tenant_id = %(tenant)s
    and r.source_id = least(g.source_id, g.target_id) and r.target_id = greatest(g.source_id, g.target_id)
    and r.type = g.type and g.directional and not r.directional
), held as materialized (
  select r.id from agent_relationships r
  where r.tenant_id = %(tenant)s and r.id in (select e.id from edges e)
  order by r.id
  for no key update
), shown as (
  insert into agent_relationship_evidence (tenant_id, relationship_id, task_id, observed_at)
  select %(tenant)s::uuid, e.id, e.task, max(e.at)
  from edges e
  join held h on h.id = e.id
  where e.task is not null
  group by e.id, e.task
  order by e.id, e.task
  on conflict (tenant_id, relationship_id, task_id) do nothing
  returning relationship_id, task_id
), counted as (
  select e.id, count(distinct s.task_id) + coalesce(sum(e.times) filter (where e.task is null), 0) as times,
         min(e.at) as first_at, max(e.at) as last_at
  from edges e
  left join shown s on s.relationship_id = e.id and s.task_id = e.task
  group by e.id
), raised as (
  update agent_relationships r
  set cooccurrence_count = r.cooccurrence_count + c.times,
      strength_steps = r.strength_steps + c.times,
      first_observed_at = least(r.first_observed_at, c.first_at),
      last_observed_at = greatest(r.last_observed_at, c.last_at),
      updated_at = now()
  from counted c
  where r.tenant_id = %(tenant)s and r.id = c.id and c.times > 0
  returning r.id, c.times
)
select g.place, e.id, coalesce(n.times, 0)::bigint as counted
from given g
left join edges e on e.place = g.place
left join raised n on n.id = e.id
order by g.place;

-- name: summary
-- Relationships that begin at agents, by type, in numbers: what `agent_relationship_summary` shows.
-- (Of a view with a barrier no index gives the order, so the tables are read, a page of agents at a time.)
-- returns: many
select a.id as source_agent_id, a.agent_id, a.name, e.type, count(*) as relationship_count,
       round(avg(e.confidence), 5) as avg_confidence, round(avg(e.strength), 5) as avg_strength,
       max(e.last_observed_at) as last_observed
from agents a
cross join lateral (
  select r.type, r.confidence, r.strength, r.last_observed_at
  from agent_relationships r where r.tenant_id = %(tenant)s and r.source_id = a.id
  union all
  select r.type, r.confidence, r.strength, r.last_observed_at
  from agent_relationships r where r.tenant_id = %(tenant)s and r.target_id = a.id and not r.directional
) e
where a.tenant_id = %(tenant)s
  and (%(agent)s::uuid is null or a.id = %(agent)s)
  and (a.id, e.type) > (%(after_id)s::uuid, %(after_type)s)
  -- Agents by a page at a time, as each has at least one row when it has any relationship; of the first of them,
  -- the page before may have shown all.
  and a.id in (
    select b.id from agents b
    where b.tenant_id = %(tenant)s and b.id >= %(after_id)s::uuid and (%(agent)s::uuid is null or b.id = %(agent)s)
      and (exists (select from agent_relationships r where r.tenant_id = %(tenant)s and r.source_id = b.id)
           or exists (select from agent_relationships r
                      where r.tenant_id = %(tenant)s and r.target_id = b.id and not r.directional))
    order by b.id limit %(size)s + 1)
group by a.id, a.agent_id, a.name, e.type
order by a.id, e.type
limit %(size)s;

-- name: connectivity
-- How many relationships agents have, in the order of registration: what `agent_connectivity` shows.
-- returns: many
select a.id, a.agent_id, a.name, o.directed + o.undirected + i.undirected as outbound_relationships,
       i.directed + i.undirected + o.undirected as inbound_relationships,
       o.directed + o.undirected + i.directed + i.undirected as total_relationships
from agents a
cross join lateral (
  select count(*) filter (where r.directional) as directed, count(*) filter (where not r.directional) as undirected
  from agent_relationships r where r.tenant_id = %(tenant)s and r.source_id = a.id
) o
cross join lateral (
  select count(*) filter (where r.directional) as directed, count(*) filter (where not r.directional) as undirected
  from agent_relationships r where r.tenant_id = %(tenant)s and r.target_id = a.id
) i
where a.tenant_id = %(tenant)s and a.id > %(after_id)s::uuid
  and case when %(agent)s::uuid is null then a.deactivated_at is null else a.id = %(agent)s end
order by a.id
limit %(size)s;
