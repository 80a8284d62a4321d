-- name: depend
-- Have a task wait for another; how it went.
-- returns: one
select task_depend(%(tenant)s::uuid, %(child)s::uuid, %(parent)s::uuid, %(type)s::text);

-- name: dependencies
-- The tasks that one waits for, or those that wait for it.
-- returns: many
select t.id, t.task_id, t.title, {status} as status, d.type, d.met_at is not null or d.type = 'soft' as met
from (
  select p.depends_on as other, p.type, p.met_at from task_dependencies p
  where p.tenant_id = %(tenant)s and not %(below)s::boolean and p.task_id = %(id)s
  union all
  select c.task_id, c.type, c.met_at from task_dependencies c
  where c.tenant_id = %(tenant)s and %(below)s::boolean and c.depends_on = %(id)s
) d
join tasks t on t.tenant_id = %(tenant)s and t.id = d.other
{standing}
where d.other > %(after)s::uuid
order by d.other
limit %(size)s;

-- name: beside
-- The tasks one step from these along dependencies, both ways, that are not known yet.
-- returns: many
select distinct e.id
from (
  select d.depends_on as id from task_dependencies d
  where d.tenant_id = %(tenant)s and d.task_id = any(%(ids)s::uuid[])
  union all
  select d.task_id from task_dependencies d
  where d.tenant_id = %(tenant)s and d.depends_on = any(%(ids)s::uuid[])
) e
where e.id <> all(%(known)s::uuid[])
order by e.id
limit %(most)s;

-- name: these
-- Tasks, in the order given.
-- returns: many
select {summary}
from unnest(%(ids)s::uuid[]) with ordinality as k (id, place)
join tasks t on t.tenant_id = %(tenant)s and t.id = k.id
{standing}
order by k.place;

-- name: edges
-- The dependencies among these tasks.
-- returns: many
select d.task_id, d.depends_on, d.type, d.met_at is not null or d.type = 'soft' as met
from task_dependencies d
where d.tenant_id = %(tenant)s and d.task_id = any(%(ids)s::uuid[]) and d.depends_on = any(%(ids)s::uuid[])
order by d.task_id, d.depends_on;
