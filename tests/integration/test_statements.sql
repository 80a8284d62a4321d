-- name: numbers
-- As many rows as asked for, from one.
-- returns: many
select n from generate_series(1, %(last)s) n;

-- name: only
-- One row, if asked for one.
-- returns: one
select n from generate_series(1, %(last)s) n;

-- name: perhaps
-- A row or none, if not asked for more.
-- returns: maybe
select n as number, 'x' as name from generate_series(1, %(last)s) n;

-- name: put
-- A row of the idempotency table.
-- returns: run
-- errors: 23505 conflict, 23514 invalid_arguments
insert into idempotency_keys (tenant_id, actor, operation, key, digest)
values (%(tenant)s, %(tenant)s, 'statements', %(key)s, 'x');

-- name: divide
-- Fails without a declared error.
-- returns: run
select 1 / %(by)s::int;
