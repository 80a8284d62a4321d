-- phase: pre
-- Capabilities: what agents can do, under which names, and what shows it.

create table moothill.capabilities (
  tenant_id uuid not null,
  id uuid not null,
  agent_id uuid not null,
  type text not null default 'CAPABILITY' constraint capabilities_type_check
    check (type in ('CAPABILITY', 'AGENT', 'TASK', 'VERDICT', 'TECHNOLOGY', 'CONCEPT', 'WAIVER', 'GATE')),
  name text not null constraint capabilities_name_check check (length(name) between 1 and 500),
  canonical_name text not null
    constraint capabilities_canonical_check check (length(canonical_name) between 1 and 500),
  description text not null default ''
    constraint capabilities_description_check check (length(description) <= 10000),
  aliases text[] not null default '{}',
  tags text[] not null default '{}',
  confidence numeric(3, 2) not null constraint capabilities_confidence_check check (confidence between 0 and 1),
  extraction_confidence numeric(3, 2) not null default 1
    constraint capabilities_extraction_check check (extraction_confidence between 0 and 1),
  extraction_method text not null default 'manual' constraint capabilities_method_check
    check (extraction_method in ('manual', 'nlp', 'llm', 'rule-based')),
  validation_status text not null default 'unvalidated' constraint capabilities_validation_check
    check (validation_status in ('validated', 'unvalidated', 'rejected')),
  demonstration_count bigint not null default 0,
  success_total numeric not null default 0,
  success_rate numeric(6, 5) generated always as (
    case when demonstration_count = 0 then null else round(success_total / demonstration_count, 5) end) stored,
  metadata jsonb not null default '{}',
  from_catalogue boolean not null default false,
  first_observed_at timestamptz not null default now(),
  last_demonstrated_at timestamptz,
  updated_at timestamptz not null default now(),
  version integer not null default 1,
  constraint capabilities_pkey primary key (tenant_id, id),
  constraint capabilities_agent_name_key unique (tenant_id, agent_id, canonical_name),
  constraint capabilities_agent_fkey foreign key (tenant_id, agent_id) references moothill.agents (tenant_id, id),
  constraint capabilities_success_check
    check (demonstration_count >= 0 and success_total between 0 and demonstration_count)
);
select mt.distribute('moothill.capabilities');
create index capabilities_confidence_idx on moothill.capabilities (tenant_id, confidence desc, id);
create index capabilities_status_idx on moothill.capabilities (tenant_id, validation_status, type, id);
select mt.protect('moothill.capabilities');
grant select, insert, update, delete on moothill.capabilities to moothill_app;
grant select on moothill.capabilities to moothill_readonly, moothill_auditor;

comment on table moothill.capabilities is 'What agents can do.';
comment on column moothill.capabilities.tenant_id is 'Whose it is.';
comment on column moothill.capabilities.id is 'Id, a UUIDv7.';
comment on column moothill.capabilities.agent_id is 'Id of the agent that can do it.';
comment on column moothill.capabilities.type is 'What kind of thing it names.';
comment on column moothill.capabilities.name is 'Name as it was given.';
comment on column moothill.capabilities.canonical_name is 'Name as it is compared; once per agent.';
comment on column moothill.capabilities.description is 'What it means, in prose.';
comment on column moothill.capabilities.aliases is 'Other names, as they were given; capability_labels finds by them.';
comment on column moothill.capabilities.tags is 'Labels; capability_labels finds by them.';
comment on column moothill.capabilities.confidence is 'How sure it is that the agent can, 0 to 1. At least 0.7 when it is added; it may fall later.';
comment on column moothill.capabilities.extraction_confidence is 'How sure the extraction from the source is, 0 to 1.';
comment on column moothill.capabilities.extraction_method is 'How it was extracted.';
comment on column moothill.capabilities.validation_status is 'Whether somebody checked it, and found it so.';
comment on column moothill.capabilities.demonstration_count is 'Times it was demonstrated.';
comment on column moothill.capabilities.success_total is 'Sum of the successes, each 0 to 1: exact, where a running mean would drift.';
comment on column moothill.capabilities.success_rate is 'Mean success of its demonstrations; null before the first.';
comment on column moothill.capabilities.metadata is 'What else its source said.';
comment on column moothill.capabilities.from_catalogue is 'It came with an import, so a later import may take it back while nothing shows it.';
comment on column moothill.capabilities.first_observed_at is 'When it was first named or seen.';
comment on column moothill.capabilities.last_demonstrated_at is 'Its last demonstration.';
comment on column moothill.capabilities.updated_at is 'When it last changed.';
comment on column moothill.capabilities.version is 'Rises with each change.';

create table moothill.capability_labels (
  tenant_id uuid not null,
  kind text not null constraint capability_labels_kind_check check (kind in ('name', 'alias', 'tag')),
  label text not null constraint capability_labels_label_check check (length(label) between 1 and 500),
  capability_id uuid not null,
  agent_id uuid not null,
  constraint capability_labels_pkey primary key (tenant_id, kind, label, capability_id),
  constraint capability_labels_capability_fkey foreign key (tenant_id, capability_id)
    references moothill.capabilities (tenant_id, id) on delete cascade
);
select mt.distribute('moothill.capability_labels');
create index capability_labels_capability_idx on moothill.capability_labels (tenant_id, capability_id);
select mt.protect('moothill.capability_labels');
grant select, insert, delete on moothill.capability_labels to moothill_app;
grant select on moothill.capability_labels to moothill_readonly, moothill_auditor;

comment on table moothill.capability_labels is 'Canonical names, canonical aliases and tags as rows, for look-ups by a B-tree under row security.';
comment on column moothill.capability_labels.tenant_id is 'Whose it is.';
comment on column moothill.capability_labels.kind is 'name, alias or tag.';
comment on column moothill.capability_labels.label is 'The label.';
comment on column moothill.capability_labels.capability_id is 'Id of the capability.';
comment on column moothill.capability_labels.agent_id is 'Id of its agent.';

create table moothill.capability_evidence (
  tenant_id uuid not null,
  id uuid not null,
  capability_id uuid not null,
  chunk_id uuid not null,
  chunk_type text not null constraint capability_evidence_chunk_check
    check (chunk_type in ('task', 'benchmark', 'research', 'training', 'description')),
  mention text not null constraint capability_evidence_mention_check check (length(mention) between 1 and 500),
  sentence text not null default '' constraint capability_evidence_sentence_check check (length(sentence) <= 10000),
  start_position integer,
  end_position integer,
  method text not null constraint capability_evidence_method_check
    check (method in ('manual', 'nlp', 'llm', 'rule-based')),
  confidence numeric(3, 2) not null constraint capability_evidence_confidence_check check (confidence between 0 and 1),
  created_at timestamptz not null default now(),
  constraint capability_evidence_pkey primary key (tenant_id, id),
  constraint capability_evidence_mention_key unique (tenant_id, capability_id, chunk_id, mention),
  constraint capability_evidence_capability_fkey foreign key (tenant_id, capability_id)
    references moothill.capabilities (tenant_id, id) on delete cascade,
  constraint capability_evidence_position_check check (
    (start_position is null and end_position is null)
    or (start_position is not null and end_position is not null and start_position >= 0
        and start_position < end_position))
);
select mt.distribute('moothill.capability_evidence');
create index capability_evidence_chunk_idx on moothill.capability_evidence (tenant_id, chunk_id);
select mt.protect('moothill.capability_evidence');
grant select, insert, delete on moothill.capability_evidence to moothill_app;
grant select on moothill.capability_evidence to moothill_readonly, moothill_auditor;

comment on table moothill.capability_evidence is 'From a capability back to the sentence that shows it.';
comment on column moothill.capability_evidence.tenant_id is 'Whose it is.';
comment on column moothill.capability_evidence.id is 'Id, a UUIDv7.';
comment on column moothill.capability_evidence.capability_id is 'Id of the capability.';
comment on column moothill.capability_evidence.chunk_id is 'Id of the text in which it stands; for a description, of the agent.';
comment on column moothill.capability_evidence.chunk_type is 'What the text is.';
comment on column moothill.capability_evidence.mention is 'The words that name it.';
comment on column moothill.capability_evidence.sentence is 'The sentence around them.';
comment on column moothill.capability_evidence.start_position is 'First character of the mention in the text, from 0.';
comment on column moothill.capability_evidence.end_position is 'First character after it.';
comment on column moothill.capability_evidence.method is 'How it was extracted.';
comment on column moothill.capability_evidence.confidence is 'How sure the extraction is, 0 to 1.';
comment on column moothill.capability_evidence.created_at is 'When it was recorded.';

create view moothill.agent_capability_summary with (security_invoker = true, security_barrier = true) as
select a.tenant_id, a.id, a.agent_id, a.name, s.capability_count, s.validated_count, s.avg_confidence,
       s.avg_success_rate, s.last_activity
from moothill.agents a
left join lateral (
  select count(*) as capability_count,
         count(*) filter (where c.validation_status = 'validated') as validated_count,
         round(avg(c.confidence), 5) as avg_confidence,
         round(avg(c.success_rate), 5) as avg_success_rate,
         max(c.last_demonstrated_at) as last_activity
  from moothill.capabilities c
  where c.tenant_id = a.tenant_id and c.agent_id = a.id
) s on true
where a.deactivated_at is null;
grant select on moothill.agent_capability_summary to moothill_app, moothill_readonly, moothill_auditor;
comment on view moothill.agent_capability_summary is 'Capabilities of each agent in numbers.';
