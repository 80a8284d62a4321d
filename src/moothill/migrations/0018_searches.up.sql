-- phase: pre
-- What is known about searches: a row for each, feedback on their hits, judged sets, and what tuning an index asks.

set local citus.enable_unsafe_triggers = on;

create table moothill.search_sessions (
  tenant_id uuid not null,
  id uuid not null,
  query_text text constraint search_sessions_text_check
    check (length(query_text) <= case when starts_with(query_text, '$sealed:') then 8000 else 1000 end),
  query_hash bytea not null constraint search_sessions_hash_check check (length(query_hash) = 32),
  search_type text not null
    constraint search_sessions_type_check check (search_type in ('vector', 'graph', 'hybrid', 'text')),
  max_results integer not null constraint search_sessions_results_check check (max_results >= 1),
  max_hops integer not null default 0 constraint search_sessions_hops_check check (max_hops >= 0),
  min_confidence numeric constraint search_sessions_confidence_check check (min_confidence between 0 and 1),
  kinds text[],
  result_count integer not null constraint search_sessions_count_check check (result_count >= 0),
  hits uuid[] not null default '{}' constraint search_sessions_hits_check check (cardinality(hits) <= 100),
  execution_ms double precision not null constraint search_sessions_time_check check (execution_ms >= 0),
  embedding_ms double precision,
  vector_ms double precision,
  text_ms double precision,
  graph_ms double precision,
  nodes_visited integer not null default 0,
  edges_traversed integer not null default 0,
  max_hops_reached integer not null default 0,
  model text not null default '',
  exact boolean not null default true,
  actor_id uuid not null,
  actor_kind text not null
    constraint search_sessions_actor_check check (actor_kind in ('operator', 'agent', 'service', 'system')),
  real_actor uuid,
  request uuid,
  created_at timestamptz not null,
  metadata jsonb not null default '{}' constraint search_sessions_metadata_check check (jsonb_typeof(metadata) = 'object'),
  constraint search_sessions_pkey primary key (tenant_id, id)
) partition by range (id);
select mt.distribute('moothill.search_sessions');
-- (A partitioned table has no concurrent build; it is empty here.)
create index search_sessions_hash_idx on moothill.search_sessions (tenant_id, query_hash, id);
create index search_sessions_actor_idx on moothill.search_sessions (tenant_id, actor_id, id);
select mt.protect('moothill.search_sessions');
select mt.seals('moothill.search_sessions', '{query_text}');
select mt.add_default('moothill.search_sessions');
select mt.add_month('moothill.search_sessions', (now() at time zone 'UTC')::date);
select mt.add_month('moothill.search_sessions', ((now() at time zone 'UTC') + interval '1 month')::date);
select mt.retain('search_sessions', 'moothill.search_sessions', 'id', 'delete', 30,
                 'Who searched for what, how long it took and what it found; 30 days.');
select mt.trace('moothill.search_sessions', 'delete', 15, 'actor_id', 'real_actor');
grant select, insert, update (query_text) on moothill.search_sessions to moothill_app;
grant select on moothill.search_sessions to moothill_readonly, moothill_auditor;

comment on table moothill.search_sessions is 'A row for each search, written some moments after it; monthly partitions.';
comment on column moothill.search_sessions.tenant_id is 'The tenant in which was searched.';
comment on column moothill.search_sessions.id is 'UUIDv7; tells its month, and names the search in feedback.';
comment on column moothill.search_sessions.query_text is 'What was looked for, as it was said; null in a search by a vector alone. Sealed where the tenant encrypts.';
comment on column moothill.search_sessions.query_hash is 'SHA-256 of the query in one spelling, or of its vector; keyed where the tenant encrypts.';
comment on column moothill.search_sessions.search_type is 'vector, graph, hybrid or text: how was searched in the end.';
comment on column moothill.search_sessions.max_results is 'Most hits asked for.';
comment on column moothill.search_sessions.max_hops is 'Most steps along relationships asked for.';
comment on column moothill.search_sessions.min_confidence is 'Least confidence asked for; null: any.';
comment on column moothill.search_sessions.kinds is 'Kinds asked for; null: all.';
comment on column moothill.search_sessions.result_count is 'Hits that came back.';
comment on column moothill.search_sessions.hits is 'Their ids, best first.';
comment on column moothill.search_sessions.execution_ms is 'Milliseconds in all: embedding, database and the way there and back.';
comment on column moothill.search_sessions.embedding_ms is 'Milliseconds for the vector of the query.';
comment on column moothill.search_sessions.vector_ms is 'Milliseconds of the search by vector; null where there was none, and where several parts found nothing together.';
comment on column moothill.search_sessions.text_ms is 'Milliseconds of the search by words; null likewise.';
comment on column moothill.search_sessions.graph_ms is 'Milliseconds of the walk along relationships; null likewise.';
comment on column moothill.search_sessions.nodes_visited is 'Agents that the walk visited.';
comment on column moothill.search_sessions.edges_traversed is 'Relationships that it followed.';
comment on column moothill.search_sessions.max_hops_reached is 'How far it came.';
comment on column moothill.search_sessions.model is 'Embedding model that answered.';
comment on column moothill.search_sessions.exact is 'Whether every vector in question was compared.';
comment on column moothill.search_sessions.actor_id is 'Who searched.';
comment on column moothill.search_sessions.actor_kind is 'operator, agent, service or system.';
comment on column moothill.search_sessions.real_actor is 'The operator behind a view as an agent.';
comment on column moothill.search_sessions.request is 'Request id of the call.';
comment on column moothill.search_sessions.created_at is 'When.';
comment on column moothill.search_sessions.metadata is 'Door, and names of the filters that were given.';

create function moothill.search_actor_stays(kind text, actor uuid) returns boolean
  language sql stable as $$
  select kind <> 'agent' or not (
    moothill.jobs_is_erased(actor)
    or exists (select from moothill.agents a
               where a.tenant_id = mt.tenant() and a.id = actor and a.agent_id = 'erased-' || a.id));
$$;
comment on function moothill.search_actor_stays(text, uuid) is
  'Whether what an actor of this tenant did may be written down: not of an agent that is erased.';
revoke all on function moothill.search_actor_stays(text, uuid) from public;
grant execute on function moothill.search_actor_stays(text, uuid) to moothill_app;

create view moothill.slow_search_queries with (security_invoker = true, security_barrier = true) as
select s.tenant_id, s.query_hash, (array_agg(s.query_text order by s.id desc))[1] as query_text,
       count(*) as searches, avg(s.execution_ms) as avg_execution_ms, max(s.execution_ms) as max_execution_ms,
       avg(s.result_count)::double precision as avg_result_count, max(s.created_at) as last_searched_at
from moothill.search_sessions s
where s.id >= mt.uuid7_floor(now() - interval '7 days')
group by s.tenant_id, s.query_hash
having avg(s.execution_ms) > 200;
grant select on moothill.slow_search_queries to moothill_app, moothill_readonly, moothill_auditor;
comment on view moothill.slow_search_queries is 'Queries that took more than 200 ms on average in the last seven days.';

create view moothill.popular_search_queries with (security_invoker = true, security_barrier = true) as
select p.tenant_id, p.query_hash, p.query_text, p.searches, p.avg_execution_ms, p.avg_result_count, p.last_searched_at
from (
  select s.tenant_id, s.query_hash, (array_agg(s.query_text order by s.id desc))[1] as query_text,
         count(*) as searches, avg(s.execution_ms) as avg_execution_ms,
         avg(s.result_count)::double precision as avg_result_count, max(s.created_at) as last_searched_at,
         row_number() over (partition by s.tenant_id order by count(*) desc, s.query_hash) as place
  from moothill.search_sessions s
  where s.id >= mt.uuid7_floor(now() - interval '30 days')
  group by s.tenant_id, s.query_hash
  having count(*) > 5
) p
where p.place <= 100;
grant select on moothill.popular_search_queries to moothill_app, moothill_readonly, moothill_auditor;
comment on view moothill.popular_search_queries is 'The hundred queries searched most often in the last thirty days, of those searched more than five times.';

create view moothill.search_performance_by_type with (security_invoker = true, security_barrier = true) as
select s.tenant_id, s.search_type, count(*) as searches, avg(s.execution_ms) as avg_execution_ms,
       percentile_cont(0.5) within group (order by s.execution_ms) as p50_ms,
       percentile_cont(0.95) within group (order by s.execution_ms) as p95_ms,
       percentile_cont(0.99) within group (order by s.execution_ms) as p99_ms,
       avg(s.result_count)::double precision as avg_result_count,
       count(*) filter (where s.result_count = 0) as without_results
from moothill.search_sessions s
where s.id >= mt.uuid7_floor(now() - interval '7 days')
group by s.tenant_id, s.search_type;
grant select on moothill.search_performance_by_type to moothill_app, moothill_readonly, moothill_auditor;
comment on view moothill.search_performance_by_type is 'How many searches of each type there were in the last seven days, and how long they took.';

create table moothill.search_feedback (
  tenant_id uuid not null,
  session_id uuid not null,
  item_id uuid not null,
  verdict text not null
    constraint search_feedback_verdict_check check (verdict in ('clicked', 'chosen', 'rejected')),
  position integer not null constraint search_feedback_position_check check (position between 1 and 100),
  query_hash bytea not null constraint search_feedback_hash_check check (length(query_hash) = 32),
  actor_id uuid not null,
  given_at timestamptz not null default now(),
  constraint search_feedback_pkey primary key (tenant_id, session_id, item_id, verdict)
);
select mt.distribute('moothill.search_feedback');
create index search_feedback_given_idx on moothill.search_feedback (tenant_id, given_at);
create index search_feedback_actor_idx on moothill.search_feedback (tenant_id, actor_id);
create index search_feedback_item_idx on moothill.search_feedback (tenant_id, item_id);
select mt.protect('moothill.search_feedback');
select mt.retain('search_feedback', 'moothill.search_feedback', 'given_at', 'delete', 365,
                 'What people and agents made of the hits of searches; a year.');
select mt.trace('moothill.search_feedback', 'delete', 16, 'actor_id', 'item_id');
grant select, insert on moothill.search_feedback to moothill_app;
grant select on moothill.search_feedback to moothill_readonly, moothill_auditor;

comment on table moothill.search_feedback is 'What somebody made of a hit; no search refers to it, so that it may outlive the search.';
comment on column moothill.search_feedback.tenant_id is 'Whose it is.';
comment on column moothill.search_feedback.session_id is 'The search, in search_sessions.';
comment on column moothill.search_feedback.item_id is 'The hit, in search_items.';
comment on column moothill.search_feedback.verdict is 'clicked: looked at; chosen: used; rejected: not what was meant.';
comment on column moothill.search_feedback.position is 'Its place among the hits, from 1.';
comment on column moothill.search_feedback.query_hash is 'The query, as in search_sessions.';
comment on column moothill.search_feedback.actor_id is 'Who said so first.';
comment on column moothill.search_feedback.given_at is 'When.';

create table moothill.search_judged_queries (
  tenant_id uuid not null,
  id uuid not null,
  judged_set text not null constraint search_judged_queries_set_check check (judged_set ~ '^[a-z0-9][a-z0-9-]{0,62}$'),
  query_text text not null constraint search_judged_queries_text_check
    check (length(query_text) between 1 and case when starts_with(query_text, '$sealed:') then 8000 else 1000 end),
  query_hash bytea not null constraint search_judged_queries_hash_check check (length(query_hash) = 32),
  kinds text[],
  source text not null constraint search_judged_queries_source_check check (source in ('given', 'feedback')),
  created_at timestamptz not null default now(),
  constraint search_judged_queries_pkey primary key (tenant_id, id),
  constraint search_judged_queries_key unique (tenant_id, judged_set, query_hash)
);
select mt.distribute('moothill.search_judged_queries');
select mt.protect('moothill.search_judged_queries');
select mt.seals('moothill.search_judged_queries', '{query_text}');
grant select, insert, delete, update (query_text) on moothill.search_judged_queries to moothill_app;
grant select on moothill.search_judged_queries to moothill_readonly, moothill_auditor;
comment on table moothill.search_judged_queries is 'Queries whose answers were judged, in named sets, to measure search by.';
comment on column moothill.search_judged_queries.tenant_id is 'Whose it is.';
comment on column moothill.search_judged_queries.id is 'Id.';
comment on column moothill.search_judged_queries.judged_set is 'Name of the set.';
comment on column moothill.search_judged_queries.query_text is 'The query. Sealed where the tenant encrypts.';
comment on column moothill.search_judged_queries.query_hash is 'SHA-256 of the query in one spelling; keyed where the tenant encrypts.';
comment on column moothill.search_judged_queries.kinds is 'Kinds that the query is asked of; null: all.';
comment on column moothill.search_judged_queries.source is 'given: by somebody who judged; feedback: by what was clicked and chosen.';
comment on column moothill.search_judged_queries.created_at is 'When it was first judged.';

create table moothill.search_judgements (
  tenant_id uuid not null,
  query_id uuid not null,
  item_id uuid not null,
  grade integer not null constraint search_judgements_grade_check check (grade between 0 and 3),
  source text not null constraint search_judgements_source_check check (source in ('given', 'feedback')),
  judged_at timestamptz not null default now(),
  constraint search_judgements_pkey primary key (tenant_id, query_id, item_id)
);
select mt.distribute('moothill.search_judgements');
alter table moothill.search_judgements add constraint search_judgements_query_fkey
  foreign key (tenant_id, query_id) references moothill.search_judged_queries (tenant_id, id) on delete cascade;
create index search_judgements_item_idx on moothill.search_judgements (tenant_id, item_id);
select mt.protect('moothill.search_judgements');
select mt.trace('moothill.search_judgements', 'delete', 17, 'item_id');
grant select, insert, delete, update (grade, source, judged_at) on moothill.search_judgements to moothill_app;
grant select on moothill.search_judgements to moothill_readonly, moothill_auditor;
comment on table moothill.search_judgements is 'How well items answer judged queries; what is not listed is irrelevant.';
comment on column moothill.search_judgements.tenant_id is 'Whose it is.';
comment on column moothill.search_judgements.query_id is 'The query.';
comment on column moothill.search_judgements.item_id is 'The item in search_items.';
comment on column moothill.search_judgements.grade is '3: the very thing; 2: would do; 1: has to do with it; 0: irrelevant.';
comment on column moothill.search_judgements.source is 'given: somebody judged it; feedback: drawn from what was clicked and chosen, and gives way to what is given.';
comment on column moothill.search_judgements.judged_at is 'When it was last judged.';

-- ------------------------------------------------------------------ tuning an index

alter table moothill.embedding_placements add column tuned_vectors bigint;
grant update (tuned_vectors) on moothill.embedding_placements to moothill_app;
comment on column moothill.embedding_placements.tuned_vectors is 'Vectors that there were when the effort was measured; null: the effort follows from their number.';

create function moothill.search_sample(tenant uuid, wanted text, size integer, seed text) returns setof uuid
  language plpgsql stable security definer set search_path = pg_catalog, moothill, mt, public, pg_temp as $$
begin
  perform mt.same_tenant(tenant);
  if to_regclass(format('moothill.%I', 'embedding_' || wanted)) is null
     or not exists (select from moothill.embedding_models m where m.slug = wanted) then
    return;
  end if;
  return query execute format(
    'select e.item_id from moothill.%I e where e.tenant_id = $1 order by md5(e.item_id::text || $2), e.item_id limit $3',
    'embedding_' || wanted) using tenant, seed, least(size, 1000);
end $$;
comment on function moothill.search_sample(uuid, text, integer, text) is
  'Items of a tenant chosen by chance, the same for the same seed, whose vectors serve as queries.';
select mt.lend('moothill.search_sample(uuid, text, integer, text)'::regprocedure, 'moothill_search');

create function moothill.search_probe(tenant uuid, wanted text, item uuid, beside uuid, efforts integer[],
                                      nearest integer)
  returns table (effort integer, hits integer, milliseconds double precision)
  language plpgsql volatile security definer set search_path = pg_catalog, moothill, mt, public, pg_temp as $$
#variable_conflict use_column
declare
  relation text := 'embedding_' || wanted;
  asked public.halfvec;
  reach float8;
  seen float8[];
  began timestamptz;
  asking text;
begin
  perform mt.same_tenant(tenant);
  if not exists (select from moothill.embedding_models m where m.slug = wanted) then
    return;
  end if;
  -- Two parts of one vector and one of another: like a query, it has a neighbourhood and is no stored point, whose
  -- neighbours hang on it in the index and are found too easily.
  execute format('select e.vector operator(public.+) e.vector operator(public.+) b.vector from moothill.%1$I e '
                 'join moothill.%1$I b on b.tenant_id = $1 and b.item_id = $3 '
                 'where e.tenant_id = $1 and e.item_id = $2', relation)
    into asked using tenant, item, beside;
  if asked is null then
    return;
  end if;
  began := clock_timestamp();
  -- An expression is no index's order: every row is compared.
  execute format('select array_agg(f.far order by f.far) from (select (e.vector operator(public.<#>) $2) + 0 as far '
                 'from moothill.%I e where e.tenant_id = $1 order by far limit $3) f', relation)
    into seen using tenant, asked, least(nearest, 100);
  effort := 0;
  hits := coalesce(cardinality(seen), 0);
  milliseconds := 1000 * extract(epoch from clock_timestamp() - began);
  reach := seen[hits];
  return next;
  if not exists (select from moothill.embedding_placements p
                 where p.tenant_id = tenant and p.model = wanted and p.place = 'own') then
    return;
  end if;
  set local hnsw.iterative_scan = 'relaxed_order';
  asking := format('select array_agg(f.far) from (select e.vector operator(public.<#>) $2 as far '
                   'from moothill.%I e where e.tenant_id = $1 order by e.vector operator(public.<#>) $2 limit $3) f',
                   relation);
  foreach effort in array efforts[1:20] loop
    execute format('set local hnsw.ef_search = %s', least(1000, greatest(effort, nearest)));
    began := clock_timestamp();
    execute asking into seen using tenant, asked, least(nearest, 100);
    milliseconds := 1000 * extract(epoch from clock_timestamp() - began);
    select least(count(*), nearest) into hits from unnest(seen) as s (far) where s.far <= reach + 1e-5;
    return next;
  end loop;
end $$;
comment on function moothill.search_probe(uuid, text, uuid, uuid, integer[], integer) is
  'How many of the nearest neighbours of a mixture of two stored vectors the index finds at each effort, and how long it takes; effort 0: by comparing all.';
select mt.lend('moothill.search_probe(uuid, text, uuid, uuid, integer[], integer)'::regprocedure, 'moothill_search');
