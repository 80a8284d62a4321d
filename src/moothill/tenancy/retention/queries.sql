-- let: hold
id, agent_id as agent, reason, placed_by, placed_by_name, by_platform, placed_at, released_at, released_by

-- let: archive
id, class as data_class, file, rows, bytes, sha256, digest, state, first_at, last_at, made_at

-- name: classes
-- Every class with what holds for it in this tenant, and its lag.
-- returns: many
select name, relation, action, days, is_own, least_days, actions, purpose, oldest, overdue from jobs_retention_state();

-- name: decide
-- Decide what happens to a class.
-- returns: one
insert into retention_policies as p (tenant_id, class, action, days, set_by)
values (%(tenant)s, %(data_class)s, %(action)s, %(days)s, %(actor)s)
on conflict (tenant_id, class) do update
  set action = excluded.action, days = excluded.days, set_by = excluded.set_by, set_at = now(), version = p.version + 1
returning class;

-- name: undecide
-- Go back to the default; no row where it holds already.
-- returns: maybe
delete from retention_policies where tenant_id = %(tenant)s and class = %(data_class)s returning class;

-- name: lock
-- Wait until nobody removes rows of this tenant, and let nobody begin, until this transaction ends.
-- returns: run
select mt.lock_retention(%(tenant)s, true);

-- name: place
-- Place a hold; no row when the tenant, or the agent, is being erased.
-- returns: maybe
insert into legal_holds (tenant_id, id, agent_id, reason, placed_by, placed_by_name, by_platform)
select %(tenant)s, %(id)s, %(agent)s, %(reason)s, %(actor)s, %(actor_name)s, %(by_platform)s
where not jobs_is_erased(%(agent)s)
returning {hold};

-- name: release
-- Release a hold; no row when it stands no more, or is the platform's and who asks is not.
-- returns: maybe
update legal_holds
set released_at = now(), released_by = %(actor)s
where tenant_id = %(tenant)s and id = %(id)s and released_at is null and (not by_platform or %(by_platform)s)
returning {hold};

-- name: hold
-- One hold, whether it stands or not.
-- returns: maybe
select {hold} from legal_holds where tenant_id = %(tenant)s and id = %(id)s;

-- name: holds
-- Holds, oldest first.
-- returns: many
select {hold} from legal_holds
where tenant_id = %(tenant)s and id > %(after)s and (%(released)s or released_at is null)
order by id
limit %(size)s;

-- name: archives
-- The manifest, oldest first.
-- returns: many
select {archive} from retention_archives
where tenant_id = %(tenant)s and id > %(after)s and (%(data_class)s::text is null or class = %(data_class)s)
order by id
limit %(size)s;
