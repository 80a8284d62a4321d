-- name: match
-- The tenant of a slug or id, seen from above all tenants.
-- returns: maybe
select id, slug, project, name, status, status_reason, isolation_level, version, created_at, updated_at
from gate_tenants_match(%(reference)s);

-- name: page
-- Tenants in the order of their slugs.
-- returns: many
select id, slug, project, name, status, status_reason, isolation_level, version, created_at, updated_at
from gate_tenants_page(%(after)s, %(status)s, %(size)s);

-- name: create
-- Make a tenant.
-- returns: one
-- errors: 23505 tenant_exists
select id, slug, project, name, status, status_reason, isolation_level, version, created_at, updated_at
from gate_tenant_create(%(id)s, %(slug)s, %(project)s, %(name)s);

-- name: move
-- Move a tenant from one status to another; no row when it was not in the first.
-- returns: maybe
select id, slug, project, name, status, status_reason, isolation_level, version, created_at, updated_at
from gate_tenant_status(%(id)s, %(old)s, %(new)s, %(reason)s);
