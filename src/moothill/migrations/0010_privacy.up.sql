-- phase: pre
-- Learning across tenants: what each owner allows, ledgers of what was spent, and every release.

grant usage on schema moothill, mt to moothill_privacy;
grant create on schema moothill to moothill_privacy;
grant execute on function mt.tenant(), mt.actor(), mt.actor_kind(), mt.uuid7_floor(timestamptz) to moothill_privacy;

create table moothill.tenant_privacy (
  tenant_id uuid not null constraint tenant_privacy_pkey primary key
    constraint tenant_privacy_tenant_fkey references moothill.tenants (id) on delete cascade,
  privacy_level text not null default 'differential'
    constraint tenant_privacy_level_check check (privacy_level in ('basic', 'differential')),
  noise_magnitude numeric(9, 4) not null default 0.01
    constraint tenant_privacy_noise_check check (noise_magnitude >= 0),
  k_anonymity integer not null default 5 constraint tenant_privacy_k_check check (k_anonymity >= 2),
  epsilon numeric(10, 4) not null default 1 constraint tenant_privacy_epsilon_check check (epsilon > 0),
  delta numeric(13, 12) not null default 0.00001
    constraint tenant_privacy_delta_check check (delta >= 0 and delta < 1),
  allow_cross_tenant_learning boolean not null default false,
  allowed_tenant_groups text[] not null default '{}',
  version integer not null default 1,
  updated_at timestamptz not null default now()
);
select mt.distribute('moothill.tenant_privacy');
select mt.protect('moothill.tenant_privacy');
create policy privacy_rows on moothill.tenant_privacy for select to moothill_privacy using (true);
grant select, insert, update on moothill.tenant_privacy to moothill_app;
grant select on moothill.tenant_privacy to moothill_readonly, moothill_auditor, moothill_privacy;

comment on table moothill.tenant_privacy is 'What a tenant allows to be learnt from it, at most one row each; without one the defaults hold, and nothing is learnt.';
comment on column moothill.tenant_privacy.tenant_id is 'Whose it is; nobody else reads or changes it.';
comment on column moothill.tenant_privacy.privacy_level is 'differential: it may take part in releases, under noise; basic: small groups are suppressed in its own views, and it takes part in nothing.';
comment on column moothill.tenant_privacy.noise_magnitude is 'It takes part only where the scale of the noise is at least this part of the most that one tenant can change.';
comment on column moothill.tenant_privacy.k_anonymity is 'The smallest group in which its data may be counted, in its own views and in releases.';
comment on column moothill.tenant_privacy.epsilon is 'The most that all releases of one epoch together may lose of its privacy.';
comment on column moothill.tenant_privacy.delta is 'The probability that goes with epsilon, likewise for all releases of an epoch.';
comment on column moothill.tenant_privacy.allow_cross_tenant_learning is 'Whether it takes part at all.';
comment on column moothill.tenant_privacy.allowed_tenant_groups is 'Groups (projects of tenants) that may learn from it; empty: none.';
comment on column moothill.tenant_privacy.version is 'Rises with each change.';
comment on column moothill.tenant_privacy.updated_at is 'When it last changed.';

create table moothill.privacy_spending (
  tenant_id uuid not null constraint privacy_spending_tenant_fkey references moothill.tenants (id) on delete cascade,
  epoch text not null,
  nano_epsilon bigint not null default 0 constraint privacy_spending_epsilon_check check (nano_epsilon >= 0),
  nano_rho bigint not null default 0 constraint privacy_spending_rho_check check (nano_rho >= 0),
  pico_delta bigint not null default 0 constraint privacy_spending_delta_check check (pico_delta >= 0),
  constraint privacy_spending_pkey primary key (tenant_id, epoch)
);
select mt.distribute('moothill.privacy_spending');
select mt.protect('moothill.privacy_spending');
create policy privacy_rows on moothill.privacy_spending to moothill_privacy using (true) with check (true);
grant select on moothill.privacy_spending to moothill_app, moothill_readonly, moothill_auditor;
grant select, insert, update on moothill.privacy_spending to moothill_privacy;

comment on table moothill.privacy_spending is 'What releases of an epoch have cost a tenant of its own epsilon and delta.';
comment on column moothill.privacy_spending.tenant_id is 'Whose it is.';
comment on column moothill.privacy_spending.epoch is 'Calendar month in UTC, such as 2026-11.';
comment on column moothill.privacy_spending.nano_epsilon is 'Pure epsilon of releases with Laplace noise, in billionths.';
comment on column moothill.privacy_spending.nano_rho is 'Zero-concentrated loss of releases with Gaussian noise, in billionths.';
comment on column moothill.privacy_spending.pico_delta is 'Delta of thresholds, in million millionths.';

create table moothill.privacy_charges (
  tenant_id uuid not null constraint privacy_charges_tenant_fkey references moothill.tenants (id) on delete cascade,
  release_id uuid not null,
  charged_at timestamptz not null default clock_timestamp(),
  constraint privacy_charges_pkey primary key (tenant_id, release_id)
);
select mt.distribute('moothill.privacy_charges');
create index privacy_charges_release_idx on moothill.privacy_charges (release_id);
select mt.protect('moothill.privacy_charges');
create policy privacy_rows on moothill.privacy_charges to moothill_privacy using (true) with check (true);
grant select on moothill.privacy_charges to moothill_readonly, moothill_auditor;
grant select, insert on moothill.privacy_charges to moothill_privacy;

comment on table moothill.privacy_charges is 'Which tenants a release was charged to, before it was drawn; how many there are is itself private.';
comment on column moothill.privacy_charges.tenant_id is 'Who was charged.';
comment on column moothill.privacy_charges.release_id is 'For which release.';
comment on column moothill.privacy_charges.charged_at is 'When.';

create table moothill.privacy_ledgers (
  tenant_group text not null,
  family text not null,
  epoch text not null,
  unit text not null constraint privacy_ledgers_unit_check check (unit in ('epsilon', 'rho')),
  spent bigint not null constraint privacy_ledgers_spent_check check (spent >= 0),
  cap bigint not null,
  spent_delta bigint not null constraint privacy_ledgers_delta_check check (spent_delta >= 0),
  cap_delta bigint not null,
  updated_at timestamptz not null default clock_timestamp(),
  constraint privacy_ledgers_pkey primary key (tenant_group, family, epoch)
);
grant select, insert, update on moothill.privacy_ledgers to moothill_privacy;

comment on table moothill.privacy_ledgers is 'What was spent for a group of tenants, by family of releases and epoch. Whole numbers only. Control table.';
comment on column moothill.privacy_ledgers.tenant_group is 'The group that learns: a project of tenants.';
comment on column moothill.privacy_ledgers.family is 'Family of releases that share a budget.';
comment on column moothill.privacy_ledgers.epoch is 'Calendar month in UTC.';
comment on column moothill.privacy_ledgers.unit is 'What is counted: pure epsilon, or the rho of zero-concentrated differential privacy.';
comment on column moothill.privacy_ledgers.spent is 'Spent so far, in billionths; each cost is rounded up, and none is given back.';
comment on column moothill.privacy_ledgers.cap is 'Never more than this, in billionths, rounded down; it can be lowered within an epoch and not raised.';
comment on column moothill.privacy_ledgers.spent_delta is 'Delta spent so far, in million millionths.';
comment on column moothill.privacy_ledgers.cap_delta is 'Never more delta than this.';
comment on column moothill.privacy_ledgers.updated_at is 'Last charge.';

create table moothill.privacy_releases (
  id uuid not null constraint privacy_releases_pkey primary key,
  tenant_group text not null,
  family text not null,
  epoch text not null,
  place integer not null,
  state text not null constraint privacy_releases_state_check
    check (state in ('charged', 'released', 'lost')),
  query text not null,
  plan text not null,
  plan_version integer not null,
  data_class text not null,
  digest bytea not null constraint privacy_releases_digest_check check (length(digest) = 32),
  cells text[] not null default '{}',
  per_tenant integer not null constraint privacy_releases_per_tenant_check check (per_tenant > 0),
  largest integer not null constraint privacy_releases_largest_check check (largest > 0),
  amounts integer not null constraint privacy_releases_amounts_check check (amounts > 0),
  k_anonymity integer not null constraint privacy_releases_k_check check (k_anonymity >= 2),
  minimum_age interval not null,
  mechanism text not null,
  library text not null,
  scale bigint not null constraint privacy_releases_scale_check check (scale > 0),
  noise_ratio numeric(13, 4) not null,
  threshold bigint not null,
  epsilon numeric(10, 4) not null,
  delta numeric(13, 12) not null,
  unit text not null,
  cost bigint not null constraint privacy_releases_cost_check check (cost > 0),
  cost_delta bigint not null constraint privacy_releases_cost_delta_check check (cost_delta >= 0),
  spent_before bigint not null,
  spent_after bigint not null,
  delta_before bigint not null,
  delta_after bigint not null,
  output jsonb,
  asked_by uuid not null,
  drawn_in xid8,
  charged_at timestamptz not null default clock_timestamp(),
  released_at timestamptz
);
create unique index privacy_releases_place_key on moothill.privacy_releases (tenant_group, family, epoch, place);
create unique index privacy_releases_question_key on moothill.privacy_releases (tenant_group, epoch, digest)
  where state <> 'lost';
create index privacy_releases_group_idx on moothill.privacy_releases (tenant_group, id);
grant select, insert, update on moothill.privacy_releases to moothill_privacy;

comment on table moothill.privacy_releases is 'Every release with what it cost, so that anybody in the group can add the ledger up again. Nothing here is raw, and nothing suppressed. Control table.';
comment on column moothill.privacy_releases.id is 'UUIDv7.';
comment on column moothill.privacy_releases.tenant_group is 'The group that learns.';
comment on column moothill.privacy_releases.family is 'Which ledger it was charged to.';
comment on column moothill.privacy_releases.epoch is 'Calendar month in UTC; within it the same question gets the same answer.';
comment on column moothill.privacy_releases.place is 'Its place among the charges of its ledger, from 1.';
comment on column moothill.privacy_releases.state is 'charged: paid for; released; lost: paid for, and never drawn.';
comment on column moothill.privacy_releases.query is 'The query that was asked first; others read the same sums.';
comment on column moothill.privacy_releases.plan is 'What was summed.';
comment on column moothill.privacy_releases.plan_version is 'Version of that plan.';
comment on column moothill.privacy_releases.data_class is 'Class of data that was read, for access logs.';
comment on column moothill.privacy_releases.digest is 'SHA-256 of the question.';
comment on column moothill.privacy_releases.cells is 'The cells asked for; empty where they were not known in advance.';
comment on column moothill.privacy_releases.per_tenant is 'The most cells to which one tenant contributes.';
comment on column moothill.privacy_releases.largest is 'The most that one tenant contributes to one cell.';
comment on column moothill.privacy_releases.amounts is 'Sums for each cell.';
comment on column moothill.privacy_releases.k_anonymity is 'The smallest group that is counted.';
comment on column moothill.privacy_releases.minimum_age is 'How old a tenant had to be to take part.';
comment on column moothill.privacy_releases.mechanism is 'How the noise is distributed.';
comment on column moothill.privacy_releases.library is 'What drew it, with its version.';
comment on column moothill.privacy_releases.scale is 'Scale of the noise, in parts of 1024.';
comment on column moothill.privacy_releases.noise_ratio is 'Scale of the noise in parts of the most that one tenant can change, rounded down.';
comment on column moothill.privacy_releases.threshold is 'A cell below it is left out.';
comment on column moothill.privacy_releases.epsilon is 'Epsilon asked for.';
comment on column moothill.privacy_releases.delta is 'Delta asked for.';
comment on column moothill.privacy_releases.unit is 'What the cost counts: epsilon or rho.';
comment on column moothill.privacy_releases.cost is 'Cost, in billionths, rounded up.';
comment on column moothill.privacy_releases.cost_delta is 'Cost in delta, in million millionths, rounded up.';
comment on column moothill.privacy_releases.spent_before is 'The ledger before the charge.';
comment on column moothill.privacy_releases.spent_after is 'The ledger after it.';
comment on column moothill.privacy_releases.delta_before is 'Delta in the ledger before the charge.';
comment on column moothill.privacy_releases.delta_after is 'Delta in the ledger after it.';
comment on column moothill.privacy_releases.output is 'Cells and noisy sums as they were given out.';
comment on column moothill.privacy_releases.asked_by is 'The tenant that asked.';
comment on column moothill.privacy_releases.drawn_in is 'The transaction that draws it: no other reads contributions.';
comment on column moothill.privacy_releases.charged_at is 'When it was paid for.';
comment on column moothill.privacy_releases.released_at is 'When it was given out.';

create table moothill.privacy_keys (
  name text not null constraint privacy_keys_pkey primary key,
  secret bytea not null constraint privacy_keys_secret_check check (length(secret) = 32)
);
insert into moothill.privacy_keys (name, secret)
select 'lots', sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()));
-- Update, because whoever charges locks the row.
grant select, update on moothill.privacy_keys to moothill_privacy;

comment on table moothill.privacy_keys is 'The secret by which lots are drawn when a tenant has more cells than it may contribute to. Control table.';
comment on column moothill.privacy_keys.name is 'What it is for.';
comment on column moothill.privacy_keys.secret is 'Random; nobody who could choose labels knows which will be drawn.';

create function moothill.privacy_epoch() returns text
  language sql stable parallel safe
  return to_char(now() at time zone 'UTC', 'YYYY-MM');
comment on function moothill.privacy_epoch() is 'The epoch of this transaction: the calendar month in UTC.';
grant execute on function moothill.privacy_epoch() to moothill_app, moothill_privacy;

create function moothill.privacy_affords(nano_epsilon bigint, nano_rho bigint, pico_delta bigint, epsilon numeric,
                                         delta numeric) returns boolean
  language sql immutable parallel safe
  return case
    when nano_rho = 0 then nano_epsilon <= epsilon * 1e9 and pico_delta <= delta * 1e12
    when delta = 0 then false
    -- Half of delta is kept to turn rho into epsilon: rho + 2 sqrt(rho ln(2 / delta)); one billionth for rounding.
    else pico_delta <= delta * 1e12 / 2
         and nano_epsilon + nano_rho + 1 + 2 * sqrt(1e9 * nano_rho * -ln(delta / 2)) <= epsilon * 1e9
  end;
comment on function moothill.privacy_affords(bigint, bigint, bigint, numeric, numeric) is
  'Whether losses of both kinds together stay within an epsilon and a delta.';
grant execute on function moothill.privacy_affords(bigint, bigint, bigint, numeric, numeric) to moothill_privacy;

create function moothill.privacy_willing(wanted uuid) returns setof uuid
  language sql stable set search_path = pg_catalog, moothill, pg_temp
as $$
  select p.tenant_id
  from privacy_releases r
  join tenant_privacy p
    on p.allow_cross_tenant_learning and p.privacy_level = 'differential'
   and r.tenant_group = any (p.allowed_tenant_groups)
   and p.k_anonymity <= r.k_anonymity and p.noise_magnitude <= r.noise_ratio
  join tenants t
    on t.id = p.tenant_id and t.status = 'active' and t.isolation_level = 'federated'
   and t.created_at <= r.charged_at - r.minimum_age
  where r.id = wanted;
$$;
comment on function moothill.privacy_willing(uuid) is
  'Tenants whose own settings let them take part in a release. Each is decided by its own row and by what is public, so that one tenant more or less changes nothing for the others.';

create function moothill.privacy_contributors(wanted uuid) returns setof uuid
  language sql stable set search_path = pg_catalog, moothill, mt, pg_temp
as $$
  select c.tenant_id
  from privacy_charges c
  join privacy_willing(wanted) w on w = c.tenant_id
  where c.release_id = wanted
    and exists (
      select from privacy_releases r
      where r.id = wanted and r.asked_by = mt.tenant() and r.drawn_in = pg_current_xact_id_if_assigned());
$$;
comment on function moothill.privacy_contributors(uuid) is
  'Who was charged for a release and is still willing; nobody outside of the transaction that draws it.';

create function moothill.privacy_lots(wanted uuid) returns bytea
  language sql stable set search_path = pg_catalog, moothill, pg_temp
as $$
  select sha256(k.secret || convert_to(r.plan || ' ' || r.epoch, 'UTF8'))
  from privacy_keys k
  join privacy_releases r on r.id = wanted
  where k.name = 'lots';
$$;
comment on function moothill.privacy_lots(uuid) is
  'The key by which lots are drawn for a release: one for each plan and epoch, so that a tenant''s cells stay the same all through an epoch, and nobody knows beforehand which.';

create function moothill.privacy_charge(asked jsonb, most bigint, most_delta bigint, patience interval)
  returns table (outcome text, release uuid, spent bigint, cap bigint)
  language plpgsql volatile security definer set search_path = pg_catalog, moothill, mt, pg_temp
as $$
declare
  made privacy_releases := jsonb_populate_record(null::moothill.privacy_releases, asked);
  known privacy_releases;
  ledger privacy_ledgers;
  cost_epsilon bigint := case made.unit when 'epsilon' then made.cost else 0 end;
  cost_rho bigint := case made.unit when 'rho' then made.cost else 0 end;
  member uuid;
begin
  made.tenant_group := (select t.project from tenants t where t.id = mt.tenant() and t.status = 'active');
  if made.tenant_group is null then
    raise insufficient_privilege using message = 'no active tenant';
  end if;
  made.epoch := privacy_epoch();
  -- One charge at a time: a tenant's own budget is touched by releases of several groups.
  perform from privacy_keys k where k.name = 'lots' for update;
  update privacy_releases r set state = 'lost'
  where r.tenant_group = made.tenant_group and r.epoch = made.epoch and r.digest = made.digest
    and r.state = 'charged' and r.charged_at < clock_timestamp() - patience;
  select * into known from privacy_releases r
  where r.tenant_group = made.tenant_group and r.epoch = made.epoch and r.digest = made.digest and r.state <> 'lost';
  if found then
    return query select case known.state when 'released' then 'released' else 'busy' end, known.id, null::bigint, null::bigint;
    return;
  end if;

  insert into privacy_ledgers (tenant_group, family, epoch, unit, spent, cap, spent_delta, cap_delta)
  values (made.tenant_group, made.family, made.epoch, made.unit, 0, most, 0, most_delta)
  on conflict (tenant_group, family, epoch) do nothing;
  update privacy_ledgers l
  set spent = l.spent + made.cost, cap = least(l.cap, most), spent_delta = l.spent_delta + made.cost_delta,
      cap_delta = least(l.cap_delta, most_delta), updated_at = clock_timestamp()
  where l.tenant_group = made.tenant_group and l.family = made.family and l.epoch = made.epoch and l.unit = made.unit
    and l.spent + made.cost <= least(l.cap, most) and l.spent_delta + made.cost_delta <= least(l.cap_delta, most_delta)
  returning * into ledger;
  if not found then
    return query
      select 'exhausted', null::uuid, l.spent, least(l.cap, most) from privacy_ledgers l
      where l.tenant_group = made.tenant_group and l.family = made.family and l.epoch = made.epoch;
    return;
  end if;

  made.state := 'charged';
  made.asked_by := mt.tenant();
  made.charged_at := clock_timestamp();
  made.spent_before := ledger.spent - made.cost;
  made.spent_after := ledger.spent;
  made.delta_before := ledger.spent_delta - made.cost_delta;
  made.delta_after := ledger.spent_delta;
  made.output := null;
  made.drawn_in := null;
  made.released_at := null;
  made.place := 1 + (select count(*) from privacy_releases r
                     where r.tenant_group = made.tenant_group and r.family = made.family and r.epoch = made.epoch);
  insert into privacy_releases select made.*;

  -- Whose own budget does not reach is left out, in silence: that is told to nobody but the tenant itself.
  -- One tenant at a time, so that each statement goes to one place on a cluster.
  for member in select w from privacy_willing(made.id) w loop
    insert into privacy_spending (tenant_id, epoch) values (member, made.epoch)
    on conflict (tenant_id, epoch) do nothing;
    update privacy_spending s
    set nano_epsilon = s.nano_epsilon + cost_epsilon, nano_rho = s.nano_rho + cost_rho,
        pico_delta = s.pico_delta + made.cost_delta
    from tenant_privacy p
    where s.tenant_id = member and s.epoch = made.epoch and p.tenant_id = member
      and privacy_affords(s.nano_epsilon + cost_epsilon, s.nano_rho + cost_rho, s.pico_delta + made.cost_delta,
                          p.epsilon, p.delta);
    if found then
      insert into privacy_charges (tenant_id, release_id) values (member, made.id);
    end if;
  end loop;
  return query select 'charged', made.id, ledger.spent, ledger.cap;
end $$;
comment on function moothill.privacy_charge(jsonb, bigint, bigint, interval) is
  'Pays for a release of the current tenant''s group, or finds the answer that was paid for; nothing is drawn before this has committed.';

create function moothill.privacy_open(wanted uuid) returns boolean
  language sql volatile security definer set search_path = pg_catalog, moothill, mt, pg_temp
as $$
  with opened as (
    update privacy_releases r set drawn_in = pg_current_xact_id()
    where r.id = wanted and r.asked_by = mt.tenant() and r.state = 'charged' and r.drawn_in is null
    returning r.id
  )
  select exists (select from opened);
$$;
comment on function moothill.privacy_open(uuid) is
  'Begins to draw a release that was paid for, once: only this transaction reads contributions to it.';

create function moothill.privacy_labels(wanted uuid) returns table (contributor integer, cell text, amounts integer[])
  language sql stable security definer set search_path = pg_catalog, moothill, pg_temp
as $$
  with held as (
    select distinct c.tenant_id, c.canonical_name as cell
    from privacy_contributors(wanted) w
    join capabilities c on c.tenant_id = w and c.validation_status <> 'rejected'
    join agents a on a.tenant_id = c.tenant_id and a.id = c.agent_id and a.deactivated_at is null
  ), drawn as (
    select h.tenant_id, h.cell,
           row_number() over (partition by h.tenant_id
                              order by sha256(k.lots || uuid_send(h.tenant_id) || convert_to(h.cell, 'UTF8'))) as place,
           sha256(k.lots || uuid_send(h.tenant_id)) as lot
    from held h
    cross join privacy_lots(wanted) k (lots)
  )
  select (dense_rank() over (order by d.lot))::integer, d.cell, array[1]
  from drawn d
  join privacy_releases r on r.id = wanted
  where d.place <= r.per_tenant;
$$;
comment on function moothill.privacy_labels(uuid) is
  'Contributions to the plan capability_labels: 1 from each tenant to each of a few of its labels, chosen by lot.';

create function moothill.privacy_success(wanted uuid) returns table (contributor integer, cell text, amounts integer[])
  language sql stable security definer set search_path = pg_catalog, moothill, pg_temp
as $$
  with held as (
    select l.tenant_id, l.label as cell, sum(c.demonstration_count) as attempts, sum(c.success_total) as successes
    from privacy_releases r
    cross join privacy_contributors(wanted) w
    join capability_labels l on l.tenant_id = w and l.kind = 'name' and l.label = any (r.cells)
    join capabilities c on c.tenant_id = l.tenant_id and c.id = l.capability_id and c.validation_status <> 'rejected'
    join agents a on a.tenant_id = c.tenant_id and a.id = c.agent_id and a.deactivated_at is null
    where r.id = wanted
    group by l.tenant_id, l.label
    having sum(c.demonstration_count) > 0
  ), drawn as (
    select h.tenant_id, h.cell, least(h.attempts, r.largest) as counted, h.attempts, h.successes,
           row_number() over (partition by h.tenant_id
                              order by sha256(k.lots || uuid_send(h.tenant_id) || convert_to(h.cell, 'UTF8'))) as place,
           sha256(k.lots || uuid_send(h.tenant_id)) as lot
    from held h
    cross join privacy_lots(wanted) k (lots)
    join privacy_releases r on r.id = wanted
  ), bounded as (
    select d.lot, d.cell, d.counted,
           greatest(0, least(d.counted, floor(d.successes * d.counted / d.attempts + 0.5))) as succeeded
    from drawn d
    join privacy_releases r on r.id = wanted
    where d.place <= r.per_tenant
  )
  select (dense_rank() over (order by b.lot))::integer, b.cell,
         array[b.succeeded::integer, (b.counted - b.succeeded)::integer]
  from bounded b;
$$;
comment on function moothill.privacy_success(uuid) is
  'Contributions to the plan capability_success: successes and failures, together at most the largest amount, from each tenant to each of a few labels.';

create function moothill.privacy_close(wanted uuid, result jsonb, said_by text, request uuid) returns timestamptz
  language plpgsql volatile security definer set search_path = pg_catalog, moothill, mt, pg_temp
as $$
declare
  moment timestamptz := clock_timestamp();
  made privacy_releases := (select r from privacy_releases r where r.id = wanted);
  member uuid;
begin
  for member in select w from privacy_contributors(wanted) w loop
    insert into access_log (tenant_id, id, accessor, kind, data_class, operation, query_digest, actor, actor_kind,
                            actor_name, request)
    values (member, (left(mt.uuid7_floor(moment)::text, 24) || right(gen_random_uuid()::text, 12))::uuid, mt.tenant(),
            'federated', made.data_class, 'privacy.release', made.digest, mt.actor(), mt.actor_kind(), said_by, request);
  end loop;
  update privacy_releases r set state = 'released', output = result, released_at = moment
  where r.id = wanted and r.asked_by = mt.tenant() and r.state = 'charged'
    and r.drawn_in = pg_current_xact_id_if_assigned();
  if not found then
    raise insufficient_privilege using message = 'this release is not being drawn';
  end if;
  return moment;
end $$;
comment on function moothill.privacy_close(uuid, jsonb, text, uuid) is
  'Keeps what was drawn, and tells each contributor in its own access log.';

create function moothill.privacy_release_one(wanted uuid) returns setof moothill.privacy_releases
  language sql stable security definer set search_path = pg_catalog, moothill, mt, pg_temp
as $$
  select r.* from privacy_releases r
  join tenants t on t.id = mt.tenant() and t.project = r.tenant_group
  where r.id = wanted;
$$;
comment on function moothill.privacy_release_one(uuid) is 'One release of the current tenant''s group.';

create function moothill.privacy_releases_page(before uuid, month text, size integer)
  returns setof moothill.privacy_releases
  language sql stable security definer set search_path = pg_catalog, moothill, mt, pg_temp
as $$
  select r.* from privacy_releases r
  join tenants t on t.id = mt.tenant() and t.project = r.tenant_group
  where r.id < before and (month is null or r.epoch = month)
  order by r.id desc
  limit size;
$$;
comment on function moothill.privacy_releases_page(uuid, text, integer) is
  'Releases of the current tenant''s group, newest first.';

create function moothill.privacy_ledgers_page(size integer) returns setof moothill.privacy_ledgers
  language sql stable security definer set search_path = pg_catalog, moothill, mt, pg_temp
as $$
  select l.* from privacy_ledgers l
  join tenants t on t.id = mt.tenant() and t.project = l.tenant_group
  order by l.epoch desc, l.family
  limit size;
$$;
comment on function moothill.privacy_ledgers_page(integer) is 'Ledgers of the current tenant''s group, newest epoch first.';

alter function moothill.privacy_willing(uuid) owner to moothill_privacy;
alter function moothill.privacy_contributors(uuid) owner to moothill_privacy;
alter function moothill.privacy_lots(uuid) owner to moothill_privacy;
select mt.lend(oid::regprocedure, 'moothill_privacy')
from pg_proc
where pronamespace = 'moothill'::regnamespace
  and proname in ('privacy_charge', 'privacy_open', 'privacy_labels', 'privacy_success', 'privacy_close',
                  'privacy_release_one', 'privacy_releases_page', 'privacy_ledgers_page');

-- What the plans and the conditions read of all tenants, and nothing more.
create policy privacy_rows on moothill.tenants for select to moothill_privacy using (true);
grant select (id, project, status, isolation_level, created_at) on moothill.tenants to moothill_privacy;
create policy privacy_rows on moothill.agents for select to moothill_privacy using (true);
grant select (tenant_id, id, deactivated_at) on moothill.agents to moothill_privacy;
create policy privacy_rows on moothill.capabilities for select to moothill_privacy using (true);
grant select (tenant_id, id, agent_id, canonical_name, validation_status, demonstration_count, success_total)
  on moothill.capabilities to moothill_privacy;
create policy privacy_rows on moothill.capability_labels for select to moothill_privacy using (true);
grant select (tenant_id, kind, label, capability_id) on moothill.capability_labels to moothill_privacy;
create policy privacy_rows on moothill.access_log for insert to moothill_privacy with check (true);
grant insert on moothill.access_log to moothill_privacy;
