-- let: settings
privacy_level, noise_magnitude, k_anonymity, epsilon, delta, allow_cross_tenant_learning, allowed_tenant_groups, version,
updated_at

-- let: release
id, tenant_group, family, epoch, place, state, query, plan, cells, per_tenant, largest, k_anonymity, mechanism, library,
scale, threshold, epsilon, delta, unit, cost, cost_delta, spent_before, spent_after, delta_before, delta_after, output,
charged_at, released_at

-- name: settings
-- What this tenant allows to be learnt from it; no row before it first said so.
-- returns: maybe
select {settings}
from tenant_privacy
where tenant_id = %(tenant)s;

-- name: settings_begin
-- The first settings of this tenant; no row when it has some.
-- returns: maybe
insert into tenant_privacy (tenant_id, privacy_level, noise_magnitude, k_anonymity, epsilon, delta,
                            allow_cross_tenant_learning, allowed_tenant_groups, updated_at)
values (%(tenant)s, %(privacy_level)s, %(noise_magnitude)s, %(k_anonymity)s, %(epsilon)s, %(delta)s,
        %(allow_cross_tenant_learning)s, %(allowed_tenant_groups)s::text[], now())
on conflict (tenant_id) do nothing
returning {settings};

-- name: settings_change
-- Other settings of this tenant; no row when it has none, or its version is another.
-- returns: maybe
update tenant_privacy
set privacy_level = %(privacy_level)s, noise_magnitude = %(noise_magnitude)s, k_anonymity = %(k_anonymity)s,
    epsilon = %(epsilon)s, delta = %(delta)s, allow_cross_tenant_learning = %(allow_cross_tenant_learning)s,
    allowed_tenant_groups = %(allowed_tenant_groups)s::text[], version = version + 1, updated_at = now()
where tenant_id = %(tenant)s and version = %(version)s
returning {settings};

-- name: own_budget
-- What releases of this epoch have cost this tenant of its own epsilon and delta.
-- returns: one
select privacy_epoch() as epoch, coalesce(sum(nano_epsilon), 0)::bigint as nano_epsilon,
       coalesce(sum(nano_rho), 0)::bigint as nano_rho, coalesce(sum(pico_delta), 0)::bigint as pico_delta
from privacy_spending
where tenant_id = %(tenant)s and epoch = privacy_epoch();

-- name: here
-- The group of this tenant, and the epoch.
-- returns: one
select project as group, privacy_epoch() as epoch
from tenants
where id = %(tenant)s;

-- name: charge
-- Pay for a release, or find the answer that was paid for.
-- returns: one
select outcome, release, spent, cap
from privacy_charge(%(asked)s::jsonb, %(most)s, %(most_delta)s, %(patience)s::interval);

-- name: open_
-- Begin to draw a release that was paid for; false when it was drawn, or given up.
-- returns: one
select privacy_open(%(release)s) as opened;

-- name: labels
-- Contributions to the plan capability_labels, within the transaction that draws.
-- returns: many
select contributor, cell, amounts
from privacy_labels(%(release)s);

-- name: success
-- Contributions to the plan capability_success, within the transaction that draws.
-- returns: many
select contributor, cell, amounts
from privacy_success(%(release)s);

-- name: close
-- Keep what was drawn, and tell each contributor in its access log.
-- returns: one
select privacy_close(%(release)s, %(output)s::jsonb, %(said_by)s, %(request)s) as released_at;

-- name: release
-- One release of this tenant's group.
-- returns: one
select {release}
from privacy_release_one(%(release)s);

-- name: releases
-- Releases of this tenant's group, newest first.
-- returns: many
select {release}
from privacy_releases_page(%(before)s, %(epoch)s::text, %(size)s);

-- name: ledgers
-- Ledgers of this tenant's group, newest epoch first.
-- returns: many
select tenant_group, family, epoch, unit, spent, cap, spent_delta, cap_delta
from privacy_ledgers_page(%(size)s);

-- name: histogram
-- Agents by a column, and by whether they were deactivated.
-- returns: many
select case %(column)s::text
         when 'type' then type
         when 'status' then status
         when 'tier' then tier
         else model_family
       end as value,
       deactivated_at is null as live, count(*) as agents
from agents
where tenant_id = %(tenant)s
group by 1, 2
order by 1, 2;
