-- name: match
-- The service account of an id, else of a name; of several with a name, the one in use.
-- returns: maybe
select {account}
from service_accounts
where tenant_id = %(tenant)s and (name = %(reference)s or id::text = lower(%(reference)s))
order by id::text = lower(%(reference)s) desc, deactivated_at desc nulls first
limit 1;
