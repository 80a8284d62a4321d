-- name: put
-- Write one row of the idempotency table, the only table every tenant may write to from the start.
-- returns: run
insert into idempotency_keys (tenant_id, actor, operation, key, digest)
values (%(tenant)s, %(tenant)s, 'probe', %(key)s, 'x')
on conflict (tenant_id, actor, operation, key) do update set digest = excluded.digest;

-- name: count
-- How many there are.
-- returns: one
select count(*) from idempotency_keys where tenant_id = %(tenant)s and operation = 'probe';

-- name: sleep
-- Take ten seconds.
-- returns: run
select pg_sleep(10);
