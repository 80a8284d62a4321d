-- name: register
-- Register a service account.
-- returns: one
-- errors: 23505 account_exists
insert into service_accounts (tenant_id, id, name, description, scopes, made_by, made_by_name)
values (%(tenant)s, %(id)s, %(name)s, %(description)s, %(scopes)s::text[], %(made_by)s, %(made_by_name)s)
returning {account};

-- name: page
-- Service accounts in the order in which they were registered.
-- returns: many
select {account}
from service_accounts
where tenant_id = %(tenant)s and id > %(after)s and (%(deactivated)s or deactivated_at is null)
order by id
limit %(size)s;

-- name: update
-- Change a service account in use, if it still has the version that was read; null leaves a field as it is.
-- returns: maybe
-- errors: 23505 account_exists
update service_accounts
set name = coalesce(%(name)s, name),
    description = coalesce(%(description)s, description),
    scopes = coalesce(%(scopes)s::text[], scopes),
    updated_at = now(),
    version = version + 1
where tenant_id = %(tenant)s and id = %(id)s and version = %(version)s and deactivated_at is null
returning {account};

-- name: deactivate
-- Deactivate a service account in use.
-- returns: maybe
update service_accounts
set deactivated_at = now(), updated_at = now(), version = version + 1
where tenant_id = %(tenant)s and id = %(id)s and deactivated_at is null
returning {account};

-- name: revoke_keys
-- Revoke its live keys.
-- returns: many
select id
from gate_keys_revoke(%(id)s, null, null);

-- name: count_keys
-- How many live keys it has.
-- returns: one
select coalesce((select total from gate_keys_doomed(%(id)s, null, null, 1)), 0) as keys;
