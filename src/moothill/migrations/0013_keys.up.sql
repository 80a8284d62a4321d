-- phase: pre
-- Service accounts, limits of tenants with their exact counters, and what ends keys that leaked.

-- One vocabulary of actors, everywhere: operator, agent, service, system. (A key is never the system's.)
-- squawk-ignore ban-drop-constraint
alter table moothill.events drop constraint events_actor_check;
-- squawk-ignore constraint-missing-not-valid
alter table moothill.events add constraint events_actor_check check (actor_kind in ('operator', 'agent', 'service', 'system'));
comment on column moothill.events.actor_kind is 'operator, agent, service or system.';
-- squawk-ignore ban-drop-constraint
alter table moothill.access_log drop constraint access_log_actor_check;
-- squawk-ignore constraint-missing-not-valid
alter table moothill.access_log add constraint access_log_actor_check check (actor_kind in ('operator', 'agent', 'service', 'system'));
comment on column moothill.access_log.actor_kind is 'operator, agent, service or system.';
-- squawk-ignore ban-drop-constraint
alter table moothill.jobs drop constraint jobs_actor_check;
-- squawk-ignore constraint-missing-not-valid
alter table moothill.jobs add constraint jobs_actor_check check (actor_kind in ('operator', 'agent', 'service', 'system'));
comment on column moothill.jobs.actor_kind is 'operator, agent, service or system.';
-- squawk-ignore ban-drop-constraint
alter table moothill.api_keys drop constraint api_keys_actor_check;
-- squawk-ignore constraint-missing-not-valid
alter table moothill.api_keys add constraint api_keys_actor_check check (actor_kind in ('operator', 'agent', 'service'));
comment on column moothill.api_keys.actor_kind is 'operator, agent or service.';
comment on function mt.actor_kind() is 'operator, agent, service or system; null outside of an operation.';
comment on column moothill.api_keys.actor_id is
  'Id of the agent, of the service account, or of the operator (the id of the operator''s first key).';
-- (Control table: a few rows a tenant.)
-- squawk-ignore require-concurrent-index-creation
create index api_keys_actor_idx on moothill.api_keys (tenant_id, actor_id);

create table moothill.service_accounts (
  tenant_id uuid not null,
  id uuid not null,
  name text not null constraint service_accounts_name_check check (length(name) between 1 and 255),
  description text not null default '' constraint service_accounts_description_check check (length(description) <= 2000),
  scopes text[] not null constraint service_accounts_scopes_check check (cardinality(scopes) between 1 and 64),
  made_by uuid not null,
  made_by_name text not null,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  deactivated_at timestamptz,
  version integer not null default 1,
  constraint service_accounts_pkey primary key (tenant_id, id)
);
select mt.distribute('moothill.service_accounts');
-- A name is free again once its account is deactivated.
create unique index service_accounts_name_key on moothill.service_accounts (tenant_id, name) where deactivated_at is null;
select mt.protect('moothill.service_accounts');
create policy gate_rows on moothill.service_accounts for select to moothill_gate using (true);
grant select, insert, update (name, description, scopes, updated_at, deactivated_at, version)
  on moothill.service_accounts to moothill_app;
grant select on moothill.service_accounts to moothill_readonly, moothill_auditor;
grant select (tenant_id, id, name, scopes, deactivated_at) on moothill.service_accounts to moothill_gate;

comment on table moothill.service_accounts is 'Programs that act in a tenant by themselves: neither operators nor agents.';
comment on column moothill.service_accounts.tenant_id is 'Whose it is.';
comment on column moothill.service_accounts.id is 'Id; the actor of what is done with its keys.';
comment on column moothill.service_accounts.name is 'Name shown in the log.';
comment on column moothill.service_accounts.description is 'What it does, for people.';
comment on column moothill.service_accounts.scopes is 'The most that any of its keys may do; it counts when a key is used.';
comment on column moothill.service_accounts.made_by is 'Who registered it.';
comment on column moothill.service_accounts.made_by_name is 'Name of that actor at that time.';
comment on column moothill.service_accounts.created_at is 'When it was registered.';
comment on column moothill.service_accounts.updated_at is 'When it last changed.';
comment on column moothill.service_accounts.deactivated_at is 'When it was deactivated, with all its keys; it does not come back.';
comment on column moothill.service_accounts.version is 'Rises with each change.';

create table moothill.tenant_limits (
  tenant_id uuid not null,
  name text not null
    constraint tenant_limits_name_check check (name ~ '^(agents|capabilities|keys|events|calls(:[a-z][a-z_]{0,30})?)$'),
  amount bigint not null constraint tenant_limits_amount_check check (amount between 0 and 1000000000000),
  set_by uuid not null,
  set_at timestamptz not null default now(),
  constraint tenant_limits_pkey primary key (tenant_id, name)
);
select mt.distribute('moothill.tenant_limits');
select mt.protect('moothill.tenant_limits');
create policy gate_rows on moothill.tenant_limits for select to moothill_gate using (true);
grant select, insert, update (amount, set_by, set_at), delete on moothill.tenant_limits to moothill_app;
grant select on moothill.tenant_limits to moothill_readonly, moothill_auditor, moothill_gate;

comment on table moothill.tenant_limits is 'What a tenant may use at most, where the platform''s operator set a limit.';
comment on column moothill.tenant_limits.tenant_id is 'Whose limit it is.';
comment on column moothill.tenant_limits.name is
  'agents, capabilities, keys (stored at once), events (a day, UTC), calls (a minute), or calls:group (a minute, of one scope group).';
comment on column moothill.tenant_limits.amount is 'The most.';
comment on column moothill.tenant_limits.set_by is 'Who set it.';
comment on column moothill.tenant_limits.set_at is 'When.';

-- What is left of a quota, in sixteen parts, so that writers who each take one do not wait for one another.
create table moothill.quota_shares (
  tenant_id uuid not null,
  name text not null,
  share integer not null constraint quota_shares_share_check check (share between 0 and 15),
  day date,
  room bigint not null,
  constraint quota_shares_pkey primary key (tenant_id, name, share)
) with (fillfactor = 50);
select mt.distribute('moothill.quota_shares');
select mt.protect('moothill.quota_shares');
grant select, insert, update (day, room), delete on moothill.quota_shares to moothill_app;
grant select on moothill.quota_shares to moothill_readonly, moothill_auditor;

comment on table moothill.quota_shares is 'What is left of each quota, in parts; their sum is exact.';
comment on column moothill.quota_shares.tenant_id is 'Whose quota it is.';
comment on column moothill.quota_shares.name is 'Name of the quota, as in tenant_limits.';
comment on column moothill.quota_shares.share is 'Number of the part.';
comment on column moothill.quota_shares.day is 'The day (UTC) that it counts; null where it counts what is stored.';
comment on column moothill.quota_shares.room is 'How much may still be taken from this part; below zero where more was stored than is allowed now.';

-- Who counts holds a shared lock, who sets the limit an exclusive one: no writer slips by uncounted.
create function moothill.quota_move(thing text, moved bigint) returns bigint
  language plpgsql volatile
as $$
declare
  most bigint;
  today date;
  free bigint;
begin
  if moved = 0 then
    return 0;
  end if;
  perform pg_advisory_xact_lock_shared(hashtextextended(mt.tenant()::text || thing, 0));
  select l.amount into most from moothill.tenant_limits l where l.tenant_id = mt.tenant() and l.name = thing;
  if not found then
    return 0;
  end if;
  if thing = 'events' then
    today := (clock_timestamp() at time zone 'UTC')::date;
  end if;
  -- Any part with room that nobody holds; another writer takes another one. While a part lies below zero, because
  -- more is stored than is allowed now, what comes back goes there first, and only the sum tells what is free.
  update moothill.quota_shares s
  set room = s.room - moved
  where s.tenant_id = mt.tenant() and s.name = thing and s.share = (
    select f.share from moothill.quota_shares f
    where f.tenant_id = mt.tenant() and f.name = thing and f.day is not distinct from today
      and (moved < 0 or f.room >= moved and not exists (
             select from moothill.quota_shares o
             where o.tenant_id = mt.tenant() and o.name = thing and o.room < 0))
    order by f.room < 0 desc, (f.share + pg_backend_pid()) % 16
    limit 1
    for no key update skip locked);
  if found then
    return moved;
  end if;
  if moved < 0 then
    update moothill.quota_shares s set room = s.room - moved
    where s.tenant_id = mt.tenant() and s.name = thing and s.share = 0;
    return moved;
  end if;
  -- Near the edge: wait for whoever holds a part, look at all of them, and divide what is left anew.
  perform from moothill.quota_shares s where s.tenant_id = mt.tenant() and s.name = thing
  order by s.share for no key update;
  if thing = 'events' then
    today := (clock_timestamp() at time zone 'UTC')::date;
  end if;
  select coalesce(sum(s.room), most) into free from moothill.quota_shares s
  where s.tenant_id = mt.tenant() and s.name = thing and s.day is not distinct from today;
  if free < moved then
    raise exception '% % % % %', thing, most, most - free, moved, case when thing = 'events'
      then ceil(extract(epoch from (today + 1)::timestamp at time zone 'UTC' - clock_timestamp())) else 60 end
      using errcode = 'MQ001';
  end if;
  free := free - moved;
  update moothill.quota_shares s
  set day = today, room = free / 16 + case when s.share < free % 16 then 1 else 0 end
  where s.tenant_id = mt.tenant() and s.name = thing;
  return moved;
end $$;
comment on function moothill.quota_move(text, bigint) is
  'Takes from a quota of the current tenant, or gives back, in the transaction of what is stored; nothing where there is no such quota. Raises MQ001 when it is used up.';
revoke all on function moothill.quota_move(text, bigint) from public;
grant execute on function moothill.quota_move(text, bigint) to moothill_app;

create function moothill.quota_begin(thing text, most bigint) returns bigint
  language plpgsql volatile
as $$
declare
  stored bigint;
  today date;
  free bigint;
begin
  delete from moothill.quota_shares s where s.tenant_id = mt.tenant() and s.name = thing;
  if thing = 'events' then
    today := (clock_timestamp() at time zone 'UTC')::date;
    select count(*) into stored from moothill.events e
    where e.tenant_id = mt.tenant() and e.id >= mt.uuid7_floor(today::timestamp at time zone 'UTC');
  elsif thing = 'agents' then
    select count(*) into stored from moothill.agents a where a.tenant_id = mt.tenant() and a.deactivated_at is null;
  elsif thing = 'capabilities' then
    select count(*) into stored from moothill.capabilities c where c.tenant_id = mt.tenant();
  else
    return 0;
  end if;
  free := most - stored;
  insert into moothill.quota_shares (tenant_id, name, share, day, room)
  select mt.tenant(), thing, n, today,
         case when free < 0 then case when n = 0 then free else 0 end
              else free / 16 + case when n < free % 16 then 1 else 0 end end
  from generate_series(0, 15) as n;
  return stored;
end $$;
comment on function moothill.quota_begin(text, bigint) is
  'Counts what the current tenant stores and divides what is left of a quota; the caller holds its lock exclusively.';
revoke all on function moothill.quota_begin(text, bigint) from public;
grant execute on function moothill.quota_begin(text, bigint) to moothill_app;

-- Buckets of calls that the server processes share now and then; each has its own in between.
create table moothill.rate_buckets (
  tenant_id uuid not null,
  name text not null,
  amount bigint not null,
  tokens double precision not null,
  refilled_at timestamptz not null,
  constraint rate_buckets_pkey primary key (tenant_id, name)
) with (fillfactor = 50);
grant select, insert, update on moothill.rate_buckets to moothill_gate;
-- They go with their tenant.
grant select, delete on moothill.rate_buckets to moothill_jobs;
comment on table moothill.rate_buckets is 'What is left of each limit of calls, over all server processes. Control table, reached through gate functions.';
comment on column moothill.rate_buckets.tenant_id is 'Whose calls.';
comment on column moothill.rate_buckets.name is 'Name of the limit, as in tenant_limits.';
comment on column moothill.rate_buckets.amount is 'The limit, as who reported last knew it.';
comment on column moothill.rate_buckets.tokens is 'Calls that are left; below zero when processes gave more than there were.';
comment on column moothill.rate_buckets.refilled_at is 'When that was so.';

create function moothill.gate_rates_share(tenants uuid[], names text[], amounts bigint[], spent bigint[])
  returns table (tenant_id uuid, name text, tokens double precision)
  language sql volatile security definer set search_path = pg_catalog, moothill, pg_temp
as $$
  insert into moothill.rate_buckets as b (tenant_id, name, amount, tokens, refilled_at)
  select u.tenant_id, u.name, u.amount, u.amount - u.spent, clock_timestamp()
  from unnest(tenants, names, amounts, spent) as u (tenant_id, name, amount, spent)
  -- A process may tell of a tenant that was erased a moment ago; nothing of it comes back.
  where exists (select from moothill.tenants t where t.id = u.tenant_id and t.status <> 'erasing')
  order by u.tenant_id, u.name
  on conflict on constraint rate_buckets_pkey do update
  -- Refilled, less what was spent, which is what the given amount exceeds the given tokens by.
  set tokens = greatest(
        least(b.tokens + extract(epoch from excluded.refilled_at - b.refilled_at) * excluded.amount / 60, excluded.amount)
          + excluded.tokens - excluded.amount,
        - excluded.amount),
      amount = excluded.amount,
      refilled_at = greatest(b.refilled_at, excluded.refilled_at)
  returning b.tenant_id, b.name, b.tokens;
$$;
comment on function moothill.gate_rates_share(uuid[], text[], bigint[], bigint[]) is
  'Takes what a process spent from the shared buckets and tells what is left in them; many tenants at once.';

create function moothill.gate_limits_use() returns table (name text, used bigint)
  language sql stable security definer set search_path = pg_catalog, moothill, pg_temp
as $$
  select l.name,
         case when l.name = 'keys' then (
                select count(*) from moothill.api_keys k
                where k.tenant_id = l.tenant_id and k.revoked_at is null and k.replaced_by is null
                  and (k.expires_at is null or k.expires_at > now()))
              else coalesce((
                select least(l.amount, greatest(0, ceil(l.amount - b.tokens
                         - extract(epoch from clock_timestamp() - b.refilled_at) * l.amount / 60)))::bigint
                from moothill.rate_buckets b where b.tenant_id = l.tenant_id and b.name = l.name), 0) end
  from moothill.tenant_limits l
  where l.tenant_id = mt.tenant() and l.name not in ('agents', 'capabilities', 'events');
$$;
comment on function moothill.gate_limits_use() is 'How much of its limits on keys and calls the current tenant uses.';

-- Its result grows, in one transaction.
-- squawk-ignore ban-drop-function
drop function moothill.gate_key_find(bytea);
create function moothill.gate_key_find(wanted bytea)
  returns table (id uuid, tenant_id uuid, tenant_slug text, tenant_status text, actor_kind text, actor_id uuid,
                 actor_name text, scopes text[], expires_at timestamptz, revoked_at timestamptz, usable boolean,
                 is_actor_gone boolean, ceiling text[], rates jsonb, name text, hint text)
  language sql stable security definer set search_path = pg_catalog, moothill, pg_temp
as $$
  select k.id, k.tenant_id, t.slug, t.status, k.actor_kind, k.actor_id, coalesce(s.name, k.actor_name), k.scopes,
         k.expires_at, k.revoked_at,
         k.revoked_at is null and (k.expires_at is null or k.expires_at > now()) and t.status = 'active',
         case k.actor_kind
           when 'agent' then not exists (
             select from moothill.agents a
             where a.tenant_id = k.tenant_id and a.id = k.actor_id and a.deactivated_at is null)
           when 'service' then s.id is null or s.deactivated_at is not null
           else false end,
         s.scopes,
         (select jsonb_object_agg(l.name, l.amount) from moothill.tenant_limits l
          where l.tenant_id = k.tenant_id and l.name like 'calls%'),
         k.name, k.hint
  from moothill.api_keys k
  join moothill.tenants t on t.id = k.tenant_id
  left join moothill.service_accounts s
    on k.actor_kind = 'service' and s.tenant_id = k.tenant_id and s.id = k.actor_id
  where k.digest = wanted;
$$;
comment on function moothill.gate_key_find(bytea) is
  'The key with a digest, before any tenant is known: whether its actor is gone, what a service account may do at most, and the tenant''s limits of calls.';

-- squawk-ignore ban-drop-function
drop function moothill.gate_key_issue(uuid, text, bytea, text, text, uuid, text, text[], timestamptz);
create function moothill.gate_key_issue(new_id uuid, new_name text, new_digest bytea, new_hint text, kind text,
                                        actor uuid, actor_label text, new_scopes text[], expiry timestamptz)
  returns setof moothill.api_keys
  language plpgsql volatile security definer set search_path = pg_catalog, moothill, pg_temp
as $$
declare
  most bigint;
  live bigint;
begin
  select l.amount into most from moothill.tenant_limits l where l.tenant_id = mt.tenant() and l.name = 'keys';
  if found then
    -- Keys end by themselves as time goes by, so they are counted, one issue after the other.
    perform pg_advisory_xact_lock(hashtextextended(mt.tenant()::text || 'keys', 0));
    select count(*) into live from moothill.api_keys k
    where k.tenant_id = mt.tenant() and k.revoked_at is null and k.replaced_by is null
      and (k.expires_at is null or k.expires_at > now());
    if live >= most then
      raise exception 'keys % % 1 60', most, live using errcode = 'MQ001';
    end if;
  end if;
  return query
  insert into moothill.api_keys (id, tenant_id, name, digest, hint, actor_kind, actor_id, actor_name, scopes, expires_at)
  values (new_id, mt.tenant(), new_name, new_digest, new_hint, kind, actor, actor_label, new_scopes, expiry)
  returning *;
end $$;
comment on function moothill.gate_key_issue(uuid, text, bytea, text, text, uuid, text, text[], timestamptz) is
  'Issues a key in the current tenant, if its quota leaves room.';

create function moothill.gate_keys_revoke(of_actor uuid, before timestamptz, spared uuid)
  returns setof moothill.api_keys
  language sql volatile security definer set search_path = pg_catalog, moothill, pg_temp
as $$
  update moothill.api_keys k
  set revoked_at = now()
  where k.tenant_id = mt.tenant() and k.revoked_at is null and (k.expires_at is null or k.expires_at > now())
    and (of_actor is null or k.actor_id = of_actor) and (before is null or k.created_at < before)
    and k.id is distinct from spared
  returning *;
$$;
comment on function moothill.gate_keys_revoke(uuid, timestamptz, uuid) is
  'Revokes the live keys of the current tenant: of one actor, or made before a moment, or all; one may be spared.';

create function moothill.gate_keys_doomed(of_actor uuid, before timestamptz, spared uuid, size integer)
  returns table (hint text, name text, actor_kind text, total bigint)
  language sql stable security definer set search_path = pg_catalog, moothill, pg_temp
as $$
  select k.hint, k.name, k.actor_kind, count(*) over ()
  from moothill.api_keys k
  where k.tenant_id = mt.tenant() and k.revoked_at is null and (k.expires_at is null or k.expires_at > now())
    and (of_actor is null or k.actor_id = of_actor) and (before is null or k.created_at < before)
    and k.id is distinct from spared
  order by k.id
  limit size;
$$;
comment on function moothill.gate_keys_doomed(uuid, timestamptz, uuid, integer) is
  'What gate_keys_revoke would revoke, the first of them.';

create function moothill.gate_keys_leaked(digests bytea[], hints text[]) returns setof moothill.api_keys
  language sql stable security definer set search_path = pg_catalog, moothill, pg_temp
as $$
  select * from moothill.api_keys k
  where k.tenant_id = mt.tenant() and (k.digest = any(digests) or k.hint = any(hints))
  order by k.id
  limit 1000;
$$;
comment on function moothill.gate_keys_leaked(bytea[], text[]) is
  'Keys of the current tenant by the digests of their secrets, or by their first characters.';

create function moothill.gate_token_actor(tenant text, kind text, reference text)
  returns table (tenant_id uuid, tenant_slug text, tenant_status text, actor_id uuid, actor_name text,
                 is_actor_gone boolean, ceiling text[], rates jsonb)
  language sql stable security definer set search_path = pg_catalog, moothill, pg_temp
as $$
  select t.id, t.slug, t.status, coalesce(a.id, s.id), coalesce(a.name, s.name),
         case kind when 'agent' then a.id is null or a.deactivated_at is not null
                   when 'service' then s.id is null
                   else false end,
         s.scopes,
         (select jsonb_object_agg(l.name, l.amount) from moothill.tenant_limits l
          where l.tenant_id = t.id and l.name like 'calls%')
  from moothill.tenants t
  left join moothill.agents a
    on kind = 'agent' and a.tenant_id = t.id and (a.agent_id = reference or a.id::text = lower(reference))
  left join moothill.service_accounts s
    on kind = 'service' and s.tenant_id = t.id and s.deactivated_at is null
       and (s.name = reference or s.id::text = lower(reference))
  where t.slug = tenant or t.id::text = lower(tenant)
  -- Who calls itself by another one's id is not that one.
  order by t.id::text = lower(tenant) desc, a.id::text = lower(reference) desc, s.id::text = lower(reference) desc
  limit 1;
$$;
comment on function moothill.gate_token_actor(text, text, text) is
  'The tenant and the actor that a verified token names, before any tenant is known.';
grant select (agent_id, name) on moothill.agents to moothill_gate;

select mt.lend(oid::regprocedure, 'moothill_gate')
from pg_proc
where pronamespace = 'moothill'::regnamespace
  and proname in ('gate_rates_share', 'gate_limits_use', 'gate_key_find', 'gate_key_issue', 'gate_keys_revoke',
                  'gate_keys_doomed', 'gate_keys_leaked', 'gate_token_actor');

select mt.trace('moothill.service_accounts', 'keep', 33, 'made_by');
select mt.trace('moothill.tenant_limits', 'keep', 34, 'set_by');
