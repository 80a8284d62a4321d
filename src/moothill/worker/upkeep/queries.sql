-- name: months_ahead
-- Make this and the next month's partition of every history; the names of those made.
-- returns: one
select jobs_months_ahead() as made;

-- name: long_transactions
-- Transactions with writes, of this role or prepared, that have run for long: they hold the feed back.
-- returns: many
select format('%s (process %s, %s)', nullif(application_name, ''), pid, state) as who,
       (extract(epoch from clock_timestamp() - xact_start) / 60)::double precision as minutes
from pg_stat_activity
where datname = current_database() and usename = current_user and backend_xid is not null
  and xact_start < clock_timestamp() - make_interval(secs => %(seconds)s::double precision)
union all
select format('prepared transaction %s', gid), (extract(epoch from clock_timestamp() - prepared) / 60)::double precision
from pg_prepared_xacts
where prepared < clock_timestamp() - make_interval(secs => %(seconds)s::double precision)
order by minutes desc
limit 20;

-- name: hit_defaults
-- Histories whose default partition holds, or held, rows.
-- returns: many
select parent.relname::text as name
from pg_partitioned_table t
join pg_class parent on parent.oid = t.partrelid
where parent.relnamespace = 'moothill'::regnamespace and t.partstrat = 'r' and t.partdefid <> 0
  and pg_relation_size(t.partdefid) > 0
order by 1;
