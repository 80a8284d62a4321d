-- name: schema
-- What the role for SQL of agents may read: the grants are the one list of it.
-- returns: many
select c.relname::text as relation,
       case c.relkind when 'v' then 'view' else 'table' end as kind,
       coalesce(obj_description(c.oid, 'pg_class'), '') as relation_comment,
       a.attname::text as name,
       format_type(a.atttypid, a.atttypmod) as type,
       coalesce(col_description(c.oid, a.attnum), '') as comment
from pg_catalog.pg_class c
join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
where c.relnamespace = 'moothill'::regnamespace and c.relkind in ('r', 'p', 'v') and not c.relispartition
  and a.attname <> 'tenant_id'
  and has_column_privilege('moothill_sql', c.oid, a.attnum, 'select')
order by c.relname, a.attnum;
