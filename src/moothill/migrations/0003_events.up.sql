-- phase: pre
-- The log of writes, and the keys that make a repeated call harmless.

create table moothill.incarnations (
  number integer not null constraint incarnations_pkey primary key,
  began_at timestamptz not null default now()
);
select mt.reference('moothill.incarnations');
insert into moothill.incarnations (number) values (1);
grant select on moothill.incarnations to moothill_app, moothill_readonly, moothill_auditor, moothill_relay;
comment on table moothill.incarnations is 'Lives of this database: a restore or a move starts a new one, so that feeds stay in order.';
comment on column moothill.incarnations.number is 'Rises with each restore or move.';
comment on column moothill.incarnations.began_at is 'When it began.';

create function mt.incarnation() returns integer
  language sql stable parallel safe as $$ select max(number) from moothill.incarnations $$;
comment on function mt.incarnation() is 'The current life of this database.';
grant execute on function mt.incarnation() to moothill_app, moothill_relay;

-- Numbers of transactions are those of the whole server. One that is known to run in another database writes
-- nothing here, so it holds nothing back; of whatever else runs it is assumed that it does.
create function mt.horizon() returns bigint
  language sql stable parallel restricted
as $$
  select (mt.incarnation()::bigint << 48) | least(
    (select min(running.txid::text::bigint)
     from pg_snapshot_xip(pg_current_snapshot()) as running (txid)
     where not exists (
       select from pg_stat_get_activity(null) as a
       where a.backend_xid = running.txid::xid
         and a.datid <> (select d.oid from pg_database d where d.datname = current_database()))),
    pg_current_xact_id_if_assigned()::text::bigint,
    pg_snapshot_xmax(pg_current_snapshot())::text::bigint)
$$;
comment on function mt.horizon() is
  'The place in the log below which nothing more can appear: that of the oldest transaction that still runs here.';
grant execute on function mt.horizon() to moothill_app, moothill_relay;

create table moothill.events (
  tenant_id uuid not null,
  id uuid not null,
  incarnation integer not null default mt.incarnation(),
  txid bigint not null default pg_current_xact_id()::text::bigint,
  place bigint not null generated always as ((incarnation::bigint << 48) | txid) stored,
  kind text not null,
  version integer not null default 1,
  occurred_at timestamptz not null default clock_timestamp(),
  subject uuid,
  subjects uuid[],
  actor uuid not null,
  actor_kind text not null constraint events_actor_check check (actor_kind in ('operator', 'agent', 'system')),
  actor_name text not null default '',
  real_actor uuid,
  operation text not null,
  request uuid,
  reason text,
  payload jsonb not null default '{}',
  constraint events_pkey primary key (tenant_id, id)
) partition by range (id);
select mt.distribute('moothill.events');
create index events_feed_idx on moothill.events (tenant_id, place, id);
create index events_subject_idx on moothill.events (tenant_id, subject, id);
create index events_kind_idx on moothill.events (tenant_id, kind, id);
select mt.protect('moothill.events');
select mt.add_default('moothill.events');
select mt.add_month('moothill.events', (now() at time zone 'UTC')::date);
select mt.add_month('moothill.events', ((now() at time zone 'UTC') + interval '1 month')::date);
grant select, insert on moothill.events to moothill_app;
grant select on moothill.events to moothill_readonly, moothill_auditor;
create policy relay_rows on moothill.events for select to moothill_relay using (true);
grant select on moothill.events to moothill_relay;

comment on table moothill.events is 'The only log of writes, in the writer''s transaction; monthly partitions.';
comment on column moothill.events.tenant_id is 'Whose it is.';
comment on column moothill.events.id is 'UUIDv7 made by the executor; tells its month.';
comment on column moothill.events.incarnation is 'Life of the database in which it was written.';
comment on column moothill.events.txid is 'Transaction that wrote it; readers see only what lies below the oldest running one.';
comment on column moothill.events.place is 'Incarnation and transaction in one number, whose distribution the planner knows: the order of the log.';
comment on column moothill.events.kind is 'What happened.';
comment on column moothill.events.version is 'Version of the payload''s schema.';
comment on column moothill.events.occurred_at is 'When, by the database''s clock.';
comment on column moothill.events.subject is 'The thing it happened to.';
comment on column moothill.events.subjects is 'The things, when one call touched several.';
comment on column moothill.events.actor is 'Who did it.';
comment on column moothill.events.actor_kind is 'operator, agent or system.';
comment on column moothill.events.actor_name is 'Name of the actor at that time.';
comment on column moothill.events.real_actor is 'The operator behind a view as an agent.';
comment on column moothill.events.operation is 'The operation that wrote it.';
comment on column moothill.events.request is 'Request id of the call.';
comment on column moothill.events.reason is 'Why, where the caller said so.';
comment on column moothill.events.payload is 'What the kind''s schema says.';

create table moothill.idempotency_keys (
  tenant_id uuid not null,
  actor uuid not null,
  operation text not null,
  key text not null constraint idempotency_keys_key_check check (length(key) between 1 and 200),
  digest text not null,
  result jsonb,
  claimed_at timestamptz not null default now(),
  constraint idempotency_keys_pkey primary key (tenant_id, actor, operation, key)
);
select mt.distribute('moothill.idempotency_keys');
create index idempotency_keys_claimed_idx on moothill.idempotency_keys (tenant_id, claimed_at);
select mt.protect('moothill.idempotency_keys');
grant select, insert, update on moothill.idempotency_keys to moothill_app;
create policy jobs_rows on moothill.idempotency_keys to moothill_jobs using (true);
grant select, delete on moothill.idempotency_keys to moothill_jobs;

comment on table moothill.idempotency_keys is 'First results of writes that named a key; kept 24 hours.';
comment on column moothill.idempotency_keys.tenant_id is 'Whose it is.';
comment on column moothill.idempotency_keys.actor is 'Who used the key.';
comment on column moothill.idempotency_keys.operation is 'On which operation.';
comment on column moothill.idempotency_keys.key is 'The caller''s key.';
comment on column moothill.idempotency_keys.digest is 'SHA-256 of operation and arguments; another one under the same key is an error.';
comment on column moothill.idempotency_keys.result is 'The first result; never a secret.';
comment on column moothill.idempotency_keys.claimed_at is 'When the key was first used.';
