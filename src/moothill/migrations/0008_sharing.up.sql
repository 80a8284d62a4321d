-- phase: pre
-- How far a tenant opens itself, what it shares with whom, and who looked at what is not theirs.

alter table moothill.tenants add column isolation_level text not null default 'strict'
  constraint tenants_isolation_check check (isolation_level in ('strict', 'shared', 'federated'));
comment on column moothill.tenants.isolation_level is
  'strict: nothing leaves it, grants rest; shared: its grants hold; federated: it also takes part in releases across tenants.';

create table moothill.sharing_grants (
  tenant_id uuid not null,
  id uuid not null,
  grantee uuid not null,
  data_class text not null constraint sharing_grants_class_check check (data_class ~ '^[a-z][a-z_]{0,39}$'),
  tag text constraint sharing_grants_tag_check check (length(tag) between 1 and 100),
  reason text constraint sharing_grants_reason_check check (length(reason) <= 1000),
  granted_by uuid not null,
  granted_at timestamptz not null default now(),
  expires_at timestamptz,
  revoked_at timestamptz,
  revoked_by uuid,
  constraint sharing_grants_pkey primary key (tenant_id, id),
  constraint sharing_grants_self_check check (grantee <> tenant_id)
);
select mt.distribute('moothill.sharing_grants');
-- One grant of a class to a tenant at a time; an expired one is ended before the next.
create unique index sharing_grants_live_key on moothill.sharing_grants (tenant_id, grantee, data_class)
  where revoked_at is null;
select mt.protect('moothill.sharing_grants');
create policy gate_rows on moothill.sharing_grants for select to moothill_gate using (true);
grant select, insert, update (revoked_at, revoked_by) on moothill.sharing_grants to moothill_app;
grant select on moothill.sharing_grants to moothill_readonly, moothill_auditor, moothill_gate;

comment on table moothill.sharing_grants is 'What a tenant lets another one read; it belongs to the owner of the data.';
comment on column moothill.sharing_grants.tenant_id is 'The owner, who grants.';
comment on column moothill.sharing_grants.id is 'Id.';
comment on column moothill.sharing_grants.grantee is 'The tenant that may read.';
comment on column moothill.sharing_grants.data_class is 'What: a class of data, such as agents.';
comment on column moothill.sharing_grants.tag is 'Only what has this tag, or belongs to an agent that has it; null: the whole class.';
comment on column moothill.sharing_grants.reason is 'Why, in the words of who granted it.';
comment on column moothill.sharing_grants.granted_by is 'Who granted it.';
comment on column moothill.sharing_grants.granted_at is 'When.';
comment on column moothill.sharing_grants.expires_at is 'It holds until then; null: until it is revoked.';
comment on column moothill.sharing_grants.revoked_at is 'When it was revoked, or replaced after it had expired.';
comment on column moothill.sharing_grants.revoked_by is 'Who revoked it.';

create table moothill.access_log (
  tenant_id uuid not null,
  id uuid not null,
  accessor uuid not null,
  kind text not null
    constraint access_log_kind_check check (kind in ('read', 'write', 'aggregate', 'federated')),
  data_class text not null constraint access_log_class_check check (length(data_class) between 1 and 100),
  operation text not null,
  query_digest bytea constraint access_log_digest_check check (length(query_digest) = 32),
  rows integer constraint access_log_rows_check check (rows >= 0),
  actor uuid not null,
  actor_kind text not null constraint access_log_actor_check check (actor_kind in ('operator', 'agent', 'system')),
  actor_name text not null default '',
  real_actor uuid,
  address inet,
  request uuid,
  accessed_at timestamptz not null default clock_timestamp(),
  constraint access_log_pkey primary key (tenant_id, id)
) partition by range (id);
select mt.distribute('moothill.access_log');
create index access_log_accessor_idx on moothill.access_log (tenant_id, accessor, id);
select mt.protect('moothill.access_log');
select mt.add_default('moothill.access_log');
select mt.add_month('moothill.access_log', (now() at time zone 'UTC')::date);
select mt.add_month('moothill.access_log', ((now() at time zone 'UTC') + interval '1 month')::date);
grant select, insert on moothill.access_log to moothill_app;
grant select on moothill.access_log to moothill_readonly, moothill_auditor;

comment on table moothill.access_log is 'Who came from outside of a tenant and read or wrote in it; nobody changes it.';
comment on column moothill.access_log.tenant_id is 'The tenant that was accessed.';
comment on column moothill.access_log.id is 'UUIDv7; tells its month.';
comment on column moothill.access_log.accessor is 'The tenant that the accessor belongs to.';
comment on column moothill.access_log.kind is 'read, write, aggregate (a release over many tenants) or federated (a part in one).';
comment on column moothill.access_log.data_class is 'What was accessed: a class of data, such as agents.';
comment on column moothill.access_log.operation is 'The operation that did it.';
comment on column moothill.access_log.query_digest is 'SHA-256 of operation and arguments.';
comment on column moothill.access_log.rows is 'How many rows were given out; null for a write.';
comment on column moothill.access_log.actor is 'Who.';
comment on column moothill.access_log.actor_kind is 'operator, agent or system.';
comment on column moothill.access_log.actor_name is 'Name of the actor at that time.';
comment on column moothill.access_log.real_actor is 'The operator behind a view as an agent.';
comment on column moothill.access_log.address is 'Network address of the caller, where a server saw one.';
comment on column moothill.access_log.request is 'Request id of the call.';
comment on column moothill.access_log.accessed_at is 'When, by the database''s clock.';

create function moothill.gate_tenant_level(level text) returns setof moothill.tenants
  language sql volatile security definer set search_path = pg_catalog, moothill, mt, pg_temp
as $$
  update moothill.tenants t
  set isolation_level = level, version = t.version + 1, updated_at = now()
  where t.id = mt.tenant() and t.isolation_level <> level
  returning *;
$$;
comment on function moothill.gate_tenant_level(text) is 'Changes how far the current tenant opens itself.';

create function moothill.gate_grant_find(owner text, wanted text)
  returns table (id uuid, owner_id uuid, owner_slug text, data_class text, tag text, expires_at timestamptz)
  language sql stable security definer set search_path = pg_catalog, moothill, mt, pg_temp
as $$
  select g.id, t.id, t.slug, g.data_class, g.tag, g.expires_at
  from moothill.tenants t
  join moothill.sharing_grants g on g.tenant_id = t.id and g.grantee = mt.tenant() and g.data_class = wanted
  where (t.slug = owner or t.id::text = lower(owner)) and t.status = 'active' and t.isolation_level <> 'strict'
    and g.revoked_at is null and (g.expires_at is null or g.expires_at > clock_timestamp());
$$;
comment on function moothill.gate_grant_find(text, text) is
  'The grant by which the current tenant may read a class of another one, if it holds right now.';

create function moothill.gate_grants_received(after uuid, size integer)
  returns table (id uuid, owner_id uuid, owner_slug text, owner_name text, data_class text, tag text,
                 granted_at timestamptz, expires_at timestamptz)
  language sql stable security definer set search_path = pg_catalog, moothill, mt, pg_temp
as $$
  select g.id, t.id, t.slug, t.name, g.data_class, g.tag, g.granted_at, g.expires_at
  from moothill.sharing_grants g
  join moothill.tenants t on t.id = g.tenant_id
  where g.grantee = mt.tenant() and g.id > after and t.status = 'active' and t.isolation_level <> 'strict'
    and g.revoked_at is null and (g.expires_at is null or g.expires_at > clock_timestamp())
  order by g.id
  limit size;
$$;
comment on function moothill.gate_grants_received(uuid, integer) is 'What others let the current tenant read right now.';
-- The lookup from the other side; the gate reads across tenants, so on a cluster it is asked of every worker.
create index sharing_grants_received_idx on moothill.sharing_grants (grantee, id) where revoked_at is null;

create function moothill.gate_tenant_known(wanted uuid) returns boolean
  language sql stable security definer set search_path = pg_catalog, moothill, pg_temp
as $$ select exists (select from moothill.tenants t where t.id = wanted) $$;
comment on function moothill.gate_tenant_known(uuid) is
  'Whether an id belongs to a tenant; nobody guesses one, so it tells nothing to who was not told.';

select mt.lend(oid::regprocedure, 'moothill_gate')
from pg_proc
where pronamespace = 'moothill'::regnamespace
  and proname in ('gate_tenant_level', 'gate_grant_find', 'gate_grants_received', 'gate_tenant_known');

create view moothill.cross_tenant_access_summary with (security_invoker = true, security_barrier = true) as
select a.tenant_id, a.accessor, a.kind, a.data_class, count(*) as accesses, coalesce(sum(a.rows), 0) as rows,
       min(a.accessed_at) as first_at, max(a.accessed_at) as last_at
from moothill.access_log a
group by a.tenant_id, a.accessor, a.kind, a.data_class;
grant select on moothill.cross_tenant_access_summary to moothill_app, moothill_readonly, moothill_auditor;
comment on view moothill.cross_tenant_access_summary is 'Who came from outside, how often, and how many rows went out.';

create view moothill.tenant_statistics with (security_invoker = true, security_barrier = true) as
select t.id as tenant_id, t.slug, t.name, t.isolation_level,
       (select count(*) from moothill.agents a where a.tenant_id = t.id and a.deactivated_at is null) as agents,
       (select count(*) from moothill.capabilities c where c.tenant_id = t.id) as capabilities,
       (select count(*) from moothill.events e where e.tenant_id = t.id) as events,
       (select max(e.occurred_at) from moothill.events e where e.tenant_id = t.id) as last_event_at
from moothill.tenants t;
grant select on moothill.tenant_statistics to moothill_app, moothill_readonly, moothill_auditor;
comment on view moothill.tenant_statistics is 'How large a tenant is: each number counted by itself, so that no join multiplies it.';
