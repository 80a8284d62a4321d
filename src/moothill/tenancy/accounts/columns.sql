-- let: account
-- The columns of a service account.
id, name, description, scopes, made_by, made_by_name, created_at, updated_at, deactivated_at, version
