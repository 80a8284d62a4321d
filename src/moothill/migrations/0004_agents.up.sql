-- phase: pre
-- Agents: who is registered, how they are, what they are skilled in; the cards they came with.

create table moothill.agents (
  tenant_id uuid not null constraint agents_tenant_fkey references moothill.tenants (id),
  id uuid not null,
  agent_id text not null constraint agents_agent_id_check check (length(agent_id) between 1 and 255),
  name text not null constraint agents_name_check check (length(name) between 1 and 255),
  name_key text collate "C" not null generated always as (lower(name)) stored,
  description text not null default '' constraint agents_description_check check (length(description) <= 10000),
  type text not null constraint agents_type_check
    check (type in ('team-leader', 'worker', 'collaborator', 'coordinator', 'monitor', 'specialist')),
  status text not null default 'idle' constraint agents_status_check
    check (status in ('active', 'idle', 'busy', 'offline', 'maintenance', 'suspended')),
  status_reason text,
  model_family text not null default 'unknown',
  model_version text not null default '',
  specialisations text[] not null default '{}',
  tags text[] not null default '{}',
  provider text not null default '',
  url text,
  config jsonb not null default '{}',
  metadata jsonb not null default '{}',
  active_tasks integer not null default 0 constraint agents_active_tasks_check check (active_tasks >= 0),
  queued_tasks integer not null default 0 constraint agents_queued_tasks_check check (queued_tasks >= 0),
  utilisation numeric(5, 4) not null default 0 constraint agents_utilisation_check check (utilisation between 0 and 1),
  tasks_attempted bigint not null default 0 constraint agents_attempted_check check (tasks_attempted >= 0),
  tasks_completed bigint not null default 0 constraint agents_completed_check check (tasks_completed >= 0),
  tasks_failed bigint not null default 0 constraint agents_failed_check check (tasks_failed >= 0),
  quality_total numeric not null default 0,
  quality_count bigint not null default 0,
  task_time_total_ms numeric not null default 0 constraint agents_task_time_check check (task_time_total_ms >= 0),
  success_rate numeric(6, 5) not null generated always as (
    case when tasks_completed + tasks_failed = 0 then 1
         else round(tasks_completed::numeric / (tasks_completed + tasks_failed), 5) end) stored,
  average_quality numeric(6, 5) not null generated always as (
    case when quality_count = 0 then 0.5 else round(quality_total / quality_count, 5) end) stored,
  average_task_time_ms bigint not null generated always as (
    case when tasks_completed = 0 then 300000 else round(task_time_total_ms / tasks_completed)::bigint end) stored,
  total_points bigint not null default 0,
  tier text not null default 'bronze' constraint agents_tier_check
    check (tier in ('bronze', 'silver', 'gold', 'platinum', 'diamond')),
  rating double precision not null default 1500 constraint agents_rating_check check (rating between 0 and 100000),
  trust numeric(5, 4) not null default 0.5 constraint agents_trust_check check (trust between 0 and 1),
  consecutive_active_days integer not null default 0,
  total_active_days integer not null default 0,
  last_active_at timestamptz not null default now(),
  last_heartbeat_at timestamptz,
  registered_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  deactivated_at timestamptz,
  version integer not null default 1,
  source_format text,
  source_digest text,
  constraint agents_pkey primary key (tenant_id, id),
  constraint agents_agent_id_key unique (tenant_id, agent_id),
  constraint agents_quality_check check (quality_count >= 0 and quality_total between 0 and quality_count)
) with (fillfactor = 70);
select mt.distribute('moothill.agents');
create index agents_name_idx on moothill.agents (tenant_id, name_key, id);
create index agents_status_idx on moothill.agents (tenant_id, status, type, id) where deactivated_at is null;
select mt.protect('moothill.agents');
grant select, insert, update on moothill.agents to moothill_app;
grant select on moothill.agents to moothill_readonly, moothill_auditor;

comment on table moothill.agents is 'Agents with their state, load, counters and standing. Never deleted, only deactivated. No time or load column is indexed and pages have room, so that a heartbeat rewrites no index.';
comment on column moothill.agents.tenant_id is 'Whose it is.';
comment on column moothill.agents.id is 'Id, a UUIDv7: rises with registration.';
comment on column moothill.agents.agent_id is 'The caller''s own key.';
comment on column moothill.agents.name is 'Name for people; need not be unique.';
comment on column moothill.agents.name_key is 'Name in lower case: order of lists, and prefixes that an index answers under row security.';
comment on column moothill.agents.description is 'What it is, in prose.';
comment on column moothill.agents.type is 'Its part in the society.';
comment on column moothill.agents.status is 'How it is now; changes are events.';
comment on column moothill.agents.status_reason is 'Why it is in that status.';
comment on column moothill.agents.model_family is 'Family of the model behind it.';
comment on column moothill.agents.model_version is 'Version of it or of its model.';
comment on column moothill.agents.specialisations is 'What it specialises in, in its own order; agent_tags finds by them.';
comment on column moothill.agents.tags is 'Labels, in its own order; agent_tags finds by them.';
comment on column moothill.agents.provider is 'Who runs or publishes it.';
comment on column moothill.agents.url is 'Where it answers, or where to read about it.';
comment on column moothill.agents.config is 'Its configuration, as its owner keeps it.';
comment on column moothill.agents.metadata is 'What else its source said.';
comment on column moothill.agents.active_tasks is 'Tasks that it works on, by its last heartbeat.';
comment on column moothill.agents.queued_tasks is 'Tasks that wait for it, by its last heartbeat.';
comment on column moothill.agents.utilisation is 'Share of its capacity in use, 0 to 1, by its last heartbeat.';
comment on column moothill.agents.tasks_attempted is 'Tasks that it began.';
comment on column moothill.agents.tasks_completed is 'Tasks that it completed.';
comment on column moothill.agents.tasks_failed is 'Tasks that failed in its hands.';
comment on column moothill.agents.quality_total is 'Sum of the qualities of its rated tasks: exact, where a running mean would drift.';
comment on column moothill.agents.quality_count is 'Tasks that were rated.';
comment on column moothill.agents.task_time_total_ms is 'Time spent on completed tasks, milliseconds.';
comment on column moothill.agents.success_rate is 'Completed among ended tasks, 0 to 1; 1 before the first.';
comment on column moothill.agents.average_quality is 'Mean quality of rated tasks, 0 to 1; 0.5 before the first.';
comment on column moothill.agents.average_task_time_ms is 'Mean time of a completed task, milliseconds; five minutes before the first.';
comment on column moothill.agents.total_points is 'Points, as the ledger has them.';
comment on column moothill.agents.tier is 'Tier that the points gave.';
comment on column moothill.agents.rating is 'Rating from battles; 1500 at first.';
comment on column moothill.agents.trust is 'Trust of the society, 0 to 1; 0.5 at first.';
comment on column moothill.agents.consecutive_active_days is 'Length of the current streak, days.';
comment on column moothill.agents.total_active_days is 'Days on which it was active.';
comment on column moothill.agents.last_active_at is 'When it was last seen at work: by a task, by practice, or by a heartbeat that reports work.';
comment on column moothill.agents.last_heartbeat_at is 'Moment of its newest heartbeat.';
comment on column moothill.agents.registered_at is 'When it was registered.';
comment on column moothill.agents.updated_at is 'When its record or status last changed; heartbeats do not count.';
comment on column moothill.agents.deactivated_at is 'When it was deactivated.';
comment on column moothill.agents.version is 'Rises with each change of its record.';
comment on column moothill.agents.source_format is 'Format of the catalogue that it came from.';
comment on column moothill.agents.source_digest is 'SHA-256 of what the catalogue said: a second import changes nothing.';

create table moothill.agent_tags (
  tenant_id uuid not null,
  kind text not null constraint agent_tags_kind_check check (kind in ('tag', 'specialisation')),
  tag text not null constraint agent_tags_tag_check check (length(tag) between 1 and 100),
  agent_id uuid not null,
  constraint agent_tags_pkey primary key (tenant_id, kind, tag, agent_id),
  constraint agent_tags_agent_fkey foreign key (tenant_id, agent_id) references moothill.agents (tenant_id, id)
);
select mt.distribute('moothill.agent_tags');
create index agent_tags_agent_idx on moothill.agent_tags (tenant_id, agent_id);
select mt.protect('moothill.agent_tags');
grant select, insert, delete on moothill.agent_tags to moothill_app;
grant select on moothill.agent_tags to moothill_readonly, moothill_auditor;

comment on table moothill.agent_tags is 'Tags and specialisations as rows: a B-tree answers under row security, where an index of arrays would not.';
comment on column moothill.agent_tags.tenant_id is 'Whose it is.';
comment on column moothill.agent_tags.kind is 'tag or specialisation.';
comment on column moothill.agent_tags.tag is 'The label.';
comment on column moothill.agent_tags.agent_id is 'Id of the agent.';

create table moothill.agent_skills (
  tenant_id uuid not null,
  agent_id uuid not null,
  skill text not null constraint agent_skills_skill_check check (length(skill) between 1 and 100),
  name text not null,
  proficiency integer not null default 0 constraint agent_skills_proficiency_check check (proficiency between 0 and 10),
  experience_points bigint not null default 0
    constraint agent_skills_experience_check check (experience_points >= 0),
  last_practised_at timestamptz,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint agent_skills_pkey primary key (tenant_id, agent_id, skill),
  constraint agent_skills_agent_fkey foreign key (tenant_id, agent_id) references moothill.agents (tenant_id, id)
);
select mt.distribute('moothill.agent_skills');
create index agent_skills_skill_idx on moothill.agent_skills (tenant_id, skill, proficiency, agent_id);
select mt.protect('moothill.agent_skills');
grant select, insert, update, delete on moothill.agent_skills to moothill_app;
grant select on moothill.agent_skills to moothill_readonly, moothill_auditor;

comment on table moothill.agent_skills is 'How well an agent has a skill.';
comment on column moothill.agent_skills.tenant_id is 'Whose it is.';
comment on column moothill.agent_skills.agent_id is 'Id of the agent.';
comment on column moothill.agent_skills.skill is 'Canonical name of the skill: what is compared.';
comment on column moothill.agent_skills.name is 'Name of the skill as it was given.';
comment on column moothill.agent_skills.proficiency is '0 to 10; 8 and above is expert.';
comment on column moothill.agent_skills.experience_points is 'Gathered by practice.';
comment on column moothill.agent_skills.last_practised_at is 'Last practice.';
comment on column moothill.agent_skills.created_at is 'When it was first named.';
comment on column moothill.agent_skills.updated_at is 'When it last changed.';

create table moothill.agent_cards (
  tenant_id uuid not null,
  agent_id uuid not null,
  media_type text not null,
  content bytea not null constraint agent_cards_content_check check (length(content) <= 1048576),
  sha256 bytea not null constraint agent_cards_sha256_check check (length(sha256) = 32),
  received_at timestamptz not null default now(),
  constraint agent_cards_pkey primary key (tenant_id, agent_id),
  constraint agent_cards_agent_fkey foreign key (tenant_id, agent_id) references moothill.agents (tenant_id, id)
);
select mt.distribute('moothill.agent_cards');
select mt.protect('moothill.agent_cards');
grant select, insert, update, delete on moothill.agent_cards to moothill_app;
grant select on moothill.agent_cards to moothill_readonly, moothill_auditor;

comment on table moothill.agent_cards is 'Agent cards exactly as they were given, byte for byte.';
comment on column moothill.agent_cards.tenant_id is 'Whose it is.';
comment on column moothill.agent_cards.agent_id is 'Id of the agent.';
comment on column moothill.agent_cards.media_type is 'What the bytes are.';
comment on column moothill.agent_cards.content is 'The bytes.';
comment on column moothill.agent_cards.sha256 is 'SHA-256 of the bytes.';
comment on column moothill.agent_cards.received_at is 'When these bytes came.';

create view moothill.v_active_agents with (security_invoker = true, security_barrier = true) as
select tenant_id, id, agent_id, name, type, status, model_family, specialisations, active_tasks, queued_tasks,
       utilisation, success_rate, average_quality, total_points, tier, rating, trust, last_active_at,
       last_heartbeat_at
from moothill.agents
where deactivated_at is null and status <> 'suspended';
grant select on moothill.v_active_agents to moothill_app, moothill_readonly, moothill_auditor;
comment on view moothill.v_active_agents is 'Agents neither deactivated nor suspended, each once.';

-- What agents did, and how their status changed, are views of the log: two narrow indexes carry them.
-- (A partitioned table has no concurrent build; the log is empty when this runs first.)
-- squawk-ignore require-concurrent-index-creation
create index events_by_agent_idx on moothill.events (tenant_id, actor, id) where actor_kind = 'agent';
-- squawk-ignore require-concurrent-index-creation
create index events_agent_status_idx on moothill.events (tenant_id, subject, id) where kind = 'agents.status_changed';

-- A key of an agent that was deactivated opens nothing; the gate that finds keys looks before any tenant is known.
grant select (tenant_id, id, deactivated_at) on moothill.agents to moothill_gate;
create policy gate_rows on moothill.agents for select to moothill_gate using (true);
-- Its result grows by a column; nobody has called it yet.
-- squawk-ignore ban-drop-function
drop function moothill.gate_key_find(bytea);
create function moothill.gate_key_find(wanted bytea)
  returns table (id uuid, tenant_id uuid, tenant_slug text, tenant_status text, actor_kind text, actor_id uuid,
                 actor_name text, scopes text[], expires_at timestamptz, revoked_at timestamptz, usable boolean,
                 is_actor_gone boolean)
  language sql stable security definer set search_path = pg_catalog, moothill, pg_temp
as $$
  select k.id, k.tenant_id, t.slug, t.status, k.actor_kind, k.actor_id, k.actor_name, k.scopes, k.expires_at,
         k.revoked_at,
         k.revoked_at is null and (k.expires_at is null or k.expires_at > now()) and t.status = 'active',
         k.actor_kind = 'agent' and not exists (
           select from moothill.agents a
           where a.tenant_id = k.tenant_id and a.id = k.actor_id and a.deactivated_at is null)
  from moothill.api_keys k
  join moothill.tenants t on t.id = k.tenant_id
  where k.digest = wanted;
$$;
comment on function moothill.gate_key_find(bytea) is
  'The key with a digest, before any tenant is known, and whether its agent is gone.';
select mt.lend('moothill.gate_key_find(bytea)'::regprocedure, 'moothill_gate');
