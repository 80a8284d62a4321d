-- phase: pre
-- Retention, legal holds, erasure and export: what leaves, when, who keeps it from leaving, and what proves that it left.

set local citus.enable_unsafe_triggers = on;

-- ------------------------------------------------------------------ what moothill_jobs may reach

-- It removes what is old or erased, from every table of a tenant, by functions whose bodies name the tenant.
create function mt.open_to_retention(relation regclass) returns void
  language plpgsql as $$
begin
  execute format('create policy retention_rows on %s to moothill_jobs using (true) with check (true)', relation);
  execute format('grant select, delete on %s to moothill_jobs', relation);
end $$;
comment on function mt.open_to_retention(regclass) is 'Lets moothill_jobs, and nobody else, remove what is old or erased.';

create or replace function mt.protect(relation regclass, tenant_column name default 'tenant_id') returns void
  language plpgsql as $$
begin
  execute format('alter table %s enable row level security', relation);
  execute format('alter table %s force row level security', relation);
  execute format(
    'create policy tenant_rows on %s to moothill_app, moothill_readonly, moothill_auditor '
    'using (%I = mt.tenant()) with check (%I = mt.tenant())', relation, tenant_column, tenant_column);
  execute format(
    'create policy tenant_floor on %s as restrictive to moothill_app, moothill_readonly, moothill_auditor '
    'using (%I = mt.tenant()) with check (%I = mt.tenant())', relation, tenant_column, tenant_column);
  perform mt.protect_proved(relation, tenant_column);
  perform mt.open_to_retention(relation);
end $$;

create or replace function mt.protect_partition(relation regclass) returns void
  language plpgsql as $$
begin
  perform mt.protect(relation);
  execute format('revoke all on %s from moothill_app, moothill_readonly, moothill_auditor, moothill_sql, moothill_jobs',
                 relation);
end $$;

select mt.open_to_retention(c.oid)
from pg_class c
where c.relnamespace = 'moothill'::regnamespace and c.relkind in ('r', 'p') and c.relrowsecurity and not c.relispartition
order by c.relname;
grant delete on moothill.api_keys, moothill.parked_events to moothill_jobs;
grant select on moothill.api_keys, moothill.parked_events to moothill_jobs;
grant update on moothill.events, moothill.access_log, moothill.agents, moothill.jobs, moothill.parked_events,
  moothill.sharing_grants, moothill.tenants to moothill_jobs;
grant select (id, asked_by), update (asked_by) on moothill.privacy_releases to moothill_jobs;
grant insert on moothill.embedding_moves to moothill_jobs;

-- ------------------------------------------------------------------ classes, policies, holds, archives, erasures

create table moothill.retention_classes (
  name text not null constraint retention_classes_pkey primary key
    constraint retention_classes_name_check check (name ~ '^[a-z][a-z_]{0,39}$'),
  relation text not null,
  moment text not null,
  condition text not null default 'true',
  action text not null constraint retention_classes_action_check check (action in ('delete', 'archive', 'retain')),
  days integer constraint retention_classes_days_check check (days between least_days and 36500),
  least_days integer not null constraint retention_classes_least_check check (least_days >= 1),
  actions text[] not null,
  purpose text not null,
  constraint retention_classes_retain_check check ((action = 'retain') = (days is null)),
  constraint retention_classes_actions_check check (action = any (actions))
);
select mt.reference('moothill.retention_classes');
grant select on moothill.retention_classes to moothill_app, moothill_readonly, moothill_auditor, moothill_jobs;
comment on table moothill.retention_classes is 'Classes of data that grow: where they lie, what makes them old, and what happens to them by default. Written by migrations alone.';
comment on column moothill.retention_classes.name is 'Name.';
comment on column moothill.retention_classes.relation is 'Table in the schema moothill.';
comment on column moothill.retention_classes.moment is 'Column that tells how old a row is: a time, or a UUIDv7.';
comment on column moothill.retention_classes.condition is 'Which rows of the table belong to the class, of the row t.';
comment on column moothill.retention_classes.action is 'delete, archive or retain, where a tenant has no policy of its own.';
comment on column moothill.retention_classes.days is 'After how many days; null: never.';
comment on column moothill.retention_classes.least_days is 'No tenant may let it go sooner.';
comment on column moothill.retention_classes.actions is 'What a tenant may choose.';
comment on column moothill.retention_classes.purpose is 'What it is, and why this default.';

create table moothill.retention_policies (
  tenant_id uuid not null,
  class text not null,
  action text not null constraint retention_policies_action_check check (action in ('delete', 'archive', 'retain')),
  days integer constraint retention_policies_days_check check (days between 1 and 36500),
  set_by uuid not null,
  set_at timestamptz not null default now(),
  version integer not null default 1,
  constraint retention_policies_pkey primary key (tenant_id, class),
  constraint retention_policies_retain_check check ((action = 'retain') = (days is null))
);
select mt.distribute('moothill.retention_policies');
select mt.protect('moothill.retention_policies');
grant select, insert, update, delete on moothill.retention_policies to moothill_app;
grant select on moothill.retention_policies to moothill_readonly, moothill_auditor;
comment on table moothill.retention_policies is 'What a tenant decided for a class of its data, instead of the default.';
comment on column moothill.retention_policies.tenant_id is 'Whose it is.';
comment on column moothill.retention_policies.class is 'Name of the class.';
comment on column moothill.retention_policies.action is 'delete, archive or retain.';
comment on column moothill.retention_policies.days is 'After how many days; null: never.';
comment on column moothill.retention_policies.set_by is 'Who decided.';
comment on column moothill.retention_policies.set_at is 'When.';
comment on column moothill.retention_policies.version is 'Rises with each change.';

create table moothill.legal_holds (
  tenant_id uuid not null,
  id uuid not null,
  agent_id uuid,
  reason text not null constraint legal_holds_reason_check check (length(reason) between 1 and 1000),
  placed_by uuid not null,
  placed_by_name text not null,
  by_platform boolean not null default false,
  placed_at timestamptz not null default now(),
  released_at timestamptz,
  released_by uuid,
  constraint legal_holds_pkey primary key (tenant_id, id),
  constraint legal_holds_agent_fkey foreign key (tenant_id, agent_id) references moothill.agents (tenant_id, id)
);
select mt.distribute('moothill.legal_holds');
create index legal_holds_agent_idx on moothill.legal_holds (tenant_id, agent_id);
create index legal_holds_live_idx on moothill.legal_holds (tenant_id) where released_at is null;
select mt.protect('moothill.legal_holds');
grant select, insert, update (released_at, released_by) on moothill.legal_holds to moothill_app;
grant select on moothill.legal_holds to moothill_readonly, moothill_auditor;
comment on table moothill.legal_holds is 'What must not be removed, for a court or an auditor: while one stands, neither retention nor erasure takes anything of it.';
comment on column moothill.legal_holds.tenant_id is 'Whose data is held.';
comment on column moothill.legal_holds.id is 'Id.';
comment on column moothill.legal_holds.agent_id is 'Only what is of this agent; null: everything of the tenant.';
comment on column moothill.legal_holds.reason is 'Why.';
comment on column moothill.legal_holds.placed_by is 'Who placed it.';
comment on column moothill.legal_holds.placed_by_name is 'Name of who placed it, at that time.';
comment on column moothill.legal_holds.by_platform is 'Whether the platform''s operator placed it, who alone releases it.';
comment on column moothill.legal_holds.placed_at is 'When.';
comment on column moothill.legal_holds.released_at is 'When it was released; null: it stands.';
comment on column moothill.legal_holds.released_by is 'Who released it.';

create table moothill.retention_archives (
  tenant_id uuid not null,
  id uuid not null,
  class text not null,
  file text not null constraint retention_archives_file_check check (file ~ '^[a-z0-9._-]{1,200}$'),
  rows bigint not null constraint retention_archives_rows_check check (rows > 0),
  bytes bigint not null,
  sha256 text not null constraint retention_archives_sha256_check check (length(sha256) = 64),
  digest text not null constraint retention_archives_digest_check check (length(digest) = 64),
  state text not null default 'written' constraint retention_archives_state_check check (state in ('written', 'settled')),
  cutoff timestamptz not null,
  first_at timestamptz not null,
  last_at timestamptz not null,
  made_at timestamptz not null default now(),
  constraint retention_archives_pkey primary key (tenant_id, id)
);
select mt.distribute('moothill.retention_archives');
-- One batch of a class is on its way at a time: the next begins where it ends.
create unique index retention_archives_open_key on moothill.retention_archives (tenant_id, class) where state = 'written';
select mt.protect('moothill.retention_archives');
grant insert, update on moothill.retention_archives to moothill_jobs;
grant select on moothill.retention_archives to moothill_app, moothill_readonly, moothill_auditor;
comment on table moothill.retention_archives is 'The manifest: files that hold what was archived. A file that is not named here is rubbish.';
comment on column moothill.retention_archives.tenant_id is 'Whose it is; names the folder.';
comment on column moothill.retention_archives.id is 'Id.';
comment on column moothill.retention_archives.class is 'Name of the class.';
comment on column moothill.retention_archives.file is 'Name of the file in the tenant''s folder.';
comment on column moothill.retention_archives.rows is 'Rows in it.';
comment on column moothill.retention_archives.bytes is 'Its size.';
comment on column moothill.retention_archives.sha256 is 'SHA-256 of the file.';
comment on column moothill.retention_archives.digest is 'SHA-256 of its rows as JSON, a line each, in order: what the deletion is compared with.';
comment on column moothill.retention_archives.state is 'written: on disk, its rows are still here; settled: they are gone from here.';
comment on column moothill.retention_archives.cutoff is 'Rows older than this were taken.';
comment on column moothill.retention_archives.first_at is 'Moment of its oldest row.';
comment on column moothill.retention_archives.last_at is 'Moment of its newest row.';
comment on column moothill.retention_archives.made_at is 'When it was written.';

create table moothill.agent_traces (
  relation text not null constraint agent_traces_pkey primary key,
  columns text[] not null,
  action text not null constraint agent_traces_action_check check (action in ('delete', 'redact', 'keep')),
  place integer not null
);
select mt.reference('moothill.agent_traces');
grant select on moothill.agent_traces to moothill_jobs;
comment on table moothill.agent_traces is 'Where rows name an agent, and what its erasure does with them. Written by migrations alone.';
comment on column moothill.agent_traces.relation is 'Table in the schema moothill.';
comment on column moothill.agent_traces.columns is 'Columns that hold ids of agents, or of what belongs to them.';
comment on column moothill.agent_traces.action is 'delete: the rows go; redact: they stay, empty; keep: the id says nothing any more.';
comment on column moothill.agent_traces.place is 'Lower ones first.';

create table moothill.erasures (
  id uuid not null constraint erasures_pkey primary key,
  owner uuid not null,
  agent uuid,
  agent_key text,
  things uuid[] not null,
  counts jsonb not null default '{}',
  kept jsonb not null default '{}',
  asked_by text not null,
  reason text not null,
  began_at timestamptz not null default clock_timestamp()
);
create unique index erasures_owner_key on moothill.erasures (owner, agent) nulls not distinct;
grant select, insert, update, delete on moothill.erasures to moothill_jobs;
comment on table moothill.erasures is 'Erasures that are under way; a row goes with its end. Control table.';
comment on column moothill.erasures.id is 'Id.';
comment on column moothill.erasures.owner is 'The tenant that is erased, or that of the agent.';
comment on column moothill.erasures.agent is 'The agent; null when the whole tenant goes.';
comment on column moothill.erasures.agent_key is 'Its own key, by which events and stored answers name it.';
comment on column moothill.erasures.things is 'Ids of what goes: the agent or tenant itself, and what belongs to the agent.';
comment on column moothill.erasures.counts is 'Rows that went so far, by table.';
comment on column moothill.erasures.kept is 'Rows that still tell of it, by table, since a legal hold of whose they are keeps them.';
comment on column moothill.erasures.asked_by is 'Who asked for it.';
comment on column moothill.erasures.reason is 'Why.';
comment on column moothill.erasures.began_at is 'When it began.';

create table moothill.erasure_reports (
  number bigint not null constraint erasure_reports_pkey primary key,
  asked_in uuid not null,
  kind text not null constraint erasure_reports_kind_check check (kind in ('agent', 'tenant')),
  document text not null,
  digest text not null constraint erasure_reports_digest_key unique
    constraint erasure_reports_digest_check check (length(digest) = 64),
  signed_at timestamptz not null default clock_timestamp()
);
create index erasure_reports_asked_idx on moothill.erasure_reports (asked_in, number);
grant select, insert, update (asked_in) on moothill.erasure_reports to moothill_jobs;
comment on table moothill.erasure_reports is 'Signed reports of what was erased, each with the digest of the one before it. They outlive the tenants that they tell of, and are the only place that still has their ids. Control table.';
comment on column moothill.erasure_reports.number is 'Its place, from 1, without gaps.';
comment on column moothill.erasure_reports.asked_in is 'The tenant in which it was asked for; the nil id when that one is gone too.';
comment on column moothill.erasure_reports.kind is 'agent or tenant.';
comment on column moothill.erasure_reports.document is 'The report with its signature, canonical JSON (RFC 8785).';
comment on column moothill.erasure_reports.digest is 'SHA-256 of the document: the next report names it.';
comment on column moothill.erasure_reports.signed_at is 'When.';

-- What it allowed, the next one allows.
-- squawk-ignore ban-drop-constraint
alter table moothill.tenants drop constraint tenants_status_check;
-- squawk-ignore constraint-missing-not-valid
alter table moothill.tenants add constraint tenants_status_check check (status in ('active', 'suspended', 'erasing'));
comment on column moothill.tenants.status is 'active; suspended: its keys are refused and its jobs rest; erasing: likewise, and it does not come back.';

-- ------------------------------------------------------------------ declarations

create function mt.retain(class text, relation regclass, moment name, action text, days integer, purpose text,
                          least_days integer default 1, actions text[] default '{delete,archive,retain}',
                          condition text default 'true') returns void
  language sql as $$
  insert into moothill.retention_classes (name, relation, moment, condition, action, days, least_days, actions, purpose)
  select class, c.relname, moment, condition, action, days, least_days, actions, purpose
  from pg_class c where c.oid = relation;
$$;
comment on function mt.retain(text, regclass, name, text, integer, text, integer, text[], text) is
  'Declares a class of data that grows, once: the one line that a migration adds for it.';

create function mt.trace(relation regclass, action text, place integer, variadic columns text[]) returns void
  language sql as $$
  insert into moothill.agent_traces (relation, columns, action, place)
  select c.relname, columns, action, place from pg_class c where c.oid = relation;
$$;
comment on function mt.trace(regclass, text, integer, text[]) is
  'Declares where a table names agents, and what the erasure of one does there.';

select mt.retain('access_log', 'moothill.access_log', 'id', 'delete', 90,
                 'Who came from outside and looked; 90 days.', 30);
select mt.retain('events', 'moothill.events', 'id', 'delete', 365,
                 'The log of writes and the audit in it, but for what agents did; a year.', 30,
                 condition => $$t.actor_kind <> 'agent'$$);
select mt.retain('agent_activity', 'moothill.events', 'id', 'delete', 365,
                 'What agents did, in the same log; a year.', 30, condition => $$t.actor_kind = 'agent'$$);
select mt.retain('jobs', 'moothill.jobs', 'ended_at', 'delete', 90, 'Jobs that are at their end; 90 days.', 1,
                 condition => $$t.ended_at is not null$$);
select mt.retain('idempotency', 'moothill.idempotency_keys', 'claimed_at', 'delete', 1,
                 'First results of calls that named a key; a day, as the documentation promises.', 1, '{delete}');
select mt.retain('ended_keys', 'moothill.api_keys', 'revoked_at', 'retain', null,
                 'API keys that were revoked: only their digests.', 30, '{delete,retain}',
                 condition => $$t.revoked_at is not null$$);
select mt.retain('ended_grants', 'moothill.sharing_grants', 'revoked_at', 'retain', null,
                 'Grants that were revoked: who let whom read what.', 30, condition => $$t.revoked_at is not null$$);
select mt.retain('privacy_ledger', 'moothill.privacy_spending', 'epoch', 'retain', null,
                 'What releases cost; a ledger that forgets would let the same privacy be spent twice.', 1, '{retain}');
select mt.retain('privacy_charges', 'moothill.privacy_charges', 'charged_at', 'retain', null,
                 'Which releases a tenant was charged for; kept with the ledger.', 1, '{retain}');
-- Jobs are few: one row for each long piece of work.
-- squawk-ignore require-concurrent-index-creation
create index jobs_ended_idx on moothill.jobs (tenant_id, ended_at) where ended_at is not null;

select mt.trace('moothill.capability_evidence', 'delete', 1, 'capability_id', 'chunk_id');
select mt.trace('moothill.capability_labels', 'delete', 2, 'agent_id');
select mt.trace('moothill.capabilities', 'delete', 3, 'agent_id');
select mt.trace('moothill.agent_tags', 'delete', 4, 'agent_id');
select mt.trace('moothill.agent_skills', 'delete', 5, 'agent_id');
select mt.trace('moothill.agent_cards', 'delete', 6, 'agent_id');
select mt.trace('moothill.search_item_facets', 'delete', 7, 'item_id');
select mt.trace('moothill.embedding_queue', 'delete', 8, 'item_id');
select mt.trace('moothill.embedding_moves', 'delete', 9, 'item_id');
select mt.trace('moothill.search_items', 'delete', 10, 'agent_id');
select mt.trace('moothill.api_keys', 'delete', 11, 'actor_id');
select mt.trace('moothill.idempotency_keys', 'delete', 12, 'actor');
select mt.trace('moothill.job_queue', 'delete', 13, 'job_id');
select mt.trace('moothill.jobs', 'delete', 14, 'actor', 'real_actor', 'id');
select mt.trace('moothill.agents', 'redact', 20, 'id');
select mt.trace('moothill.events', 'redact', 21, 'actor', 'real_actor', 'subject');
select mt.trace('moothill.access_log', 'redact', 22, 'actor', 'real_actor');
select mt.trace('moothill.parked_events', 'redact', 23, 'subject');
select mt.trace('moothill.sharing_grants', 'keep', 30, 'granted_by', 'revoked_by');
select mt.trace('moothill.legal_holds', 'keep', 31, 'agent_id', 'placed_by', 'released_by');
select mt.trace('moothill.retention_policies', 'keep', 32, 'set_by');

-- ------------------------------------------------------------------ what several functions ask

create function mt.lock_retention(tenant uuid, alone boolean) returns void
  language plpgsql as $$
begin
  if alone then
    perform pg_advisory_xact_lock(1919247214, hashtext(tenant::text));
  else
    perform pg_advisory_xact_lock_shared(1919247214, hashtext(tenant::text));
  end if;
end $$;
comment on function mt.lock_retention(uuid, boolean) is
  'Who removes rows shares this lock until the commit; who places a hold takes it alone, so that a hold holds from its commit on.';

create function mt.is_held(tenant uuid) returns boolean
  language sql stable as $$
  select exists (select from moothill.legal_holds h
                 where h.tenant_id = tenant and h.released_at is null and h.agent_id is null);
$$;
comment on function mt.is_held(uuid) is 'Whether everything of a tenant is under a legal hold.';

create function mt.held_agents(tenant uuid) returns uuid[]
  language sql stable as $$
  select coalesce(array_agg(h.agent_id), '{}') from moothill.legal_holds h
  where h.tenant_id = tenant and h.released_at is null and h.agent_id is not null;
$$;
comment on function mt.held_agents(uuid) is 'Agents of a tenant that are under a legal hold.';

create function mt.row_keys(relation text) returns text[]
  language sql stable as $$
  select array_agg(a.attname::text order by p.place)
  from pg_index i
  cross join lateral unnest(i.indkey) with ordinality as p (number, place)
  join pg_attribute a on a.attrelid = i.indrelid and a.attnum = p.number
  where i.indrelid = format('moothill.%I', relation)::regclass and i.indisprimary and a.attname <> 'tenant_id';
$$;
comment on function mt.row_keys(text) is 'Columns of a table''s primary key, but for the tenant.';

create function mt.tenant_tables() returns table (relation text, tenant_column text, depth integer)
  language sql stable as $$
  with recursive tables as (
    select c.oid, c.relname::text as name, case c.relname when 'tenants' then 'id' else 'tenant_id' end as tenant_column
    from pg_class c
    where c.relnamespace = 'moothill'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition
      and (c.relname = 'tenants'
           or exists (select from pg_attribute a where a.attrelid = c.oid and a.attname = 'tenant_id' and not a.attisdropped))
      -- A tenant's own vectors lie in a table apart while they are being copied.
      and c.relname !~ '^embedding_m\d+_[0-9a-f]{12}$'
  ), walk (oid, depth) as (
    select oid, 0 from tables
    union
    select k.confrelid, w.depth + 1
    from walk w
    join pg_constraint k on k.conrelid = w.oid and k.contype = 'f' and k.confrelid <> k.conrelid
    where w.depth < 20
  )
  select t.name, t.tenant_column, max(w.depth) from tables t join walk w on w.oid = t.oid group by 1, 2 order by 3, 1;
$$;
comment on function mt.tenant_tables() is 'Every table with rows of tenants, those first to which no other refers.';

create function mt.policy_of(tenant uuid, wanted text)
  returns table (action text, days integer, is_own boolean)
  language sql stable as $$
  select coalesce(p.action, c.action), case when p.action is null then c.days else p.days end, p.action is not null
  from moothill.retention_classes c
  left join moothill.retention_policies p on p.tenant_id = tenant and p.class = c.name
  where c.name = wanted;
$$;
comment on function mt.policy_of(uuid, text) is 'What happens to a class of a tenant''s data, and whether the tenant decided so.';

create function mt.expired(wanted text) returns text
  language plpgsql stable as $$
declare
  c moothill.retention_classes;
  kind text;
  held text;
begin
  select * into strict c from moothill.retention_classes r where r.name = wanted;
  select format_type(a.atttypid, null) into strict kind
  from pg_attribute a
  where a.attrelid = format('moothill.%I', c.relation)::regclass and a.attname = c.moment;
  select string_agg(format('coalesce(t.%I = any ($3), false)', named), ' or ') into held
  from moothill.agent_traces x
  cross join unnest(x.columns) as named
  where x.relation = c.relation;
  if c.relation = 'events' then
    held := held || ' or coalesce(t.subjects && $3, false)';
  end if;
  return format('t.tenant_id = $1 and t.%I < %s and (%s) and not (%s)', c.moment,
                case kind when 'uuid' then 'mt.uuid7_floor($2)' else '$2' end, c.condition, coalesce(held, 'false'));
end $$;
comment on function mt.expired(text) is
  'The condition, of a row t, that it is older than $2 in the tenant $1, and of none of the agents $3, which are held.';

-- ------------------------------------------------------------------ logs: the one exception, precisely

create function mt.tombstone() returns jsonb
  language sql immutable as $$
  select '{"kind": "retention.erased", "version": 1, "subject": null, "subjects": null,
           "actor": "00000000-0000-0000-0000-000000000000", "actor_kind": "system", "actor_name": "",
           "real_actor": null, "operation": "", "request": null, "reason": null, "payload": {}, "changes": null}'::jsonb;
$$;
comment on function mt.tombstone() is 'What is left of an erased event beside its id, its place in the log and its time: nothing.';

create function mt.is_redaction(log text, before jsonb, after jsonb) returns boolean
  language plpgsql stable as $$
declare
  running moothill.erasures;
  nobody text := '00000000-0000-0000-0000-000000000000';
begin
  select * into running from moothill.erasures e where e.id::text = current_setting('app.erasure', true);
  if not found or mt.is_held((before ->> 'tenant_id')::uuid)
     or not exists (select from unnest(running.things::text[] || running.agent_key) as word
                    where position(word in before::text) > 0) then
    return false;
  end if;
  if after = replace(before::text, running.owner::text, nobody)::jsonb and running.agent is null then
    return true;
  end if;
  if log = 'events' then
    return after = before || mt.tombstone();
  end if;
  return after - 'accessor' = (before - 'accessor') || jsonb_build_object(
      'actor', nobody, 'actor_name', '', 'real_actor', null, 'address', null, 'request', null)
    and after ->> 'accessor' in (before ->> 'accessor', nobody);
end $$;
comment on function mt.is_redaction(text, jsonb, jsonb) is
  'Whether a change of a log''s row does nothing but take out what an erasure that is under way takes out.';

create or replace function mt.refuse_change() returns trigger
  language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  if current_user = 'moothill_jobs' then
    if tg_op = 'DELETE' then
      if not mt.is_held(old.tenant_id) then
        return old;
      end if;
      raise exception '% of this tenant are under a legal hold', tg_argv[0]
        using errcode = 'restrict_violation', hint = 'Release the hold first; `retention.holds` shows it.';
    elsif tg_op = 'UPDATE' then
      -- What is generated from other columns is not known yet; they are compared.
      if mt.is_redaction(tg_argv[0], to_jsonb(old) - 'place', to_jsonb(new) - 'place') then
        return new;
      end if;
    end if;
  end if;
  raise exception '% is append-only: what happened is neither changed nor taken back', tg_argv[0]
    using errcode = 'restrict_violation', hint = 'Retention deletes what is old enough; nothing else may.';
end $$;
comment on function mt.refuse_change() is
  'Refuses to change or remove rows of a log, for every role; as moothill_jobs, retention deletes what is not held, and erasure blanks.';

-- ------------------------------------------------------------------ retention

create function moothill.jobs_retention_state()
  returns table (name text, relation text, action text, days integer, is_own boolean, least_days integer, actions text[],
                 purpose text, oldest timestamptz, overdue double precision)
  language plpgsql stable security definer set search_path = pg_catalog, moothill, pg_temp
as $$
declare
  c moothill.retention_classes;
begin
  for c in select * from moothill.retention_classes r order by r.name loop
    select c.name, c.relation, p.action, p.days, p.is_own, c.least_days, c.actions, c.purpose
    into name, relation, action, days, is_own, least_days, actions, purpose
    from mt.policy_of(mt.tenant(), c.name) p;
    oldest := null;
    overdue := null;
    if days is not null then
      execute format('select %s from moothill.%I t where %s order by t.%I limit 1',
                     case c.moment when 'id' then 'mt.uuid7_time(t.id)' else format('t.%I', c.moment) end,
                     c.relation, mt.expired(c.name), c.moment)
      into oldest using mt.tenant(), now() - make_interval(days => days), mt.held_agents(mt.tenant());
      overdue := extract(epoch from now() - make_interval(days => days) - oldest);
      if mt.is_held(mt.tenant()) then
        overdue := null;
      end if;
    end if;
    return next;
  end loop;
end $$;
comment on function moothill.jobs_retention_state() is
  'Every class with what holds for it in this tenant, and by how many seconds its oldest row is overdue.';

create function moothill.jobs_retain(wanted text, size integer) returns bigint
  language plpgsql volatile security definer set search_path = pg_catalog, moothill, pg_temp
as $$
declare
  c moothill.retention_classes;
  policy record;
  keys text;
  gone bigint;
begin
  select * into strict c from moothill.retention_classes r where r.name = wanted;
  perform mt.lock_retention(mt.tenant(), false);
  select * into policy from mt.policy_of(mt.tenant(), wanted);
  if policy.action <> 'delete' or mt.is_held(mt.tenant()) then
    return 0;
  end if;
  select string_agg(format('t.%I', k), ', ') into keys from unnest(mt.row_keys(c.relation)) as k;
  execute format('with old as materialized (select %1$s from moothill.%2$I t where %3$s order by t.%4$I limit $4) '
                 'delete from moothill.%2$I t where %3$s and (%1$s) in (select * from old)',
                 keys, c.relation, mt.expired(wanted), c.moment)
  using mt.tenant(), now() - make_interval(days => policy.days), mt.held_agents(mt.tenant()), size;
  get diagnostics gone = row_count;
  return gone;
end $$;
comment on function moothill.jobs_retain(text, integer) is
  'Deletes rows of a class of this tenant that are older than its policy says and not held, at most so many; how many.';

create function moothill.jobs_archive_page(wanted text, size integer)
  returns table (line text, at timestamptz, cutoff timestamptz)
  language plpgsql volatile security definer set search_path = pg_catalog, moothill, pg_temp set timezone = 'UTC'
as $$
declare
  c moothill.retention_classes;
  policy record;
  keys text;
begin
  select * into strict c from moothill.retention_classes r where r.name = wanted;
  select * into policy from mt.policy_of(mt.tenant(), wanted);
  if policy.action <> 'archive' or mt.is_held(mt.tenant()) then
    return;
  end if;
  select string_agg(format('t.%I', k), ', ') into keys from unnest(mt.row_keys(c.relation)) as k;
  return query execute format(
    'select to_jsonb(t)::text, %s, $2 from moothill.%I t where %s order by t.%I, %s limit $4',
    case c.moment when 'id' then 'mt.uuid7_time(t.id)' else format('t.%I', c.moment) end,
    c.relation, mt.expired(wanted), c.moment, keys)
  using mt.tenant(), now() - make_interval(days => policy.days), mt.held_agents(mt.tenant()), size;
end $$;
comment on function moothill.jobs_archive_page(text, integer) is
  'The oldest rows of a class of this tenant that are to be archived, in order, as JSON.';

create function moothill.jobs_archive_note(new_id uuid, wanted text, named text, many bigint, size bigint, file_digest text,
                                           row_digest text, before timestamptz, oldest timestamptz, newest timestamptz)
  returns void
  language sql volatile security definer set search_path = pg_catalog, moothill, pg_temp
as $$
  insert into retention_archives (tenant_id, id, class, file, rows, bytes, sha256, digest, cutoff, first_at, last_at)
  values (mt.tenant(), new_id, wanted, named, many, size, file_digest, row_digest, before, oldest, newest);
$$;
comment on function moothill.jobs_archive_note(uuid, text, text, bigint, bigint, text, text, timestamptz, timestamptz, timestamptz) is
  'Names a file in the manifest, after it was written and read back.';

create function moothill.jobs_archive_settle(wanted uuid, on_disk text) returns text
  language plpgsql volatile security definer set search_path = pg_catalog, moothill, pg_temp set timezone = 'UTC'
as $$
declare
  a moothill.retention_archives;
  c moothill.retention_classes;
  keys text;
  found_digest text;
  many bigint;
begin
  perform mt.lock_retention(mt.tenant(), false);
  select * into a from retention_archives r
  where r.tenant_id = mt.tenant() and r.id = wanted and r.state = 'written' for update;
  if not found then
    return 'gone';
  end if;
  select * into strict c from retention_classes r where r.name = a.class;
  select string_agg(format('t.%I', k), ', ') into keys from unnest(mt.row_keys(c.relation)) as k;
  begin
    if mt.is_held(mt.tenant()) or on_disk is distinct from a.sha256 then
      raise exception 'held, or no such file' using errcode = 'restrict_violation';
    end if;
    execute format(
      'with batch as materialized (select %1$s from moothill.%2$I t where %3$s order by t.%4$I, %1$s limit $4), '
      'gone as (delete from moothill.%2$I t where %3$s and (%1$s) in (select * from batch) returning t.*) '
      'select count(*), encode(sha256(convert_to(string_agg(to_jsonb(t)::text, E''\n'' order by t.%4$I, %1$s), ''UTF8'')), ''hex'') '
      'from gone t', keys, c.relation, mt.expired(a.class), c.moment)
    into many, found_digest using mt.tenant(), a.cutoff, mt.held_agents(mt.tenant()), a.rows;
    if many <> a.rows or found_digest is distinct from a.digest then
      raise exception 'the rows are not those of the file' using errcode = 'restrict_violation';
    end if;
  exception when restrict_violation then
    -- Nothing was deleted. The file is rubbish now, and the next batch begins anew.
    delete from retention_archives r where r.tenant_id = mt.tenant() and r.id = wanted;
    return 'void';
  end;
  update retention_archives r set state = 'settled' where r.tenant_id = mt.tenant() and r.id = wanted;
  return 'settled';
end $$;
comment on function moothill.jobs_archive_settle(uuid, text) is
  'Deletes the rows that a file holds, if they are exactly those and the file on disk is still that one: settled; void when a hold or a change came between, and nothing went.';

create function moothill.jobs_archive_replace(wanted uuid, named text, many bigint, size bigint, file_digest text,
                                              row_digest text)
  returns boolean
  language plpgsql volatile security definer set search_path = pg_catalog, moothill, pg_temp
as $$
begin
  if many = 0 then
    delete from retention_archives a where a.tenant_id = mt.tenant() and a.id = wanted and a.state = 'settled';
  else
    update retention_archives a
    set file = named, rows = many, bytes = size, sha256 = file_digest, digest = row_digest
    where a.tenant_id = mt.tenant() and a.id = wanted and a.state = 'settled';
  end if;
  return found;
end $$;
comment on function moothill.jobs_archive_replace(uuid, text, bigint, bigint, text, text) is
  'Names the file that an erasure wrote in the place of another one; nothing is left when it would hold no row.';

create function mt.lock_month(part regclass) returns void
  language plpgsql security definer set search_path = pg_catalog, moothill, pg_temp set lock_timeout = '3s' as $$
begin
  if not exists (select from pg_class c where c.oid = part and c.relnamespace = 'moothill'::regnamespace
                 and c.relispartition and c.relname ~ '_\d{4}_\d{2}$') then
    raise exception '% is no month', part using errcode = '22023';
  end if;
  execute format('lock table %s in access exclusive mode', part);
end $$;
comment on function mt.lock_month(regclass) is 'Keeps everybody out of a month''s partition until the transaction ends.';

create function mt.drop_month(part regclass) returns void
  language plpgsql security definer set search_path = pg_catalog, moothill, pg_temp set lock_timeout = '3s' as $$
begin
  perform mt.lock_month(part);
  execute format('drop table %s', part);
end $$;
comment on function mt.drop_month(regclass) is 'Drops a month''s partition; whether it may go was asked by jobs_drop_months.';
revoke all on function mt.lock_month(regclass), mt.drop_month(regclass) from public;
grant execute on function mt.lock_month(regclass), mt.drop_month(regclass) to moothill_jobs;

create function moothill.jobs_drop_months() returns text[]
  language plpgsql volatile security definer set search_path = pg_catalog, moothill, pg_temp set timezone = 'UTC'
as $$
declare
  month record;
  tenant uuid;
  bad boolean;
  dropped text[] := '{}';
begin
  for month in
    select i.inhrelid::regclass as part, p.relname::text as name, c.relname::text as log,
           make_date(left(right(p.relname, 7), 4)::integer, right(p.relname, 2)::integer, 1) as first
    from pg_inherits i
    join pg_class c on c.oid = i.inhparent and c.relnamespace = 'moothill'::regnamespace
    join pg_class p on p.oid = i.inhrelid and p.relname ~ '_\d{4}_\d{2}$'
    where exists (select from retention_classes r where r.relation = c.relname and r.moment = 'id')
    order by 3, 4
  loop
    continue when (month.first + interval '1 month') > now() - interval '2 months';
    perform mt.lock_month(month.part);
    bad := false;
    tenant := null;
    loop
      -- From tenant to tenant by the key, not through their rows.
      execute format('select min(t.tenant_id::text)::uuid from (select t.tenant_id from moothill.%I t where '
                     't.id >= $1 and t.id < $2 and ($3 is null or t.tenant_id > $3) order by t.tenant_id limit 1) t',
                     month.log)
      into tenant using mt.uuid7_floor(month.first), mt.uuid7_floor(month.first + interval '1 month'), tenant;
      exit when tenant is null;
      perform mt.lock_retention(tenant, false);
      select bool_or(p.action <> 'delete' or now() - make_interval(days => p.days) < month.first + interval '1 month')
             or mt.is_held(tenant) or cardinality(mt.held_agents(tenant)) > 0
      into bad
      from retention_classes c
      cross join lateral mt.policy_of(tenant, c.name) p
      where c.relation = month.log;
      exit when bad;
    end loop;
    if not bad then
      perform mt.drop_month(month.part);
      dropped := dropped || month.name;
    end if;
  end loop;
  return dropped;
end $$;
comment on function moothill.jobs_drop_months() is
  'Drops months of logs of which every tenant''s policy says that all of it goes, and which nothing holds; their names.';

-- Rows of a month that nobody had made lie in the default partition. Then the month takes them over.
create or replace function mt.add_month(parent regclass, month date) returns boolean
  language plpgsql as $$
declare
  base text := (select relname from pg_class where oid = parent);
  child text := format('%s_%s', base, to_char(month, 'YYYY_MM'));
  net text := (select t.partdefid::regclass::text from pg_partitioned_table t where t.partrelid = parent and t.partdefid <> 0);
  first timestamptz := date_trunc('month', month::timestamp) at time zone 'UTC';
  next timestamptz := (date_trunc('month', month::timestamp) + interval '1 month') at time zone 'UTC';
  columns text;
  strayed bigint := 0;
begin
  if to_regclass(format('moothill.%I', child)) is not null then
    return false;
  end if;
  if net is not null and pg_relation_size(net::regclass) > 0 then
    -- The owner is bound by row security and by the triggers of a log, here too: until this transaction ends, nobody
    -- sees that it is not, as nobody else can enter the table.
    perform set_config('citus.enable_unsafe_triggers', 'on', true);
    execute format('lock table %s in access exclusive mode', net);
    execute format('alter table %s no force row level security', net);
    execute format('alter table %s disable trigger user', net);
    select string_agg(quote_ident(a.attname), ', ' order by a.attnum) into columns
    from pg_attribute a where a.attrelid = parent and a.attnum > 0 and not a.attisdropped and a.attgenerated = '';
    execute format('create temporary table strayed_rows on commit drop as select %s from %s where false', columns, net);
    execute format('with gone as (delete from %s where id >= $1 and id < $2 returning %s) '
                   'insert into pg_temp.strayed_rows select * from gone', net, columns)
    using mt.uuid7_floor(first), mt.uuid7_floor(next);
    get diagnostics strayed = row_count;
    execute format('alter table %s enable trigger user', net);
    execute format('alter table %s force row level security', net);
  end if;
  execute format('create table moothill.%I partition of %s for values from (%L) to (%L)',
                 child, parent, mt.uuid7_floor(first), mt.uuid7_floor(next));
  if strayed > 0 then
    execute format('insert into moothill.%I (%s) select * from pg_temp.strayed_rows', child, columns);
  end if;
  drop table if exists pg_temp.strayed_rows;
  perform mt.protect_partition(format('moothill.%I', child)::regclass);
  execute format('comment on table moothill.%I is %L', child, format('%s of %s.', base, to_char(month, 'YYYY-MM')));
  -- A log that nobody may empty hands that on, which partitions do not inherit.
  if exists (select from pg_trigger t where t.tgrelid = parent and t.tgname = 'keep_whole') then
    perform mt.keep_whole(format('moothill.%I', child)::regclass, base);
  end if;
  return true;
end $$;
comment on function mt.add_month(regclass, date) is
  'Makes the partition of one month, with the rows of it that lie in the default partition; false when it exists.';

-- One way for what is old: idempotency keys are a class like the others.
-- squawk-ignore ban-drop-function
drop function moothill.jobs_forget_keys(integer);

-- ------------------------------------------------------------------ erasure

create function moothill.jobs_holds_on(tenant uuid, agent uuid, size integer) returns setof moothill.legal_holds
  language sql stable security definer set search_path = pg_catalog, moothill, pg_temp
as $$
  select * from legal_holds h
  where h.tenant_id = tenant and h.released_at is null and (agent is null or h.agent_id is null or h.agent_id = agent)
  order by h.id
  limit size;
$$;
comment on function moothill.jobs_holds_on(uuid, uuid, integer) is
  'Legal holds that keep a tenant, or one agent of it, from being erased.';

create function moothill.jobs_is_erased(agent uuid) returns boolean
  language sql stable security definer set search_path = pg_catalog, moothill, pg_temp
as $$
  select exists (select from erasures e where e.owner = mt.tenant() and (e.agent is null or e.agent = $1));
$$;
comment on function moothill.jobs_is_erased(uuid) is 'Whether this tenant, or an agent of it, is being erased.';

create function moothill.jobs_erasure_count(target uuid, erased_agent uuid) returns table (relation text, rows bigint)
  language plpgsql stable security definer set search_path = pg_catalog, moothill, pg_temp
as $$
declare
  one record;
  ids uuid[];
begin
  if erased_agent is null then
    for one in select * from mt.tenant_tables() loop
      relation := one.relation;
      execute format('select count(*) from moothill.%I t where t.%I = $1', one.relation, one.tenant_column)
      into rows using target;
      return next;
    end loop;
    return;
  end if;
  ids := mt.things_of(target, erased_agent);
  for one in select x.* from agent_traces x where x.action <> 'keep' order by x.place loop
    relation := one.relation;
    execute format('select count(*) from moothill.%I t where t.tenant_id = $1 and (%s)', one.relation,
                   (select string_agg(format('t.%I = any ($2)', named), ' or ') from unnest(one.columns) as named))
    into rows using target, ids;
    return next;
  end loop;
end $$;
comment on function moothill.jobs_erasure_count(uuid, uuid) is
  'How many rows of each table an erasure would take or blank: the plan of one.';

create function mt.things_of(target uuid, agent uuid) returns uuid[]
  language sql stable as $$
  select array_agg(id) from (
    select agent as id
    union select c.id from moothill.capabilities c where c.tenant_id = target and c.agent_id = agent
    union select s.id from moothill.search_items s where s.tenant_id = target and s.agent_id = agent
    union select k.id from moothill.api_keys k where k.tenant_id = target and k.actor_kind = 'agent' and k.actor_id = agent
    union select j.id from moothill.jobs j where j.tenant_id = target and j.actor = agent) as found;
$$;
comment on function mt.things_of(uuid, uuid) is 'Ids of an agent and of what belongs to it alone.';

create function moothill.jobs_erase_begin(new_id uuid, target uuid, erased_agent uuid, who text, why text) returns uuid
  language plpgsql volatile security definer set search_path = pg_catalog, moothill, pg_temp
as $$
declare
  known uuid;
  held uuid;
  own_key text;
begin
  if erased_agent is not null and target is distinct from mt.tenant() then
    raise exception 'an agent is erased in its own tenant' using errcode = '42501';
  end if;
  perform mt.lock_retention(target, true);
  select e.id into known from erasures e where e.owner = target and e.agent is not distinct from erased_agent;
  if found then
    return known;
  end if;
  select h.id into held from jobs_holds_on(target, erased_agent, 1) h;
  if found then
    raise exception 'legal hold % stands in the way', held using errcode = 'restrict_violation';
  end if;
  if erased_agent is null then
    update tenants t set status = 'erasing', status_reason = null, version = t.version + 1, updated_at = now()
    where t.id = target;
    own_key := target::text;
  else
    update agents a set deactivated_at = coalesce(a.deactivated_at, now()), version = a.version + 1, updated_at = now()
    where a.tenant_id = target and a.id = erased_agent
    returning a.agent_id into own_key;
  end if;
  if own_key is null then
    return null;
  end if;
  insert into erasures (id, owner, agent, agent_key, things, asked_by, reason)
  values (new_id, target, erased_agent, case when erased_agent is not null then own_key end,
          case when erased_agent is null then array[target] else mt.things_of(target, erased_agent) end, who, why);
  return new_id;
end $$;
comment on function moothill.jobs_erase_begin(uuid, uuid, uuid, text, text) is
  'Begins an erasure, or finds the one that is under way; null when there is no such thing. A hold refuses it.';

create function mt.erasure_went(erasure uuid, what text, many bigint) returns void
  language sql as $$
  update moothill.erasures e
  set counts = jsonb_set(e.counts, array[what], to_jsonb(coalesce((e.counts ->> what)::bigint, 0) + many))
  where e.id = erasure and many > 0;
$$;
comment on function mt.erasure_went(uuid, text, bigint) is 'Notes what went.';

create function mt.erasure_kept(erasure uuid, what text, many bigint, afresh boolean default true) returns void
  language sql as $$
  update moothill.erasures e
  set kept = (e.kept - what) || case when n.rows = 0 then '{}' else jsonb_build_object(what, n.rows) end
  from (select many + case when afresh then 0 else coalesce((o.kept ->> what)::bigint, 0) end as rows
        from moothill.erasures o where o.id = erasure) n
  where e.id = erasure;
$$;
comment on function mt.erasure_kept(uuid, text, bigint, boolean) is 'Notes what a hold of somebody else keeps.';

create function mt.names_it(e moothill.erasures, called text, document jsonb) returns boolean
  language sql immutable as $$
  select document::text like '%' || coalesce(e.agent, e.owner) || '%'
    or case when e.agent is null
         then jsonb_path_exists(document, '$.** ? (@.tenant == $called || @.owner == $called)', vars)
         else jsonb_path_exists(document, '$.** ? (@.agent == $called || @.agent_id == $called || @.agents[*] == $called)', vars)
       end
  from (select jsonb_build_object('called', called)) v (vars);
$$;
comment on function mt.names_it(moothill.erasures, text, jsonb) is
  'Whether arguments, an answer or changes name what is erased: by its id anywhere, by what it is called only where a name stands. Whoever chooses a name may choose any word.';

create function mt.erasure_under_way(erasure uuid) returns moothill.erasures
  language plpgsql as $$
declare
  e moothill.erasures;
  held uuid;
begin
  select * into e from moothill.erasures x where x.id = erasure and (x.agent is null or x.owner = mt.tenant()) for update;
  if found then
    -- One that was placed on the whole tenant since the agent's erasure began stops it where it is.
    perform mt.lock_retention(e.owner, false);
    select h.id into held from moothill.jobs_holds_on(e.owner, e.agent, 1) h;
    if found then
      raise exception 'legal hold % stands in the way', held using errcode = 'restrict_violation';
    end if;
  end if;
  return e;
end $$;
comment on function mt.erasure_under_way(uuid) is
  'An erasure whose next step may be taken, null when there is none; until the commit nobody places a hold on what goes.';

create function moothill.jobs_erase_rows(erasure uuid, size integer) returns bigint
  language plpgsql volatile security definer set search_path = pg_catalog, moothill, mt, public, pg_temp
  set lock_timeout = '3s'
as $$
declare
  e moothill.erasures;
  one record;
  keys text;
  which text;
  gone bigint;
begin
  e := mt.erasure_under_way(erasure);
  if e.id is null then
    return 0;
  end if;
  if e.agent is null then
    -- A partition of its own goes as a whole.
    for one in select p.* from moothill.embedding_placements p where p.tenant_id = e.owner and p.partition is not null loop
      perform mt.drop_embedding_partition(one.model, one.partition, one.place = 'own', true);
      delete from moothill.embedding_placements p where p.tenant_id = e.owner and p.model = one.model;
      perform mt.erasure_went(erasure, 'embedding_placements', 1);
      return 1;
    end loop;
  else
    perform moothill.drop_embeddings(e.owner, e.things);
  end if;
  for one in
    select t.relation, t.tenant_column, null::text[] as columns, t.depth as place from mt.tenant_tables() t
    where e.agent is null and t.relation <> 'tenants'
    union all
    select x.relation, 'tenant_id', x.columns, x.place from moothill.agent_traces x
    where e.agent is not null and x.action = 'delete'
    order by place, relation
  loop
    select string_agg(format('t.%I', k), ', ') into keys from unnest(mt.row_keys(one.relation)) as k;
    which := format('t.%I = $1', one.tenant_column);
    if e.agent is not null then
      which := which || format(' and (%s)', (
        select string_agg(format('t.%I = any ($3)', named), ' or ') from unnest(one.columns) as named));
    end if;
    if keys is null then
      execute format('delete from moothill.%I t where %s', one.relation, which) using e.owner, size, e.things;
    else
      execute format('delete from moothill.%2$I t where t.%4$I = $1 and (%1$s) in '
                     '(select %1$s from moothill.%2$I t where %3$s limit $2)', keys, one.relation, which, one.tenant_column)
      using e.owner, size, e.things;
    end if;
    get diagnostics gone = row_count;
    if gone > 0 then
      perform mt.erasure_went(erasure, one.relation, gone);
      return gone;
    end if;
  end loop;
  return 0;
end $$;
comment on function moothill.jobs_erase_rows(uuid, integer) is
  'Removes the next rows that an erasure removes, of one table, at most so many; how many, 0 when none is left.';

create function moothill.jobs_erase_agent(erasure uuid) returns boolean
  language plpgsql volatile security definer set search_path = pg_catalog, moothill, pg_temp
as $$
declare
  e moothill.erasures;
  blank text;
begin
  e := mt.erasure_under_way(erasure);
  if e.agent is null then
    return false;
  end if;
  -- Whatever columns there are: what has a default gets it, what may be null is null; times of its life stay.
  select string_agg(format('%I = %s', a.attname,
    case when a.attname in ('agent_id', 'name') then '''erased-'' || t.id'
         when a.attname = 'status' then '''offline'''
         when a.attname = 'type' then '''worker'''
         when a.atthasdef then pg_get_expr(d.adbin, d.adrelid)
         else 'null' end), ', ')
  into blank
  from pg_attribute a
  left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
  where a.attrelid = 'moothill.agents'::regclass and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
    and a.attname not in ('tenant_id', 'id', 'registered_at', 'deactivated_at', 'version');
  execute format('update moothill.agents t set %s where t.tenant_id = $1 and t.id = $2 and t.agent_id <> ''erased-'' || t.id',
                 blank) using e.owner, e.agent;
  if found then
    perform mt.erasure_went(erasure, 'agents', 1);
  end if;
  return true;
end $$;
comment on function moothill.jobs_erase_agent(uuid) is
  'Empties the row of an agent that is erased: its id, when it came and when it went are left.';

create function moothill.jobs_erase_log(erasure uuid, after_place bigint, after_id uuid, size integer)
  returns table (place bigint, id uuid, seen bigint, gone bigint)
  language plpgsql volatile security definer set search_path = pg_catalog, moothill, pg_temp
as $$
#variable_conflict use_column
declare
  e moothill.erasures;
  quoted text;
  held uuid[];
  kept bigint := 0;
  nobody text := '00000000-0000-0000-0000-000000000000';
begin
  e := mt.erasure_under_way(erasure);
  if e.id is null then
    return;
  end if;
  perform set_config('app.erasure', erasure::text, true);
  gone := 0;
  if after_place = 0 then
    perform mt.erasure_kept(erasure, 'events', 0);
  end if;
  if e.agent is not null then
    quoted := '%' || e.agent || '%';
    held := mt.held_agents(e.owner);
    select count(*), (array_agg(w.place order by w.place desc, w.id desc))[1],
           (array_agg(w.id order by w.place desc, w.id desc))[1]
    into seen, place, id
    from (select v.place, v.id from events v
          where v.tenant_id = e.owner and (v.place, v.id) > (after_place, after_id)
          order by v.place, v.id limit size) w;
    update events v
    set kind = 'retention.erased', version = 1, subject = null, subjects = null, actor = nobody::uuid,
        actor_kind = 'system', actor_name = '', real_actor = null, operation = '', request = null, reason = null,
        payload = '{}', changes = null
    where v.tenant_id = e.owner and (v.place, v.id) > (after_place, after_id) and (v.place, v.id) <= (place, id)
      and v.kind <> 'retention.erased'
      and (v.actor = e.agent or v.real_actor = e.agent or v.subject = any (e.things) or v.subjects && e.things
           or v.payload ->> 'agent_id' = e.agent_key or v.payload::text like quoted or mt.names_it(e, e.agent_key, v.changes))
      -- What another agent, who is under a hold, did or met stays.
      and not coalesce(v.actor = any (held) or v.real_actor = any (held) or v.subject = any (held) or v.subjects && held, false);
    get diagnostics gone = row_count;
    if held <> '{}' then
      select count(*) into kept from events v
      where v.tenant_id = e.owner and (v.place, v.id) > (after_place, after_id) and (v.place, v.id) <= (place, id)
        and v.kind <> 'retention.erased'
        and (v.actor = e.agent or v.real_actor = e.agent or v.subject = any (e.things) or v.subjects && e.things
             or v.payload ->> 'agent_id' = e.agent_key or v.payload::text like quoted or mt.names_it(e, e.agent_key, v.changes))
        and coalesce(v.actor = any (held) or v.real_actor = any (held) or v.subject = any (held) or v.subjects && held, false);
    end if;
    if place is not null then
      update parked_events p set error = ''
      where p.tenant_id = e.owner and p.error <> ''
        and exists (select from events v where v.tenant_id = e.owner and v.id = p.event_id and v.kind = 'retention.erased');
    end if;
  else
    quoted := '%' || e.owner || '%';
    select count(*), (array_agg(w.place order by w.place desc, w.id desc))[1],
           (array_agg(w.id order by w.place desc, w.id desc))[1]
    into seen, place, id
    from (select v.place, v.id from events v where (v.place, v.id) > (after_place, after_id)
          order by v.place, v.id limit size) w;
    -- Nobody whose log has a part in this places a hold before the commit.
    perform mt.lock_retention(o.tenant_id, false)
    from (select distinct v.tenant_id from events v
          where (v.place, v.id) > (after_place, after_id) and (v.place, v.id) <= (place, id)
            and v.tenant_id <> e.owner and (v.subject = e.owner or v.payload::text like quoted or v.changes::text like quoted
                                            or e.owner = any (v.subjects) or v.reason like quoted)
          order by v.tenant_id) o;
    -- What others did with it stays in their logs, without its id; what happened to it goes.
    update events v
    set kind = 'retention.erased', version = 1, subject = null, subjects = null, actor = nobody::uuid,
        actor_kind = 'system', actor_name = '', real_actor = null, operation = '', request = null, reason = null,
        payload = '{}', changes = null
    where (v.place, v.id) > (after_place, after_id) and (v.place, v.id) <= (place, id)
      and v.tenant_id <> e.owner and v.subject = e.owner and not mt.is_held(v.tenant_id);
    get diagnostics gone = row_count;
    update events v
    set subjects = array_replace(v.subjects, e.owner, nobody::uuid),
        payload = replace(v.payload::text, e.owner::text, nobody)::jsonb,
        changes = replace(v.changes::text, e.owner::text, nobody)::jsonb,
        reason = replace(v.reason, e.owner::text, nobody)
    where (v.place, v.id) > (after_place, after_id) and (v.place, v.id) <= (place, id)
      and v.tenant_id <> e.owner and not mt.is_held(v.tenant_id)
      and (v.payload::text like quoted or v.changes::text like quoted or e.owner = any (v.subjects)
           or v.reason like quoted);
    select count(*) into kept from events v
    where (v.place, v.id) > (after_place, after_id) and (v.place, v.id) <= (place, id) and v.tenant_id <> e.owner
      and (v.subject = e.owner or v.payload::text like quoted or v.changes::text like quoted
           or e.owner = any (v.subjects) or v.reason like quoted);
  end if;
  perform mt.erasure_went(erasure, 'events', gone);
  perform mt.erasure_kept(erasure, 'events', kept, afresh => false);
  perform set_config('app.erasure', '', true);
  return next;
end $$;
comment on function moothill.jobs_erase_log(uuid, bigint, uuid, integer) is
  'Blanks, in the next part of the log, what an erasure blanks there; how far that went, and how many events were seen.';

create function moothill.jobs_erase_traces(erasure uuid, size integer) returns bigint
  language plpgsql volatile security definer set search_path = pg_catalog, moothill, pg_temp
as $$
declare
  e moothill.erasures;
  nobody uuid := '00000000-0000-0000-0000-000000000000';
  slug text;
  called text;
  held uuid[];
  gone bigint;
  total bigint := 0;
begin
  e := mt.erasure_under_way(erasure);
  if e.id is null then
    return 0;
  end if;
  perform set_config('app.erasure', erasure::text, true);
  select t.slug into slug from tenants t where t.id = e.owner;
  called := coalesce(e.agent_key, slug);
  -- Nobody who has something of it places a hold before the commit; whoever has placed one keeps all of it.
  perform mt.lock_retention(o.id, false)
  from (select t.id from tenants t
        where t.id <> e.owner and (
          exists (select from access_log l where l.tenant_id = t.id and l.accessor = e.owner)
          or e.agent is null and (
            exists (select from sharing_grants g where g.tenant_id = t.id and g.grantee = e.owner)
            or exists (select from idempotency_keys k where k.tenant_id = t.id and mt.names_it(e, called, k.result))
            or exists (select from privacy_charges c join privacy_releases r on r.id = c.release_id
                       where c.tenant_id = t.id and r.asked_by = e.owner)))
        order by t.id) o;
  select coalesce(array_agg(distinct h.tenant_id), '{}') into held
  from legal_holds h where h.released_at is null and h.agent_id is null;
  -- Logs of those whom it visited.
  update access_log a
  set accessor = case when e.agent is null then nobody else a.accessor end, actor = nobody, actor_name = '',
      real_actor = null, address = null, request = null
  from (select l.tenant_id, l.id
        from tenants t
        join access_log l on l.tenant_id = t.id and l.accessor = e.owner
        where t.id <> e.owner and t.id <> all (held)
          and (e.agent is null or l.actor = e.agent or l.real_actor = e.agent)
        limit size) found
  where a.tenant_id = found.tenant_id and a.id = found.id;
  get diagnostics gone = row_count;
  perform mt.erasure_went(erasure, 'access_log', gone);
  total := total + gone;
  perform mt.erasure_kept(erasure, 'access_log', (
    select count(*) from access_log l
    where l.tenant_id = any (held) and l.tenant_id <> e.owner and l.accessor = e.owner
      and (e.agent is null or l.actor = e.agent or l.real_actor = e.agent)));
  -- First results of calls that named a key live for a day; those that tell of it go now.
  delete from idempotency_keys k
  where (e.agent is null or k.tenant_id = e.owner) and k.tenant_id <> all (held)
    and (mt.names_it(e, called, k.result) or e.agent is not null and k.actor = e.agent);
  get diagnostics gone = row_count;
  perform mt.erasure_went(erasure, 'idempotency_keys', gone);
  if e.agent is null then
    perform mt.erasure_kept(erasure, 'idempotency_keys', (
      select count(*) from idempotency_keys k where k.tenant_id = any (held) and mt.names_it(e, called, k.result)));
    update sharing_grants g
    set grantee = nobody, revoked_at = coalesce(g.revoked_at, now()), revoked_by = coalesce(g.revoked_by, nobody)
    where g.grantee = e.owner and g.tenant_id <> all (held);
    get diagnostics gone = row_count;
    perform mt.erasure_went(erasure, 'sharing_grants', gone);
    perform mt.erasure_kept(erasure, 'sharing_grants', (select count(*) from sharing_grants g where g.grantee = e.owner));
    -- A release is of everybody who was charged for it.
    update privacy_releases r set asked_by = nobody
    where r.asked_by = e.owner
      and not exists (select from privacy_charges c where c.release_id = r.id and c.tenant_id = any (held));
    get diagnostics gone = row_count;
    perform mt.erasure_went(erasure, 'privacy_releases', gone);
    perform mt.erasure_kept(erasure, 'privacy_releases', (
      select count(*) from privacy_releases r where r.asked_by = e.owner));
    perform mt.erasure_kept(erasure, 'jobs', (
      select count(*) from jobs j where j.tenant_id = any (held) and mt.names_it(e, called, j.arguments)));
    update schedule_runs s set message = '' where position(slug in s.message) > 0;
    update erasure_reports r set asked_in = nobody where r.asked_in = e.owner;
  end if;
  perform set_config('app.erasure', '', true);
  return total;
end $$;
comment on function moothill.jobs_erase_traces(uuid, integer) is
  'Takes out what others have of it: access logs, grants, stored answers, but of those who are under a hold; 0 when nothing is left in the logs.';

create function moothill.jobs_erasure_one(erasure uuid)
  returns table (id uuid, owner uuid, agent uuid, counts jsonb, kept jsonb, asked_by text, reason text, began_at timestamptz,
                 things uuid[], agent_key text, moment timestamptz, last_number bigint, last_digest text)
  language sql stable security definer set search_path = pg_catalog, moothill, pg_temp
as $$
  select e.id, e.owner, e.agent, e.counts, e.kept, e.asked_by, e.reason, e.began_at,
         e.things, e.agent_key, clock_timestamp(), r.number, r.digest
  from erasures e
  left join (select l.number, l.digest from erasure_reports l order by l.number desc limit 1) r on true
  where e.id = erasure and (e.agent is null or e.owner = mt.tenant());
$$;
comment on function moothill.jobs_erasure_one(uuid) is 'An erasure that is under way, and the last report before it.';

create function moothill.jobs_erasure_went(erasure uuid, many bigint) returns void
  language sql volatile security definer set search_path = pg_catalog, moothill, pg_temp
as $$
  select mt.erasure_went(e.id, 'archives', many) from erasures e
  where e.id = erasure and (e.agent is null or e.owner = mt.tenant());
$$;
comment on function moothill.jobs_erasure_went(uuid, bigint) is 'Notes what went from archives.';

create function moothill.jobs_erase_end(erasure uuid, new_number bigint, report text, report_digest text) returns boolean
  language plpgsql volatile security definer set search_path = pg_catalog, moothill, pg_temp
as $$
declare
  e moothill.erasures;
  called text;
begin
  e := mt.erasure_under_way(erasure);
  if e.id is null then
    return false;
  end if;
  select coalesce(e.agent_key, t.slug) into called from tenants t where t.id = e.owner;
  delete from erasures x where x.id = erasure;
  -- Jobs that name it, the one that erases it among them: nobody runs it again.
  update jobs j
  set arguments = '{}', message = '', reason = null
  where (e.agent is null or j.tenant_id = e.owner) and not mt.is_held(j.tenant_id)
    and mt.names_it(e, called, j.arguments);
  insert into erasure_reports (number, asked_in, kind, document, digest)
  values (new_number, mt.tenant(), case when e.agent is null then 'tenant' else 'agent' end, report, report_digest);
  if e.agent is null then
    delete from tenants t where t.id = e.owner and t.status = 'erasing';
  end if;
  return true;
end $$;
comment on function moothill.jobs_erase_end(uuid, bigint, text, text) is
  'Ends an erasure with its report; the tenant that was erased is known no more.';

create function moothill.jobs_reports_page(everywhere boolean, before bigint, size integer)
  returns setof moothill.erasure_reports
  language sql stable security definer set search_path = pg_catalog, moothill, pg_temp
as $$
  select * from erasure_reports r
  where r.number < before and (everywhere or r.asked_in = mt.tenant())
  order by r.number desc limit size;
$$;
comment on function moothill.jobs_reports_page(boolean, bigint, integer) is
  'Reports of what was erased from this tenant, or of everything.';

-- ------------------------------------------------------------------ export

create function moothill.jobs_export_tables() returns table (relation text, rows bigint)
  language plpgsql stable security definer set search_path = pg_catalog, moothill, pg_temp
as $$
declare
  one record;
begin
  for one in select * from mt.tenant_tables() t order by t.relation loop
    relation := one.relation;
    execute format('select count(*) from moothill.%I t where t.%I = $1', one.relation, one.tenant_column)
    into rows using mt.tenant();
    return next;
  end loop;
end $$;
comment on function moothill.jobs_export_tables() is 'Every table, and how many rows of this tenant it has.';

create function moothill.jobs_export_page(wanted text, after jsonb, size integer, most_bytes integer)
  returns table (line text, key jsonb)
  language plpgsql stable security definer set search_path = pg_catalog, moothill, public, pg_temp set timezone = 'UTC'
as $$
declare
  one record;
  names text[];
  keys text;
  place text;
  bytes bigint := 0;
begin
  select * into strict one from mt.tenant_tables() t where t.relation = wanted;
  names := mt.row_keys(wanted);
  if names is null then
    names := array[one.tenant_column];
  end if;
  -- The place is written into the statement, so that the key's index finds it.
  select string_agg(format('t.%I', k), ', ' order by n),
         string_agg(format('%L::%s', after ->> k, format_type(a.atttypid, a.atttypmod)), ', ' order by n)
  into keys, place
  from unnest(names) with ordinality as u (k, n)
  join pg_attribute a on a.attrelid = format('moothill.%I', wanted)::regclass and a.attname = k;
  for line, key in execute format(
    'select (to_jsonb(t) - %L::text[])::text, jsonb_build_object(%s) from moothill.%I t '
    'where t.%I = $1 and %s order by %s limit $2',
    -- A digest of a secret is a secret, and so is a wrapped key.
    case wanted when 'api_keys' then '{digest}' when 'tenant_keys' then '{wrapped}' else '{}' end,
    (select string_agg(format('%L, t.%I', k, k), ', ') from unnest(names) as k),
    wanted, one.tenant_column, case after when '{}' then 'true' else format('(%s) > (%s)', keys, place) end, keys)
    using mt.tenant(), size
  loop
    bytes := bytes + octet_length(line);
    return next;
    exit when bytes > most_bytes;
  end loop;
end $$;
comment on function moothill.jobs_export_page(text, jsonb, integer, integer) is
  'The next rows of this tenant in a table as JSON, in the order of its key, up to so many and so many bytes.';

select mt.lend(oid::regprocedure, 'moothill_jobs')
from pg_proc
where pronamespace = 'moothill'::regnamespace and proname like 'jobs\_%' and prosecdef
  and proowner = 'moothill_owner'::regrole;

grant execute on function mt.lock_retention(uuid, boolean) to moothill_app, moothill_jobs;
grant execute on function mt.is_held(uuid), mt.held_agents(uuid), mt.row_keys(text), mt.tenant_tables(),
  mt.policy_of(uuid, text), mt.expired(text), mt.tombstone(), mt.is_redaction(text, jsonb, jsonb),
  mt.things_of(uuid, uuid), mt.erasure_went(uuid, text, bigint), mt.erasure_kept(uuid, text, bigint, boolean),
  mt.names_it(moothill.erasures, text, jsonb), mt.erasure_under_way(uuid) to moothill_jobs;
grant execute on function moothill.drop_embeddings(uuid, uuid[]) to moothill_jobs;
