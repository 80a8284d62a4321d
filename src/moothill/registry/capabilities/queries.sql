-- let: wanted
-- The conditions of a `CapabilityFilter`.
      (%(agent)s::uuid is null or c.agent_id = %(agent)s)
  and (%(type)s::text is null or c.type = %(type)s)
  and (%(validation_status)s::text is null or c.validation_status = %(validation_status)s)
  and (%(minimum_confidence)s::numeric is null or c.confidence >= %(minimum_confidence)s)
  and (%(name)s::text is null or c.id in (
        select l.capability_id from capability_labels l
        where l.tenant_id = %(tenant)s and l.kind in ('name', 'alias') and l.label = %(name)s))
  and (%(tag)s::text is null or c.id in (
        select l.capability_id from capability_labels l
        where l.tenant_id = %(tenant)s and l.kind = 'tag' and l.label = %(tag)s))

-- name: by_id
-- One capability.
-- returns: maybe
-- seals: capabilities.metadata
select {capability}
from capabilities c
{with_agent}
where c.tenant_id = %(tenant)s and c.id = %(id)s;

-- name: by_name
-- One capability of an agent, by its canonical name.
-- returns: maybe
-- seals: capabilities.metadata
select {capability}
from capabilities c
{with_agent}
where c.tenant_id = %(tenant)s and a.tenant_id = %(tenant)s
  and (a.agent_id = %(agent)s or a.id = %(agent_row)s::uuid) and c.canonical_name = %(name)s
order by a.agent_id = %(agent)s
limit 1;

-- name: names_of
-- Names of an agent's capabilities.
-- returns: many
select c.name
from agents a
join capabilities c on c.tenant_id = %(tenant)s and c.agent_id = a.id
where a.tenant_id = %(tenant)s and (a.agent_id = %(agent)s or a.id = %(agent_row)s::uuid)
order by c.canonical_name
limit 200;

-- name: page_by_observation
-- Capabilities in the order in which they were added.
-- returns: many
-- seals: capabilities.metadata
select {capability}
from capabilities c
{with_agent}
where c.tenant_id = %(tenant)s
  and {wanted}
  and c.id > %(after_id)s::uuid
order by c.id
limit %(size)s;

-- name: page_by_confidence
-- Capabilities, the surest first.
-- returns: many
-- seals: capabilities.metadata
select {capability}
from capabilities c
{with_agent}
where c.tenant_id = %(tenant)s
  and {wanted}
  and c.confidence <= %(below)s::numeric
  and (c.confidence < %(below)s::numeric or c.id > %(after_id)s::uuid)
order by c.confidence desc, c.id
limit %(size)s;

-- name: update
-- Change a capability, if it still has the version that was read; null leaves a field as it is.
-- returns: maybe
-- errors: 23505 capability_exists
-- seals: capabilities.metadata
with c as (
  update capabilities
  set name = coalesce(%(name)s, name),
      canonical_name = coalesce(%(canonical_name)s, canonical_name),
      type = coalesce(%(type)s, type),
      description = coalesce(%(description)s, description),
      aliases = coalesce(%(aliases)s::text[], aliases),
      tags = coalesce(%(tags)s::text[], tags),
      confidence = coalesce(%(confidence)s::numeric, confidence),
      extraction_confidence = coalesce(%(extraction_confidence)s::numeric, extraction_confidence),
      metadata = coalesce(%(metadata)s::jsonb, metadata),
      from_catalogue = false,
      updated_at = now(),
      version = version + 1
  where tenant_id = %(tenant)s and id = %(id)s and version = %(version)s
  returning *
)
select {capability}
from c
{with_agent};

-- name: judge
-- Record that somebody checked a capability, if it may come from where it is.
-- returns: maybe
-- seals: capabilities.metadata
with c as (
  update capabilities
  set validation_status = %(status)s, updated_at = now(), version = version + 1
  where tenant_id = %(tenant)s and id = %(id)s and validation_status = any(%(origins)s::text[])
  returning *
)
select {capability}
from c
{with_agent};

-- name: demonstrate
-- Count a demonstration; sums are kept, so the mean is exact. None is later than now, by clocks that differ a little.
-- returns: maybe
-- seals: capabilities.metadata
with c as (
  update capabilities
  set demonstration_count = demonstration_count + 1,
      success_total = success_total + %(success)s::numeric,
      last_demonstrated_at = greatest(last_demonstrated_at, coalesce(%(at)s::timestamptz, now())),
      updated_at = now()
  where tenant_id = %(tenant)s and id = %(id)s
    and (%(at)s::timestamptz is null or %(at)s::timestamptz <= now() + interval '5 minutes')
  returning *
)
select {capability}
from c
{with_agent};

-- name: remove
-- Take a capability from its agent; labels and evidence go with it.
-- returns: maybe
-- seals: capabilities.metadata
with c as (
  delete from capabilities
  where tenant_id = %(tenant)s and id = %(id)s
  returning *
), counted as materialized (select quota_move('capabilities', - count(*)) from c)
select {capability}
from c
{with_agent}
cross join counted;

-- name: evidence
-- Evidence of a capability, oldest first.
-- returns: many
-- seals: capability_evidence.sentence
select id, capability_id as capability, chunk_id, chunk_type, mention, sentence, start_position, end_position, method,
       confidence, created_at
from capability_evidence
where tenant_id = %(tenant)s and capability_id = %(capability)s and id > %(after_id)s::uuid
order by id
limit %(size)s;

-- name: evidence_of
-- Evidence of several capabilities, of each the surest.
-- returns: many
-- seals: capability_evidence.sentence
select e.id, e.capability_id as capability, e.chunk_id, e.chunk_type, e.mention, e.sentence, e.start_position,
       e.end_position, e.method, e.confidence, e.created_at
from unnest(%(capabilities)s::uuid[]) with ordinality as w (id, place)
cross join lateral (
  select * from capability_evidence c
  where c.tenant_id = %(tenant)s and c.capability_id = w.id
  order by c.confidence desc, c.id
  limit %(most)s
) e
order by w.place, e.confidence desc, e.id;

-- name: evidence_count
-- How much evidence a capability has.
-- returns: one
select count(*) as evidence
from capability_evidence
where tenant_id = %(tenant)s and capability_id = %(capability)s;

-- name: summary
-- The capabilities of agents in numbers, in the order of registration: what `agent_capability_summary` shows.
-- (Of a view with a barrier no index gives the order, so the tables are read.)
-- returns: many
select a.id, a.agent_id, a.name, s.capability_count, s.validated_count, s.avg_confidence, s.avg_success_rate,
       s.last_activity
from agents a
cross join lateral (
  select count(*) as capability_count,
         count(*) filter (where c.validation_status = 'validated') as validated_count,
         round(avg(c.confidence), 5) as avg_confidence,
         round(avg(c.success_rate), 5) as avg_success_rate,
         max(c.last_demonstrated_at) as last_activity
  from capabilities c
  where c.tenant_id = %(tenant)s and c.agent_id = a.id
) s
where a.tenant_id = %(tenant)s and a.deactivated_at is null
  and a.id > %(after_id)s::uuid
order by a.id
limit %(size)s;

-- name: summary_of
-- The capabilities of one agent in numbers, whatever its status.
-- returns: many
select a.id, a.agent_id, a.name, count(c.id) as capability_count,
       count(*) filter (where c.validation_status = 'validated') as validated_count,
       round(avg(c.confidence), 5) as avg_confidence,
       round(avg(c.success_rate), 5) as avg_success_rate,
       max(c.last_demonstrated_at) as last_activity
from agents a
left join capabilities c on c.tenant_id = %(tenant)s and c.agent_id = a.id
where a.tenant_id = %(tenant)s and a.id = %(agent)s
group by a.tenant_id, a.id;
