-- name: forced_row_security
-- 1 and 6: row security is enabled and forced on every tenant table and every partition.
-- against: a statement that forgot its tenant and reads every tenant's rows.
select format('%s has no forced row security', c.oid::regclass) as fault
from pg_class c
where c.relnamespace = 'moothill'::regnamespace and c.relkind in ('r', 'p')
  and exists (select from pg_attribute a where a.attrelid = c.oid and a.attname = 'tenant_id' and not a.attisdropped)
  and not (c.relrowsecurity and c.relforcerowsecurity)
  and (has_any_column_privilege('moothill_app', c.oid, 'select, insert, update, references')
       or has_table_privilege('moothill_app', c.oid, 'select, insert, update, delete')
       or c.relispartition)
union all
select format('%s has no forced row security', 'moothill.tenants'::regclass)
from pg_class c
where c.oid = 'moothill.tenants'::regclass and not (c.relrowsecurity and c.relforcerowsecurity);

-- name: powerless_app
-- 2: no serving role is superuser, bypasses row security, owns anything or belongs to a role that does.
-- against: a hole in the service that becomes a hole in the database.
select format('role %s has too much power through %s', s.rolname, r.rolname) as fault
from pg_roles s
join pg_roles r on pg_has_role(s.oid, r.oid, 'member')
where s.rolname in ('moothill_app', 'moothill_readonly', 'moothill_auditor', 'moothill_sql')
  and (r.rolsuper or r.rolbypassrls or r.rolcreaterole or r.rolcreatedb
       or r.rolname in ('moothill_owner', 'moothill_migrator', 'moothill_search', 'moothill_gate', 'moothill_relay',
                        'moothill_jobs', 'moothill_privacy')
       or exists (select from pg_class c where c.relowner = r.oid and c.relnamespace = 'moothill'::regnamespace));

-- name: known_classes
-- A table that a serving role reaches is a tenant's, by its tenant_id, or one of the few known to belong to nobody.
-- The name of the record of migrations is a setting; the self-check puts it in.
-- against: a new table that nobody decided about, open to all tenants.
select format('%s has no tenant_id and is no known reference table', c.oid::regclass) as fault
from pg_class c
where c.relnamespace = 'moothill'::regnamespace and c.relkind in ('r', 'p', 'f')
  and c.relname not in ('tenants', 'incarnations', 'embedding_models', 'retention_classes', 'schema_migrations')
  and not exists (select from pg_attribute a where a.attrelid = c.oid and a.attname = 'tenant_id' and not a.attisdropped)
  and exists (
    select from pg_roles r
    where r.rolname in ('moothill_app', 'moothill_readonly', 'moothill_auditor', 'moothill_sql')
      and (has_any_column_privilege(r.oid, c.oid, 'select, insert, update, references')
           or has_table_privilege(r.oid, c.oid, 'delete, truncate, trigger')));

-- name: bound_owner
-- 3: the owner and the definer roles cannot log in, are no superusers and do not bypass row security.
-- against: somebody who signs in as an owner and walks past every policy.
select format('role %s is too powerful', rolname) as fault
from pg_roles
where rolname in ('moothill_owner', 'moothill_search', 'moothill_gate', 'moothill_relay', 'moothill_jobs', 'moothill_privacy')
  and (rolsuper or rolbypassrls or rolcreaterole or rolcreatedb
       or (rolcanlogin and to_regclass('pg_catalog.pg_dist_partition') is null))
union all
select format('%s belongs to %s instead of moothill_owner', c.oid::regclass, c.relowner::regrole)
from pg_class c
where c.relnamespace = 'moothill'::regnamespace and c.relkind in ('r', 'p', 'v')
  and c.relowner <> 'moothill_owner'::regrole;

-- name: invoker_views
-- 4: views run with the rights of who asks, behind a barrier.
-- against: a view that shows its owner's rows to whoever asks.
select format('view %s lacks security_invoker or security_barrier', c.oid::regclass) as fault
from pg_class c
where c.relnamespace = 'moothill'::regnamespace and c.relkind = 'v'
  and not (coalesce(c.reloptions, '{}') @> '{security_invoker=true}'
           and coalesce(c.reloptions, '{}') @> '{security_barrier=true}');

-- name: no_materialised_views
-- 5: materialised views ignore row security, so there are none.
-- against: a copy of rows that row security does not reach.
select format('%s is a materialised view', c.oid::regclass) as fault
from pg_class c
where c.relnamespace = 'moothill'::regnamespace and c.relkind = 'm';

-- name: closed_partitions
-- 6: nobody reaches a partition past its parent.
-- against: a way around the policies by a partition's own name.
select format('%s may reach partition %s directly', r.rolname, c.oid::regclass) as fault
from pg_class c
cross join pg_roles r
where c.relnamespace = 'moothill'::regnamespace and c.relispartition
  and r.rolname in ('moothill_app', 'moothill_readonly', 'moothill_auditor', 'moothill_sql')
  and has_table_privilege(r.oid, c.oid, 'select, insert, update, delete, truncate');

-- name: stable_accessor
-- 7 and 8: the tenant accessor is stable, never immutable, and reads an empty setting as no tenant.
-- against: a plan kept from one tenant that answers another, and a policy that compares with something else.
select format('function %s is not a stable reader of the setting', p.oid::regprocedure) as fault
from pg_proc p
where p.oid in ('mt.tenant()'::regprocedure, 'mt.actor()'::regprocedure)
  and (p.provolatile <> 's' or p.prosecdef or mt.tenant() is not null and current_setting('app.current_tenant', true) = '')
union all
select format('policy %s on %s does not compare with mt.tenant()', polname, polrelid::regclass)
from pg_policy
where polrelid in (select oid from pg_class where relnamespace = 'moothill'::regnamespace)
  and polname in ('tenant_rows', 'tenant_floor')
  and (coalesce(pg_get_expr(polqual, polrelid), '') !~ '^\((tenant_id|id) = mt\.tenant\(\)\)$'
       or coalesce(pg_get_expr(polwithcheck, polrelid), '') !~ '^\((tenant_id|id) = mt\.tenant\(\)\)$');

-- name: floor_and_one_policy
-- 11: every protected table has the restrictive floor, and nothing permissive beside the tenant's policy.
-- against: a careless second policy that opens what the first one closed.
select format('%s lacks the policy %s', c.oid::regclass, wanted.name) as fault
from pg_class c
cross join (values ('tenant_rows'), ('tenant_floor')) as wanted (name)
where c.relnamespace = 'moothill'::regnamespace and c.relrowsecurity
  and not exists (
    select from pg_policy p
    where p.polrelid = c.oid and p.polname = wanted.name and p.polcmd = '*'
      and p.polpermissive = (wanted.name = 'tenant_rows')
      and p.polroles @> array['moothill_app'::regrole::oid, 'moothill_readonly'::regrole::oid,
                              'moothill_auditor'::regrole::oid])
union all
select format('%s has the permissive policy %s for a serving role', p.polrelid::regclass, p.polname)
from pg_policy p
join pg_class c on c.oid = p.polrelid
where c.relnamespace = 'moothill'::regnamespace and p.polpermissive and p.polname <> 'tenant_rows'
  and (p.polroles && array['moothill_app'::regrole::oid, 'moothill_readonly'::regrole::oid,
                           'moothill_auditor'::regrole::oid, 0::oid]);

-- name: tenant_keys
-- 12: every unique index of a tenant table starts with tenant_id.
-- against: a clash of keys that tells one tenant what another one has.
select format('%s is unique across tenants', i.indexrelid::regclass) as fault
from pg_index i
join pg_class c on c.oid = i.indrelid
join pg_attribute a on a.attrelid = c.oid and a.attname = 'tenant_id' and not a.attisdropped
where c.relnamespace = 'moothill'::regnamespace and c.relrowsecurity and i.indisunique and i.indkey[0] <> a.attnum;

-- name: tenant_references
-- 13: a foreign key between tenant tables carries tenant_id on both sides.
-- against: a row that refers to another tenant's, and so tells whether it exists.
select format('%s refers from %s to %s without the tenant', k.conname, k.conrelid::regclass, k.confrelid::regclass) as fault
from pg_constraint k
join pg_class c on c.oid = k.conrelid and c.relnamespace = 'moothill'::regnamespace and c.relrowsecurity
join pg_class f on f.oid = k.confrelid and f.relrowsecurity and f.oid <> 'moothill.tenants'::regclass
where k.contype = 'f'
  and not exists (
    select from unnest(k.conkey, k.confkey) as pair (mine, theirs)
    join pg_attribute a on a.attrelid = k.conrelid and a.attnum = pair.mine and a.attname = 'tenant_id'
    join pg_attribute b on b.attrelid = k.confrelid and b.attnum = pair.theirs and b.attname = 'tenant_id');

-- name: narrow_privileges
-- 14: serving roles hold no TRUNCATE, REFERENCES or TRIGGER, and the public holds nothing.
-- against: a service that empties a table, or looks into rows through a reference or a trigger.
select format('%s holds too much on %s', r.rolname, c.oid::regclass) as fault
from pg_class c
cross join pg_roles r
where c.relnamespace = 'moothill'::regnamespace and c.relkind in ('r', 'p', 'v')
  and r.rolname in ('moothill_app', 'moothill_readonly', 'moothill_auditor', 'moothill_sql')
  and (has_table_privilege(r.oid, c.oid, 'truncate, references, trigger')
       or r.rolname <> 'moothill_app' and has_table_privilege(r.oid, c.oid, 'insert, update, delete'))
union all
select format('the public holds %s on %s', acl.privilege_type, c.oid::regclass)
from pg_class c
cross join lateral aclexplode(c.relacl) as acl
where c.relnamespace = 'moothill'::regnamespace and acl.grantee = 0;

-- name: tame_definers
-- 15: definer functions belong to the listed roles, fix their search path with pg_temp last, and are closed to the public.
-- against: a function with lent rights that is tricked into calling somebody else's code.
select format('definer function %s is loose', p.oid::regprocedure) as fault
from pg_proc p
where p.pronamespace in ('moothill'::regnamespace, 'mt'::regnamespace) and p.prosecdef
  and (p.proowner not in ('moothill_owner'::regrole, 'moothill_search'::regrole, 'moothill_gate'::regrole,
                          'moothill_relay'::regrole, 'moothill_jobs'::regrole, 'moothill_privacy'::regrole)
       or not exists (select from unnest(coalesce(p.proconfig, '{}')) as setting
                      where setting ~ '^search_path=pg_catalog,.*pg_temp$')
       or has_function_privilege('public', p.oid, 'execute'));

-- name: no_temporary_objects
-- 16: serving roles can make neither temporary objects nor objects in a schema.
-- against: an object of an attacker that is found in place of ours.
select format('%s may create objects in %s', r.rolname, coalesce(n.nspname, 'the database')) as fault
from pg_roles r
left join pg_namespace n
  on n.nspname in ('public', 'moothill', 'mt') and has_schema_privilege(r.oid, n.oid, 'create')
where r.rolname in ('moothill_app', 'moothill_readonly', 'moothill_auditor', 'moothill_sql')
  and (n.oid is not null or has_database_privilege(r.oid, current_database(), 'temporary, create'));

-- name: proved_rows
-- 18: untrusted SQL sees a row where its tenant is proved: by a policy, by a floor under it, and by nothing beside them.
-- against: SQL of an agent that names another tenant and is believed.
select format('%s lacks the policy %s for untrusted SQL', c.oid::regclass, wanted.name) as fault
from pg_class c
cross join (values ('proved_rows', 'r'), ('proved_floor', '*')) as wanted (name, command)
where c.relnamespace = 'moothill'::regnamespace and c.relrowsecurity
  and not exists (
    select from pg_policy p
    where p.polrelid = c.oid and p.polname = wanted.name and p.polcmd::text = wanted.command
      and p.polpermissive = (wanted.name = 'proved_rows') and p.polroles = array['moothill_sql'::regrole::oid]
      and pg_get_expr(p.polqual, p.polrelid)
          ~ '^\((tenant_id|id) = (\( SELECT mt\.proved_tenant\(\) AS proved_tenant\)|mt\.proved_tenant\(\))\)$')
union all
select format('%s has the permissive policy %s for untrusted SQL', p.polrelid::regclass, p.polname)
from pg_policy p
join pg_class c on c.oid = p.polrelid
where c.relnamespace = 'moothill'::regnamespace and p.polpermissive and p.polname <> 'proved_rows'
  and p.polroles && array['moothill_sql'::regrole::oid, 0::oid];

-- name: proving_function
-- 18: what proves a tenant is a stable function of the gate's, and nobody beside the gate and the owner reads its keys.
-- against: a proof of a tenant that somebody made up.
select 'function mt.proved_tenant() is not the gate''s own' as fault
where not exists (
  select from pg_proc p
  where p.oid = 'mt.proved_tenant()'::regprocedure and p.prosecdef and p.provolatile = 's'
    and p.proowner = 'moothill_gate'::regrole and p.prosrc ~ 'from moothill\.context_keys')
union all
select 'function moothill.sql_enter() is not the gate''s own'
where not exists (
  select from pg_proc p
  where p.oid = 'moothill.sql_enter(text, integer)'::regprocedure and p.prosecdef
    and p.proowner = 'moothill_gate'::regrole and p.prosrc ~ 'from moothill\.context_keys')
union all
select format('%s reaches the keys that prove tenants', r.rolname)
from pg_roles r
where not r.rolsuper and r.rolname not in ('moothill_owner', 'moothill_gate') and r.rolname !~ '^pg_'
  and (has_any_column_privilege(r.oid, 'moothill.context_keys', 'select, insert, update, references')
       or has_table_privilege(r.oid, 'moothill.context_keys', 'delete, truncate, trigger'));

-- name: narrow_sql
-- 18: untrusted SQL reads what row security binds, or views that ask as their reader; it calls what frames it alone.
-- against: SQL of an agent that reads what row security does not bind.
select format('moothill_sql may read %s', c.oid::regclass) as fault
from pg_class c
where c.relnamespace in ('moothill'::regnamespace, 'mt'::regnamespace) and c.relkind in ('r', 'p', 'v', 'm', 'f')
  and has_any_column_privilege('moothill_sql', c.oid, 'select')
  and not (c.relkind in ('r', 'p') and c.relrowsecurity and c.relforcerowsecurity and not c.relispartition
           or c.relkind = 'v' and coalesce(c.reloptions, '{}') @> '{security_invoker=true}')
union all
select format('moothill_sql may call %s', p.oid::regprocedure)
from pg_proc p
join pg_namespace n on n.oid = p.pronamespace
where n.nspname in ('moothill', 'mt') and has_function_privilege('moothill_sql', p.oid, 'execute')
  and format('%s.%s', n.nspname, p.proname) not in ('mt.proved_tenant', 'moothill.sql_enter', 'moothill.sql_price',
                                                   'moothill.sql_line');

-- name: bounded_sql
-- 18: the role for untrusted SQL belongs to no other role; it reads only, within limits, and finds no name of ours.
-- against: SQL of an agent that writes, or that takes the whole machine.
select format('moothill_sql belongs to %s', m.roleid::regrole) as fault
from pg_auth_members m
where m.member = 'moothill_sql'::regrole
union all
select 'moothill_sql may open any number of connections'
from pg_roles r
where r.rolname = 'moothill_sql' and r.rolconnlimit = -1
union all
select format('moothill_sql has lost its setting %s', wanted.name)
from (values ('search_path', '^pg_catalog$'), ('default_transaction_read_only', '^on$'),
             ('standard_conforming_strings', '^on$'), ('statement_timeout', '^[1-9]'), ('lock_timeout', '^[1-9]'),
             ('idle_in_transaction_session_timeout', '^[1-9]'), ('work_mem', '^[1-9]')) as wanted (name, value)
where not exists (
  select from pg_db_role_setting s
  cross join unnest(s.setconfig) as setting
  where s.setrole = 'moothill_sql'::regrole
    and s.setdatabase = (select d.oid from pg_database d where d.datname = current_database())
    and split_part(setting, '=', 1) = wanted.name
    and substr(setting, length(wanted.name) + 2) ~ wanted.value);

-- name: no_default_privileges
-- 23: nobody is granted tables that do not exist yet.
-- against: a table of tomorrow that is open before anybody looked at it.
select format('default privileges of %s grant to others', d.defaclrole::regrole) as fault
from pg_default_acl d
cross join lateral aclexplode(d.defaclacl) as acl
where d.defaclnamespace in ('moothill'::regnamespace, 'mt'::regnamespace) and d.defaclobjtype in ('r', 'S')
  and acl.grantee <> d.defaclrole;

-- name: append_only_logs
-- What was logged is neither changed nor taken back by any role: a trigger on the rows, and one on the whole of each part.
-- against: somebody who covers their tracks.
select format('%s may be rewritten: it lacks %s', c.oid::regclass, wanted.name) as fault
from (values ('moothill.events'::regclass), ('moothill.access_log'::regclass)) as log (id)
join lateral (select log.id as oid union all select i.inhrelid from pg_inherits i where i.inhparent = log.id) c on true
cross join (values ('keep_rows', 27), ('keep_whole', 34)) as wanted (name, kind)
where not exists (
  select from pg_trigger t
  where t.tgrelid = c.oid and t.tgname = wanted.name and t.tgtype = wanted.kind and t.tgenabled in ('O', 'A')
    and t.tgfoid = 'mt.refuse_change()'::regprocedure)
union all
-- Retention removes and erasure blanks, by functions of moothill_jobs, and moothill_gate seals content in place; the
-- trigger believes no other role.
select format('%s may change or remove rows of %s', r.rolname, log.id)
from pg_roles r
cross join (values ('moothill.events'::regclass), ('moothill.access_log'::regclass)) as log (id)
where not r.rolsuper and r.rolname not in ('moothill_owner', 'moothill_jobs') and r.rolname !~ '^pg_'
  and (has_any_column_privilege(r.oid, log.id, 'update') and r.rolname <> 'moothill_gate'
       or has_table_privilege(r.oid, log.id, 'update, delete, truncate'))
  and not pg_has_role(r.oid, 'moothill_owner', 'member')
union all
select 'function mt.refuse_change() believes another role than moothill_jobs'
where not exists (
  select from pg_proc p
  where p.oid = 'mt.refuse_change()'::regprocedure and not p.prosecdef and p.proowner = 'moothill_owner'::regrole
    and p.prosrc ~ 'if current_user = ''moothill_jobs'' then' and p.prosrc ~ 'mt\.is_held' and p.prosrc ~ 'mt\.is_redaction');

-- name: sealed_content
-- What a tenant that encrypts writes is sealed: the trigger of each table with sealed columns stands, on all its parts.
-- against: open content in a tenant that was promised none.
select format('%s may hold open content of a tenant that encrypts: it lacks %s', c.oid::regclass, g.name) as fault
from pg_proc p
join pg_class r on r.relnamespace = 'moothill'::regnamespace and format('sealed_%s', r.relname) = p.proname
join lateral (select r.oid as oid union all select i.inhrelid from pg_inherits i where i.inhparent = r.oid) c on true
-- By rows before they are written where a table has parts; elsewhere so for changes, and together for what was added.
join (values ('sealed_rows', true, 23), ('sealed_rows', false, 19), ('sealed_added', false, 4)) as g (name, has_parts, type)
  on g.has_parts = (r.relkind = 'p')
where p.pronamespace = 'mt'::regnamespace and p.prosecdef and p.prorettype = 'trigger'::regtype
  and not exists (
    select from pg_trigger t
    where t.tgrelid = c.oid and t.tgname = g.name and t.tgtype = g.type and t.tgenabled in ('O', 'A')
      and t.tgfoid = p.oid)
union all
select 'events may hold open content of a tenant that encrypts: mt.sealed_events() is gone'
where to_regprocedure('mt.sealed_events()') is null;

-- name: serving_role
-- Operations run as moothill_app, never as an owner or a superuser.
-- against: a service run as somebody whom no policy binds.
select format('the service is connected as %s instead of moothill_app', current_user) as fault
where current_user <> 'moothill_app';
