-- name: count_of
-- How many capabilities an agent has.
-- returns: one
select count(*) as capabilities
from capabilities
where tenant_id = %(tenant)s and agent_id = %(agent)s;

-- name: add
-- Add capabilities to agents.
-- returns: many
-- errors: 23505 capability_exists
-- seals: capabilities.metadata
with c as (
  insert into capabilities (
    tenant_id, id, agent_id, type, name, canonical_name, description, aliases, tags, confidence,
    extraction_confidence, extraction_method, validation_status, demonstration_count, success_total, metadata,
    from_catalogue, first_observed_at, last_demonstrated_at)
  select t.id, r.id, r.agent_id, r.type, r.name, r.canonical_name, r.description, r.aliases, r.tags, r.confidence,
         r.extraction_confidence, r.extraction_method, r.validation_status, r.demonstration_count, r.success_total,
         r.metadata, false, coalesce(r.first_observed_at, now()), r.last_demonstrated_at
  from tenants t
  cross join jsonb_to_recordset(%(rows)s::jsonb) as r (
    id uuid, agent_id uuid, type text, name text, canonical_name text, description text, aliases text[], tags text[],
    confidence numeric, extraction_confidence numeric, extraction_method text, validation_status text,
    demonstration_count bigint, success_total numeric, metadata jsonb, first_observed_at timestamptz,
    last_demonstrated_at timestamptz)
  where t.id = %(tenant)s
  returning *
), counted as materialized (select quota_move('capabilities', count(*)) from c)
select {capability}
from c
{with_agent}
cross join counted
order by c.id;

-- name: merge
-- Write what a catalogue says of capabilities; what was learnt of them since stays.
-- returns: many
with put as (
insert into capabilities (
  tenant_id, id, agent_id, type, name, canonical_name, description, aliases, tags, confidence,
  extraction_confidence, extraction_method, from_catalogue, updated_at)
select t.id, r.id, r.agent_id, r.type, r.name, r.canonical_name, r.description, r.aliases, r.tags, r.confidence,
       r.extraction_confidence, r.extraction_method, true, now()
from tenants t
cross join jsonb_to_recordset(%(rows)s::jsonb) as r (
  id uuid, agent_id uuid, type text, name text, canonical_name text, description text, aliases text[], tags text[],
  confidence numeric, extraction_confidence numeric, extraction_method text)
where t.id = %(tenant)s
on conflict (tenant_id, agent_id, canonical_name) do update
set type = excluded.type,
    name = excluded.name,
    description = excluded.description,
    aliases = excluded.aliases,
    tags = excluded.tags,
    confidence = excluded.confidence,
    extraction_confidence = excluded.extraction_confidence,
    extraction_method = excluded.extraction_method,
    updated_at = excluded.updated_at,
    version = capabilities.version + 1
-- A row that was there already has been locked, and so has a number there.
returning id, agent_id as agent, canonical_name, validation_status, xmax = 0 as is_new
), counted as materialized (select quota_move('capabilities', count(*) filter (where is_new)) from put)
select put.id, put.agent, put.canonical_name, put.validation_status
from put cross join counted;

-- name: forget
-- Take back what an earlier import brought and the catalogue no longer says, where nothing shows it.
-- returns: many
with gone as (
delete from capabilities
where tenant_id = %(tenant)s
  and agent_id = any(%(agents)s::uuid[])
  and not id = any(%(kept)s::uuid[])
  and from_catalogue
  and demonstration_count = 0
  and validation_status = 'unvalidated'
returning id
), counted as materialized (select quota_move('capabilities', - count(*)) from gone)
select gone.id from gone cross join counted;

-- name: label
-- Make the labels of capabilities be these.
-- returns: run
with given as (
  select r.capability_id, r.agent_id, r.kind, r.label
  from jsonb_to_recordset(%(rows)s::jsonb) as r (capability_id uuid, agent_id uuid, kind text, label text)
), gone as (
  delete from capability_labels l
  where l.tenant_id = %(tenant)s
    and l.capability_id = any(%(capabilities)s::uuid[])
    and not exists (
      select from given g where g.capability_id = l.capability_id and g.kind = l.kind and g.label = l.label)
)
insert into capability_labels (tenant_id, kind, label, capability_id, agent_id)
select t.id, g.kind, g.label, g.capability_id, g.agent_id
from tenants t
cross join given g
where t.id = %(tenant)s
on conflict (tenant_id, kind, label, capability_id) do nothing;

-- name: drop_stale
-- Forget evidence in descriptions of agents, where the words no longer stand at their place.
-- returns: run
delete from capability_evidence e
using agents a
where e.tenant_id = %(tenant)s and a.tenant_id = %(tenant)s
  and a.id = any(%(agents)s::uuid[]) and e.chunk_id = a.id and e.chunk_type = 'description'
  and case when e.start_position is null then position(e.mention in a.description) = 0
           else substr(a.description, e.start_position + 1, e.end_position - e.start_position) <> e.mention end;

-- name: show
-- Record evidence; a mention that is known stays as it is.
-- returns: run
-- seals: capability_evidence.sentence
insert into capability_evidence (
  tenant_id, id, capability_id, chunk_id, chunk_type, mention, sentence, start_position, end_position, method,
  confidence)
select t.id, r.id, r.capability_id, r.chunk_id, r.chunk_type, r.mention, r.sentence, r.start_position,
       r.end_position, r.method, r.confidence
from tenants t
cross join jsonb_to_recordset(%(rows)s::jsonb) as r (
  id uuid, capability_id uuid, chunk_id uuid, chunk_type text, mention text, sentence text, start_position integer,
  end_position integer, method text, confidence numeric)
where t.id = %(tenant)s
on conflict (tenant_id, capability_id, chunk_id, mention) do nothing;

-- name: of_agents
-- Capabilities of agents, rejected ones apart, for cards.
-- returns: many
-- seals: capabilities.metadata
select {capability}
from capabilities c
{with_agent}
where c.tenant_id = %(tenant)s and c.agent_id = any(%(agents)s::uuid[]) and c.validation_status <> 'rejected'
order by c.agent_id, c.confidence desc, c.id;
