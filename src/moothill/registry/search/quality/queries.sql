-- name: session_of
-- A search, and the place of an item among its hits; an agent finds its own.
-- returns: maybe
select s.query_hash, array_position(s.hits, %(item)s::uuid) as position
from search_sessions s
where s.tenant_id = %(tenant)s and s.id = %(session)s and (mt.actor_kind() <> 'agent' or s.actor_id = mt.actor());

-- name: give
-- Keep what was said of a hit; no row when it was said before.
-- returns: maybe
insert into search_feedback (tenant_id, session_id, item_id, verdict, position, query_hash, actor_id)
values (%(tenant)s, %(session)s, %(item)s, %(verdict)s, %(position)s, %(query_hash)s, %(actor)s)
on conflict (tenant_id, session_id, item_id, verdict) do nothing
returning true as given;

-- name: items
-- The items that references name: ids, or own keys, an agent's before another's.
-- returns: many
select distinct on (f.reference) f.reference, f.id
from (
  select i.key as reference, i.id, i.kind <> 'agent' as place
  from search_items i
  where i.tenant_id = %(tenant)s and i.key = any (%(references)s::text[])
  union all
  select i.id::text, i.id, false
  from search_items i
  where i.tenant_id = %(tenant)s and i.id = any (%(ids)s::uuid[])
) f
order by f.reference, f.place, f.id;

-- name: judged
-- Queries of a set by their digests.
-- returns: many
select id, query_hash
from search_judged_queries
where tenant_id = %(tenant)s and judged_set = %(judged_set)s and query_hash = any (%(hashes)s::bytea[]);

-- name: add_queries
-- Add queries to a set.
-- returns: run
-- seals: search_judged_queries.query_text
insert into search_judged_queries (tenant_id, id, judged_set, query_text, query_hash, kinds, source)
select tn.id, r.id, r.judged_set, r.query_text, decode(r.query_hash, 'hex'), r.kinds, r.source
from tenants tn
cross join jsonb_to_recordset(%(rows)s::jsonb) as r (
  id uuid, judged_set text, query_text text, query_hash text, kinds text[], source text)
where tn.id = %(tenant)s
on conflict (tenant_id, judged_set, query_hash) do nothing;

-- name: put_judgements
-- Write judgements, new or changed; one row for each of those. What somebody gave gives way to nothing from feedback.
-- returns: many
insert into search_judgements (tenant_id, query_id, item_id, grade, source, judged_at)
select tn.id, r.query_id, r.item_id, r.grade, %(source)s, now()
from tenants tn
cross join jsonb_to_recordset(%(rows)s::jsonb) as r (query_id uuid, item_id uuid, grade integer)
where tn.id = %(tenant)s
on conflict (tenant_id, query_id, item_id) do update
set grade = excluded.grade, source = excluded.source, judged_at = excluded.judged_at
where (search_judgements.grade, search_judgements.source) <> (excluded.grade, excluded.source)
  and (excluded.source = 'given' or search_judgements.source = 'feedback')
returning item_id;

-- name: said
-- What each search said of each hit.
-- returns: many
select f.query_hash, f.item_id, f.session_id, array_agg(f.verdict) as verdicts
from search_feedback f
where f.tenant_id = %(tenant)s and f.given_at >= now() - make_interval(days => %(days)s)
group by f.query_hash, f.item_id, f.session_id
order by f.session_id desc, f.item_id
limit %(size)s;

-- name: words
-- The words of queries, as they were last said.
-- returns: many
-- seals: search_sessions.query_text
select distinct on (s.query_hash) s.id, s.query_hash, s.query_text, s.kinds
from search_sessions s
where s.tenant_id = %(tenant)s and s.query_hash = any (%(hashes)s::bytea[]) and s.query_text is not null
order by s.query_hash, s.id desc;

-- name: page
-- Judgements of a set, query by query.
-- returns: many
-- seals: search_judged_queries.query_text
select q.id, q.query_text, q.kinds, j.source, j.item_id, i.title, j.grade, j.judged_at
from search_judged_queries q
join search_judgements j on j.tenant_id = %(tenant)s and j.query_id = q.id
left join search_items i on i.tenant_id = %(tenant)s and i.id = j.item_id
where q.tenant_id = %(tenant)s and (%(judged_set)s::text is null or q.judged_set = %(judged_set)s)
  and (q.id, j.item_id) > (%(after_query)s, %(after_item)s)
order by q.id, j.item_id
limit %(size)s;

-- name: to_ask
-- The first queries of a set with all that was judged of them.
-- returns: many
-- seals: search_judged_queries.query_text
select q.id, q.query_text, q.kinds,
       array_agg(j.item_id order by j.item_id) as items, array_agg(j.grade order by j.item_id) as grades,
       array_agg(i.id is not null order by j.item_id) as there
from (
  select q.id, q.query_text, q.kinds
  from search_judged_queries q
  where q.tenant_id = %(tenant)s and q.judged_set = %(judged_set)s
  order by q.id
  limit %(size)s
) q
join search_judgements j on j.tenant_id = %(tenant)s and j.query_id = q.id
left join search_items i on i.tenant_id = %(tenant)s and i.id = j.item_id
group by q.id, q.query_text, q.kinds
order by q.id;

-- name: sets
-- The judged sets.
-- returns: many
select q.judged_set, count(distinct q.id) as queries, count(j.item_id) as judgements, max(j.judged_at) as judged_at
from search_judged_queries q
left join search_judgements j on j.tenant_id = %(tenant)s and j.query_id = q.id
where q.tenant_id = %(tenant)s
group by q.judged_set
order by q.judged_set
limit 1000;

-- name: count_set
-- How large a set is.
-- returns: one
select count(distinct q.id) as queries, count(j.item_id) as judgements
from search_judged_queries q
left join search_judgements j on j.tenant_id = %(tenant)s and j.query_id = q.id
where q.tenant_id = %(tenant)s and q.judged_set = %(judged_set)s;

-- name: forget
-- Remove a set; its judgements go with it.
-- returns: many
delete from search_judged_queries
where tenant_id = %(tenant)s and judged_set = %(judged_set)s
returning id;
