-- let: own
-- An agent sees what it searched itself.
(mt.actor_kind() <> 'agent' or s.actor_id = mt.actor())

-- let: window
s.tenant_id = %(tenant)s and s.id >= mt.uuid7_floor(now() - make_interval(days => %(days)s)) and {own}

-- name: page
-- Searches of this tenant, newest first.
-- returns: many
-- seals: search_sessions.query_text
select s.id, s.query_text, s.search_type, s.max_results, s.max_hops, s.min_confidence, s.kinds, s.result_count, s.hits,
       s.execution_ms, s.embedding_ms, s.vector_ms, s.text_ms, s.graph_ms, s.nodes_visited, s.edges_traversed,
       s.max_hops_reached, s.model, s.exact, s.actor_id, s.actor_kind, s.real_actor, s.request, s.created_at, s.metadata
from search_sessions s
where s.tenant_id = %(tenant)s and s.id < %(before)s
  and (%(since)s::timestamptz is null or s.id >= mt.uuid7_floor(greatest(%(since)s::timestamptz, 'epoch')))
  and (%(until)s::timestamptz is null or s.id < mt.uuid7_floor(greatest(%(until)s::timestamptz, 'epoch')))
  and (%(type)s::text is null or s.search_type = %(type)s)
  and (%(actor)s::uuid is null or s.actor_id = %(actor)s or s.real_actor = %(actor)s)
  and (%(hashes)s::bytea[] is null or s.query_hash = any (%(hashes)s::bytea[]))
  and s.execution_ms >= %(minimum_ms)s
  and (not %(unanswered)s or s.result_count = 0) and {own}
order by s.id desc
limit %(size)s;

-- name: slow
-- Queries that take longest on average, the slowest first.
-- returns: many
-- seals: search_sessions.query_text
select (array_agg(s.id order by s.id desc))[1] as id, (array_agg(s.query_text order by s.id desc))[1] as query_text,
       count(*) as searches, max(s.created_at) as last_searched_at,
       round(avg(s.execution_ms)::numeric, 3)::double precision as avg_execution_ms,
       max(s.execution_ms) as max_execution_ms, round(avg(s.result_count), 3)::double precision as avg_result_count
from search_sessions s
where {window}
group by s.query_hash
having avg(s.execution_ms) > %(minimum_ms)s
order by avg(s.execution_ms) desc, s.query_hash
limit %(size)s;

-- name: popular
-- Queries that are searched most often, the commonest first.
-- returns: many
-- seals: search_sessions.query_text
select (array_agg(s.id order by s.id desc))[1] as id, (array_agg(s.query_text order by s.id desc))[1] as query_text,
       count(*) as searches, max(s.created_at) as last_searched_at,
       round(avg(s.execution_ms)::numeric, 3)::double precision as avg_execution_ms,
       round(avg(s.result_count), 3)::double precision as avg_result_count
from search_sessions s
where {window}
group by s.query_hash
having count(*) >= %(least)s
order by count(*) desc, s.query_hash
limit %(size)s;

-- name: unanswered
-- Queries of which some search found nothing, those that did so most often first.
-- returns: many
-- seals: search_sessions.query_text
select (array_agg(s.id order by s.id desc))[1] as id, (array_agg(s.query_text order by s.id desc))[1] as query_text,
       count(*) as searches, max(s.created_at) as last_searched_at,
       count(*) filter (where s.result_count = 0) as unanswered
from search_sessions s
where {window}
group by s.query_hash
having count(*) filter (where s.result_count = 0) > 0
order by count(*) filter (where s.result_count = 0) desc, s.query_hash
limit %(size)s;

-- name: performance
-- How long searches of each type take.
-- returns: many
select s.search_type, count(*) as searches,
       round(avg(s.execution_ms)::numeric, 3)::double precision as avg_execution_ms,
       round((percentile_cont(0.5) within group (order by s.execution_ms))::numeric, 3)::double precision as p50_ms,
       round((percentile_cont(0.95) within group (order by s.execution_ms))::numeric, 3)::double precision as p95_ms,
       round((percentile_cont(0.99) within group (order by s.execution_ms))::numeric, 3)::double precision as p99_ms,
       round(avg(s.result_count), 3)::double precision as avg_result_count,
       count(*) filter (where s.result_count = 0) as without_results
from search_sessions s
where {window}
group by s.search_type
order by s.search_type;
