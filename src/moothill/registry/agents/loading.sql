-- name: known
-- What is known of the agents of a catalogue.
-- returns: many
select id, agent_id, source_digest as digest
from agents
where tenant_id = %(tenant)s and agent_id = any(%(keys)s::text[]);

-- name: put
-- Register the agents of a catalogue, or write what it says of them now; state, counters and standing stay.
-- returns: many
-- seals: agents.metadata
with put as (
insert into agents (
  tenant_id, id, agent_id, name, description, type, model_family, model_version, specialisations, tags, provider, url,
  metadata, source_format, source_digest, updated_at)
select t.id, r.id, r.agent_id, r.name, r.description, r.type, r.model_family, r.model_version, r.specialisations,
       r.tags, r.provider, r.url, r.metadata, %(format)s, r.source_digest, now()
from tenants t
cross join jsonb_to_recordset(%(rows)s::jsonb) as r (
  id uuid, agent_id text, name text, description text, type text, model_family text, model_version text,
  specialisations text[], tags text[], provider text, url text, metadata jsonb, source_digest text)
where t.id = %(tenant)s
on conflict (tenant_id, agent_id) do update
set name = excluded.name,
    description = excluded.description,
    type = excluded.type,
    model_family = excluded.model_family,
    model_version = excluded.model_version,
    specialisations = excluded.specialisations,
    tags = excluded.tags,
    provider = excluded.provider,
    url = excluded.url,
    metadata = excluded.metadata,
    source_format = excluded.source_format,
    source_digest = excluded.source_digest,
    updated_at = excluded.updated_at,
    version = agents.version + 1
-- A row that was there already has been locked, and so has a number there.
returning id, agent_id, status, deactivated_at, xmax = 0 as is_new
), counted as materialized (select quota_move('agents', count(*) filter (where is_new)) from put)
select put.id, put.agent_id, put.status, put.deactivated_at
from put cross join counted;

-- name: tag
-- Make the rows of tags and specialisations of agents be these.
-- returns: run
with given as (
  select r.agent_id, r.kind, r.tag
  from jsonb_to_recordset(%(rows)s::jsonb) as r (agent_id uuid, kind text, tag text)
), gone as (
  delete from agent_tags o
  where o.tenant_id = %(tenant)s
    and o.agent_id = any(%(agents)s::uuid[])
    and not exists (select from given g where g.agent_id = o.agent_id and g.kind = o.kind and g.tag = o.tag)
)
insert into agent_tags (tenant_id, kind, tag, agent_id)
select t.id, g.kind, g.tag, g.agent_id
from tenants t
cross join given g
where t.id = %(tenant)s
on conflict (tenant_id, kind, tag, agent_id) do nothing;

-- name: keep_cards
-- Keep agent cards, byte for byte; of the other agents named, what was kept is no longer theirs.
-- returns: run
-- seals: agent_cards.content
with given as (
  select r.agent_id, r.media_type, decode(r.content, 'base64') as content, decode(r.sha256, 'hex') as sha256
  from jsonb_to_recordset(%(rows)s::jsonb) as r (agent_id uuid, media_type text, content text, sha256 text)
), gone as (
  delete from agent_cards o
  where o.tenant_id = %(tenant)s and o.agent_id = any(%(agents)s::uuid[])
    and not exists (select from given g where g.agent_id = o.agent_id)
)
insert into agent_cards (tenant_id, agent_id, media_type, content, sha256, received_at)
select t.id, g.agent_id, g.media_type, g.content, g.sha256, now()
from tenants t
cross join given g
where t.id = %(tenant)s
on conflict (tenant_id, agent_id) do update
set media_type = excluded.media_type,
    content = excluded.content,
    sha256 = excluded.sha256,
    received_at = excluded.received_at;
